/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-emulate.c - the emulator against the CPU: the same instruction with the same random
 * registers, flags and memory runs natively and emulated (with memory pages elsewhere), and
 * everything must be equal afterwards. Then the same with missing and read-only pages: the
 * right fault, and nothing changed. Prints TAP.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/cpuid.h"
#include "engine/soft/vcpu/emulate_int.h"
#include "fake_env.h"
#include "native.h"

#define ROUNDS 60

static uint64_t seed = 0x2545f4914f6cdd1dull;
static int test_number, failures;
static uint8_t *const arena = (uint8_t *)ARENA;
static uint8_t initial[ARENA_SIZE], emulated[ARENA_SIZE];

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void result(const char *name, int bad)
{
    printf("%sok %d - %s\n", bad ? "not " : "", ++test_number, name);
    failures += !!bad;
}

static int explain(const uint8_t *bytes, const char *what, uint64_t native, uint64_t ours)
{
    static int lines;

    if (lines++ < 40) {
        printf("# %s: native %lx, emulated %lx:", what, (unsigned long)native, (unsigned long)ours);
        for (int i = 0; i < 12; i++)
            printf(" %02x", bytes[i]);
        printf("\n");
    }
    return 1;
}

/* Small, large and odd values. */
static uint64_t value(void)
{
    uint64_t r = next();

    switch (r >> 60 & 7) {
    case 0:
        return r & 0xff;
    case 1:
        return (uint64_t) - (int64_t)(r & 0xff);
    case 2:
        return 1ull << (r & 63);
    case 3:
        return (1ull << (r & 63)) - 1;
    case 4:
        return r & 0xffffffff;
    default:
        return next();
    }
}

static void fill(void)
{
    for (unsigned int i = 0; i < ARENA_SIZE; i += 8) {
        uint64_t r = value();

        memcpy(initial + i, &r, 8);
    }
}

/* A memory operand [base] in the arena, often at a page's edge. */
static uint64_t address(unsigned int room)
{
    uint64_t page = ARENA + PAGE_SIZE * (1 + next() % (ARENA_PAGES - 2));

    if (next() & 1)
        return page - next() % (room + 1);
    return page + next() % (PAGE_SIZE - room);
}

/* Instructions: bytes before ModRM, then ModRM.reg (-1: any), immediate bytes, and which
 * prefixes make sense: '6' 66, 'W' REX.W, 'L' lock. */
struct pattern {
    uint8_t opcode[4];
    uint8_t len;
    int8_t reg;
    uint8_t imm; /* 0xff: by operand size */
    const char *prefixes;
};

