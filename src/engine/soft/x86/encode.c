/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode.c - writes a decoded instruction again with another segment, memory operand or
 * register (see insn.h). Everything that is not edited is taken over byte by byte; the
 * register extension bits are collected first and put back into REX, VEX, EVEX or XOP.
 *
 * Order of the result: segment, old legacy prefixes (without segments, REX and, if the
 * memory operand is replaced, 67), REX or vector prefix, opcode, ModRM, SIB, displacement,
 * immediates.
 */
#include "engine/soft/x86/insn.h"
#include "cpu/vcpu.h"

/* The encoding in pieces; register numbers with their extension bits. */
struct pieces {
    bool w, r, x, b;
    uint8_t reg, rm; /* low three bits that go into ModRM (rm: register form only) */
    uint8_t low;     /* low three bits of the opcode, op_gpr only */
    uint8_t vvvv;
    bool force_rex;   /* spl bpl sil dil */
    uint8_t modrm[6]; /* ModRM, SIB, displacement */
    uint8_t modrm_len;
};

static bool edits_mem(const struct insn *in, const struct insn_edit *edit)
{
    return in->mem && edit->mem != MEM_KEEP;
}

/* Is the operand in ModRM.rm or the opcode a byte register? The one in ModRM.reg is one
 * only where the operand size is a byte. */
static bool rm_is_byte(const struct insn *in)
{
    if (in->enc != ENC_LEGACY || in->map > 2)
        return false;
    if (in->map == 1 && (in->opcode == 0xb6 || in->opcode == 0xbe))
        return true;
    return in->opsize == 1;
}

static bool reg_is_byte(const struct insn *in)
{
    return in->enc == ENC_LEGACY && in->map < 2 && in->opsize == 1;
}

/* Does this operand number name gpr n (and not ah..bh)? */
static bool names(const struct insn *in, unsigned int number, bool byte, int n)
{
    return number == (unsigned int)n && !(byte && !in->rex && number >= 4 && number < 8);
}

static void replace_gpr(const struct insn *in, const struct insn_edit *edit, struct pieces *p)
{
    bool low = edit->to >= 4 && edit->to < 8; /* needs REX as a byte register */

    if (edit->from < 0)
        return;
    if (in->reg_gpr && names(in, in->reg, reg_is_byte(in), edit->from)) {
        p->reg = edit->to & 7;
        p->r = edit->to & 8;
        p->force_rex |= low && reg_is_byte(in);
    }
    if ((in->rm_gpr || in->op_gpr) && names(in, in->rm, rm_is_byte(in), edit->from)) {
        p->rm = p->low = edit->to & 7;
        p->b = edit->to & 8;
        p->force_rex |= low && rm_is_byte(in);
    }
    if (in->vvvv_gpr && in->vvvv == edit->from)
        p->vvvv = edit->to;
}

static void put_disp32(struct pieces *p, int32_t disp)
{
    for (int i = 0; i < 4; i++)
        p->modrm[p->modrm_len++] = (uint32_t)disp >> 8 * i;
}

static int build_modrm(const struct insn *in, const uint8_t *bytes, const struct insn_edit *edit,
                       struct pieces *p)
{
    if (!in->has_modrm)
        return 0;
    if (!in->mem) {
        p->modrm[p->modrm_len++] = (bytes[in->modrm_off] & 0xc0) | p->reg << 3 | p->rm;
        return 0;
    }
    switch (edit->mem) {
    case MEM_KEEP:
        if (in->rip_rel)
            return -1;
        p->modrm[p->modrm_len++] = (bytes[in->modrm_off] & 0xc7) | p->reg << 3;
        for (unsigned int i = in->modrm_off + 1u; i < in->disp_off + in->disp_size; i++)
            p->modrm[p->modrm_len++] = bytes[i];
        return 0;
    case MEM_ABS32:
        if (in->vsib)
            return -1;
        p->modrm[p->modrm_len++] = p->reg << 3 | 4;
        p->modrm[p->modrm_len++] = 0x25;
        put_disp32(p, edit->disp);
        p->x = p->b = false;
        return 0;
    case MEM_BASE:
        if (in->vsib)
            return -1;
        /* rbp and r13 have no form without displacement; 0 is 0 whatever EVEX scales by */
        p->modrm[p->modrm_len++] =
            ((edit->base & 7) == RBP ? 0x40 : 0) | p->reg << 3 | (edit->base & 7);
        if ((edit->base & 7) == RSP)
            p->modrm[p->modrm_len++] = 0x24;
        if ((edit->base & 7) == RBP)
            p->modrm[p->modrm_len++] = 0;
        p->x = false;
        p->b = edit->base & 8;
        return 0;
    default:
        return -1;
    }
}

