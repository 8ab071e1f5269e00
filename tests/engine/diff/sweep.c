/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sweep.c - see sweep.h. Operands: [rbx], [rbx + rcx] or rcx. rbx names kernel memory in the
 * window, or user memory; then no register is a window pointer, so that any may be data.
 */
#include "sweep.h"

#include "compare.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/x86/insn.h"
#include "fake.h"
#include "gen.h"

static struct start start;
static struct result native_result, guest_result;
static struct gen gen;
static uint64_t nr_tried, nr_bad, seed;
static uint64_t nr_quirks; /* undefined by the manuals, yet the CPU executes it: #UD for guests */

/* What one encoding is made of. */
struct form {
    uint8_t enc;     /* enum insn_enc */
    uint8_t map, pp; /* pp: 0, 66, F3, F2 */
    uint8_t opcode;
    bool w;
    uint8_t length, vvvv, mask; /* vectors */
    bool z, b;
    uint8_t reg;
    enum { RM_REGISTER, RM_BASE, RM_INDEX, RM_SHAPES } rm;
};

static unsigned int put_legacy(const struct form *f, uint8_t *out)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    unsigned int n = 0;

    if (f->pp)
        out[n++] = prefixes[f->pp];
    if (f->w)
        out[n++] = 0x48;
    if (f->map)
        out[n++] = 0x0f;
    if (f->map > 1)
        out[n++] = f->map == 2 ? 0x38 : 0x3a;
    return n;
}

static unsigned int put_vector(const struct form *f, uint8_t *out)
{
    unsigned int n = 0, vvvv = (~(unsigned int)f->vvvv & 15) << 3;

    out[n++] = f->enc == ENC_EVEX ? 0x62 : f->enc == ENC_XOP ? 0x8f : 0xc4;
    out[n++] = f->enc == ENC_EVEX ? 0xf0 | f->map : 0xe0 | f->map;
    if (f->enc != ENC_EVEX) {
        out[n++] = (uint8_t)(f->w << 7 | vvvv | f->length << 2 | f->pp);
        return n;
    }
    out[n++] = (uint8_t)(f->w << 7 | vvvv | 4 | f->pp);
    out[n++] = (uint8_t)(f->z << 7 | f->length << 5 | f->b << 4 | 8 | f->mask);
    return n;
}

/* The bytes, with more than enough for any immediate behind them. */
static void encode(const struct form *f, uint8_t *out)
{
    static const uint8_t modrm[] = {0xc1, 0x03, 0x04};
    unsigned int n = f->enc == ENC_LEGACY ? put_legacy(f, out) : put_vector(f, out);

    out[n++] = f->opcode;
    out[n++] = modrm[f->rm] | f->reg << 3;
    if (f->rm == RM_INDEX)
        out[n++] = 0x0b;
    while (n < 24)
        out[n++] = 0x11;
}

static bool flows(const struct form *f)
{
    switch (f->map << 8 | f->opcode) {
    case 0x070 ... 0x07f:
    case 0x0c2 ... 0x0c3:
    case 0x0e0 ... 0x0e3:
    case 0x0e8 ... 0x0eb:
    case 0x180 ... 0x18f:
        return true;
    case 0x0ff:
        return f->reg >= 2 && f->reg <= 5;
    default:
        return false;
    }
}

/* Not the same by design: system calls and interrupts of the host, what Xen emulates or hides,
 * selectors, time, random numbers, save areas (their pointers differ), flags that a kernel may not
 * set so. tests/unit/x86/test-system.c and the guests have them. */
