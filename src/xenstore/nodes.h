/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodes.h - what requests do to nodes: with rights and limits, in the store or in a
 * transaction, and with the watches told.
 */
#pragma once

#include "xenstore/transaction.h"

/* Who asks, and where: in tx, or in the store itself if that is NULL. */
struct view {
    struct conn *c;
    struct tx *tx;
};

/* `path` is absolute and checked; for permissions it may be a special watch's. *ret stays good
 * until the next change. */
int nodes_find(const struct view *v, const char *path, const struct node **ret);
int nodes_write(const struct view *v, const char *path, const void *value, size_t len);
int nodes_mkdir(const struct view *v, const char *path);
int nodes_remove(const struct view *v, const char *path);
int nodes_set_perms(const struct view *v, const char *path, const struct xs_perm *perms,
                    unsigned int count);
