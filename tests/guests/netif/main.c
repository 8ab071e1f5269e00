/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * netif - claim: a network interface's backend waits in state 2 with its features, and moves
 * packets by the protocol: packets in several requests, one answer for each slot and NULL for
 * extra ones, what arrives in the slots of the buffers that it used; it keeps what arrives while
 * there are no buffers, refuses bad packets, and stops serving a guest that breaks the protocol
 * until it comes back.
 *
 * At the other end is passt, which answers ARP. Blind spots: segmentation, checksums, several
 * queues (tests/unit/net, tests/boot/test_network.py).
 */
#include "device.h"

#include <xen/io/netif.h>

#define SLOTS 256
#define ARP_SIZE 42

static struct device vif;
static netif_tx_sring_t *tx;
static netif_rx_sring_t *rx;
static uint8_t *out, *in[2];
static uint32_t tx_ref, rx_ref, out_ref, in_ref[2];
static uint32_t tx_prod, tx_cons, rx_prod, rx_cons;
static long port;
static bool dead; /* no answer came: none will */

/* --- rings ------------------------------------------------------------------------------ */

static void request(uint16_t id, uint32_t ref, unsigned int offset, unsigned int size,
                    uint16_t flags)
{
    tx->ring[tx_prod++ % SLOTS].req = (netif_tx_request_t){
        .gref = ref, .offset = (uint16_t)offset, .flags = flags, .id = id, .size = (uint16_t)size};
}

static void extra(uint8_t type)
{
    struct netif_extra_info e = {.type = type, .u.mcast.addr = {1, 0, 0x5e, 1, 2, 3}};

    memcpy((void *)&tx->ring[tx_prod++ % SLOTS], &e, sizeof(e));
}

static void send(void)
{
    barrier();
    tx->req_prod = tx_prod;
    event_send((uint32_t)port);
}

/* The next answer on the ring; id 0xffff: there is none. */
static netif_tx_response_t answer(void)
{
    uint64_t limit = now() + 2 * SECOND;

    while (*(volatile uint32_t *)&tx->rsp_prod == tx_cons) {
        dead = dead || now() > limit;
        if (dead)
            return (netif_tx_response_t){0xffff, 99};
        sched_op(SCHEDOP_yield, NULL);
    }
    barrier();
    return tx->ring[tx_cons++ % SLOTS].rsp;
}

static void post(uint16_t id)
{
    rx->ring[rx_prod++ % SLOTS].req = (netif_rx_request_t){.id = id, .gref = in_ref[id % 2]};
    barrier();
    rx->req_prod = rx_prod;
    event_send((uint32_t)port);
}

static bool receive(netif_rx_response_t *ret)
{
    uint64_t limit = now() + 2 * SECOND;

    while (*(volatile uint32_t *)&rx->rsp_prod == rx_cons) {
        if (now() > limit)
            return false;
        sched_op(SCHEDOP_yield, NULL);
    }
    barrier();
    *ret = rx->ring[rx_cons++ % SLOTS].rsp;
    return true;
}

/* --- connecting ------------------------------------------------------------------------- */

static void write_keys(bool split)
{
    memset(tx, 0, PAGE_SIZE);
    memset(rx, 0, PAGE_SIZE);
    tx->req_event = tx->rsp_event = rx->req_event = rx->rsp_event = 1;
    tx_prod = tx_cons = rx_prod = rx_cons = 0;
    port = alloc_port();
    xs_write_number(vif.front, "tx-ring-ref", tx_ref);
    xs_write_number(vif.front, "rx-ring-ref", rx_ref);
    if (split) {
        xs_write_number(vif.front, "event-channel-tx", (unsigned long)port);
        xs_write_number(vif.front, "event-channel-rx", (unsigned long)alloc_port());
    } else {
        xs_write_number(vif.front, "event-channel", (unsigned long)port);
    }
    xs_write_number(vif.front, "request-rx-copy", 1);
    xs_write_number(vif.front, "feature-rx-notify", 1);
    xs_write_number(vif.front, "feature-sg", 1);
}

