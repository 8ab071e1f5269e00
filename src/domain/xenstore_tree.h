/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_tree.h - the nodes of the small xenstore: names, values, permissions. Knows
 * nothing of rings, quotas, watches or transactions. Paths given to it are absolute and
 * were checked.
 */
#pragma once

#include "base/types.h"

#define XSNODE_MAX_PERMS 5
#define XS_PRIVILEGED 0 /* domid that may do all */

struct xsperm {
    domid_t id;
    char mode; /* n, r, w, b */
};

struct xsnode {
    struct xsnode *parent, *children, *next;
    char *name;
    void *value;
    size_t value_len;
    struct xsperm perms[XSNODE_MAX_PERMS]; /* [0]: owner, and what the unnamed may do */
    unsigned int nr_perms;
};

/* A root that everybody may read and domain 0 owns; NULL when out of memory. */
struct xsnode *xsnode_root(void);
/* Free n, what is below and its later siblings. NULL is fine. */
void xsnode_free(struct xsnode *n);
/* Copy of a subtree, without the siblings of its top. NULL when out of memory. */
struct xsnode *xsnode_copy(const struct xsnode *from, struct xsnode *parent);

/* Follow a path as far as it exists; *rest is what is left of it. */
struct xsnode *xsnode_walk(struct xsnode *root, const char *path, const char **rest);
/* After a walk: was all of the path there? */
bool xsnode_found(const char *rest);
struct xsnode *xsnode_find(struct xsnode *root, const char *path);

/* New last child with an empty value. It has the permissions of its parent, but belongs to
 * `by` unless that is domain 0. NULL when out of memory. */
struct xsnode *xsnode_add(struct xsnode *parent, const char *name, size_t len, domid_t by);
/* Take n out of its parent and free it with all below. Not for the root. */
void xsnode_remove(struct xsnode *n);

/* Nodes of a list of siblings, and below, that belong to `owner`. */
unsigned int xsnode_count(const struct xsnode *n, domid_t owner);
bool xsnode_allows(const struct xsnode *n, domid_t by, bool write);

/* Is `path` the node `top`, or below it? */
bool xspath_is_below(const char *path, const char *top);
