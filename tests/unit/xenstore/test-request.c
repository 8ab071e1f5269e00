/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-request.c - requests on nodes: values, directories, paths, permissions, quotas, and what
 * is not a request.
 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "xenstore/confine.h"

static void test_read_write(void **state)
{
    read_node(GUEST, 0, "domid");
    got_value("7");
    write_node(GUEST, 0, "data/a/b/c", "value");
    got_ok();
    read_node(GUEST, 0, HOME "/data/a/b/c");
    got_value("value");
    read_node(HOST, 0, HOME "/data/a/b/c");
    got_value("value");
    read_node(GUEST, 0, "data/a");
    got_value("");
    write_node(GUEST, 0, "data/a/b/c", "");
    read_node(GUEST, 0, "data/a/b/c");
    got_value("");
    REQUEST(GUEST, XS_WRITE, "data/bin\0\1\2\0\3"); /* any bytes, one trailing NUL */
    read_node(GUEST, 0, "data/bin");
    assert_int_equal(r.hdr.len, 5);
    assert_memory_equal(r.body, "\1\2\0\3\0", 5);
    read_node(HOST, 0, "domid"); /* relative for domain 0, too */
    got_value("0");
}

static void test_directory(void **state)
{
    REQUEST(GUEST, XS_DIRECTORY, "data");
    assert_int_equal(r.hdr.type, XS_DIRECTORY);
    assert_int_equal(r.hdr.len, 0);
    write_node(GUEST, 0, "data/b", "");
    write_node(GUEST, 0, "data/abc", "");
    write_node(GUEST, 0, "data/ab", "");
    REQUEST(GUEST, XS_DIRECTORY, "data");
    assert_int_equal(r.hdr.len, 9);
    assert_memory_equal(r.body, "ab\0abc\0b", 9);
    REQUEST(GUEST, XS_DIRECTORY, "nothing");
    got_error("ENOENT");
}

/* More than a message holds: DIRECTORY refuses, DIRECTORY_PART gives it in whole names. */
static void test_big_directory(void **state)
{
    char path[64], body[64], all[16384], generation[32] = "";
    size_t len = 0;
    bool ended = false;

    for (unsigned int i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "data/a-rather-long-name-%03u", i);
        write_node(GUEST, 0, path, "");
        got_ok();
    }
    REQUEST(GUEST, XS_DIRECTORY, "data");
    got_error("E2BIG");
    while (!ended) {
        int n = snprintf(body, sizeof(body), "data%c%zu", 0, len);
        size_t head;

        request(GUEST, XS_DIRECTORY_PART, 0, body, (size_t)n + 1);
        assert_int_equal(r.hdr.type, XS_DIRECTORY_PART);
        head = strlen(r.body) + 1;
        if (!generation[0])
            strcpy(generation, r.body);
        assert_string_equal(r.body, generation);
        assert_true(r.hdr.len > head);
        ended = !r.body[r.hdr.len - 1] && !r.body[r.hdr.len - 2];
        assert_true(len + r.hdr.len < sizeof(all));
        memcpy(all + len, r.body + head, r.hdr.len - head);
        len += r.hdr.len - head - ended;
    }
    assert_int_equal(len, 300 * sizeof("a-rather-long-name-000"));
    for (unsigned int i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "a-rather-long-name-%03u", i);
        assert_string_equal(all + i * sizeof("a-rather-long-name-000"), path);
    }
    REQUEST(GUEST, XS_DIRECTORY_PART, "data\0x");
    got_error("EINVAL");
    REQUEST(GUEST, XS_DIRECTORY_PART, "data\00099999999999");
    assert_int_equal(r.hdr.len, strlen(generation) + 2); /* nothing, and that is all */
    REQUEST(GUEST, XS_RM, "data/a-rather-long-name-000");
    REQUEST(GUEST, XS_DIRECTORY_PART, "data\0000");
    assert_string_not_equal(r.body, generation);
}

