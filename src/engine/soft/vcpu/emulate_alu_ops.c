/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_alu_ops.c - see emulate_alu.h. Every operation loads the guest's arithmetic flags,
 * executes one instruction and takes the flags back. Needs -mno-red-zone (pushfq).
 */
#include "engine/soft/vcpu/emulate_alu.h"

#include "engine/soft/vcpu/emulate_int.h"

#define FLAGS_FIXED 0x202u /* IF and the bit that is always set */

static uint64_t flags_in(uint64_t flags)
{
    return (flags & EFLAGS_ARITH) | FLAGS_FIXED;
}

static void flags_out(uint64_t *flags, uint64_t f)
{
    *flags = (*flags & ~(uint64_t)EFLAGS_ARITH) | (f & EFLAGS_ARITH);
}

#define EXECUTE(text)                                                                              \
    __asm__ volatile("pushq %[f]; popfq; " text "; pushfq; popq %[f]"                              \
                     : [a] "+r"(a), [f] "+r"(f)                                                    \
                     : [b] "c"(b)                                                                  \
                     : "cc")

/* text1 is the byte form; "" where there is none */
#define OPERATION(name, text1, text2, text4, text8)                                                \
    uint64_t name(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags)                      \
    {                                                                                              \
        uint64_t f = flags_in(*flags);                                                             \
                                                                                                   \
        switch (size) {                                                                            \
        case 1:                                                                                    \
            EXECUTE(text1);                                                                        \
            break;                                                                                 \
        case 2:                                                                                    \
            EXECUTE(text2);                                                                        \
            break;                                                                                 \
        case 4:                                                                                    \
            EXECUTE(text4);                                                                        \
            break;                                                                                 \
        default:                                                                                   \
            EXECUTE(text8);                                                                        \
        }                                                                                          \
        flags_out(flags, f);                                                                       \
        return a;                                                                                  \
    }

#define BINARY(name, insn)                                                                         \
    OPERATION(name, insn " %b[b], %b[a]", insn " %w[b], %w[a]", insn " %k[b], %k[a]",              \
              insn " %[b], %[a]")
#define BINARY_NO_BYTE(name, insn)                                                                 \
    OPERATION(name, "", insn " %w[b], %w[a]", insn " %k[b], %k[a]", insn " %[b], %[a]")
#define SHIFT(name, insn)                                                                          \
    OPERATION(name, insn " %%cl, %b[a]", insn " %%cl, %w[a]", insn " %%cl, %k[a]",                 \
              insn " %%cl, %[a]")
#define UNARY(name, insn) OPERATION(name, insn " %b[a]", insn " %w[a]", insn " %k[a]", insn " %[a]")

static BINARY(op_add, "add");
static BINARY(op_or, "or");
static BINARY(op_adc, "adc");
static BINARY(op_sbb, "sbb");
static BINARY(op_and, "and");
static BINARY(op_sub, "sub");
static BINARY(op_xor, "xor");
static BINARY(op_cmp, "cmp");
static SHIFT(op_rol, "rol");
static SHIFT(op_ror, "ror");
static SHIFT(op_rcl, "rcl");
static SHIFT(op_rcr, "rcr");
static SHIFT(op_shl, "shl");
static SHIFT(op_shr, "shr");
static SHIFT(op_sar, "sar");
static BINARY_NO_BYTE(op_bt, "bt");
static BINARY_NO_BYTE(op_bts, "bts");
static BINARY_NO_BYTE(op_btr, "btr");
static BINARY_NO_BYTE(op_btc, "btc");
BINARY(alu_test, "test")
BINARY(alu_mov, "mov")
UNARY(alu_inc, "inc")
UNARY(alu_dec, "dec")
UNARY(alu_neg, "neg")
UNARY(alu_not, "not")
BINARY_NO_BYTE(alu_imul, "imul")
BINARY_NO_BYTE(alu_bsf, "bsf")
BINARY_NO_BYTE(alu_bsr, "bsr")
BINARY_NO_BYTE(alu_tzcnt, "tzcnt")
BINARY_NO_BYTE(alu_lzcnt, "lzcnt")
BINARY_NO_BYTE(alu_popcnt, "popcnt")
OPERATION(alu_crc32, "crc32b %b[b], %k[a]", "crc32w %w[b], %k[a]", "crc32l %k[b], %k[a]",
          "crc32q %[b], %[a]")
OPERATION(alu_adcx, "", "", "adcx %k[b], %k[a]", "adcx %[b], %[a]")
OPERATION(alu_adox, "", "", "adox %k[b], %k[a]", "adox %[b], %[a]")

