/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_tree.c - see xenstore_tree.h. Recursion is as deep as the tree, which the path
 * checks of the protocol side bound.
 */
#include "domain/xenstore_tree.h"

#include <stdlib.h>
#include <string.h>

void xsnode_free(struct xsnode *n)
{
    while (n) {
        struct xsnode *next = n->next;

        xsnode_free(n->children);
        free(n->name);
        free(n->value);
        free(n);
        n = next;
    }
}

struct xsnode *xsnode_copy(const struct xsnode *from, struct xsnode *parent)
{
    struct xsnode *n = calloc(1, sizeof(*n)), **tail;

    if (!n)
        return NULL;
    *n = *from;
    n->parent = parent;
    n->next = n->children = NULL;
    n->name = strdup(from->name);
    n->value = malloc(from->value_len + 1);
    if (!n->name || !n->value)
        goto fail;
    memcpy(n->value, from->value, from->value_len);
    tail = &n->children;
    for (const struct xsnode *c = from->children; c; c = c->next) {
        *tail = xsnode_copy(c, n);
        if (!*tail)
            goto fail;
        tail = &(*tail)->next;
    }
    return n;

fail:
    xsnode_free(n);
    return NULL;
}

struct xsnode *xsnode_root(void)
{
    struct xsnode *n = calloc(1, sizeof(*n));

    if (!n)
        return NULL;
    n->name = strdup("");
    n->value = calloc(1, 1);
    n->perms[0] = (struct xsperm){.id = XS_PRIVILEGED, .mode = 'r'};
    n->nr_perms = 1;
    if (!n->name || !n->value) {
        xsnode_free(n);
        return NULL;
    }
    return n;
}

static struct xsnode *node_child(const struct xsnode *n, const char *name, size_t len)
{
    for (struct xsnode *c = n->children; c; c = c->next) {
        if (strlen(c->name) == len && !memcmp(c->name, name, len))
            return c;
    }
    return NULL;
}

struct xsnode *xsnode_walk(struct xsnode *root, const char *path, const char **rest)
{
    struct xsnode *n = root;

    while (*path) {
        const char *name = path + 1;
        size_t len = strcspn(name, "/");
        struct xsnode *child;

        if (!len)
            break;
        child = node_child(n, name, len);
        if (!child)
            break;
        n = child;
        path = name + len;
    }
    *rest = path;
    return n;
}

bool xsnode_found(const char *rest)
{
    return !rest[0] || !rest[1];
}

struct xsnode *xsnode_find(struct xsnode *root, const char *path)
{
    const char *rest;
    struct xsnode *n = xsnode_walk(root, path, &rest);

    return xsnode_found(rest) ? n : NULL;
}

unsigned int xsnode_count(const struct xsnode *n, domid_t owner)
{
    unsigned int count = 0;

    for (; n; n = n->next)
        count += (n->perms[0].id == owner) + xsnode_count(n->children, owner);
    return count;
}

struct xsnode *xsnode_add(struct xsnode *parent, const char *name, size_t len, domid_t by)
{
    struct xsnode *n = calloc(1, sizeof(*n)), **tail = &parent->children;

    if (!n)
        return NULL;
    n->name = strndup(name, len);
    n->value = calloc(1, 1);
    if (!n->name || !n->value) {
        xsnode_free(n);
        return NULL;
    }
    n->parent = parent;
    memcpy(n->perms, parent->perms, sizeof(n->perms));
    n->nr_perms = parent->nr_perms;
    if (by != XS_PRIVILEGED)
        n->perms[0].id = by;
    while (*tail)
        tail = &(*tail)->next;
    *tail = n;
    return n;
}

void xsnode_remove(struct xsnode *n)
{
    struct xsnode **p = &n->parent->children;

    while (*p != n)
        p = &(*p)->next;
    *p = n->next;
    n->next = NULL;
    xsnode_free(n);
}

bool xsnode_allows(const struct xsnode *n, domid_t by, bool write)
{
    char mode = n->perms[0].mode;

    if (by == XS_PRIVILEGED || n->perms[0].id == by)
        return true;
    for (unsigned int i = 1; i < n->nr_perms; i++) {
        if (n->perms[i].id == by) {
            mode = n->perms[i].mode;
            break;
        }
    }
    return mode == 'b' || mode == (write ? 'w' : 'r');
}

bool xspath_is_below(const char *path, const char *top)
{
    size_t len = strlen(top);

    if (len == 1)
        return true; /* "/" */
    return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}
