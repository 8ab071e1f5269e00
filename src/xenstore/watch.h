/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * watch.h - watches of connections, and telling them.
 */
#pragma once

#include "xenstore/conn.h"

#define XS_TOKEN_MAX (XENSTORE_PAYLOAD_MAX - XENSTORE_ABS_PATH_MAX - 2)
#define XS_INTRODUCE_DOMAIN "@introduceDomain"
#define XS_RELEASE_DOMAIN "@releaseDomain"

/* The path in store.special of the special watch of that name; NULL: it is none. */
const char *watch_special(const char *name);

/* depth: how many levels below count; -1 = all. */
int watch_add(struct conn *c, const char *path, const char *token, int depth);
/* The event that comes at once, of the watch that was added last. */
void watch_fire_first(struct conn *c);
int watch_remove(struct conn *c, const char *path, const char *token);
void watch_remove_all(struct conn *c);

/* The node at path changed or came. */
void watch_fire(struct store *s, const char *path);
/* It and all below are about to go. */
void watch_fire_removed(struct store *s, const char *path);
void watch_fire_special(struct store *s, const char *name);
