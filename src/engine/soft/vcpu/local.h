/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * local.h - programs that V runs itself, translated, instead of handing over to a stub.
 *
 * A stub runs a program as fast as the CPU does, and costs two hand-overs for each system call,
 * fault and event. Translated code costs several times the program's own time and no hand-over.
 * So programs that stop all the time are better off here: choice.h measures who.
 *
 * A translated program reaches memory only through local_tlb, which holds what its own page
 * tables allow; local_rewrite.h. What translated code cannot do is done by the stub, where the
 * program goes on until it stops.
 */
#pragma once

#include "cpu/vcpu.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/vtlb.h"

/* tags: page address | asid. For entry.S and generated code. */
extern struct soft_tlb_entry local_tlb[256];

/* Where translations of the low 16 bits of a pc are entered, and what the whole pc is there, with
 * the address space in the upper 16. */
#define LOCAL_JUMPS 65536
extern uint64_t local_jump_tag[LOCAL_JUMPS];
extern uint32_t local_jump_host[LOCAL_JUMPS];

extern const char local_jump[], local_resolve_slow[]; /* entry.S */

/* From local_resolve_slow: give soft.ea_host for soft.ea, or 0 with soft.reason set. */
int local_resolve(void);

/* Run the program from v's registers until it stops, as user_run() does. LOCAL_NOT_HERE: it needs
 * a stub to go on (state is complete). */
#define LOCAL_NOT_HERE (-1)
#define LOCAL_COLD (-2) /* the same, because much of its code was new */
int local_run(struct vcpu *v, struct fault *f);
/* Is it 64-bit code with nothing about it that only a stub can do? */
bool local_can_run(struct vcpu *v);

/* TLB duties, as user.h has them. */
void local_flush(mfn_t root);
void local_invlpg(mfn_t root, gva_t va);
void local_release(mfn_t root);
void local_set_root(mfn_t root);
/* Frames are watched that were not: nothing is written any more without asking. */
void local_forget_writable(void);
