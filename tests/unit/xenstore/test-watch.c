/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-watch.c - watches: who hears of what, in which words, and how often; the special ones,
 * and how domains come and go.
 */
#include "harness.h"

#include <stdio.h>

static void test_watch(void **state)
{
    watch(GUEST, "data", "tok");
    got_ok();
    got_event(GUEST, "data", "tok"); /* at registration */
    write_node(HOST, 0, HOME "/data/x", "1");
    got_event(GUEST, "data/x", "tok");
    REQUEST(HOST, XS_MKDIR, HOME "/data/y/z");
    got_event(GUEST, "data/y/z", "tok");
    REQUEST(HOST, XS_MKDIR, HOME "/data/y/z");  /* nothing new */
    write_node(HOST, 0, HOME "/database", "1"); /* not below */
    got_nothing(GUEST);
    REQUEST(HOST, XS_RM, HOME "/data/y");
    got_event(GUEST, "data/y", "tok");
    REQUEST(HOST, XS_SET_PERMS, HOME "/data/x\0n7\0r8");
    got_event(GUEST, "data/x", "tok");
    watch(GUEST, HOME "/data/x", "abs");
    got_event(GUEST, HOME "/data/x", "abs");
    write_node(HOST, 0, HOME "/data/x", "2");
    got_event(GUEST, "data/x", "tok");
    got_event(GUEST, HOME "/data/x", "abs");
    /* An ancestor goes: the watch's own path. */
    REQUEST(HOST, XS_RM, HOME "/data");
    got_event(GUEST, "data", "tok");
    got_event(GUEST, HOME "/data/x", "abs");
    got_nothing(GUEST);
}

/* Who changes something hears of it as well, before or after the answer. */
static void test_own_changes(void **state)
{
    const struct xsd_sockmsg hdr = {.type = XS_WRITE, .len = 8};

    watch(GUEST, "data", "tok");
    got_event(GUEST, "data", "tok");
    feed(conns[GUEST], &hdr, sizeof(hdr));
    feed(conns[GUEST], "data/x\0001", 8);
    got_event(GUEST, "data/x", "tok");
    assert_true(receive(conns[GUEST]));
    got_ok();
}

/* An event that nobody has taken yet says all that a second one could say. */
static void test_merged(void **state)
{
    watch(GUEST, "data", "a");
    drop_messages(GUEST);
    for (unsigned int i = 0; i < 1000; i++)
        write_node(HOST, 0, HOME "/data/x", "1");
    got_event(GUEST, "data/x", "a");
    got_nothing(GUEST);
    write_node(HOST, 0, HOME "/data/x", "2"); /* it was taken: a new one */
    write_node(HOST, 0, HOME "/data/y", "2");
    write_node(HOST, 0, HOME "/data/x", "2");
    got_event(GUEST, "data/x", "a");
    got_event(GUEST, "data/y", "a");
    got_event(GUEST, "data/x", "a");
    got_nothing(GUEST);
}

/* What is partly out cannot stand for what happens now. */
static void test_merged_not_when_begun(void **state)
{
    struct conn *c = conns[GUEST];
    size_t len;

    watch(GUEST, "data", "a");
    drop_messages(GUEST);
    write_node(HOST, 0, HOME "/data/x", "1");
    len = c->out_len;
    conn_taken(c, 1);
    write_node(HOST, 0, HOME "/data/x", "2");
    assert_int_equal(c->out_len, 2 * len - 1);
    conn_taken(c, len - 1);
    got_event(GUEST, "data/x", "a");
}

static void test_errors(void **state)
{
    char big[4096] = "data";

    watch(GUEST, "data", "t");
    watch(GUEST, "data", "t");
    got_error("EEXIST");
    watch(GUEST, "data", "u");
    got_ok();
    watch(GUEST, "da ta", "t");
    got_error("EINVAL");
    REQUEST(GUEST, XS_WATCH, "data");
    got_error("EINVAL");
    request(GUEST, XS_WATCH, 0, "data\0t", 6); /* no NUL */
    got_error("EINVAL");
    REQUEST(GUEST, XS_WATCH, "data\0t\0x");
    got_error("EINVAL");
    memset(big + 5, 'x', 1024);
    request(GUEST, XS_WATCH, 0, big, 5 + 1025); /* no event could carry it */
    got_error("EINVAL");
    REQUEST(GUEST, XS_UNWATCH, "data\0t");
    got_ok();
    REQUEST(GUEST, XS_UNWATCH, "data\0t");
    got_error("ENOENT");
    watch(GUEST, "no/such/node", "t");
    got_ok();
    got_event(GUEST, "no/such/node", "t");
    request(GUEST, XS_RESET_WATCHES, 0, "", 1);
    got_ok();
    write_node(HOST, 0, HOME "/data/x", "1");
    got_nothing(GUEST);
}

