/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cache.c - see cache.h. Blocks are appended in host-address order, so a host pc is found by
 * binary search, first the block, then its instruction. All tables are sparse anonymous
 * memory mapped at start: only what is used costs.
 */
#include "engine/soft/vcpu/cache.h"

#include <linux/mman.h>

#include "engine/soft/layout.h"
#include "engine/soft/vcpu/emit.h"
#include "engine/soft/vcpu/meta.h"
#include "engine/soft/vcpu/rewrite.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/walk.h"

#define MAX_BLOCKS (1u << 20)
#define MAX_INSNS (1u << 23)
#define MAX_CHAINS (1u << 21)
#define MAX_DEFERRED 64
#define RESERVE (256u << 10) /* more than one translation can emit */
#define NO_FRAME 0xffffffffu
#define LOCAL_BUCKETS 4096
#define ENTRY_SIZE 5 /* bytes at a block's start that killing it overwrites */
#define STUB_SIZE 32 /* at least what an exit stub takes: each block that dies gets one */

/* What precedes a block, for those who come indirectly: "mov rcx, [soft.rcx]"; in a mixed cache
 * the comparison of the pc's high half before that. */
#define HEADER_SIZE CACHE_LOCAL_HEADER
#define MIXED_HEADER_SIZE 28
#define MIXED_HEADER_HIGH 9 /* where minus the high half is in it */

struct chain {
    uint64_t pc;
    uint32_t rel; /* cache offset of the jump's rel32 */
};

uint8_t *emit_at;

static struct cache_block *blocks;
static struct cache_insn *insns;
static struct chain *chains;
static uint32_t *frame_head; /* per frame: first block + 1 */
static uint8_t *marks;       /* bit per pc, low 31 bits */
static uint32_t nr_blocks, nr_insns, nr_chains;
static uint32_t nr_alive; /* blocks that may still die */
static uint32_t deferred[MAX_DEFERRED];
static uint32_t nr_deferred;
static uint64_t generation;
static uint32_t deaths;
static bool mixed;
static uint32_t local_buckets[LOCAL_BUCKETS]; /* block + 1 */

static uint32_t *local_bucket(uint64_t pc, mfn_t frame)
{
    return &local_buckets[(pc + frame * 64) * 0x9e3779b97f4a7c15ull >> 52];
}

static uint32_t *dispatch_entry(uint64_t pc)
{
    return (uint32_t *)(V_DISPATCH + (uint64_t)(uint32_t)pc * 4);
}

static uint8_t *host_ptr(uint32_t offset)
{
    return (uint8_t *)(uint64_t)(V_CACHE + offset);
}

static uint32_t header_size(void)
{
    return mixed ? MIXED_HEADER_SIZE : HEADER_SIZE;
}

/* Offset 0 of the cache: where the dispatch table's empty entries lead. */
static void emit_miss_stub(void)
{
    emit_load(RCX, &soft.rcx);
    emit_store_imm(&soft.reason, SOFT_INDIRECT);
    emit_jmp(soft_exit_common);
    while ((uintptr_t)emit_at & 15)
        emit_8(0xcc);
}

void cache_init(void)
{
    meta_map(V_CACHE, V_CACHE_SIZE, true);
    meta_map(V_DISPATCH, 2 * V_DISPATCH_SIZE, false);
    blocks = meta_alloc(MAX_BLOCKS * sizeof(*blocks));
    insns = meta_alloc(MAX_INSNS * sizeof(*insns));
    chains = meta_alloc(MAX_CHAINS * sizeof(*chains));
    frame_head = meta_alloc(shared->nr_frames * sizeof(*frame_head));
    marks = meta_alloc(1ul << 28);
    emit_at = host_ptr(0);
    emit_miss_stub();
}

static void flush_everything(void)
{
    for (uint32_t i = 0; i < nr_blocks; i++) {
        struct cache_block *b = &blocks[i];

        if (!b->local)
            *dispatch_entry(b->pc) = 0;
        for (int k = 0; k < 2; k++)
            if (b->frame[k] != NO_FRAME)
                frame_head[b->frame[k]] = 0;
    }
    memset(local_buckets, 0, sizeof(local_buckets));
    nr_blocks = nr_insns = nr_chains = nr_alive = nr_deferred = 0;
    generation++;
    emit_at = host_ptr(0);
    emit_miss_stub();
}

