/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gen.c - random sequences: choices, operands, the state they start from (see gen.h).
 */
#include "gen.h"

#include "engine/soft/vcpu/rt.h"
#include "engine/soft/x86/insn.h"

#define STACK_START (AT(W_STACK) + 0x1800)
#define MAX_LENGTH 24
#define POOL_WORDS 16384

static uint64_t pool[POOL_WORDS]; /* memory content comes from here */

uint64_t gen_random(struct gen *g)
{
    return random_next(&g->rng);
}

unsigned int gen_below(struct gen *g, unsigned int n)
{
    return (unsigned int)((gen_random(g) >> 32) * n >> 32);
}

bool gen_chance(struct gen *g, unsigned int percent)
{
    return gen_below(g, 100) < percent;
}

uint64_t gen_value(struct gen *g)
{
    uint64_t r = gen_random(g);

    switch (gen_below(g, 8)) {
    case 0:
        return r & 15;
    case 1:
        return (uint64_t)(int64_t)(int8_t)r;
    case 2:
        return 1ull << (r & 63);
    case 3:
        return (1ull << (r & 63)) - 1;
    case 4:
        return (uint32_t)r;
    case 5:
        return r & 1 ? 0x7fffffffffffffff : 0x8000000000000000;
    default:
        return r;
    }
}

static const int8_t data_regs[] = {RAX, RCX, RDX, R8, R9, R10, R11, R15};

int gen_data_reg(struct gen *g)
{
    return data_regs[gen_below(g, ARRAY_SIZE(data_regs))];
}

int gen_other_data_reg(struct gen *g, int not_this)
{
    for (;;) {
        int r = gen_data_reg(g);

        if (r != not_this)
            return r;
    }
}

int gen_source_reg(struct gen *g, unsigned int size)
{
    if (size == 8)
        return gen_chance(g, 90) ? gen_data_reg(g) : R14;
    if (gen_chance(g, 50))
        return gen_data_reg(g);
    if (size == 1 && gen_chance(g, 40))
        return HIGH(4 + gen_below(g, 4));
    return (int)gen_below(g, 16);
}

int gen_dest_reg(struct gen *g, unsigned int size)
{
    if (size == 1 && gen_chance(g, 30))
        return HIGH(4 + gen_below(g, 3)); /* not bh */
    return gen_data_reg(g);
}

unsigned int gen_size(struct gen *g)
{
    return 1u << gen_below(g, 4);
}

unsigned int gen_size2(struct gen *g)
{
    return 2u << gen_below(g, 3);
}

static int32_t small_disp(struct gen *g)
{
    return gen_chance(g, 15) ? 0 : (int32_t)gen_below(g, 0x180) - 0xc0;
}

/* Relative to rsp, above where the stack started: data only. */
static struct operand stack_mem(struct gen *g)
{
    int index = gen_chance(g, 30) ? R14 : NO_REG;

    return op_mem(RSP, index, 1 << gen_below(g, 4), (int32_t)gen_below(g, 0x100) - g->sp);
}

static struct operand gs_mem(struct gen *g)
{
    int32_t disp = (int32_t)gen_below(g, 0x200) - 0x100;
    struct operand m;

    if (!g->gs_small)
        m = gen_chance(g, 50)
                ? op_mem(NO_REG, NO_REG, 1, disp)
                : op_mem(gen_chance(g, 50) ? R14 : NO_REG, R14, 1 << gen_below(g, 4), disp);
    else if (gen_chance(g, 40))
        m = op_rip(AT(W_DATA) + 0x600 + gen_below(g, 0x1000));
    else
        m = gen_chance(g, 20) ? stack_mem(g) : op_mem(R13, NO_REG, 1, disp);
    if (m.base == RSP)
        m.disp += 0x100; /* not below the start, where pointers are */
    m.seg = 0x65;
    return m;
}

/* fs: nothing but the emulator can do it. */
static struct operand fs_mem(struct gen *g)
{
    struct operand m =
        op_mem(gen_chance(g, 50) ? R14 : NO_REG, NO_REG, 1, (int32_t)gen_below(g, 0x200) - 0x100);

    m.seg = 0x64;
    return m;
}

struct operand gen_good_mem(struct gen *g)
{
    return gen_chance(g, 50) ? op_rip(AT(W_DATA) + gen_below(g, 0x1f00)) : stack_mem(g);
}

struct operand gen_mem(struct gen *g)
{
    static const int8_t bases[] = {RBX, RBP, R12, R13, RSI, RDI};
    static const uint8_t void_segments[] = {0x26, 0x2e, 0x36, 0x3e};
    unsigned int kind = gen_below(g, 100);
    struct operand m;
    int base = bases[gen_below(g, ARRAY_SIZE(bases))];

