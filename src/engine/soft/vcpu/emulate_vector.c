/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_vector.c - plain moves between vector registers and memory, legacy, VEX and EVEX
 * without a mask. Kernel SIMD code runs natively; this is for an operand that straddles two
 * unrelated frames.
 */
#include "engine/soft/vcpu/emulate_xsave.h"

#include "engine/soft/vcpu/user.h"

struct vector_move {
    unsigned int size, at; /* bytes in memory; place in the register */
    bool store, aligned;
    bool merge; /* the rest of the register stays */
};

struct vector_prefix {
    unsigned int pp, length;
    bool w, masked;
};

static struct vector_prefix prefix_of(const struct emu *e)
{
    const struct insn *in = e->in;
    const uint8_t *opcode = e->bytes + in->opcode_off;
    struct vector_prefix p = {.length = 16};

    switch (in->enc) {
    case ENC_LEGACY:
        p.pp = in->rep == 0xf3 ? 2 : in->rep == 0xf2 ? 3 : in->prefix_66;
        p.w = in->rex & 8;
        break;
    case ENC_EVEX:
        p.pp = opcode[-2] & 3;
        p.w = opcode[-2] & 0x80;
        p.length = 16u << (opcode[-1] >> 5 & 3);
        p.masked = opcode[-1] & 0x97; /* mask, zeroing, broadcast */
        break;
    default:
        p.pp = opcode[-1] & 3;
        p.w = opcode[-2] != 0xc5 && (opcode[-1] & 0x80);
        p.length = 16u << (opcode[-1] >> 2 & 1);
    }
    return p;
}

static bool full(struct vector_move *m, const struct vector_prefix *p, bool store, bool aligned)
{
    m->size = p->length;
    m->store = store;
    m->aligned = aligned;
    return true;
}

static bool part(struct vector_move *m, unsigned int size, bool store)
{
    m->size = size;
    m->store = store;
    return true;
}

static bool half(struct vector_move *m, const struct insn *in, unsigned int at, bool store)
{
    if (!store && in->enc != ENC_LEGACY)
        return false; /* merges a third register */
    m->at = at;
    m->merge = true;
    return part(m, 8, store);
}

static bool classify(const struct insn *in, const struct vector_prefix *p, struct vector_move *m)
{
    unsigned int pp = p->pp;

    if (in->map == 2)
        return in->opcode == 0x2a && pp == 1 && full(m, p, false, true); /* movntdqa */
    if (in->map != 1)
        return false;
    switch (in->opcode) {
    case 0x10: /* movups movupd movss movsd */
    case 0x11:
        if (pp >= 2)
            return part(m, pp == 2 ? 4 : 8, in->opcode & 1);
        return full(m, p, in->opcode & 1, false);
    case 0x12: /* movlps movlpd */
    case 0x13:
        return pp < 2 && half(m, in, 0, in->opcode & 1);
    case 0x16: /* movhps movhpd */
    case 0x17:
        return pp < 2 && half(m, in, 8, in->opcode & 1);
    case 0x28: /* movaps movapd */
    case 0x29:
        return pp < 2 && full(m, p, in->opcode & 1, true);
    case 0x2b: /* movntps movntpd */
        return pp < 2 && full(m, p, true, true);
    case 0xe7: /* movntdq */
        return pp == 1 && full(m, p, true, true);
    case 0x6f: /* movdqa movdqu */
    case 0x7f:
        return pp > 0 && full(m, p, in->opcode == 0x7f, pp == 1);
    case 0x6e: /* movd movq */
        return pp == 1 && part(m, p->w ? 8 : 4, false);
    case 0x7e:
        return (pp == 1 && part(m, p->w ? 8 : 4, true)) || (pp == 2 && part(m, 8, false));
    case 0xd6: /* movq */
        return pp == 1 && part(m, 8, true);
    case 0xf0: /* lddqu */
        return pp == 3 && full(m, p, false, false);
    default:
        return false;
    }
}

enum emu_result emulate_vector(struct emu *e)
{
    const struct insn *in = e->in;
    struct vector_prefix p = prefix_of(e);
    struct vector_move m = {0};
    uint8_t value[VECTOR_MAX] = {0}, loaded[VECTOR_MAX];

    if (!in->mem)
        return EMU_UNKNOWN;
    if (in->map == 1 && in->opcode == 0xae && in->enc != ENC_EVEX) {
        user_fpu_import();
        return emulate_mxcsr(e);
    }
    if (p.masked || !classify(in, &p, &m))
        return EMU_UNKNOWN;
    if (m.aligned && (e->ea & (m.size - 1)))
        return emu_gp(e, 0);
    user_fpu_import();
    if (m.store) {
        vector_get(in->reg, value);
        if (emu_probe_write(e, e->ea, m.size))
            return EMU_FAULT;
        return env_write(e->v, e->ea, value + m.at, m.size, e->f) ? EMU_FAULT : EMU_OK;
    }
    if (env_read(e->v, e->ea, loaded, m.size, e->f))
        return EMU_FAULT;
    /* Legacy encodings leave what is above xmm alone, the others clear it. */
    if (m.merge || in->enc == ENC_LEGACY)
        vector_get(in->reg, value);
    if (in->enc == ENC_LEGACY && !m.merge)
        for (unsigned int i = 0; i < 16; i++)
            value[i] = 0;
    for (unsigned int i = 0; i < m.size; i++)
        value[m.at + i] = loaded[i];
    vector_set(in->reg, value);
    return EMU_OK;
}
