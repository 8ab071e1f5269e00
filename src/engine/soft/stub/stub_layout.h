/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stub_layout.h - the address plan of a stub process S and its mapper M, and the pages they
 * share with the vCPU process V. Included by assembly and by the linker script.
 *
 *   code    r-x  private, from the sealed blob: stub, mapper
 *   policy  r--  private, made by the zygote: seccomp programs
 *   Q       r--  shared, V writes: what S and M are asked to do
 *   R       r--  shared: acknowledgements. Only M holds a descriptor of it, so that the only
 *                way to change it is the kernel's store in M's pwrite(): S cannot forge one
 *   X       rw-  shared: registers, FPU image, signal stack. What S says; V believes none of it
 *
 * M refuses to map anything over [STUB_BASE, STUB_END). All else belongs to the guest program,
 * but V takes two more windows while nobody else wants them: see PATCH_TRAMP.
 */
#pragma once

#define STUB_BASE 0x100000
#define STUB_CODE 0x100000
#define STUB_CODE_SIZE 0x6000
#define STUB_FAST_ENTRY 0x100040 /* where patched system call sites arrive; see stub.lds */
#define STUB_POLICY 0x106000
#define STUB_Q 0x107000
#define STUB_R 0x108000
#define STUB_X 0x109000
#define STUB_FPU 0x10a000 /* XSAVE image, in X */
#define STUB_ALT 0x10b000 /* signal stack, in X */
#define STUB_ALT_SIZE 0xf000
#define STUB_X_SIZE 0x12000 /* one spare page behind the signal stack */
#define STUB_END 0x11b000

/* Stack pointer while stopped. The frame of the signal that stopped the guest program is above
 * it, at the top, and stays intact; frames of kicks that arrive meanwhile go below. A signal
 * frame with AVX-512 takes 3.6 KiB. */
#define STUB_SERVE_SP (STUB_ALT + 0x8000)

/* Highest address a guest program may use, exclusive. */
#define STUB_USER_END 0x7ffffffff000

/* Trampolines of patched system call sites, and the pointer table through which a site reaches
 * them. The table's address is chosen so that the upper half of a disp32 that points into it
 * reads 0f 05, which is `syscall` again. Both are frames of the engine's private part of guest
 * memory, mapped by M like any frame. A program that needs the addresses itself gets them, and
 * is not patched. */
#define PATCH_TRAMP 0x120000
#define PATCH_TRAMP_SIZE 0x10000
#define PATCH_TABLE 0x050f0000
#define PATCH_TABLE_SIZE 0x2000

/* Descriptors of the zygote, from 0 without a gap so that new ones get the next number; M keeps RAM
 * and R, S keeps none. */
#define STUB_FD_RAM 0
#define STUB_FD_SOCK 1
#define STUB_FD_R 2
#define STUB_FD_Q 3
#define STUB_FD_X 4

/* Offsets in Q. */
#define Q_SEQ 0 /* V to M: number of the current batch */
#define Q_NOPS 4
#define Q_VWAIT 8  /* V sleeps on R */
#define Q_WAKE 16  /* V to M: wake S when done */
#define Q_ERR 12   /* what M answers in place of SEQ when an operation failed */
#define Q_GO 64    /* V to S: changes when S is to run */
#define Q_SPIN 68  /* TSC ticks that S may spin after a system call before it sleeps */
#define Q_HWAIT 72 /* V sleeps on X.turn */
#define Q_RESET 76 /* S is being taken away from its program: a kick always stops it */
#define Q_OPS 256
#define Q_MAX_OPS 120

/* Offsets in X. */
#define X_TURN 0 /* 1 = S has stopped (it says) */
#define X_WHY 4
#define X_PHASE 8
#define X_GO 12    /* Q.go at the stop */
#define X_SLEEP 16 /* S sleeps on Q.go (it says) */
#define X_LIVE 20  /* FPU image is also in the registers */
#define X_MODE 24  /* V to S: STUB_MODE_* */
#define X_ARCH 28
#define X_TRAPNO 32
#define X_ERR 40
#define X_ADDR 48
#define X_FPU_AT 56 /* where the FPU image is */
#define X_GPR 128
#define X_RIP 256 /* from here on: an IRETQ frame */
#define X_CS 264
#define X_RFLAGS 272
#define X_RSP 280
#define X_SS 288
#define X_FSBASE 296
#define X_GSBASE 304
#define X_DS 312
#define X_ES 314
#define X_FS 316
#define X_GS 318

