/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-netif.c - the rings of an interface as a frontend uses and abuses them: every slot has
 * one response, grants are given back, and what breaks the protocol stops the interface with
 * a reason instead of doing harm.
 */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/net/netif_priv.h"

#include <xen/event_channel.h>
#include <xen/grant_table.h>

#define OK NETIF_RSP_OKAY

static uint8_t big[NET_FRAME_MAX];

static const struct net_frame *sent(unsigned int i)
{
    assert_true(i < guest->link.nr_sent);
    return &guest->link.sent[i];
}

static void work(void)
{
    guest_publish();
    (void)netif_work(guest->n);
}

static void expect_tx(int16_t status)
{
    struct netif_tx_response rsp = guest_tx_response();

    assert_int_equal(rsp.status, status);
    if (status != NETIF_RSP_NULL)
        assert_int_equal(rsp.id, guest->tx_cons[0] - 1);
}

/* Spread a frame over pages from DATA_FIRST on and request its sending. `sizes` end with 0;
 * `extra` may be NULL. */
static void tx_frame(const uint8_t *frame_data, const unsigned int *sizes, unsigned int flags,
                     const struct netif_extra_info *extra)
{
    unsigned int total = 0;
    uint32_t ref = DATA_FIRST;

    for (unsigned int i = 0; sizes[i]; i++)
        total += sizes[i];
    for (unsigned int i = 0; sizes[i]; i++, ref++) {
        unsigned int offset = i == 0 && sizes[i] < 4000 ? 64 : 0;

        memcpy(guest_page(ref) + offset, frame_data, sizes[i]);
        frame_data += sizes[i];
        guest_tx(ref, offset, i == 0 ? total : sizes[i],
                 (i == 0 ? flags : 0) | (sizes[i + 1] ? NETTXF_more_data : 0) |
                     (i == 0 && extra ? NETTXF_extra_info : 0));
        if (i == 0 && extra)
            guest_tx_extra(*extra);
    }
}

static struct netif_extra_info gso_extra(unsigned int size, uint8_t type)
{
    struct netif_extra_info extra = {.type = XEN_NETIF_EXTRA_TYPE_GSO};

    extra.u.gso.size = (uint16_t)size;
    extra.u.gso.type = type;
    return extra;
}

static struct netif_extra_info group_extra(uint8_t type, const uint8_t address[6])
{
    struct netif_extra_info extra = {.type = type};

    memcpy(extra.u.mcast.addr, address, 6);
    return extra;
}

/* --- sending ---------------------------------------------------------------------------- */

static void test_tx(void **state)
{
    size_t len = make_udp4(big, 100);

    tx_frame(big, (unsigned int[]){(unsigned int)len, 0}, NETTXF_data_validated, NULL);
    work();
    assert_int_equal(guest->link.nr_sent, 1);
    assert_int_equal(sent(0)->len, len);
    assert_memory_equal(sent(0)->data, big, len);
    assert_true(sent(0)->validated);
    assert_false(sent(0)->partial);
    expect_tx(OK);
    assert_false(guest_has_tx_response());
    assert_true(guest_event(guest->config.queue[0].tx_port));
    assert_false(guest_event(guest->config.queue[0].rx_port));
    assert_false(guest_grant_in_use(DATA_FIRST));
    assert_int_equal(guest->tx[0]->req_event, 2);
}

/* Nobody is told who did not ask. */
static void test_tx_event_suppressed(void **state)
{
    size_t len = make_udp4(big, 100);

    guest->tx[0]->rsp_event = 100;
    tx_frame(big, (unsigned int[]){(unsigned int)len, 0}, 0, NULL);
    work();
    assert_true(guest_has_tx_response());
    assert_false(guest_event(guest->config.queue[0].tx_port));
}

