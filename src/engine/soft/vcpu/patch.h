/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * patch.h - system call sites that are used often are made to jump to the stub instead of
 * trapping: 0.8 us instead of 2.5. The guest's memory is not touched; stubs get a patched copy
 * of the page, which lives in the engine's private frames.
 *
 * Form A, `mov eax, imm32; syscall` (b8 .. 0f 05): becomes `jmp [table]` in 7 bytes of which
 * the last two are still `0f 05`, so that a jump to the syscall instruction itself, such as a
 * restarted call, works. Form B, `syscall; cmp rax, imm32` (0f 05 48 3d ..): the jump covers
 * the compare, which V does on the way back.
 *
 * A copy belongs to a (frame, address), as do the slots of the sites in it.
 */
#pragma once

#include "engine/soft/vcpu/user_tlb.h"

/* Take this vCPU's share of the private frames; later calls do nothing. */
void patch_init(uint32_t vcpu_id);

/* System call nr trapped; rip is after the instruction. May patch the site. */
void patch_note_trap(struct space *sp, gva_t rip, uint64_t nr);

/* A stub is about to execute from a frame that has no FRAME_LOOKED_AT: make a copy of it if it has
 * code in it that shows programs what is the host's (see patch.c). */
void patch_look_at(mfn_t frame, gva_t va);

/* Does the patched copy need trampolines and table to be mapped? */
bool patch_wants_windows(mfn_t frame, gva_t va);

/* Is there a patched copy of `frame` for page va that still matches it? Then it is in use
 * once more, and *ret_offset is where it is in guest memory. */
bool patch_ref(mfn_t frame, gva_t va, uint64_t *ret_offset);
void patch_unref(mfn_t frame, gva_t va);

/* A stub stopped at fast_entry, with a slot's number in rcx: v is then as behind the system call
 * instruction there, but for what that does to rcx and r11. False: the program made it up. */
bool patch_arrive(struct vcpu *v, const struct space *sp);
/* Where to enter a stub so that it goes on at v->rip: elsewhere if that is behind a patched system
 * call, and with other flags then. */
gva_t patch_rip_enter(const struct vcpu *v, const struct space *sp, uint64_t *rflags);
/* Guest rip of a stub that stopped at rip, perhaps in a trampoline. */
gva_t patch_rip_leave(const struct space *sp, gva_t rip);
/* The frame changes: its copies are void. */
void patch_drop_frame(mfn_t frame);

/* Offsets in guest memory of what is mapped at PATCH_TRAMP and PATCH_TABLE. */
uint64_t patch_tramp_offset(void);
uint64_t patch_table_offset(void);
