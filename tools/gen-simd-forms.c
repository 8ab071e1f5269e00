/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gen-simd-forms.c - writes src/engine/soft/x86/forms.c to stdout: probes every encoding of
 * the SIMD opcode maps with Zydis and packs those that behave alike into rows (struct form).
 *
 *   cc -Isrc -o gen tools/gen-simd-forms.c -lZydis && ./gen | clang-format > .../forms.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <Zydis/Zydis.h>
#include "engine/soft/x86/forms.h"

enum kind { LEGACY, VEX, EVEX, XOP };

static const struct {
    enum kind kind;
    int map;
} tables[FORMS_TABLES] = {
    {LEGACY, 1}, {LEGACY, 2}, {LEGACY, 3}, {VEX, 1},  {VEX, 2}, {VEX, 3}, {EVEX, 1},
    {EVEX, 2},   {EVEX, 3},   {EVEX, 5},   {EVEX, 6}, {XOP, 8}, {XOP, 9}, {XOP, 10},
};

/* One encoding: pp 2 bits, W 1, L 2, b 1, mod 1 (1 = register), reg 3. */
#define POINTS 1024
#define POINT(pp, w, l, b, mod, reg)                                                               \
    ((pp) << 8 | (w) << 7 | (l) << 5 | (b) << 4 | (mod) << 3 | (reg))

struct result {
    int valid, cls, size, scale; /* size in bytes, 0 none; scale in bytes */
    int what, gprs;
};

static ZydisDecoder decoder;

static int is_gpr(ZydisRegister r)
{
    ZydisRegisterClass c = ZydisRegisterGetClass(r);

    return c == ZYDIS_REGCLASS_GPR8 || c == ZYDIS_REGCLASS_GPR16 || c == ZYDIS_REGCLASS_GPR32 ||
           c == ZYDIS_REGCLASS_GPR64;
}

static int gpr_number(ZydisRegister r)
{
    ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);

    return full - ZYDIS_REGISTER_RAX;
}

static int is_simd(ZydisRegister r)
{
    ZydisRegisterClass c = ZydisRegisterGetClass(r);

    return c == ZYDIS_REGCLASS_X87 || c == ZYDIS_REGCLASS_MMX || c == ZYDIS_REGCLASS_XMM ||
           c == ZYDIS_REGCLASS_YMM || c == ZYDIS_REGCLASS_ZMM || c == ZYDIS_REGCLASS_TMM ||
           c == ZYDIS_REGCLASS_MASK || c == ZYDIS_REGCLASS_BOUND || r == ZYDIS_REGISTER_MXCSR;
}

/* Instructions that no guest kernel is offered: hidden in CPUID, not for ring 3, or with an
 * implicit memory operand that the translator would have to follow. */
static int is_refused(const ZydisDecodedInstruction *in)
{
    switch (in->meta.isa_ext) {
    case ZYDIS_ISA_EXT_AMX_BF16:
    case ZYDIS_ISA_EXT_AMX_INT8:
    case ZYDIS_ISA_EXT_AMX_TILE:
    case ZYDIS_ISA_EXT_CET:
    case ZYDIS_ISA_EXT_ENQCMD:
    case ZYDIS_ISA_EXT_HRESET:
    case ZYDIS_ISA_EXT_INVPCID:
    case ZYDIS_ISA_EXT_KEYLOCKER:
    case ZYDIS_ISA_EXT_KEYLOCKER_WIDE:
    case ZYDIS_ISA_EXT_VTX:
    case ZYDIS_ISA_EXT_SVM:
        return 1;
    default:
        return in->mnemonic == ZYDIS_MNEMONIC_MOVDIR64B;
    }
}

static int build(int t, int opcode, int point, int variant, uint8_t *buf)
{
    int pp = point >> 8 & 3, w = point >> 7 & 1, l = point >> 5 & 3, b = point >> 4 & 1;
    int mod = point >> 3 & 1, reg = point & 7, n = 0;
    /* register 0 (or "none"), 9 and 6: some instructions want all registers to differ */
    static const int vvvv_of[3] = {15, 6, 9};
    int vvvv = vvvv_of[variant % 3], aaa = variant / 3 & 1;
    static const uint8_t prefix[4] = {0, 0x66, 0xf3, 0xf2};

    switch (tables[t].kind) {
    case LEGACY:
        if (pp)
            buf[n++] = prefix[pp];
        if (w)
            buf[n++] = 0x48;
        buf[n++] = 0x0f;
        if (tables[t].map > 1)
            buf[n++] = tables[t].map == 2 ? 0x38 : 0x3a;
        break;
    case VEX:
    case XOP:
        buf[n++] = tables[t].kind == VEX ? 0xc4 : 0x8f;
        buf[n++] = 0xe0 | tables[t].map;
        buf[n++] = w << 7 | vvvv << 3 | l << 2 | pp;
        break;
    case EVEX:
        buf[n++] = 0x62;
        buf[n++] = 0xf0 | tables[t].map;
        buf[n++] = w << 7 | vvvv << 3 | 4 | pp;
        buf[n++] = l << 5 | b << 4 | 8 | aaa;
        break;
    }
    buf[n++] = opcode;
    if (mod) {
        buf[n++] = 0xc0 | reg << 3 | (variant / 6 & 1 ? 0 : 3);
    } else {
        buf[n++] = 0x44 | reg << 3; /* [rsi + rbp or rdi (or xmm5, xmm7) + 1] */
        buf[n++] = variant / 6 & 1 ? 0x3e : 0x2e;
        buf[n++] = 1;
    }
    memset(buf + n, 0, 8);
    return n;
}

