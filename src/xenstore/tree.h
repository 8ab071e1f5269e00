/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tree.h - the nodes: names, values, permissions. Trees share what is the same in them: a copy
 * costs nothing, and a change copies the nodes from the root down to the one that changes, as
 * far as another tree has them, too. So a node that two trees share has not changed, nor has
 * anything below it, since one was copied from the other.
 *
 * Knows nothing of rights, quotas, watches or transactions. Paths are absolute and checked.
 * Functions that return int give 0 or ENOMEM, and have changed nothing in that case.
 */
#pragma once

#include "base/types.h"
#include "xenstore/client.h" /* struct xs_perm */

struct node {
    unsigned int refs;
    uint64_t generation; /* of its last change: value, permissions, or names of children */
    char *name;
    void *value;
    size_t value_len;
    struct xs_perm *perms;
    unsigned int nr_perms;
    struct node **children; /* by name */
    unsigned int nr_children, max_children;
};

/* Hears of every node that comes (+1) or goes (-1), by owner. */
typedef void tree_account_fn(void *arg, domid_t owner, int nodes);

struct tree {
    struct node *root;
    uint64_t *generation; /* counter; the same for all copies of a tree */
    tree_account_fn *account;
    void *account_arg;
};

/* A tree with a root that domain 0 owns and nobody else may touch. */
int tree_init(struct tree *t, uint64_t *generation, tree_account_fn *account, void *arg);
void tree_done(struct tree *t);
/* *t becomes a copy of *from. */
void tree_copy(struct tree *t, const struct tree *from, tree_account_fn *account, void *arg);

/* Follow a path as far as it exists; *rest is what is left of it. */
const struct node *tree_walk(const struct tree *t, const char *path, const char **rest);
/* After a walk: was all of the path there? */
bool tree_found(const char *rest);
const struct node *tree_find(const struct tree *t, const char *path); /* NULL: not there */

/* Make the node and those above it, as far as they are missing: empty, with the permissions of
 * the node above, owned by `by` unless that is domain 0. */
int tree_create(struct tree *t, const char *path, domid_t by);
/* These are for nodes that exist. */
int tree_set_value(struct tree *t, const char *path, const void *value, size_t len);
int tree_set_perms(struct tree *t, const char *path, const struct xs_perm *perms,
                   unsigned int count);
int tree_remove(struct tree *t, const char *path); /* not for the root */

/* Call fn for n and all below it, parents first; `path` is n's. It returns whether to go on
 * below that node. */
typedef bool tree_visit_fn(void *arg, const char *path, const struct node *n);
void tree_visit(const struct node *n, const char *path, tree_visit_fn *fn, void *arg);