static void test_tx_fragments(void **state)
{
    size_t len = make_tcp4(big, 10000);

    tx_frame(big, (unsigned int[]){100, 4096, 1, 4096, (unsigned int)len - 8293, 0},
             NETTXF_csum_blank | NETTXF_data_validated, NULL);
    work();
    assert_int_equal(guest->link.nr_sent, 1);
    assert_int_equal(sent(0)->len, len);
    assert_true(sent(0)->partial);
    assert_memory_equal(sent(0)->data + 54, big + 54, len - 54);
    for (int i = 0; i < 5; i++)
        expect_tx(OK);
    assert_false(guest_has_tx_response());
}

static void test_tx_gso(void **state)
{
    struct netif_extra_info extra = gso_extra(1448, XEN_NETIF_GSO_TYPE_TCPV4);
    size_t len = make_tcp4(big, 8000);

    tx_frame(big, (unsigned int[]){4000, 4000, (unsigned int)len - 8000, 0}, NETTXF_csum_blank,
             &extra);
    work();
    assert_int_equal(sent(0)->gso, NET_GSO_TCPV4);
    assert_int_equal(sent(0)->gso_size, 1448);
    assert_int_equal(sent(0)->header_len, 54);
    assert_true(sent(0)->partial);
    expect_tx(OK);
    expect_tx(NETIF_RSP_NULL);
    expect_tx(OK);
    expect_tx(OK);
    assert_false(guest_has_tx_response());
}

/* A link that only takes finished frames gets them finished. */
static void test_tx_completes(void **state)
{
    struct netif_extra_info extra = gso_extra(1428, XEN_NETIF_GSO_TYPE_TCPV6);
    size_t len = make_tcp6(big, 7000);

    guest->link.link.finishes = false;
    tx_frame(big, (unsigned int[]){4000, (unsigned int)len - 4000, 0}, NETTXF_csum_blank, &extra);
    work();
    assert_false(sent(0)->partial);
    assert_true(checksum_is_right(sent(0)->data, sent(0)->len));
}

/* csum_blank on what has no such checksum. */
static void test_tx_blank_but_not_ip(void **state)
{
    size_t len = make_udp4(big, 100);

    big[12] = 0x12;
    tx_frame(big, (unsigned int[]){(unsigned int)len, 0}, NETTXF_csum_blank, NULL);
    work();
    assert_int_equal(guest->link.nr_sent, 0);
    expect_tx(NETIF_RSP_ERROR);
    assert_string_equal(guest->failed, "");
}

static void test_tx_groups(void **state)
{
    static const uint8_t group[6] = {1, 0, 0x5e, 1, 2, 3}, unicast[6] = {2};
    struct netif_extra_info add = group_extra(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, group);
    struct netif_extra_info del = group_extra(XEN_NETIF_EXTRA_TYPE_MCAST_DEL, group);
    struct netif_extra_info bad = group_extra(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, unicast);
    const struct netif_extra_info *extras[] = {&add, &bad, &del};
    const int16_t status[] = {OK, NETIF_RSP_ERROR, OK};
    const unsigned int arrives[] = {1, 1, 0};
    size_t len = make_udp4(big, 100);

    guest->config.multicast_control = true;
    guest_reconnect();
    memcpy(big, group, 6);
    for (int i = 0; i < 3; i++) {
        tx_frame(big, (unsigned int[]){60, 0}, 0, extras[i]);
        work();
        assert_int_equal(guest->link.nr_sent, 0);
        expect_tx(status[i]);
        expect_tx(NETIF_RSP_NULL);
        guest_link_put((struct net_frame){.data = big, .len = len});
        guest_rx(0, DATA_FIRST + 10 + (uint32_t)i);
        work();
        assert_int_equal(guest_has_rx_response(0), arrives[i]);
        if (arrives[i])
            (void)guest_rx_response(0);
    }
}

static void test_tx_many_extras(void **state)
{
    struct netif_extra_info hash = {.type = XEN_NETIF_EXTRA_TYPE_HASH,
                                    .flags = XEN_NETIF_EXTRA_FLAG_MORE};
    size_t len = make_udp4(big, 40);

    memcpy(guest_page(DATA_FIRST), big, len);
    guest_tx(DATA_FIRST, 0, (unsigned int)len, NETTXF_extra_info);
    for (int i = 0; i < 100; i++)
        guest_tx_extra(hash);
    hash.flags = 0;
    guest_tx_extra(hash);
    work();
    assert_int_equal(guest->link.nr_sent, 1);
    expect_tx(OK);
    for (int i = 0; i < 101; i++)
        expect_tx(NETIF_RSP_NULL);
    assert_false(guest_has_tx_response());
}

