/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tree.c - see tree.h. A node is written to only by somebody who holds its only reference, all
 * the way from the root: see edit(). Recursion is as deep as the tree, which the checks of
 * paths bound.
 */
#include "xenstore/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xenstore/path.h"

/* --- nodes ------------------------------------------------------------------------------ */

static void node_unref(struct node *n)
{
    if (!n || --n->refs)
        return;
    for (unsigned int i = 0; i < n->nr_children; i++)
        node_unref(n->children[i]);
    free(n->children);
    free(n->name);
    free(n->value);
    free(n->perms);
    free(n);
}

static void *copy_bytes(const void *from, size_t size)
{
    void *p = malloc(size + 1);

    if (p && size)
        memcpy(p, from, size);
    return p;
}

/* A node without children. NULL when out of memory. */
static struct node *node_new(const char *name, size_t name_len, const void *value, size_t value_len,
                             const struct xs_perm *perms, unsigned int nr_perms)
{
    struct node *n = calloc(1, sizeof(*n));

    if (!n)
        return NULL;
    n->refs = 1;
    n->name = strndup(name, name_len);
    n->value = copy_bytes(value, value_len);
    n->value_len = value_len;
    n->perms = copy_bytes(perms, nr_perms * sizeof(*perms));
    n->nr_perms = nr_perms;
    if (n->name && n->value && n->perms)
        return n;
    node_unref(n);
    return NULL;
}

static struct node *node_copy(const struct node *from)
{
    struct node *n = node_new(from->name, strlen(from->name), from->value, from->value_len,
                              from->perms, from->nr_perms);

    if (!n)
        return NULL;
    n->generation = from->generation;
    n->max_children = from->nr_children;
    n->children = calloc(from->nr_children + 1ul, sizeof(struct node *));
    if (!n->children) {
        node_unref(n);
        return NULL;
    }
    for (; n->nr_children < from->nr_children; n->nr_children++) {
        n->children[n->nr_children] = from->children[n->nr_children];
        n->children[n->nr_children]->refs++;
    }
    return n;
}