#define Z 0xff
static const struct pattern patterns[] = {
    {{0x63}, 1, -1, 0, "W"},
    {{0x69}, 1, -1, Z, "6W"},
    {{0x6b}, 1, -1, 1, "6W"},
    {{0x84}, 1, -1, 0, ""},
    {{0x85}, 1, -1, 0, "6W"},
    {{0x86}, 1, -1, 0, "L"},
    {{0x87}, 1, -1, 0, "6WL"},
    {{0x88}, 1, -1, 0, ""},
    {{0x89}, 1, -1, 0, "6W"},
    {{0x8a}, 1, -1, 0, ""},
    {{0x8b}, 1, -1, 0, "6W"},
    {{0xc0}, 1, -1, 1, ""},
    {{0xc1}, 1, -1, 1, "6W"},
    {{0xc6}, 1, 0, 1, ""},
    {{0xc7}, 1, 0, Z, "6W"},
    {{0xd0}, 1, -1, 0, ""},
    {{0xd1}, 1, -1, 0, "6W"},
    {{0xd2}, 1, -1, 0, ""},
    {{0xd3}, 1, -1, 0, "6W"},
    {{0xf6}, 1, 0, 1, ""},
    {{0xf7}, 1, 0, Z, "6W"},
    {{0xf6}, 1, 2, 0, "L"},
    {{0xf7}, 1, 2, 0, "6WL"},
    {{0xf6}, 1, 3, 0, "L"},
    {{0xf7}, 1, 3, 0, "6WL"},
    {{0xf6}, 1, 4, 0, ""},
    {{0xf7}, 1, 4, 0, "6W"},
    {{0xf6}, 1, 5, 0, ""},
    {{0xf7}, 1, 5, 0, "6W"},
    {{0xf6}, 1, 6, 0, ""},
    {{0xf7}, 1, 6, 0, "6W"},
    {{0xf6}, 1, 7, 0, ""},
    {{0xf7}, 1, 7, 0, "6W"},
    {{0xfe}, 1, 0, 0, "L"},
    {{0xfe}, 1, 1, 0, "L"},
    {{0xff}, 1, 0, 0, "6WL"},
    {{0xff}, 1, 1, 0, "6WL"},
    {{0xff}, 1, 6, 0, "6"},
    {{0x8f}, 1, 0, 0, "6"},
    {{0x0f, 0xa3}, 2, -1, 0, "6W"},
    {{0x0f, 0xab}, 2, -1, 0, "6WL"},
    {{0x0f, 0xb3}, 2, -1, 0, "6WL"},
    {{0x0f, 0xbb}, 2, -1, 0, "6WL"},
    {{0x0f, 0xba}, 2, 4, 1, "6W"},
    {{0x0f, 0xba}, 2, 5, 1, "6WL"},
    {{0x0f, 0xba}, 2, 6, 1, "6WL"},
    {{0x0f, 0xba}, 2, 7, 1, "6WL"},
    {{0x0f, 0xa4}, 2, -1, 1, "6W"},
    {{0x0f, 0xa5}, 2, -1, 0, "6W"},
    {{0x0f, 0xac}, 2, -1, 1, "6W"},
    {{0x0f, 0xad}, 2, -1, 0, "6W"},
    {{0x0f, 0xaf}, 2, -1, 0, "6W"},
    {{0x0f, 0xb0}, 2, -1, 0, "L"},
    {{0x0f, 0xb1}, 2, -1, 0, "6WL"},
    {{0x0f, 0xb6}, 2, -1, 0, "6W"},
    {{0x0f, 0xb7}, 2, -1, 0, "W"},
    {{0x0f, 0xbe}, 2, -1, 0, "6W"},
    {{0x0f, 0xbf}, 2, -1, 0, "W"},
    {{0x0f, 0xbc}, 2, -1, 0, "6W"},
    {{0x0f, 0xbd}, 2, -1, 0, "6W"},
    {{0x0f, 0xc0}, 2, -1, 0, "L"},
    {{0x0f, 0xc1}, 2, -1, 0, "6WL"},
    {{0x0f, 0xc3}, 2, -1, 0, "W"},
    {{0x0f, 0xc7}, 2, 1, 0, "WL"},
    {{0x0f, 0xae}, 2, 7, 0, ""},
    {{0xf3, 0x0f, 0xb8}, 3, -1, 0, ""},
    {{0xf3, 0x0f, 0xbc}, 3, -1, 0, ""},
    {{0xf3, 0x0f, 0xbd}, 3, -1, 0, ""},
    {{0x0f, 0x38, 0xf0}, 3, -1, 0, "6W"},
    {{0x0f, 0x38, 0xf1}, 3, -1, 0, "6W"},
    {{0xf2, 0x0f, 0x38, 0xf0}, 4, -1, 0, ""},
    {{0xf2, 0x0f, 0x38, 0xf1}, 4, -1, 0, "6"},
    {{0x66, 0x0f, 0x38, 0xf6}, 4, -1, 0, ""},
    {{0xf3, 0x0f, 0x38, 0xf6}, 4, -1, 0, ""},
};

/* Put an instruction together; base register rbx or r13 or rsi. Returns its length, 0 to
 * skip. */
