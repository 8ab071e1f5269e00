/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_alu.c - integer instructions whose memory operand is accessed by software.
 *
 * A read-modify-write inside one page goes through compare-and-exchange on the host address,
 * so it is atomic against other vCPUs and against their page walks; only an operand that
 * straddles cache lines and has no LOCK is stored plainly, as such a CPU would. Over a page
 * boundary both pages are checked for writing first.
 */
#include "engine/soft/vcpu/emulate_alu.h"

#include "engine/soft/vcpu/emulate_int.h"

#define CACHE_LINE 64

/* One read-modify-write: new = fn(size, old, b, flags). */
struct update {
    alu_fn fn;
    unsigned int size;
    uint64_t b;
    uint64_t old;   /* the value that new was made from */
    uint64_t flags; /* after */
    bool locked;
    bool keep; /* result is thrown away: cmp, test, bt */
};

static uint64_t host_load(const void *p, unsigned int size)
{
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)p;
    case 2:
        return *(const volatile uint16_t *)p;
    case 4:
        return *(const volatile uint32_t *)p;
    default:
        return *(const volatile uint64_t *)p;
    }
}

static void host_store(void *p, unsigned int size, uint64_t value)
{
    switch (size) {
    case 1:
        *(volatile uint8_t *)p = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)p = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)p = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)p = value;
    }
}

#define EXCHANGE(type)                                                                             \
    ({                                                                                             \
        type expected = (type)old;                                                                 \
        __atomic_compare_exchange_n((type *)p, &expected, (type)value, false, __ATOMIC_SEQ_CST,    \
                                    __ATOMIC_SEQ_CST);                                             \
    })

static bool host_exchange(void *p, unsigned int size, uint64_t old, uint64_t value)
{
    switch (size) {
    case 1:
        return EXCHANGE(uint8_t);
    case 2:
        return EXCHANGE(uint16_t);
    case 4:
        return EXCHANGE(uint32_t);
    default:
        return EXCHANGE(uint64_t);
    }
}

static bool straddles(gva_t va, unsigned int size, unsigned int unit)
{
    return (va & (unit - 1)) + size > unit;
}

static enum emu_result update_memory(struct emu *e, gva_t va, struct update *u)
{
    unsigned int size = u->size;
    uint64_t value;
    void *p;

    if (u->keep || straddles(va, size, PAGE_SIZE)) {
        if (!u->keep && emu_probe_write(e, va, size))
            return EMU_FAULT;
        if (emu_load(e, va, size, &u->old))
            return EMU_FAULT;
        u->flags = e->v->rflags;
        value = u->fn(size, u->old, u->b, &u->flags);
        return u->keep ? EMU_OK : emu_store(e, va, size, value);
    }
    p = env_translate(e->v, va, ACCESS_WRITE, e->f);
    if (!p)
        return EMU_FAULT;
    do {
        u->old = host_load(p, size);
        u->flags = e->v->rflags;
        value = u->fn(size, u->old, u->b, &u->flags);
        if (!u->locked && straddles(va, size, CACHE_LINE)) {
            host_store(p, size, value);
            break;
        }
    } while (!host_exchange(p, size, u->old, value));
    return EMU_OK;
}

/* Registers are handled whole, so that the host CPU decides about the upper bits. */
static uint64_t register_value(struct emu *e, unsigned int n, unsigned int size)
{
    return size == 1 ? emu_reg(e, n, 1) : e->v->gpr[n & 15];
}

static void set_register(struct emu *e, unsigned int n, unsigned int size, uint64_t value)
{
    emu_set_reg(e, n, size == 1 ? 1 : 8, value);
}

static enum emu_result update_rm(struct emu *e, struct update *u)
{
    if (e->in->mem)
        return update_memory(e, e->ea, u);
    u->old = register_value(e, e->in->rm, u->size);
    u->flags = e->v->rflags;
    uint64_t value = u->fn(u->size, u->old, u->b, &u->flags);

    if (!u->keep)
        set_register(e, e->in->rm, u->size, value);
    return EMU_OK;
}

/* rm = fn(rm, b), flags. */
static enum emu_result to_rm(struct emu *e, alu_fn fn, uint64_t b, bool keep)
{
    struct update u = {
        .fn = fn, .size = e->in->opsize, .b = b, .keep = keep, .locked = e->in->lock};