static void test_mkdir_rm(void **state)
{
    REQUEST(GUEST, XS_MKDIR, "data/x/y");
    got_ok();
    write_node(GUEST, 0, "data/x/y", "1");
    REQUEST(GUEST, XS_MKDIR, "data/x/y");
    got_ok();
    read_node(GUEST, 0, "data/x/y");
    got_value("1");
    REQUEST(GUEST, XS_RM, "data/x");
    got_ok();
    read_node(GUEST, 0, "data/x/y");
    got_error("ENOENT");
    REQUEST(GUEST, XS_RM, "data/x"); /* its parent exists */
    got_ok();
    REQUEST(GUEST, XS_RM, "data/x/y");
    got_error("ENOENT");
    REQUEST(HOST, XS_RM, "/");
    got_error("EINVAL");
}

static void test_paths(void **state)
{
    char longest[3100];
    const char *const bad[] = {"", "a b", "data/", "data//x", "//", "data/\x80", "@x", "@"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        read_node(GUEST, 0, bad[i]);
        got_error("EINVAL");
    }
    memset(longest, 'a', sizeof(longest));
    longest[2049] = '\0';
    read_node(GUEST, 0, longest);
    got_error("EINVAL");
    longest[2048] = '\0';
    read_node(GUEST, 0, longest);
    got_error("ENOENT");
    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[3073] = '\0';
    read_node(HOST, 0, longest);
    got_error("EINVAL");
    longest[3072] = '\0';
    write_node(HOST, 0, longest, "1");
    got_ok();
    read_node(HOST, 0, longest);
    got_value("1");
    for (unsigned int i = 0; i < 2000; i += 2)
        memcpy(longest + i, "/a", 2); /* deeper than anybody needs */
    longest[2000] = '\0';
    write_node(HOST, 0, longest, "");
    got_error("EINVAL");
    read_node(HOST, 0, "/");
    got_value("");
}

static void test_payloads(void **state)
{
    request(GUEST, XS_READ, 0, "domid", 5); /* no NUL */
    got_error("EINVAL");
    request(GUEST, XS_READ, 0, "", 0);
    got_error("EINVAL");
    REQUEST(GUEST, XS_READ, "domid\0domid");
    got_error("EINVAL");
    request(GUEST, XS_WRITE, 0, "data/q", 6);
    got_error("EINVAL");
    request(GUEST, XS_WRITE, 0, "", 0);
    got_error("EINVAL");
    REQUEST(GUEST, XS_SET_PERMS, "data");
    got_error("EINVAL");
    request(GUEST, 23, 0, "", 0);
    got_error("ENOSYS");
    request(GUEST, 20, 0, "", 0);
    got_error("ENOSYS");
    request(GUEST, XS_WATCH_EVENT, 0, "a\0b", 4);
    got_error("ENOSYS");
    request(GUEST, ~0u, 0, "", 0);
    got_error("ENOSYS");
}

/* A header that nobody may send: nothing is taken or comes any more. A tool is disconnected; a
 * domain is not, for that would mean its end. */
static void test_too_long(void **state)
{
    struct xsd_sockmsg hdr = {.type = XS_WRITE, .len = XENSTORE_PAYLOAD_MAX};
    char body[XENSTORE_PAYLOAD_MAX] = "data/x";

    feed(conns[GUEST], &hdr, sizeof(hdr));
    feed(conns[GUEST], body, sizeof(body));
    assert_false(conns[GUEST]->broken);
    assert_true(receive(conns[GUEST]));
    got_error("ENOSPC");
    hdr.len++;
    feed(conns[GUEST], &hdr, sizeof(hdr));
    assert_false(conns[GUEST]->broken);
    hdr.len = 6;
    hdr.type = XS_READ;
    feed(conns[GUEST], &hdr, sizeof(hdr));
    feed(conns[GUEST], "domid", 6);
    got_nothing(GUEST);
    read_node(HOST, 0, HOME "/domid");
    got_value("7");
    hdr.len = XENSTORE_PAYLOAD_MAX + 1;
    feed(conns[HOST], &hdr, sizeof(hdr));
    assert_true(conns[HOST]->broken);
    got_nothing(HOST);
}

