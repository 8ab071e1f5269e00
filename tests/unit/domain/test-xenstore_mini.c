/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-xenstore_mini.c - the small store through its ring: requests, errors, watches,
 * transactions, quotas, and what a hostile guest can do to the ring.
 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/io/xs_wire.h>

#define HOME "/local/domain/7"

/* The guest's end. */
static struct xenstore_domain_interface *ring(void)
{
    return frame(FRAME_STORE);
}

static void kick_store(void)
{
    struct evtchn_send op = {.port = EVTCHN_PORT_STORE};

    assert_int_equal(CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &op), 0);
}

static size_t guest_put(const void *data, size_t size)
{
    size_t done = 0;

    while (done < size && ring()->req_prod - ring()->req_cons < XENSTORE_RING_SIZE)
        ring()->req[MASK_XENSTORE_IDX(ring()->req_prod++)] = ((const char *)data)[done++];
    return done;
}

static size_t guest_get(void *data, size_t size)
{
    size_t done = 0;

    while (done < size && ring()->rsp_prod != ring()->rsp_cons)
        ((char *)data)[done++] = ring()->rsp[MASK_XENSTORE_IDX(ring()->rsp_cons++)];
    return done;
}

static void send_bytes(const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t n = guest_put((const char *)data + done, size - done);

        assert_true(n > 0); /* the store takes what is there */
        done += n;
        kick_store();
    }
}

struct reply {
    struct xsd_sockmsg hdr;
    char body[XENSTORE_PAYLOAD_MAX + 1];
};

static struct reply r;

static void receive_bytes(void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t n = guest_get((char *)to + done, size - done);

        done += n;
        if (done < size) {
            assert_true(n > 0 || ring()->rsp_prod != ring()->rsp_cons || done == 0);
            kick_store(); /* room for the rest */
            assert_true(ring()->rsp_prod != ring()->rsp_cons);
        }
    }
}

static void receive(void)
{
    memset(&r, 0, sizeof(r));
    receive_bytes(&r.hdr, sizeof(r.hdr));
    assert_in_range(r.hdr.len, 0, XENSTORE_PAYLOAD_MAX);
    receive_bytes(r.body, r.hdr.len);
}

static bool nothing_comes(void)
{
    kick_store();
    return ring()->rsp_prod == ring()->rsp_cons;
}

static uint32_t next_id;

static void send_request(uint32_t type, uint32_t tx, const void *body, size_t len)
{
    struct xsd_sockmsg hdr = {.type = type, .req_id = ++next_id, .tx_id = tx, .len = (uint32_t)len};

    send_bytes(&hdr, sizeof(hdr));
    send_bytes(body, len);
}

/* One request and its answer in r; events before it are dropped. */
static void request(uint32_t type, uint32_t tx, const void *body, size_t len)
{
    send_request(type, tx, body, len);
    do {
        receive();
    } while (r.hdr.type == XS_WATCH_EVENT);
    assert_int_equal(r.hdr.req_id, next_id);
    assert_int_equal(r.hdr.tx_id, tx);
}

/* Body literals carry their NULs; sizeof counts the last one too. */
#define REQUEST(type, body) request(type, 0, body, sizeof(body))
#define REQUEST_TX(type, tx, body) request(type, tx, body, sizeof(body))

static void got_ok(uint32_t type)
{
    assert_int_equal(r.hdr.type, type);
    assert_int_equal(r.hdr.len, 3);
    assert_string_equal(r.body, "OK");
}

static void got_error(const char *name)
{
    assert_int_equal(r.hdr.type, XS_ERROR);
    assert_string_equal(r.body, name);
    assert_int_equal(r.hdr.len, strlen(name) + 1);
}

static void got_value(const char *value)
{
    assert_int_equal(r.hdr.type, XS_READ);
    assert_int_equal(r.hdr.len, strlen(value));
    assert_memory_equal(r.body, value, strlen(value));
}