    if (update_rm(e, &u))
        return EMU_FAULT;
    e->v->rflags = u.flags;
    return EMU_OK;
}

/* reg = fn(reg, rm), flags. The source may be narrower than the operation. */
static enum emu_result to_reg(struct emu *e, alu_fn fn, bool keep)
{
    unsigned int size = e->in->opsize;
    uint64_t b, value;

    if (emu_rm(e, size, &b))
        return EMU_FAULT;
    value = fn(size, register_value(e, e->in->reg, size), b, &e->v->rflags);
    if (!keep)
        set_register(e, e->in->reg, size, value);
    return EMU_OK;
}

static enum emu_result group1(struct emu *e)
{
    const struct insn *in = e->in;
    unsigned int op = in->opcode >> 3 & 7, size = in->opsize;
    uint64_t value;

    switch (in->opcode & 7) {
    case 0:
    case 1:
        return to_rm(e, alu_group1[op], emu_reg(e, in->reg, size), op == 7);
    case 2:
    case 3:
        return to_reg(e, alu_group1[op], op == 7);
    default:
        value = alu_group1[op](size, e->v->gpr[RAX], (uint64_t)in->imm, &e->v->rflags);
        if (op != 7)
            e->v->gpr[RAX] = value;
        return EMU_OK;
    }
}

static enum emu_result multiply(struct emu *e, bool is_signed)
{
    struct vcpu *v = e->v;
    uint64_t b;

    if (emu_rm(e, e->in->opsize, &b))
        return EMU_FAULT;
    alu_multiply(e->in->opsize, is_signed, b, &v->gpr[RAX], &v->gpr[RDX], &v->rflags);
    return EMU_OK;
}

static enum emu_result divide(struct emu *e, bool is_signed)
{
    uint64_t b, low = e->v->gpr[RAX], high = e->v->gpr[RDX];
    unsigned int size = e->in->opsize;

    if (emu_rm(e, size, &b))
        return EMU_FAULT;
    if (!alu_divide(size, is_signed, b, &low, &high))
        return emu_fault(e, VEC_DE);
    if (size == 1) {
        emu_set_reg(e, RAX, 2, high << 8 | low);
    } else {
        emu_set_reg(e, RAX, size, low);
        emu_set_reg(e, RDX, size, high);
    }
    return EMU_OK;
}

static enum emu_result group3(struct emu *e)
{
    const struct insn *in = e->in;

    switch (in->reg & 7) {
    case 0:
    case 1:
        return to_rm(e, alu_test, (uint64_t)in->imm, true);
    case 2:
        return to_rm(e, alu_not, 0, false);
    case 3:
        return to_rm(e, alu_neg, 0, false);
    case 4:
    case 5:
        return multiply(e, in->reg & 1);
    default:
        return divide(e, in->reg & 1);
    }
}

static enum emu_result exchange(struct emu *e)
{
    const struct insn *in = e->in;
    unsigned int size = in->opsize;
    uint64_t rax;
    struct update u = {.fn = alu_mov, .size = size, .locked = true};

    if (in->op_gpr) { /* with rax */
        rax = e->v->gpr[RAX];
        emu_set_reg(e, RAX, size, e->v->gpr[in->rm & 15]);
        emu_set_reg(e, in->rm, size, rax);
        return EMU_OK;
    }
    u.b = emu_reg(e, in->reg, size);
    if (update_rm(e, &u))
        return EMU_FAULT;
    emu_set_reg(e, in->reg, size, u.old);
    return EMU_OK;
}

static enum emu_result exchange_add(struct emu *e)
{
    unsigned int size = e->in->opsize;
    struct update u = {.fn = alu_group1[0],
                       .size = size,
                       .b = emu_reg(e, e->in->reg, size),
                       .locked = e->in->lock};

    if (!e->in->mem) { /* the sum is written last */
        u.old = register_value(e, e->in->rm, size);
        uint64_t sum = u.fn(size, u.old, u.b, &e->v->rflags);

        emu_set_reg(e, e->in->reg, size, u.old);
        emu_set_reg(e, e->in->rm, size, sum);
        return EMU_OK;
    }
    if (update_rm(e, &u))
        return EMU_FAULT;
    emu_set_reg(e, e->in->reg, size, u.old);
    e->v->rflags = u.flags;
    return EMU_OK;
}

