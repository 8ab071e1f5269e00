/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * machine.h - the two machines of the differential test. Both run the same bytes from the
 * same registers and memory: the guest one through the translator, the native one on the
 * CPU itself, in a twin window whose addresses differ from the guest's by NATIVE_DELTA.
 *
 * The low 32 bits of all window addresses are equal on both sides, so code and arithmetic of
 * up to 32 bits see no difference, and a 64-bit pointer is recognised by its difference.
 * "User" pages are at the same address on both sides: in the lower half of the guest's page
 * tables, where translated code reaches them only through the resolver.
 */
#pragma once

#include "cpu/vcpu.h"

#define WINDOW 0xffffffff81000000ull /* guest address of the window */
#define NATIVE_DELTA 0x700000000000ull
#define USER 0x10000000000ull
#define LOW 0x0c000000ull /* user page below 4 GiB: for 32-bit addresses */

/* Pages of the window; the others below W_PAGES are unmapped. */
enum window_page {
    W_EXIT = 0, /* the end of every sequence: differs on the two sides */
    W_CODE = 1, /* two pages, writable and executable */
    W_DATA = 4, /* two pages of plain data */
    W_RO = 7,
    W_POINTERS = 9, /* 8-byte slots that hold pointers or data */
    W_STACK = 11,   /* two pages */
    W_PAGES = 14
};

#define CODE_SIZE (2 * PAGE_SIZE)
#define AT(page) ((uint64_t)(page) << PAGE_SHIFT)

/* User pages: data pages in the other order, a hole, the read-only page. */
enum user_page { U_DATA1, U_DATA0, U_HOLE, U_RO, U_PAGES };

#define FPU_SIZE 4096

/* What a run starts from. Addresses are the guest's; `windowed` tells which registers (and
 * gs_base, bit 16, fs_base, bit 17) move by NATIVE_DELTA for the native run. */
struct start {
    uint64_t gpr[16];
    uint64_t rip, rflags;
    uint64_t gs_base, fs_base;
    uint32_t windowed;
    uint8_t fpu[FPU_SIZE] __attribute__((aligned(64)));
    uint8_t code[CODE_SIZE];
    uint8_t page[W_PAGES][PAGE_SIZE]; /* W_DATA..; only the mapped ones matter */
};

enum stop { STOP_END, STOP_FAULT, STOP_UNSUPPORTED, STOP_CRASH, STOP_HANG };

struct result {
    enum stop stop;
    uint64_t gpr[16];
    uint64_t rip, rflags;
    struct fault fault;
    uint8_t fpu[FPU_SIZE] __attribute__((aligned(64)));
    uint8_t page[W_PAGES][PAGE_SIZE];
    char message[512]; /* STOP_CRASH, STOP_UNSUPPORTED */
};

/* How the translated run is made difficult. */
struct stress {
    bool marked;      /* every instruction takes the resolver's path */
    uint32_t stops;   /* of 256: how often a kick comes at an instruction boundary; 0 = never */
    bool stepped;     /* one instruction at a time: emulated, or translated alone */
    bool fpu_away;    /* the FPU state is "in a stub" at first */
    bool flush_cache; /* the code cache is nearly full */
    bool flush_tlb;
    uint64_t seed;
};

/* Create memory, page tables, the vCPU's tables and handlers. Exits on failure. */
void machine_init(void);
void machine_run_native(const struct start *s, struct result *r);
void machine_run_guest(const struct start *s, const struct stress *how, struct result *r);
/* As a program that V runs itself (local.h), where the native twin is. */
void machine_run_program(const struct start *s, const struct stress *how, struct result *r);

extern uint64_t machine_xcr0; /* FPU components that are compared */
extern uint64_t machine_kicks;
bool page_is_mapped(unsigned int window_page);

/* start.S */
struct native {
    uint64_t gpr[16];  /* 0 */
    uint64_t jump;     /* 128 */
    uint64_t rflags;   /* 136 */
    uint64_t host_rsp; /* 144 */
};

extern struct native native;
void native_enter(void);
extern const char native_exit[], native_leave[];