/* X.phase. A kick that hits stub code looks at it: entering = let it go on, it will stop;
 * stopped = nothing to do unless V has released it; released = roll back to the stop. */
#define STUB_ENTERING 0
#define STUB_RELEASED 1
#define STUB_STOPPED 2

#define STUB_MODE_IRET 1 /* not plain 64-bit code with plain flags */
#define STUB_MODE_SEGS 2 /* load ds es fs gs */

/* X.why: a signal number, or: */
#define STUB_WHY_FAST 100 /* patched system call site */
#define STUB_WHY_START 101

#define STUB_OP_MAP 1
#define STUB_OP_UNMAP 2

/* FPU components that S and V save and load: x87, SSE, AVX, AVX-512. Not PKRU, which would
 * lock the stub out of its own pages. */
#define STUB_XFEATURES 0xe7
#define STUB_FPU_SIZE 2752 /* standard format, rounded up to 64 */

#ifndef __ASSEMBLER__
#include "base/types.h"

struct stub_op {
    uint32_t op;
    uint32_t prot;
    uint64_t addr, len, off;
};

struct stub_q {
    uint32_t seq, nops, vwait, err, wake;
    uint32_t pad0[11];
    uint32_t go, spin, hwait, reset;
    uint32_t pad1[44];
    struct stub_op ops[Q_MAX_OPS];
};

struct stub_regs {
    uint64_t gpr[16]; /* encoding order; [RSP] is unused, see rsp */
    uint64_t rip, cs, rflags, rsp, ss;
    uint64_t fs_base, gs_base;
    uint16_t ds, es, fs, gs;
};

struct stub_x {
    uint32_t turn, why, phase, go, sleep, live, mode, arch;
    uint32_t trapno, pad0;
    uint64_t err, addr, fpu_at;
    uint64_t pad1[8];
    struct stub_regs regs;
    uint8_t pad2[STUB_FPU - STUB_X - X_DS - 8];
    uint8_t fpu[4096];
    uint8_t stack[STUB_X_SIZE - 0x2000];
};

/* What the zygote tells V about a new stub, with descriptors Q, R, X, pidfd S, pidfd M; or
 * pid_s = 0 and no descriptors: too many are alive. */
struct stub_hello {
    uint32_t pid_s, pid_m;
};

#define STUB_HELLO_FDS 5
#define STUB_MAX 64              /* stubs alive per zygote */
#define STUB_SLOT_SIZE 0x20000ul /* V maps Q, R, X of stub i at V_STUBS + i * this */

_Static_assert(sizeof(struct stub_q) == 4096, "Q is one page");
_Static_assert(offsetof(struct stub_q, wake) == Q_WAKE, "asm");
_Static_assert(offsetof(struct stub_q, go) == Q_GO, "asm");
_Static_assert(offsetof(struct stub_q, reset) == Q_RESET, "asm");
_Static_assert(offsetof(struct stub_q, ops) == Q_OPS, "asm");
_Static_assert(offsetof(struct stub_x, arch) == X_ARCH, "asm");
_Static_assert(offsetof(struct stub_x, fpu_at) == X_FPU_AT, "asm");
_Static_assert(offsetof(struct stub_x, regs) == X_GPR, "asm");
_Static_assert(offsetof(struct stub_x, regs.rip) == X_RIP, "asm");
_Static_assert(offsetof(struct stub_x, regs.gs) == X_GS, "asm");
_Static_assert(offsetof(struct stub_x, fpu) == STUB_FPU - STUB_X, "asm");
_Static_assert(sizeof(struct stub_x) == STUB_X_SIZE, "asm");
#endif