static void take_apart(const struct insn *in, const uint8_t *bytes, struct pieces *p)
{
    const uint8_t *v = bytes + in->opcode_off;

    switch (in->enc) {
    case ENC_LEGACY:
        p->w = in->rex & 8;
        p->r = in->rex & 4;
        p->x = in->rex & 2;
        p->b = in->rex & 1;
        break;
    case ENC_EVEX:
        p->w = v[-2] & 0x80;
        p->r = !(v[-3] & 0x80);
        p->x = !(v[-3] & 0x40);
        p->b = !(v[-3] & 0x20);
        break;
    default:
        if (v[-2] == 0xc5) {
            p->r = !(v[-1] & 0x80);
            break;
        }
        p->w = v[-1] & 0x80;
        p->r = !(v[-2] & 0x80);
        p->x = !(v[-2] & 0x40);
        p->b = !(v[-2] & 0x20);
        break;
    }
    p->reg = in->has_modrm ? bytes[in->modrm_off] >> 3 & 7 : 0;
    p->rm = in->has_modrm ? bytes[in->modrm_off] & 7 : 0;
    p->low = in->rm & 7;
    p->vvvv = in->vvvv;
}

/* Bytes before the opcode (escape bytes included), from the collected bits. -1: impossible. */
static int put_prefix(const struct insn *in, const uint8_t *bytes, const struct pieces *p,
                      uint8_t *out)
{
    const uint8_t *v = bytes + in->opcode_off;
    uint8_t rxb = (p->r ? 0 : 0x80) | (p->x ? 0 : 0x40) | (p->b ? 0 : 0x20);
    uint8_t vvvv = (~p->vvvv & 15) << 3;
    int n = 0;

    switch (in->enc) {
    case ENC_LEGACY: {
        uint8_t rex = p->w << 3 | p->r << 2 | p->x << 1 | p->b;

        if (rex || p->force_rex || in->rex) {
            if (in->high_byte)
                return -1;
            out[n++] = 0x40 | rex;
        }
        if (in->map)
            out[n++] = 0x0f;
        if (in->map > 1)
            out[n++] = in->map == 2 ? 0x38 : 0x3a;
        return n;
    }
    case ENC_EVEX:
        out[n++] = 0x62;
        out[n++] = rxb | (v[-3] & 0x1f);
        out[n++] = vvvv | (v[-2] & 0x87);
        out[n++] = v[-1];
        return n;
    default:
        if (v[-2] == 0xc5 && !p->x && !p->b) {
            out[n++] = 0xc5;
            out[n++] = (p->r ? 0 : 0x80) | vvvv | (v[-1] & 7);
            return n;
        }
        out[n++] = in->enc == ENC_XOP ? 0x8f : 0xc4;
        out[n++] = rxb | in->map;
        out[n++] = p->w << 7 | vvvv | (v[-1] & 7);
        return n;
    }
}

static bool is_segment_prefix(uint8_t b)
{
    return b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e || b == 0x64 || b == 0x65;
}

/* Legacy prefixes stay in their order: the last of F2 and F3 decides. */
static int put_legacy_prefixes(const struct insn *in, const uint8_t *bytes,
                               const struct insn_edit *edit, uint8_t *out)
{
    int n = 0;

    if (edit->seg)
        out[n++] = edit->seg;
    for (int i = 0; i < in->opcode_off; i++) {
        uint8_t b = bytes[i];

        if (is_segment_prefix(b) || (b & 0xf0) == 0x40)
            continue;
        if (b == 0x67 && edits_mem(in, edit))
            continue;
        if (b != 0x66 && b != 0x67 && b != 0xf0 && b != 0xf2 && b != 0xf3)
            break; /* escape or vector prefix */
        out[n++] = b;
    }
    return n;
}

int insn_reencode(const struct insn *in, const uint8_t *bytes, const struct insn_edit *edit,
                  uint8_t *out)
{
    struct pieces p = {0};
    unsigned int tail;
    int n, r;

    take_apart(in, bytes, &p);
    replace_gpr(in, edit, &p);
    if (build_modrm(in, bytes, edit, &p) < 0)
        return -1;
    n = put_legacy_prefixes(in, bytes, edit, out);
    r = put_prefix(in, bytes, &p, out + n);
    if (r < 0)
        return -1;
    n += r;
    if (in->op_gpr && (in->opcode & 0xf8) == 0x90 && p.low == 0 && !p.b)
        return -1; /* xchg with rax itself would be nop or pause */
    out[n++] = in->op_gpr ? (in->opcode & 0xf8) | p.low : in->opcode;
    for (int i = 0; i < p.modrm_len; i++)
        out[n++] = p.modrm[i];
    tail = !in->has_modrm ? in->opcode_off + 1u
           : in->mem      ? in->disp_off + in->disp_size
                          : in->modrm_off + 1u;
    while (tail < in->len)
        out[n++] = bytes[tail++];
    /* Dropped prefixes make room for what grew; a few over-long inputs can't be done. */
    return n <= INSN_MAX ? n : -1;
}