static void read_tx(uint32_t tx, const char *path)
{
    request(XS_READ, tx, path, strlen(path) + 1);
}

static void write_tx(uint32_t tx, const char *path, const char *value)
{
    char body[512];
    size_t n = strlen(path) + 1;

    memcpy(body, path, n);
    memcpy(body + n, value, strlen(value));
    request(XS_WRITE, tx, body, n + strlen(value));
}

static void got_event(const char *path, const char *token)
{
    receive();
    assert_int_equal(r.hdr.type, XS_WATCH_EVENT);
    assert_int_equal(r.hdr.req_id, 0);
    assert_int_equal(r.hdr.tx_id, 0);
    assert_string_equal(r.body, path);
    assert_string_equal(r.body + strlen(path) + 1, token);
    assert_int_equal(r.hdr.len, strlen(path) + strlen(token) + 2);
}

/* --- requests --------------------------------------------------------------------------- */

static void test_first_content(void **state)
{
    const struct {
        const char *path, *value;
    } keys[] = {{"name", "test"},
                {"domid", "7"},
                {HOME "/domid", "7"},
                {"vm", "/vm/a5a5a5a5-a5a5-a5a5-a5a5-a5a5a5a5a5a5"},
                {"/vm/a5a5a5a5-a5a5-a5a5-a5a5-a5a5a5a5a5a5/name", "test"},
                {"cpu/0/availability", "online"},
                {"memory/target", "512"},
                {"memory/static-max", "640"},
                {"console/ring-ref", "5"},
                {"console/port", "2"},
                {"console/type", "xenconsoled"},
                {"store/ring-ref", "6"},
                {"store/port", "1"},
                {"control/shutdown", ""},
                {"control/platform-feature-xs_reset_watches", "1"},
                {"device", ""}};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        read_tx(0, keys[i].path);
        got_value(keys[i].value);
    }
    REQUEST(XS_DIRECTORY, "device");
    assert_int_equal(r.hdr.len, sizeof("suspend"));
    REQUEST(XS_DIRECTORY, "data");
    assert_int_equal(r.hdr.type, XS_DIRECTORY);
    assert_int_equal(r.hdr.len, 0);
}

static void test_read_write(void **state)
{
    write_tx(0, "data/a/b/c", "value");
    got_ok(XS_WRITE);
    read_tx(0, HOME "/data/a/b/c");
    got_value("value");
    read_tx(0, "data/a");
    got_value("");
    write_tx(0, "data/a/b/c", "");
    read_tx(0, "data/a/b/c");
    got_value("");
    REQUEST(XS_WRITE, "data/bin\0\1\2\0\3"); /* any bytes, one trailing NUL */
    read_tx(0, "data/bin");
    assert_int_equal(r.hdr.len, 5);
    assert_memory_equal(r.body, "\1\2\0\3\0", 5);
    REQUEST(XS_DIRECTORY, "data");
    assert_int_equal(r.hdr.len, 6);
    assert_memory_equal(r.body, "a\0bin", 6);
}

static void test_mkdir_rm(void **state)
{
    REQUEST(XS_MKDIR, "data/x/y");
    got_ok(XS_MKDIR);
    REQUEST(XS_MKDIR, "data/x/y");
    got_ok(XS_MKDIR);
    REQUEST(XS_RM, "data/x");
    got_ok(XS_RM);
    read_tx(0, "data/x/y");
    got_error("ENOENT");
    REQUEST(XS_RM, "data/x"); /* its parent exists */
    got_ok(XS_RM);
    REQUEST(XS_RM, "data/x/y");
    got_error("ENOENT");
    REQUEST(XS_RM, "/");
    got_error("EINVAL");
}