static unsigned int compose(const struct pattern *p, bool registers, uint8_t *out,
                            unsigned int *ret_base)
{
    static const uint8_t bases[] = {3, 6, 13};
    unsigned int n = 0, i = 0, base = bases[next() % 3];
    unsigned int reg = p->reg >= 0 ? (unsigned int)p->reg : next() & 15;
    bool w = strchr(p->prefixes, 'W') && next() % 3 == 0;
    bool o = strchr(p->prefixes, '6') && next() % 3 == 0;
    bool rex = next() & 1;

    if (strchr(p->prefixes, 'L') && next() % 3 == 0)
        out[n++] = 0xf0;
    if (o)
        out[n++] = 0x66;
    for (; p->opcode[i] == 0x66 || p->opcode[i] == 0xf2 || p->opcode[i] == 0xf3; i++)
        out[n++] = p->opcode[i];
    if (w || reg >= 8 || base >= 8 || rex)
        out[n++] = 0x40 | w << 3 | (reg >> 3) << 2 | base >> 3;
    else if (p->reg < 0 && reg == 7)
        reg = 5; /* ch and bh as often as dil */
    for (; i < p->len; i++)
        out[n++] = p->opcode[i];
    if (p->reg < 0 && (reg == base || reg == RSP))
        return 0;
    if (registers && next() % 4 == 0) {
        out[n++] = 0xc0 | (reg & 7) << 3 | (base & 7);
    } else {
        out[n++] = 0x40 | (reg & 7) << 3 | (base & 7); /* [base + disp8] */
        out[n++] = next() & 15;
    }
    i = p->imm == Z ? (o && !w ? 2 : 4) : p->imm;
    while (i--)
        out[n++] = (uint8_t)next();
    *ret_base = base;
    return n;
}

static void to_vcpu(struct vcpu *v, const struct native_regs *r)
{
    memset(v, 0, sizeof(*v));
    memcpy(v->gpr, r->gpr, sizeof(r->gpr));
    v->rflags = r->rflags;
    v->rip = 0xffffffff81000000ull;
    v->xcr0 = cpuid_xcr0_max();
    v->cr4 = 0x40000;
}

static void random_regs(struct native_regs *r)
{
    for (int i = 0; i < 16; i++)
        r->gpr[i] = value();
    r->gpr[RSP] = ARENA + PAGE_SIZE * 4 + (next() % 512 & ~7u);
    r->rflags = (next() & EFLAGS_ARITH) | 0x202;
}

static int compare(const uint8_t *bytes, const struct insn *in, const struct vcpu *v,
                   const struct native_regs *n, uint64_t flags_mask)
{
    int bad = 0;

    for (int i = 0; i < 16; i++)
        if (v->gpr[i] != n->gpr[i])
            bad |= explain(bytes, "register", n->gpr[i], v->gpr[i]);
    if ((v->rflags ^ n->rflags) & flags_mask)
        bad |= explain(bytes, "flags", n->rflags & flags_mask, v->rflags & flags_mask);
    if (v->rip != 0xffffffff81000000ull + in->len)
        bad |= explain(bytes, "rip", in->len, v->rip);
    fake_get(emulated);
    if (memcmp(emulated, arena, ARENA_SIZE))
        bad |= explain(bytes, "memory", 0, 1);
    return bad;
}

static sigjmp_buf on_fpe;

static void divide_error(int sig)
{
    siglongjmp(on_fpe, 1);
}

static uint64_t flags_of(const struct insn *in)
{
    bool divide = in->map == 0 && (in->opcode | 1) == 0xf7 && (in->reg & 7) >= 6;

    return divide ? 0 : EFLAGS_ARITH;
}

