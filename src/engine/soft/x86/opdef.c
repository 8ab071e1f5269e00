/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * opdef.c - opcodes whose meaning hangs on ModRM and prefixes too irregularly for a table:
 * 0F 01, 0F AE, 0F C7 and x87. Each function completes *def and returns false for #UD.
 */
#include "engine/soft/x86/optab.h"
#include "engine/soft/x86/insn.h"
#include "cpu/vcpu.h"

/* 0F 01. Memory forms: descriptor tables and invlpg; register forms: a zoo. */
bool opdef_0f01(const struct insn *in, struct opdef *def)
{
    unsigned int reg = in->reg & 7, low = in->rm & 7;

    if (in->mod != 3) {
        static const uint16_t rw[8] = {OP_WRITE, OP_WRITE, OP_READ, OP_READ,
                                       OP_WRITE, 0,        OP_READ, OP_READ};

        if (reg == 5) /* rstorssp; nothing without F3 */
            def->cls = INSN_UD;
        def->flags |= rw[reg];
        def->size = SIZE_Q;
        def->mem = reg < 4 ? MEM_10 : reg == 4 || reg == 6 ? MEM_2 : MEM_BIG;
        return reg != 5 || in->rep == 0xf3;
    }
    def->cls = INSN_UD; /* vmx, svm, sgx, cet, uintr, tsx, pkru, clzero, monitor, clac ... */
    if ((in->prefix_66 || in->rep) && reg != 4 && reg != 6 && (reg != 7 || low > 1))
        return true;
    switch (reg << 3 | low) {
    case 020: /* xgetbv */
    case 021: /* xsetbv */
        def->cls = INSN_EMULATE;
        def->gprs = 1 << RAX | 1 << RCX | 1 << RDX;
        break;
    case 030: /* vmrun vmload vmsave stgi clgi skinit invlpga: not for ring 3, or undefined */
    case 032 ... 037:
        def->cls = INSN_COPY;
        def->gprs = low == 7 ? 1 << RAX | 1 << RCX : low == 4 || low == 5 ? 0 : 1 << RAX;
        break;
    case 040 ... 047: /* smsw */
        def->cls = INSN_EMULATE;
        def->flags |= OP_RM | OP_RM_W;
        break;
    case 050: /* serialize */
        def->cls = INSN_COPY;
        break;
    case 060 ... 067: /* lmsw */
        def->cls = INSN_EMULATE;
        def->flags |= OP_RM;
        break;
    case 070: /* swapgs */
        def->cls = INSN_EMULATE;
        break;
    case 071: /* rdtscp: TSC_AUX is the guest's */
        def->cls = INSN_EMULATE;
        def->gprs = 1 << RAX | 1 << RCX | 1 << RDX;
        break;
    case 074: /* clzero */
        def->cls = INSN_EMULATE;
        def->gprs = 1 << RAX;
        break;
    }
    return true;
}

/* 0F AE: state save, fences, cache lines, segment bases. */
bool opdef_0fae(const struct insn *in, unsigned int pp, struct opdef *def)
{
    unsigned int reg = in->reg & 7;

    if (in->mod == 3) {
        if (pp == 2 && reg < 4) { /* rd/wr fs/gs base */
            def->flags |= reg < 2 ? OP_RM | OP_RM_W : OP_RM;
            return true;
        }
        if (pp == 0 && reg >= 5) { /* lfence mfence sfence */
            def->cls = INSN_COPY;
            return true;
        }
        def->cls = INSN_UD; /* ptwrite incsspq umonitor tpause umwait */
        def->flags |= OP_RM;
        return (pp == 2 && reg >= 4 && reg <= 6) || (reg == 6 && pp != 0);
    }
    def->mem = MEM_BIG;
    if (pp == 1 && reg >= 6) { /* clwb clflushopt */
        def->cls = INSN_COPY;
        def->flags |= OP_READ;
        def->mem = MEM_1;
        return true;
    }
    if (pp != 0) {
        def->cls = INSN_UD; /* ptwrite, clrssbsy */
        return pp == 2 && (reg == 4 || reg == 6);
    }
    if (reg == 2 || reg == 3) { /* ldmxcsr stmxcsr */
        def->cls = INSN_COPY;
        def->mem = MEM_4;
        def->flags |= OP_SIMD | (reg == 2 ? OP_READ : OP_WRITE);
    } else if (reg == 7) { /* clflush */
        def->cls = INSN_COPY;
        def->mem = MEM_1;
        def->flags |= OP_READ;
    } else { /* fxsave fxrstor xsave xrstor xsaveopt */
        def->flags |= OP_SIMD | (reg == 1 || reg == 5 ? OP_READ : OP_WRITE);
        if (reg == 6)
            def->cls = INSN_UD; /* xsaveopt is not offered */
        if (reg >= 4)
            def->gprs = 1 << RAX | 1 << RDX;
        if (reg == 4 || reg == 6)
            def->flags |= OP_READ; /* reads the header */
    }
    return true;
}