static void test_paths(void **state)
{
    char longest[3100];

    read_tx(0, "");
    got_error("EINVAL");
    read_tx(0, "a b");
    got_error("EINVAL");
    read_tx(0, "data/");
    got_error("EINVAL");
    read_tx(0, "data//x");
    got_error("EINVAL");
    read_tx(0, "data/\x80");
    got_error("EINVAL");
    memset(longest, 'a', sizeof(longest));
    longest[2049] = '\0';
    request(XS_READ, 0, longest, 2050);
    got_error("EINVAL");
    longest[2048] = '\0';
    request(XS_READ, 0, longest, 2049);
    got_error("ENOENT");
    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[3073] = '\0';
    request(XS_READ, 0, longest, 3074);
    got_error("EINVAL");
    for (unsigned int i = 0; i < 2000; i += 2)
        memcpy(longest + i, "/a", 2); /* deeper than anybody needs */
    longest[2000] = '\0';
    request(XS_WRITE, 0, longest, 2001);
    got_error("EINVAL");
    read_tx(0, "/");
    assert_int_equal(r.hdr.type, XS_READ);
    request(XS_READ, 0, "name", 4); /* no NUL */
    got_error("EINVAL");
    request(XS_READ, 0, "", 0);
    got_error("EINVAL");
    request(XS_WRITE, 0, "data/q", 6);
    got_error("EINVAL");
}

static void test_permissions(void **state)
{
    write_tx(0, "name", "x");
    got_error("EACCES");
    write_tx(0, "memory/target", "1");
    got_error("EACCES");
    write_tx(0, "newkey", "1");
    got_error("EACCES");
    write_tx(0, "/foreign", "1");
    got_error("EACCES");
    REQUEST(XS_RM, "device");
    got_error("EACCES");
    write_tx(0, "control/shutdown", "poweroff");
    got_ok(XS_WRITE);
    assert_int_equal(xsmini_write(&fix->d, "/secret/key", "1"), 0);
    assert_int_equal(xsmini_write_owned(&fix->d, "/secret", "", 0), 0);
    REQUEST(XS_GET_PERMS, "name");
    assert_int_equal(r.hdr.len, 6);
    assert_memory_equal(r.body, "n0\0r7", 6);
    write_tx(0, "data/k", "1");
    REQUEST(XS_GET_PERMS, "data/k");
    assert_memory_equal(r.body, "n7", 3);
    REQUEST(XS_SET_PERMS, "data/k\0b7\0r0");
    got_ok(XS_SET_PERMS);
    REQUEST(XS_GET_PERMS, "data/k");
    assert_memory_equal(r.body, "b7\0r0", 6);
    REQUEST(XS_SET_PERMS, "data/k\0n5");
    got_error("EPERM");
    REQUEST(XS_SET_PERMS, "data/k\0x7");
    got_error("EINVAL");
    REQUEST(XS_SET_PERMS, "data/k\0n99999");
    got_error("EINVAL");
    REQUEST(XS_SET_PERMS, "data/k");
    got_error("EINVAL");
    REQUEST(XS_SET_PERMS, "data/k\0n7\0r1\0r2\0r3\0r4\0r5");
    got_error("ENOSPC");
    REQUEST(XS_SET_PERMS, "name\0n7");
    got_error("EACCES");
}

static void test_write_owned(void **state)
{
    assert_int_equal(xsmini_write_owned(&fix->d, "/secret", "", 0), 0);
    assert_int_equal(xsmini_write_owned(&fix->d, "/secret/key", "1", 5), 0);
    REQUEST(XS_SET_PERMS, "/secret\0n0");
    got_error("EACCES");
    read_tx(0, "/secret/key");
    assert_int_equal(r.hdr.type, XS_READ); /* write_owned lets the guest read */
}

