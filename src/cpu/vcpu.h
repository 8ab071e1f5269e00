/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpu.h - one virtual CPU's architectural state, in guest terms. Freestanding.
 *
 * Engine-neutral: nothing in here knows how guest code is executed. All register values are
 * the guest's own (the software engine converts rsp when it enters and leaves translated
 * code). Offsets of gpr, rip and rflags are known to assembly; see soft/vcpu/entry.S.
 */
#pragma once

#include "base/types.h"
#include "cpu/pv/pv_vcpu.h"

/* Encoding order of the instruction set. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

#define EFLAGS_CF 0x1u
#define EFLAGS_ZF 0x40u
#define EFLAGS_TF 0x100u
#define EFLAGS_IF 0x200u
#define EFLAGS_DF 0x400u
#define EFLAGS_IOPL 0x3000u
#define EFLAGS_NT 0x4000u
#define EFLAGS_RF 0x10000u
#define EFLAGS_VM 0x20000u
#define EFLAGS_AC 0x40000u
#define EFLAGS_ARITH 0x8d5u /* carry, parity, adjust, zero, sign, overflow */
/* What a ring-3 context may carry: arithmetic flags, TF, DF, NT, RF, AC, ID. */
#define EFLAGS_USER 0x254dd5ull

/* clang-format off */
enum vector {
    VEC_DE = 0, VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_OF = 4, VEC_BR = 5, VEC_UD = 6,
    VEC_NM = 7, VEC_DF = 8, VEC_TS = 10, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13, VEC_PF = 14,
    VEC_MF = 16, VEC_AC = 17, VEC_XM = 19,
};
/* clang-format on */

/* #PF error code bits. */
#define PF_P 1u
#define PF_W 2u
#define PF_U 4u
#define PF_I 16u

/* An exception to be delivered. rip in struct vcpu is already what the frame must show. */
struct fault {
    uint8_t vector;
    bool has_error;
    uint32_t error;
    gva_t cr2; /* #PF only */
};

struct vcpu {
    uint64_t gpr[16];       /* 0 */
    uint64_t rip;           /* 128 */
    uint64_t rflags;        /* 136 */
    uint64_t fs_base;       /* one, shared by guest kernel and user */
    uint64_t gs_base;       /* active now */
    uint64_t gs_base_other; /* the inactive one: user's in kernel mode, kernel's in user mode */
    uint16_t cs, ss, ds, es, fs, gs; /* selectors as the guest sees them (with RPL 3) */
    bool user_mode;   /* guest user (true) or guest kernel: hypervisor state, not CS */
    mfn_t cr3_kernel; /* page table roots; INVALID_MFN = none */
    mfn_t cr3_user;
    uint64_t cr2; /* last #PF address */
    uint64_t cr4; /* guest-owned bits only */
    uint64_t xcr0;
    bool cr0_ts;
    bool automatic_ibrs; /* EFER.AIBRSE; without effect */
    bool resumed;        /* starts in the middle of its life: from a saved domain */
    uint64_t dr[8];
    uint32_t tsc_aux;
    uint32_t id; /* vcpu number, 0-based */
    struct pv_vcpu pv;
};

_Static_assert(offsetof(struct vcpu, rip) == 128, "entry.S");
_Static_assert(offsetof(struct vcpu, rflags) == 136, "entry.S");
