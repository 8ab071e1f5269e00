/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * local_rewrite.h - host code for one instruction of a program that V runs itself (local.h): its
 * registers are the host's, rsp included, and every access to memory looks its page up in
 * local_tlb first. So the program reaches what its own page tables give it, and nothing else.
 */
#pragma once

#include "engine/soft/vcpu/cache.h"
#include "engine/soft/x86/insn.h"

/* Emit code for the instruction at pc. False: it is not one for translated code (nothing was
 * emitted). */
bool local_rewrite(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                   struct cache_insn *record);

/* Control flow. Push `next`; load where an indirect jump or call goes to, or the return address,
 * into rcx, the program's being in soft.rcx. False as above. */
void local_push_next(uint64_t next, struct cache_insn *record);
bool local_load_target(const struct insn *in, uint64_t pc, struct cache_insn *record);
void local_pop_target(const struct insn *in, struct cache_insn *record);
