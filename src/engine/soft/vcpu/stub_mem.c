/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stub_mem.c - a stub's memory (see stubs.h): the queue of changes that it carries out when it
 * is next released.
 *
 * What is in the page Q may be carried out again by the program at any time until the next
 * release (entry.S). So the queue is collected here and copied there only while the stub is
 * parked, and never holds a mapping that a later operation of it takes back.
 */
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/stubs.h"
#include "engine/soft/vcpu/user.h"

#define EIO 5
#define MERGE_MAX 16 /* queued operations looked through for merging */

static bool overlaps(const struct stub_op *o, uint64_t va, uint64_t len)
{
    return o->addr < va + len && va < o->addr + o->len;
}

/* [va, va + len) is about to get other contents: no mapping in the queue may outlive that. */
static void take_back(struct stub *s, uint64_t va, uint64_t len)
{
    for (uint32_t i = 0; s->maps && i < s->nops; i++)
        if (s->ops[i].op == STUB_OP_MAP && overlaps(&s->ops[i], va, len)) {
            s->ops[i].op = STUB_OP_UNMAP;
            s->maps--;
        }
}

static struct stub_op *op_new(struct stub *s)
{
    if (s->nops == STUB_QUEUE && stub_sync(s, false))
        s->failed = true;
    return &s->ops[s->nops++];
}

/* A mapping replaces what is there: unmappings queued for the same pages are moot. */
static void drop_covered(struct stub *s, uint64_t va, uint64_t len)
{
    if (s->nops > MERGE_MAX)
        return;
    for (uint32_t i = s->nops; i-- > 0;) {
        const struct stub_op *o = &s->ops[i];

        if (o->op != STUB_OP_UNMAP || o->addr < va || o->addr + o->len > va + len)
            continue;
        s->nops--;
        for (uint32_t j = i; j < s->nops; j++)
            s->ops[j] = s->ops[j + 1];
    }
}

/* May an operation become that long? */
static bool can_be(const struct stub *s, uint64_t len)
{
    return s->kind != STUB_WANT_ASIDE || len <= STUB_GUARD_SIZE;
}

void stub_map(struct stub *s, uint64_t va, uint64_t len, uint64_t ram_offset, uint32_t prot)
{
    struct stub_op *o;

    take_back(s, va, len);
    o = s->nops ? &s->ops[s->nops - 1] : NULL;
    if (o && o->op == STUB_OP_MAP && o->prot == prot && o->addr + o->len == va &&
        o->off + o->len == ram_offset && can_be(s, o->len + len)) {
        o->len += len;
        return;
    }
    drop_covered(s, va, len);
    o = op_new(s);
    *o = (struct stub_op){STUB_OP_MAP, prot, va, len, ram_offset};
    s->maps++;
}

void stub_unmap(struct stub *s, uint64_t va, uint64_t len)
{
    struct stub_op *o;

    take_back(s, va, len);
    o = s->nops ? &s->ops[s->nops - 1] : NULL;
    if (o && o->op == STUB_OP_UNMAP && o->addr + o->len == va && can_be(s, o->len + len)) {
        o->len += len;
        return;
    }
    o = op_new(s);
    *o = (struct stub_op){STUB_OP_UNMAP, 0, va, len, 0};
}

void stub_place(struct stub *s)
{
    struct stub_op *o = op_new(s);

    *o = (struct stub_op){STUB_OP_PLACE, 0, 0, 0, 0};
}

void stub_segment(struct stub *s, uint32_t op, uint64_t number_and_base, uint64_t limit_and_flags)
{
    struct stub_op *o = op_new(s);

    *o = (struct stub_op){op, 0, number_and_base, limit_and_flags, 0};
}

void stub_unmap_all(struct stub *s)
{
    uint64_t end = STUB_END + stub_by(s);

    s->nops = s->maps = 0;
    s->failed = false;
    for (unsigned int i = 0; i < STUB_TLS_ENTRIES; i++)
        s->tls[i] = s->tls[i] ? ~0ull : 0; /* what was queued is lost: like no descriptor */
    for (unsigned int i = 0; i < s->ldt_entries; i++)
        s->ldt[i] = ~0ull;
    if (s->kind == STUB_WANT_ASIDE)
        *op_new(s) = (struct stub_op){STUB_OP_UNMAP, 0, 0, STUB_GUARD, 0};
    stub_unmap(s, end, STUB_USER_END - end);
}

int stub_sync(struct stub *s, bool reset)
{
    int r = stub_park(s);

    if (r)
        return r;
    stub_sync_begin(s, reset);
    r = stub_park(s);
    return r ? r : s->x->why == STUB_WHY_FAILED ? -EIO : 0;
}