static enum emu_result imul_immediate(struct emu *e)
{
    unsigned int size = e->in->opsize;
    uint64_t a;

    if (emu_rm(e, size, &a))
        return EMU_FAULT;
    a = alu_imul(size, a, (uint64_t)e->in->imm, &e->v->rflags);
    emu_set_reg(e, e->in->reg, size, a);
    return EMU_OK;
}

/* movsx, movzx, movsxd: a source of `from` bytes. */
static enum emu_result extend(struct emu *e, unsigned int from, bool is_signed)
{
    unsigned int shift = 64 - 8 * from;
    uint64_t value;

    if (emu_rm(e, from, &value))
        return EMU_FAULT;
    if (is_signed)
        value = (uint64_t)((int64_t)(value << shift) >> shift);
    emu_set_reg(e, e->in->reg, e->in->opsize, value);
    return EMU_OK;
}

static enum emu_result alu_one_byte(struct emu *e)
{
    const struct insn *in = e->in;
    unsigned int size = in->opsize;
    uint64_t value;

    switch (in->opcode) {
    case 0x00 ... 0x3f:
        return group1(e);
    case 0x63:
        return size == 2 ? EMU_UNKNOWN : extend(e, 4, size == 8);
    case 0x69:
    case 0x6b:
        return imul_immediate(e);
    case 0x80:
    case 0x81:
    case 0x83:
        return to_rm(e, alu_group1[in->reg & 7], (uint64_t)in->imm, (in->reg & 7) == 7);
    case 0x84:
    case 0x85:
        return to_rm(e, alu_test, emu_reg(e, in->reg, size), true);
    case 0x86:
    case 0x87:
    case 0x90 ... 0x97:
        return in->rep == 0xf3 && in->opcode == 0x90 && !in->op_gpr ? EMU_OK : exchange(e);
    case 0x88:
    case 0x89:
        return emu_set_rm(e, size, emu_reg(e, in->reg, size));
    case 0x8a:
    case 0x8b:
        if (emu_rm(e, size, &value))
            return EMU_FAULT;
        emu_set_reg(e, in->reg, size, value);
        return EMU_OK;
    case 0xc0:
    case 0xc1:
        return to_rm(e, alu_group2[in->reg & 7], (uint64_t)in->imm & 0xff, false);
    case 0xd0:
    case 0xd1:
        return to_rm(e, alu_group2[in->reg & 7], 1, false);
    case 0xd2:
    case 0xd3:
        return to_rm(e, alu_group2[in->reg & 7], e->v->gpr[RCX] & 0xff, false);
    case 0xc6:
    case 0xc7:
        return emu_set_rm(e, size, (uint64_t)in->imm);
    case 0xf6:
    case 0xf7:
        return group3(e);
    case 0xfe:
    case 0xff:
        return to_rm(e, in->reg & 1 ? alu_dec : alu_inc, 0, false);
    default:
        return EMU_UNKNOWN;
    }
}

/* bt bts btr btc; with a register as bit number the operand may be far from the address. */
static enum emu_result bit_operation(struct emu *e, unsigned int op, bool immediate)
{
    const struct insn *in = e->in;
    unsigned int size = in->opsize, shift = 64 - 8 * size;
    int64_t bit = immediate ? in->imm & 0xff : (int64_t)e->v->gpr[in->reg & 15];

    if (!immediate) {
        bit = (int64_t)((uint64_t)bit << shift) >> shift;
        if (in->mem)
            e->ea += (uint64_t)((bit >> 3) & -(int64_t)size);
    }
    return to_rm(e, alu_bits[op], (uint64_t)bit & (8 * size - 1), op == 0);
}

static enum emu_result shift_double(struct emu *e)
{
    const struct insn *in = e->in;
    unsigned int size = in->opsize;
    uint8_t count = in->opcode & 1 ? (uint8_t)e->v->gpr[RCX] : (uint8_t)in->imm;
    bool right = in->opcode >= 0xac;
    uint64_t a, b = emu_reg(e, in->reg, size), flags = e->v->rflags;

