/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-decode.c - the decoder and re-encoder against Zydis: every opcode with every ModRM
 * byte under a set of prefixes, and random bytes. Where the two differ on purpose the
 * difference is listed in known_difference() with its reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include "cpu/vcpu.h"
#include "engine/soft/x86/insn.h"

static ZydisDecoder decoder;
static unsigned long checked, accepted, reencoded;
static unsigned int reported;

struct oracle {
    ZyanStatus status;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void ask(const uint8_t *bytes, size_t n, struct oracle *z)
{
    z->status = ZydisDecoderDecodeFull(&decoder, bytes, n, &z->in, z->op);
}

static void complain(const uint8_t *bytes, const char *what, long ours, long theirs,
                     const struct oracle *z)
{
    static unsigned char seen[ZYDIS_MNEMONIC_MAX_VALUE + 1][16];
    unsigned int m = ZYAN_SUCCESS(z->status) ? z->in.mnemonic : 0;

    reported++;
    if (seen[m][what[0] & 15]++ > 1)
        return; /* one line or two for each kind of mistake */
    fprintf(stderr, "%s: ours %lx, Zydis %lx (%s, status %x):", what, ours, theirs,
            ZYAN_SUCCESS(z->status) ? ZydisMnemonicGetString(z->in.mnemonic) : "-",
            (unsigned int)z->status);
    for (int i = 0; i < 15; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fprintf(stderr, "\n");
}

static bool is_gpr(ZydisRegister r)
{
    ZydisRegisterClass c = ZydisRegisterGetClass(r);

    return c >= ZYDIS_REGCLASS_GPR8 && c <= ZYDIS_REGCLASS_GPR64;
}

static int gpr_number(ZydisRegister r)
{
    ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);

    return is_gpr(full) ? (int)(full - ZYDIS_REGISTER_RAX) : -1;
}

/* Validity differs on purpose. */
static bool known_difference(const struct insn *in, int r, const struct oracle *z)
{
    if (r > 0) {
        if (in->cls == INSN_UD)
            return true; /* the same outcome */
        switch (z->status) {
        case ZYDIS_STATUS_BAD_REGISTER: /* k8, overlapping gather registers, ... */
        case ZYDIS_STATUS_INVALID_MASK: /* mask or zeroing that an instruction must (not) have */
        case ZYDIS_STATUS_MALFORMED_EVEX:
            return in->enc != ENC_LEGACY; /* the copied instruction raises #UD in place */
        case ZYDIS_STATUS_NO_MORE_DATA:
        case ZYDIS_STATUS_INSTRUCTION_TOO_LONG: /* #GP, like hlt */
            return r == INSN_MAX && in->cls == INSN_EMULATE && !in->map && in->opcode == 0xf4;
        default:
            return false;
        }
    }
    if (z->in.encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW ||
        z->in.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX)
        return true; /* no CPU that runs this has them */
    switch (z->in.mnemonic) {
    case ZYDIS_MNEMONIC_FEMMS:  /* 3DNow! */
    case ZYDIS_MNEMONIC_XSTORE: /* VIA PadLock, and what follows */
    case ZYDIS_MNEMONIC_XCRYPT_ECB:
    case ZYDIS_MNEMONIC_XCRYPT_CBC:
    case ZYDIS_MNEMONIC_XCRYPT_CTR:
    case ZYDIS_MNEMONIC_XCRYPT_CFB:
    case ZYDIS_MNEMONIC_XCRYPT_OFB:
    case ZYDIS_MNEMONIC_XSHA1:
    case ZYDIS_MNEMONIC_XSHA256:
    case ZYDIS_MNEMONIC_MONTMUL:
    case ZYDIS_MNEMONIC_JKZD: /* Knights Corner */
    case ZYDIS_MNEMONIC_JKNZD:
        return true;
    default:
        return false;
    }
}

/* Zydis 4.0 takes SIB base 101 with mod 00, REX.B and 67 for r13d; it is "no base". */
static bool zydis_r13d(const struct insn *in, const uint8_t *bytes)
{
    return in->prefix_67 && in->has_sib && in->mod == 0 && (in->rex & 1) &&
           (bytes[in->modrm_off + 1] & 7) == 5;
}

/* What Zydis says about registers, reduced to our terms. */
struct registers {
    unsigned int gprs;
    bool rsp_data, rsp_write;
};

static const ZydisDecodedOperand *collect(const struct oracle *z, struct registers *regs)
{
    const ZydisDecodedOperand *mem = NULL;

    *regs = (struct registers){0};
    for (int i = 0; i < z->in.operand_count; i++) {
        const ZydisDecodedOperand *op = &z->op[i];

        if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            int b = gpr_number(op->mem.base), x = gpr_number(op->mem.index);

            regs->gprs |= (b >= 0 ? 1u << b : 0) | (x >= 0 ? 1u << x : 0);
            if (op->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
                mem = op;
        }
        if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && is_gpr(op->reg.value)) {
            int g = gpr_number(op->reg.value);

            regs->gprs |= 1u << g;
            if (g == RSP && op->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT) {
                regs->rsp_data = true;
                regs->rsp_write |= !!(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
            }
        }
    }
    return mem;
}

static void compare_memory(const uint8_t *bytes, const struct insn *in, const struct oracle *z,
                           const ZydisDecodedOperand *mem)
{
    int read = !!(mem->actions & ZYDIS_OPERAND_ACTION_MASK_READ);
    int write = !!(mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);

    if (in->base != gpr_number(mem->mem.base) ||
        in->rip_rel != (mem->mem.base == ZYDIS_REGISTER_RIP || mem->mem.base == ZYDIS_REGISTER_EIP))
        complain(bytes, "base", in->base, gpr_number(mem->mem.base), z);
    if (!in->vsib && in->index != gpr_number(mem->mem.index))
        complain(bytes, "index", in->index, gpr_number(mem->mem.index), z);
    if (in->vsib != (mem->mem.type == ZYDIS_MEMOP_TYPE_VSIB) ||
        (in->vsib && in->index != ZydisRegisterGetId(mem->mem.index)))
        complain(bytes, "vsib", in->index, ZydisRegisterGetId(mem->mem.index), z);
    if (in->index >= 0 && in->scale != mem->mem.scale)
        complain(bytes, "scale", in->scale, mem->mem.scale, z);
    if (in->disp != mem->mem.disp.value)
        complain(bytes, "disp", in->disp, mem->mem.disp.value, z);
    if (in->mem_read != read || in->mem_write != write)
        complain(bytes, "access", in->mem_read + 2 * in->mem_write, read + 2 * write, z);
    if (in->mem_size != mem->size / 8 && in->cls != INSN_LEA && in->cls != INSN_EMULATE &&
        in->opcode != 0xae /* clflush: the address is checked, not the line */)
        complain(bytes, "size", in->mem_size, mem->size / 8, z);
}

/* Operand size of the integer instructions: it is that of the first explicit operand where
 * that is a general register or memory (crc32 and movzx: of the second). */
static void compare_operand_size(const uint8_t *bytes, const struct insn *in,
                                 const struct oracle *z)
{
    const ZydisDecodedOperand *op = &z->op[0];
    bool second = z->in.mnemonic == ZYDIS_MNEMONIC_CRC32;

    if (in->simd || in->enc != ENC_LEGACY || in->cls != INSN_COPY)
        return;
    op += second;
    if (op->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT ||
        (op->type != ZYDIS_OPERAND_TYPE_MEMORY && op->type != ZYDIS_OPERAND_TYPE_REGISTER))
        return;
    if (op->size / 8 != in->opsize && in->opcode != 0xae &&
        !(in->map == 1 && in->opcode == 0xc7) /* cmpxchg8b: of one half */ &&
        !(in->map == 1 && in->opcode == 0x00) /* verw */)
        complain(bytes, "opsize", in->opsize, op->size / 8, z);
}

static void compare_immediate(const uint8_t *bytes, const struct insn *in, const struct oracle *z)
{
    unsigned int size = z->in.raw.imm[0].size / 8;
    uint64_t mask = size == 8 || size == 0 ? ~0ull : (1ull << size * 8) - 1;

    if (in->cls == INSN_EMULATE && in->map == 0 && in->opcode >= 0xa0 && in->opcode <= 0xa3)
        return; /* moffs: a displacement for Zydis */
    if (size == 0) {
        if (in->imm_size)
            complain(bytes, "imm_size", in->imm_size, 0, z);
        return;
    }
    if ((in->imm & mask) != (z->in.raw.imm[0].value.u & mask) ||
        in->imm_off != z->in.raw.imm[0].offset)
        complain(bytes, "imm", in->imm, (long)z->in.raw.imm[0].value.u, z);
    if (in->cls == INSN_JMP || in->cls == INSN_JCC || in->cls == INSN_CALL ||
        in->cls == INSN_LOOP || in->cls == INSN_PUSH)
        if (in->imm != z->in.raw.imm[0].value.s)
            complain(bytes, "Imm", in->imm, (long)z->in.raw.imm[0].value.u, z);
}

/* The register operand that carried `from` must carry `to`, everything else be as before. */
static bool same_operand(const ZydisDecodedOperand *a, const ZydisDecodedOperand *b, int from,
                         int to)
{
    if (a->type != b->type || (a->size != b->size && a->type != ZYDIS_OPERAND_TYPE_MEMORY) ||
        a->actions != b->actions)
        return false;
    switch (a->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (a->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT && is_gpr(a->reg.value) &&
            gpr_number(a->reg.value) == from &&
            !(a->reg.value >= ZYDIS_REGISTER_AH && a->reg.value <= ZYDIS_REGISTER_BH) &&
            (a->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG ||
             a->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM ||
             a->encoding == ZYDIS_OPERAND_ENCODING_OPCODE ||
             a->encoding == ZYDIS_OPERAND_ENCODING_NDSNDD))
            return gpr_number(b->reg.value) == to &&
                   !(b->reg.value >= ZYDIS_REGISTER_AH && b->reg.value <= ZYDIS_REGISTER_BH);
        return a->reg.value == b->reg.value;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        return a->imm.value.u == b->imm.value.u;
    default:
        return true;
    }
}

static bool memory_as_asked(const ZydisDecodedOperand *old, const ZydisDecodedOperand *new,
                            const struct insn_edit *edit)
{
    ZydisRegister seg = edit->seg == 0x65   ? ZYDIS_REGISTER_GS
                        : edit->seg == 0x64 ? ZYDIS_REGISTER_FS
                                            : ZYDIS_REGISTER_NONE;

    if (old->size != new->size)
        return false;
    if (seg ? new->mem.segment != seg
            : new->mem.segment == ZYDIS_REGISTER_FS || new->mem.segment == ZYDIS_REGISTER_GS)
        return false;
    switch (edit->mem) {
    case MEM_ABS32:
        return gpr_number(new->mem.base) == -1 &&
               new->mem.base != ZYDIS_REGISTER_RIP &&gpr_number(new->mem.index) == -1 &&
               new->mem.disp.value == edit->disp;
    case MEM_BASE:
        return gpr_number(new->mem.base) == edit->base && gpr_number(new->mem.index) == -1 &&
               ZydisRegisterGetClass(new->mem.base) == ZYDIS_REGCLASS_GPR64 &&
               new->mem.disp.value == 0;
    default:
        return new->mem.base == old->mem.base &&new->mem.index == old->mem.index &&new->mem.scale ==
               old->mem.scale &&new->mem.disp.value == old->mem.disp.value;
    }
}

static void compare_reencoded(const uint8_t *bytes, const struct insn *in, const struct oracle *z,
                              uint64_t r)
{
    struct insn_edit edit = {
        .seg = r & 1   ? 0x65
               : r & 2 ? 0x64
                       : 0,
        .mem = in->rip_rel ? MEM_ABS32 + (r >> 2 & 1) : (r >> 2) % 3,
        .disp = (int32_t)(r >> 8),
        .base = r >> 40 & 15,
        .from = -1,
    };
    struct oracle z2;
    uint8_t out[32] = {0};
    int n;

    if (r >> 44 & 1) {
        edit.from = r >> 45 & 1 && in->reg_gpr ? in->reg & 15 : RSP;
        edit.to = r >> 46 & 15;
    }
    n = insn_reencode(in, bytes, &edit, out);
    if (n < 0)
        return;
    reencoded++;
    ask(out, sizeof(out), &z2);
    if (ZYAN_SUCCESS(z2.status) && z2.in.mnemonic == ZYDIS_MNEMONIC_PAUSE)
        return; /* zydis_pause() again */
    if (!ZYAN_SUCCESS(z2.status)) {
        /* two registers that must differ have become one */
        if (z2.status != ZYDIS_STATUS_BAD_REGISTER)
            complain(bytes, "reencode", n, 0, &z2);
        return;
    }
    if (z2.in.length != n || z2.in.mnemonic != z->in.mnemonic ||
        z2.in.operand_count != z->in.operand_count) {
        complain(bytes, "reencode", n, z2.in.length, &z2);
        return;
    }
    for (int i = 0; i < z->in.operand_count; i++) {
        bool ok = same_operand(&z->op[i], &z2.op[i], edit.from, edit.to);

        if (z->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            z->op[i].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM &&
            in->opcode != 0x8d /* lea has no segment, and loses its 67 */)
            ok &= memory_as_asked(&z->op[i], &z2.op[i], &edit);
        if (!ok)
            complain(bytes, "operand", i, in->mem, &z2);
    }
}

/* F3 REX.B 90 is xchg r8, rax (tried on a CPU); Zydis says pause. */
static bool zydis_pause(const struct insn *in)
{
    return in->map == 0 && in->opcode == 0x90 && in->rep == 0xf3 && (in->rex & 1);
}

static void compare(const uint8_t *bytes, size_t n)
{
    static uint64_t seed = 42;
    const ZydisDecodedOperand *mem;
    struct registers regs;
    struct oracle z;
    struct insn in;
    int r = insn_decode(bytes, n, &in);

    ask(bytes, n, &z);
    checked++;
    if ((r > 0) != !!ZYAN_SUCCESS(z.status)) {
        if (!known_difference(&in, r, &z))
            complain(bytes, "validity", r, 0, &z);
        return;
    }
    if (r <= 0)
        return;
    accepted++;
    if (r != z.in.length) {
        complain(bytes, "length", r, z.in.length, &z);
        return;
    }
    for (int i = 0; i < r; i++) {
        struct insn cut;

        if (insn_decode(bytes, i, &cut) != 0)
            complain(bytes, "avail", i, r, &z);
    }
    if (in.cls == INSN_UD || in.cls == INSN_NOP)
        return; /* only their length counts */
    mem = collect(&z, &regs);
    if (in.mem != !!mem) {
        complain(bytes, "mem", in.mem, !!mem, &z);
        return;
    }
    if (zydis_r13d(&in, bytes) || zydis_pause(&in))
        return;
    if (regs.gprs != in.gprs)
        complain(bytes, "gprs", in.gprs, regs.gprs, &z);
    if (regs.rsp_data != in.rsp_data || regs.rsp_write != in.rsp_write)
        complain(bytes, "rsp", in.rsp_data * 2 + in.rsp_write, regs.rsp_data * 2 + regs.rsp_write,
                 &z);
    if (mem)
        compare_memory(bytes, &in, &z, mem);
    compare_operand_size(bytes, &in, &z);
    compare_immediate(bytes, &in, &z);
    compare_reencoded(bytes, &in, &z, next_random(&seed));
}

static const uint8_t prefixes[][4] = {
    /* length, bytes */
    {0},
    {1, 0x66},
    {1, 0xf2},
    {1, 0xf3},
    {1, 0x48},
    {2, 0x66, 0x48},
    {2, 0xf2, 0x48},
    {2, 0xf3, 0x48},
    {1, 0x40},
    {1, 0x45},
    {1, 0x4f},
    {1, 0x67},
    {1, 0xf0},
    {1, 0x65},
    {2, 0xf3, 0x66},
    {2, 0x66, 0xf2},
    {2, 0xf2, 0xf3},
    {2, 0xf0, 0x48},
    {2, 0x48, 0x66},
};

static void sweep(const uint8_t *escape, unsigned int escape_len)
{
    uint64_t seed = 88172645463325252ull;
    uint8_t buf[40];

    for (unsigned int p = 0; p < sizeof(prefixes) / sizeof(prefixes[0]); p++)
        for (unsigned int op = 0; op < 256; op++)
            for (unsigned int modrm = 0; modrm < 256; modrm++) {
                unsigned int n = prefixes[p][0];

                memcpy(buf, prefixes[p] + 1, n);
                memcpy(buf + n, escape, escape_len);
                n += escape_len;
                buf[n++] = op;
                buf[n++] = modrm;
                for (unsigned int i = 0; i < 16; i++)
                    buf[n++] = next_random(&seed) >> 20;
                compare(buf, 24);
            }
}

static void test_integer_maps(void **state)
{
    static const uint8_t escapes[][2] = {{0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};

    sweep(escapes[0], 0);
    sweep(escapes[0], 1);
    sweep(escapes[1], 2);
    sweep(escapes[2], 2);
    assert_int_equal(reported, 0);
}

static void test_vector_maps(void **state)
{
    static const uint8_t last_evex[] = {0x08, 0x28, 0x48, 0x68, 0x18, 0x58,
                                        0x00, 0x09, 0x89, 0x49, 0x5a, 0x8f};
    uint64_t seed = 1234567;
    uint8_t buf[40];

    for (unsigned int map = 0; map < 12; map++)
        for (unsigned int op = 0; op < 256; op++)
            for (unsigned int x = 0; x < 512; x++)
                for (unsigned int kind = 0; kind < 3; kind++) {
                    uint64_t r = next_random(&seed);
                    unsigned int n = 0;

                    for (unsigned int i = 0; i < 40; i++)
                        buf[i] = next_random(&seed) >> 24;
                    buf[n++] = kind == 0 ? 0xc4 : kind == 1 ? 0x62 : 0x8f;
                    buf[n++] = (x & 1 ? 0xf0 : r & 0xf0) | map;
                    if (kind != 1)
                        buf[n - 1] = (buf[n - 1] & 0xe0) | map;
                    buf[n++] = (x & 2 ? 0x78 : r >> 8 & 0x78) | (r >> 16 & 0x87) | (kind == 1) * 4;
                    if (kind == 1)
                        buf[n++] = x & 4 ? last_evex[r >> 30 & 7] : last_evex[(r >> 30 & 7) % 12];
                    buf[n++] = op;
                    compare(buf, 24);
                    if (kind == 0 && map == 1) {
                        buf[0] = 0xc5;
                        buf[1] = buf[2] ^ (r & 0x80);
                        memmove(buf + 2, buf + 3, 20);
                        compare(buf, 24);
                    }
                }
    assert_int_equal(reported, 0);
}

static void test_random_bytes(void **state)
{
    uint64_t seed = 0x9e3779b97f4a7c15ull;
    uint8_t buf[40];

    for (unsigned int i = 0; i < 3000000; i++) {
        for (unsigned int j = 0; j < 16; j += 8) {
            uint64_t r = next_random(&seed);

            memcpy(buf + j, &r, 8);
        }
        compare(buf, 15);
    }
    assert_int_equal(reported, 0);
}

static int setup(void **state)
{
    reported = 0;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_integer_maps, setup),
        cmocka_unit_test_setup(test_vector_maps, setup),
        cmocka_unit_test_setup(test_random_bytes, setup),
    };

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    /* A CPU without MPX executes bndmov and friends as nop: that is what is wanted. */
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    printf("%lu encodings, %lu valid, %lu encoded again\n", checked, accepted, reencoded);
    return failed;
}
