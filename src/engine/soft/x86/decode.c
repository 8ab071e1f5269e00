/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * decode.c - instruction decoder for 64-bit mode (see insn.h). Prefixes, then the opcode's
 * entry in optab.c or its row in forms.c, then ModRM, immediate and the register sets.
 *
 * Encodings whose only fault is a register number or an EVEX mask are accepted: they have a
 * well-defined length, the translator copies them and the CPU raises #UD in place. 66 on a
 * near branch is ignored, as Intel CPUs do.
 */
#include "engine/soft/x86/insn.h"
#include "engine/soft/x86/forms.h"
#include "engine/soft/x86/optab.h"
#include "cpu/vcpu.h"

#define TOO_LONG (-2)

struct state {
    const uint8_t *bytes;
    size_t pos, limit;
    int overrun; /* what to return when the limit is passed: 0 or TOO_LONG */
    bool rex_w, rex_r, rex_x, rex_b;
    bool evex_r, evex_v; /* bit 4 of reg and of vvvv / vsib index */
    uint8_t pp, ll, bcst;
};

static bool have(const struct state *s, size_t n)
{
    return s->pos + n <= s->limit;
}

static int64_t fetch_signed(struct state *s, unsigned int size)
{
    uint64_t v = 0;

    for (unsigned int i = 0; i < size; i++)
        v |= (uint64_t)s->bytes[s->pos + i] << 8 * i;
    s->pos += size;
    switch (size) {
    case 1:
        return (int8_t)v;
    case 2:
        return (int16_t)v;
    case 4:
        return (int32_t)v;
    default:
        return (int64_t)v;
    }
}

/* Legacy and REX prefixes. A REX that is not directly before the opcode is void. */
static bool decode_prefixes(struct state *s, struct insn *in)
{
    for (;; s->pos++) {
        uint8_t b;

        if (!have(s, 1))
            return false;
        b = s->bytes[s->pos];
        if ((b & 0xf0) == 0x40) {
            in->rex = b;
            continue;
        }
        switch (b) {
        case 0x66:
            in->prefix_66 = true;
            break;
        case 0x67:
            in->prefix_67 = true;
            break;
        case 0xf0:
            in->lock = true;
            break;
        case 0xf2:
        case 0xf3:
            in->rep = b;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
            in->seg = b;
            break;
        default:
            s->rex_w = in->rex & 8;
            s->rex_r = in->rex & 4;
            s->rex_x = in->rex & 2;
            s->rex_b = in->rex & 1;
            return true;
        }
        in->rex = 0;
    }
}

/* ModRM, SIB and displacement. false: not enough bytes. */
static bool decode_modrm(struct state *s, struct insn *in)
{
    uint8_t modrm, rm;

    if (!have(s, 1))
        return false;
    in->has_modrm = true;
    in->modrm_off = s->pos;
    modrm = s->bytes[s->pos++];
    in->mod = modrm >> 6;
    in->reg = (modrm >> 3 & 7) | s->rex_r << 3 | s->evex_r << 4;
    rm = modrm & 7;
    in->rm = rm | s->rex_b << 3;
    if (in->mod == 3) {
        if (in->enc == ENC_EVEX)
            in->rm |= s->rex_x << 4;
        return true;
    }

    in->mem = true;
    in->base = in->rm;
    in->disp_size = in->mod == 1 ? 1 : in->mod == 2 ? 4 : 0;
    if (rm == 4) {
        uint8_t sib;

        if (!have(s, 1))
            return false;
        sib = s->bytes[s->pos++];
        in->has_sib = true;
        in->scale = 1 << (sib >> 6);
        in->index = (sib >> 3 & 7) | s->rex_x << 3;
        if (in->index == 4)
            in->index = -1; /* a vector index is put right later */
        in->base = (sib & 7) | s->rex_b << 3;
        if ((sib & 7) == 5 && in->mod == 0) {
            in->base = -1;
            in->disp_size = 4;
        }
    } else if (rm == 5 && in->mod == 0) {
        in->base = -1;
        in->rip_rel = true;
        in->disp_size = 4;
    }
    in->disp_off = s->pos;
    if (!have(s, in->disp_size))
        return false;
    if (in->disp_size)
        in->disp = (int32_t)fetch_signed(s, in->disp_size);
    return true;
}

