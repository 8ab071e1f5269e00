/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fake_env.h - an engine for tests of cpu/pv: a few frames of guest memory, one set of page
 * tables, and a record of what the code under test asked for.
 *
 * Frame f is mapped at KVA(f) for every f, writable but for FRAME_RO, not at all for
 * FRAME_HOLE. Frame 1 is the L4, then L3, L2, L1 (which maps them all).
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "cpu/env.h"
#include "cpu/pv/abi.h"
#include "cpu/pv/evtchn.h"

#define NR_FRAMES 64
#define FRAME_L4 1
#define FRAME_L3 2
#define FRAME_L2 3
#define FRAME_L1 4
#define FRAME_INFO 5
#define FRAME_SHARED 6
#define FRAME_USER_L4 7
#define FRAME_STACK 8
#define FRAME_USTACK 9 /* where stack_switch points */
#define FRAME_ARGS 10  /* and the next three */
#define FRAME_DATA 16
#define FRAME_HOLE 20
#define FRAME_RO 21
#define FRAME_GDT 22
#define FRAME_LDT 23

#define KBASE 0xffffffff80000000ull
#define KVA(f) (KBASE + (uint64_t)(f)*PAGE_SIZE)
#define ARGS KVA(FRAME_ARGS)
#define TEXT 0xffffffff81000100ull
#define USER_TEXT 0x401000ull
#define HANDLER 0xffffffff81200000ull

struct fake {
    uint8_t ram[NR_FRAMES][PAGE_SIZE] __attribute__((aligned(4096)));
    uint64_t m2p[NR_FRAMES];
    unsigned int pin_level[NR_FRAMES];
    enum looked looked[NR_FRAMES];
    unsigned int frames_named;       /* env_frame() calls */
    unsigned int written[NR_FRAMES]; /* env_frame_written() calls */
    unsigned int flushes, invlpgs, pins, unpins, relaxes, timer_raises, logs;
    gva_t last_invlpg;
    mfn_t cr3, user_cr3;
    uint64_t now, timer;

    unsigned int kicks[8];                  /* env_kick_vcpu() calls */
    uint64_t flushed_others, invlpg_others; /* masks of the last calls */

    bool kicked;
    unsigned int waits;
    uint64_t wait_deadline;          /* of the last env_wait */
    void (*on_wait)(struct vcpu *v); /* what happens meanwhile */
    void (*on_raise)(struct vcpu *v);

    unsigned int domain_calls;
    uint64_t domain_nr, domain_args[5];
    int64_t domain_ret;

    bool have_evtchn;
    struct evtchn_shared sh;

    jmp_buf crash;
    bool crash_expected;
    char crash_text[256];
};

extern struct fake fake;
extern struct vcpu vcpu;

/* cmocka setup: fresh memory, a vCPU in kernel mode at TEXT, events enabled. */
int fake_setup(void **state);
/* Put the vCPU into user mode at USER_TEXT. */
void fake_enter_user(void);

/* Guest memory at a kernel address (mapped or not). */
void *fake_at(gva_t va);
uint64_t fake_word(gva_t va);
struct vcpu_info *fake_info(void);

/* Call a hypercall as the guest would; returns rax. Repeats it while it asks to be continued
 * (rip rewound), at most `fake_max_continue` times. */
int64_t fake_hypercall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
extern unsigned int fake_continued; /* times the last call was continued */

/* The statement must end in env_domain_crash() with `text` in the reason. */
#define assert_crashes(statement, text)                                                            \
    do {                                                                                           \
        fake.crash_expected = true;                                                                \
        if (!setjmp(fake.crash)) {                                                                 \
            statement;                                                                             \
            fail_msg("no crash: %s", #statement);                                                  \
        }                                                                                          \
        fake.crash_expected = false;                                                               \
        assert_non_null(strstr(fake.crash_text, text));                                            \
    } while (0)
