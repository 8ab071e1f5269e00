/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * transaction.h - transactions: each works on a copy of the tree, and remembers which nodes it
 * has looked at or changed. Its end carries the changes over into the store, unless one of
 * those nodes was changed there meanwhile (EAGAIN). One that has changed nothing always ends
 * well: what it saw was true when it began.
 */
#pragma once

#include "xenstore/conn.h"

/* What a transaction did to a path. */
enum tx_access {
    TX_READ = 0,    /* looked at it, also if it was not there */
    TX_TOUCHED = 1, /* made it on the way to another */
    TX_CHANGED = 2, /* was asked to change it: watches fire */
    TX_REMOVED = 4,
};

struct tx {
    struct tx *next;
    struct conn *c;
    uint32_t id;
    uint64_t reservations; /* there had been when it began */
    struct tree base;      /* as it was at the start */
    struct tree tree;
    struct tx_path *paths;
    unsigned int nr_paths, max_paths;
    int nodes;    /* how many more the connection's domain owns than at the start */
    size_t bytes; /* counted against the domain's limit */
};

/* Begin one; *ret is its id. */
int tx_start(struct conn *c, uint32_t *ret);
struct tx *tx_find(const struct conn *c, uint32_t id);
/* Remember an access, before it is made. ENOSPC when that is too much. */
int tx_note(struct tx *tx, const char *path, enum tx_access access);
/* Both end it, however they end. */
int tx_commit(struct tx *tx);
void tx_abort(struct tx *tx);
void tx_abort_all(struct conn *c);