static bool decode_imm(struct state *s, struct insn *in, unsigned int kind)
{
    switch (kind) {
    case IMM_NONE:
        return true;
    case IMM_B:
    case IMM_UB:
        in->imm_size = 1;
        break;
    case IMM_W:
        in->imm_size = 2;
        break;
    case IMM_Z:
        in->imm_size = in->opsize == 2 ? 2 : 4;
        break;
    case IMM_V:
        in->imm_size = in->opsize;
        break;
    case IMM_D:
        in->imm_size = 4;
        break;
    case IMM_ADDR:
        in->imm_size = in->prefix_67 ? 4 : 8;
        break;
    case IMM_ENTER:
        in->imm_size = 2;
        break;
    }
    in->imm_off = s->pos;
    if (!have(s, in->imm_size + (kind == IMM_ENTER)))
        return false;
    in->imm = fetch_signed(s, in->imm_size);
    if (kind == IMM_UB)
        in->imm &= 0xff;
    else if (kind == IMM_W || kind == IMM_ENTER)
        in->imm &= 0xffff;
    else if (kind == IMM_ADDR && in->prefix_67)
        in->imm &= 0xffffffff;
    if (kind == IMM_ENTER)
        s->pos++;
    return true;
}

/* Account for general register n as an explicit data operand. */
static void use_gpr(struct insn *in, unsigned int n, bool byte, bool written)
{
    if (byte && !in->rex && n >= 4 && n < 8) {
        in->high_byte = true;
        n -= 4;
    } else if (n == RSP) {
        in->rsp_data = true;
        in->rsp_write |= written;
    }
    in->gprs |= 1u << n;
}

static void use_address(struct insn *in)
{
    if (!in->mem)
        return;
    if (in->base >= 0)
        in->gprs |= 1u << in->base;
    if (in->index >= 0 && !in->vsib)
        in->gprs |= 1u << in->index;
}

static unsigned int operand_size(const struct state *s, const struct insn *in, unsigned int kind)
{
    switch (kind) {
    case SIZE_V:
        return s->rex_w ? 8 : in->prefix_66 ? 2 : 4;
    case SIZE_B:
        return 1;
    case SIZE_S:
        return s->rex_w || !in->prefix_66 ? 8 : 2;
    case SIZE_Q:
        return 8;
    case SIZE_Y:
        return s->rex_w ? 8 : 4;
    case SIZE_W:
        return 2;
    default:
        return 4;
    }
}

static unsigned int memory_size(const struct insn *in, unsigned int kind)
{
    static const uint8_t fixed[] = {
        [MEM_1] = 1, [MEM_2] = 2, [MEM_4] = 4, [MEM_8] = 8, [MEM_10] = 10, [MEM_16] = 16};

    switch (kind) {
    case MEM_OP:
        return in->opsize;
    case MEM_FAR:
        return in->opsize + 2;
    case MEM_2X:
        return in->opsize * 2;
    case MEM_BIG:
        return 0;
    default:
        return fixed[kind];
    }
}

/* Rules that need the prefixes: what the tables can't say. false = #UD. */
static bool decode_special(const struct state *s, struct insn *in)
{
    unsigned int reg = in->reg & 7;

    if (in->map == 0) {
        switch (in->opcode) {
        case 0x8c:
            in->reg = reg;
            return reg < 6;
        case 0x8e:
            in->reg = reg;
            return reg < 6 && reg != 1;
        case 0x90:
            if (s->rex_b) { /* xchg r8, rax, F3 or not */
                in->cls = INSN_COPY;
                in->op_gpr = true;
                in->rm = R8;
                in->gprs = 1 << R8 | 1 << RAX;
            } else if (in->rep == 0xf3) {
                in->cls = INSN_COPY; /* pause */
            }
            return true;
        case 0x6c ... 0x6f:
        case 0xa4 ... 0xa7:
        case 0xaa ... 0xaf:
            if (in->rep)
                in->gprs |= 1 << RCX;
            return true;
        case 0xcc:
            in->imm = 3;
            return true;
        case 0xf1:
            in->imm = 1;
            return true;
        }
        return true;
    }
    switch (in->opcode) {
    case 0x00:
        if (reg == 5 && in->mod == 3)
            in->cls = INSN_EMULATE; /* verw reg: the guest's descriptors count */
        return true;
    case 0x0d:
        if (in->mod == 3)
            in->cls = INSN_UD; /* AMD's; others take it for a nop */
        return true;
    case 0x20:
    case 0x22:
        return in->reg < 5 ? in->reg != 1 : in->reg == 8;
    case 0x21:
    case 0x23:
        return in->reg < 8;
    case 0x37:
    case 0x77:
    case 0xc3:
        return s->pp == 0;
    case 0xb8:
        return in->rep == 0xf3;
    }
    return true;
}