/* More slots than a packet may have: all are answered, in error, and life goes on. */
static void test_tx_too_many_slots(void **state)
{
    size_t len = make_udp4(big, 60);

    guest_tx(DATA_FIRST, 0, 100, NETTXF_more_data);
    for (uint32_t i = 1; i < 19; i++)
        guest_tx(DATA_FIRST + i, 0, 1, i < 18 ? NETTXF_more_data : 0);
    tx_frame(big, (unsigned int[]){(unsigned int)len, 0}, 0, NULL);
    work();
    for (int i = 0; i < 19; i++)
        expect_tx(NETIF_RSP_ERROR);
    expect_tx(OK);
    assert_int_equal(guest->link.nr_sent, 1);
}

static void test_tx_most_slots(void **state)
{
    unsigned int sizes[19];
    size_t len = make_tcp4(big, 65000);

    for (int i = 0; i < 18; i++)
        sizes[i] = i < 17 ? 3600 : (unsigned int)len - 17 * 3600;
    sizes[18] = 0;
    tx_frame(big, sizes, NETTXF_csum_blank, NULL);
    work();
    assert_int_equal(sent(0)->len, len);
    for (int i = 0; i < 18; i++)
        expect_tx(OK);
}

/* Sizes that do not fit together. */
static void test_tx_sizes(void **state)
{
    guest_tx(DATA_FIRST, 0, 100, NETTXF_more_data);
    guest_tx(DATA_FIRST + 1, 0, 101, 0);
    work();
    for (int i = 0; i < 2; i++)
        expect_tx(NETIF_RSP_ERROR);
    assert_int_equal(guest->link.nr_sent, 0);
    assert_string_equal(guest->failed, "");
}

static void test_tx_bad_grants(void **state)
{
    const uint32_t refs[] = {DATA_FIRST + DATA_COUNT, 511, 512, 100000, 0xffffffff};

    for (size_t i = 0; i < ARRAY_SIZE(refs); i++) {
        guest_tx(DATA_FIRST, 0, 200, NETTXF_more_data);
        guest_tx(refs[i], 0, 100, 0);
    }
    *(grant_entry_v1_t *)((uint8_t *)frame(fix->d.ram.grant_first) + 8 * DATA_FIRST + 8) =
        (grant_entry_v1_t){.flags = GTF_permit_access, .frame = 0xfffffff};
    guest_tx(DATA_FIRST + 1, 0, 60, 0);
    work();
    for (size_t i = 0; i < 2 * ARRAY_SIZE(refs) + 1; i++)
        expect_tx(NETIF_RSP_ERROR);
    assert_int_equal(guest->link.nr_sent, 0);
}

/* Reading needs no right to write. */
static void test_tx_readonly_grant(void **state)
{
    size_t len = make_udp4(big, 60);

    guest_grant(DATA_FIRST, GTF_permit_access | GTF_readonly);
    tx_frame(big, (unsigned int[]){(unsigned int)len, 0}, 0, NULL);
    work();
    expect_tx(OK);
}

static void fails_with(const char *why)
{
    work();
    if (!strstr(guest->failed, why))
        fail_msg("'%s' instead of '%s'", guest->failed, why);
    assert_int_equal(netif_work(guest->n), -1);
    assert_int_equal(guest->link.nr_sent, 0);
}

static void test_tx_cross_page(void **state)
{
    guest_tx(DATA_FIRST, 4000, 97, 0);
    fails_with("over the end");
}

static void test_tx_cross_page_fragment(void **state)
{
    guest_tx(DATA_FIRST, 0, 2000, NETTXF_more_data);
    guest_tx(DATA_FIRST + 1, 0xffff, 0xffff, 0);
    fails_with("over the end");
}

