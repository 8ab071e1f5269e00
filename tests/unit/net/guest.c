/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * guest.c - see guest.h.
 */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/event_channel.h>
#include <xen/grant_table.h>

enum { FRAME_RINGS = 10 };

struct guest *guest;

/* --- the link --------------------------------------------------------------------------- */

static int fake_send(struct net_link *l, const struct net_frame *f)
{
    struct fake_link *fl = (struct fake_link *)l;

    if (fl->refuse) {
        l->blocked = true;
        return -EAGAIN;
    }
    if (fl->nr_sent == ARRAY_SIZE(fl->sent))
        return -EIO;
    fl->sent[fl->nr_sent] = *f;
    fl->sent[fl->nr_sent].data = malloc(f->len);
    assert_non_null(fl->sent[fl->nr_sent].data);
    memcpy(fl->sent[fl->nr_sent++].data, f->data, f->len);
    return 0;
}

static int fake_receive(struct net_link *l, uint8_t *buf, struct net_frame *ret)
{
    struct fake_link *fl = (struct fake_link *)l;

    if (fl->next_in == fl->nr_in) {
        if (fl->when_empty)
            fl->when_empty();
        return -EAGAIN;
    }
    *ret = fl->in[fl->next_in++];
    memcpy(buf, ret->data, ret->len);
    free(ret->data);
    ret->data = buf;
    return 0;
}

static void fake_set_offload(struct net_link *l, bool partial, bool tso4, bool tso6)
{
    struct fake_link *fl = (struct fake_link *)l;

    fl->partial = partial;
    fl->tso4 = tso4;
    fl->tso6 = tso6;
}

static const struct net_link_ops fake_ops = {
    .send = fake_send, .receive = fake_receive, .set_offload = fake_set_offload};

void guest_link_put(struct net_frame f)
{
    struct fake_link *fl = &guest->link;
    uint8_t *copy = malloc(f.len);

    assert_non_null(copy);
    memcpy(copy, f.data, f.len);
    f.data = copy;
    assert_true(fl->nr_in < ARRAY_SIZE(fl->in));
    fl->in[fl->nr_in++] = f;
}

/* --- life ------------------------------------------------------------------------------- */

static void on_failed(void *arg, const char *why)
{
    strncpy(guest->failed, why, sizeof(guest->failed) - 1);
}

uint8_t *guest_page(uint32_t ref)
{
    return frame(ref);
}

static grant_entry_v1_t *entry(uint32_t ref)
{
    return (grant_entry_v1_t *)frame(fix->d.ram.grant_first) + ref;
}

void guest_grant(uint32_t ref, uint16_t flags)
{
    *entry(ref) = (grant_entry_v1_t){.flags = flags, .domid = 0, .frame = ref};
}

bool guest_grant_in_use(uint32_t ref)
{
    return (entry(ref)->flags & (GTF_reading | GTF_writing)) != 0;
}

static port_t new_port(void)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 0};

    assert_int_equal(CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &a), 0);
    return a.port;
}

static void init_rings(unsigned int queues)
{
    for (unsigned int i = 0; i < queues; i++) {
        uint32_t tx = FRAME_RINGS + 2 * i, rx = tx + 1;

        guest->tx[i] = frame(tx);
        guest->rx[i] = frame(rx);
        memset(guest->tx[i], 0, PAGE_SIZE);
        memset(guest->rx[i], 0, PAGE_SIZE);
        guest->tx[i]->req_event = guest->tx[i]->rsp_event = 1;
        guest->rx[i]->req_event = guest->rx[i]->rsp_event = 1;
        guest->tx_prod[i] = guest->rx_prod[i] = guest->tx_cons[i] = guest->rx_cons[i] = 0;
        guest_grant(tx, GTF_permit_access);
        guest_grant(rx, GTF_permit_access);
        guest->config.queue[i] = (struct netif_queue_config){tx, rx, new_port(), new_port()};
    }
    guest->config.nr_queues = queues;
}

