/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * harness.h - a domain without an engine for the tests of src/domain: small memory, page
 * tables that map every frame once, and a recording fake of what the engine and the
 * console do.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "domain/domain.h"
#include "domain/evtchn.h"
#include "domain/gnttab.h"
#include "domain/hypercall.h"

#define PAGES 128     /* memory= */
#define MAX_PAGES 160 /* maxmem= */
#define DOMID 7

/* Frames with a job. The top ones lose their mapping by tests, not these. */
enum {
    FRAME_L4 = 1,
    FRAME_L3,
    FRAME_L2,
    FRAME_L1,
    FRAME_CONSOLE,
    FRAME_STORE,
    FRAME_ARG,
    FRAME_ARG2,
    FRAME_FREE
};

/* Guest address of a frame. */
#define VA(mfn) (0xffff888000000000ull + ((uint64_t)(mfn) << PAGE_SHIFT))
#define ARG VA(FRAME_ARG)
#define ARG2 VA(FRAME_ARG2)
#define BAD_VA 0xffffc00000000000ull

struct fixture {
    struct domain d;
    struct dom_shared shared;
    struct run *run; /* one for each vCPU */
    unsigned int kicks[DOMAIN_MAX_VCPUS];
    bool awake[DOMAIN_MAX_VCPUS];
    unsigned int vcpu;                   /* the caller of call() */
    unsigned int written[2 * MAX_PAGES]; /* how often a frame was said to be */
};

extern struct fixture *fix;
/* Text that reached the console. */
extern char console_text[4096];
extern size_t console_len;

int setup_one_vcpu(void **state);
int setup_four_vcpus(void **state);
int teardown(void **state);

void *frame(mfn_t mfn);
/* Copy to / from the argument page at ARG. */
void put_arg(const void *data, size_t size);
void get_arg(void *data, size_t size);
int64_t call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2);
/* Make frame's mapping read-only or absent. */
void set_mapping(mfn_t mfn, bool present, bool writable);

/* call() with an argument structure that is copied in and out. */
#define CALL_ARG(nr, cmd, argp)                                                                    \
    ({                                                                                             \
        int64_t rc_;                                                                               \
        put_arg(argp, sizeof(*(argp)));                                                            \
        rc_ = call(nr, cmd, ARG, 1);                                                               \
        get_arg(argp, sizeof(*(argp)));                                                            \
        rc_;                                                                                       \
    })
