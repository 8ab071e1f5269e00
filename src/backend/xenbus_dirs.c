/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenbus_dirs.c - see xenbus_dirs.h.
 */
#define _GNU_SOURCE
#include "backend/xenbus_dirs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "xenstore/client.h"

#define HOST_DOMID 0
#define TRANSACTION_TRIES 64

static char *PRINTF_FMT(1, 2) compose(const char *fmt, ...)
{
    char *text;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : text;
}

int xenbus_dirs_init(struct xenbus_dirs *dirs, const char *type, domid_t domid, const char *domain,
                     unsigned int id)
{
    *dirs = (struct xenbus_dirs){
        .domid = domid,
        .domain = domain,
        .front = compose("/local/domain/%u/device/%s/%u", domid, type, id),
        .front_state = compose("/local/domain/%u/device/%s/%u/state", domid, type, id),
        .back = compose("/local/domain/%u/backend/%s/%u/%u", HOST_DOMID, type, domid, id),
        .error_dir =
            compose("/local/domain/%u/error/backend/%s/%u/%u", HOST_DOMID, type, domid, id),
        .error =
            compose("/local/domain/%u/error/backend/%s/%u/%u/error", HOST_DOMID, type, domid, id),
        .front_error = compose("/local/domain/%u/error/device/%s/%u/error", domid, type, id),
    };
    if (!dirs->front || !dirs->front_state || !dirs->back || !dirs->error_dir || !dirs->error ||
        !dirs->front_error)
        return -ENOMEM;
    return 0;
}

void xenbus_dirs_done(struct xenbus_dirs *dirs)
{
    free(dirs->front);
    free(dirs->front_state);
    free(dirs->back);
    free(dirs->error_dir);
    free(dirs->error);
    free(dirs->front_error);
    *dirs = (struct xenbus_dirs){0};
}

char *xenbus_dirs_path(const char *dir, const char *key)
{
    return compose("%s/%s", dir, key);
}

/* A fresh directory of `owner` that `reader` may read; entries made in it inherit that. */
static int make_dir(struct xs_client *store, xs_tx_t tx, const char *dir, domid_t owner,
                    domid_t reader)
{
    const struct xs_perm perms[] = {{.id = owner, .mode = 'n'}, {.id = reader, .mode = 'r'}};
    int rc = xs_rm(store, tx, dir);

    if (rc == 0 || rc == -ENOENT)
        rc = xs_mkdir(store, tx, dir);
    if (rc == 0)
        rc = xs_set_perms(store, tx, dir, perms, ARRAY_SIZE(perms));
    return rc;
}

static int write_keys(struct xs_client *store, xs_tx_t tx, const char *dir,
                      const struct xenbus_key *keys)
{
    int rc = 0;

    for (; rc == 0 && keys->key; keys++) {
        CLEANUP_FREE char *path = xenbus_dirs_path(dir, keys->key);

        rc = path ? xs_write(store, tx, path, keys->value, strlen(keys->value)) : -ENOMEM;
    }
    return rc;
}

static int make_both(struct xs_client *store, xs_tx_t tx, const struct xenbus_dirs *dirs,
                     const struct xenbus_key *front, const struct xenbus_key *back)
{
    char domid[8];
    const struct xenbus_key front_links[] = {
        {"backend", dirs->back}, {"backend-id", "0"}, {"state", "1"}, {0}};
    const struct xenbus_key back_links[] = {
        {"frontend", dirs->front}, {"frontend-id", domid}, {"domain", dirs->domain},
        {"online", "1"},           {"state", "1"},         {0}};
    int rc;

    snprintf(domid, sizeof(domid), "%u", dirs->domid);
    rc = make_dir(store, tx, dirs->back, HOST_DOMID, dirs->domid);
    if (rc == 0)
        rc = write_keys(store, tx, dirs->back, back);
    if (rc == 0)
        rc = write_keys(store, tx, dirs->back, back_links);
    if (rc == 0)
        rc = make_dir(store, tx, dirs->front, dirs->domid, HOST_DOMID);
    if (rc == 0)
        rc = write_keys(store, tx, dirs->front, front);
    if (rc == 0)
        rc = write_keys(store, tx, dirs->front, front_links);
    return rc;
}

int xenbus_dirs_make(struct xs_client *store, const struct xenbus_dirs *dirs,
                     const struct xenbus_key *front, const struct xenbus_key *back)
{
    int rc = -EAGAIN;

    for (int i = 0; rc == -EAGAIN && i < TRANSACTION_TRIES; i++) {
        xs_tx_t tx;
        int end;

        rc = xs_transaction_start(store, &tx);
        if (rc < 0)
            return rc;
        rc = make_both(store, tx, dirs, front, back);
        end = xs_transaction_end(store, tx, rc == 0);
        if (rc == 0)
            rc = end;
    }
    return rc;
}

void xenbus_dirs_remove(struct xs_client *store, const struct xenbus_dirs *dirs)
{
    if (dirs->front)
        (void)xs_rm(store, XS_NO_TX, dirs->front);
    if (dirs->back)
        (void)xs_rm(store, XS_NO_TX, dirs->back);
    if (dirs->error_dir)
        (void)xs_rm(store, XS_NO_TX, dirs->error_dir);
    if (dirs->front_error)
        (void)xs_rm(store, XS_NO_TX, dirs->front_error);
}