static void examine(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops,
                    struct result *r)
{
    int write, memory = 0;

    r->valid = 1;
    r->cls = is_refused(in);
    for (int i = 0; i < 2; i++)
        r->what += in->raw.imm[i].size / 8;
    for (int i = 0; i < in->operand_count; i++) {
        const ZydisDecodedOperand *op = &ops[i];

        write = !!(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
        if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            if (op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN) {
                if (!r->cls)
                    r->cls = 2;
                r->gprs |= 1 << gpr_number(op->mem.base);
                continue;
            }
            memory = 1;
            r->size = op->size / 8;
            if (op->mem.type == ZYDIS_MEMOP_TYPE_VSIB)
                r->what |= FORM_VSIB;
            if (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
                r->what |= FORM_READ;
            if (write)
                r->what |= FORM_WRITE;
            r->scale = (int)op->mem.disp.value;
        }
        if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        if (is_simd(op->reg.value))
            r->what |= FORM_SIMD;
        if (!is_gpr(op->reg.value))
            continue;
        switch (op->encoding) {
        case ZYDIS_OPERAND_ENCODING_MODRM_REG:
            r->what |= FORM_REG | (write ? FORM_REG_W : 0);
            break;
        case ZYDIS_OPERAND_ENCODING_MODRM_RM:
            r->what |= FORM_RM | (write ? FORM_RM_W : 0);
            break;
        case ZYDIS_OPERAND_ENCODING_NDSNDD:
            r->what |= FORM_VVVV | (write ? FORM_VVVV_W : 0);
            break;
        default:
            r->gprs |= 1 << gpr_number(op->reg.value);
        }
    }
    if (memory && in->encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX)
        r->scale = 0;
    switch (in->meta.isa_ext) {
    case ZYDIS_ISA_EXT_MMX:
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
        if (in->mnemonic != ZYDIS_MNEMONIC_MOVNTI)
            r->what |= FORM_SIMD;
        break;
    case ZYDIS_ISA_EXT_AVX:
        r->what |= FORM_SIMD; /* vzeroupper */
        break;
    default:
        break;
    }
}

static void probe(int t, int opcode, int point, struct result *r)
{
    ZydisDecodedInstruction in;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    uint8_t buf[32];
    int free_vvvv = 0;

    memset(r, 0, sizeof(*r));
    for (int i = 0; i < 12; i++) {
        int n = build(t, opcode, point, i, buf);

        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, buf, n + 8, &in, ops)))
            continue;
        if (in.raw.modrm.offset == 0)
            return; /* vzeroupper, in decode.c; and Knights Corner's VEX jumps */
        if (!r->valid)
            examine(&in, ops, r);
        if (i % 3)
            free_vvvv = 1;
    }
    if (r->valid && tables[t].kind != LEGACY && !free_vvvv)
        r->what |= FORM_NOVVVV;
}

static int log2_of(int n)
{
    int l = 0;

    while (1 << l < n)
        l++;
    return 1 << l == n ? l : -1;
}

/* Express sizes relative to the vector length where they double with it. */
static void relate(struct result *r, int relative_flag, int scale)
{
    for (int p = 0; p < POINTS; p++) {
        int rel = 1, any = 0, base = 0;

        if (p >> 5 & 3)
            continue; /* look at all lengths of the same point */
        for (int l = 0; l < 3; l++) {
            struct result *x = &r[p | l << 5];
            int v = scale ? x->scale : x->size;

            if (!x->valid || v == 0)
                continue;
            if (any && v >> l != base)
                rel = 0;
            if (v >> l << l != v)
                rel = 0;
            base = v >> l;
            any++;
        }
        if (any < 2 || !rel)
            continue;
        for (int l = 0; l < 4; l++) {
            struct result *x = &r[p | l << 5];
            int *v = scale ? &x->scale : &x->size;

            if (!x->valid || *v == 0)
                continue;
            *v = base;
            x->what |= relative_flag;
        }
    }
}