    if (kind < 12)
        return gen_good_mem(g);
    if (kind < 21)
        return gs_mem(g);
    if (kind < 22)
        return fs_mem(g);
    if (kind < 45)
        m = op_mem(base, R14, 1 << gen_below(g, 4), small_disp(g));
    else if (kind < 50)
        m = op_mem(R14, base, 1, small_disp(g));
    else if (kind < 54)
        m = op_mem(NO_REG, base, 1, small_disp(g));
    else
        m = op_mem(base, NO_REG, 1, small_disp(g));
    m.narrow = gen_chance(g, 80);
    if (gen_chance(g, 4))
        m.seg = void_segments[gen_below(g, 4)];
    /* 32-bit addresses of the window are the translator's own tables on the native side. */
    m.p67 = !g->depth && m.index == NO_REG && base == g->low_base && gen_chance(g, 80);
    return m;
}

void gen_pointer_changes(struct gen *g, int reg)
{
    if (reg == g->low_base)
        g->low_base = NO_REG;
}

struct operand gen_pointer_slot(struct gen *g)
{
    return op_rip(AT(W_POINTERS) + 8 * (8 + gen_below(g, 400)) + (gen_chance(g, 5) ? 3 : 0));
}

/* Where the bases point: mostly to data with room around. */
static uint64_t base_value(struct gen *g, bool *windowed, bool *low)
{
    uint64_t r = gen_below(g, 128);

    *windowed = true;
    *low = false;
    if (!g->odd_bases || gen_chance(g, 60))
        return WINDOW + AT(W_DATA) + 0x200 + gen_below(g, 0x1b00);
    switch (gen_below(g, 10)) {
    case 0:
        return WINDOW + AT(W_DATA + 1) - 64 + r;
    case 1:
        return WINDOW + AT(W_DATA + 2) - 64 + r;
    case 2:
        return WINDOW + AT(W_DATA) - 16 + r;
    case 3:
        return WINDOW + AT(W_RO) - 64 + gen_below(g, 0x1080);
    case 4:
        return WINDOW + AT(W_DATA + 2) + gen_below(g, 0x1000);
    default:
        break;
    }
    *windowed = false;
    switch (gen_below(g, 8)) {
    case 0:
        return USER + PAGE_SIZE - 64 + r;
    case 1:
        return USER + 2 * PAGE_SIZE - 64 + r;
    case 2:
        return USER + U_RO * PAGE_SIZE - 64 + gen_below(g, 0x1080);
    case 3:
        return gen_chance(g, 50) ? 0x8000000000000000 | gen_random(g) >> 2
                                 : 0x800000000800 + (uint64_t)gen_below(g, 0x1000);
    case 4:
        *low = true;
        return (gen_random(g) << 32) + LOW + 0x200 + gen_below(g, 0xc00);
    default:
        return USER + 0x200 + gen_below(g, 0x1b00);
    }
}

static void init_bases(struct gen *g)
{
    static const int8_t regs[] = {RBX, RBP, R12, R13, RSI, RDI};
    struct start *s = g->s;
    bool windowed, low;

    g->odd_bases = gen_chance(g, 50);
    for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++) {
        s->gpr[regs[i]] = base_value(g, &windowed, &low);
        if (low)
            g->low_base = regs[i];
        if (windowed)
            s->windowed |= 1u << regs[i];
    }
    s->gpr[RSP] = WINDOW + STACK_START + (gen_chance(g, 10) ? gen_below(g, 64) : 0);
    s->windowed |= 1u << RSP;
    g->gs_small = gen_chance(g, 40);
    if (g->gs_small) {
        s->gs_base = (uint64_t)(int64_t)((int32_t)gen_below(g, 0x200) - 0x100);
    } else {
        s->gs_base = WINDOW + AT(W_DATA) + 0x400 + gen_below(g, 0x1600);
        s->windowed |= 1u << 16;
    }
    s->fs_base = WINDOW + AT(W_DATA) + 0x800;
    s->windowed |= 1u << 17;
}

static void init_memory(struct gen *g)
{
    static const uint8_t pages[] = {W_DATA, W_DATA + 1, W_RO, W_POINTERS, W_STACK, W_STACK + 1};

    if (!pool[0]) {
        struct gen p = {.rng = 1};

        for (unsigned int k = 0; k < ARRAY_SIZE(pool); k++)
            pool[k] = gen_chance(&p, 12) ? gen_value(&p) : gen_random(&p);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++)
        memcpy(g->s->page[pages[i]], pool + gen_below(g, POOL_WORDS - PAGE_SIZE / 8), PAGE_SIZE);
}

