/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * store.h - what xenstored knows: one tree, the domains, the connections. Everything is done by
 * one thread, to completion, so nothing is locked. No sockets here: server.c has them.
 *
 * Functions that a request ends in return 0 or the positive errno that the answer names.
 */
#pragma once

#include "xenstore/path.h"
#include "xenstore/tree.h"

#define XS_VM_MAX 48 /* "/vm/UUID" */

/* What a domain other than 0 may have. Beyond: ENOSPC. */
struct quota {
    unsigned int nodes;
    unsigned int watches;
    unsigned int transactions;
    unsigned int transaction_nodes; /* touched by one transaction */
    unsigned int transaction_bytes; /* held by all transactions of a domain */
    unsigned int node_size;         /* bytes of a value */
    unsigned int permissions;       /* entries of a node */
};

/* A domain that was introduced, has a connection, or owns nodes. */
struct xs_domain {
    struct xs_domain *next;
    domid_t id;
    bool introduced;
    bool over;          /* was released; only connections are left of it */
    domid_t target;     /* whose rights it has, too; 0 = none */
    char vm[XS_VM_MAX]; /* "/vm/UUID", if its process was confined to it; "" = what its node says */
    unsigned int connections;
    unsigned int nodes, watches, transactions;
    size_t transaction_bytes;
};

struct conn;

struct store {
    struct tree tree;
    uint64_t generation;
    uint32_t last_tx;
    uint64_t reservations; /* ever made (confine.h) */
    struct quota quota;
    struct xs_domain *domains; /* without domain 0 */
    struct conn *conns;
    struct tree special; /* one node each for the special watches: who may have them */
};

/* A store with the first nodes in it. 0 or -ENOMEM. */
int store_init(struct store *s);
/* All connections must be gone. */
void store_done(struct store *s);