void guest_reconnect(void)
{
    struct err err = {0};

    netif_destroy(guest->n);
    guest->n = NULL;
    init_rings(guest->config.nr_queues);
    if (netif_create(&guest->n, &guest->config, &err) < 0)
        fail_msg("%s", err.msg);
}

static int setup(void **state, unsigned int queues)
{
    assert_int_equal(setup_one_vcpu(state), 0);
    pthread_mutex_init(&fix->d.lock, NULL);
    guest = calloc(1, sizeof(*guest));
    assert_non_null(guest);
    guest->link.link = (struct net_link){.ops = &fake_ops, .fd = -1, .finishes = true};
    guest->config = (struct netif_config){.d = &fix->d,
                                          .link = &guest->link.link,
                                          .name = "vif7.0",
                                          .nr_queues = queues,
                                          .sg = true,
                                          .gso_tcpv4 = true,
                                          .gso_tcpv6 = true,
                                          .csum_ipv4 = true,
                                          .csum_ipv6 = true,
                                          .failed = on_failed};
    for (uint32_t ref = DATA_FIRST; ref < DATA_FIRST + DATA_COUNT; ref++)
        guest_grant(ref, GTF_permit_access);
    guest_reconnect();
    return 0;
}

int guest_setup(void **state)
{
    return setup(state, 1);
}

int guest_setup_two_queues(void **state)
{
    return setup(state, 2);
}

int guest_teardown(void **state)
{
    struct fake_link *fl = &guest->link;

    netif_destroy(guest->n);
    for (unsigned int i = 0; i < guest->config.nr_queues; i++) {
        assert_false(guest_grant_in_use(guest->config.queue[i].tx_ref));
        assert_false(guest_grant_in_use(guest->config.queue[i].rx_ref));
    }
    for (uint32_t ref = DATA_FIRST; ref < DATA_FIRST + DATA_COUNT; ref++)
        assert_false(guest_grant_in_use(ref));
    for (unsigned int i = 0; i < fl->nr_sent; i++)
        free(fl->sent[i].data);
    while (fl->next_in < fl->nr_in)
        free(fl->in[fl->next_in++].data);
    free(guest);
    pthread_mutex_destroy(&fix->d.lock);
    return teardown(state);
}

/* --- rings ------------------------------------------------------------------------------ */

void guest_tx(uint32_t ref, unsigned int offset, unsigned int size, unsigned int flags)
{
    uint32_t at = guest->tx_prod[0]++;

    guest->tx[0]->ring[at % NET_RING_SIZE].req =
        (struct netif_tx_request){.gref = ref,
                                  .offset = (uint16_t)offset,
                                  .flags = (uint16_t)flags,
                                  .id = (uint16_t)at,
                                  .size = (uint16_t)size};
}

void guest_tx_extra(struct netif_extra_info extra)
{
    memcpy(&guest->tx[0]->ring[guest->tx_prod[0]++ % NET_RING_SIZE], &extra, sizeof(extra));
}

void guest_rx(unsigned int queue, uint32_t ref)
{
    uint32_t at = guest->rx_prod[queue]++;

    guest->rx[queue]->ring[at % NET_RING_SIZE].req =
        (struct netif_rx_request){.id = (uint16_t)at, .gref = ref};
}

void guest_publish(void)
{
    for (unsigned int i = 0; i < guest->config.nr_queues; i++) {
        __atomic_store_n(&guest->tx[i]->req_prod, guest->tx_prod[i], __ATOMIC_RELEASE);
        __atomic_store_n(&guest->rx[i]->req_prod, guest->rx_prod[i], __ATOMIC_RELEASE);
    }
}

bool guest_has_tx_response(void)
{
    return __atomic_load_n(&guest->tx[0]->rsp_prod, __ATOMIC_ACQUIRE) != guest->tx_cons[0];
}