/* One instruction both ways. */
static int differential(const uint8_t *bytes, unsigned int len, const struct native_regs *regs)
{
    struct insn in;
    struct vcpu v;
    struct fault f = {0};
    enum emulate_result r;

    if (insn_decode(bytes, 15, &in) != (int)len)
        return explain(bytes, "length", len, in.len);
    memcpy(arena, initial, ARENA_SIZE);
    fake_set(initial);
    *native_regs = *regs;
    to_vcpu(&v, regs);
    r = emulate(&v, &in, bytes, &f);
    if (sigsetjmp(on_fpe, 1)) {
        if (r != EMULATE_FAULT || f.vector != VEC_DE || memcmp(v.gpr, regs->gpr, sizeof(v.gpr)))
            return explain(bytes, "divide error", VEC_DE, f.vector);
        return 0;
    }
    native_build(bytes, len)();
    if (r != EMULATE_DONE)
        return explain(bytes, "fault", 0, f.vector);
    return compare(bytes, &in, &v, native_regs, flags_of(&in));
}

/* Registers for a pattern: base in the arena; bit numbers within reach of it; cmpxchg equal
 * sometimes; divisions that fit sometimes. */
static void prepare(struct native_regs *regs, const uint8_t *bytes, unsigned int base)
{
    struct insn in;
    uint64_t operand = 0;

    random_regs(regs);
    regs->gpr[base] = address(16);
    insn_decode(bytes, 15, &in);
    if (in.map == 1 && (in.opcode & 0xe7) == 0xa3) {
        regs->gpr[in.reg] = value();
        if (in.opsize > 2)
            regs->gpr[in.reg] = (uint64_t)((int64_t)(regs->gpr[in.reg] << 50) >> 50);
        if (in.opsize == 4)
            regs->gpr[in.reg] = (uint32_t)regs->gpr[in.reg] | next() << 32;
        regs->gpr[base] = ARENA + ARENA_SIZE / 2 + next() % 8;
    }
    if (in.map == 1 && in.opcode == 0xc7 && in.opsize == 8)
        regs->gpr[base] = (regs->gpr[base] & ~15ul) - (uint64_t)in.disp;
    memcpy(&operand, initial + regs->gpr[base] + in.disp - ARENA, 8);
    if (in.map == 1 && (in.opcode == 0xb0 || in.opcode == 0xb1) && (next() & 1))
        regs->gpr[RAX] = operand;
    if (in.map == 1 && in.opcode == 0xc7 && (next() & 1)) {
        regs->gpr[RAX] = operand;
        regs->gpr[RDX] = operand >> 32;
        if (in.opsize == 8)
            memcpy(&regs->gpr[RDX], initial + regs->gpr[base] + in.disp - ARENA + 8, 8);
    }
    if (in.map == 0 && (in.opcode | 1) == 0xf7 && (in.reg & 7) >= 6 && next() % 4) {
        regs->gpr[RDX] = in.reg & 1 && (next() & 1) ? ~0ull : 0;
        if (in.opsize == 1)
            regs->gpr[RAX] = in.reg & 1 && (next() & 1) ? ~(next() & 0xff) : next() & 0xff;
    }
}

static int run_pattern(const struct pattern *p)
{
    struct native_regs regs;
    struct insn in;
    uint8_t bytes[32];
    unsigned int len, base;
    int bad = 0;

    for (int i = 0; i < ROUNDS; i++) {
        memset(bytes, 0x90, sizeof(bytes));
        len = compose(p, true, bytes, &base);
        if (!len || insn_decode(bytes, 15, &in) < 0)
            continue; /* no register form, or no LOCK with it */
        prepare(&regs, bytes, base);
        if (!in.mem)
            regs.gpr[base] = value();
        bad |= differential(bytes, len, &regs);
    }
    return bad;
}

