/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emit.h - writes host machine code. Each function emits one instruction; none of them
 * changes flags, so translated code may use any of them between guest instructions.
 */
#pragma once

#include "base/types.h"
#include "cpu/vcpu.h"

extern uint8_t *emit_at; /* where the next byte goes */

static inline void emit_8(unsigned int b)
{
    *emit_at++ = (uint8_t)b;
}

static inline void emit_32(uint32_t v)
{
    __builtin_memcpy(emit_at, &v, 4);
    emit_at += 4;
}

static inline void emit_64(uint64_t v)
{
    __builtin_memcpy(emit_at, &v, 8);
    emit_at += 8;
}

static inline uint32_t emit_abs(const void *p)
{
    return (uint32_t)(uintptr_t)p;
}

/* mov [abs32], reg64 */
static inline void emit_store(int reg, const void *slot)
{
    emit_8(0x48 | (reg >> 3) << 2);
    emit_8(0x89);
    emit_8(4 | (reg & 7) << 3);
    emit_8(0x25);
    emit_32(emit_abs(slot));
}

/* mov reg64, [abs32] */
static inline void emit_load(int reg, const void *slot)
{
    emit_8(0x48 | (reg >> 3) << 2);
    emit_8(0x8b);
    emit_8(4 | (reg & 7) << 3);
    emit_8(0x25);
    emit_32(emit_abs(slot));
}

/* mov reg32, [abs32]; reg is one of the first eight. */
static inline void emit_load32(int reg, const void *slot)
{
    emit_8(0x8b);
    emit_8(4 | (unsigned int)reg << 3);
    emit_8(0x25);
    emit_32(emit_abs(slot));
}

/* mov dword [abs32], imm32 */
static inline void emit_store_imm32(const void *slot, uint32_t v)
{
    emit_8(0xc7);
    emit_8(4);
    emit_8(0x25);
    emit_32(emit_abs(slot));
    emit_32(v);
}

/* mov qword [abs32], simm32 */
static inline void emit_store_imm(const void *slot, int32_t v)
{
    emit_8(0x48);
    emit_8(0xc7);
    emit_8(4);
    emit_8(0x25);
    emit_32(emit_abs(slot));
    emit_32((uint32_t)v);
}

/* mov reg64, imm (shortest form) */
static inline void emit_mov_imm(int reg, uint64_t v)
{
    if ((int64_t)v == (int32_t)v) {
        emit_8(0x48 | reg >> 3);
        emit_8(0xc7);
        emit_8(0xc0 | (reg & 7));
        emit_32((uint32_t)v);
    } else {
        emit_8(0x48 | reg >> 3);
        emit_8(0xb8 | (reg & 7));
        emit_64(v);
    }
}

/* mov reg32, imm32 */
static inline void emit_mov_imm32(int reg, uint32_t v)
{
    if (reg >> 3)
        emit_8(0x41);
    emit_8(0xb8 | (reg & 7));
    emit_32(v);
}

/* opcode reg64, seg:[base + index * scale + disp]; base, index -1 = none. op 0x8b = mov
 * load, 0x8d = lea. */
static inline void emit_mem(int seg, int op, int reg, int base, int index, int scale, int32_t disp)
{
    unsigned int rex = 0x48 | (unsigned int)(reg >> 3) << 2;
    unsigned int ss = scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;

    if (seg)
        emit_8((unsigned int)seg);
    if (base >= 0)
        rex |= (unsigned int)base >> 3;
    if (index >= 0)
        rex |= (unsigned int)(index >> 3) << 1;
    emit_8(rex);
    emit_8((unsigned int)op);
    emit_8((base >= 0 ? 0x80 : 0) | (unsigned int)(reg & 7) << 3 | 4);
    emit_8(ss << 6 | (unsigned int)(index >= 0 ? index & 7 : 4) << 3 |
           (unsigned int)(base >= 0 ? base & 7 : 5));
    emit_32((uint32_t)disp);
}

static inline void emit_lea(int reg, int base, int index, int scale, int32_t disp)
{
    emit_mem(0, 0x8d, reg, base, index, scale, disp);
}

/* mov to64, from64 */
static inline void emit_mov(int to, int from)
{
    emit_8(0x48 | (unsigned int)(from >> 3) << 2 | (unsigned int)to >> 3);
    emit_8(0x89);
    emit_8(0xc0 | (unsigned int)(from & 7) << 3 | (unsigned int)(to & 7));
}

/* jmp rel32 */
static inline void emit_jmp(const void *to)
{
    emit_8(0xe9);
    emit_32((uint32_t)((uintptr_t)to - (uintptr_t)emit_at - 4));
}

static inline void emit_copy(const uint8_t *bytes, unsigned int len)
{
    for (unsigned int i = 0; i < len; i++)
        emit_8(bytes[i]);
}

/* A short jump (op: 0xeb, 0x74 je, 0xe3 jrcxz), to where emit_land() is called with the result. */
static inline uint8_t *emit_jump_short(unsigned int op)
{
    emit_8(op);
    emit_8(0);
    return emit_at - 1;
}

static inline void emit_land(uint8_t *jump)
{
    *jump = (uint8_t)(emit_at - jump - 1);
}

/* Set the rel32 that ends at site + size to lead to `to`. */
static inline void emit_patch_rel32(uint8_t *rel, const void *to)
{
    uint32_t d = (uint32_t)((uintptr_t)to - (uintptr_t)rel - 4);

    __builtin_memcpy(rel, &d, 4);
}
