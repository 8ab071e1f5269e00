/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-transaction.c - transactions: all or nothing, unseen before, conflicts and only real
 * ones, limits; and a random history compared with one that ran one after the other.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

static void test_commit(void **state)
{
    uint32_t tx;

    watch(GUEST, "data", "t");
    drop_messages(GUEST);
    tx = start(GUEST);
    assert_int_not_equal(tx, 0);
    write_node(GUEST, tx, "data/a", "1");
    write_node(GUEST, tx, "data/a", "2");
    write_node(GUEST, tx, "data/b/c", "3");
    read_node(GUEST, tx, "data/a");
    got_value("2");
    read_node(GUEST, 0, "data/a");
    got_error("ENOENT");
    read_node(HOST, 0, HOME "/data/b/c");
    got_error("ENOENT");
    got_nothing(GUEST);
    write_node(HOST, 0, "/elsewhere", "1"); /* so that there is something to merge with */
    end(GUEST, tx, "T");                    /* drops the events */
    got_ok();
    read_node(HOST, 0, HOME "/data/a");
    got_value("2");
    REQUEST(HOST, XS_GET_PERMS, HOME "/data/b");
    assert_memory_equal(r.body, "n7", 3);
    read_node(GUEST, tx, "data/a");
    got_error("ENOENT"); /* the transaction */
    read_node(HOST, 0, "/elsewhere");
    got_value("1");
}

static void test_events(void **state)
{
    uint32_t tx;

    write_node(GUEST, 0, "data/old/key", "1");
    watch(GUEST, "data", "t");
    watch(GUEST, "data/old/key", "k");
    drop_messages(GUEST);
    tx = start(HOST);
    write_node(HOST, tx, HOME "/data/a", "1");
    write_node(HOST, tx, HOME "/data/b/c", "1");
    write_node(HOST, tx, HOME "/data/a", "2");
    REQUEST_TX(HOST, XS_RM, tx, HOME "/data/old");
    got_nothing(GUEST);
    end(HOST, tx, "T");
    got_ok();
    got_event(GUEST, "data/old", "t");
    got_event(GUEST, "data/old/key", "k");
    got_event(GUEST, "data/a", "t");
    got_event(GUEST, "data/b/c", "t");
    got_nothing(GUEST);
}

static void test_abort(void **state)
{
    uint32_t tx = start(GUEST);

    watch(GUEST, "data", "t");
    drop_messages(GUEST);
    write_node(GUEST, tx, "data/a", "1");
    REQUEST_TX(GUEST, XS_SET_PERMS, tx, "data\0b7");
    REQUEST_TX(GUEST, XS_RM, tx, "data");
    got_ok();
    end(GUEST, tx, "F");
    got_ok();
    got_nothing(GUEST);
    read_node(GUEST, 0, "data");
    got_value("");
    REQUEST(GUEST, XS_GET_PERMS, "data");
    assert_memory_equal(r.body, "n7", 3);
}

static void test_conflict(void **state)
{
    uint32_t a = start(GUEST), b = start(GUEST), c = start(GUEST);

    write_node(GUEST, a, "data/a", "a");
    write_node(GUEST, b, "data/a", "b");
    read_node(GUEST, c, "data");
    end(GUEST, a, "T");
    got_ok();
    end(GUEST, b, "T");
    got_error("EAGAIN");
    read_node(GUEST, 0, "data/a");
    got_value("a");
    end(GUEST, c, "T"); /* only read: it saw what was */
    got_ok();
    b = start(GUEST); /* once more from the start works */
    write_node(GUEST, b, "data/a", "b");
    end(GUEST, b, "T");
    got_ok();
}