/* 0F C7: cmpxchg8b/16b, random numbers, rdpid, vmx. */
bool opdef_0fc7(const struct insn *in, unsigned int pp, struct opdef *def)
{
    unsigned int reg = in->reg & 7;

    if (in->mod == 3) {
        if (reg == 7 && pp == 2) { /* rdpid: TSC_AUX is the guest's */
            def->cls = INSN_EMULATE;
            def->size = SIZE_Q;
            def->flags |= OP_RM | OP_RM_W;
            return true;
        }
        if (reg == 6 && pp == 2) { /* senduipi */
            def->cls = INSN_UD;
            def->flags |= OP_RM;
            return true;
        }
        def->flags |= OP_RM | OP_RM_W; /* rdrand rdseed */
        return reg >= 6 && pp < 2;
    }
    if (reg == 1) {
        def->size = SIZE_Y;
        def->mem = MEM_2X;
        def->flags |= OP_READ | OP_WRITE | OP_LOCK;
        def->gprs = 1 << RAX | 1 << RDX | 1 << RCX | 1 << RBX;
        return true;
    }
    def->cls = INSN_UD; /* xrstors xsavec xsaves vmptrld vmptrst */
    def->mem = MEM_BIG;
    return reg >= 3 && (pp == 0 || (reg == 6 && pp < 3));
}

#define X87_R(n) ((n) | 0x100)
#define X87_W(n) ((n) | 0x200)

/* x87: operand size and direction by opcode and reg, valid register forms as bit masks. */
bool opdef_x87(const struct insn *in, struct opdef *def, unsigned int *mem_size)
{
    static const uint16_t mem[8][8] = {
        {X87_R(4), X87_R(4), X87_R(4), X87_R(4), X87_R(4), X87_R(4), X87_R(4), X87_R(4)},
        {X87_R(4), 0, X87_W(4), X87_W(4), X87_R(28), X87_R(2), X87_W(28), X87_W(2)},
        {X87_R(4), X87_R(4), X87_R(4), X87_R(4), X87_R(4), X87_R(4), X87_R(4), X87_R(4)},
        {X87_R(4), X87_W(4), X87_W(4), X87_W(4), 0, X87_R(10), 0, X87_W(10)},
        {X87_R(8), X87_R(8), X87_R(8), X87_R(8), X87_R(8), X87_R(8), X87_R(8), X87_R(8)},
        {X87_R(8), X87_W(8), X87_W(8), X87_W(8), X87_R(108), 0, X87_W(108), X87_W(2)},
        {X87_R(2), X87_R(2), X87_R(2), X87_R(2), X87_R(2), X87_R(2), X87_R(2), X87_R(2)},
        {X87_R(2), X87_W(2), X87_W(2), X87_W(2), X87_R(10), X87_R(8), X87_W(10), X87_W(8)},
    };
    /* bit n: ModRM byte 0xc0 + n */
    static const uint64_t reg[8] = {
        0xffffffffffffffff, 0xffff7f33ff01ffff, 0x00000200ffffffff, 0x00ffff1fffffffff,
        0xffffffffffffffff, 0x0000ffffffffffff, 0xffffffff02ffffff, 0x00ffff01ffffffff,
    };
    unsigned int op = in->opcode & 7, r = in->reg & 7;
    uint16_t m = mem[op][r];

    if (in->mod == 3) {
        if (op == 7 && r == 4)
            def->gprs = 1 << RAX; /* fnstsw ax */
        return reg[op] >> (r << 3 | (in->rm & 7)) & 1;
    }
    *mem_size = m & 0xff;
    if (in->prefix_66 && !(in->rex & 8) && *mem_size >= 28)
        *mem_size -= 14; /* 16-bit environment */
    def->flags |= m & 0x100 ? OP_READ : OP_WRITE;
    return m != 0;
}
