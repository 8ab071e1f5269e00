/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore-ring - claim: xenstore answers requests on the ring (read, directory, write, rm,
 * permissions, watch, transaction) also when they arrive in single bytes; errors come as
 * words; and no value of the ring's indices, lengths or types makes the other side hang or
 * harm the guest.
 *
 * Blind spots: quotas, transactions that conflict, everything between two domains.
 */
#include "guest.h"

#include <xen/io/xs_wire.h>

static struct xenstore_domain_interface *ring;
static uint32_t next_id = 1;

static void notify(void)
{
    event_send(start_info->store_evtchn);
}

static bool put(const void *data, uint32_t size)
{
    const uint8_t *bytes = data;
    uint64_t limit = now() + 2000000000;

    for (uint32_t i = 0; i < size; i++) {
        while (ring->req_prod - *(volatile uint32_t *)&ring->req_cons >= XENSTORE_RING_SIZE) {
            notify();
            sched_op(SCHEDOP_yield, NULL);
            if (now() > limit)
                return false;
        }
        ring->req[MASK_XENSTORE_IDX(ring->req_prod)] = (char)bytes[i];
        barrier();
        ring->req_prod++;
    }
    notify();
    return true;
}

static bool get(void *data, uint32_t size)
{
    uint8_t *bytes = data;
    uint64_t limit = now() + 2000000000;

    for (uint32_t i = 0; i < size; i++) {
        while (*(volatile uint32_t *)&ring->rsp_prod == ring->rsp_cons) {
            sched_op(SCHEDOP_yield, NULL);
            if (now() > limit)
                return false;
        }
        bytes[i] = (uint8_t)ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons)];
        barrier();
        ring->rsp_cons++;
    }
    notify();
    return true;
}

static char reply[4097];
static unsigned int watch_events;

/* Send a request with payload, wait for its answer. Returns the answer's type, -1 on none;
 * reply holds its payload, with a NUL behind. */
static long request(uint32_t type, uint32_t tx, const void *payload, uint32_t size)
{
    struct xsd_sockmsg head = {.type = type, .req_id = next_id++, .tx_id = tx, .len = size};
    struct xsd_sockmsg answer;

    if (!put(&head, sizeof(head)) || !put(payload, size))
        return -1;
    for (;;) {
        if (!get(&answer, sizeof(answer)) || answer.len > 4096 || !get(reply, answer.len))
            return -1;
        reply[answer.len] = '\0';
        if (answer.type == XS_WATCH_EVENT) {
            watch_events++;
            continue;
        }
        CHECK_EQ(answer.req_id, head.req_id, "req_id of an answer");
        return answer.type;
    }
}

#define ASK(type, text) request(type, 0, text, sizeof(text))

static void check_reading(void)
{
    CHECK_EQ(ASK(XS_READ, "domid"), XS_READ, "read domid");
    CHECK(reply[0] >= '1' && reply[0] <= '9', "domid is %s", reply);
    CHECK_EQ(ASK(XS_DIRECTORY, "."), XS_ERROR, "a path with a dot");
    CHECK_EQ(ASK(XS_READ, "nothing/here"), XS_ERROR, "read of nothing");
    CHECK(!memcmp(reply, "ENOENT", 7), "its error is %s", reply);
    CHECK_EQ(ASK(XS_GET_DOMAIN_PATH, "7"), XS_GET_DOMAIN_PATH, "get_domain_path");
    CHECK(!memcmp(reply, "/local/domain/7", 16), "it is %s", reply);
    CHECK_EQ(ASK(XS_READ, "name"), XS_READ, "read name");
    CHECK_EQ(ASK(XS_READ, "a b"), XS_ERROR, "an illegal character");
    CHECK_EQ(ASK(XS_WRITE, "domid\0009"), XS_ERROR, "writing a node that is not ours");
    CHECK(!memcmp(reply, "EACCES", 7), "its error is %s", reply);
}