/* xabort (C6 F8 ib) and xbegin (C7 F8 rel): transactional memory is hidden. */
static bool decode_tsx(const struct insn *in)
{
    return in->map == 0 && (in->opcode | 1) == 0xc7 && in->mod == 3 && (in->reg & 7) == 7 &&
           (in->rm & 7) == 0;
}

static int decode_integer(struct state *s, struct insn *in)
{
    struct opdef def = in->map ? optab_0f[in->opcode] : optab_one[in->opcode];
    unsigned int mem_size = 0;
    bool byte;

    if (!(def.flags & OP_VALID))
        return -1;
    if (def.flags & OP_MODRM) {
        if (!(def.flags & OP_NOMEM)) {
            if (!decode_modrm(s, in))
                return s->overrun;
        } else { /* mov cr/dr: mod is ignored */
            if (!have(s, 1))
                return s->overrun;
            in->has_modrm = true;
            in->modrm_off = s->pos;
            in->mod = 3;
            in->reg = (s->bytes[s->pos] >> 3 & 7) | s->rex_r << 3;
            in->rm = (s->bytes[s->pos++] & 7) | s->rex_b << 3;
        }
    } else if (def.flags & OP_LOW) {
        in->op_gpr = true;
        in->rm = (in->opcode & 7) | s->rex_b << 3;
    }

    if (def.group == GROUP_OWN) {
        bool ok = in->map == 0         ? opdef_x87(in, &def, &mem_size)
                  : in->opcode == 0x01 ? opdef_0f01(in, &def)
                  : in->opcode == 0xae ? opdef_0fae(in, s->pp, &def)
                                       : opdef_0fc7(in, s->pp, &def);
        if (!ok)
            return -1;
    } else if (def.group != GROUP_NONE && !decode_tsx(in)) {
        const struct opdef *g = &optab_group[def.group][in->reg & 7];

        if (!g->flags)
            return -1;
        def.cls = g->cls;
        def.flags |= g->flags;
        def.gprs |= g->gprs;
        def.mem = g->mem;
        if (g->size != SIZE_V)
            def.size = g->size;
        if (g->imm != IMM_NONE)
            def.imm = g->imm;
    } else if (def.group != GROUP_NONE) {
        def.cls = INSN_UD;
    }
    if ((def.flags & OP_MEM) && in->mod == 3)
        return -1;
    if (in->lock && !((def.flags & OP_LOCK) && in->mem))
        return -1;

    in->cls = def.cls;
    in->opsize = operand_size(s, in, def.size);
    if (!decode_imm(s, in, def.imm))
        return s->overrun;
    if (in->mem && def.flags & (OP_READ | OP_WRITE)) {
        in->mem_read = def.flags & OP_READ;
        in->mem_write = def.flags & OP_WRITE;
        in->mem_size = mem_size ? mem_size : memory_size(in, def.mem);
    }
    in->simd = def.flags & OP_SIMD;
    in->cc = in->opcode & 15;
    in->gprs = def.gprs;

    byte = def.size == SIZE_B;
    if (def.flags & OP_REG) {
        in->reg_gpr = true;
        use_gpr(in, in->reg, byte, def.flags & OP_REG_W);
    }
    if ((def.flags & OP_RM) && in->mod == 3) {
        in->rm_gpr = true;
        use_gpr(in, in->rm, byte || (def.flags & OP_RM8), def.flags & OP_RM_W);
    }
    if (in->op_gpr)
        use_gpr(in, in->rm, byte, def.flags & OP_LOW_W);
    use_address(in);
    return decode_special(s, in) ? (int)s->pos : -1;
}

