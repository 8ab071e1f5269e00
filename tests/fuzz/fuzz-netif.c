/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-netif.c - what a guest can do to the network backend by its shared memory, and what a
 * link's frames can do. The first byte says what the frontend takes (netif_config, one bit
 * each), bit 6 gives it a second queue, bit 7 a link that wants finished frames; then records:
 *
 *   u8 0, u8 q, 12 bytes   an entry of queue q's send ring; the producer moves on
 *   u8 1, u8 q, 8 bytes    likewise of its receive ring
 *   u8 2, u8 q, u32        a producer := this; q bit 7: the receive ring's
 *   u8 3, u16, 8 bytes     grant table entry := these
 *   u8 4, u8, u16, u8 n, n bytes   into page (u8 % 20, the first four are the rings) at u16
 *   u8 5, 8 bytes, u8 n, n bytes   a frame of the link: see put_frame()
 *   u8 6                   a pass of the worker
 *   u8 7, u8, u16, u32     when the next frame is sent, change four bytes of a ring
 *   u8 8, u8               the link is blocked (bit 0), not any more (0)
 *
 * Frames that reach the link must be describable; in the end each request that was taken has
 * its response, and no grant is in use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/net/netif_priv.h"
#include "domain/evtchn.h"
#include "domain/gnttab.h"
#include "fuzz_domain.h"
#include "fuzz_input.h"

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/netif.h>

#define PAGES 64u
#define RING_FRAME 8u
#define NR_PAGES 20u /* rings first */
#define DATA_REF 16u
#define NR_DATA 16u
#define MAX_FRAMES 32u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct domain dom;
static port_t ports[4];
static struct netif *netif;

static struct {
    struct net_link link;
    struct net_frame frame[MAX_FRAMES];
    unsigned int first, count;
    uint8_t change_page; /* 0 = nothing */
    uint16_t change_at;
    uint32_t change_to;
} fake;

/* --- fakes ------------------------------------------------------------------------------ */

static void *frame(mfn_t mfn)
{
    return dom.ram.base + (mfn << PAGE_SHIFT);
}

static int fake_send(struct net_link *l, const struct net_frame *f)
{
    must(f->len >= NET_FRAME_MIN && f->len <= NET_FRAME_MAX, "length of a sent frame");
    must(!f->partial || (size_t)f->csum_start + f->csum_offset + 2 <= f->len, "its checksum");
    must(!f->partial || l->finishes, "the link can finish it");
    must(!f->gso || (f->gso_size && f->header_len <= f->len), "its segments");
    if (fake.change_page) {
        uint8_t *page = frame(RING_FRAME + fake.change_page % 4);

        memcpy(page + fake.change_at % (PAGE_SIZE - 4), &fake.change_to, 4);
        fake.change_page = 0;
    }
    return 0;
}

static int fake_receive(struct net_link *l, uint8_t *buf, struct net_frame *ret)
{
    if (fake.first == fake.count)
        return -EAGAIN;
    *ret = fake.frame[fake.first++];
    memcpy(buf, ret->data, ret->len);
    free(ret->data);
    ret->data = buf;
    return 0;
}

static const struct net_link_ops fake_ops = {.send = fake_send, .receive = fake_receive};

/* --- a guest ---------------------------------------------------------------------------- */

static port_t new_port(void)
{
    const uint64_t flags = 7;
    uint64_t args[5] = {EVTCHNOP_alloc_unbound, 0xffff888000005000ull};
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = 0};

    /* Page tables for the argument, in frames 1 to 4; the argument is in frame 5. */
    ((uint64_t *)frame(1))[0xffff888000000000ull >> 39 & 511] = 2ull << PAGE_SHIFT | flags;
    ((uint64_t *)frame(2))[0] = 3ull << PAGE_SHIFT | flags;
    ((uint64_t *)frame(3))[0] = 4ull << PAGE_SHIFT | flags;
    ((uint64_t *)frame(4))[5] = 5ull << PAGE_SHIFT | flags;
    memcpy(frame(5), &op, sizeof(op));
    must(domain_hypercall(&dom, 0, __HYPERVISOR_event_channel_op, args, 1) == 0, "a port");
    memcpy(&op, frame(5), sizeof(op));
    return op.port;
}

static void set_up_once(void)
{
    if (dom.ram.base)
        return;
    fuzz_domain_init(&dom, PAGES, 6, 7);
    for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++)
        ports[i] = new_port();
}

/* Frames RING_FRAME on: send and receive ring of queue 0, of queue 1, then data. */
static void connect(uint8_t features)
{
    grant_entry_v1_t *table = frame(dom.ram.grant_first);
    struct netif_config c = {.d = &dom,
                             .link = &fake.link,
                             .name = "fuzz",
                             .nr_queues = features & 64 ? 2 : 1,
                             .sg = features & 1,
                             .gso_tcpv4 = features & 2,
                             .gso_tcpv6 = features & 4,
                             .csum_ipv4 = features & 8,
                             .csum_ipv6 = features & 16,
                             .multicast_control = features & 32};
    struct err err = {0};

    memset(&fake, 0, sizeof(fake));
    fake.link = (struct net_link){.ops = &fake_ops, .fd = -1, .finishes = !(features & 128)};
    memset(frame(RING_FRAME), 0, PAGE_SIZE * NR_PAGES);
    memset(table + 8, 0, PAGE_SIZE - 8 * sizeof(*table));
    for (uint32_t i = 0; i < 4; i++)
        table[8 + i] = (grant_entry_v1_t){.flags = GTF_permit_access, .frame = RING_FRAME + i};
    for (uint32_t i = 0; i < NR_DATA; i++)
        table[DATA_REF + i] =
            (grant_entry_v1_t){.flags = GTF_permit_access, .frame = RING_FRAME + 4 + i};
    for (unsigned int i = 0; i < c.nr_queues; i++)
        c.queue[i] =
            (struct netif_queue_config){8 + 2 * i, 9 + 2 * i, ports[2 * i], ports[2 * i + 1]};
    must(netif_create(&netif, &c, &err) == 0, "an interface");
}

