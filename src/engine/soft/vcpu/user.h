/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user.h - guest user mode: runs user code natively in a stub process (S), one per address
 * space, whose memory map follows the guest's page tables.
 *
 * Everything that comes back from a stub is a guest program's claim, never truth:
 * registers are copied once and sanitised, fault addresses and error codes are recomputed
 * from the page tables.
 */
#pragma once

#include "cpu/env.h"

enum user_stop {
    USER_SYSCALL,   /* 64-bit `syscall`: rcx = rip = next instruction, r11 = rflags */
    USER_SYSCALL32, /* `syscall` of 32-bit code; rip is behind it */
    USER_SYSENTER,  /* the same */
    USER_FAULT,     /* *ret_fault is to be delivered to the guest kernel; rip is set */
    USER_EVENT,     /* kicked: an event, a timer or a request of D may be pending */
};

/* Take over the zygote's pool. Called once, before the jail closes. */
int user_init(void);

/* Is there a place for a stub in v's user address space, and no page there that it could not map?
 */
bool user_has_place(const struct vcpu *v);

/* Can a stub execute what is at v->rip, even so? */
bool user_can_begin(const struct vcpu *v);

/* Run user code from v's registers (v->user_mode, v->cr3_user) until it stops. Returns with
 * all registers, rflags, fs_base, gs_base (the active one = user's) and selectors in v.
 * Page faults that the page tables allow are resolved inside. Where user_has_place() is false, the
 * program gets #GP for what it has where the stub is. */
enum user_stop user_run(struct vcpu *v, struct fault *ret_fault);

/* TLB duties, by page-table root. flush: every mapping of the address space whose entry
 * changed is gone from the stub (or from what it will see before it next runs). */
void user_flush(mfn_t root);
void user_invlpg(mfn_t root, gva_t va);
/* The guest kernel loads this user root (INVALID_MFN or 0: none). On return no program of
 * another address space runs any more, whatever its stub says. */
void user_set_root(mfn_t root);
/* No program runs in a stub after this, until user_run(). */
void user_leave(void);
/* The root was unpinned: its stub may be recycled. */
void user_release(mfn_t root);

/* A frame with FRAME_PATCHED is about to be written: drop the patched copy everywhere. */
void user_frame_written(mfn_t mfn);

/* Another vCPU watches the frame: programs that want to write to it have to ask first, from when
 * they next run. */
void user_guard_frame(mfn_t mfn);

/* For watchpoints of code that cannot be decoded: take the page of va away from the program, so
 * that its first access there in the next run is seen; then what was seen. */
#define USER_WATCH_MAX 4
struct user_access {
    gva_t va;
    bool write;
};
void user_watch(struct vcpu *v, gva_t va);
unsigned int user_watch_end(struct user_access ret[USER_WATCH_MAX]);

/* Async-signal-safe; from the timer/kick signal handler: if user_run waits for a stub, make
 * it stop (it then returns USER_EVENT). True: it does, and need not be told again. */
bool user_kick(void);

/* FPU ownership. After user_run the vCPU's FPU state is in the stub. user_fpu_import loads
 * it into this process's registers (before kernel code uses SIMD or XSAVE is emulated); it
 * then lives here until the next user_run, which takes it back into the stub. No-op if
 * it is here already. */
void user_fpu_import(void);
extern uint32_t user_fpu_here; /* 1: V's own registers hold the vCPU's FPU state */

/* Counters for run->stats. */
struct user_stats {
    uint64_t runs, syscalls_trap, syscalls_fast, faults, maps, unmaps, kicks, patches, spawns,
        recycles, batches, ops, lost;
};
extern struct user_stats user_stats;