static void test_tx_short(void **state)
{
    guest_tx(DATA_FIRST, 0, 13, 0);
    fails_with("shorter than its header");
}

static void test_tx_missing_fragment(void **state)
{
    guest_tx(DATA_FIRST, 0, 2000, NETTXF_more_data);
    fails_with("does not follow");
}

static void test_tx_missing_extra(void **state)
{
    guest_tx(DATA_FIRST, 0, 2000, NETTXF_extra_info);
    fails_with("does not follow");
}

static void test_tx_endless_chain(void **state)
{
    for (unsigned int i = 0; i < NET_RING_SIZE; i++)
        guest_tx(DATA_FIRST, 0, 0, NETTXF_more_data);
    fails_with("does not follow");
}

static void test_tx_unknown_extra(void **state)
{
    guest_tx(DATA_FIRST, 0, 100, NETTXF_extra_info);
    guest_tx_extra((struct netif_extra_info){.type = XEN_NETIF_EXTRA_TYPE_MAX});
    fails_with("unknown type");
}

static void test_tx_gso_zero(void **state)
{
    guest_tx(DATA_FIRST, 0, 100, NETTXF_extra_info | NETTXF_csum_blank);
    guest_tx_extra(gso_extra(0, XEN_NETIF_GSO_TYPE_TCPV4));
    fails_with("into nothing");
}

static void test_tx_runaway(void **state)
{
    guest->tx_prod[0] = NET_RING_SIZE + 1;
    fails_with("runs away");
}

static void test_rx_runaway(void **state)
{
    size_t len = make_udp4(big, 10);

    guest->rx_prod[0] = 0u - 1;
    guest_link_put((struct net_frame){.data = big, .len = len});
    fails_with("runs away");
}

/* A full link holds the guest's packets back and loses none. */
static void test_tx_blocked(void **state)
{
    size_t len = make_udp4(big, 60);

    guest->link.link.blocked = true;
    tx_frame(big, (unsigned int[]){(unsigned int)len, 0}, 0, NULL);
    work();
    assert_false(guest_has_tx_response());
    net_link_flush(&guest->link.link);
    work();
    expect_tx(OK);
    assert_int_equal(guest->link.nr_sent, 1);
}

static void test_tx_lost(void **state)
{
    size_t len = make_udp4(big, 60);

    guest->link.link.lost = true;
    tx_frame(big, (unsigned int[]){(unsigned int)len, 0}, 0, NULL);
    work();
    expect_tx(OK);
    assert_int_equal(guest->link.nr_sent, 0);
}

static void test_tx_rate(void **state)
{
    size_t len = make_udp4(big, 958);
    int ms;

    guest->config.rate_bytes = 2000;
    guest->config.rate_us = 10000000;
    guest_reconnect();
    for (int i = 0; i < 3; i++)
        tx_frame(big, (unsigned int[]){(unsigned int)len, 0}, 0, NULL);
    guest_publish();
    ms = netif_work(guest->n);
    assert_int_equal(guest->link.nr_sent, 2);
    assert_in_range(ms, 1, 10000);
    expect_tx(OK);
    expect_tx(OK);
    assert_false(guest_has_tx_response());
}

/* Around the ring many times. */
static void test_tx_long_run(void **state)
{
    size_t len = make_udp4(big, 60);

    for (int i = 0; i < 2000; i++) {
        tx_frame(big, (unsigned int[]){50, (unsigned int)len - 50, 0}, 0, NULL);
        work();
        expect_tx(OK);
        expect_tx(OK);
        free(guest->link.sent[0].data);
        guest->link.nr_sent = 0;
    }
}

/* --- receiving -------------------------------------------------------------------------- */

