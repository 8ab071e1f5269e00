/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cache.h - the code cache: blocks of translated guest-kernel code, found by guest pc
 * (dispatch table), by host pc (faults, preemption) and by frame (self-modifying code).
 *
 * The dispatch table has one u32 per low half of a pc: offset of the block in the cache, 0 = the
 * miss stub at its start. As a rule all guest code is in the top 2 GiB, and that is enough. Once
 * some is translated elsewhere the cache is *mixed*: blocks then compare the pc's high half
 * before they are entered indirectly. Code of programs (local.h) is found by pc and frame instead,
 * for there are many at the same addresses. A dead block's first bytes are overwritten by a jump,
 * so direct jumps into it find the new translation. When the cache or its records are full
 * everything is thrown away at once.
 */
#pragma once

#include "cpu/vcpu.h"

#define CACHE_LOCAL_HEADER 8            /* bytes before a program's block: "mov rcx, [soft.rcx]" */
#define CACHE_TOP 0xffffffff80000000ull /* code from here on needs no mixed cache */

/* What has to be undone when host code stops in the middle of a guest instruction. */
enum insn_fixup {
    FIX_RCX = 1,     /* rcx is in soft.rcx */
    FIX_SCRATCH = 2, /* `reg` is in soft.scratch */
    FIX_RSI = 4,     /* rsi holds the host form (string instruction) */
    FIX_RDI = 8,
    FIX_RESOLVED = 16, /* nothing to undo; the memory operand is a resolved host address */
};

struct cache_insn {
    uint32_t host; /* offset in the cache */
    uint16_t pc;   /* offset from the block's pc */
    uint8_t fixup;
    uint8_t reg;
};

struct cache_block {
    uint64_t pc;
    uint32_t host, end;  /* offsets in the cache */
    uint32_t first_insn; /* index of its first record */
    uint16_t insns;
    bool dead;
    bool alone;         /* cache_block_alone */
    bool local;         /* a program's */
    uint32_t hash_next; /* local: next block + 1 of its bucket */
    uint32_t frame[2];  /* frames its bytes come from; 0xffffffff = none */
    uint32_t next[2];   /* next block of that frame */
};

struct cache_pos {
    struct cache_block *block;
    uint64_t pc;
    bool exact; /* host pc is the instruction's first byte: state is clean */
    uint8_t fixup, reg;
    uint32_t into; /* bytes into the instruction's host code */
};

void cache_init(void);
/* Room for one more translation, else flushes everything. */
void cache_reserve(void);

/* Before code at pc is translated: make the cache mixed if that is needed. Flushes everything. */
void cache_admit(uint64_t pc);
/* There need not be code outside the top 2 GiB any more: no longer mixed, if it was. */
void cache_unmix(void);
/* Can code at pc be linked with? */
bool cache_admits(uint64_t pc);

/* Host address of the translation of pc, or NULL. */
void *cache_lookup(uint64_t pc);
bool cache_contains(uint64_t host_pc);
/* Which guest instruction a host pc in the cache belongs to. False: glue or padding. */
bool cache_find(uint64_t host_pc, struct cache_pos *ret);

/* The same for code of programs, which is not in the dispatch table: where the translation of pc
 * is entered indirectly (its header), if it is in that frame. */
void *cache_lookup_local(uint64_t pc, mfn_t frame);

/* While a translation is made: */
struct cache_block *cache_block_begin(uint64_t pc, mfn_t frame);
struct cache_block *cache_block_begin_local(uint64_t pc, mfn_t frame);
/* One for a single instruction at any pc, which is run once and never found again. */
struct cache_block *cache_block_alone(uint64_t pc);
/* It has run; if nothing was emitted since, its place is free again. */
void cache_drop_alone(void);
void cache_block_frame(struct cache_block *b, mfn_t frame); /* its second frame */
struct cache_insn *cache_insn_add(struct cache_block *b, uint64_t pc);
void cache_block_end(struct cache_block *b);
/* A jump whose rel32 is at `rel` wants to go to pc: emits an exit stub at emit_at and
 * returns its address. */
void *cache_chain_stub(uint8_t *rel, uint64_t pc);

/* SOFT_CHAIN: guest pc wanted by record; and make its jump direct. */
uint64_t cache_chain_pc(uint64_t record);
void cache_chain_link(uint64_t record, void *host);
/* The frame of the block that the jump is in, or INVALID_MFN. */
mfn_t cache_chain_frame(uint64_t record);
/* The rel32 is in bytes that killing its block has overwritten: leave it alone. */
bool cache_in_dead_entry(const uint8_t *rel);

/* Forget translations: of one frame (its content is about to change), or of the block that a
 * host pc is in. The block that soft.running is in goes on to its end if it was entered. */
void cache_drop_frame(mfn_t mfn);
void cache_drop_at(uint64_t host_pc);
/* How many blocks were dropped so far. */
uint32_t cache_deaths(void);
/* The instruction at host_pc runs (or is about to). If its block was dropped, leave behind it:
 * the bytes that follow may be the ones that it writes. */
void cache_leave_behind(uint64_t host_pc);
/* Finish what could not be overwritten while it ran. Called before each entry. */
void cache_run_deferred(void);

/* Instructions that access memory through the software walk (user pointers and the like). */
bool cache_marked(uint64_t pc);
void cache_mark(uint64_t pc);

/* Counts how often everything was thrown away: chain records of before are void. */
uint64_t cache_generation(void);
