/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * harness.c - see harness.h.
 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backend/console.h"

struct fixture *fix;
char console_text[4096];
size_t console_len;

/* --- fakes ------------------------------------------------------------------------------ */

void engine_vcpu_kick(struct engine *e, unsigned int vcpu)
{
    assert_ptr_equal(e, fix);
    assert_in_range(vcpu, 0, fix->d.nr_vcpus - 1);
    fix->kicks[vcpu]++;
}

void engine_frame_written(struct engine *e, mfn_t mfn)
{
    assert_ptr_equal(e, fix);
    assert_in_range(mfn, 0, ARRAY_SIZE(fix->written) - 1);
    fix->written[mfn]++;
}

bool engine_vcpu_sleeps(const struct engine *e, unsigned int vcpu)
{
    assert_ptr_equal(e, fix);
    return vcpu < fix->d.nr_vcpus && !fix->awake[vcpu];
}

struct run *engine_run_page(struct engine *e, unsigned int vcpu)
{
    assert_in_range(vcpu, 0, fix->d.nr_vcpus - 1);
    return &fix->run[vcpu];
}

void console_io_write(struct domain *d, const void *buf, size_t n)
{
    if (n > sizeof(console_text) - console_len)
        n = sizeof(console_text) - console_len;
    memcpy(console_text + console_len, buf, n);
    console_len += n;
}

/* --- guest ------------------------------------------------------------------------------ */

void *frame(mfn_t mfn)
{
    return fix->d.ram.base + (mfn << PAGE_SHIFT);
}

void set_mapping(mfn_t mfn, bool present, bool writable)
{
    ((uint64_t *)frame(FRAME_L1))[mfn] = mfn << PAGE_SHIFT | (present ? 1 : 0) | (writable ? 2 : 0);
}

static void map_everything(void)
{
    const uint64_t flags = 7;

    ((uint64_t *)frame(FRAME_L4))[VA(0) >> 39 & 511] = (uint64_t)FRAME_L3 << PAGE_SHIFT | flags;
    ((uint64_t *)frame(FRAME_L3))[VA(0) >> 30 & 511] = (uint64_t)FRAME_L2 << PAGE_SHIFT | flags;
    ((uint64_t *)frame(FRAME_L2))[VA(0) >> 21 & 511] = (uint64_t)FRAME_L1 << PAGE_SHIFT | flags;
    for (mfn_t mfn = 0; mfn < fix->d.ram.nr_frames; mfn++)
        set_mapping(mfn, true, true);
}

void put_arg(const void *data, size_t size)
{
    memcpy(frame(FRAME_ARG), data, size);
}

void get_arg(void *data, size_t size)
{
    memcpy(data, frame(FRAME_ARG), size);
}

int64_t call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
    const uint64_t args[5] = {a0, a1, a2};

    return domain_hypercall(&fix->d, fix->vcpu, nr, args, FRAME_L4);
}

/* --- life ------------------------------------------------------------------------------- */

static int setup(unsigned int nr_vcpus)
{
    struct err err = {0};

    fix = calloc(1, sizeof(*fix));
    assert_non_null(fix);
    fix->run = calloc(nr_vcpus, sizeof(*fix->run));
    assert_non_null(fix->run);
    assert_int_equal(ram_init(&fix->d.ram, PAGES, MAX_PAGES, &err), 0);
    map_everything();
    fix->d.domid = DOMID;
    fix->d.nr_vcpus = nr_vcpus;
    fix->d.engine = (struct engine *)fix;
    fix->d.ram.engine = fix->d.engine;
    fix->d.shared = &fix->shared;
    fix->d.state = DOMAIN_RUNNING;
    fix->d.reason = SHUTDOWN_NONE;
    fix->d.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    fix->d.console_mfn = FRAME_CONSOLE;
    fix->d.store_mfn = FRAME_STORE;
    strcpy(fix->d.name, "test");
    memset(fix->d.uuid, 0xa5, sizeof(fix->d.uuid));
    fix->shared.tsc_mul = 1u << 31;
    assert_int_equal(domain_abi_init(&fix->d, &err), 0);
    console_len = 0;
    return 0;
}

int setup_one_vcpu(void **state)
{
    return setup(1);
}

int setup_four_vcpus(void **state)
{
    return setup(4);
}

int teardown(void **state)
{
    domain_abi_done(&fix->d);
    ram_done(&fix->d.ram);
    close(fix->d.wake_fd);
    free(fix->run);
    free(fix);
    fix = NULL;
    return 0;
}