/* --- records ---------------------------------------------------------------------------- */

/* Of queue q % 2: the page of its send (0) or receive (1) ring, and the producer in it. */
static uint32_t *ring_page(unsigned int q, unsigned int which)
{
    return frame(RING_FRAME + q % 2 * 2 + which);
}

static void put_request(struct input *in, unsigned int which)
{
    uint32_t *page = ring_page(take_number(in, 1), which);
    size_t stride = which ? sizeof(union netif_rx_sring_entry) : sizeof(union netif_tx_sring_entry);

    take(in, (uint8_t *)page + 64 + page[0]++ % NET_RING_SIZE * stride, stride);
}

static void write_page(struct input *in)
{
    uint8_t page = (uint8_t)take_number(in, 1);
    size_t at = take_number(in, 2) % PAGE_SIZE;
    size_t n = take_number(in, 1);

    if (n > PAGE_SIZE - at)
        n = PAGE_SIZE - at;
    take(in, (uint8_t *)frame(RING_FRAME + page % NR_PAGES) + at, n);
}

/* Described as a tap would: bits (partial, validated, then two of segmentation), checksum's
 * place, segment size, length; then its first bytes. */
static void put_frame(struct input *in)
{
    uint8_t bits = (uint8_t)take_number(in, 1), n;
    struct net_frame f = {.partial = bits & 1, .validated = bits & 2, .gso = (bits >> 2 & 3) % 3};

    f.csum_start = (uint16_t)take_number(in, 1);
    f.csum_offset = (uint16_t)take_number(in, 1);
    f.gso_size = (uint16_t)(take_number(in, 2) | 1);
    f.len = take_number(in, 2) % (NET_FRAME_MAX - NET_FRAME_MIN + 1) + NET_FRAME_MIN;
    (void)take_number(in, 1);
    n = (uint8_t)take_number(in, 1);
    if (fake.count == MAX_FRAMES || (f.gso && !f.partial) ||
        (f.partial && (size_t)f.csum_start + f.csum_offset + 2 > f.len))
        return;
    f.data = calloc(1, f.len);
    must(f.data, "memory");
    take(in, f.data, n < f.len ? n : f.len);
    fake.frame[fake.count++] = f;
}

static void do_record(struct input *in)
{
    uint8_t what = (uint8_t)take_number(in, 1) % 9, q;
    unsigned int n;

    switch (what) {
    case 0:
    case 1:
        put_request(in, what);
        break;
    case 2:
        q = (uint8_t)take_number(in, 1);
        *ring_page(q, q >> 7) = take_number(in, 4);
        break;
    case 3:
        n = take_number(in, 2) % 512;
        take(in, (grant_entry_v1_t *)frame(dom.ram.grant_first) + (n < 8 ? 8 : n), 8);
        break;
    case 4:
        write_page(in);
        break;
    case 5:
        put_frame(in);
        break;
    case 6:
        (void)netif_work(netif);
        break;
    case 7:
        fake.change_page = (uint8_t)take_number(in, 1);
        fake.change_at = (uint16_t)take_number(in, 2);
        fake.change_to = take_number(in, 4);
        break;
    default:
        fake.link.blocked = take_number(in, 1) & 1;
        break;
    }
}

static void check_end(void)
{
    grant_entry_v1_t *table = frame(dom.ram.grant_first);

    for (unsigned int i = 0; i < netif->config.nr_queues; i++) {
        must(netif->queue[i].tx.prod == netif->queue[i].tx.cons, "each request has a response");
        must(netif->queue[i].rx.prod == netif->queue[i].rx.cons, "so have received ones");
    }
    netif_destroy(netif);
    /* Bits that the guest itself left in an entry are its own affair; ours are counted. */
    for (uint32_t ref = 8; ref < 512; ref++) {
        void *page;

        table[ref] = (grant_entry_v1_t){.flags = GTF_permit_access, .frame = RING_FRAME};
        must(gnttab_get(&dom, 0, ref, true, &page) == GNTST_okay, "a grant can be had");
        gnttab_put(&dom, ref, true);
        must(table[ref].flags == GTF_permit_access, "no grant is in use");
    }
    while (fake.first < fake.count)
        free(fake.frame[fake.first++].data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    set_up_once();
    connect((uint8_t)take_number(&in, 1));
    while (in.left)
        do_record(&in);
    for (unsigned int i = 0; i < 16; i++)
        (void)netif_work(netif);
    check_end();
    return 0;
}