/* movbe and crc32: the two opcodes of 0F38 that mix 66 as operand size with F2. */
static int decode_movbe(struct state *s, struct insn *in)
{
    bool crc = in->rep == 0xf2, store = !crc && in->opcode == 0xf1;
    bool byte = crc && in->opcode == 0xf0;

    if (!decode_modrm(s, in))
        return s->overrun;
    if (in->rep == 0xf3 || (!crc && in->mod == 3) || in->lock)
        return -1;
    in->cls = INSN_COPY;
    in->opsize = operand_size(s, in, byte ? SIZE_B : SIZE_V);
    in->reg_gpr = true;
    use_gpr(in, in->reg, false, !store);
    if (in->mem) {
        in->mem_size = in->opsize;
        in->mem_read = !store;
        in->mem_write = store;
    } else {
        in->rm_gpr = true;
        use_gpr(in, in->rm, byte, false);
    }
    use_address(in);
    return (int)s->pos;
}

static const struct form *find_form(enum form_table table, const struct state *s,
                                    const struct insn *in)
{
    const struct form *f;
    unsigned int n = forms_find(table, in->opcode, &f);

    for (; n; n--, f++)
        if ((f->pp >> s->pp & 1) && (f->w >> s->rex_w & 1) && (f->ll >> s->ll & 1) &&
            (f->bcst >> s->bcst & 1) && (f->mod >> (in->mod == 3) & 1) &&
            (f->reg >> (in->reg & 7) & 1))
            return f;
    return NULL;
}

static void apply_form(const struct form *f, const struct state *s, struct insn *in)
{
    static const uint8_t classes[] = {INSN_COPY, INSN_UD, INSN_MASKMOV, INSN_UD};

    in->cls = classes[f->cls];
    in->opsize = s->rex_w ? 8 : 4;
    in->simd = f->what & FORM_SIMD;
    in->gprs = f->gprs;
    if (in->mem) {
        unsigned int scale = f->scale + (f->what & FORM_SCALE_REL ? s->ll : 0);

        if (in->enc == ENC_EVEX && in->disp_size == 1)
            in->disp *= 1 << scale;
        if (f->size)
            in->mem_size = 1u << (f->size - 1 + (f->what & FORM_REL ? s->ll : 0));
        in->mem_read = f->what & FORM_READ;
        in->mem_write = f->what & FORM_WRITE;
        if (f->what & FORM_VSIB) {
            in->vsib = true;
            if (in->index < 0)
                in->index = 4;
            in->index |= s->evex_v << 4;
        }
    }
    if (f->what & FORM_REG) {
        in->reg_gpr = true;
        in->reg &= 15;
        use_gpr(in, in->reg, false, f->what & FORM_REG_W);
    }
    if ((f->what & FORM_RM) && in->mod == 3) {
        in->rm_gpr = true;
        in->rm &= 15;
        use_gpr(in, in->rm, false, f->what & FORM_RM_W);
    }
    if (f->what & FORM_VVVV) {
        in->vvvv_gpr = true;
        use_gpr(in, in->vvvv, false, f->what & FORM_VVVV_W);
    }
    use_address(in);
}

static int decode_form(struct state *s, struct insn *in, enum form_table table)
{
    const struct form *f;
    unsigned int imm;

    if (!decode_modrm(s, in))
        return s->overrun;
    f = find_form(table, s, in);
    if (!f || in->lock)
        return -1;
    if ((f->what & FORM_NOVVVV) && in->enc != ENC_LEGACY && (in->vvvv || s->evex_v) &&
        !(f->what & FORM_VSIB && in->mem && !in->vvvv))
        return -1;
    if ((f->what & FORM_VSIB) && in->mem && !in->has_sib)
        return -1;
    apply_form(f, s, in);
    imm = f->what & FORM_IMM;
    if (!have(s, imm))
        return s->overrun;
    if (imm) {
        in->imm_off = s->pos;
        in->imm_size = imm;
        in->imm = (int8_t)s->bytes[s->pos];
        if (imm == 4)
            in->imm = fetch_signed(s, 4);
        else
            s->pos += imm;
    }
    return (int)s->pos;
}

static int form_table_of(const struct insn *in)
{
    if (in->enc == ENC_VEX)
        return in->map >= 1 && in->map <= 3 ? FORMS_VEX1 + in->map - 1 : -1;
    if (in->enc == ENC_XOP)
        return in->map >= 8 && in->map <= 10 ? FORMS_XOP8 + in->map - 8 : -1;
    switch (in->map) {
    case 1 ... 3:
        return FORMS_EVEX1 + in->map - 1;
    case 5:
        return FORMS_EVEX5;
    case 6:
        return FORMS_EVEX6;
    default:
        return -1;
    }
}

