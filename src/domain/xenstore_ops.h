/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_ops.h - state and requests of the small xenstore, without the ring: a complete
 * request goes in, messages come out into a queue. Internal to the store.
 */
#pragma once

#include "domain/xenstore_tree.h"

#include <errno.h> /* before xs_wire.h, which then has the names of errors */
#include <xen/io/xs_wire.h>

#define XSMINI_MAX_WATCHES 128
#define XSMINI_MAX_TX 10

struct xschange {
    char *path;
    bool removed;
};

struct xstx {
    uint32_t id; /* 0 = free */
    struct xsnode *root;
    uint64_t generation; /* of the tree it started from */
    struct xschange *changes;
    unsigned int nr_changes;
};

struct xswatch {
    char *path, *token; /* path as the guest gave it */
    char *abs;
};

struct xsmini {
    domid_t domid;
    char home[32]; /* /local/domain/N */
    struct xsnode *root;
    uint64_t generation;
    struct xstx tx[XSMINI_MAX_TX];
    uint32_t last_tx;
    struct xswatch watch[XSMINI_MAX_WATCHES];
    unsigned int nr_watches;
    bool broken; /* the guest violated the protocol; nothing is served any more */

    struct xsd_sockmsg hdr; /* of the request that is being received */
    char body[XENSTORE_PAYLOAD_MAX + 1];
    size_t got; /* bytes of hdr and body so far */

    uint8_t *out;
    size_t out_len, out_cap;
};

/* Handle the request in s->hdr and s->body. Exactly one answer is queued. */
void xsops_handle(struct xsmini *s);

/* The host's own writes; fire the guest's watches. 0 or -errno. */
int xsops_write(struct xsmini *s, const char *path, const void *value, size_t len);
int xsops_remove(struct xsmini *s, const char *path);
/* The node a path names, or NULL. */
struct xsnode *xsops_find(struct xsmini *s, const char *path);

/* Free what *s holds, not s itself. */
void xsops_done(struct xsmini *s);