bool guest_has_rx_response(unsigned int queue)
{
    return guest->rx[queue]->rsp_prod != guest->rx_cons[queue];
}

struct netif_tx_response guest_tx_response(void)
{
    assert_true(guest_has_tx_response());
    return guest->tx[0]->ring[guest->tx_cons[0]++ % NET_RING_SIZE].rsp;
}

struct netif_rx_response guest_rx_response(unsigned int queue)
{
    assert_true(guest_has_rx_response(queue));
    return guest->rx[queue]->ring[guest->rx_cons[queue]++ % NET_RING_SIZE].rsp;
}

bool guest_event(port_t port)
{
    shared_info_t *s = frame(fix->d.ram.shared_info);
    bool pending = (s->evtchn_pending[port / 64] >> port % 64 & 1) != 0;

    s->evtchn_pending[port / 64] &= ~(1ul << port % 64);
    return pending;
}

/* --- frames ----------------------------------------------------------------------------- */

static void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static size_t make_ethernet(uint8_t *to, unsigned int type)
{
    static const uint8_t addresses[12] = {0x00, 0x16, 0x3e, 1, 2, 3, 0x00, 0x16, 0x3e, 4, 5, 6};

    memcpy(to, addresses, sizeof(addresses));
    put16(to + 12, type);
    return 14;
}

static void make_ipv4(uint8_t *ip, uint8_t protocol, size_t len)
{
    static const uint8_t header[20] = {0x45, 0, 0,  0, 1, 2, 0x40, 0,  64, 0,
                                       0,    0, 10, 0, 0, 1, 10,   20, 30, 40};

    memcpy(ip, header, sizeof(header));
    put16(ip + 2, 20 + len);
    ip[9] = protocol;
}

static void make_tcp(uint8_t *tcp, size_t payload)
{
    static const uint8_t header[20] = {0x12, 0x34, 0,    80,   1,    2, 3, 4, 5, 6,
                                       7,    8,    0x50, 0x18, 0xff, 0, 0, 0, 0, 0};

    memcpy(tcp, header, sizeof(header));
    for (size_t i = 0; i < payload; i++)
        tcp[20 + i] = (uint8_t)(i * 7 + i / 256);
}

size_t make_tcp4(uint8_t *to, size_t payload)
{
    size_t at = make_ethernet(to, 0x0800);

    make_ipv4(to + at, 6, 20 + payload);
    make_tcp(to + at + 20, payload);
    return at + 40 + payload;
}

size_t make_tcp6(uint8_t *to, size_t payload)
{
    size_t at = make_ethernet(to, 0x86dd);

    memset(to + at, 0, 40);
    to[at] = 0x60;
    put16(to + at + 4, 20 + payload);
    to[at + 6] = 6;
    to[at + 7] = 64;
    for (size_t i = 8; i < 40; i++)
        to[at + i] = (uint8_t)(i * 3);
    make_tcp(to + at + 40, payload);
    return at + 60 + payload;
}

size_t make_udp4(uint8_t *to, size_t payload)
{
    size_t at = make_ethernet(to, 0x0800);

    make_ipv4(to + at, 17, 8 + payload);
    put16(to + at + 20, 1000);
    put16(to + at + 22, 53);
    put16(to + at + 24, 8 + payload);
    put16(to + at + 26, 0);
    for (size_t i = 0; i < payload; i++)
        to[at + 28 + i] = (uint8_t)(i * 11);
    return at + 28 + payload;
}

static uint32_t add_words(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    return sum;
}

bool checksum_is_right(const uint8_t *f, size_t len)
{
    bool v6 = f[14] >> 4 == 6;
    const uint8_t *l4 = f + 14 + (v6 ? 40 : 20);
    size_t n = len - (size_t)(l4 - f);
    uint64_t sum = v6 ? add_words(f + 22, 32) : add_words(f + 26, 8);

    sum += (v6 ? f[20] : f[23]) + n + add_words(l4, n);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}