static void test_rx(void **state)
{
    size_t len = make_udp4(big, 100);
    struct netif_rx_response rsp;

    guest_link_put((struct net_frame){.data = big, .len = len, .validated = true});
    guest_rx(0, DATA_FIRST);
    work();
    rsp = guest_rx_response(0);
    assert_int_equal(rsp.id, 0);
    assert_int_equal(rsp.offset, 0);
    assert_int_equal(rsp.status, len);
    assert_int_equal(rsp.flags, NETRXF_data_validated);
    assert_memory_equal(guest_page(DATA_FIRST), big, len);
    assert_true(guest_event(guest->config.queue[0].rx_port));
    assert_false(guest_grant_in_use(DATA_FIRST));
}

/* The guest answers as soon as it has a frame of so many bytes of payload. */
static void ask(size_t payload)
{
    size_t len = make_tcp4(big, payload);

    guest_link_put((struct net_frame){.data = big, .len = len, .validated = true});
    guest_rx(0, DATA_FIRST);
    guest_publish();
    tx_frame(big, (unsigned int[]){100, 0}, 0, NULL);
    guest->link.when_empty = guest_publish;
    assert_int_equal(netif_work(guest->n), 0);
}

/* The answer to a small frame is waited for awake; an event is not asked for. */
static void test_rx_answered(void **state)
{
    guest->n->may_wait_awake = true;
    ask(1);
    assert_int_equal(guest->tx[0]->req_event, 0);
    guest->link.when_empty = NULL;
    assert_int_equal(netif_work(guest->n), -1);
    assert_int_equal(guest->link.nr_sent, 1);
    assert_int_equal(guest->tx[0]->req_event, 2);
}

/* Nor is anything that is no question: an acknowledgement; a frame where no CPU is left to wait. */
static void test_rx_not_answered(void **state)
{
    guest->n->may_wait_awake = true;
    ask(0);
    assert_int_equal(guest->tx[0]->req_event, 1);
    guest->link.when_empty = NULL;
    assert_int_equal(netif_work(guest->n), -1);
    guest->n->may_wait_awake = false;
    ask(1);
    assert_int_equal(guest->tx[0]->req_event, 2);
}

/* An answer that never comes is given up, and soon not waited for. */
static void test_rx_no_answer(void **state)
{
    size_t len = make_tcp4(big, 1);

    guest->n->may_wait_awake = true;
    for (unsigned int i = 1; i <= 2; i++) {
        guest_link_put((struct net_frame){.data = big, .len = len, .validated = true});
        guest_rx(0, DATA_FIRST);
        work();
        assert_int_equal(guest->tx[0]->req_event, 1);
        assert_int_equal(guest->n->answers.left, CREDIT_MAX - 2 * (int)i);
    }
    ask(1);
    assert_int_equal(guest->tx[0]->req_event, 1);
}

static struct net_frame partial_frame(size_t len)
{
    struct net_frame f = {.data = big, .len = len};

    assert_int_equal(net_frame_make_partial(&f), 0);
    return f;
}

static void test_rx_fragments(void **state)
{
    struct net_frame f = partial_frame(make_tcp4(big, 9000));
    struct netif_rx_response rsp;
    size_t at = 0;

    guest_link_put(f);
    for (uint32_t i = 0; i < 4; i++)
        guest_rx(0, DATA_FIRST + i);
    work();
    for (uint32_t i = 0; i < 3; i++) {
        rsp = guest_rx_response(0);
        assert_int_equal(rsp.id, i);
        assert_int_equal(rsp.flags, (i == 0 ? NETRXF_csum_blank | NETRXF_data_validated : 0) |
                                        (i < 2 ? NETRXF_more_data : 0));
        assert_int_equal(rsp.status, i < 2 ? 4096 : f.len - 8192);
        assert_memory_equal(guest_page(DATA_FIRST + i), big + at, rsp.status);
        at += (size_t)rsp.status;
    }
    assert_false(guest_has_rx_response(0));
}

