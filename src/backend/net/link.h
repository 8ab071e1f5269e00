/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * link.h - what a guest's interface is plugged into: a tap device (link_tap.c) or a stream
 * socket that carries frames (link_stream.c). A link belongs to one interface; it is used by
 * one thread at a time.
 *
 * A link lives longer than a guest's connection to it: over reboots, and from a boot loader's
 * driver to the kernel's.
 */
#pragma once

#include "backend/net/frame.h"
#include "base/err.h"

struct net_link;

struct net_link_ops {
    /* Take a frame for the other side. 0; -EAGAIN: try again when fd is writable; -EIO: it was
     * dropped, as networks do. */
    int (*send)(struct net_link *l, const struct net_frame *f);
    /* The next frame from the other side, valid until the next call: in buf (NET_FRAME_MAX bytes)
     * or in the link's own memory. 0; -EAGAIN: there is none; -EIO: one was dropped. */
    int (*receive)(struct net_link *l, uint8_t *buf, struct net_frame *ret);
    /* Which unfinished frames receive() may return. NULL: it never does. */
    void (*set_offload)(struct net_link *l, bool partial, bool tso4, bool tso6);
    /* fd is writable: go on with a frame of which only a part went. NULL: there never is. */
    void (*flush)(struct net_link *l);
    void (*destroy)(struct net_link *l);
};

struct net_link {
    const struct net_link_ops *ops;
    int fd;        /* to be watched; non-blocking */
    bool finishes; /* send() takes partial checksums; else they must be complete */
    bool blocked;  /* send() said -EAGAIN */
    bool lost;     /* the other side is gone: nothing comes or goes any more */
    char name[32]; /* for the log */
};

/* A tap device's descriptor (tap.h), taken, also on failure: -EINVAL, with a sentence, if it is
 * none. */
int link_tap_create(struct net_link **ret, int fd, const char *name, struct err *err) MUST_CHECK;

/* A connected stream socket, taken, also on failure (-EINVAL: it is none): each frame behind its
 * length, 4 bytes in network order. */
int link_stream_create(struct net_link **ret, int fd, const char *name, struct err *err) MUST_CHECK;

/* fd is writable: clears `blocked` if there is room again. */
void net_link_flush(struct net_link *l);
void net_link_destroy(struct net_link *l); /* NULL is fine */
