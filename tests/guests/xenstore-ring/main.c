/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore-ring - claim: xenstore answers requests on the ring (read, directory, write, rm,
 * permissions, watch, transaction) also when they arrive in single bytes; errors come as
 * words; and no value of the ring's indices, lengths or types makes the other side hang or
 * harm the guest.
 *
 * Blind spots: quotas, transactions that conflict, everything between two domains.
 */
#include "xenstore.h"

static void check_reading(void)
{
    CHECK_EQ(XS_ASK(XS_READ, "domid"), XS_READ, "read domid");
    CHECK(xs_reply[0] >= '1' && xs_reply[0] <= '9', "domid is %s", xs_reply);
    CHECK_EQ(XS_ASK(XS_DIRECTORY, "."), XS_ERROR, "a path with a dot");
    CHECK_EQ(XS_ASK(XS_READ, "nothing/here"), XS_ERROR, "read of nothing");
    CHECK(!memcmp(xs_reply, "ENOENT", 7), "its error is %s", xs_reply);
    CHECK_EQ(XS_ASK(XS_GET_DOMAIN_PATH, "7"), XS_GET_DOMAIN_PATH, "get_domain_path");
    CHECK(!memcmp(xs_reply, "/local/domain/7", 16), "it is %s", xs_reply);
    CHECK_EQ(XS_ASK(XS_READ, "name"), XS_READ, "read name");
    CHECK_EQ(XS_ASK(XS_READ, "a b"), XS_ERROR, "an illegal character");
    CHECK_EQ(XS_ASK(XS_WRITE, "domid\0009"), XS_ERROR, "writing a node that is not ours");
    CHECK(!memcmp(xs_reply, "EACCES", 7), "its error is %s", xs_reply);
}

static void check_writing(void)
{
    CHECK_EQ(xs_request(XS_WRITE, 0, "data/test\0hello", 15), XS_WRITE, "write");
    CHECK_EQ(XS_ASK(XS_READ, "data/test"), XS_READ, "read");
    CHECK(!memcmp(xs_reply, "hello", 6), "value is %s", xs_reply);
    CHECK_EQ(XS_ASK(XS_MKDIR, "data/dir"), XS_MKDIR, "mkdir");
    CHECK_EQ(XS_ASK(XS_DIRECTORY, "data"), XS_DIRECTORY, "directory");
    CHECK_EQ(xs_request(XS_WATCH, 0, "data\0token", 11), XS_WATCH, "watch");
    CHECK_EQ(xs_request(XS_WRITE, 0, "data/test\0again", 15), XS_WRITE, "write again");
    CHECK_EQ(XS_ASK(XS_RM, "data/test"), XS_RM, "rm");
    CHECK_EQ(XS_ASK(XS_READ, "data/test"), XS_ERROR, "read after rm");
    CHECK(xs_nr_events >= 2, "%u watch events", xs_nr_events);
    CHECK_EQ(xs_request(XS_UNWATCH, 0, "data\0token", 11), XS_UNWATCH, "unwatch");
}

static void check_transaction(void)
{
    uint32_t tx = 0;

    CHECK_EQ(xs_request(XS_TRANSACTION_START, 0, "", 1), XS_TRANSACTION_START, "start");
    for (const char *c = xs_reply; *c >= '0' && *c <= '9'; c++)
        tx = tx * 10 + (uint32_t)(*c - '0');
    CHECK(tx != 0, "transaction %s", xs_reply);
    CHECK_EQ(xs_request(XS_WRITE, tx, "data/tx\0001", 9), XS_WRITE, "write inside");
    CHECK_EQ(XS_ASK(XS_READ, "data/tx"), XS_ERROR, "visible outside before the end");
    CHECK_EQ(xs_request(XS_TRANSACTION_END, tx, "T", 2), XS_TRANSACTION_END, "end");
    CHECK_EQ(XS_ASK(XS_READ, "data/tx"), XS_READ, "visible after the end");
    CHECK_EQ(xs_request(XS_READ, 0x7fffffff, "data/tx", 8), XS_ERROR, "unknown transaction");
}

static void check_bytes(void)
{
    struct xsd_sockmsg head = {.type = XS_READ, .req_id = 4711, .len = 6};
    struct xsd_sockmsg answer;
    const char *path = "domid";

    for (unsigned int i = 0; i < sizeof(head); i++)
        xs_put((char *)&head + i, 1);
    for (unsigned int i = 0; i < 6; i++)
        xs_put(path + i, 1);
    CHECK(xs_get(&answer, sizeof(answer)) && answer.type == XS_READ && xs_get(xs_reply, answer.len),
          "a request in single bytes has no answer");
}

static void check_unknown(void)
{
    CHECK_EQ(xs_request(999, 0, "x", 2), XS_ERROR, "request 999");
    CHECK_EQ(xs_request(XS_INTRODUCE, 0, "1\0002\0003", 6), XS_ERROR, "introduce");
    CHECK_EQ(xs_request(XS_READ, 0, "no-end", 6), XS_ERROR, "read without a NUL");
    CHECK_EQ(xs_request(XS_WATCH, 0, "a", 2), XS_ERROR, "watch with no token");
}

static void check_abuse(void)
{
    static const uint32_t wild[] = {1025, 4096, 0x7fffffff, 0x80000000, 0xffffffff};
    struct xsd_sockmsg head = {.type = XS_WRITE, .len = 0xffffffff};
    struct xsd_sockmsg empty = {.type = XS_READ};
    struct xenstore_domain_interface *ring = xs_ring();

    xs_put(&empty, sizeof(empty)); /* no payload at all; an answer is not promised */
    spin_ns(1000000);
    xs_put(&head, sizeof(head));
    for (unsigned int i = 0; i < ARRAY_SIZE(wild); i++) {
        ring->req_prod = ring->req_cons + wild[i];
        xs_notify();
        ring->rsp_cons = ring->rsp_prod + wild[i];
        xs_notify();
        ring->req_cons = wild[i] * 7;
        xs_notify();
        ring->rsp_prod = wild[i] * 3;
        xs_notify();
        spin_ns(200000);
    }
    CHECK(xen_version(XENVER_version, NULL) > 0, "no answer");
}

void test_main(void)
{
    check_reading();
    check_writing();
    check_transaction();
    check_bytes();
    check_unknown();
    check_abuse(); /* last: the connection is gone for good after it */
}