    if (in->mem && emu_probe_write(e, e->ea, size))
        return EMU_FAULT;
    if (emu_rm(e, size, &a))
        return EMU_FAULT;
    if (!in->mem)
        a = e->v->gpr[in->rm & 15];
    a = alu_shift_double(size, a, b, count, right, &flags);
    if (!in->mem)
        e->v->gpr[in->rm & 15] = a;
    else if (emu_store(e, e->ea, size, a))
        return EMU_FAULT;
    e->v->rflags = flags;
    return EMU_OK;
}

static enum emu_result compare_exchange(struct emu *e)
{
    const struct insn *in = e->in;
    unsigned int size = in->opsize;
    uint64_t rax = emu_reg(e, RAX, size), flags, value;
    uint64_t old;
    void *p;

    if (!in->mem) {
        old = emu_reg(e, in->rm, size);
        flags = e->v->rflags;
        alu_group1[7](size, rax, old, &flags);
        e->v->rflags = flags;
        if (flags & EFLAGS_ZF)
            emu_set_reg(e, in->rm, size, emu_reg(e, in->reg, size));
        else
            emu_set_reg(e, RAX, size, old);
        return EMU_OK;
    }
    if (emu_probe_write(e, e->ea, size))
        return EMU_FAULT;
    if (straddles(e->ea, size, PAGE_SIZE)) {
        if (emu_load(e, e->ea, size, &old))
            return EMU_FAULT;
        value = rax == old ? emu_reg(e, in->reg, size) : old;
        if (emu_store(e, e->ea, size, value))
            return EMU_FAULT;
    } else {
        p = env_translate(e->v, e->ea, ACCESS_WRITE, e->f);
        if (!p)
            return EMU_FAULT;
        do {
            old = host_load(p, size);
            value = rax == old ? emu_reg(e, in->reg, size) : old;
        } while (!host_exchange(p, size, old, value));
    }
    alu_group1[7](size, rax, old, &e->v->rflags);
    if (rax != old)
        emu_set_reg(e, RAX, size, old);
    return EMU_OK;
}

static bool host_exchange_pair(void *p, unsigned int size, uint64_t old[2], const uint64_t value[2])
{
    bool done;

    if (size == 8)
        __asm__ volatile("lock cmpxchg8b %[p]"
                         : [p] "+m"(*(uint64_t *)p), "+a"(old[0]), "+d"(old[1]), "=@ccz"(done)
                         : "b"(value[0]), "c"(value[1])
                         : "memory");
    else
        __asm__ volatile("lock cmpxchg16b %[p]"
                         : [p] "+m"(*(unsigned __int128 *)p), "+a"(old[0]), "+d"(old[1]),
                           "=@ccz"(done)
                         : "b"(value[0]), "c"(value[1])
                         : "memory");
    return done;
}

/* cmpxchg8b, cmpxchg16b */
static enum emu_result compare_exchange_pair(struct emu *e)
{
    struct vcpu *v = e->v;
    unsigned int size = e->in->opsize * 2;
    uint64_t *gpr = v->gpr, old[2] = {gpr[RAX], gpr[RDX]}, value[2] = {gpr[RBX], gpr[RCX]};
    uint64_t memory;
    bool equal;

    if (size == 16 && (e->ea & 15))
        return emu_gp(e, 0);
    if (emu_probe_write(e, e->ea, size))
        return EMU_FAULT;
    if (straddles(e->ea, size, PAGE_SIZE)) { /* eight bytes, so in halves of a register */
        if (emu_load(e, e->ea, 8, &memory))
            return EMU_FAULT;
        equal = memory == ((uint32_t)old[0] | old[1] << 32);
        if (equal && emu_store(e, e->ea, 8, (uint32_t)value[0] | value[1] << 32))
            return EMU_FAULT;
        old[0] = (uint32_t)memory;
        old[1] = memory >> 32;
    } else {
        void *p = env_translate(v, e->ea, ACCESS_WRITE, e->f);

        if (!p)
            return EMU_FAULT;
        equal = host_exchange_pair(p, size, old, value);
    }
    v->rflags = (v->rflags & ~(uint64_t)EFLAGS_ZF) | (equal ? EFLAGS_ZF : 0);
    if (!equal) {
        emu_set_reg(e, RAX, e->in->opsize, old[0]);
        emu_set_reg(e, RDX, e->in->opsize, old[1]);
    }
    return EMU_OK;
}