static void test_integer(void)
{
    int bad = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(patterns); i++)
        bad |= run_pattern(&patterns[i]);
    result("moves, bits, shifts, exchanges, multiplication, division", bad);

    bad = 0;
    for (unsigned int op = 0; op < 0x40; op += (op & 7) == 3 ? 5 : 1) {
        struct pattern p = {{(uint8_t)op}, 1, -1, 0, ""};

        p.prefixes = op & 1                      ? (op & 7) < 2 && op < 0x38 ? "6WL" : "6W"
                     : (op & 7) < 2 && op < 0x38 ? "L"
                                                 : "";
        bad |= run_pattern(&p);
    }
    for (int reg = 0; reg < 8; reg++) {
        struct pattern p = {{0x80}, 1, (int8_t)reg, 1, reg < 7 ? "L" : ""};

        bad |= run_pattern(&p);
        p.opcode[0] = 0x83;
        p.prefixes = reg < 7 ? "6WL" : "6W";
        bad |= run_pattern(&p);
        p.opcode[0] = 0x81;
        p.imm = Z;
        bad |= run_pattern(&p);
    }
    result("arithmetic and logic", bad);

    bad = 0;
    for (unsigned int cc = 0; cc < 16; cc++) {
        struct pattern p = {{0x0f, (uint8_t)(0x40 | cc)}, 2, -1, 0, "6W"};

        bad |= run_pattern(&p);
        p = (struct pattern){{0x0f, (uint8_t)(0x90 | cc)}, 2, 0, 0, ""};
        bad |= run_pattern(&p);
    }
    result("conditional moves and sets", bad);
}

/* Over a page boundary with the second page missing or read-only: a fault there, nothing else
 * has happened. */
static int faults_for(const struct pattern *p)
{
    struct native_regs regs;
    struct fault f;
    struct insn in;
    struct vcpu v;
    uint8_t bytes[32];
    unsigned int len, base;
    uint64_t edge = ARENA + 4 * PAGE_SIZE, va;
    int bad = 0;

    for (int i = 0; i < 20; i++) {
        bool missing = i & 1, crossing = i & 2;

        memset(bytes, 0x90, sizeof(bytes));
        len = compose(p, false, bytes, &base);
        if (!len)
            continue;
        prepare(&regs, bytes, base);
        insn_decode(bytes, 15, &in);
        if (in.mem_size < 2 && crossing)
            continue;
        if (in.map == 1 && ((in.opcode & 0xe7) == 0xa3 || in.opcode == 0xc7 || in.opcode == 0xae))
            continue; /* elsewhere, or aligned */
        if (!missing && !in.mem_write)
            continue;
        regs.gpr[RSP] = ARENA + 1024;
        va = crossing ? edge - 1 - next() % (in.mem_size - 1u) : edge + next() % 64;
        regs.gpr[base] = va - (uint64_t)in.disp;
        fake_reset();
        if (missing)
            fake_present[4] = false;
        else
            fake_writable[4] = false;
        fake_set(initial);
        to_vcpu(&v, &regs);
        if (emulate(&v, &in, bytes, &f) != EMULATE_FAULT || f.vector != VEC_PF ||
            f.cr2 != (crossing ? edge : va))
            bad |= explain(bytes, "fault address", crossing ? edge : va, f.cr2);
        if (f.error != ((in.mem_write ? PF_W : 0u) | (missing ? 0 : PF_P)))
            bad |= explain(bytes, "error code", missing, f.error);
        fake_get(emulated);
        if (memcmp(emulated, initial, ARENA_SIZE) || memcmp(v.gpr, regs.gpr, sizeof(v.gpr)) ||
            v.rflags != regs.rflags || v.rip != 0xffffffff81000000ull)
            bad |= explain(bytes, "state after a fault", 0, 1);
    }
    fake_reset();
    return bad;
}

static void test_faults(void)
{
    int bad = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(patterns); i++)
        bad |= faults_for(&patterns[i]);
    for (unsigned int op = 0; op < 0x40; op += (op & 7) == 3 ? 5 : 1) {
        struct pattern p = {{(uint8_t)op}, 1, -1, 0, op & 1 ? "6W" : ""};

        bad |= faults_for(&p);
    }
    result("page faults leave no trace", bad);
}