static void check_writing(void)
{
    CHECK_EQ(request(XS_WRITE, 0, "data/test\0hello", 15), XS_WRITE, "write");
    CHECK_EQ(ASK(XS_READ, "data/test"), XS_READ, "read");
    CHECK(!memcmp(reply, "hello", 6), "value is %s", reply);
    CHECK_EQ(ASK(XS_MKDIR, "data/dir"), XS_MKDIR, "mkdir");
    CHECK_EQ(ASK(XS_DIRECTORY, "data"), XS_DIRECTORY, "directory");
    CHECK_EQ(request(XS_WATCH, 0, "data\0token", 11), XS_WATCH, "watch");
    CHECK_EQ(request(XS_WRITE, 0, "data/test\0again", 15), XS_WRITE, "write again");
    CHECK_EQ(ASK(XS_RM, "data/test"), XS_RM, "rm");
    CHECK_EQ(ASK(XS_READ, "data/test"), XS_ERROR, "read after rm");
    CHECK(watch_events >= 2, "%u watch events", watch_events);
    CHECK_EQ(request(XS_UNWATCH, 0, "data\0token", 11), XS_UNWATCH, "unwatch");
}

static void check_transaction(void)
{
    uint32_t tx = 0;

    CHECK_EQ(request(XS_TRANSACTION_START, 0, "", 1), XS_TRANSACTION_START, "start");
    for (const char *c = reply; *c >= '0' && *c <= '9'; c++)
        tx = tx * 10 + (uint32_t)(*c - '0');
    CHECK(tx != 0, "transaction %s", reply);
    CHECK_EQ(request(XS_WRITE, tx, "data/tx\0001", 9), XS_WRITE, "write inside");
    CHECK_EQ(ASK(XS_READ, "data/tx"), XS_ERROR, "visible outside before the end");
    CHECK_EQ(request(XS_TRANSACTION_END, tx, "T", 2), XS_TRANSACTION_END, "end");
    CHECK_EQ(ASK(XS_READ, "data/tx"), XS_READ, "visible after the end");
    CHECK_EQ(request(XS_READ, 0x7fffffff, "data/tx", 8), XS_ERROR, "unknown transaction");
}

static void check_bytes(void)
{
    struct xsd_sockmsg head = {.type = XS_READ, .req_id = next_id++, .len = 6};
    struct xsd_sockmsg answer;
    const char *path = "domid";

    for (unsigned int i = 0; i < sizeof(head); i++)
        put((char *)&head + i, 1);
    for (unsigned int i = 0; i < 6; i++)
        put(path + i, 1);
    CHECK(get(&answer, sizeof(answer)) && answer.type == XS_READ && get(reply, answer.len),
          "a request in single bytes has no answer");
}

static void check_unknown(void)
{
    CHECK_EQ(request(999, 0, "x", 2), XS_ERROR, "request 999");
    CHECK_EQ(request(XS_INTRODUCE, 0, "1\0002\0003", 6), XS_ERROR, "introduce");
    CHECK_EQ(request(XS_READ, 0, "no-end", 6), XS_ERROR, "read without a NUL");
    CHECK_EQ(request(XS_WATCH, 0, "a", 2), XS_ERROR, "watch with no token");
}

static void check_abuse(void)
{
    static const uint32_t wild[] = {1025, 4096, 0x7fffffff, 0x80000000, 0xffffffff};
    struct xsd_sockmsg head = {.type = XS_WRITE, .len = 0xffffffff};

    struct xsd_sockmsg empty = {.type = XS_READ};

    put(&empty, sizeof(empty)); /* no payload at all; an answer is not promised */
    spin_ns(1000000);
    put(&head, sizeof(head));
    for (unsigned int i = 0; i < ARRAY_SIZE(wild); i++) {
        ring->req_prod = ring->req_cons + wild[i];
        notify();
        ring->rsp_cons = ring->rsp_prod + wild[i];
        notify();
        ring->req_cons = wild[i] * 7;
        notify();
        ring->rsp_prod = wild[i] * 3;
        notify();
        spin_ns(200000);
    }
    CHECK(xen_version(XENVER_version, NULL) > 0, "no answer");
}

void test_main(void)
{
    ring = mfn_to_va(start_info->store_mfn);
    check_reading();
    check_writing();
    check_transaction();
    check_bytes();
    check_unknown();
    check_abuse(); /* last: the connection is gone for good after it */
}