static void test_other_requests(void **state)
{
    REQUEST(XS_GET_DOMAIN_PATH, "7");
    assert_string_equal(r.body, HOME);
    assert_int_equal(r.hdr.len, sizeof(HOME));
    REQUEST(XS_GET_DOMAIN_PATH, "x");
    got_error("EINVAL");
    REQUEST(XS_IS_DOMAIN_INTRODUCED, "7");
    assert_string_equal(r.body, "T");
    REQUEST(XS_IS_DOMAIN_INTRODUCED, "8");
    assert_string_equal(r.body, "F");
    REQUEST(XS_CONTROL, "help");
    got_error("EACCES");
    REQUEST(XS_INTRODUCE, "1\0002\0003");
    got_error("EACCES");
    REQUEST(XS_RELEASE, "7");
    got_error("EACCES");
    request(23, 0, "", 0);
    got_error("ENOSYS");
    request(20, 0, "", 0);
    got_error("ENOSYS");
    request(XS_WATCH_EVENT, 0, "a\0b", 4);
    got_error("ENOSYS");
    request(~0u, 0, "", 0);
    got_error("ENOSYS");
}

static void test_big_directory(void **state)
{
    char path[64];

    for (unsigned int i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "data/a-rather-long-name-%u", i);
        write_tx(0, path, "");
        got_ok(XS_WRITE);
    }
    REQUEST(XS_DIRECTORY, "data");
    got_error("E2BIG");
}

static void test_quota(void **state)
{
    char path[64], body[4096] = "data/v";
    unsigned int n = 0;

    request(XS_WRITE, 0, body, 7 + 2048);
    got_ok(XS_WRITE);
    request(XS_WRITE, 0, body, 7 + 2049);
    got_error("ENOSPC");
    do {
        snprintf(path, sizeof(path), "data/n/%u/%u", n / 50, n % 50);
        write_tx(0, path, "");
        n++;
    } while (r.hdr.type == XS_WRITE && n < 2000);
    got_error("ENOSPC");
    assert_in_range(n, 900, 1000);
    write_tx(0, "data/v", "still writable");
    got_ok(XS_WRITE);
    assert_int_equal(xsmini_write(&fix->d, "device/host", "x"), 0); /* the host has no quota */
    REQUEST(XS_RM, "data/n");
    write_tx(0, "data/again", "");
    got_ok(XS_WRITE);
}

/* --- watches ---------------------------------------------------------------------------- */

static void watch(const char *path, const char *token)
{
    char body[256];
    size_t n = strlen(path) + 1, m = strlen(token) + 1;

    memcpy(body, path, n);
    memcpy(body + n, token, m);
    request(XS_WATCH, 0, body, n + m);
}

static void test_watch(void **state)
{
    watch("data", "tok");
    got_ok(XS_WATCH);
    got_event("data", "tok"); /* at registration */
    send_request(XS_WRITE, 0, "data/x\0001", 8);
    got_event("data/x", "tok");
    receive();
    got_ok(XS_WRITE);
    assert_int_equal(xsmini_write(&fix->d, HOME "/data/y", "1"), 0);
    got_event("data/y", "tok");
    assert_int_equal(xsmini_write(&fix->d, "database", "1"), 0); /* not below */
    assert_true(nothing_comes());
    assert_int_equal(xsmini_remove(&fix->d, "data/y"), 0);
    got_event("data/y", "tok");
    watch(HOME "/data/x", "abs");
    got_event(HOME "/data/x", "abs");
    assert_int_equal(xsmini_write(&fix->d, "data/x", "2"), 0);
    got_event("data/x", "tok");
    got_event(HOME "/data/x", "abs");
    /* An ancestor goes: the watch's own path. */
    assert_int_equal(xsmini_remove(&fix->d, "data"), 0);
    got_event("data", "tok");
    got_event(HOME "/data/x", "abs");
    assert_true(nothing_comes());
}