static void disconnect(void)
{
    CHECK(device_state(&vif, 6, 6), "state 6: the backend has %s", xs_read(vif.back, "state"));
    XS_ASK(XS_RM, "device/vif/0/event-channel-tx");
    XS_ASK(XS_RM, "device/vif/0/event-channel-rx");
    CHECK(grant_is_idle(tx_ref) && grant_is_idle(rx_ref), "the rings are in use in state 6");
    CHECK(device_state(&vif, 1, 2), "state 1: the backend has %s", xs_read(vif.back, "state"));
}

static bool connect(bool split)
{
    write_keys(split);
    return device_state(&vif, 4, 4);
}

static void check_before(void)
{
    CHECK_EQ(xs_read_number(vif.back, "state"), 2, "the backend's first state");
    CHECK_EQ(xs_read_number(vif.back, "feature-rx-copy"), 1, "feature-rx-copy");
    CHECK(xs_read_number(vif.back, "feature-rx-flip") < 1, "feature-rx-flip");
    CHECK_EQ(xs_read_number(vif.back, "feature-sg"), 1, "feature-sg");
    CHECK_EQ(xs_read_number(vif.back, "feature-gso-tcpv4"), 1, "feature-gso-tcpv4");
    CHECK_EQ(xs_read_number(vif.back, "feature-split-event-channels"), 1, "split event channels");
    CHECK(xs_read_number(vif.back, "multi-queue-max-queues") >= 1, "queues");
    CHECK(xs_read(vif.front, "mac") && xs_reply_size == 17, "our mac is %s", xs_reply);
    CHECK(xs_read(vif.back, "mac") && xs_reply_size == 17, "its mac is %s", xs_reply);
    CHECK_EQ(xs_read_number(vif.front, "handle"), 0, "handle");
}

/* --- packets ---------------------------------------------------------------------------- */

/* A question for anybody's address; the answer is for us. */
static void make_arp(uint8_t *to)
{
    static const uint8_t head[ARP_SIZE] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,  0, 0, 0, 0, 7, 8, 6, /* Ethernet */
        0,    1,    8,    0,    6,    4,    0,  1, 2, 0, 0, 0, 0, 7,
        10,   9,    8,    7,                             /* who is asking */
        0,    0,    0,    0,    0,    0,    10, 9, 8, 1, /* for whom */
    };

    memcpy(to, head, ARP_SIZE);
}

/* Other packets may come from there, too. */
static bool wait_arp(uint16_t first_id)
{
    netif_rx_response_t rsp;

    for (uint16_t id = first_id; receive(&rsp); id++) {
        const uint8_t *data = in[id % 2] + rsp.offset;

        CHECK_EQ(rsp.id, id, "id of what was received");
        CHECK(rsp.status >= 14 && rsp.offset + rsp.status <= 4096, "%d bytes at %u", rsp.status,
              rsp.offset);
        CHECK_EQ(rsp.flags & (NETRXF_more_data | NETRXF_extra_info), 0, "flags");
        CHECK(grant_is_idle(in_ref[id % 2]), "its buffer is in use");
        if (data[12] == 8 && data[13] == 6 && data[21] == 2 && rsp.status >= ARP_SIZE)
            return !memcmp(data + 28, "\12\11\10\1", 4);
        post((uint16_t)(id + 2));
    }
    return false;
}

static void check_packets(void)
{
    netif_tx_response_t rsp;

    post(100);
    post(101);
    make_arp(out + 50);
    request(7, out_ref, 50, ARP_SIZE, 0);
    send();
    rsp = answer();
    CHECK(rsp.id == 7 && rsp.status == 0, "a packet: id %u, status %d", rsp.id, rsp.status);
    CHECK(grant_is_idle(out_ref), "its page is in use");
    CHECK(wait_arp(100), "no answer from the network");
}

/* In three requests, the first of which says how long all is; with an event channel for each way.
 */
