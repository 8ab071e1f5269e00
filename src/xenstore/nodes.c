/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodes.c - see nodes.h. Nobody learns about a node what its nearest existing ancestor keeps
 * from him: without the right to read that, a missing node is EACCES as well.
 */
#include "xenstore/nodes.h"

#include <string.h>

#include "xenstore/rights.h"
#include "xenstore/watch.h"

static struct tree *view_tree(const struct view *v)
{
    return v->tx ? &v->tx->tree : &v->c->s->tree;
}

static int note(const struct view *v, const char *path, enum tx_access access)
{
    return v->tx ? tx_note(v->tx, path, access) : 0;
}

int nodes_find(const struct view *v, const char *path, const struct node **ret)
{
    const char *rest;
    int code;

    if (watch_special(path + 1)) {
        *ret = tree_find(&v->c->s->special, path);
        return v->c->domid ? EACCES : 0;
    }
    code = note(v, path, TX_READ);
    if (code)
        return code;
    *ret = tree_walk(view_tree(v), path, &rest);
    if (!rights_allow(v->c, *ret, false))
        return EACCES;
    return tree_found(rest) ? 0 : ENOENT;
}

/* --- making ----------------------------------------------------------------------------- */

/* The part of `path` that exists, whose end `rest` is, and what is to be made: one by one. */
static int note_new(const struct view *v, const char *path, const char *rest)
{
    char part[XS_PATH_SIZE];
    size_t len = (size_t)(rest - path);
    int code;

    memcpy(part, path, len);
    part[len] = '\0';
    code = note(v, len ? part : "/", TX_READ); /* its list of children is to change */
    while (!code && !tree_found(rest)) {
        rest += 1 + strcspn(rest + 1, "/");
        len = (size_t)(rest - path);
        memcpy(part, path, len);
        part[len] = '\0';
        code = note(v, part, TX_TOUCHED);
    }
    return code;
}

static bool has_room(const struct view *v, const char *rest)
{
    const struct xs_domain *d = v->c->domain;
    int64_t nodes = 0;

    for (; !tree_found(rest); rest += 1 + strcspn(rest + 1, "/"))
        nodes++;
    if (!d || !nodes)
        return true;
    nodes += d->nodes;
    if (v->tx)
        nodes += v->tx->nodes;
    return nodes <= v->c->s->quota.nodes;
}

/* May the node be written to, or made if it is *missing? A transaction is told all that is going
 * to be done; of a node that is there, that is `access`. */
static int prepare(const struct view *v, const char *path, enum tx_access access, bool *missing)
{
    const char *rest;
    const struct node *n = tree_walk(view_tree(v), path, &rest);
    int code = 0;

    *missing = !tree_found(rest);
    if (!rights_allow(v->c, n, true))
        return EACCES;
    if (!has_room(v, rest))
        return ENOSPC;
    if (v->tx && *missing)
        code = note_new(v, path, rest);
    return code ? code : note(v, path, *missing ? TX_CHANGED : access);
}

int nodes_write(const struct view *v, const char *path, const void *value, size_t len)
{
    bool missing;
    int code;

    if (v->c->domain && len > v->c->s->quota.node_size)
        return ENOSPC;
    code = prepare(v, path, TX_CHANGED, &missing);
    if (!code && missing)
        code = tree_create(view_tree(v), path, v->c->domid);
    if (!code)
        code = tree_set_value(view_tree(v), path, value, len);
    if (!code && !v->tx)
        watch_fire(v->c->s, path);
    return code;
}

int nodes_mkdir(const struct view *v, const char *path)
{
    bool missing;
    int code = prepare(v, path, TX_READ, &missing);

    if (code || !missing)
        return code;
    code = tree_create(view_tree(v), path, v->c->domid);
    if (!code && !v->tx)
        watch_fire(v->c->s, path);
    return code;
}

/* --- removing --------------------------------------------------------------------------- */

int nodes_remove(const struct view *v, const char *path)
{
    char parent[XS_PATH_SIZE];
    const char *rest;
    const struct node *n;
    int code;

    if (!path[1])
        return EINVAL;
    path_parent(path, parent);
    n = tree_walk(view_tree(v), path, &rest);
    if (!rights_allow(v->c, n, true))
        return EACCES;
    if (!tree_found(rest)) { /* fine if only the last name is missing */
        code = note(v, path, TX_READ);
        return !code && strchr(rest + 1, '/') ? ENOENT : code;
    }
    code = note(v, parent, TX_READ); /* its list of children is to change */
    if (!code)
        code = note(v, path, TX_REMOVED);
    if (code)
        return code;
    if (!v->tx)
        watch_fire_removed(v->c->s, path);
    return tree_remove(view_tree(v), path);
}

/* --- permissions ------------------------------------------------------------------------ */

static int set_special_perms(const struct view *v, const char *path, const struct xs_perm *perms,
                             unsigned int count)
{
    return v->c->domid ? EACCES : tree_set_perms(&v->c->s->special, path, perms, count);
}

int nodes_set_perms(const struct view *v, const char *path, const struct xs_perm *perms,
                    unsigned int count)
{
    const struct node *n;
    int code;

    if (watch_special(path + 1))
        return set_special_perms(v, path, perms, count);
    code = nodes_find(v, path, &n);
    if (code)
        return code;
    if (v->c->domid) {
        if (n->perms[0].id != v->c->domid)
            return EACCES;
        if (perms[0].id != v->c->domid)
            return EPERM;
        if (count > v->c->s->quota.permissions)
            return ENOSPC;
    }
    code = note(v, path, TX_CHANGED);
    if (!code)
        code = tree_set_perms(view_tree(v), path, perms, count);
    if (!code && !v->tx)
        watch_fire(v->c->s, path);
    return code;
}
