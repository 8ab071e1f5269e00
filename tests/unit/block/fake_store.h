/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fake_store.h - xenstore/client.h without a daemon: one flat list of nodes in memory, watches
 * that fire at xs_dispatch(), transactions that take effect at once.
 */
#pragma once

#include "xenstore/client.h"

/* Forget everything. */
void store_reset(void);
/* The guest's (or toolstack's) hand: write, read (NULL = not there), remove. */
void store_write(const char *path, const char *value);
const char *store_read(const char *path);
/* Number of nodes at and below a path. */
unsigned int store_count(const char *path);
/* Fire what is due, until nothing is. */
void store_settle(void);
/* The next `count` ends of transactions say that somebody was faster. */
void store_conflict(unsigned int count);
/* While set, reads end with -ECONNRESET. */
void store_break(bool broken);
/* Owner of a node by the permissions it or its nearest ancestor was given; -1 = none. */
int store_owner(const char *path);
