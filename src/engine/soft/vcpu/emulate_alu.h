/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_alu.h - the integer operations themselves, each executed by the host CPU on
 * temporaries with the guest's arithmetic flags, so that results and flags (undefined ones
 * too) are what the instruction gives.
 */
#pragma once

#include "base/types.h"

/* a = destination's old value, b = source (shift count, bit number), at operand size 1, 2, 4
 * or 8 bytes. Returns the destination register's new value with whatever the host CPU puts
 * above the operand size (a's bits, or zeros for 4); replaces the arithmetic flags in *flags. */
typedef uint64_t (*alu_fn)(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);

extern const alu_fn alu_group1[8]; /* add or adc sbb and sub xor cmp */
extern const alu_fn alu_group2[8]; /* rol ror rcl rcr shl shr shl sar */
extern const alu_fn alu_bits[4];   /* bt bts btr btc; sizes 2, 4, 8 */
uint64_t alu_test(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_inc(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_dec(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_neg(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_not(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_mov(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);

/* Destination is a register, sizes 2, 4, 8 (crc32: size of the source, destination 8). */
uint64_t alu_imul(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_bsf(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_bsr(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_tzcnt(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_lzcnt(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_popcnt(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_crc32(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_adcx(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);
uint64_t alu_adox(unsigned int size, uint64_t a, uint64_t b, uint64_t *flags);

/* shld (right = false) and shrd: b comes in, count shifts. */
uint64_t alu_shift_double(unsigned int size, uint64_t a, uint64_t b, uint8_t count, bool right,
                          uint64_t *flags);

/* mul / imul of rax (al: the product is in ax): *low, *high as in rax, rdx. */
void alu_multiply(unsigned int size, bool is_signed, uint64_t b, uint64_t *low, uint64_t *high,
                  uint64_t *flags);
/* div / idiv of *high:*low (size 1: of the word in *low): quotient and remainder at operand
 * size. false = #DE. Flags are left alone. */
bool alu_divide(unsigned int size, bool is_signed, uint64_t b, uint64_t *low, uint64_t *high);

uint64_t alu_swap_bytes(unsigned int size, uint64_t value);
