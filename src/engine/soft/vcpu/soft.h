/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * soft.h - state of the software engine's vCPU process: the guest's registers plus the words
 * that translated code and the entry glue use by absolute address.
 *
 * The blob is linked below 2 GiB, so generated code reaches these by disp32 without a base
 * register and without touching flags. Offsets are known to entry.S (checked below).
 */
#pragma once

#include "cpu/vcpu.h"
#include "engine/soft/run.h"

/* Why translated code came back to C. */
enum soft_exit {
    SOFT_NONE,     /* look at events, go on at rip */
    SOFT_CHAIN,    /* arg = chain record: a direct jump to code not translated yet */
    SOFT_INDIRECT, /* target = guest pc of an indirect jump that missed */
    SOFT_EMULATE,  /* instruction at rip */
    SOFT_HYPERCALL,
    SOFT_FAULT,   /* soft.fault is to be delivered */
    SOFT_PAUSE,   /* the guest has spun for a while */
    SOFT_FPU,     /* SIMD code at rip, but the FPU is not usable */
    SOFT_SYSCALL, /* a program's; rip is behind it */
    SOFT_TIRED,   /* a program has used up soft.budget */
};

struct soft {
    uint64_t rcx;      /* 0: rcx while an indirect target is looked up, or the FPU test */
    uint64_t scratch;  /* 8: the register that a rewritten instruction borrows */
    uint64_t scratch2; /* 16 */
    uint64_t target;   /* 24: guest pc of an indirect jump */
    uint64_t jump;     /* 32: host address to enter at */
    uint64_t host_rsp; /* 40: C stack */
    uint64_t reason;   /* 48: enum soft_exit */
    uint64_t arg;      /* 56 */
    uint64_t ea;       /* 64: guest address of a resolved access */
    uint64_t ea_info;  /* 72: size - 1 | write << 16 */
    uint64_t ea_host;  /* 80: where it is */
    uint64_t ea_ret;   /* 88: host pc to go on at */
    uint64_t save[4];  /* 96: registers of the fast resolver */
    uint64_t fs_base;  /* 128: guest gs_base + KERNEL_OFFSET, loaded at entry */

    uint32_t fpu_usable;   /* 136: the FPU state is here and CR0.TS is clear; set at entry */
    uint32_t bases_usable; /* CR4.FSGSBASE is set; set at entry */

    uint64_t pauses; /* 144: `pause` instructions until SOFT_PAUSE, with several vCPUs */

    uint64_t rsp_offset; /* 152: host form of rsp - guest's; KERNEL_OFFSET, in programs 0 */
    uint64_t asid;       /* 160: of the program in local_tlb[], below the page size */
    uint64_t minus_tag;  /* 168: the same in local_jump_tag[], shifted and negated */
    uint64_t budget;     /* 176: jumps that a program may do until SOFT_TIRED */

    /* C only */
    uint64_t fs_loaded;
    uint64_t running; /* host pc in the cache that a signal interrupted, 0 in C code */
    uint32_t kicked;  /* a signal came: look at events before running guest code */
    uint32_t away;    /* V sleeps, and looks at everything when it wakes */
    struct fault fault;
};

extern struct vcpu vcpu;
extern struct soft soft;
extern struct run *const run;
extern struct dom_shared *const shared;

/* entry.S: run translated code at soft.jump until it exits. */
void soft_enter(void);
extern const char soft_exit_common[], soft_exit_fault[], soft_resolve[];

_Static_assert(offsetof(struct soft, ea_ret) == 88 && offsetof(struct soft, fs_base) == 128 &&
                   offsetof(struct soft, rsp_offset) == 152 && offsetof(struct soft, budget) == 176,
               "entry.S");
