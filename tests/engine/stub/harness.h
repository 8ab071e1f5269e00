/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * harness.h - a vCPU process's user side (src/engine/soft/vcpu/user*.c and below) linked into
 * an ordinary program: a zygote, a little guest memory with page tables, and helpers that run
 * snippets of guest code in stubs: low ones, or with STUB_BASE=STUB_ASIDE those. Prints TAP.
 */
#pragma once

#include "engine/soft/vcpu/patch.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/stubs.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/user_tlb.h"
#include "engine/soft/vcpu/walk.h"

#define GUEST_CODE 0x400000ul   /* guest.S is mapped here, read-execute */
#define GUEST_DATA 0x10000000ul /* GUEST_DATA_PAGES read-write pages */
#define GUEST_DATA_PAGES 64
#define GUEST_STACK (GUEST_DATA + 0x8000)
#define TLS_SELECTOR 0x63
#define TLS_BASE (GUEST_DATA + 0x2000)
#define FRAME_CODE_0 64 /* frames of guest.S */
#define FRAME_DATA_0 256

#define MAP_RX 0x5ul            /* P | US */
#define MAP_RW (0x7ul | PTE_NX) /* P | RW | US */
#define MAP_RO (0x5ul | PTE_NX)

/* Stubs that are aside patch nothing. */
#define PATCHED(cond) (STUB_BASE == STUB_ASIDE ? !(cond) : (cond))

extern const uint8_t guest_start[], guest_end[];
/* Guest address of a label of guest.S. */
#define AT(label) (GUEST_CODE + (gva_t)((const uint8_t *)(label)-guest_start))

/* Zygote, memory, one address space (root(0)); the vCPU starts there. */
void harness_init(void);
void harness_done(void);

/* A new address space with guest.S and data mapped; returns its root. Data frames are shared
 * by all. */
mfn_t space_make(void);
void page_map(mfn_t root, gva_t va, mfn_t frame, uint64_t flags);
void page_unmap(mfn_t root, gva_t va);
uint64_t *page_entry(mfn_t root, gva_t va);
/* Harness's view of the data pages. */
void *data(gva_t va);

/* Run user code at rip with a fresh stack pointer and flags; registers as in vcpu. Page faults
 * are resolved inside user_run; spurious events are run over unless want_event. */
enum user_stop go(gva_t rip);
enum user_stop resume(void);
/* user_run once: may return USER_EVENT. */
enum user_stop resume_once(void);
extern struct fault fault;
extern uint32_t frames_protected;

/* Kick the running stub after so many microseconds (signal handler context). */
void kick_after(unsigned int us);
/* The same, again and again; 0 ends it. */
void kick_every(unsigned int us);

/* TAP. */
bool ok(bool cond, const char *fmt, ...) PRINTF_FMT(2, 3);
int finish(void);
uint64_t now_us(void);
/* Address of a symbol of the stub's code. */
uint64_t stub_symbol(const char *name);