void cache_reserve(void)
{
    uint64_t stubs = (uint64_t)nr_alive * STUB_SIZE;

    if ((uintptr_t)emit_at + RESERVE + stubs > V_CACHE + V_CACHE_SIZE ||
        nr_blocks + 4096 > MAX_BLOCKS || nr_insns + 8192 > MAX_INSNS ||
        nr_chains + nr_alive + 8192 > MAX_CHAINS)
        flush_everything();
}

bool cache_admits(uint64_t pc)
{
    return mixed || pc >= CACHE_TOP;
}

void cache_admit(uint64_t pc)
{
    if (cache_admits(pc))
        return;
    flush_everything();
    mixed = true;
}

void cache_unmix(void)
{
    if (!mixed)
        return;
    flush_everything();
    mixed = false;
}

uint64_t cache_generation(void)
{
    return generation;
}

/* The guest's rcx is in soft.rcx, where it is going in soft.target. */
static void emit_header(uint64_t pc)
{
    const uint8_t *start = emit_at;

    if (mixed) {
        emit_8(0x8b); /* mov ecx, [soft.target + 4] */
        emit_8(0x0c);
        emit_8(0x25);
        emit_32(emit_abs((const uint8_t *)&soft.target + 4));
        emit_8(0x8d); /* lea ecx, [rcx - high half] */
        emit_8(0x89);
        emit_32(0u - (uint32_t)(pc >> 32));
        emit_8(0xe3); /* jrcxz over the jump */
        emit_8(5);
        emit_jmp(host_ptr(0));
    }
    emit_load(RCX, &soft.rcx);
    while (emit_at < start + header_size())
        emit_8(0x90);
}

void *cache_lookup(uint64_t pc)
{
    uint32_t h, minus_high;

    if (!cache_admits(pc))
        return NULL;
    h = *dispatch_entry(pc);
    if (!h)
        return NULL;
    if (mixed) {
        memcpy(&minus_high, host_ptr(h + MIXED_HEADER_HIGH), sizeof(minus_high));
        if (minus_high + (uint32_t)(pc >> 32))
            return NULL;
    }
    return host_ptr(h + header_size());
}

bool cache_contains(uint64_t host_pc)
{
    return host_pc >= V_CACHE && host_pc < V_CACHE + V_CACHE_SIZE;
}

static struct cache_block *find_block(uint32_t offset)
{
    uint32_t lo = 0, hi = nr_blocks;

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (offset < blocks[mid].host)
            hi = mid;
        else if (offset >= blocks[mid].end)
            lo = mid + 1;
        else
            return &blocks[mid];
    }
    return NULL;
}

/* The record of the instruction that a cache offset belongs to, or NULL. */
static struct cache_insn *find_insn(const struct cache_block *b, uint32_t offset)
{
    struct cache_insn *in = NULL;
    uint32_t lo = 0, hi;