/* The extra info stands in the second slot; its buffer is not used. */
static void test_rx_gso(void **state)
{
    struct net_frame f = partial_frame(make_tcp6(big, 5000));
    struct netif_rx_response rsp;
    struct netif_extra_info extra;

    f.gso = NET_GSO_TCPV6;
    f.gso_size = 1428;
    guest_link_put(f);
    for (uint32_t i = 0; i < 3; i++)
        guest_rx(0, DATA_FIRST + i);
    work();
    rsp = guest_rx_response(0);
    assert_int_equal(rsp.flags, NETRXF_csum_blank | NETRXF_data_validated | NETRXF_extra_info |
                                    NETRXF_more_data);
    assert_int_equal(rsp.status, 4096);
    rsp = guest_rx_response(0);
    memcpy(&extra, &rsp, sizeof(extra));
    assert_int_equal(extra.type, XEN_NETIF_EXTRA_TYPE_GSO);
    assert_int_equal(extra.flags, 0);
    assert_int_equal(extra.u.gso.size, 1428);
    assert_int_equal(extra.u.gso.type, XEN_NETIF_GSO_TYPE_TCPV6);
    rsp = guest_rx_response(0);
    assert_int_equal(rsp.id, 2);
    assert_int_equal(rsp.flags, 0);
    assert_memory_equal(guest_page(DATA_FIRST + 2), big + 4096, f.len - 4096);
    assert_false(guest_grant_in_use(DATA_FIRST + 1));
}

/* A frontend that cannot finish checksums gets them finished. */
static void test_rx_completes(void **state)
{
    struct net_frame f;

    guest->config.csum_ipv6 = false;
    guest_reconnect();
    f = partial_frame(make_tcp6(big, 500));
    guest_link_put(f);
    guest_rx(0, DATA_FIRST);
    work();
    assert_int_equal(guest_rx_response(0).flags, NETRXF_data_validated);
    assert_true(checksum_is_right(guest_page(DATA_FIRST), f.len));
}

/* Put a tag into a frame of `len` bytes; the headers move. */
static struct net_frame tagged_frame(size_t len)
{
    memmove(big + 16, big + 12, len - 12);
    memcpy(big + 12, (uint8_t[]){0x81, 0, 0, 5}, 4);
    return partial_frame(len + 4);
}

/* Frontends find no headers behind a tag. */
static void test_rx_tagged(void **state)
{
    struct net_frame f = tagged_frame(make_tcp4(big, 500));

    guest_link_put(f);
    guest_rx(0, DATA_FIRST);
    work();
    assert_int_equal(guest_rx_response(0).flags, NETRXF_data_validated);
    /* Its checksum is right: without the tag it is a frame like others. */
    memcpy(big, guest_page(DATA_FIRST), f.len);
    memmove(big + 12, big + 16, f.len - 16);
    assert_true(checksum_is_right(big, f.len - 4));
    assert_true(guest->link.tso4 && guest->link.tso6 && guest->link.partial);

    f = tagged_frame(make_tcp4(big, 5000));
    f.gso = NET_GSO_TCPV4;
    f.gso_size = 1448;
    guest_link_put(f);
    guest_rx(0, DATA_FIRST);
    guest_rx(0, DATA_FIRST + 1);
    work();
    assert_false(guest_has_rx_response(0));
    assert_true(guest->link.partial);
    assert_false(guest->link.tso4 || guest->link.tso6);
}

static void test_rx_without_sg(void **state)
{
    size_t small;

    guest->config.sg = false;
    guest_reconnect();
    assert_false(guest->link.tso4 || guest->link.tso6);
    guest_link_put((struct net_frame){.data = big, .len = 4097});
    small = make_udp4(big, 10);
    guest_link_put((struct net_frame){.data = big, .len = small});
    for (uint32_t i = 0; i < 3; i++)
        guest_rx(0, DATA_FIRST + i);
    work();
    assert_int_equal(guest_rx_response(0).status, small);
    assert_false(guest_has_rx_response(0));
}