/* Where a child of that name is, or where it would be. */
static unsigned int child_index(const struct node *n, const char *name, size_t len, bool *found)
{
    unsigned int low = 0, high = n->nr_children;

    *found = false;
    while (low < high) {
        unsigned int middle = low + (high - low) / 2;
        const char *other = n->children[middle]->name;
        int order = strncmp(other, name, len);

        if (order == 0 && other[len])
            order = 1;
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct node **child_slot(const struct node *n, const char *name, size_t len)
{
    bool found;
    unsigned int i = child_index(n, name, len, &found);

    return found ? &n->children[i] : NULL;
}

static int add_child(struct node *parent, struct node *child)
{
    bool found;
    unsigned int at = child_index(parent, child->name, strlen(child->name), &found);

    if (parent->nr_children == parent->max_children) {
        unsigned int max = parent->max_children ? parent->max_children * 2 : 4;
        struct node **p = realloc(parent->children, max * sizeof(struct node *));

        if (!p)
            return ENOMEM;
        parent->children = p;
        parent->max_children = max;
    }
    memmove(&parent->children[at + 1], &parent->children[at],
            (parent->nr_children - at) * sizeof(struct node *));
    parent->children[at] = child;
    parent->nr_children++;
    return 0;
}

/* --- trees ------------------------------------------------------------------------------ */

int tree_init(struct tree *t, uint64_t *generation, tree_account_fn *account, void *arg)
{
    const struct xs_perm perms = {.id = 0, .mode = 'n'};

    *t = (struct tree){.generation = generation, .account = account, .account_arg = arg};
    t->root = node_new("", 0, "", 0, &perms, 1);
    if (!t->root)
        return ENOMEM;
    account(arg, 0, 1);
    return 0;
}

void tree_done(struct tree *t)
{
    node_unref(t->root);
    t->root = NULL;
}

void tree_copy(struct tree *t, const struct tree *from, tree_account_fn *account, void *arg)
{
    *t = *from;
    t->account = account;
    t->account_arg = arg;
    t->root->refs++;
}

const struct node *tree_walk(const struct tree *t, const char *path, const char **rest)
{
    const struct node *n = t->root;

    while (!tree_found(path)) {
        size_t len = strcspn(path + 1, "/");
        struct node **slot = child_slot(n, path + 1, len);

        if (!slot)
            break;
        n = *slot;
        path += 1 + len;
    }
    *rest = path;
    return n;
}

bool tree_found(const char *rest)
{
    return !rest[0] || !rest[1];
}

const struct node *tree_find(const struct tree *t, const char *path)
{
    const char *rest;
    const struct node *n = tree_walk(t, path, &rest);

    return tree_found(rest) ? n : NULL;
}

/* Make *slot a node that nobody else has. */
static struct node *own(struct node **slot)
{
    struct node *copy;

    if ((*slot)->refs == 1)
        return *slot;
    copy = node_copy(*slot);
    if (!copy)
        return NULL;
    (*slot)->refs--;
    *slot = copy;
    return copy;
}

/* The node at path, or the last one on the way to it, made ready to be written to; *rest as by
 * tree_walk(). NULL when out of memory. */
static struct node *edit(struct tree *t, const char *path, const char **rest)
{
    struct node *n = own(&t->root);

    while (n && !tree_found(path)) {
        size_t len = strcspn(path + 1, "/");
        struct node **slot = child_slot(n, path + 1, len);

        if (!slot)
            break;
        n = own(slot);
        path += 1 + len;
    }
    *rest = path;
    return n;
}

static void changed(struct tree *t, struct node *n)
{
    n->generation = ++*t->generation;
}

static bool account_removed(void *arg, const char *path, const struct node *n)
{
    struct tree *t = arg;

    t->account(t->account_arg, n->perms[0].id, -1);
    return true;
}

int tree_create(struct tree *t, const char *path, domid_t by)
{
    const char *rest;
    struct node *n = edit(t, path, &rest), *parent = n;
    struct node *first = NULL;
    domid_t owner;

    if (!n)
        return ENOMEM;
    owner = by ? by : parent->perms[0].id;
    /* The new branch is made aside, and put into the tree when it is complete. */
    while (!tree_found(rest)) {
        size_t len = strcspn(rest + 1, "/");
        struct node *child = node_new(rest + 1, len, "", 0, n->perms, n->nr_perms);

        if (!child || (first && add_child(n, child))) {
            node_unref(child);
            node_unref(first);
            return ENOMEM;
        }
        if (!first)
            first = child;
        child->perms[0].id = owner;
        changed(t, child);
        n = child;
        rest += 1 + len;
    }
    if (!first)
        return 0;
    if (add_child(parent, first)) {
        node_unref(first);
        return ENOMEM;
    }
    changed(t, parent);
    for (n = first; n; n = n->nr_children ? n->children[0] : NULL)
        t->account(t->account_arg, owner, 1);
    return 0;
}

int tree_set_value(struct tree *t, const char *path, const void *value, size_t len)
{
    const char *rest;
    struct node *n = edit(t, path, &rest);
    void *copy = n ? copy_bytes(value, len) : NULL;

    if (!copy)
        return ENOMEM;
    free(n->value);
    n->value = copy;
    n->value_len = len;
    changed(t, n);
    return 0;
}

int tree_set_perms(struct tree *t, const char *path, const struct xs_perm *perms,
                   unsigned int count)
{
    const char *rest;
    struct node *n = edit(t, path, &rest);
    struct xs_perm *copy = n ? copy_bytes(perms, count * sizeof(*perms)) : NULL;

    if (!copy)
        return ENOMEM;
    t->account(t->account_arg, n->perms[0].id, -1);
    t->account(t->account_arg, perms[0].id, 1);
    free(n->perms);
    n->perms = copy;
    n->nr_perms = count;
    changed(t, n);
    return 0;
}

int tree_remove(struct tree *t, const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    char above[XS_PATH_SIZE];
    struct node *parent, **slot;
    const char *rest;

    path_parent(path, above);
    parent = edit(t, above, &rest);
    if (!parent)
        return ENOMEM;
    slot = child_slot(parent, name, strlen(name));
    tree_visit(*slot, path, account_removed, t);
    node_unref(*slot);
    parent->nr_children--;
    memmove(slot, slot + 1,
            (size_t)(&parent->children[parent->nr_children] - slot) * sizeof(struct node *));
    changed(t, parent);
    return 0;
}

static void visit(const struct node *n, char path[static XS_PATH_SIZE], size_t len,
                  tree_visit_fn *fn, void *arg)
{
    if (!fn(arg, len ? path : "/", n))
        return;
    for (unsigned int i = 0; i < n->nr_children; i++) {
        const char *name = n->children[i]->name;
        size_t size = strlen(name) + 1;

        if (len + 1 + size > XS_PATH_SIZE)
            continue; /* cannot be: such a path is refused */
        path[len] = '/';
        memcpy(path + len + 1, name, size);
        visit(n->children[i], path, len + size, fn, arg);
    }
    path[len] = '\0';
}

void tree_visit(const struct node *n, const char *path, tree_visit_fn *fn, void *arg)
{
    char buf[XS_PATH_SIZE];
    size_t len = strlen(path);

    if (len == 1)
        len = 0; /* "/" */
    memcpy(buf, path, len);
    buf[len] = '\0';
    visit(n, buf, len, fn, arg);
}
