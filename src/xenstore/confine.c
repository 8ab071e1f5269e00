/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * confine.c - see confine.h.
 */
#include "xenstore/confine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UUID_LEN 36
#define MAX_CONNECTIONS 32 /* of a domain: all together have a limit, too */

/* Those of that domain and its process. */
static unsigned int count_connections(const struct store *s, domid_t id)
{
    unsigned int count = 0;

    for (const struct conn *c = s->conns; c; c = c->next)
        count += c->only == id || c->domid == id;
    return count;
}

int confine_start(struct conn *c, domid_t id, const char *uuid)
{
    if (c->domid || c->only || !id || strlen(uuid) != UUID_LEN ||
        strspn(uuid, "0123456789abcdef-") != UUID_LEN)
        return EINVAL;
    if (c->watches || c->txs)
        return EBUSY;
    if (count_connections(c->s, id) >= MAX_CONNECTIONS)
        return ENOSPC;
    c->only = id;
    snprintf(c->only_vm, sizeof(c->only_vm), "/vm/%s", uuid);
    return 0;
}

/* TOP/KIND/ID[/...] */
static bool is_of_kind(const char *path, const char *top, domid_t id)
{
    const size_t n = strlen(top);
    const char *kind_end;
    char number[8];
    size_t len;

    if (strncmp(path, top, n) != 0 || path[n] != '/' || !(kind_end = strchr(path + n + 1, '/')))
        return false;
    len = (size_t)snprintf(number, sizeof(number), "%u", id);
    return strncmp(kind_end + 1, number, len) == 0 &&
           (!kind_end[1 + len] || kind_end[1 + len] == '/');
}

static bool is_reserved(const struct store *s, const char *path)
{
    for (const struct conn *c = s->conns; c; c = c->next)
        if (c->reserved && path_is_below(path, c->reserved))
            return true;
    return false;
}

bool confine_allows(const struct conn *c, const char *path)
{
    char home[XS_HOME_MAX];

    if (!c->only)
        return true;
    if (is_reserved(c->s, path))
        return false;
    path_home(home, c->only);
    return path_is_below(path, home) || path_is_below(path, c->only_vm) ||
           is_of_kind(path, "/local/domain/0/backend", c->only) ||
           is_of_kind(path, "/local/domain/0/error/backend", c->only);
}

bool confine_allows_removal(const struct conn *c, const char *path)
{
    for (const struct conn *other = c->only ? c->s->conns : NULL; other; other = other->next)
        if (other->reserved && path_is_below(other->reserved, path))
            return false;
    return true;
}

int confine_reserve(struct conn *c, const char *path)
{
    char abs[XS_PATH_SIZE], *copy = NULL;
    int code = path[0] ? path_resolve(path, c->home, abs) : 0;

    if (code)
        return code;
    if (path[0] && !(copy = strdup(abs)))
        return ENOMEM;
    free(c->reserved);
    c->reserved = copy;
    c->s->reservations++;
    return 0;
}

bool confine_allows_domain(const struct conn *c, domid_t id)
{
    return !c->only || c->only == id;
}