static void test_depth(void **state)
{
    REQUEST(GUEST, XS_WATCH, "data\0t\0001");
    got_event(GUEST, "data", "t");
    write_node(HOST, 0, HOME "/data/x", "1");
    got_event(GUEST, "data/x", "t");
    write_node(HOST, 0, HOME "/data/x/y", "1");
    got_nothing(GUEST);
    REQUEST(HOST, XS_WATCH, "/\0t\0000");
    drop_messages(HOST);
    write_node(GUEST, 0, "data/z", "1");
    got_nothing(HOST);
}

static void test_quota(void **state)
{
    char token[8];

    for (unsigned int i = 0; i < 128; i++) {
        snprintf(token, sizeof(token), "%u", i);
        watch(GUEST, "data", token);
        got_ok();
    }
    watch(GUEST, "data", "one more");
    got_error("ENOSPC");
    request(GUEST, XS_RESET_WATCHES, 0, "", 1);
    watch(GUEST, "data", "one more");
    got_ok();
}

/* Nobody hears of what he may not read: neither when it changes nor when it goes. */
static void test_hidden(void **state)
{
    watch(GUEST, "/", "all");
    watch(GUEST, "/local/domain/8/data/x", "one");
    drop_messages(GUEST);
    write_node(OTHER, 0, "data/x", "1");
    write_node(HOST, 0, "/hidden/key", "1");
    REQUEST(HOST, XS_RM, "/hidden");
    REQUEST(OTHER, XS_RM, "data/x");
    got_nothing(GUEST);
    write_node(OTHER, 0, "data/x", "1");
    REQUEST(OTHER, XS_SET_PERMS, "data/x\0n8\0r7");
    got_event(GUEST, "/local/domain/8/data/x", "all");
    got_event(GUEST, "/local/domain/8/data/x", "one");
    REQUEST(OTHER, XS_RM, "data"); /* data itself is hidden, what is watched is not */
    got_event(GUEST, "/local/domain/8/data/x", "one");
    got_nothing(GUEST);
}

/* --- domains ---------------------------------------------------------------------------- */

static void test_introduce(void **state)
{
    watch(HOST, "@introduceDomain", "new");
    got_event(HOST, "@introduceDomain", "new");
    watch(HOST, "@releaseDomain", "gone");
    got_event(HOST, "@releaseDomain", "gone");
    REQUEST(HOST, XS_INTRODUCE, "12\0001234\0001");
    got_ok();
    REQUEST(HOST, XS_IS_DOMAIN_INTRODUCED, "12");
    assert_string_equal(r.body, "T");
    REQUEST(HOST, XS_RESUME, "12");
    got_ok();
    REQUEST(HOST, XS_RELEASE, "12");
    got_ok();
    REQUEST(HOST, XS_IS_DOMAIN_INTRODUCED, "12");
    assert_string_equal(r.body, "F");
    REQUEST(HOST, XS_RELEASE, "12");
    got_error("ENOENT");
    REQUEST(HOST, XS_RESUME, "12");
    got_error("ENOENT");
    REQUEST(HOST, XS_INTRODUCE, "0\0001\0001");
    got_error("EINVAL");
    REQUEST(HOST, XS_INTRODUCE, "x\0001\0001");
    got_error("EINVAL");
    REQUEST(HOST, XS_INTRODUCE, "13\0x\0001");
    got_error("EINVAL");
}

static void test_introduce_events(void **state)
{
    const struct xsd_sockmsg introduce = {.type = XS_INTRODUCE, .len = 7};
    const struct xsd_sockmsg release = {.type = XS_RELEASE, .len = 3};

    watch(HOST, "@introduceDomain", "new");
    watch(HOST, "@releaseDomain", "gone");
    drop_messages(HOST);
    feed(conns[HOST], &introduce, sizeof(introduce));
    feed(conns[HOST], "12\0001\0001", 7);
    got_event(HOST, "@introduceDomain", "new");
    assert_true(receive(conns[HOST]));
    got_ok();
    feed(conns[HOST], &release, sizeof(release));
    feed(conns[HOST], "12", 3);
    got_event(HOST, "@releaseDomain", "gone");
    assert_true(receive(conns[HOST]));
    got_ok();
    got_nothing(HOST);
}

static void test_special_is_privileged(void **state)
{
    watch(GUEST, "@releaseDomain", "t");
    got_error("EACCES");
    watch(GUEST, "@nothing", "t");
    got_error("EINVAL");
    REQUEST(HOST, XS_SET_PERMS, "@releaseDomain\0n0\0r7");
    got_ok();
    REQUEST(HOST, XS_GET_PERMS, "@releaseDomain");
    assert_int_equal(r.hdr.len, 6);
    assert_memory_equal(r.body, "n0\0r7", 6);
    watch(GUEST, "@releaseDomain", "t");
    got_ok();
    drop_messages(GUEST);
    REQUEST(HOST, XS_RELEASE, "8");
    got_event(GUEST, "@releaseDomain", "t");
    watch(GUEST, "@introduceDomain", "t");
    got_error("EACCES");
}