static void test_watch_errors(void **state)
{
    watch("data", "t");
    receive();
    watch("data", "t");
    got_error("EEXIST");
    watch("data", "u");
    got_ok(XS_WATCH);
    receive();
    watch("@releaseDomain", "t");
    got_error("EACCES");
    watch("da ta", "t");
    got_error("EINVAL");
    request(XS_WATCH, 0, "data", 5);
    got_error("EINVAL");
    request(XS_WATCH, 0, "data\0t", 6); /* no NUL */
    got_error("EINVAL");
    REQUEST(XS_UNWATCH, "data\0t");
    got_ok(XS_UNWATCH);
    REQUEST(XS_UNWATCH, "data\0t");
    got_error("ENOENT");
    watch("no/such/node", "t");
    got_ok(XS_WATCH);
    got_event("no/such/node", "t");
    request(XS_RESET_WATCHES, 0, "", 1);
    got_ok(XS_RESET_WATCHES);
    xsmini_write(&fix->d, "data/x", "1");
    assert_true(nothing_comes());
}

static void test_watch_quota(void **state)
{
    char token[8];

    for (unsigned int i = 0; i < 128; i++) {
        snprintf(token, sizeof(token), "%u", i);
        watch("data", token);
        got_ok(XS_WATCH);
    }
    watch("data", "one more");
    got_error("ENOSPC");
}

static void test_watch_hidden(void **state)
{
    watch("/", "all");
    receive();
    assert_int_equal(xsmini_write(&fix->d, "/open", "1"), 0);
    got_event("/open", "all");
}

/* --- transactions ----------------------------------------------------------------------- */

static uint32_t tx_start(void)
{
    request(XS_TRANSACTION_START, 0, "", 1);
    assert_int_equal(r.hdr.type, XS_TRANSACTION_START);
    return (uint32_t)strtoul(r.body, NULL, 10);
}

static void test_tx_commit(void **state)
{
    uint32_t tx;

    watch("data", "t");
    receive();
    tx = tx_start();
    assert_int_not_equal(tx, 0);
    write_tx(tx, "data/a", "1");
    write_tx(tx, "data/a", "2");
    write_tx(tx, "data/b", "3");
    read_tx(tx, "data/a");
    got_value("2");
    read_tx(0, "data/a");
    got_error("ENOENT");
    assert_true(nothing_comes());
    send_request(XS_TRANSACTION_END, tx, "T", 2);
    got_event("data/a", "t");
    got_event("data/b", "t");
    receive();
    got_ok(XS_TRANSACTION_END);
    read_tx(0, "data/a");
    got_value("2");
    read_tx(tx, "data/a");
    got_error("ENOENT");
}

static void test_tx_abort(void **state)
{
    uint32_t tx = tx_start();

    write_tx(tx, "data/a", "1");
    REQUEST_TX(XS_RM, tx, "data");
    got_ok(XS_RM);
    REQUEST_TX(XS_TRANSACTION_END, tx, "F");
    got_ok(XS_TRANSACTION_END);
    read_tx(0, "data");
    got_value("");
}

static void test_tx_conflict(void **state)
{
    uint32_t a = tx_start(), b = tx_start(), c = tx_start();

    write_tx(a, "data/a", "a");
    write_tx(b, "data/a", "b");
    read_tx(c, "data");
    REQUEST_TX(XS_TRANSACTION_END, a, "T");
    got_ok(XS_TRANSACTION_END);
    REQUEST_TX(XS_TRANSACTION_END, b, "T");
    got_error("EAGAIN");
    read_tx(0, "data/a");
    got_value("a");
    REQUEST_TX(XS_TRANSACTION_END, c, "T"); /* only read */
    got_ok(XS_TRANSACTION_END);
    /* Once more from the start works. */
    b = tx_start();
    write_tx(b, "data/a", "b");
    REQUEST_TX(XS_TRANSACTION_END, b, "T");
    got_ok(XS_TRANSACTION_END);
}