/* What conflicts with a transaction that reads data/r and writes data/w. */
static void test_what_conflicts(void **state)
{
    static const struct {
        uint32_t type;
        const char *body;
        size_t len;
        bool conflicts;
    } others[] = {
        {XS_WRITE, HOME "/data/r\0002", sizeof(HOME "/data/r2"), true},
        {XS_WRITE, HOME "/data/w\0002", sizeof(HOME "/data/w2"), true},
        {XS_SET_PERMS, HOME "/data/r\0n7\0r8", sizeof(HOME "/data/r n7 r8"), true},
        {XS_RM, HOME "/data/r", sizeof(HOME "/data/r"), true},
        {XS_RM, HOME "/data/w", sizeof(HOME "/data/w"), true},
        {XS_RM, HOME "/data", sizeof(HOME "/data"), true},
        {XS_MKDIR, HOME "/data/r/new", sizeof(HOME "/data/r/new"), true},
        {XS_MKDIR, HOME "/data/other", sizeof(HOME "/data/other"), false},
        {XS_WRITE, HOME "/domid\0001", sizeof(HOME "/domid1"), false},
        {XS_WRITE, "/local/domain/8/data/x\0001", sizeof("/local/domain/8/data/x1"), false},
        {XS_WRITE, HOME "/data/missing\0001", sizeof(HOME "/data/missing1"), true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        uint32_t tx;

        REQUEST(HOST, XS_RM, HOME "/data");
        write_node(HOST, 0, HOME "/data/r", "1");
        write_node(HOST, 0, HOME "/data/w", "1");
        tx = start(HOST);
        read_node(HOST, tx, HOME "/data/r");
        read_node(HOST, tx, HOME "/data/missing");
        got_error("ENOENT");
        write_node(HOST, tx, HOME "/data/w", "mine");
        request(HOST, others[i].type, 0, others[i].body, others[i].len);
        end(HOST, tx, "T");
        if (others[i].conflicts)
            got_error("EAGAIN");
        else
            got_ok();
    }
}

/* That a directory was there already is something that a transaction relies on. */
static void test_mkdir_of_what_is_there(void **state)
{
    uint32_t tx = start(HOST);

    REQUEST_TX(HOST, XS_MKDIR, tx, HOME "/data");
    got_ok();
    write_node(HOST, tx, "/made", "1");
    REQUEST(HOST, XS_RM, HOME "/data");
    end(HOST, tx, "T");
    got_error("EAGAIN");
}

/* A removal conflicts with a change anywhere below. */
static void test_remove_conflicts(void **state)
{
    uint32_t tx;

    write_node(GUEST, 0, "data/t/a/b", "1");
    tx = start(GUEST);
    REQUEST_TX(GUEST, XS_RM, tx, "data/t");
    write_node(GUEST, 0, "data/t/a/b", "2");
    end(GUEST, tx, "T");
    got_error("EAGAIN");
    read_node(GUEST, 0, "data/t/a/b");
    got_value("2");
    tx = start(GUEST);
    REQUEST_TX(GUEST, XS_RM, tx, "data/t");
    write_node(GUEST, 0, "data/u", "2"); /* its parent's children */
    end(GUEST, tx, "T");
    got_error("EAGAIN");
    tx = start(GUEST);
    REQUEST_TX(GUEST, XS_RM, tx, "data/t");
    write_node(HOST, 0, HOME "/elsewhere", "1");
    end(GUEST, tx, "T");
    got_ok();
    read_node(GUEST, 0, "data/t");
    got_error("ENOENT");
}

/* Removed and made again in one transaction, merged with somebody else's changes. */
static void test_remove_and_create(void **state)
{
    uint32_t tx;

    write_node(GUEST, 0, "data/t/old", "1");
    tx = start(GUEST);
    read_node(GUEST, tx, "data/t/new"); /* noted before its parent is made */
    got_error("ENOENT");
    write_node(GUEST, tx, "data/t/new", "x");
    REQUEST_TX(GUEST, XS_RM, tx, "data/t");
    write_node(GUEST, tx, "data/t/new", "2");
    REQUEST_TX(GUEST, XS_SET_PERMS, tx, "data/t\0r7");
    write_node(HOST, 0, "/elsewhere", "1");
    end(GUEST, tx, "T");
    got_ok();
    read_node(GUEST, 0, "data/t/new");
    got_value("2");
    read_node(GUEST, 0, "data/t/old");
    got_error("ENOENT");
    REQUEST(GUEST, XS_GET_PERMS, "data/t");
    assert_memory_equal(r.body, "r7", 3);
    REQUEST(HOST, XS_CONTROL, "check");
    assert_string_equal(r.body, "the store is sound");
}

static void test_errors(void **state)
{
    uint32_t tx[10];

    REQUEST_TX(GUEST, XS_READ, 99, "domid");
    got_error("ENOENT");
    REQUEST(GUEST, XS_TRANSACTION_END, "T");
    got_error("ENOENT");
    for (unsigned int i = 0; i < 10; i++)
        tx[i] = start(GUEST);
    request(GUEST, XS_TRANSACTION_START, 0, "", 1);
    got_error("ENOSPC");
    request(GUEST, XS_TRANSACTION_START, tx[0], "", 1);
    got_error("EBUSY");
    end(GUEST, tx[0], "X");
    got_error("EINVAL");
    read_node(OTHER, tx[0], "domid"); /* not its transaction */
    got_error("ENOENT");
    for (unsigned int i = 0; i < 10; i++) {
        end(GUEST, tx[i], "T");
        got_ok();
    }
    (void)start(GUEST);
    request(GUEST, XS_RESET_WATCHES, 0, "", 1); /* a kernel that starts anew */
    assert_int_equal(conns[GUEST]->domain->transactions, 0);
}

/* Rights count inside as they do outside, and for what is made there, too. */
static void test_rights(void **state)
{
    uint32_t tx = start(GUEST);

    write_node(GUEST, tx, "domid", "9");
    got_error("EACCES");
    write_node(GUEST, tx, "/local/domain/8/data/x", "1");
    got_error("EACCES");
    REQUEST_TX(GUEST, XS_RM, tx, "/local/domain/8");
    got_error("EACCES");
    REQUEST_TX(GUEST, XS_SET_PERMS, tx, "data\0n8");
    got_error("EPERM");
    end(GUEST, tx, "T");
    got_ok();
}

static void test_quota(void **state)
{
    uint32_t a, b;
    char path[64];

    REQUEST(GUEST, XS_MKDIR, "data/a");
    REQUEST(GUEST, XS_MKDIR, "data/b");
    a = start(GUEST);
    b = start(GUEST);
    for (unsigned int i = 0; i < 600; i++) {
        snprintf(path, sizeof(path), "data/a/%u", i);
        write_node(GUEST, a, path, "");
        got_ok();
        snprintf(path, sizeof(path), "data/b/%u", i);
        write_node(GUEST, b, path, "");
        got_ok();
    }
    for (unsigned int i = 600; i < 1100 && r.hdr.type != XS_ERROR; i++) {
        snprintf(path, sizeof(path), "data/a/%u", i);
        write_node(GUEST, a, path, "");
    }
    got_error("ENOSPC"); /* nodes */
    end(GUEST, a, "T");
    got_ok();
    end(GUEST, b, "T"); /* each alone had room */
    got_error("ENOSPC");
    /* As many nodes again in a transaction, made and removed: too many to remember. */
    REQUEST(GUEST, XS_RM, "data/a");
    a = start(GUEST);
    for (unsigned int i = 0; i < 3000 && r.hdr.type != XS_ERROR; i++) {
        snprintf(path, sizeof(path), "data/a/%u", i);
        write_node(GUEST, a, path, "");
        if (r.hdr.type != XS_ERROR)
            request(GUEST, XS_RM, a, path, strlen(path) + 1);
    }
    got_error("ENOSPC");
    end(GUEST, a, "F");
    got_ok();
    assert_int_equal(conns[GUEST]->domain->transaction_bytes, 0);
}

/* What all transactions of a domain hold is limited, and what could not be remembered was not
 * done. */
static void test_bytes(void **state)
{
    unsigned int made = 0;
    char path[64];
    uint32_t tx = 0;

    for (unsigned int k = 0; k < 3; k++) {
        tx = start(GUEST);
        for (unsigned int i = 0; i < 1000 && r.hdr.type != XS_ERROR; i++) {
            snprintf(path, sizeof(path), "data/%u", i);
            write_node(GUEST, tx, path, "x");
            if (r.hdr.type != XS_ERROR)
                request(GUEST, XS_RM, tx, path, strlen(path) + 1);
            made++;
        }
    }
    got_error("ENOSPC");
    assert_in_range(made, 2001, 2500);
    read_node(GUEST, tx, path);
    got_error("ENOENT");
    request(GUEST, XS_RESET_WATCHES, 0, "", 1);
    assert_int_equal(conns[GUEST]->domain->transaction_bytes, 0);
}

/* --- a random history ------------------------------------------------------------------- */

#define NR_KEYS 6
#define NR_OPEN 4

static int read_number(uint32_t tx, unsigned int key)
{
    char path[32];

    snprintf(path, sizeof(path), "data/k%u", key);
    read_node(GUEST, tx, path);
    return r.hdr.type == XS_ERROR ? 0 : atoi(r.body);
}

static void write_number(uint32_t tx, unsigned int key, int value)
{
    char path[32], text[16];

    snprintf(path, sizeof(path), "data/k%u", key);
    snprintf(text, sizeof(text), "%d", value);
    if (value) {
        write_node(GUEST, tx, path, text);
        got_ok();
    } else { /* "not there" is a value as well */
        request(GUEST, XS_RM, tx, path, strlen(path) + 1);
        got_ok();
    }
}

/* Transactions that move one from a key to another: none may get lost or be made. */
static void test_serialised(void **state)
{
    uint32_t open[NR_OPEN] = {0};
    unsigned int commits = 0, conflicts = 0;

    srand(3);
    for (unsigned int k = 0; k < NR_KEYS; k++)
        write_number(0, k, 10);
    for (unsigned int i = 0; i < 20000; i++) {
        uint32_t *tx = &open[(size_t)rand() % NR_OPEN];
        unsigned int from = (unsigned int)rand() % NR_KEYS, to = (unsigned int)rand() % NR_KEYS;
        int total = 0;

        if (!*tx)
            *tx = start(GUEST);
        if (from != to && read_number(*tx, from) > 0) {
            write_number(*tx, from, read_number(*tx, from) - 1);
            write_number(*tx, to, read_number(*tx, to) + 1);
        }
        if (rand() % 3)
            continue;
        end(GUEST, *tx, rand() % 4 ? "T" : "F");
        *tx = 0;
        commits += r.hdr.type != XS_ERROR;
        conflicts += r.hdr.type == XS_ERROR;
        for (unsigned int k = 0; k < NR_KEYS; k++)
            total += read_number(0, k);
        assert_int_equal(total, 10 * NR_KEYS);
    }
    assert_true(commits > 1000 && conflicts > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_commit),
        T(test_events),
        T(test_abort),
        T(test_conflict),
        T(test_what_conflicts),
        T(test_mkdir_of_what_is_there),
        T(test_remove_conflicts),
        T(test_remove_and_create),
        T(test_errors),
        T(test_rights),
        T(test_quota),
        T(test_bytes),
        T(test_serialised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
