/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stub_layout.h - the address plan of a stub process S and the pages it shares with the vCPU
 * process V. Included by assembly and by the linker script.
 *
 *   code    r-x  private, from the sealed blob
 *   policy  r--  private, made by the zygote: seccomp programs
 *   Q       r--  shared, V writes: what S is asked to do
 *   R       r--  shared: proofs. S has a descriptor of it, so that the only way to change it is
 *                the host kernel's store in a pwrite() that the policy allows at one place
 *   X       rw-  shared: registers, FPU image, signal stack. What S says; V believes none of it
 *
 * All this is at STUB_LOW, and in stubs of another kind at STUB_ASIDE, for programs that have
 * something of their own at STUB_LOW. The names below are those of the low kind; assembly that is
 * made for the other one says so by STUB_BASE.
 *
 * The policy lets nothing be mapped below STUB_END, or between STUB_GUARD and the end of a stub
 * that is aside. All else belongs to the guest program, but V takes two more windows while nobody
 * else wants them: see PATCH_TRAMP. STUB_LOW is the lowest address that hosts allow
 * (vm.mmap_min_addr): kernels without a high half are linked from 1 MiB.
 */
#pragma once

#define STUB_LOW 0x10000
#define STUB_ASIDE 0x3ff80000
#define STUB_GUARD 0x3fe80000
#define STUB_GUARD_SIZE (STUB_ASIDE - STUB_GUARD) /* no change of memory below it is larger */
#ifndef STUB_BASE
#define STUB_BASE STUB_LOW
#endif

#define STUB_CODE STUB_BASE
#define STUB_CODE_SIZE 0x6000
#define STUB_FAST_ENTRY                                                                            \
    (STUB_BASE + 0x40) /* where patched system call sites arrive; see stub.lds */

/* System calls that are allowed at one place only, by the address behind them. A program may
 * jump here, too; what follows in entry.S does not depend on where it came from. */
#define STUB_GATE_PROVE (STUB_BASE + 0x200)
#define STUB_GATE_WAIT (STUB_BASE + 0x210)
#define STUB_GATE_MAP (STUB_BASE + 0x220)
#define STUB_GATE_UNMAP (STUB_BASE + 0x230)
#define STUB_GATE_TSC (STUB_BASE + 0x240)
#define STUB_GATE_LDT (STUB_BASE + 0x250)
#define STUB_GATE_DIE (STUB_BASE + 0x260)
#define STUB_GATE_LEN 2 /* of the instruction */
#define STUB_POLICY (STUB_BASE + 0x6000)
#define STUB_Q (STUB_BASE + 0x7000)
#define STUB_R (STUB_BASE + 0x8000)
#define STUB_X (STUB_BASE + 0x9000)
#define STUB_FPU (STUB_BASE + 0xa000) /* XSAVE image, in X */
#define STUB_ALT (STUB_BASE + 0xb000) /* signal stack, in X */
#define STUB_ALT_SIZE 0xf000
#define STUB_X_SIZE 0x12000 /* one spare page behind the signal stack */
#define STUB_END (STUB_BASE + 0x1b000)

/* From the names to a stub that is aside. */
#define STUB_ASIDE_BY (STUB_ASIDE - STUB_LOW)

/* Stack pointer while stopped. The frame of the signal that stopped the guest program is above
 * it, at the top, and stays intact; frames of kicks that arrive meanwhile go below. A signal
 * frame with AVX-512 takes 3.6 KiB. */
#define STUB_SERVE_SP (STUB_ALT + 0x8000)

/* Highest address a guest program may use, exclusive. */
#define STUB_USER_END 0x7ffffffff000

/* Trampolines of patched system call sites, and the pointer table through which a site reaches
 * them. The table's address is chosen so that the upper half of a disp32 that points into it
 * reads 0f 05, which is `syscall` again. Both are frames of the engine's private part of guest
 * memory, mapped like any frame. A program that needs the addresses itself gets them, and
 * is not patched. */
#define PATCH_TRAMP 0x120000
#define PATCH_TRAMP_SIZE 0x4000
#define PATCH_TABLE 0x050f0000
#define PATCH_TABLE_SIZE 0x2000

/* Descriptors of the zygote, from 0 without a gap so that new ones get the next number; S keeps RAM
 * and R. */
#define STUB_FD_RAM 0
#define STUB_FD_SOCK 1
#define STUB_FD_R 2
#define STUB_FD_Q 3
#define STUB_FD_X 4

/* Offsets in Q. */
#define Q_GO 0    /* u64: number of the current run; changes when S is to go on. Starts with 1 */
#define Q_ASK 8   /* u64: number of the run that V wants the end of proven */
#define Q_SEEN 16 /* u64: number of the run whose end V has seen */
#define Q_SPIN                                                                                     \
    24              /* TSC ticks that S may spin before it sleeps, while V works for it; 0 = never \
                     */
#define Q_NOTICE 28 /* the same until V has seen the stop */
#define Q_WAKE 32   /* the same when V had to be woken */
#define Q_HWAIT 36  /* V sleeps on X.turn */
#define Q_RWAIT 40  /* V sleeps on R */
#define Q_NOPS 44   /* operations to be carried out on the next change of Q.go */
#define Q_STAY 48   /* STUB_STAY_*: stop again after them */
#define Q_TSC 52    /* STUB_TSC_*: may the program read the time stamp counter? */
#define Q_BLIND 56  /* S may not either: the counter traps, or did until the present run began */
#define Q_CPUS 64   /* CPUs that S may run on, for STUB_OP_PLACE */
#define Q_CPUS_SIZE 128
#define Q_OPS 256
#define Q_MAX_OPS 120