static void check_fragments(void)
{
    netif_tx_response_t rsp;

    disconnect();
    CHECK(connect(true), "the backend has %s", xs_read(vif.back, "state"));
    post(0);
    post(1);
    make_arp(out);
    request(1, out_ref, 0, ARP_SIZE, NETTXF_more_data);
    request(2, out_ref, 20, 10, NETTXF_more_data);
    request(3, out_ref, 30, ARP_SIZE - 30, 0);
    send();
    for (uint16_t id = 1; id <= 3; id++) {
        rsp = answer();
        CHECK(rsp.id == id && rsp.status == 0, "request %u of 3: id %u, status %d", id, rsp.id,
              rsp.status);
    }
    CHECK(wait_arp(0), "no answer to a packet in pieces");
}

/* What arrives while no buffer is there is not lost. */
static void check_backlog(void)
{
    disconnect();
    CHECK(connect(false), "the backend has %s", xs_read(vif.back, "state"));
    make_arp(out);
    request(1, out_ref, 0, ARP_SIZE, 0);
    send();
    CHECK_EQ(answer().status, 0, "sending without buffers");
    spin_ns(20000000);
    CHECK_EQ(*(volatile uint32_t *)&rx->rsp_prod, 0, "answers without buffers");
    post(40);
    post(41);
    CHECK(wait_arp(40), "what came before there were buffers");
}

static void check_extra(void)
{
    netif_tx_response_t rsp;

    request(5, out_ref, 0, 0, NETTXF_extra_info);
    extra(XEN_NETIF_EXTRA_TYPE_MCAST_ADD);
    send();
    rsp = answer();
    CHECK(rsp.id == 5 && rsp.status == 0, "joining a group: id %u, status %d", rsp.id, rsp.status);
    CHECK_EQ(answer().status, NETIF_RSP_NULL, "status of the extra slot");
}

static void check_refused(void)
{
    netif_tx_response_t rsp;

    request(9, 400, 0, 60, 0);
    send();
    rsp = answer();
    CHECK(rsp.id == 9 && rsp.status == -1, "what is not granted: id %u, status %d", rsp.id,
          rsp.status);
    for (uint16_t i = 0; i < 40; i++)
        request(i, out_ref, 0, i ? 1 : 100, i < 39 ? NETTXF_more_data : 0);
    send();
    for (uint16_t i = 0; i < 40; i++) {
        rsp = answer();
        CHECK(rsp.id == i && rsp.status == -1, "request %u of 40: id %u, status %d", i, rsp.id,
              rsp.status);
    }
    make_arp(out);
    request(11, out_ref, 0, ARP_SIZE, 0);
    send();
    CHECK_EQ(answer().status, 0, "a good packet after these");
}

static void expect_stop(const char *what)
{
    send();
    CHECK(xs_wait_number(vif.back, "state", 5), "%s: the backend has %s", what,
          xs_read(vif.back, "state"));
    disconnect();
    CHECK(connect(false), "after %s the backend has %s", what, xs_read(vif.back, "state"));
}

static void check_broken(void)
{
    request(1, out_ref, 4090, 60, 0);
    expect_stop("a request over the end of its page");
    request(1, out_ref, 0, 13, 0);
    expect_stop("a packet shorter than its header");
    tx_prod += SLOTS + 1;
    expect_stop("a ring that runs away");
    make_arp(out);
    request(3, out_ref, 0, ARP_SIZE, 0);
    send();
    CHECK_EQ(answer().status, 0, "a good packet after these");
    disconnect();
    write_keys(false);
    xs_write_number(vif.front, "request-rx-copy", 0);
    CHECK(device_state(&vif, 4, 5), "without request-rx-copy the backend has %s",
          xs_read(vif.back, "state"));
    disconnect();
}

void test_main(void)
{
    if (!device_find(&vif, "vif", 0)) {
        error("no network interface");
        return;
    }
    tx = page_alloc();
    rx = page_alloc();
    tx_ref = grant_page(tx, false);
    rx_ref = grant_page(rx, false);
    out = page_alloc();
    out_ref = grant_page(out, true);
    for (unsigned int i = 0; i < 2; i++) {
        in[i] = page_alloc();
        in_ref[i] = grant_page(in[i], false);
    }
    check_before();
    CHECK(connect(false), "the backend has %s", xs_read(vif.back, "state"));
    check_packets();
    check_fragments();
    check_backlog();
    check_extra();
    check_refused();
    check_broken();
}