static void test_tx_errors(void **state)
{
    uint32_t tx[10];

    REQUEST_TX(XS_READ, 99, "name");
    got_error("ENOENT");
    REQUEST(XS_TRANSACTION_END, "T");
    got_error("ENOENT");
    for (unsigned int i = 0; i < 10; i++)
        tx[i] = tx_start();
    request(XS_TRANSACTION_START, 0, "", 1);
    got_error("ENOSPC");
    request(XS_TRANSACTION_START, tx[0], "", 1);
    got_error("EBUSY");
    REQUEST_TX(XS_TRANSACTION_END, tx[0], "X");
    got_error("EINVAL");
    for (unsigned int i = 0; i < 10; i++) {
        REQUEST_TX(XS_TRANSACTION_END, tx[i], "T");
        got_ok(XS_TRANSACTION_END);
    }
}

/* --- host ------------------------------------------------------------------------------- */

static void test_host_access(void **state)
{
    char buf[8];

    write_tx(0, "data/a", "0123456789");
    assert_int_equal(xsmini_read(&fix->d, "data/a", buf, sizeof(buf)), 7);
    assert_string_equal(buf, "0123456");
    assert_int_equal(xsmini_read(&fix->d, "data/none", buf, sizeof(buf)), -ENOENT);
    assert_int_equal(xsmini_write(&fix->d, "bad path", "x"), -EINVAL);
    assert_int_equal(xsmini_remove(&fix->d, "no/parent"), -ENOENT);
    assert_int_equal(xsmini_remove(&fix->d, "/"), -EINVAL);
}

/* --- the ring --------------------------------------------------------------------------- */

static void test_byte_by_byte(void **state)
{
    const struct xsd_sockmsg hdr = {.type = XS_READ, .req_id = 5, .len = 5};

    for (size_t i = 0; i < sizeof(hdr); i++) {
        assert_int_equal(guest_put((const char *)&hdr + i, 1), 1);
        kick_store();
        assert_int_equal(ring()->req_cons, ring()->req_prod);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_true(ring()->rsp_prod == ring()->rsp_cons);
        guest_put(&"name"[i], 1);
        kick_store();
    }
    receive();
    got_value("test");
}

/* The guest notifies once for many requests, and the indices wrap. */
static void test_batch_and_wrap(void **state)
{
    struct {
        struct xsd_sockmsg hdr;
        char path[5];
    } __attribute__((packed)) q = {.hdr = {.type = XS_READ, .len = 5}, .path = "name"};

    ring()->req_prod = ring()->req_cons = 0xffffff00u;
    ring()->rsp_prod = ring()->rsp_cons = 0xfffffff0u;
    for (unsigned int round = 0; round < 50; round++) {
        for (unsigned int i = 0; i < 40; i++) {
            q.hdr.req_id = i;
            assert_int_equal(guest_put(&q, sizeof(q)), sizeof(q));
        }
        kick_store();
        for (unsigned int i = 0; i < 40; i++) {
            receive();
            got_value("test");
            assert_int_equal(r.hdr.req_id, i);
        }
    }
}

/* A guest that never reads: we hold a bounded amount, and lose no answer. */
static void test_no_reader(void **state)
{
    char body[8] = "data/v";
    char big[4096] = "data/v";
    unsigned int sent = 0;
    struct xsd_sockmsg hdr = {.type = XS_READ, .len = 7};

    request(XS_WRITE, 0, big, 7 + 2048);
    for (unsigned int i = 0; i < 2000; i++) {
        if (ring()->req_prod - ring()->req_cons > XENSTORE_RING_SIZE - 64) {
            kick_store();
            if (ring()->req_prod - ring()->req_cons > XENSTORE_RING_SIZE - 64)
                break; /* not taken any more */
        }
        hdr.req_id = ++sent;
        guest_put(&hdr, sizeof(hdr));
        guest_put(body, 7);
    }
    assert_in_range(sent, 32, 200);
    for (unsigned int i = 1; i <= sent; i++) {
        receive();
        assert_int_equal(r.hdr.req_id, i);
        assert_int_equal(r.hdr.len, 2048);
    }
    assert_true(nothing_comes());
}