static void test_other_requests(void **state)
{
    REQUEST(GUEST, XS_GET_DOMAIN_PATH, "7");
    assert_string_equal(r.body, HOME);
    assert_int_equal(r.hdr.len, sizeof(HOME));
    REQUEST(GUEST, XS_GET_DOMAIN_PATH, "x");
    got_error("EINVAL");
    REQUEST(GUEST, XS_GET_DOMAIN_PATH, "65536");
    got_error("EINVAL");
    REQUEST(GUEST, XS_IS_DOMAIN_INTRODUCED, "7");
    assert_string_equal(r.body, "T");
    REQUEST(GUEST, XS_IS_DOMAIN_INTRODUCED, "0");
    assert_string_equal(r.body, "T");
    REQUEST(GUEST, XS_INTRODUCE, "1\0002\0003");
    got_error("EACCES");
    REQUEST(GUEST, XS_RELEASE, "7");
    got_error("EACCES");
    REQUEST(GUEST, XS_RESUME, "7");
    got_error("EACCES");
}

static void is_gone(const char *path)
{
    read_node(HOST, 0, path);
    got_error("ENOENT");
}

/* Everything of a domain goes with it, and nothing else does. */
static void check_release(void)
{
    is_gone(HOME);
    is_gone("/vm/1234");
    is_gone("/local/domain/0/backend/vbd/7");
    is_gone("/local/domain/8/data/from7");
    read_node(HOST, 0, "/local/domain/0/backend/vbd/8/51712/state");
    got_value("1");
    REQUEST(HOST, XS_GET_PERMS, "/local/domain/8/data/shared");
    assert_int_equal(r.hdr.len, 6);
    assert_memory_equal(r.body, "n8\0w9", 6);
    REQUEST(HOST, XS_CONTROL, "check");
    assert_string_equal(r.body, "the store is sound");
}

static void make_traces(void)
{
    write_node(HOST, 0, HOME "/vm", "/vm/1234");
    write_node(HOST, 0, "/vm/1234/name", "test");
    write_node(HOST, 0, "/local/domain/0/backend/vbd/7/51712/state", "1");
    write_node(HOST, 0, "/local/domain/0/backend/vbd/8/51712/state", "1");
    write_node(OTHER, 0, "data/shared", "");
    REQUEST(OTHER, XS_SET_PERMS, "data\0n8\0b7");
    write_node(GUEST, 0, "/local/domain/8/data/from7", "1");
    got_ok();
    REQUEST(OTHER, XS_SET_PERMS, "data/shared\0n8\0b7\0w9");
    watch(GUEST, "data", "t");
    (void)start(GUEST);
}

static void test_release(void **state)
{
    make_traces();
    REQUEST(HOST, XS_RELEASE, "7");
    got_ok();
    assert_true(conns[GUEST]->broken);
    check_release();
}

/* The domain's process died. */
static void test_last_connection(void **state)
{
    make_traces();
    watch(HOST, "@releaseDomain", "gone");
    drop_messages(HOST);
    conn_free(conns[GUEST]);
    conns[GUEST] = NULL;
    got_event(HOST, "@releaseDomain", "gone");
    check_release();
}

/* A new life under the same id, before the old connection is out of the way. */
static void test_next_life(void **state)
{
    struct conn *old = conns[GUEST];

    make_traces();
    REQUEST(HOST, XS_RELEASE, "7");
    conns[GUEST] = conn_new(&store);
    assert_int_equal(conn_bind(conns[GUEST], 7), 0);
    REQUEST(HOST, XS_INTRODUCE, "7\0001\0001");
    write_node(HOST, 0, HOME "/domid", "7");
    conn_free(old);
    read_node(HOST, 0, HOME "/domid");
    got_value("7");
    REQUEST(HOST, XS_IS_DOMAIN_INTRODUCED, "7");
    assert_string_equal(r.body, "T");
}

static void test_bind(void **state)
{
    struct conn *c = conn_new(&store);

    assert_int_equal(conn_bind(c, 0), EINVAL);
    conn_free(c);
    watch(HOST, "/", "t");
    REQUEST(HOST, XS_CONTROL, "xenolith-bind\00012");
    got_error("EBUSY");
    request(HOST, XS_RESET_WATCHES, 0, "", 1);
    REQUEST(HOST, XS_CONTROL, "xenolith-bind\000x");
    got_error("EINVAL");
    REQUEST(HOST, XS_CONTROL, "xenolith-bind\00012");
    assert_string_equal(r.body, "OK");
    read_node(HOST, 0, HOME "/domid"); /* not domain 0's any more */
    got_error("EACCES");
    REQUEST(HOST, XS_CONTROL, "xenolith-bind\0007");
    got_error("EACCES");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_watch),
        T(test_own_changes),
        T(test_merged),
        T(test_merged_not_when_begun),
        T(test_errors),
        T(test_depth),
        T(test_quota),
        T(test_hidden),
        T(test_introduce),
        T(test_introduce_events),
        T(test_special_is_privileged),
        T(test_other_requests),
        T(test_release),
        T(test_last_connection),
        T(test_next_life),
        T(test_bind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