const alu_fn alu_group1[8] = {op_add, op_or, op_adc, op_sbb, op_and, op_sub, op_xor, op_cmp};
const alu_fn alu_group2[8] = {op_rol, op_ror, op_rcl, op_rcr, op_shl, op_shr, op_shl, op_sar};
const alu_fn alu_bits[4] = {op_bt, op_bts, op_btr, op_btc};

#define EXECUTE_DOUBLE(text)                                                                       \
    __asm__ volatile("pushq %[f]; popfq; " text "; pushfq; popq %[f]"                              \
                     : [a] "+r"(a), [f] "+r"(f)                                                    \
                     : [b] "r"(b), [c] "c"(count)                                                  \
                     : "cc")

uint64_t alu_shift_double(unsigned int size, uint64_t a, uint64_t b, uint8_t count, bool right,
                          uint64_t *flags)
{
    uint64_t f = flags_in(*flags);

    switch (size << 1 | right) {
    case 2 << 1:
        EXECUTE_DOUBLE("shldw %%cl, %w[b], %w[a]");
        break;
    case 2 << 1 | 1:
        EXECUTE_DOUBLE("shrdw %%cl, %w[b], %w[a]");
        break;
    case 4 << 1:
        EXECUTE_DOUBLE("shldl %%cl, %k[b], %k[a]");
        break;
    case 4 << 1 | 1:
        EXECUTE_DOUBLE("shrdl %%cl, %k[b], %k[a]");
        break;
    case 8 << 1:
        EXECUTE_DOUBLE("shldq %%cl, %[b], %[a]");
        break;
    default:
        EXECUTE_DOUBLE("shrdq %%cl, %[b], %[a]");
    }
    flags_out(flags, f);
    return a;
}

#define MULTIPLY(insn, modifier)                                                                   \
    __asm__ volatile("pushq %[f]; popfq; " insn " %" modifier "[b]; pushfq; popq %[f]"             \
                     : "+a"(*low), "+d"(*high), [f] "+r"(f)                                        \
                     : [b] "r"(b)                                                                  \
                     : "cc")

void alu_multiply(unsigned int size, bool is_signed, uint64_t b, uint64_t *low, uint64_t *high,
                  uint64_t *flags)
{
    uint64_t f = flags_in(*flags);

    switch (size << 1 | is_signed) {
    case 1 << 1:
        MULTIPLY("mulb", "b");
        break;
    case 1 << 1 | 1:
        MULTIPLY("imulb", "b");
        break;
    case 2 << 1:
        MULTIPLY("mulw", "w");
        break;
    case 2 << 1 | 1:
        MULTIPLY("imulw", "w");
        break;
    case 4 << 1:
        MULTIPLY("mull", "k");
        break;
    case 4 << 1 | 1:
        MULTIPLY("imull", "k");
        break;
    case 8 << 1:
        MULTIPLY("mulq", "q");
        break;
    default:
        MULTIPLY("imulq", "q");
    }
    flags_out(flags, f);
}

static uint64_t mask_of(unsigned int size)
{
    return ~0ull >> (64 - 8 * size);
}

bool alu_divide(unsigned int size, bool is_signed, uint64_t b, uint64_t *low, uint64_t *high)
{
    uint64_t mask = mask_of(size), half = mask / 2 + 1;
    unsigned __int128 n;
    uint64_t quotient, remainder, limit = mask;
    bool minus_n = false, minus_b = false;

    if (size == 1)
        n = *low & 0xffff;
    else
        n = (unsigned __int128)(*high & mask) << 8 * size | (*low & mask);
    b &= mask;
    if (is_signed) {
        minus_b = b & half;
        minus_n = n >> (16 * size - 1) & 1;
        if (minus_b)
            b = (0 - b) & mask;
        if (minus_n)
            n = (0 - n) & (((unsigned __int128)mask << 8 * size) | mask);
        limit = minus_b != minus_n ? half : half - 1;
    }
    if (b == 0 || (uint64_t)(n >> 64) >= b)
        return false;
    __asm__("divq %[b]"
            : "=a"(quotient), "=d"(remainder)
            : "a"((uint64_t)n), "d"((uint64_t)(n >> 64)), [b] "r"(b)
            : "cc");
    if (quotient > limit)
        return false;
    if (minus_b != minus_n)
        quotient = 0 - quotient;
    if (minus_n)
        remainder = 0 - remainder;
    *low = quotient & mask;
    *high = remainder & mask;
    return true;
}

uint64_t alu_swap_bytes(unsigned int size, uint64_t value)
{
    switch (size) {
    case 2:
        return __builtin_bswap16((uint16_t)value);
    case 4:
        return __builtin_bswap32((uint32_t)value);
    default:
        return __builtin_bswap64(value);
    }
}