static void test_event_flood(void **state)
{
    unsigned int events = 0;

    watch("data", "t");
    receive();
    for (unsigned int i = 0; i < 20000; i++)
        xsmini_write(&fix->d, "data/x", "1");
    while (!nothing_comes()) {
        receive();
        events += r.hdr.type == XS_WATCH_EVENT;
    }
    assert_in_range(events, 1000, 19999);
    read_tx(0, "name"); /* alive */
    got_value("test");
}

static void test_bad_indices(void **state)
{
    ring()->req_prod = ring()->req_cons + XENSTORE_RING_SIZE + 1;
    kick_store();
    /* Dropped: nothing is served any more, and nothing moves. */
    ring()->req_prod = ring()->req_cons;
    guest_put("x", 1);
    kick_store();
    assert_int_equal(ring()->req_prod - ring()->req_cons, 1);
    assert_int_equal(xsmini_write(&fix->d, "data/x", "1"), 0); /* the host is not hurt */
}

static void test_bad_response_index(void **state)
{
    const struct xsd_sockmsg hdr = {.type = XS_READ, .len = 5};

    ring()->rsp_cons = ring()->rsp_prod + 1;
    guest_put(&hdr, sizeof(hdr));
    guest_put("name", 5);
    kick_store();
    assert_int_equal(ring()->rsp_prod, 0);
}

static void test_too_long(void **state)
{
    const struct xsd_sockmsg hdr = {.type = XS_WRITE, .len = XENSTORE_PAYLOAD_MAX + 1};

    guest_put(&hdr, sizeof(hdr));
    guest_put("name", 5);
    kick_store();
    assert_int_equal(ring()->req_prod - ring()->req_cons, 5);
    kick_store();
    assert_int_equal(ring()->rsp_prod, 0);
}

/* Random but well-framed requests, and then plain garbage. */
static void test_fuzz(void **state)
{
    static const char *const words[] = {
        "data", "/",  "device/suspend",       "name", "T", "F", "\0x", "data/a/b/c/d/e",
        "r7",   "n0", "/local/domain/7/data", "@x"};

    srand(6);
    for (unsigned int i = 0; i < 30000; i++) {
        char body[256];
        size_t len = 0;

        for (unsigned int k = (unsigned int)rand() % 4; k; k--) {
            const char *w = words[(size_t)rand() % ARRAY_SIZE(words)];

            memcpy(body + len, w, strlen(w) + 1);
            len += strlen(w) + (rand() % 4 != 0);
        }
        if (rand() % 8 == 0 && len)
            body[(size_t)rand() % len] = (char)rand();
        request((uint32_t)rand() % 25, rand() & 1 ? 0 : (uint32_t)rand() % 40, body, len);
        while (ring()->rsp_prod != ring()->rsp_cons)
            receive();
    }
    for (unsigned int i = 0; i < 3000; i++) {
        char *p = (char *)ring();

        if (i % 10 == 0) {
            teardown(NULL);
            setup_one_vcpu(NULL);
            p = (char *)ring();
        }
        for (size_t k = 0; k < sizeof(*ring()); k++)
            p[k] = (char)(rand() % 3 ? rand() : 0);
        ring()->req_prod = ring()->req_cons + (uint32_t)rand() % 1025;
        kick_store();
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_one_vcpu, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_first_content),  T(test_read_write),     T(test_mkdir_rm),
        T(test_paths),          T(test_permissions),    T(test_write_owned),
        T(test_other_requests), T(test_big_directory),  T(test_quota),
        T(test_watch),          T(test_watch_errors),   T(test_watch_quota),
        T(test_watch_hidden),   T(test_tx_commit),      T(test_tx_abort),
        T(test_tx_conflict),    T(test_tx_errors),      T(test_host_access),
        T(test_byte_by_byte),   T(test_batch_and_wrap), T(test_no_reader),
        T(test_event_flood),    T(test_bad_indices),    T(test_bad_response_index),
        T(test_too_long),       T(test_fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