    for (hi = b->insns; lo < hi;) {
        uint32_t mid = (lo + hi) / 2;

        if (insns[b->first_insn + mid].host <= offset) {
            in = &insns[b->first_insn + mid];
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return in;
}

bool cache_find(uint64_t host_pc, struct cache_pos *ret)
{
    uint32_t offset = (uint32_t)(host_pc - V_CACHE);
    struct cache_block *b = find_block(offset);
    struct cache_insn *in = b ? find_insn(b, offset) : NULL;

    if (!in)
        return false;
    ret->block = b;
    ret->pc = b->pc + in->pc;
    ret->into = offset - in->host;
    ret->exact = ret->into == 0;
    ret->fixup = in->fixup;
    ret->reg = in->reg;
    return true;
}

static void link_frame(struct cache_block *b, int k, mfn_t frame)
{
    b->frame[k] = (uint32_t)frame;
    b->next[k] = frame_head[frame];
    frame_head[frame] = (uint32_t)(b - blocks) + 1;
}

/* What comes after the header. */
static struct cache_block *begin_block(uint64_t pc, mfn_t frame)
{
    struct cache_block *b = &blocks[nr_blocks++];

    b->pc = pc;
    b->host = b->end = (uint32_t)((uintptr_t)emit_at - V_CACHE);
    b->first_insn = nr_insns;
    b->insns = 0;
    b->dead = b->alone = b->local = false;
    b->frame[1] = NO_FRAME;
    link_frame(b, 0, frame);
    nr_alive++;
    return b;
}

struct cache_block *cache_block_begin(uint64_t pc, mfn_t frame)
{
    uint32_t header = (uint32_t)((uintptr_t)emit_at - V_CACHE);

    emit_header(pc);
    *dispatch_entry(pc) = header;
    return begin_block(pc, frame);
}

struct cache_block *cache_block_begin_local(uint64_t pc, mfn_t frame)
{
    uint32_t *bucket = local_bucket(pc, frame);
    struct cache_block *b;

    emit_load(RCX, &soft.rcx);
    b = begin_block(pc, frame);
    b->local = true;
    b->hash_next = *bucket;
    *bucket = (uint32_t)(b - blocks) + 1;
    return b;
}

void *cache_lookup_local(uint64_t pc, mfn_t frame)
{
    for (uint32_t i = *local_bucket(pc, frame); i; i = blocks[i - 1].hash_next) {
        const struct cache_block *b = &blocks[i - 1];

        if (b->pc == pc && b->frame[0] == (uint32_t)frame)
            return host_ptr(b->host - HEADER_SIZE);
    }
    return NULL;
}

struct cache_block *cache_block_alone(uint64_t pc)
{
    struct cache_block *b = &blocks[nr_blocks++];

    *b = (struct cache_block){.pc = pc,
                              .host = (uint32_t)((uintptr_t)emit_at - V_CACHE),
                              .first_insn = nr_insns,
                              .dead = true, /* nothing leads here */
                              .alone = true,
                              .frame = {NO_FRAME, NO_FRAME}};
    return b;
}

void cache_drop_alone(void)
{
    const struct cache_block *b = &blocks[nr_blocks ? nr_blocks - 1 : 0];

    if (!nr_blocks || !b->alone || emit_at != host_ptr(b->end))
        return;
    emit_at = host_ptr(b->host);
    nr_insns = b->first_insn;
    nr_blocks--;
}

void cache_block_frame(struct cache_block *b, mfn_t frame)
{
    if (b->frame[1] == NO_FRAME && b->frame[0] != (uint32_t)frame)
        link_frame(b, 1, frame);
}

struct cache_insn *cache_insn_add(struct cache_block *b, uint64_t pc)
{
    struct cache_insn *in = &insns[nr_insns++];

    in->host = (uint32_t)((uintptr_t)emit_at - V_CACHE);
    in->pc = (uint16_t)(pc - b->pc);
    in->fixup = 0;
    in->reg = 0;
    b->insns++;
    return in;
}

void cache_block_end(struct cache_block *b)
{
    while ((uintptr_t)emit_at - V_CACHE < b->host + ENTRY_SIZE)
        emit_8(0x90);
    b->end = (uint32_t)((uintptr_t)emit_at - V_CACHE);
}

void *cache_chain_stub(uint8_t *rel, uint64_t pc)
{
    uint8_t *stub = emit_at;
    struct chain *c = &chains[nr_chains];

    c->rel = (uint32_t)((uintptr_t)rel - V_CACHE);
    c->pc = pc;
    emit_store_imm(&soft.arg, (int32_t)nr_chains++);
    emit_store_imm(&soft.reason, SOFT_CHAIN);
    emit_jmp(soft_exit_common);
    return stub;
}

uint64_t cache_chain_pc(uint64_t record)
{
    return chains[record].pc;
}

mfn_t cache_chain_frame(uint64_t record)
{
    const struct cache_block *b = record < nr_chains ? find_block(chains[record].rel) : NULL;

    return b && b->frame[0] != NO_FRAME ? b->frame[0] : INVALID_MFN;
}

bool cache_in_dead_entry(const uint8_t *rel)
{
    uint32_t at = (uint32_t)((uintptr_t)rel - V_CACHE);
    const struct cache_block *b = find_block(at);

    return b && b->dead && at < b->host + ENTRY_SIZE;
}

void cache_chain_link(uint64_t record, void *host)
{
    const struct cache_block *b;

    if (record >= nr_chains)
        return;
    b = find_block(chains[record].rel);
    /* A dead block's entry is spoken for, unless this is the jump that was put there. */
    if (b && b->dead && chains[record].rel < b->host + ENTRY_SIZE && chains[record].pc != b->pc)
        return;
    emit_patch_rel32(host_ptr(chains[record].rel), host);
}

static void unlink_local(const struct cache_block *b)
{
    uint32_t *link = local_bucket(b->pc, b->frame[0]), number = (uint32_t)(b - blocks) + 1;

    while (*link && *link != number)
        link = &blocks[*link - 1].hash_next;
    if (*link)
        *link = b->hash_next;
}

/* Turn a dead block's entry into a jump that asks for a new translation. */
static void overwrite_entry(struct cache_block *b)
{
    uint8_t *entry = host_ptr(b->host);
    void *stub = cache_chain_stub(entry + 1, b->pc);

    entry[0] = 0xe9;
    emit_patch_rel32(entry + 1, stub);
}

static void kill_block(struct cache_block *b)
{
    uint32_t at = (uint32_t)(soft.running - V_CACHE);

    if (b->dead)
        return;
    b->dead = true;
    nr_alive--;
    deaths++;
    if (b->local)
        unlink_local(b);
    else if (*dispatch_entry(b->pc) == b->host - header_size())
        *dispatch_entry(b->pc) = 0;
    if (soft.running && at >= b->host && at < b->host + ENTRY_SIZE && nr_deferred < MAX_DEFERRED) {
        deferred[nr_deferred++] = (uint32_t)(b - blocks);
        return;
    }
    overwrite_entry(b);
}

void cache_run_deferred(void)
{
    while (nr_deferred)
        overwrite_entry(&blocks[deferred[--nr_deferred]]);
}

void cache_drop_frame(mfn_t mfn)
{
    uint32_t i;

    if (mfn >= shared->nr_frames)
        return;
    i = frame_head[mfn];
    frame_head[mfn] = 0;
    while (i) {
        struct cache_block *b = &blocks[i - 1];
        int k = b->frame[0] == (uint32_t)mfn ? 0 : 1;

        i = b->next[k];
        kill_block(b);
    }
}

void cache_drop_at(uint64_t host_pc)
{
    struct cache_block *b = find_block((uint32_t)(host_pc - V_CACHE));

    if (b)
        kill_block(b);
}

uint32_t cache_deaths(void)
{
    return deaths;
}

void cache_leave_behind(uint64_t host_pc)
{
    uint32_t offset = (uint32_t)(host_pc - V_CACHE);
    const struct cache_block *b = find_block(offset);
    const struct cache_insn *in = b && b->dead ? find_insn(b, offset) : NULL;
    uint8_t *at;

    /* A last instruction needs nothing: what it jumps to is dropped or is another page's. */
    if (!in || ++in == &insns[b->first_insn + b->insns] ||
        (uintptr_t)emit_at + RESERVE / 2 > V_CACHE + V_CACHE_SIZE)
        return;
    at = host_ptr(in->host);
    at[0] = 0xe9; /* every block ends in a jump, so there is room */
    emit_patch_rel32(at + 1, emit_at);
    emit_exit(b->pc + in->pc, SOFT_NONE);
}

bool cache_marked(uint64_t pc)
{
    uint32_t bit = (uint32_t)pc & 0x7fffffff;

    return marks[bit >> 3] >> (bit & 7) & 1;
}

void cache_mark(uint64_t pc)
{
    uint32_t bit = (uint32_t)pc & 0x7fffffff;

    marks[bit >> 3] |= (uint8_t)(1 << (bit & 7));
}