/* Too few buffers: the frame waits, the link is not read further, no event gets lost. */
static void test_rx_waits(void **state)
{
    size_t len = make_tcp4(big, 9000);

    guest_link_put((struct net_frame){.data = big, .len = len});
    guest_link_put((struct net_frame){.data = big, .len = 60});
    guest_rx(0, DATA_FIRST);
    guest_rx(0, DATA_FIRST + 1);
    guest_publish();
    assert_in_range(netif_work(guest->n), 1, 10000);
    assert_false(netif_wants_frames(guest->n));
    assert_int_equal(guest->link.next_in, 1);
    assert_int_equal(guest->rx[0]->req_event, 3);
    assert_false(guest_has_rx_response(0));
    guest_rx(0, DATA_FIRST + 2);
    guest_rx(0, DATA_FIRST + 3);
    work();
    for (int i = 0; i < 3; i++)
        assert_true(guest_rx_response(0).status > 0);
    assert_int_equal(guest_rx_response(0).status, 60);
    assert_true(netif_wants_frames(guest->n));
}

static void test_rx_bad_grants(void **state)
{
    size_t len = make_tcp4(big, 5000);

    guest_grant(DATA_FIRST + 1, GTF_permit_access | GTF_readonly);
    for (int i = 0; i < 2; i++)
        guest_link_put((struct net_frame){.data = big, .len = len});
    guest_rx(0, DATA_FIRST);
    guest_rx(0, DATA_FIRST + 1);
    guest_rx(0, 4000000000u);
    guest_rx(0, DATA_FIRST + 2);
    work();
    for (uint16_t i = 0; i < 4; i++) {
        struct netif_rx_response rsp = guest_rx_response(0);

        assert_int_equal(rsp.id, i);
        assert_int_equal(rsp.status, NETIF_RSP_ERROR);
        assert_int_equal(rsp.flags, 0);
    }
    assert_string_equal(guest->failed, "");
}

static void test_two_queues(void **state)
{
    unsigned int count[2] = {0, 0};

    for (uint32_t i = 0; i < 16; i++)
        guest_rx(i % 2, DATA_FIRST + i);
    for (unsigned int i = 0; i < 8; i++) {
        size_t len = make_tcp4(big, 50);

        big[35] = (uint8_t)(i * 37);
        guest_link_put((struct net_frame){.data = big, .len = len});
        guest_link_put((struct net_frame){.data = big, .len = len});
        work();
        for (unsigned int q = 0; q < 2; q++)
            for (unsigned int n = 0; guest_has_rx_response(q); n++) {
                (void)guest_rx_response(q);
                count[q]++;
                assert_true(n < 2);
            }
        if (count[0] == 8 || count[1] == 8)
            break;
    }
    assert_true(count[0] > 0 && count[1] > 0);
    assert_int_equal(count[0] % 2, 0); /* both frames of a flow went the same way */
}

/* --- events ----------------------------------------------------------------------------- */

/* As a vCPU's thread does it, with the lock. */
static void signal_tx(void)
{
    struct evtchn_send op = {.port = guest->config.queue[0].tx_port};

    guest_publish();
    pthread_mutex_lock(&fix->d.lock);
    CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &op);
    pthread_mutex_unlock(&fix->d.lock);
}

static void tx_udp(size_t payload)
{
    unsigned int len = (unsigned int)make_udp4(big, payload);

    tx_frame(big, (unsigned int[]){40, len - 40, 0}, 0, NULL);
}

/* What is small has gone when the guest's call is over, without a worker. */
static void test_event_sends(void **state)
{
    tx_udp(100);
    signal_tx();
    assert_int_equal(guest->link.nr_sent, 1);
    assert_memory_equal(sent(0)->data, big, sent(0)->len);
    expect_tx(OK);
    expect_tx(OK);
    assert_true(guest_event(guest->config.queue[0].tx_port));
    assert_int_equal(guest->tx[0]->req_event, 3);
    assert_false(guest_grant_in_use(DATA_FIRST));
}

/* Not more than a few packets, nothing large, nothing while a frame waits for buffers. */
static void test_event_leaves_work(void **state)
{
    for (int i = 0; i < 6; i++)
        tx_udp(100);
    signal_tx();
    assert_in_range(guest->link.nr_sent, 1, 5);
    work();
    assert_int_equal(guest->link.nr_sent, 6);
    tx_udp(3000);
    signal_tx();
    assert_int_equal(guest->link.nr_sent, 6);
    work();
    assert_int_equal(guest->link.nr_sent, 7);
    guest_link_put((struct net_frame){.data = big, .len = 100});
    work();
    tx_udp(100);
    signal_tx();
    assert_int_equal(guest->link.nr_sent, 7);
}