/* --- permissions ------------------------------------------------------------------------ */

static void test_rights(void **state)
{
    write_node(GUEST, 0, "domid", "9");
    got_error("EACCES");
    write_node(GUEST, 0, "newkey", "1");
    got_error("EACCES");
    write_node(GUEST, 0, "/foreign", "1");
    got_error("EACCES");
    REQUEST(GUEST, XS_RM, "data"); /* its own */
    got_ok();
    REQUEST(GUEST, XS_MKDIR, "data"); /* but its parent is not */
    got_error("EACCES");
    REQUEST(GUEST, XS_DIRECTORY, "/");
    got_error("EACCES");
    read_node(GUEST, 0, "/local/domain/8/domid");
    got_error("EACCES");
    read_node(GUEST, 0, "/local/domain/8/nothing"); /* nor whether it is there */
    got_error("EACCES");
    write_node(OTHER, 0, HOME "/data/x", "1");
    got_error("EACCES");
    REQUEST(OTHER, XS_GET_PERMS, HOME "/domid");
    got_error("EACCES");
}

static void test_permissions(void **state)
{
    REQUEST(GUEST, XS_GET_PERMS, "domid");
    assert_int_equal(r.hdr.len, 6);
    assert_memory_equal(r.body, "n0\0r7", 6);
    write_node(GUEST, 0, "data/k", "1");
    REQUEST(GUEST, XS_GET_PERMS, "data/k");
    assert_memory_equal(r.body, "n7", 3);
    REQUEST(GUEST, XS_SET_PERMS, "data/k\0r7\0b8\0w9\0n0");
    got_ok();
    read_node(OTHER, 0, HOME "/data/k");
    got_value("1");
    write_node(OTHER, 0, HOME "/data/k", "2");
    got_ok();
    write_node(THIRD, 0, HOME "/data/k", "3");
    got_ok();
    read_node(THIRD, 0, HOME "/data/k"); /* may write only */
    got_error("EACCES");
    read_node(HOST, 0, HOME "/data/k"); /* whatever they say */
    got_value("3");
    REQUEST(OTHER, XS_SET_PERMS, HOME "/data/k\0n8");
    got_error("EACCES");
    write_node(OTHER, 0, HOME "/data/k/below", "x"); /* a new node is its maker's */
    got_ok();
    REQUEST(OTHER, XS_GET_PERMS, HOME "/data/k/below");
    assert_int_equal(r.hdr.len, 12);
    assert_memory_equal(r.body, "r8\0b8\0w9\0n0", 12);
    write_node(HOST, 0, HOME "/data/k/host", "x"); /* but the host's is the parent's owner's */
    REQUEST(HOST, XS_GET_PERMS, HOME "/data/k/host");
    assert_memory_equal(r.body, "r7\0b8\0w9\0n0", 12);
}

static void test_permissions_errors(void **state)
{
    write_node(GUEST, 0, "data/k", "1");
    REQUEST(GUEST, XS_SET_PERMS, "data/k\0n5"); /* ownership is not the owner's to give away */
    got_error("EPERM");
    REQUEST(GUEST, XS_SET_PERMS, "data/k\0x7");
    got_error("EINVAL");
    REQUEST(GUEST, XS_SET_PERMS, "data/k\0n99999");
    got_error("EINVAL");
    REQUEST(GUEST, XS_SET_PERMS, "data/k\0n");
    got_error("EINVAL");
    REQUEST(GUEST, XS_SET_PERMS, "data/k\0n7\0r1\0r2\0r3\0r4\0r5");
    got_error("ENOSPC");
    REQUEST(HOST, XS_SET_PERMS, HOME "/data/k\0n7\0r1\0r2\0r3\0r4\0r5");
    got_ok();
    REQUEST(GUEST, XS_SET_PERMS, "domid\0n7");
    got_error("EACCES");
    REQUEST(GUEST, XS_SET_PERMS, "@releaseDomain\0n7");
    got_error("EACCES");
    REQUEST(GUEST, XS_GET_PERMS, "@releaseDomain");
    got_error("EACCES");
}

