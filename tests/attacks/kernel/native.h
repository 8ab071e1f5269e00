/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * native.h - the part of a hostile kernel, or of a kernel's module, that runs natively in its vCPU
 * process, outside translated code: it can do whatever that process can.
 */
#pragma once

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

/* Of the engine's address plan (src/engine/soft/layout.h), as the guest kernel sees it. */
#define GUEST_VIEW(host) (0xffff880000000000ul + (host))
#define V_TEXT_AT 0x10000000ul
#define V_RUN_AT 0x1e000000ul
#define V_SHARED_AT 0x1e100000ul
#define V_CACHE_AT 0x20000000ul
#define V_META_AT 0x500000000ul
#define V_M2P_WRITE_AT 0x700000000ul
#define NATIVE_AT 0x27f00000ul /* in the code cache, far behind what is in use */
#define MISS_STUB_SIZE 32

enum native_job {
    NATIVE_SYSCALL, /* arg[0] = number, arg[1..6]; ret */
    NATIVE_REPEAT,  /* the same arg[7] times */
    NATIVE_SPIN,    /* block the signals that can be blocked and never return */
    NATIVE_EXITS,   /* arg[0] exits with forged run pages, for reason arg[1] if that is set */
};

struct native_params {
    uint64_t job;
    uint64_t arg[8];
    uint64_t ret;
    uint8_t miss_stub[MISS_STUB_SIZE]; /* what the way in overwrote */
};

extern uint8_t native_start[], native_end[], native_entry[];
extern struct native_params native_params;
