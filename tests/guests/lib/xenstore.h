/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore.h - a client of xenstore over the ring, by polling, one request at a time.
 */
#pragma once

#include "guest.h"

#include <xen/io/xs_wire.h>

#define XS_NO_TX 0

/* Bytes, which may be split anywhere. False: the other side took or gave nothing for 2 s. */
bool xs_put(const void *data, uint32_t size);
bool xs_get(void *data, uint32_t size);
void xs_notify(void);
struct xenstore_domain_interface *xs_ring(void);

/* Of the last answer: its payload, with a NUL behind, and its size. */
extern char xs_reply[4097];
extern uint32_t xs_reply_size;

/* Send a request and wait for its answer. Its type, -1 = none. Events that come before it are
 * kept. */
long xs_request(uint32_t type, uint32_t tx, const void *payload, uint32_t size);
/* A literal, with its last NUL, as payload: "path\0token". */
#define XS_ASK(type, text) xs_request(type, XS_NO_TX, text, sizeof(text))
/* The same; is the answer an error with that name? */
bool xs_refused(const char *error, uint32_t type, uint32_t tx, const void *payload, uint32_t size);
#define XS_REFUSED(error, type, text) xs_refused(error, type, XS_NO_TX, text, sizeof(text))

/* Of a node in a directory ("" = the path is all). */
const char *xs_read(const char *dir, const char *key); /* NULL = not there; until the next call */
long xs_read_number(const char *dir, const char *key); /* -1 = not there, or no number */
bool xs_write(const char *dir, const char *key, const char *value);
bool xs_write_number(const char *dir, const char *key, unsigned long value);
/* Wait until a node reads as that number. False: it took longer than 5 s. */
bool xs_wait_number(const char *dir, const char *key, long value);

uint32_t xs_start(void); /* a transaction, 0 = refused */
bool xs_end(uint32_t tx, bool commit);

struct xs_event {
    char path[128], token[64];
};

extern unsigned int xs_nr_events; /* kept, the oldest first; the test sets it to 0 */
extern struct xs_event xs_events[32];
/* Take what has come by now, and whatever comes within the next ns. */
void xs_poll_events(uint64_t ns);
/* Is there an event with that path and token, perhaps within 2 s? */
bool xs_wait_event(const char *path, const char *token);
