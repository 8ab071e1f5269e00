/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenbus_dirs.h - the store's directories of one device (docs: ABI section 12.3): the
 * frontend's belongs to the guest and domain 0 reads it, the backend's the other way round.
 */
#pragma once

#include "backend/xenbus.h"

struct xs_client;

struct xenbus_dirs {
    domid_t domid;
    const char *domain; /* its name, borrowed */
    char *front;        /* /local/domain/N/device/TYPE/ID */
    char *front_state;  /* its state */
    char *back;         /* /local/domain/0/backend/TYPE/N/ID */
    char *error_dir;    /* /local/domain/0/error/backend/TYPE/N/ID */
    char *error;        /* the node in it */
    char *front_error;  /* /local/domain/N/error/device/TYPE/ID/error: for the guest to read */
};

/* Compose the names. 0 or -ENOMEM; xenbus_dirs_done() is needed in both cases. */
int xenbus_dirs_init(struct xenbus_dirs *dirs, const char *type, domid_t domid, const char *domain,
                     unsigned int id);
void xenbus_dirs_done(struct xenbus_dirs *dirs);

/* Make both directories in one transaction, replacing what is there. 0 or -errno. */
int xenbus_dirs_make(struct xs_client *store, const struct xenbus_dirs *dirs,
                     const struct xenbus_key *front, const struct xenbus_key *back);
void xenbus_dirs_remove(struct xs_client *store, const struct xenbus_dirs *dirs);

/* "dir/key", new; NULL when out of memory. */
char *xenbus_dirs_path(const char *dir, const char *key);
