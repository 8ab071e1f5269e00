/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fake_store.c - see fake_store.h.
 */
#include "fake_store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_NODES 256
#define MAX_WATCHES 16

static struct {
    char path[160], value[256];
    int owner; /* -1: not said */
    bool used;
} nodes[MAX_NODES];

struct xs_watch {
    char path[160];
    xs_watch_fn *fn;
    void *arg;
    bool due, used;
};

static struct xs_watch watches[MAX_WATCHES];
static unsigned int conflicts;
static bool is_broken;
static int event_fd = -1;

struct xs_client {
    int unused;
};

static struct xs_client the_client;

static bool is_below(const char *path, const char *top)
{
    size_t n = strlen(top);

    return strncmp(path, top, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static void changed(const char *path)
{
    for (size_t i = 0; i < MAX_WATCHES; i++)
        if (watches[i].used && (is_below(path, watches[i].path) || is_below(watches[i].path, path)))
            watches[i].due = true;
}

static int find(const char *path)
{
    for (int i = 0; i < MAX_NODES; i++)
        if (nodes[i].used && strcmp(nodes[i].path, path) == 0)
            return i;
    return -1;
}

void store_reset(void)
{
    memset(nodes, 0, sizeof(nodes));
    memset(watches, 0, sizeof(watches));
    conflicts = 0;
    is_broken = false;
}

void store_write(const char *path, const char *value)
{
    int i = find(path);

    for (int j = 0; i < 0 && j < MAX_NODES; j++)
        if (!nodes[j].used)
            i = j;
    if (i < 0)
        abort();
    if (!nodes[i].used)
        nodes[i].owner = -1;
    nodes[i].used = true;
    snprintf(nodes[i].path, sizeof(nodes[i].path), "%s", path);
    snprintf(nodes[i].value, sizeof(nodes[i].value), "%s", value);
    changed(path);
}

const char *store_read(const char *path)
{
    int i = find(path);

    return i < 0 ? NULL : nodes[i].value;
}

unsigned int store_count(const char *path)
{
    unsigned int n = 0;

    for (int i = 0; i < MAX_NODES; i++)
        n += nodes[i].used && is_below(nodes[i].path, path);
    return n;
}

void store_settle(void)
{
    bool again = true;

    while (again) {
        again = false;
        for (size_t i = 0; i < MAX_WATCHES; i++) {
            if (!watches[i].used || !watches[i].due)
                continue;
            watches[i].due = false;
            again = true;
            watches[i].fn(watches[i].arg, watches[i].path);
        }
    }
}

void store_conflict(unsigned int count)
{
    conflicts = count;
}

void store_break(bool broken)
{
    is_broken = broken;
}

int store_owner(const char *path)
{
    size_t best = 0;
    int owner = -1;

    for (int i = 0; i < MAX_NODES; i++)
        if (nodes[i].used && nodes[i].owner >= 0 && is_below(path, nodes[i].path) &&
            strlen(nodes[i].path) >= best) {
            best = strlen(nodes[i].path);
            owner = nodes[i].owner;
        }
    return owner;
}

/* --- xenstore/client.h ------------------------------------------------------------------ */

int xs_connect(struct xs_client **ret, const char *socket_path, struct err *err)
{
    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *ret = &the_client;
    return 0;
}

void xs_close(struct xs_client *c)
{
    if (event_fd >= 0)
        close(event_fd);
    event_fd = -1;
}

int xs_read(struct xs_client *c, xs_tx_t tx, const char *path, char **ret, size_t *ret_len)
{
    int i = find(path);

    if (i < 0 || is_broken)
        return is_broken ? -ECONNRESET : -ENOENT;
    *ret = strdup(nodes[i].value);
    if (ret_len)
        *ret_len = strlen(nodes[i].value);
    return 0;
}

int xs_read_number(struct xs_client *c, xs_tx_t tx, const char *path, uint64_t *ret)
{
    int i = find(path);
    char *end;

    if (i < 0 || is_broken)
        return is_broken ? -ECONNRESET : -ENOENT;
    *ret = strtoull(nodes[i].value, &end, 10);
    return end == nodes[i].value || *end || nodes[i].value[0] == '-' ? -EINVAL : 0;
}

int xs_write(struct xs_client *c, xs_tx_t tx, const char *path, const void *value, size_t len)
{
    char text[256] = "";

    memcpy(text, value, len < sizeof(text) ? len : sizeof(text) - 1);
    store_write(path, text);
    return 0;
}

int xs_mkdir(struct xs_client *c, xs_tx_t tx, const char *path)
{
    store_write(path, "");
    return 0;
}

int xs_rm(struct xs_client *c, xs_tx_t tx, const char *path)
{
    for (int i = 0; i < MAX_NODES; i++)
        if (nodes[i].used && is_below(nodes[i].path, path))
            nodes[i].used = false;
    changed(path);
    return 0;
}

int xs_set_perms(struct xs_client *c, xs_tx_t tx, const char *path, const struct xs_perm *perms,
                 size_t count)
{
    nodes[find(path)].owner = perms[0].id;
    return 0;
}

int xs_transaction_start(struct xs_client *c, xs_tx_t *ret)
{
    *ret = 1;
    return 0;
}

int xs_transaction_end(struct xs_client *c, xs_tx_t tx, bool commit)
{
    if (!commit || !conflicts)
        return 0;
    conflicts--;
    return -EAGAIN;
}

int xs_watch(struct xs_client *c, const char *path, xs_watch_fn *fn, void *arg,
             struct xs_watch **ret)
{
    for (size_t i = 0; i < MAX_WATCHES; i++) {
        if (watches[i].used)
            continue;
        watches[i] = (struct xs_watch){.fn = fn, .arg = arg, .due = true, .used = true};
        snprintf(watches[i].path, sizeof(watches[i].path), "%s", path);
        *ret = &watches[i];
        return 0;
    }
    return -ENOSPC;
}

void xs_unwatch(struct xs_client *c, struct xs_watch *w)
{
    if (w)
        w->used = false;
}

int xs_fd(const struct xs_client *c)
{
    return event_fd;
}

int xs_dispatch(struct xs_client *c)
{
    store_settle();
    return 0;
}
