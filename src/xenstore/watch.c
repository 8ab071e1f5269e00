/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * watch.c - see watch.h. A domain hears of nodes only that it may read: of one that goes, as
 * long as it is there.
 */
#include "xenstore/watch.h"

#include <stdlib.h>
#include <string.h>

#include "xenstore/rights.h"

struct watch {
    struct watch *next;
    char *path; /* as it was asked for */
    char *token;
    char *abs; /* or the special name */
    int depth;
    uint64_t last_event; /* conn_send_event()'s */
};

const char *watch_special(const char *name)
{
    static const char *const paths[] = {"/" XS_INTRODUCE_DOMAIN, "/" XS_RELEASE_DOMAIN};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (!strcmp(name, paths[i] + 1))
            return paths[i];
    }
    return NULL;
}

/* --- the list --------------------------------------------------------------------------- */

static void watch_free(struct watch *w)
{
    free(w->path);
    free(w->token);
    free(w->abs);
    free(w);
}

static struct watch *watch_new(const char *path, const char *token, const char *abs, int depth)
{
    struct watch *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    *w = (struct watch){.path = strdup(path),
                        .token = strdup(token),
                        .abs = strdup(abs),
                        .depth = depth,
                        .last_event = UINT64_MAX};
    if (w->path && w->token && w->abs)
        return w;
    watch_free(w);
    return NULL;
}

/* Where the pointer to the watch is, or to the end of the list. */
static struct watch **watch_slot(struct conn *c, const char *path, const char *token)
{
    struct watch **p = &c->watches;

    while (*p && (strcmp((*p)->path, path) != 0 || strcmp((*p)->token, token) != 0))
        p = &(*p)->next;
    return p;
}

int watch_add(struct conn *c, const char *path, const char *token, int depth)
{
    struct watch **end = watch_slot(c, path, token), *w;
    const char *special = watch_special(path);
    char abs[XS_PATH_SIZE];
    int code = 0;

    if (!special)
        code = path_resolve(path, c->home, abs);
    else if (!rights_allow(c, tree_find(&c->s->special, special), false))
        code = EACCES;
    if (code)
        return code;
    if (strlen(token) > XS_TOKEN_MAX)
        return EINVAL;
    if (*end)
        return EEXIST;
    if (c->domain && c->domain->watches >= c->s->quota.watches)
        return ENOSPC;
    w = watch_new(path, token, special ? path : abs, depth);
    if (!w)
        return ENOMEM;
    *end = w;
    if (c->domain)
        c->domain->watches++;
    return 0;
}

void watch_fire_first(struct conn *c)
{
    struct watch *w = c->watches;

    while (w->next)
        w = w->next;
    conn_send_event(c, w->path, w->token, &w->last_event);
}

static void unlink_watch(struct conn *c, struct watch **p)
{
    struct watch *w = *p;

    *p = w->next;
    watch_free(w);
    if (c->domain)
        c->domain->watches--;
}

int watch_remove(struct conn *c, const char *path, const char *token)
{
    struct watch **p = watch_slot(c, path, token);

    if (!*p)
        return ENOENT;
    unlink_watch(c, p);
    return 0;
}

void watch_remove_all(struct conn *c)
{
    while (c->watches)
        unlink_watch(c, &c->watches);
}

/* --- events ----------------------------------------------------------------------------- */

/* `path` changed, which is at or below the watch's node: say so, spelled as the watch is. */
static void tell(struct conn *c, struct watch *w, const char *path)
{
    if (w->depth >= 0 && path_depth_below(path, w->abs) > (unsigned int)w->depth)
        return;
    conn_send_event(c, w->path[0] == '/' ? path : path + strlen(c->home) + 1, w->token,
                    &w->last_event);
}

void watch_fire(struct store *s, const char *path)
{
    const struct node *n = tree_find(&s->tree, path);

    for (struct conn *c = s->conns; c; c = c->next) {
        if (!c->watches || !rights_allow(c, n, false))
            continue;
        for (struct watch *w = c->watches; w; w = w->next) {
            if (path_is_below(path, w->abs))
                tell(c, w, path);
        }
    }
}

/* The watched node, if it goes together with `path` and the connection may read it. */
static bool loses(const struct conn *c, const struct watch *w, const char *path)
{
    const struct node *n = path_is_below(w->abs, path) ? tree_find(&c->s->tree, w->abs) : NULL;

    return n && rights_allow(c, n, false);
}

void watch_fire_removed(struct store *s, const char *path)
{
    const struct node *n = tree_find(&s->tree, path);

    for (struct conn *c = s->conns; c; c = c->next) {
        bool readable = rights_allow(c, n, false);

        for (struct watch *w = c->watches; w; w = w->next) {
            if (path_is_below(path, w->abs)) {
                if (readable)
                    tell(c, w, path);
            } else if (loses(c, w, path)) {
                conn_send_event(c, w->path, w->token, &w->last_event);
            }
        }
    }
}

void watch_fire_special(struct store *s, const char *name)
{
    const struct node *rights = tree_find(&s->special, watch_special(name));

    for (struct conn *c = s->conns; c; c = c->next) {
        if (!rights_allow(c, rights, false))
            continue;
        for (struct watch *w = c->watches; w; w = w->next) {
            if (!strcmp(w->abs, name))
                conn_send_event(c, name, w->token, &w->last_event);
        }
    }
}
