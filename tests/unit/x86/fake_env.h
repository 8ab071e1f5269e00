/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fake_env.h - guest memory for the emulator's tests: a window of pages whose guest addresses
 * are the test program's own (so the same registers work natively and emulated), but whose
 * emulated content lies in other pages, in shuffled order. Built like the vCPU process,
 * without SIMD, so that vector registers survive.
 */
#pragma once

#include "cpu/env.h"
#include "engine/soft/vcpu/emulate.h"

#define ARENA 0x70000000ul
#define ARENA_PAGES 8ul
#define ARENA_SIZE (ARENA_PAGES * PAGE_SIZE)
#define FAKE_FRAMES 4

/* Content of guest page ARENA + i * PAGE_SIZE is in fake_page(i). */
extern bool fake_present[ARENA_PAGES], fake_writable[ARENA_PAGES];
extern uint8_t fake_frames[FAKE_FRAMES][PAGE_SIZE];
extern unsigned int fake_logs;

uint8_t *fake_page(unsigned int i);
void fake_reset(void);
/* Copy the whole arena's emulated content. */
void fake_set(const uint8_t *from);
void fake_get(uint8_t *to);

/* emulate() with the FPU state of `area` (XSAVE format, standard) before and after. */
enum emulate_result fake_emulate_fpu(struct vcpu *v, const struct insn *in, const uint8_t *bytes,
                                     struct fault *f, void *area, uint64_t mask);

/* Execute the code at `code` on the FPU state of `area`. */
void fake_native_fpu(void (*code)(void), void *area, uint64_t mask);
