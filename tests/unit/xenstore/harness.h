/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * harness.h - a store and connections to it, without sockets, for the tests of src/xenstore.
 * Connection 0 is domain 0's, the others belong to domains 7, 8, 9 (introduced, with a home
 * that has a directory `data` they own).
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "xenstore/conn.h"
#include "xenstore/domains.h"

#define HOST 0
#define GUEST 1
#define OTHER 2
#define THIRD 3
#define HOME "/local/domain/7"

extern struct store store;
extern struct conn *conns[4];

struct message {
    struct xsd_sockmsg hdr;
    char body[XENSTORE_PAYLOAD_MAX + 1];
};

extern struct message r; /* what receive() took */

int setup(void **state);
int teardown(void **state);

/* Put bytes into a connection and let it handle what is complete. */
void feed(struct conn *c, const void *data, size_t len);
/* Take the next message out of a connection; false if there is none. */
bool receive(struct conn *c);
/* One request by connections[who], its answer in r. Events before it are dropped. */
void request(unsigned int who, uint32_t type, uint32_t tx, const void *body, size_t len);
void read_node(unsigned int who, uint32_t tx, const char *path);
void write_node(unsigned int who, uint32_t tx, const char *path, const char *value);
uint32_t start(unsigned int who);
void end(unsigned int who, uint32_t tx, const char *how);
void watch(unsigned int who, const char *path, const char *token);
void drop_messages(unsigned int who);

void got_ok(void);
void got_error(const char *name);
void got_value(const char *value);
void got_event(unsigned int who, const char *path, const char *token);
void got_nothing(unsigned int who);

/* Body literals carry their NULs; sizeof counts the last one too. */
#define REQUEST(who, type, body) request(who, type, 0, body, sizeof(body))
#define REQUEST_TX(who, type, tx, body) request(who, type, tx, body, sizeof(body))

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