/* PR_TSC_ENABLE, PR_TSC_SIGSEGV */
#define STUB_TSC_READ 1
#define STUB_TSC_TRAP 2

#define STUB_STAY_KEEP 1
#define STUB_STAY_RESET 2 /* and forget the program's selectors */

/* Offsets in X. */
#define X_TURN 0 /* 1 = S has stopped (it says) */
#define X_WHY 4
#define X_KICK 8   /* a kick came while S was in its own code */
#define X_SLEEP 12 /* S sleeps on Q.go (it says) */
#define X_LIVE 16  /* FPU image is also in the registers */
#define X_MODE 20  /* V to S: STUB_MODE_* */
#define X_ARCH 24
#define X_TRAPNO 28
#define X_GO 32 /* u64: Q.go at the stop */
#define X_ERR 40
#define X_ADDR 48
#define X_FPU_AT 56 /* where the FPU image is */
#define X_ACK 64    /* u64: number of the run whose beginning S has seen */
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

#define STUB_MODE_IRET 1 /* not plain 64-bit code with plain flags */
#define STUB_MODE_SEGS 2 /* load ds es fs gs */

/* X.why: a signal number, or: */
#define STUB_WHY_FAST 100 /* patched system call site; rcx = its slot */
#define STUB_WHY_START 101
#define STUB_WHY_FAILED 102 /* an operation could not be carried out; the program did not run */

#define STUB_OP_MAP 1
#define STUB_OP_UNMAP 2
#define STUB_OP_PLACE 3 /* run on Q.cpus from now on */
#define STUB_OP_TLS 4   /* thread-local segment: addr and len are a struct user_desc */
#define STUB_OP_TSC 5   /* make it so that Q.tsc holds */
#define STUB_OP_LDT 6   /* entry of the LDT: addr and len are a struct user_desc */

/* The host's entries for them in the GDT, which are Linux' own numbers in the guest, too. */
#define STUB_TLS_FIRST 12
#define STUB_TLS_ENTRIES 3
#define STUB_IA32_SET_THREAD_AREA 243 /* number of the 32-bit call */
#define STUB_USER_DESC_SIZE 16
#define STUB_LDT_WRITE 0x11 /* modify_ldt()'s first argument */
#define STUB_LDT_ENTRIES 8192

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
    uint64_t go, ask, seen;
    uint32_t spin, notice, wake, hwait, rwait, nops, stay, tsc, blind;
    uint32_t pad0[1];
    uint8_t cpus[Q_CPUS_SIZE];
    uint32_t pad1[16];
    struct stub_op ops[Q_MAX_OPS];
};

struct stub_regs {
    uint64_t gpr[16]; /* encoding order; [RSP] is unused, see rsp */
    uint64_t rip, cs, rflags, rsp, ss;
    uint64_t fs_base, gs_base;
    uint16_t ds, es, fs, gs;
};

struct stub_x {
    uint32_t turn, why, kick, sleep, live, mode, arch, trapno;
    uint64_t go, err, addr, fpu_at, ack;
    uint64_t pad1[7];
    struct stub_regs regs;
    uint8_t pad2[STUB_FPU - STUB_X - X_DS - 8];
    uint8_t fpu[4096];
    uint8_t stack[STUB_X_SIZE - 0x2000];
};

/* What V asks the zygote for, a byte. */
#define STUB_WANT_LOW 0
#define STUB_WANT_ASIDE 1

/* What the zygote tells V about a new stub, with descriptors Q, R, X and its pidfd; or pid = 0
 * and no descriptors: too many are alive. */
struct stub_hello {
    uint32_t pid;
    uint32_t want; /* STUB_WANT_*, the answer to which this is */
};

#define STUB_HELLO_FDS 4
#define STUB_MAX 64              /* stubs alive per zygote */
#define STUB_SLOT_SIZE 0x20000ul /* V maps Q, R, X of stub i at V_STUBS + i * this */

_Static_assert(sizeof(struct stub_q) == 4096, "Q is one page");
_Static_assert(offsetof(struct stub_q, spin) == Q_SPIN, "asm");
_Static_assert(offsetof(struct stub_q, stay) == Q_STAY, "asm");
_Static_assert(offsetof(struct stub_q, blind) == Q_BLIND, "asm");
_Static_assert(offsetof(struct stub_q, cpus) == Q_CPUS, "asm");
_Static_assert(offsetof(struct stub_q, ops) == Q_OPS, "asm");
_Static_assert(offsetof(struct stub_x, trapno) == X_TRAPNO, "asm");
_Static_assert(offsetof(struct stub_x, go) == X_GO, "asm");
_Static_assert(offsetof(struct stub_x, ack) == X_ACK, "asm");
_Static_assert(offsetof(struct stub_x, fpu_at) == X_FPU_AT, "asm");
_Static_assert(offsetof(struct stub_x, regs) == X_GPR, "asm");
_Static_assert(offsetof(struct stub_x, regs.rip) == X_RIP, "asm");
_Static_assert(offsetof(struct stub_x, regs.gs) == X_GS, "asm");
_Static_assert(offsetof(struct stub_x, fpu) == STUB_FPU - STUB_X, "asm");
_Static_assert(sizeof(struct stub_x) == STUB_X_SIZE, "asm");
#endif
