/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gen.h - random instruction sequences, and the encoder they are written with.
 *
 * The two machines' window pointers differ, so a sequence must not turn one into data. Each
 * register has a class that every item of a sequence keeps:
 *   rbx rbp r12 r13  bases: window or user pointers, not changed
 *   rsi rdi          pointers, changed freely (any pointer, also wild ones)
 *   r14              a small index
 *   rsp              the stack
 *   all others       data: equal on both sides
 * Operations of up to 32 bits may read any register, for the low halves are equal. Memory has
 * classes too: W_DATA and W_RO and the stack above its start hold data, W_POINTERS and the
 * stack below hold anything. An item whose flags depend on a pointer ends by setting flags.
 */
#pragma once

#include "machine.h"
#include "random.h"

#define MAX_ITEMS 48
#define NO_REG (-1)
#define HIGH(n) (16 + (n)) /* ah ch dh bh: n = 4..7 */

struct item {
    uint16_t at; /* offset in the code */
    const char *what;
};

struct gen {
    uint64_t rng;
    struct start *s;
    uint32_t at;        /* offset in s->code */
    unsigned int limit; /* items to make at most */
    unsigned int nr_items;
    struct item items[MAX_ITEMS];
    unsigned int depth; /* nesting: items inside may not change the stack's depth */
    bool no_marks;      /* not to be run with marks: flags or left-out vector elements differ */
    int32_t sp;         /* rsp, relative to the start; below 0 is pushed */
    uint8_t slots[64];  /* classes of what was pushed: SLOT_* */
    unsigned int nr_slots;
    bool gs_small;  /* gs_base is a small number, not a window pointer */
    int low_base;   /* its lower half points to LOW; NO_REG: none does */
    bool odd_bases; /* some base is special; else all accesses succeed */
};

enum slot { SLOT_DATA, SLOT_POINTER, SLOT_DATA2 /* two bytes */, SLOT_FLAGS };

enum operand_kind { OP_REG, OP_MEM, OP_RIP };

struct operand {
    enum operand_kind kind;
    int reg;
    int base, index, scale;
    int32_t disp;
    uint8_t seg;
    bool p67, narrow; /* narrow: disp8 if it fits */
    uint64_t target;  /* OP_RIP: guest address */
};

/* How ins() encodes. */
enum {
    F_66 = 1,
    F_F2 = 2,
    F_F3 = 4,
    F_LOCK = 8,
    F_BYTE_RM = 16, /* rm is a byte register though the size is another (movzx) */
    F_NO_W = 32     /* 64-bit without REX.W */
};

/* Make a sequence and the registers and memory it starts from, from s->seed. */
void gen_sequence(struct gen *g, struct start *s, uint64_t seed, unsigned int limit);
/* The same for one given instruction. user: rbx and rsp point to user memory, which has the same
 * address on both sides, and no register is a window pointer. */
void gen_one(struct gen *g, struct start *s, uint64_t seed, const uint8_t *bytes, unsigned int len,
             bool user);
void gen_nested(struct gen *g, unsigned int count);

/* Random choices. */
uint64_t gen_random(struct gen *g);
unsigned int gen_below(struct gen *g, unsigned int n);
bool gen_chance(struct gen *g, unsigned int percent);
uint64_t gen_value(struct gen *g); /* interesting data */
int gen_data_reg(struct gen *g);
int gen_other_data_reg(struct gen *g, int not_this);
int gen_source_reg(struct gen *g, unsigned int size); /* of any class if size allows */
int gen_dest_reg(struct gen *g, unsigned int size);   /* HIGH() now and then */
unsigned int gen_size(struct gen *g);                 /* 1 2 4 8 */
unsigned int gen_size2(struct gen *g);                /* 2 4 8 */
struct operand gen_mem(struct gen *g);      /* data to read or write, rarely somewhere bad */
struct operand gen_good_mem(struct gen *g); /* never bad */
struct operand gen_pointer_slot(struct gen *g);
void gen_pointer_changes(struct gen *g, int reg); /* it no longer is what it was at the start */

/* Operands. */
struct operand op_reg(int reg);
struct operand op_mem(int base, int index, int scale, int32_t disp);
struct operand op_rip(uint64_t window_offset);

/* Encoder. opcode 0xf.., 0x0f38.. and 0x0f3a.. name their maps by value. */
void put8(struct gen *g, unsigned int b);
void put32(struct gen *g, uint32_t v);
void ins(struct gen *g, unsigned int flags, unsigned int opcode, unsigned int size, int reg,
         struct operand rm, unsigned int imm_size, int64_t imm);
/* Register in the opcode's low bits. */
void ins_low(struct gen *g, unsigned int flags, unsigned int opcode, unsigned int size, int reg,
             unsigned int imm_size, uint64_t imm);
/* No operand (or an implied one). */
void ins_plain(struct gen *g, unsigned int flags, unsigned int opcode, unsigned int size);
void ins_vex(struct gen *g, unsigned int map, unsigned int pp, bool w, bool l, unsigned int opcode,
             int reg, int vvvv, struct operand rm, unsigned int imm_size, int64_t imm);

struct evex {
    uint8_t ll, mask;
    bool z, b;
    int disp8_raw; /* used as encoded, if narrow */
};

void ins_evex(struct gen *g, unsigned int map, unsigned int pp, bool w, struct evex e,
              unsigned int opcode, int reg, int vvvv, struct operand rm, unsigned int imm_size,
              int64_t imm);

/* Short forms. */
void put_mov(struct gen *g, int to, int from);
void put_mov_imm32(struct gen *g, int reg, uint32_t v);
void put_lea(struct gen *g, int reg, struct operand m);
void put_load(struct gen *g, int reg, struct operand m);
void put_store(struct gen *g, struct operand m, int reg);
void put_set_flags(struct gen *g);
/* rsi and rdi point to data again. */
void put_reset_pointer(struct gen *g, int reg);

/* Items, by area. */
void gen_alu(struct gen *g);
void gen_stack(struct gen *g);
void gen_rsp(struct gen *g);
void gen_string(struct gen *g);
void gen_flow(struct gen *g);
void gen_simd(struct gen *g);
void gen_end(struct gen *g); /* items after which nothing runs: faults */