/* A stub domain has the rights of the domain that it works for. */
static void test_target(void **state)
{
    read_node(OTHER, 0, HOME "/domid");
    got_error("EACCES");
    REQUEST(OTHER, XS_SET_TARGET, "8\0007");
    got_error("EACCES");
    REQUEST(HOST, XS_SET_TARGET, "8\00099");
    got_error("ENOENT");
    REQUEST(HOST, XS_SET_TARGET, "8\0007");
    got_ok();
    read_node(OTHER, 0, HOME "/domid");
    got_value("7");
    write_node(OTHER, 0, HOME "/data/x", "1");
    got_ok();
    REQUEST(HOST, XS_RELEASE, "7"); /* another domain may get that number */
    write_node(HOST, 0, HOME "/domid", "7");
    REQUEST(HOST, XS_SET_PERMS, HOME "/domid\0n7");
    read_node(OTHER, 0, HOME "/domid");
    got_error("EACCES");
    REQUEST(HOST, XS_RM, HOME);
}

/* --- quotas ----------------------------------------------------------------------------- */

static void test_node_quota(void **state)
{
    char path[64], body[4096] = "data/v";
    unsigned int n = 0;

    request(GUEST, XS_WRITE, 0, body, 7 + 2048);
    got_ok();
    request(GUEST, XS_WRITE, 0, body, 7 + 2049);
    got_error("ENOSPC");
    do {
        snprintf(path, sizeof(path), "data/n/%u/%u", n / 50, n % 50);
        write_node(GUEST, 0, path, "");
        n++;
    } while (r.hdr.type == XS_WRITE && n < 2000);
    got_error("ENOSPC");
    assert_in_range(n, 900, 1000);
    write_node(GUEST, 0, "data/v", "still writable");
    got_ok();
    write_node(HOST, 0, HOME "/data/host", "x"); /* the host has no limit */
    got_ok();
    write_node(OTHER, 0, "data/x", "x"); /* nor is it anybody else's */
    got_ok();
    REQUEST(GUEST, XS_RM, "data/n");
    write_node(GUEST, 0, "data/again", "");
    got_ok();
}

/* Nodes in somebody else's directory count for who made them. */
static void test_quota_elsewhere(void **state)
{
    char path[64];
    unsigned int n = 0;

    REQUEST(GUEST, XS_SET_PERMS, "data\0n7\0b8");
    do {
        snprintf(path, sizeof(path), HOME "/data/%u", n++);
        write_node(OTHER, 0, path, "");
    } while (r.hdr.type == XS_WRITE && n < 2000);
    got_error("ENOSPC");
    write_node(GUEST, 0, "data/mine", "");
    got_ok();
}

static void test_control(void **state)
{
    REQUEST(GUEST, XS_CONTROL, "help");
    got_error("EACCES");
    REQUEST(HOST, XS_CONTROL, "help");
    assert_non_null(strstr(r.body, "check"));
    REQUEST(HOST, XS_CONTROL, "check");
    assert_string_equal(r.body, "the store is sound");
    REQUEST(HOST, XS_CONTROL, "quota");
    assert_non_null(strstr(r.body, "domain 7: nodes 1,"));
    REQUEST(HOST, XS_CONTROL, "nonsense");
    got_error("EINVAL");
    REQUEST(HOST, XS_CONTROL, "check\0too\0much");
    got_error("EINVAL");
    REQUEST(GUEST, XS_CONTROL, "xenolith-bind\0008");
    got_error("EACCES");
}

/* --- a domain's process ------------------------------------------------------------------ */

#define LATER 3 /* another connection of the host, instead of a guest's */
#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static int setup_later(void **state)
{
    int rc = setup(state);

    conn_free(conns[LATER]);
    conns[LATER] = conn_new(&store);
    return rc || !conns[LATER];
}

#define LATER_T(f) cmocka_unit_test_setup_teardown(f, setup_later, teardown)

