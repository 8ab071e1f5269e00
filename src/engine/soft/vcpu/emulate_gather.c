/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_gather.c - gathers and scatters, whose elements lie anywhere: each is a walk of its
 * own. As on a CPU an element that is done has its mask bit cleared, so that after a fault the
 * instruction goes on where it stopped.
 */
#include "engine/soft/vcpu/emulate_xsave.h"

#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/user.h"

#define XCR0_AVX 6u
#define XCR0_AVX512 0xe6u

struct gather {
    struct emu *e;
    unsigned int length;        /* of the vectors, bytes */
    unsigned int data, address; /* size of an element and of an index */
    unsigned int count;         /* elements */
    unsigned int mask_reg;
    bool evex, store;
    uint8_t value[VECTOR_MAX], index[VECTOR_MAX], mask[VECTOR_MAX];
    uint64_t k;
};

static bool wanted(const struct gather *g, unsigned int i)
{
    return g->evex ? g->k >> i & 1 : g->mask[(i + 1) * g->data - 1] & 0x80;
}

static void done(struct gather *g, unsigned int i)
{
    g->k &= ~(1ull << i);
    memset(g->mask + i * g->data, 0, g->data);
}

static gva_t element_address(const struct gather *g, unsigned int i)
{
    const struct insn *in = g->e->in;
    gva_t va;

    if (g->address == 8) {
        int64_t n;

        __builtin_memcpy(&n, g->index + i * 8, 8);
        va = (gva_t)n * in->scale;
    } else {
        int32_t n;

        __builtin_memcpy(&n, g->index + i * 4, 4);
        va = (gva_t)(int64_t)n * in->scale;
    }
    va += (gva_t)(int64_t)in->disp;
    if (in->base >= 0)
        va += g->e->v->gpr[in->base & 15];
    if (in->prefix_67)
        va = (uint32_t)va;
    return va + emu_segment_base(g->e);
}

/* Take the instruction apart. False: #UD. */
static bool gather_init(struct gather *g, struct emu *e)
{
    const struct insn *in = e->in;
    const uint8_t *opcode = e->bytes + in->opcode_off;
    bool wide = in->enc == ENC_EVEX ? opcode[-2] & 0x80 : opcode[-1] & 0x80;
    unsigned int index = (unsigned int)in->index;

    *g = (struct gather){.e = e, .evex = in->enc == ENC_EVEX, .store = in->opcode >= 0xa0};
    g->length = 16u << (g->evex ? opcode[-1] >> 5 & 3 : opcode[-1] >> 2 & 1);
    g->data = wide ? 8 : 4;
    g->address = in->opcode & 1 ? 8 : 4;
    g->count = g->length / (g->data > g->address ? g->data : g->address);
    g->mask_reg = g->evex ? opcode[-1] & 7 : in->vvvv;
    if (g->evex && (!g->mask_reg || (opcode[-1] & 0x90)))
        return false;
    if (!g->store && in->reg == index)
        return false;
    return g->evex || (g->mask_reg != in->reg && g->mask_reg != index);
}

static void load_registers(struct gather *g)
{
    vector_get(g->e->in->reg, g->value);
    vector_get((unsigned int)g->e->in->index, g->index);
    if (g->evex)
        g->k = mask_get(g->mask_reg);
    else
        vector_get(g->mask_reg, g->mask);
}

static void store_registers(struct gather *g, bool complete)
{
    unsigned int used = g->count * g->data;

    if (complete) { /* what lies above the elements is cleared */
        memset(g->value + used, 0, sizeof(g->value) - used);
        memset(g->mask, 0, sizeof(g->mask));
        g->k = 0;
    }
    if (!g->store)
        vector_set(g->e->in->reg, g->value);
    if (g->evex)
        mask_set(g->mask_reg, g->k);
    else
        vector_set(g->mask_reg, g->mask);
}

/* The prefetching kinds only look like the others. */
static bool is_prefetch(const struct insn *in)
{
    return in->opcode == 0xc6 || in->opcode == 0xc7;
}

static enum emu_result move_element(struct gather *g, unsigned int i)
{
    uint8_t *element = g->value + i * g->data;
    uint64_t value = 0;

    if (g->store) {
        memcpy(&value, element, g->data);
        return emu_store(g->e, element_address(g, i), g->data, value);
    }
    if (emu_load(g->e, element_address(g, i), g->data, &value))
        return EMU_FAULT;
    memcpy(element, &value, g->data);
    return EMU_OK;
}

enum emu_result emulate_gather(struct emu *e)
{
    uint64_t need = e->in->enc == ENC_EVEX ? XCR0_AVX512 : XCR0_AVX;
    enum emu_result r = EMU_OK;
    struct gather g;

    if ((e->v->xcr0 & need) != need || !gather_init(&g, e))
        return emu_fault(e, VEC_UD);
    if (is_prefetch(e->in))
        return EMU_OK;
    user_fpu_import();
    load_registers(&g);
    for (unsigned int i = 0; i < g.count && !r; i++) {
        if (wanted(&g, i))
            r = move_element(&g, i);
        if (!r)
            done(&g, i);
    }
    store_registers(&g, !r);
    return r;
}