static bool is_different(const struct form *f)
{
    if (f->enc != ENC_LEGACY)
        return false;
    switch (f->map << 8 | f->opcode) {
    case 0x08c: /* mov sreg */
    case 0x08e:
    case 0x09d: /* popf */
    case 0x0ca: /* far return, int n, iret */
    case 0x0cb:
    case 0x0cd:
    case 0x0cf:
    case 0x0f1: /* icebp: virtual machines get its rip wrong */
    case 0x100: /* descriptors and tables */
    case 0x101:
    case 0x102:
    case 0x103:
    case 0x105: /* syscall, clts, wbinvd */
    case 0x106:
    case 0x109:
    case 0x10d: /* prefetch of a register: a nop or undefined */
    case 0x120 ... 0x123:
    case 0x130 ... 0x135:
    case 0x1a0 ... 0x1a2: /* fs, cpuid */
    case 0x1a8 ... 0x1a9:
    case 0x1ae:
    case 0x1b2:
    case 0x1b4:
    case 0x1b5:
        return true;
    case 0x0f6: /* div, idiv: undefined flags */
    case 0x0f7:
        return f->reg >= 6;
    case 0x1c7:
        return f->reg != 1;
    case 0x0d9: /* environments */
        return f->rm != RM_REGISTER && (f->reg == 4 || f->reg == 6);
    case 0x0dd:
        return f->rm != RM_REGISTER && (f->reg == 4 || f->reg == 6);
    default:
        return false;
    }
}

static void report(const struct form *f, const uint8_t *bytes, unsigned int len, const char *how)
{
    static unsigned int last;
    unsigned int key = (unsigned int)f->enc << 16 | (unsigned int)f->map << 8 | f->opcode;

    nr_bad++;
    if (key == last)
        return;
    last = key;
    fake_print("# %s:", how);
    for (unsigned int i = 0; i < (len ? len : 10); i++)
        fake_print(" %02x", bytes[i]);
    fake_print("\n");
    if (guest_result.stop == STOP_UNSUPPORTED)
        fake_print("#   %s\n", guest_result.message);
    else
        results_differ(&native_result, &guest_result, true);
}

static bool undefined_natively(void)
{
    return native_result.stop == STOP_FAULT && native_result.fault.vector == VEC_UD &&
           native_result.rip == start.rip + NATIVE_DELTA;
}

enum way { TRANSLATED, STEPPED, PROGRAM };

static void run_both(const struct form *f, const uint8_t *bytes, unsigned int len, bool user,
                     enum way way)
{
    static const char *const names[] = {NULL, "stepped", "program"};
    struct stress how = {.stepped = way == STEPPED};

    gen_one(&gen, &start, seed, bytes, len, user);
    machine_run_native(&start, &native_result);
    if (way == PROGRAM)
        machine_run_program(&start, &how, &guest_result);
    else
        machine_run_guest(&start, &how, &guest_result);
    if (f->enc != ENC_LEGACY && !len && !undefined_natively()) {
        nr_quirks++;
        return;
    }
    if (guest_result.stop == STOP_UNSUPPORTED ||
        results_differ(&native_result, &guest_result, false))
        report(f, bytes, len, names[way] ? names[way] : user ? "user memory" : "kernel memory");
}

/* Window pointers are not data and have no indexes at random. */
static bool same_with_window(const struct form *f, const struct insn *in)
{
    bool bit_string = f->enc == ENC_LEGACY && f->map == 1 && (f->opcode & 0xe7) == 0xa3;

    return f->reg != 3 && f->reg != 4 && !in->vsib && !bit_string &&
           !(in->op_gpr && (in->rm == 3 || in->rm == 4));
}

static void try(const struct form *f)
{
    struct insn in;
    uint8_t bytes[24];
    int len;

    if (flows(f) || is_different(f))
        return;
    encode(f, bytes);
    len = insn_decode(bytes, sizeof(bytes), &in);
    if (len > 0 && !in.has_modrm && (f->reg || f->rm))
        return; /* once is enough */
    if (len < 0)
        len = 0;
    nr_tried++;
    __builtin_memcpy(&seed, bytes, 8);
    run_both(f, bytes, (unsigned int)len, true, TRANSLATED);
    run_both(f, bytes, (unsigned int)len, true, STEPPED);
    run_both(f, bytes, (unsigned int)len, true, PROGRAM);
    if (len && same_with_window(f, &in))
        run_both(f, bytes, (unsigned int)len, false, TRANSLATED);
}