/* The sentence about it is said by the worker, without the lock. */
static void test_event_runaway(void **state)
{
    guest->tx_prod[0] += 1000;
    signal_tx();
    assert_string_equal(guest->failed, "");
    work();
    assert_string_not_equal(guest->failed, "");
}

/* --- life ------------------------------------------------------------------------------- */

static void test_create_refusals(void **state)
{
    struct netif_config config = guest->config;
    struct netif *n;
    struct err err = {0};

    netif_destroy(guest->n);
    guest->n = NULL;
    config.queue[0].rx_ref = 400;
    assert_int_equal(netif_create(&n, &config, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "400"));
    assert_false(guest_grant_in_use(config.queue[0].tx_ref));
    config = guest->config;
    config.queue[0].tx_port = 900;
    assert_int_equal(netif_create(&n, &config, &err), -EINVAL);
    assert_false(guest_grant_in_use(config.queue[0].tx_ref));
    guest->tx[0]->req_prod = 5000;
    assert_int_equal(netif_create(&n, &guest->config, &err), -EINVAL);
}

/* With its thread, and events as the only way to reach it. */
static void test_worker(void **state)
{
    struct err err = {0};
    int pipe_fd[2];

    assert_int_equal(pipe(pipe_fd), 0);
    guest->link.link.fd = pipe_fd[0];
    assert_int_equal(netif_start(guest->n, &err), 0);
    for (int i = 0; i < 50; i++) {
        tx_udp(i % 2 ? 3000 : 60); /* the latter go at once */
        signal_tx();
        for (int ms = 0; ms < 5000 && !guest_has_tx_response(); ms++)
            usleep(1000);
        expect_tx(OK);
        expect_tx(OK);
    }
    netif_destroy(guest->n);
    guest->n = NULL;
    assert_int_equal(guest->link.nr_sent, 50);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}

#define ONE(f) cmocka_unit_test_setup_teardown(f, guest_setup, guest_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(test_tx),
        ONE(test_tx_event_suppressed),
        ONE(test_tx_fragments),
        ONE(test_tx_gso),
        ONE(test_tx_completes),
        ONE(test_tx_blank_but_not_ip),
        ONE(test_tx_groups),
        ONE(test_tx_many_extras),
        ONE(test_tx_too_many_slots),
        ONE(test_tx_most_slots),
        ONE(test_tx_sizes),
        ONE(test_tx_bad_grants),
        ONE(test_tx_readonly_grant),
        ONE(test_tx_cross_page),
        ONE(test_tx_cross_page_fragment),
        ONE(test_tx_short),
        ONE(test_tx_missing_fragment),
        ONE(test_tx_missing_extra),
        ONE(test_tx_endless_chain),
        ONE(test_tx_unknown_extra),
        ONE(test_tx_gso_zero),
        ONE(test_tx_runaway),
        ONE(test_rx_runaway),
        ONE(test_tx_blocked),
        ONE(test_tx_lost),
        ONE(test_tx_rate),
        ONE(test_tx_long_run),
        ONE(test_rx),
        ONE(test_rx_answered),
        ONE(test_rx_not_answered),
        ONE(test_rx_no_answer),
        ONE(test_rx_fragments),
        ONE(test_rx_gso),
        ONE(test_rx_completes),
        ONE(test_rx_tagged),
        ONE(test_rx_without_sg),
        ONE(test_rx_waits),
        ONE(test_rx_bad_grants),
        cmocka_unit_test_setup_teardown(test_two_queues, guest_setup_two_queues, guest_teardown),
        ONE(test_event_sends),
        ONE(test_event_leaves_work),
        ONE(test_event_runaway),
        ONE(test_create_refusals),
        ONE(test_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