/* movs stos lods cmps scas */
static void test_strings(void)
{
    static const uint8_t opcodes[] = {0xa4, 0xa6, 0xaa, 0xac, 0xae};
    struct native_regs regs;
    uint8_t bytes[32];
    int bad = 0;

    for (unsigned int i = 0; i < 20000; i++) {
        unsigned int n = 0, size = 1u << (next() & 3), span = ARENA_SIZE / 2 - 64;
        uint8_t opcode = opcodes[next() % 5] | (size > 1);
        uint64_t count = next() % (next() & 1 ? 8 : 900);

        memset(bytes, 0x90, sizeof(bytes));
        if (next() & 3)
            bytes[n++] = next() & 1 ? 0xf3 : 0xf2;
        if (next() % 8 == 0)
            bytes[n++] = 0x67;
        if (size == 2)
            bytes[n++] = 0x66;
        if (size == 8)
            bytes[n++] = 0x48;
        bytes[n++] = opcode;
        random_regs(&regs);
        regs.gpr[RCX] = count;
        regs.gpr[RSI] = ARENA + ARENA_SIZE / 2 + next() % 4096 - 2048;
        regs.gpr[RDI] = next() & 1 ? regs.gpr[RSI] + next() % 64 - 32
                                   : ARENA + ARENA_SIZE / 2 + next() % 4096 - 2048;
        if (next() & 1)
            regs.rflags |= EFLAGS_DF;
        if (count * size > span)
            continue;
        /* runs of equal bytes, so that repeated compares go on for a while */
        if ((opcode & 0xfe) == 0xa6 || (opcode & 0xfe) == 0xae) {
            memset(initial, 0x55, ARENA_SIZE);
            initial[next() % ARENA_SIZE] = 1;
            if (next() & 1)
                regs.gpr[RAX] = 0x5555555555555555;
        } else if (i % 64 == 0) {
            fill();
        }
        bad |= differential(bytes, n, &regs);
    }
    fill();
    result("string instructions", bad);
}

static void test_string_faults(void)
{
    struct native_regs regs;
    struct insn in;
    struct fault f;
    struct vcpu v;
    uint8_t bytes[16] = {0xf3, 0x48, 0xa5}; /* rep movsq */
    int bad = 0;

    insn_decode(bytes, 15, &in);
    random_regs(&regs);
    regs.gpr[RCX] = 1000;
    regs.gpr[RSI] = ARENA + 4;
    regs.gpr[RDI] = ARENA + 3 * PAGE_SIZE - 20; /* the third quadword straddles */
    to_vcpu(&v, &regs);
    fake_set(initial);
    fake_writable[3] = false;
    if (emulate(&v, &in, bytes, &f) != EMULATE_FAULT || f.vector != VEC_PF ||
        f.cr2 != ARENA + 3 * PAGE_SIZE || f.error != (PF_W | PF_P))
        bad |= explain(bytes, "fault", ARENA + 3 * PAGE_SIZE, f.cr2);
    if (v.gpr[RCX] != 998 || v.gpr[RSI] != regs.gpr[RSI] + 16 || v.gpr[RDI] != regs.gpr[RDI] + 16 ||
        v.rip != 0xffffffff81000000ull)
        bad |= explain(bytes, "progress", 998, v.gpr[RCX]);
    fake_reset();
    /* restart where it stopped */
    if (emulate(&v, &in, bytes, &f) != EMULATE_DONE || v.gpr[RCX])
        bad |= explain(bytes, "restart", 0, v.gpr[RCX]);
    fake_get(emulated);
    if (memcmp(emulated + 3 * PAGE_SIZE - 20, initial + 4, 8000))
        bad |= explain(bytes, "copy", 0, 1);
    result("a string instruction stops and goes on exactly", bad);
}

int main(void)
{
    struct sigaction sa = {.sa_handler = divide_error};

    if (native_init() || mmap(arena, ARENA_SIZE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != arena) {
        printf("Bail out! no memory at the arena's address\n");
        return 1;
    }
    sigaction(SIGFPE, &sa, NULL);
    cpuid_init();
    fake_reset();
    fill();
    printf("1..6\n");
    test_integer();
    test_faults();
    test_strings();
    test_string_faults();
    if (test_number != 6)
        printf("# planned 6 tests, ran %d\n", test_number);
    return failures != 0;
}