/* What is domain 7's it may do, as the host; of all others it sees nothing. */
static void test_confined(void **state)
{
    static const char *const own[] = {"/local/domain/7/x", "/vm/" UUID "/x",
                                      "/local/domain/0/backend/vbd/7/51712/x",
                                      "/local/domain/0/error/backend/vif/7/0/error"};
    static const char *const others[] = {"/local/domain/8/data",
                                         "/local/domain/70/x",
                                         "/local/domain/0/x",
                                         "/local/domain/0/backend",
                                         "/local/domain/0/backend/vbd",
                                         "/local/domain/0/backend/vbd/70/x",
                                         "/local/domain/0/backend/7/x",
                                         "/vm",
                                         "/vm/" UUID "0/x",
                                         "/local/domain",
                                         "/",
                                         "/tool/x"};
    char text[XENSTORE_PAYLOAD_MAX];

    write_node(HOST, 0, "/local/domain/8/secret", "s");
    write_node(HOST, 0, "/vm/other", "o");
    REQUEST(LATER, XS_CONTROL, "xenolith-confine\0007\0not-a-uuid");
    got_error("EINVAL");
    REQUEST(LATER, XS_CONTROL, "xenolith-confine\0000\0" UUID);
    got_error("EINVAL");
    REQUEST(LATER, XS_CONTROL, "xenolith-confine\0007\0" UUID);
    got_ok();
    REQUEST(LATER, XS_CONTROL, "xenolith-confine\0008\0" UUID);
    got_error("EACCES");
    REQUEST(LATER, XS_CONTROL, "quota");
    got_error("EACCES");
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        write_node(LATER, 0, own[i], "v");
        request(LATER, XS_READ, 0, own[i], strlen(own[i]) + 1);
        got_value("v");
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        size_t n = strlen(others[i]) + 1;
        static const uint32_t types[] = {XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_MKDIR, XS_RM};

        for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
            request(LATER, types[t], 0, others[i], n);
            got_error("EACCES");
        }
        request(LATER, XS_WRITE, 0, others[i], n);
        got_error("EACCES");
        memcpy(text, others[i], n);
        memcpy(text + n, "n7", 3);
        request(LATER, XS_SET_PERMS, 0, text, n + 3);
        got_error("EACCES");
        request(LATER, XS_WATCH, 0, text, n + 3);
        got_error("EACCES");
    }
    REQUEST(LATER, XS_WATCH, "@releaseDomain\0t");
    got_error("EACCES");
    REQUEST(LATER, XS_RELEASE, "8");
    got_error("EACCES");
    REQUEST(LATER, XS_INTRODUCE, "9\0001\0001");
    got_error("EACCES");
    REQUEST(LATER, XS_RESUME, "8");
    got_error("EACCES");
    REQUEST(LATER, XS_SET_TARGET, "7\0008");
    got_error("EACCES");
    REQUEST(LATER, XS_CONTROL, "xenolith-bind\0008");
    got_error("EACCES");
    /* Nodes are counted for their owner. */
    REQUEST(LATER, XS_SET_PERMS, "/local/domain/7/x\0n8");
    got_error("EACCES");
    REQUEST(LATER, XS_SET_PERMS, "/local/domain/7/x\0n7\0r8");
    got_ok();
}

