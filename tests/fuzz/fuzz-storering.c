/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-storering.c - what a guest can do to the domain process by its xenstore ring's page.
 * Records:
 *
 *   u8 0, u16, u8 n, n bytes   into the page at u16
 *   u8 1, u8, u32              index (u8 % 4: req_cons req_prod rsp_cons rsp_prod) := this
 *   u8 2, u8 n, n bytes        the guest sends properly; whatever fits
 *   u8 3                       the guest signals its port
 *   u8 4, u8 n, n bytes        xenstored answers
 *   u8 5                       a turn of the main loop
 *   u8 6, u8 n                 the guest takes up to n bytes of answers
 *
 * xenstored gets what is in the ring and nothing else; as long as the guest keeps to the rules at
 * once and all of it, and answers come in order.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "domain/evtchn.h"
#include "domain/xenstore_ring.h"
#include "fuzz_domain.h"
#include "fuzz_input.h"

#include <xen/io/xs_wire.h>

#define PAGES 16u
#define STORE_FRAME 6u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct domain dom;
static struct loop *loop;
static int store; /* xenstored's end */
static struct xenstore_domain_interface *ring;
static bool meddled; /* with what is not the guest's: it may be that nothing is carried any more */
static uint8_t next_sent, next_taken; /* answers are bytes that count */

static void set_up_once(void)
{
    struct err err = {0};

    if (dom.ram.base)
        return;
    fuzz_domain_init(&dom, PAGES, 7, STORE_FRAME);
    must(loop_create(&loop, &err) == 0, "a loop");
    ring = ram_frame(&dom.ram, STORE_FRAME);
}

static void connect_ring(void)
{
    struct err err = {0};
    int pair[2];

    memset(ring, 0, PAGE_SIZE);
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "a socket");
    store = pair[1];
    meddled = false;
    next_sent = next_taken = 0;
    must(xenstore_ring_create(&dom, loop, pair[0], &err) == 0, "a ring");
}

static void write_page(struct input *in)
{
    size_t at = take_number(in, 2) % sizeof(*ring), n = take_number(in, 1);

    take(in, (uint8_t *)ring + at, n < sizeof(*ring) - at ? n : sizeof(*ring) - at);
    meddled = true;
}

static void set_index(struct input *in)
{
    uint32_t *const index[] = {&ring->req_cons, &ring->req_prod, &ring->rsp_cons, &ring->rsp_prod};
    uint32_t which = take_number(in, 1) % 4;

    *index[which] = take_number(in, 4);
    meddled = true;
}

static void send_request(struct input *in)
{
    uint32_t n = take_number(in, 1);

    while (n-- > 0 && ring->req_prod - ring->req_cons < XENSTORE_RING_SIZE)
        take(in, &ring->req[MASK_XENSTORE_IDX(ring->req_prod++)], 1);
}

static void signal_port(void)
{
    struct run *run = engine_run_page(dom.engine, 0);

    run->rung[0] |= 1ull << dom.store_port;
    run->rang = 1;
    evtchn_answer_rings(&dom, run);
}

static void turn(void)
{
    must(loop_run_once(loop, 0) == 0, "a turn");
}

/* One of these, and what xenstored gets by it. */
static void serve(void (*fn)(void), bool must_look)
{
    char want[XENSTORE_RING_SIZE], got[XENSTORE_RING_SIZE + 1];
    uint32_t n = ring->req_prod - ring->req_cons;
    ssize_t have;

    for (uint32_t i = 0; i < n && n <= XENSTORE_RING_SIZE; i++)
        want[i] = ring->req[MASK_XENSTORE_IDX(ring->req_cons + i)];
    fn();
    have = recv(store, got, sizeof(got), MSG_DONTWAIT);
    must(have < 0 || (have <= (ssize_t)n && memcmp(got, want, (size_t)have) == 0), "what was sent");
    must(meddled || have == (n ? (ssize_t)n : -1) || (have < 0 && !must_look), "and all of it");
    meddled |= n > XENSTORE_RING_SIZE;
}

static void send_answer(struct input *in)
{
    uint32_t n = take_number(in, 1);

    while (n-- > 0 && send(store, &next_sent, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
        next_sent++;
}

static void take_answer(struct input *in)
{
    uint32_t n = take_number(in, 1);

    while (n-- > 0 && ring->rsp_cons != ring->rsp_prod) {
        uint8_t byte = (uint8_t)ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons++)];

        must(meddled || byte == next_taken++, "answers come in order, and once");
    }
}

static void do_record(struct input *in)
{
    switch (take_number(in, 1) % 7) {
    case 0:
        write_page(in);
        break;
    case 1:
        set_index(in);
        break;
    case 2:
        send_request(in);
        break;
    case 3:
        serve(signal_port, true);
        break;
    case 4:
        send_answer(in);
        break;
    case 5:
        serve(turn, false);
        break;
    default:
        take_answer(in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    set_up_once();
    connect_ring();
    while (in.left)
        do_record(&in);
    xenstore_ring_destroy(&dom);
    close(store);
    return 0;
}