static int same(const struct result *a, const struct result *b)
{
    return a->valid && b->valid && a->cls == b->cls && a->size == b->size && a->scale == b->scale &&
           a->what == b->what && a->gprs == b->gprs;
}

static const int dim_shift[6] = {8, 7, 5, 4, 3, 0}, dim_size[6] = {4, 2, 4, 2, 2, 8};

/* Is every point of the rectangle like `like`? Already covered points may be covered again. */
static int rect_ok(const struct result *r, const int mask[6], const struct result *like)
{
    for (int p = 0; p < POINTS; p++) {
        int in = 1;

        for (int d = 0; d < 6; d++)
            in &= mask[d] >> (p >> dim_shift[d] & (dim_size[d] - 1)) & 1;
        if (in && !same(&r[p], like))
            return 0;
    }
    return 1;
}

static int emit(struct result *r)
{
    static uint8_t done[POINTS];
    int rows = 0;

    memset(done, 0, sizeof(done));
    for (int p = 0; p < POINTS; p++) {
        int mask[6];

        if (!r[p].valid || done[p])
            continue;
        for (int d = 0; d < 6; d++)
            mask[d] = 1 << (p >> dim_shift[d] & (dim_size[d] - 1));
        for (int d = 5; d >= 0; d--)
            for (int v = 0; v < dim_size[d]; v++) {
                int old = mask[d];

                mask[d] |= 1 << v;
                if (!rect_ok(r, mask, &r[p]))
                    mask[d] = old;
            }
        for (int q = 0; q < POINTS; q++) {
            int in = 1;

            for (int d = 0; d < 6; d++)
                in &= mask[d] >> (q >> dim_shift[d] & (dim_size[d] - 1)) & 1;
            done[q] |= in;
        }
        int size = r[p].size ? log2_of(r[p].size) + 1 : 0;
        if (size < 0 || size > 15)
            size = 0;
        int scale = r[p].scale > 1 ? log2_of(r[p].scale) : 0;
        printf("{%d,%d,%d,%d,%d,%d,0x%02x,%d,%d,0x%04x,0x%04x},%s", mask[0], mask[2], mask[1],
               mask[3], mask[4], r[p].cls, mask[5], size, scale, r[p].what, r[p].gprs,
               rows % 3 == 2 ? "\n" : " ");
        rows++;
    }
    return rows;
}

/* Opcodes of the 0F map that live here and not in decode.c's own table. */
static int is_simd_0f(int op)
{
    return (op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2f) || (op >= 0x50 && op <= 0x76) ||
           op == 0x78 || op == 0x79 || op == 0x7c || op == 0x7d || op == 0x7e || op == 0x7f ||
           op == 0xc2 || (op >= 0xc4 && op <= 0xc6) || (op >= 0xd0 && op <= 0xfe);
}

int main(void)
{
    static struct result r[POINTS];
    static int first[FORMS_TABLES][257];
    int rows = 0;

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    printf("/* SPDX-License-Identifier: GPL-2.0-or-later\n *\n"
           " * forms.c - written by tools/gen-simd-forms.c; do not edit. See forms.h.\n */\n"
           "#include \"engine/soft/x86/forms.h\"\n\n/* clang-format off */\n"
           "static const struct form rows[] = {\n");
    for (int t = 0; t < FORMS_TABLES; t++) {
        for (int op = 0; op < 256; op++) {
            first[t][op] = rows;
            if (tables[t].kind == LEGACY && tables[t].map == 1 && !is_simd_0f(op))
                continue;
            if (tables[t].kind == LEGACY && tables[t].map == 2 && (op == 0xf0 || op == 0xf1))
                continue;
            memset(r, 0, sizeof(r));
            for (int p = 0; p < POINTS; p++) {
                int l = p >> 5 & 3, b = p >> 4 & 1;

                if ((tables[t].kind == LEGACY && (l || b)) ||
                    (tables[t].kind != EVEX && (l > 1 || b)))
                    continue;
                probe(t, op, p, &r[p]);
            }
            relate(r, FORM_REL, 0);
            relate(r, FORM_SCALE_REL, 1);
            rows += emit(r);
        }
        first[t][256] = rows;
    }
    printf("\n};\n\nstatic const uint16_t first[FORMS_TABLES][257] = {\n");
    for (int t = 0; t < FORMS_TABLES; t++) {
        printf("{");
        for (int op = 0; op <= 256; op++)
            printf("%d,%s", first[t][op], op % 16 == 15 ? "\n" : "");
        printf("},\n");
    }
    printf("};\n/* clang-format on */\n\n"
           "unsigned int forms_find(enum form_table table, uint8_t opcode, "
           "const struct form **ret)\n{\n"
           "    *ret = &rows[first[table][opcode]];\n"
           "    return first[table][opcode + 1] - first[table][opcode];\n}\n");
    fprintf(stderr, "%d rows\n", rows);
    return 0;
}
