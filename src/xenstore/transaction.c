/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * transaction.c - see transaction.h. Removing a node counts as looking at all below it; whether
 * anything there has changed is told by the node being the very same one in both trees
 * (tree.h).
 */
#include "xenstore/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "xenstore/watch.h"

struct tx_path {
    char *path;
    unsigned int access; /* enum tx_access, or'ed */
};

static void account(void *arg, domid_t owner, int nodes)
{
    struct tx *tx = arg;

    if (owner == tx->c->domid)
        tx->nodes += nodes;
}

int tx_start(struct conn *c, uint32_t *ret)
{
    struct store *s = c->s;
    struct tx *tx;

    if (c->domain && c->domain->transactions >= s->quota.transactions)
        return ENOSPC;
    tx = calloc(1, sizeof(*tx));
    if (!tx)
        return ENOMEM;
    do {
        s->last_tx++;
    } while (!s->last_tx || tx_find(c, s->last_tx));
    tx->c = c;
    tx->id = s->last_tx;
    tx->reservations = s->reservations;
    tree_copy(&tx->base, &s->tree, account, tx);
    tree_copy(&tx->tree, &s->tree, account, tx);
    tx->next = c->txs;
    c->txs = tx;
    if (c->domain)
        c->domain->transactions++;
    *ret = tx->id;
    return 0;
}

struct tx *tx_find(const struct conn *c, uint32_t id)
{
    struct tx *tx = c->txs;

    while (tx && tx->id != id)
        tx = tx->next;
    return tx;
}

/* --- what it did ------------------------------------------------------------------------ */

/* Count bytes that a domain makes us hold. */
static int charge(struct tx *tx, size_t bytes)
{
    struct xs_domain *d = tx->c->domain;

    if (!d)
        return 0;
    if (d->transaction_bytes + bytes > tx->c->s->quota.transaction_bytes)
        return ENOSPC;
    d->transaction_bytes += bytes;
    tx->bytes += bytes;
    return 0;
}

static struct tx_path *find_path(const struct tx *tx, const char *path)
{
    for (unsigned int i = 0; i < tx->nr_paths; i++) {
        if (!strcmp(tx->paths[i].path, path))
            return &tx->paths[i];
    }
    return NULL;
}

static int add_path(struct tx *tx, const char *path)
{
    char *copy;

    if (tx->c->domain && tx->nr_paths >= tx->c->s->quota.transaction_nodes)
        return ENOSPC;
    if (charge(tx, sizeof(struct tx_path) + strlen(path)))
        return ENOSPC;
    if (tx->nr_paths == tx->max_paths) {
        unsigned int max = tx->max_paths ? tx->max_paths * 2 : 16;
        struct tx_path *p = realloc(tx->paths, max * sizeof(*p));

        if (!p)
            return ENOMEM;
        tx->paths = p;
        tx->max_paths = max;
    }
    copy = strdup(path);
    if (!copy)
        return ENOMEM;
    tx->paths[tx->nr_paths++] = (struct tx_path){.path = copy};
    return 0;
}

int tx_note(struct tx *tx, const char *path, enum tx_access access)
{
    struct tx_path *p = find_path(tx, path);
    int code = p ? 0 : add_path(tx, path);

    if (code)
        return code;
    if (!p)
        p = &tx->paths[tx->nr_paths - 1];
    if (access == TX_CHANGED && !(p->access & TX_CHANGED))
        code = charge(tx, tx->c->s->quota.node_size); /* its value, as big as it may get */
    if (!code)
        p->access |= access;
    return code;
}

/* --- its end ---------------------------------------------------------------------------- */

static void tx_free(struct tx *tx)
{
    struct xs_domain *d = tx->c->domain;
    struct tx **p = &tx->c->txs;

    while (*p != tx)
        p = &(*p)->next;
    *p = tx->next;
    if (d) {
        d->transactions--;
        d->transaction_bytes -= tx->bytes;
    }
    for (unsigned int i = 0; i < tx->nr_paths; i++)
        free(tx->paths[i].path);
    free(tx->paths);
    tree_done(&tx->tree);
    tree_done(&tx->base);
    free(tx);
}

void tx_abort(struct tx *tx)
{
    tx_free(tx);
}

void tx_abort_all(struct conn *c)
{
    while (c->txs)
        tx_free(c->txs);
}

/* Has somebody else changed what this one has relied on? */
static bool is_stale(const struct tx *tx, const struct tx_path *p)
{
    const struct node *then = tree_find(&tx->base, p->path);
    const struct node *now = tree_find(&tx->c->s->tree, p->path);

    if (!then || !now)
        return then != now;
    return p->access & TX_REMOVED ? then != now : then->generation != now->generation;
}

/* 0 if it may be committed; `changes` tells whether there is anything to commit. */
static int check(const struct tx *tx, bool *changes)
{
    const struct xs_domain *d = tx->c->domain;
    bool stale = false;

    *changes = false;
    for (unsigned int i = 0; i < tx->nr_paths; i++) {
        *changes = *changes || tx->paths[i].access != TX_READ;
        stale = stale || is_stale(tx, &tx->paths[i]);
    }
    if (!*changes)
        return 0;
    if (stale)
        return EAGAIN;
    if (d && tx->nodes > 0 && d->nodes + (unsigned int)tx->nodes > tx->c->s->quota.nodes)
        return ENOSPC;
    return 0;
}

static int carry_over(struct tree *to, const char *path, const struct node *n)
{
    int code = tree_create(to, path, 0);

    if (!code)
        code = tree_set_perms(to, path, n->perms, n->nr_perms);
    if (!code)
        code = tree_set_value(to, path, n->value, n->value_len);
    return code;
}

/* First what goes, for something new may have come in its place; events last, when all is as
 * it shall be. Out of memory, the rest is missing. */
static int apply(struct tx *tx)
{
    struct store *s = tx->c->s;
    int code = 0;

    for (unsigned int i = 0; i < tx->nr_paths && !code; i++) {
        const struct tx_path *p = &tx->paths[i];

        if (!(p->access & TX_REMOVED) || !tree_find(&s->tree, p->path))
            continue;
        watch_fire_removed(s, p->path);
        code = tree_remove(&s->tree, p->path);
    }
    for (unsigned int i = 0; i < tx->nr_paths && !code; i++) {
        const struct tx_path *p = &tx->paths[i];
        const struct node *n = tree_find(&tx->tree, p->path);

        if (n && p->access & (TX_CHANGED | TX_TOUCHED))
            code = carry_over(&s->tree, p->path, n);
    }
    for (unsigned int i = 0; i < tx->nr_paths; i++) {
        const struct tx_path *p = &tx->paths[i];

        if (p->access & TX_CHANGED && tree_find(&s->tree, p->path))
            watch_fire(s, p->path);
    }
    return code;
}

int tx_commit(struct tx *tx)
{
    bool changes;
    int code = check(tx, &changes);

    if (!code && changes)
        code = apply(tx);
    tx_free(tx);
    return code;
}