/* Legacy area, AVX and AVX-512 components at their standard offsets. */
static void init_fpu(struct gen *g)
{
    uint8_t *f = g->s->fpu;
    uint64_t *q = (uint64_t *)f;

    memset(f, 0, FPU_SIZE);
    f[0] = 0x7f; /* FCW */
    f[1] = 0x03;
    f[24] = 0x80; /* MXCSR: all masked */
    f[25] = 0x1f;
    if (gen_chance(g, 3)) {
        f[25] = (uint8_t)(gen_random(g) & 0x1f);
        f[24] = (uint8_t)(gen_random(g) & 0x80);
    }
    for (unsigned int k = 160 / 8; k < 416 / 8; k++) /* xmm */
        q[k] = gen_chance(g, 30) ? gen_value(g) : gen_random(g);
    q[512 / 8] = machine_xcr0 & (gen_chance(g, 90) ? 6 : 2);
    for (unsigned int k = 576 / 8; k < 832 / 8; k++) /* upper halves of ymm */
        q[k] = gen_random(g);
}

static void init_data_regs(struct gen *g)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(data_regs); i++)
        g->s->gpr[data_regs[i]] = gen_value(g);
    g->s->gpr[R14] = gen_below(g, 16);
    g->s->rflags = gen_random(g) & (0x8d5); /* CF PF AF ZF SF OF */
}

struct kind {
    const char *name;
    void (*make)(struct gen *g);
    unsigned int weight;
};

static const struct kind kinds[] = {
    {"alu", gen_alu, 50},      {"stack", gen_stack, 15}, {"rsp", gen_rsp, 8},
    {"string", gen_string, 6}, {"flow", gen_flow, 12},   {"simd", gen_simd, 16},
};

static void one_item(struct gen *g)
{
    unsigned int total = 0, pick;
    const struct kind *k = kinds;

    for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
        total += kinds[i].weight;
    pick = gen_below(g, total);
    while (pick >= k->weight)
        pick -= k++->weight;
    if (!g->depth)
        g->items[g->nr_items++] = (struct item){(uint16_t)g->at, k->name};
    k->make(g);
}

void gen_nested(struct gen *g, unsigned int count)
{
    g->depth++;
    while (count--)
        one_item(g);
    g->depth--;
}

static void jump_to_exit(struct gen *g)
{
    put8(g, 0xe9);
    put32(g, (uint32_t)(AT(W_EXIT) - (AT(W_CODE) + g->at + 4)));
}

void gen_sequence(struct gen *g, struct start *s, uint64_t seed, unsigned int limit)
{
    unsigned int n, i;

    *g = (struct gen){.rng = seed, .s = s, .limit = limit, .low_base = NO_REG};
    s->windowed = 0;
    init_data_regs(g);
    init_bases(g);
    init_memory(g);
    init_fpu(g);
    memset(s->code, 0xcc, CODE_SIZE);
    g->at = gen_chance(g, 30) ? 0xf80 + gen_below(g, 0x80) : gen_below(g, 0x1400);
    s->rip = WINDOW + AT(W_CODE) + g->at;
    n = 1 + gen_below(g, MAX_LENGTH);
    for (i = 0; i < n && i < limit; i++)
        one_item(g);
    if (i == n && gen_chance(g, 10)) {
        g->items[g->nr_items++] = (struct item){(uint16_t)g->at, "end"};
        gen_end(g);
    }
    jump_to_exit(g);
}

/* Registers for one instruction: rcx small, as count and index; pointers with room around. */
static void init_one(struct gen *g, bool user)
{
    struct start *s = g->s;

    init_data_regs(g);
    s->gpr[RCX] = gen_below(g, 4);
    s->gpr[RBX] = USER + 0x200;
    s->gpr[RSP] = USER + 0x800;
    s->gpr[RBP] = USER + 0x900;
    s->gpr[RSI] = USER + 0xa00;
    s->gpr[RDI] = USER + 0xb00;
    s->gpr[R12] = s->gpr[R13] = gen_value(g);
    s->gs_base = s->fs_base = USER + 0x100;
    s->windowed = 0;
    if (user)
        return;
    s->gpr[RBX] = WINDOW + AT(W_DATA) + 0x200;
    s->gpr[RSP] = WINDOW + STACK_START;
    s->windowed = 1u << RBX | 1u << RSP;
}

void gen_one(struct gen *g, struct start *s, uint64_t seed, const uint8_t *bytes, unsigned int len,
             bool user)
{
    *g = (struct gen){.rng = seed, .s = s};
    init_one(g, user);
    init_memory(g);
    init_fpu(g);
    memset(s->code, 0xcc, CODE_SIZE);
    g->at = 0x100;
    s->rip = WINDOW + AT(W_CODE) + g->at;
    for (unsigned int i = 0; i < (len ? len : INSN_MAX); i++)
        put8(g, bytes[i]);
    jump_to_exit(g);
}
