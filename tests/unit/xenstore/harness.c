/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * harness.c - see harness.h.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

struct store store;
struct conn *conns[4];
struct message r;

static uint32_t next_id;

/* --- messages --------------------------------------------------------------------------- */

void feed(struct conn *c, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n = conn_room(c);

        if (n > len - done)
            n = len - done;
        assert_true(n > 0);
        memcpy(c->in + c->in_len, (const char *)data + done, n);
        c->in_len += n;
        done += n;
        while (conn_has_request(c))
            conn_turn(c, 1);
    }
}

bool receive(struct conn *c)
{
    const uint8_t *from;

    if (!c->out_len)
        return false;
    from = c->out + c->out_at;
    memset(&r, 0, sizeof(r));
    assert_true(c->out_len >= sizeof(r.hdr));
    memcpy(&r.hdr, from, sizeof(r.hdr));
    assert_in_range(r.hdr.len, 0, XENSTORE_PAYLOAD_MAX);
    assert_true(c->out_len >= sizeof(r.hdr) + r.hdr.len);
    memcpy(r.body, from + sizeof(r.hdr), r.hdr.len);
    conn_taken(c, sizeof(r.hdr) + r.hdr.len);
    return true;
}

void request(unsigned int who, uint32_t type, uint32_t tx, const void *body, size_t len)
{
    struct xsd_sockmsg hdr = {.type = type, .req_id = ++next_id, .tx_id = tx, .len = (uint32_t)len};

    feed(conns[who], &hdr, sizeof(hdr));
    feed(conns[who], body, len);
    do {
        assert_true(receive(conns[who]));
    } while (r.hdr.type == XS_WATCH_EVENT);
    assert_int_equal(r.hdr.req_id, next_id);
    assert_int_equal(r.hdr.tx_id, tx);
    if (r.hdr.type != XS_ERROR)
        assert_int_equal(r.hdr.type, type);
}

void read_node(unsigned int who, uint32_t tx, const char *path)
{
    request(who, XS_READ, tx, path, strlen(path) + 1);
}

void write_node(unsigned int who, uint32_t tx, const char *path, const char *value)
{
    char body[XENSTORE_PAYLOAD_MAX];
    size_t n = strlen(path) + 1;

    memcpy(body, path, n);
    memcpy(body + n, value, strlen(value));
    request(who, XS_WRITE, tx, body, n + strlen(value));
}

uint32_t start(unsigned int who)
{
    REQUEST(who, XS_TRANSACTION_START, "");
    assert_int_equal(r.hdr.type, XS_TRANSACTION_START);
    return (uint32_t)strtoul(r.body, NULL, 10);
}

void end(unsigned int who, uint32_t tx, const char *how)
{
    request(who, XS_TRANSACTION_END, tx, how, strlen(how) + 1);
}

void drop_messages(unsigned int who)
{
    while (receive(conns[who]))
        ;
}

void watch(unsigned int who, const char *path, const char *token)
{
    char body[512];
    size_t n = strlen(path) + 1, m = strlen(token) + 1;

    memcpy(body, path, n);
    memcpy(body + n, token, m);
    request(who, XS_WATCH, 0, body, n + m);
}

void got_ok(void)
{
    assert_string_equal(r.body, "OK");
    assert_int_equal(r.hdr.len, 3);
}

void got_error(const char *name)
{
    assert_int_equal(r.hdr.type, XS_ERROR);
    assert_string_equal(r.body, name);
    assert_int_equal(r.hdr.len, strlen(name) + 1);
}

void got_value(const char *value)
{
    assert_int_equal(r.hdr.type, XS_READ);
    assert_int_equal(r.hdr.len, strlen(value));
    assert_memory_equal(r.body, value, strlen(value));
}

void got_event(unsigned int who, const char *path, const char *token)
{
    assert_true(receive(conns[who]));
    assert_int_equal(r.hdr.type, XS_WATCH_EVENT);
    assert_int_equal(r.hdr.req_id, 0);
    assert_int_equal(r.hdr.tx_id, 0);
    assert_string_equal(r.body, path);
    assert_string_equal(r.body + strlen(path) + 1, token);
    assert_int_equal(r.hdr.len, strlen(path) + strlen(token) + 2);
}

void got_nothing(unsigned int who)
{
    if (receive(conns[who]))
        fail_msg("a message of type %u: %s", r.hdr.type, r.body);
}

/* --- store ------------------------------------------------------------------------------ */

static void make_guest(unsigned int who, domid_t id)
{
    char text[64], body[64];
    int n;

    snprintf(text, sizeof(text), "/local/domain/%u", id);
    write_node(HOST, 0, text, "");
    n = snprintf(body, sizeof(body), "%s%cn0%cr%u", text, 0, 0, id);
    request(HOST, XS_SET_PERMS, 0, body, (size_t)n + 1);
    got_ok();
    snprintf(text, sizeof(text), "/local/domain/%u/domid", id);
    snprintf(body, sizeof(body), "%u", id);
    write_node(HOST, 0, text, body);
    snprintf(text, sizeof(text), "/local/domain/%u/data", id);
    write_node(HOST, 0, text, "");
    n = snprintf(body, sizeof(body), "%s%cn%u", text, 0, id);
    request(HOST, XS_SET_PERMS, 0, body, (size_t)n + 1);
    got_ok();
    assert_int_equal(conn_bind(conns[who], id), 0);
    assert_int_equal(domains_introduce(&store, id), 0);
}

int setup(void **state)
{
    assert_int_equal(store_init(&store), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(conns); i++) {
        conns[i] = conn_new(&store);
        assert_non_null(conns[i]);
    }
    for (unsigned int i = 1; i < ARRAY_SIZE(conns); i++)
        make_guest(i, (domid_t)(6 + i));
    return 0;
}

int teardown(void **state)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(conns); i++) {
        if (conns[i])
            conn_free(conns[i]);
        conns[i] = NULL;
    }
    assert_null(store.domains); /* with the connections, all of the domains is gone */
    store_done(&store);
    return 0;
}
