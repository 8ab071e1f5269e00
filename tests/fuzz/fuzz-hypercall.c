/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-hypercall.c - what a guest, or a vCPU process that it has taken over, can ask of the domain
 * process: every hypercall that gets there, over page tables and arguments of the guest's own. The
 * first byte is the domain's limit in frames (0: the usual one); then records:
 *
 *   u8 0, u8 vcpu, u8 nr, 5 arguments   a hypercall. An argument is u8 % 5 and, 0: nothing, it
 *                               is 0; 1: u8; 2: u64; 3: u16, a pointer to there in the argument
 *                               pages; 4: u8, a frame's number as a machine address
 *   u8 1, u16, u8 n, n bytes    into the argument pages at u16
 *   u8 2, u8, u16, u8 n, n bytes    into frame u8, if it is the guest's, at u16
 *   u8 3, u8 vcpu, u16          it rings for a port
 *   u8 4, u16, u64              into the event channels' shared page
 *   u8 5, u16, u8               a backend takes a grant (u8 & 1: to write), gives it back
 *   u8 6, u8, u8                a backend binds a port (u8 & 1), or leaves it; notifies
 *
 * Whatever it is: frames are counted right, what is not the guest's is named by no entry of the
 * m2p, and no frame's number leads out of memory.
 */
#include <stdio.h>
#include <string.h>

#include "domain/evtchn.h"
#include "domain/gnttab.h"
#include "domain/hypercall.h"
#include "fuzz_domain.h"
#include "fuzz_input.h"

#define PAGES 64u
#define MAX_PAGES 96u
#define VCPUS 2u
#define L4 1u /* the tables to L1 follow */
#define CONSOLE_FRAME 5u
#define STORE_FRAME 6u
#define ARG_FRAME 8u
#define ARG_PAGES 2u
#define VA 0xffff888000000000ull /* of frame 0 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct domain dom;

static void write_into(struct input *in, uint8_t *page, size_t room)
{
    size_t at = take_number(in, 2) % room;
    size_t n = take_number(in, 1);

    take(in, page + at, n < room - at ? n : room - at);
}

static uint64_t take_u64(struct input *in)
{
    uint64_t n;

    take(in, &n, sizeof(n));
    return n;
}

/* Tables that map each frame once, at VA. */
static void map_frames(void)
{
    for (unsigned int i = 0; i < 3; i++)
        ((uint64_t *)ram_frame(&dom.ram, L4 + i))[VA >> (39 - 9 * i) & 511] =
            (uint64_t)(L4 + i + 1) << PAGE_SHIFT | 7;
    for (uint64_t mfn = 0; mfn < 512 && mfn < dom.ram.nr_frames; mfn++)
        ((uint64_t *)ram_frame(&dom.ram, L4 + 3))[mfn] = mfn << PAGE_SHIFT | 7;
}

static void new_life(unsigned int limit)
{
    struct err err = {0};

    if (!dom.ram.base)
        fuzz_domain_init(&dom, PAGES, CONSOLE_FRAME, STORE_FRAME);
    domain_abi_done(&dom);
    ram_done(&dom.ram);
    must(ram_init(&dom.ram, PAGES, MAX_PAGES, &err) == 0, "memory");
    memset(dom.shared, 0, sizeof(*dom.shared));
    dom.shared->tsc_mul = 1u << 31;
    for (unsigned int i = 0; i < VCPUS; i++)
        memset(engine_run_page(dom.engine, i), 0, sizeof(struct run));
    dom.nr_vcpus = VCPUS;
    dom.state = DOMAIN_RUNNING;
    dom.paused = 0;
    must(domain_abi_init(&dom, &err) == 0, "a domain");
    map_frames();
    if (limit)
        dom.ram.limit = limit;
}

static uint64_t take_argument(struct input *in)
{
    switch (take_number(in, 1) % 5) {
    case 0:
        return 0;
    case 1:
        return take_number(in, 1);
    case 2:
        return take_u64(in);
    case 3:
        return VA + (ARG_FRAME << PAGE_SHIFT) + take_number(in, 2) % (ARG_PAGES << PAGE_SHIFT);
    default:
        return (uint64_t)take_number(in, 1) << PAGE_SHIFT;
    }
}

static void hypercall(struct input *in)
{
    unsigned int vcpu = take_number(in, 1) % VCPUS;
    uint64_t nr = take_number(in, 1), args[5];

    for (unsigned int i = 0; i < ARRAY_SIZE(args); i++)
        args[i] = take_argument(in);
    (void)domain_hypercall(&dom, vcpu, nr, args, L4);
}

static void ring(struct input *in)
{
    struct run *run = engine_run_page(dom.engine, take_number(in, 1) % VCPUS);
    uint32_t port = take_number(in, 2) % EVTCHN_MAX_PORTS;

    run->rung[port / 64] |= 1ull << port % 64;
    run->rang = 1;
    evtchn_answer_rings(&dom, run);
}

static void change_shared(struct input *in)
{
    uint8_t *page = (uint8_t *)&dom.shared->evtchn;
    size_t at = take_number(in, 2) % (sizeof(dom.shared->evtchn) - sizeof(uint64_t));

    take(in, page + at, sizeof(uint64_t));
}

static void use_grant(struct input *in)
{
    uint32_t ref = take_number(in, 2);
    bool writes = take_number(in, 1) & 1;
    uint8_t *page;

    if (gnttab_get(&dom, 0, ref, writes, (void **)&page) != 0)
        return;
    must(page >= dom.ram.base && page < dom.ram.base + (dom.ram.nr_frames << PAGE_SHIFT),
         "a granted page is the guest's");
    gnttab_put(&dom, ref, writes);
}

static void on_event(struct domain *d, void *arg)
{
    must(d == &dom && arg == &dom, "an event comes with what was asked for");
}

static void use_port(struct input *in)
{
    port_t port = take_number(in, 1);
    bool binds = take_number(in, 1) & 1;

    (void)evtchn_set_handler(&dom, port, binds ? on_event : NULL, &dom);
    evtchn_notify(&dom, port);
}

static void do_record(struct input *in)
{
    uint8_t *page;

    switch (take_number(in, 1) % 7) {
    case 0:
        hypercall(in);
        break;
    case 1:
        write_into(in, dom.ram.base + (ARG_FRAME << PAGE_SHIFT), ARG_PAGES << PAGE_SHIFT);
        break;
    case 2:
        page = ram_frame(&dom.ram, take_number(in, 1));
        if (page)
            write_into(in, page, PAGE_SIZE);
        break;
    case 3:
        ring(in);
        break;
    case 4:
        change_shared(in);
        break;
    case 5:
        use_grant(in);
        break;
    default:
        use_port(in);
        break;
    }
}

static void check_memory(void)
{
    uint64_t frames = 0;

    for (mfn_t mfn = 0; mfn < dom.ram.max_pages; mfn++) {
        bool is_guests = ram_is_allocated(&dom.ram, mfn);

        frames += is_guests;
        must(is_guests || dom.ram.m2p[mfn] == INVALID_MFN, "the m2p forgets what is given back");
    }
    must(frames == dom.ram.nr_allocated, "frames are counted right");
    for (unsigned int i = 0; i < VCPUS; i++)
        must(dom.vcpus[i].info >> PAGE_SHIFT < dom.ram.nr_frames, "a vcpu_info is in memory");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    new_life(take_number(&in, 1));
    while (in.left && dom.state != DOMAIN_DYING)
        do_record(&in);
    check_memory();
    return 0;
}
