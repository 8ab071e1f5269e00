/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domains.c - see domains.h.
 */
#include "xenstore/domains.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "xenstore/watch.h"

#define BACKENDS "/local/domain/0/backend"

struct xs_domain *domains_find(const struct store *s, domid_t id)
{
    struct xs_domain *d = s->domains;

    while (d && d->id != id)
        d = d->next;
    return d;
}

struct xs_domain *domains_get(struct store *s, domid_t id)
{
    struct xs_domain *d = domains_find(s, id);

    if (d)
        return d;
    d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->id = id;
    d->next = s->domains;
    s->domains = d;
    return d;
}

void domains_put(struct store *s, struct xs_domain *d)
{
    struct xs_domain **p = &s->domains;

    if (d->introduced || d->connections || d->nodes)
        return;
    while (*p != d)
        p = &(*p)->next;
    *p = d->next;
    free(d);
}

void domains_account(void *arg, domid_t owner, int nodes)
{
    struct store *s = arg;
    struct xs_domain *d = owner ? domains_get(s, owner) : NULL;

    if (!d)
        return;
    d->nodes += (unsigned int)nodes;
    domains_put(s, d);
}

bool domains_introduced(const struct store *s)
{
    for (const struct xs_domain *d = s->domains; d; d = d->next) {
        if (d->introduced)
            return true;
    }
    return false;
}

int domains_introduce(struct store *s, domid_t id)
{
    struct xs_domain *d = domains_get(s, id);

    if (!d)
        return ENOMEM;
    d->over = false;
    if (d->introduced)
        return 0;
    d->introduced = true;
    watch_fire_special(s, XS_INTRODUCE_DOMAIN);
    return 0;
}

/* --- release ---------------------------------------------------------------------------- */

static void remove_node(struct store *s, const char *path)
{
    if (!tree_find(&s->tree, path))
        return;
    watch_fire_removed(s, path);
    if (tree_remove(&s->tree, path))
        log_msg(LOG_WARN, "xenstore", "out of memory: %s stays", path);
}

/* The entry under /vm, which the home names. Only the toolstack can write that name, and a process
 * that was confined to its domain has said before what it is. */
static void remove_vm(struct store *s, const struct xs_domain *d, const char *home)
{
    char path[XS_HOME_MAX + 8], vm[64];
    const struct node *n;

    if (d->vm[0]) {
        remove_node(s, d->vm);
        return;
    }
    snprintf(path, sizeof(path), "%s/vm", home);
    n = tree_find(&s->tree, path);
    if (!n || n->perms[0].id || n->value_len >= sizeof(vm))
        return;
    memcpy(vm, n->value, n->value_len);
    vm[n->value_len] = '\0';
    if (!strncmp(vm, "/vm/", 4) && vm[4] && !strchr(vm + 4, '/'))
        remove_node(s, vm);
}

static void remove_backends(struct store *s, domid_t id)
{
    const struct node *backends = tree_find(&s->tree, BACKENDS);
    unsigned int count = backends ? backends->nr_children : 0;

    for (unsigned int i = 0; i < count; i++) {
        char path[XS_PATH_SIZE];

        /* The list of kinds stays as it is; the node may be another after each removal. */
        backends = tree_find(&s->tree, BACKENDS);
        if (snprintf(path, sizeof(path), BACKENDS "/%s/%u", backends->children[i]->name, id) <
            (int)sizeof(path))
            remove_node(s, path);
    }
}

/* Collects the paths of nodes whose permissions name a domain. */
struct traces {
    domid_t id;
    char **paths;
    size_t count;
};

static bool collect(void *arg, const char *path, const struct node *n)
{
    struct traces *t = arg;
    bool named = false;
    char **p;

    for (unsigned int i = 0; i < n->nr_perms; i++)
        named = named || n->perms[i].id == t->id;
    if (named) {
        p = realloc(t->paths, (t->count + 1) * sizeof(*p));
        if (p) {
            t->paths = p;
            p[t->count] = strdup(path);
            t->count += p[t->count] != NULL;
        }
    }
    return n->perms[0].id != t->id; /* all below goes with it */
}

/* Remove a node that belonged to the domain; else take the domain out of its permissions. */
static void clear_trace(struct store *s, const char *path, domid_t id)
{
    const struct node *n = tree_find(&s->tree, path);
    struct xs_perm *perms;
    unsigned int count = 0;

    if (!n)
        return;
    if (n->perms[0].id == id) {
        remove_node(s, path);
        return;
    }
    perms = calloc(n->nr_perms, sizeof(*perms));
    for (unsigned int i = 0; perms && i < n->nr_perms; i++) {
        if (n->perms[i].id != id)
            perms[count++] = n->perms[i];
    }
    if (!perms || tree_set_perms(&s->tree, path, perms, count))
        log_msg(LOG_WARN, "xenstore", "out of memory: domain %u stays in the permissions of %s", id,
                path);
    free(perms);
}

static void remove_traces(struct store *s, domid_t id)
{
    struct traces t = {.id = id};

    tree_visit(s->tree.root, "/", collect, &t);
    for (size_t i = 0; i < t.count; i++) {
        clear_trace(s, t.paths[i], id);
        free(t.paths[i]);
    }
    free(t.paths);
}

void domains_release(struct store *s, struct xs_domain *d)
{
    bool introduced = d->introduced;
    domid_t id = d->id;
    char home[XS_HOME_MAX];

    d->nodes++; /* keeps it in place while nodes are counted down */
    d->introduced = false;
    d->over = true;
    d->target = 0;
    for (struct conn *c = s->conns; c; c = c->next)
        c->broken = c->broken || c->domid == id;
    for (struct xs_domain *other = s->domains; other; other = other->next) {
        if (other->target == id)
            other->target = 0;
    }
    path_home(home, id);
    remove_vm(s, d, home);
    d->vm[0] = '\0';
    remove_node(s, home);
    remove_backends(s, id);
    remove_traces(s, id);
    d->nodes--;
    domains_put(s, d);
    if (introduced)
        watch_fire_special(s, XS_RELEASE_DOMAIN);
}