static void legacy(unsigned int map)
{
    for (unsigned int i = 0; i < 256 * 256; i++) {
        struct form f = {.map = (uint8_t)map,
                         .opcode = (uint8_t)(i >> 8),
                         .pp = i & 3,
                         .w = i >> 2 & 1,
                         .reg = i >> 3 & 7,
                         .rm = i >> 6 & 3};
        bool prefix = (f.opcode >= 0x40 && f.opcode < 0x50) || f.opcode == 0x66 ||
                      f.opcode == 0x67 || (f.opcode & 0xfe) == 0x64 || f.opcode == 0xf0 ||
                      f.opcode == 0xf2 || f.opcode == 0xf3 || (f.opcode & 0xe7) == 0x26;

        if (f.rm == RM_SHAPES || (map > 1 && f.reg != 1))
            continue;
        if (!map && (prefix || f.opcode == 0x0f || f.opcode == 0xc4 || f.opcode == 0xc5 ||
                     f.opcode == 0x62 || f.opcode == 0x8f))
            continue;
        if (map == 1 && (f.opcode == 0x38 || f.opcode == 0x3a))
            continue;
        try(&f);
    }
}

static void vex(enum insn_enc enc, unsigned int map)
{
    for (unsigned int i = 0; i < 256 * 4 * 2 * 2 * 2 * RM_SHAPES; i++) {
        struct form f = {.enc = (uint8_t)enc,
                         .map = (uint8_t)map,
                         .opcode = (uint8_t)(i & 255),
                         .pp = i >> 8 & 3,
                         .w = i >> 10 & 1,
                         .length = i >> 11 & 1,
                         .vvvv = i >> 12 & 1 ? 2 : 0,
                         .reg = 5,
                         .rm = (i >> 13)};

        try(&f);
    }
}

/* Of vector length, mask, broadcast and a third operand one combination for each opcode, prefix, W
 * and shape, another one for the next. */
static void evex(unsigned int map)
{
    for (unsigned int i = 0; i < 256 * 4 * 2 * 2 * RM_SHAPES; i++) {
        unsigned int mix = i * 0x9e3779b1u >> 24;
        struct form f = {.enc = ENC_EVEX,
                         .map = (uint8_t)map,
                         .opcode = (uint8_t)(i & 255),
                         .pp = i >> 8 & 3,
                         .w = i >> 10 & 1,
                         .vvvv = i >> 11 & 1 ? 2 : 0,
                         .length = mix % 3,
                         .mask = mix >> 2 & 1,
                         .z = (mix >> 2 & 5) == 5,
                         .b = (mix >> 5 & 3) == 3,
                         .reg = 5,
                         .rm = (i >> 12)};

        try(&f);
    }
}

static void part(unsigned int nr, const char *what)
{
    fake_print("%s %u - %s: %lu encodings, %lu quirks\n", nr_bad ? "not ok" : "ok", nr, what,
               (unsigned long)nr_tried, (unsigned long)nr_quirks);
    nr_tried = nr_bad = nr_quirks = 0;
}

void sweep(void)
{
    static const char *const legacy_names[] = {"one-byte", "0F", "0F 38", "0F 3A"};
    static const uint8_t evex_maps[] = {1, 2, 3, 5, 6};
    unsigned int nr = 0;

    fake_print("1..13\n");
    for (unsigned int map = 0; map < 4; map++) {
        legacy(map);
        part(++nr, legacy_names[map]);
    }
    for (unsigned int map = 1; map < 4; map++) {
        vex(ENC_VEX, map);
        part(++nr, "VEX");
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(evex_maps); i++) {
        evex(evex_maps[i]);
        part(++nr, "EVEX");
    }
    vex(ENC_XOP, 8);
    vex(ENC_XOP, 9);
    vex(ENC_XOP, 10);
    part(++nr, "XOP");
}