/* What somebody else looks after is not the domain's while that is there. */
static void test_reserved(void **state)
{
    uint32_t tx;

    write_node(HOST, 0, "/local/domain/0/backend/vif/7/0/script", "s");
    write_node(HOST, 0, "/local/domain/0/backend/vif/7/1/script", "s");
    REQUEST(LATER, XS_CONTROL, "xenolith-confine\0007\0" UUID);
    got_ok();
    REQUEST(LATER, XS_CONTROL, "xenolith-reserve\0/local/domain/0/backend/vif/7");
    got_error("EACCES");
    REQUEST(THIRD, XS_CONTROL, "xenolith-reserve\0/local/domain/0/backend/vif/7/0");
    got_error("EACCES");
    REQUEST(LATER, XS_TRANSACTION_START, "");
    tx = (uint32_t)strtoul(r.body, NULL, 10);
    REQUEST_TX(LATER, XS_WRITE, tx, "/local/domain/0/backend/vif/7/0/early\0v");
    got_ok();
    REQUEST(HOST, XS_CONTROL, "xenolith-reserve\0backend/vif/7/0");
    got_ok();
    REQUEST_TX(LATER, XS_TRANSACTION_END, tx, "T");
    got_error("EAGAIN");
    REQUEST(HOST, XS_READ, "/local/domain/0/backend/vif/7/0/early");
    got_error("ENOENT");
    REQUEST(LATER, XS_READ, "/local/domain/0/backend/vif/7/0/script");
    got_error("EACCES");
    REQUEST(LATER, XS_WRITE, "/local/domain/0/backend/vif/7/0/x\0v");
    got_error("EACCES");
    REQUEST(LATER, XS_RM, "/local/domain/0/backend/vif/7/0");
    got_error("EACCES");
    REQUEST(LATER, XS_RM, "/local/domain/0/backend/vif/7");
    got_error("EACCES");
    REQUEST(LATER, XS_DIRECTORY, "/local/domain/0/backend/vif/7");
    assert_int_equal(r.hdr.type, XS_DIRECTORY);
    REQUEST(LATER, XS_WRITE, "/local/domain/0/backend/vif/7/1/x\0v");
    got_ok();
    write_node(HOST, 0, "/local/domain/0/backend/vif/7/0/x", "v");
    REQUEST(HOST, XS_CONTROL, "xenolith-reserve\0");
    got_ok();
    REQUEST(LATER, XS_RM, "/local/domain/0/backend/vif/7");
    got_ok();
}

/* One domain's process cannot use up all connections. */
static void test_confined_count(void **state)
{
    struct conn *c = conns[HOST]->s->conns, *before = c;
    unsigned int count = 0;

    while (confine_start(c = conn_new(before->s), 7, UUID) == 0)
        count++;
    assert_int_equal(confine_start(c, 7, UUID), ENOSPC);
    assert_in_range(count, 8, 100);
    assert_int_equal(confine_start(c, 8, UUID), 0);
    while (before->s->conns != before)
        conn_free(before->s->conns);
}

/* What goes with its domain is what it was confined to, whatever it says that the domain has. */
static void test_confined_release(void **state)
{
    write_node(HOST, 0, "/vm/other", "o");
    REQUEST(LATER, XS_CONTROL, "xenolith-confine\0007\0" UUID);
    got_ok();
    write_node(LATER, 0, "/vm/" UUID "/name", "n");
    write_node(LATER, 0, "/local/domain/7/vm", "/vm/other");
    REQUEST(LATER, XS_INTRODUCE, "7\0001\0001");
    got_ok();
    REQUEST(LATER, XS_RELEASE, "7");
    got_ok();
    REQUEST(HOST, XS_READ, "/vm/other");
    got_value("o");
    REQUEST(HOST, XS_READ, "/vm/" UUID "/name");
    got_error("ENOENT");
}

/* Made the domain's own, it has the domain's rights again. */
static void test_confined_bound(void **state)
{
    REQUEST(LATER, XS_CONTROL, "xenolith-confine\0007\0" UUID);
    got_ok();
    REQUEST(LATER, XS_CONTROL, "xenolith-bind\0007");
    got_ok();
    write_node(LATER, 0, "data/x", "v");
    write_node(HOST, 0, "/tool/x", "t");
    REQUEST(HOST, XS_SET_PERMS, "/tool/x\0n0\0r7");
    got_ok();
    REQUEST(LATER, XS_READ, "/tool/x");
    got_value("t");
    REQUEST(LATER, XS_WRITE, "/local/domain/7/domid\0x");
    got_error("EACCES");
    REQUEST(LATER, XS_CONTROL, "xenolith-confine\0008\0" UUID);
    got_error("EACCES");
}

/* --- a client that does not read -------------------------------------------------------- */