static enum emu_result conditional_move(struct emu *e)
{
    unsigned int size = e->in->opsize;
    uint64_t value;

    if (emu_rm(e, size, &value))
        return EMU_FAULT;
    if (!emu_condition(e->in->cc, e->v->rflags))
        value = emu_reg(e, e->in->reg, size); /* 32 bits: clears the upper half all the same */
    emu_set_reg(e, e->in->reg, size, value);
    return EMU_OK;
}

static enum emu_result cache_line_op(struct emu *e)
{
    return env_translate(e->v, e->ea, ACCESS_READ, e->f) ? EMU_OK : EMU_FAULT;
}

static enum emu_result alu_0f(struct emu *e)
{
    const struct insn *in = e->in;

    switch (in->opcode) {
    case 0x00:
        return emulate_verify(e); /* verw */
    case 0x40 ... 0x4f:
        return conditional_move(e);
    case 0x90 ... 0x9f:
        return emu_set_rm(e, 1, emu_condition(in->cc, e->v->rflags));
    case 0xa3:
    case 0xab:
    case 0xb3:
    case 0xbb:
        return bit_operation(e, in->opcode >> 3 & 3, false);
    case 0xba:
        return bit_operation(e, in->reg & 3, true);
    case 0xa4:
    case 0xa5:
    case 0xac:
    case 0xad:
        return shift_double(e);
    case 0xae:
        return in->mem ? cache_line_op(e) : EMU_OK; /* clflush.., fences */
    case 0xaf:
        return to_reg(e, alu_imul, false);
    case 0xb0:
    case 0xb1:
        return compare_exchange(e);
    case 0xb6:
    case 0xb7:
        return extend(e, in->opcode == 0xb6 ? 1 : 2, false);
    case 0xbe:
    case 0xbf:
        return extend(e, in->opcode == 0xbe ? 1 : 2, true);
    case 0xb8:
        return to_reg(e, alu_popcnt, false);
    case 0xbc:
        return to_reg(e, in->rep == 0xf3 ? alu_tzcnt : alu_bsf, false);
    case 0xbd:
        return to_reg(e, in->rep == 0xf3 ? alu_lzcnt : alu_bsr, false);
    case 0xc0:
    case 0xc1:
        return exchange_add(e);
    case 0xc3: /* movnti */
        return emu_set_rm(e, in->opsize, emu_reg(e, in->reg, in->opsize));
    case 0xc7:
        return in->mem ? compare_exchange_pair(e) : EMU_UNKNOWN;
    default:
        return EMU_UNKNOWN;
    }
}

static enum emu_result move_swapped(struct emu *e)
{
    const struct insn *in = e->in;
    unsigned int size = in->opsize;
    uint64_t value;

    if (in->opcode == 0xf1)
        return emu_set_rm(e, size, alu_swap_bytes(size, emu_reg(e, in->reg, size)));
    if (emu_rm(e, size, &value))
        return EMU_FAULT;
    emu_set_reg(e, in->reg, size, alu_swap_bytes(size, value));
    return EMU_OK;
}

static enum emu_result alu_0f38(struct emu *e)
{
    const struct insn *in = e->in;
    uint64_t value;

    switch (in->opcode) {
    case 0xf0:
    case 0xf1:
        if (in->rep != 0xf2)
            return move_swapped(e);
        if (emu_rm(e, in->opsize, &value))
            return EMU_FAULT;
        e->v->gpr[in->reg & 15] =
            alu_crc32(in->opsize, e->v->gpr[in->reg & 15], value, &e->v->rflags);
        return EMU_OK;
    case 0xf6:
        return to_reg(e, in->rep == 0xf3 ? alu_adox : alu_adcx, false);
    default:
        return EMU_UNKNOWN;
    }
}

enum emu_result emulate_alu(struct emu *e)
{
    switch (e->in->map) {
    case 0:
        return alu_one_byte(e);
    case 1:
        return alu_0f(e);
    case 2:
        return alu_0f38(e);
    default:
        return EMU_UNKNOWN;
    }
}