/* C4, C5, 62 or 8F (XOP); s->pos is at that byte, the whole prefix is known to be there. */
static int decode_vector_prefix(struct state *s, struct insn *in, unsigned int size)
{
    const uint8_t *p = s->bytes + s->pos;
    uint8_t last = size == 2 ? p[1] : p[2];

    if (in->prefix_66 || in->rep || in->lock || in->rex)
        return -1;
    s->rex_r = !(p[1] & 0x80);
    s->pp = last & 3;
    in->vvvv = ~last >> 3 & 15;
    in->map = 1;
    if (size > 2) {
        s->rex_x = !(p[1] & 0x40);
        s->rex_b = !(p[1] & 0x20);
        s->rex_w = last & 0x80;
        in->map = p[1] & (size == 4 ? 0x0f : 0x1f);
    }
    if (size == 4) {
        if (!(p[2] & 4))
            return -1;
        s->evex_r = !(p[1] & 0x10);
        s->evex_v = !(p[3] & 8);
        s->ll = p[3] >> 5 & 3;
        s->bcst = p[3] >> 4 & 1;
    } else {
        s->ll = last >> 2 & 1;
    }
    s->pos += size;
    return 0;
}

static int decode_vector(struct state *s, struct insn *in, enum insn_enc enc, unsigned int size)
{
    int table;

    if (!have(s, size + 1))
        return s->overrun;
    in->enc = enc;
    if (decode_vector_prefix(s, in, size) < 0)
        return -1;
    in->opcode_off = s->pos;
    in->opcode = s->bytes[s->pos++];
    table = form_table_of(in);
    if (table < 0)
        return -1;
    if (table == FORMS_VEX1 && in->opcode == 0x77) { /* vzeroupper, vzeroall */
        in->cls = INSN_COPY;
        in->simd = true;
        in->opsize = 4;
        return s->pp == 0 && in->vvvv == 0 ? (int)s->pos : -1;
    }
    return decode_form(s, in, table);
}

static int decode_escape(struct state *s, struct insn *in)
{
    if (!have(s, 1))
        return s->overrun;
    in->map = 1;
    in->opcode = s->bytes[s->pos];
    if (in->opcode == 0x38 || in->opcode == 0x3a) {
        in->map = in->opcode == 0x38 ? 2 : 3;
        s->pos++;
        if (!have(s, 1))
            return s->overrun;
        in->opcode = s->bytes[s->pos];
    }
    in->opcode_off = s->pos++;
    s->pp = in->rep ? (in->rep == 0xf3 ? 2 : 3) : in->prefix_66;
    if (in->map == 1)
        return optab_0f[in->opcode].flags & OP_FORMS ? decode_form(s, in, FORMS_0F)
                                                     : decode_integer(s, in);
    if (in->map == 2 && (in->opcode & 0xfe) == 0xf0)
        return decode_movbe(s, in);
    return decode_form(s, in, in->map == 2 ? FORMS_0F38 : FORMS_0F3A);
}

static int decode_opcode(struct state *s, struct insn *in)
{
    uint8_t b = s->bytes[s->pos];

    switch (b) {
    case 0x0f:
        s->pos++;
        return decode_escape(s, in);
    case 0xc4:
        return decode_vector(s, in, ENC_VEX, 3);
    case 0xc5:
        return decode_vector(s, in, ENC_VEX, 2);
    case 0x62:
        return decode_vector(s, in, ENC_EVEX, 4);
    case 0x8f:
        if (!have(s, 2))
            return s->overrun;
        if ((s->bytes[s->pos + 1] & 0x1f) >= 8)
            return decode_vector(s, in, ENC_XOP, 3);
        break;
    }
    in->opcode = b;
    in->opcode_off = s->pos++;
    return decode_integer(s, in);
}

int insn_decode(const uint8_t *bytes, size_t avail, struct insn *out)
{
    struct state s = {.bytes = bytes};
    int r;

    s.limit = avail < INSN_MAX ? avail : INSN_MAX;
    s.overrun = avail < INSN_MAX ? 0 : TOO_LONG;
    *out = (struct insn){.base = -1, .index = -1, .scale = 1};
    r = decode_prefixes(&s, out) ? decode_opcode(&s, out) : s.overrun;
    if (r == TOO_LONG) { /* #GP, as for hlt */
        *out = (struct insn){.cls = INSN_EMULATE, .opcode = 0xf4, .base = -1, .index = -1};
        r = INSN_MAX;
    }
    if (r > 0)
        out->len = r;
    return r;
}