/* Requests are left alone while many answers wait, and none is lost. */
static void test_no_reader(void **state)
{
    const struct xsd_sockmsg hdr = {.type = XS_READ, .len = 7};
    struct conn *c = conns[GUEST];
    char big[4096] = "data/v";
    unsigned int sent = 0;

    request(GUEST, XS_WRITE, 0, big, 7 + 2048);
    while (conn_room(c) >= sizeof(hdr) + 7 && sent < 100000) {
        memcpy(c->in + c->in_len, &hdr, sizeof(hdr));
        memcpy(c->in + c->in_len + sizeof(hdr), "data/v", 7);
        c->in_len += sizeof(hdr) + 7;
        conn_turn(c, 8);
        sent++;
    }
    assert_in_range(sent, 100, 1000);
    assert_false(conn_has_request(c));
    for (unsigned int i = 0; i < sent; i++) {
        assert_true(receive(c));
        assert_int_equal(r.hdr.len, 2048);
        conn_turn(c, 8);
    }
    got_nothing(GUEST);
}

static void test_event_flood(void **state)
{
    unsigned int events = 0;
    char path[64];

    watch(GUEST, "data", "t");
    watch(HOST, HOME "/data", "t");
    drop_messages(HOST);
    for (unsigned int i = 0; i < 20000; i++) {
        snprintf(path, sizeof(path), "data/%u", i % 100);
        write_node(GUEST, 0, path, "1");
        got_ok();
    }
    while (receive(conns[HOST]))
        events += r.hdr.type == XS_WATCH_EVENT;
    assert_int_equal(events, 20000); /* the host may be slow for a while */
    for (unsigned int i = 0; i < 20000; i++) {
        snprintf(path, sizeof(path), HOME "/data/%u", i % 100);
        write_node(HOST, 0, path, "1");
        drop_messages(HOST);
    }
    events = 0;
    while (receive(conns[GUEST]))
        events += r.hdr.type == XS_WATCH_EVENT;
    assert_in_range(events, 1000, 19999);
    assert_false(conns[GUEST]->broken);
    read_node(GUEST, 0, "domid"); /* alive */
    got_value("7");
}

/* Random but well-framed requests of guests, with everything that they may name. */
static void test_random(void **state)
{
    static const char *const words[] = {
        "data", "/",  "data/x", "domid", "T", "F", "\0x", "data/a/b/c/d/e",
        "r7",   "n8", "w9",     "n0",    "7", "8", "12",  "/local/domain/7/data",
        "@x",   "b0", "data/q", "0"};

    srand(6);
    for (unsigned int i = 0; i < 60000; i++) {
        unsigned int who = 1 + (unsigned int)rand() % 3;
        char body[256];
        size_t len = 0;

        for (unsigned int k = (unsigned int)rand() % 4; k; k--) {
            const char *w = words[(size_t)rand() % ARRAY_SIZE(words)];

            memcpy(body + len, w, strlen(w) + 1);
            len += strlen(w) + (rand() % 4 != 0);
        }
        if (rand() % 8 == 0 && len)
            body[(size_t)rand() % len] = (char)rand();
        request(who, (uint32_t)rand() % 25, rand() & 1 ? 0 : store.last_tx - (uint32_t)rand() % 12,
                body, len);
        for (unsigned int k = 1; k < 4; k++)
            drop_messages(k);
        if (i % 1000 == 0) {
            REQUEST(HOST, XS_CONTROL, "check");
            assert_string_equal(r.body, "the store is sound");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_read_write),
        T(test_directory),
        T(test_big_directory),
        T(test_mkdir_rm),
        T(test_paths),
        T(test_payloads),
        T(test_too_long),
        T(test_rights),
        T(test_permissions),
        T(test_permissions_errors),
        T(test_target),
        T(test_node_quota),
        T(test_quota_elsewhere),
        T(test_control),
        T(test_no_reader),
        T(test_event_flood),
        T(test_random),
        LATER_T(test_confined),
        LATER_T(test_confined_count),
        LATER_T(test_reserved),
        LATER_T(test_confined_release),
        LATER_T(test_confined_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
