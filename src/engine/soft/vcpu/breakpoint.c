/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * breakpoint.c - see breakpoint.h. What an instruction accesses is told from its decoded form
 * and the registers before it. Gathers and scatters are not looked into. The decoder is for 64-bit
 * code: of 32-bit programs page faults tell, and the watched bytes are compared.
 */
#include "engine/soft/vcpu/breakpoint.h"

#include "engine/soft/vcpu/emulate.h"
#include "engine/soft/vcpu/rewrite.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/vtlb.h"

#define NR_BREAKPOINTS 4
#define CR4_DE 8u

enum kind { ON_EXECUTION, ON_WRITE, ON_PORT, ON_ACCESS };

struct range {
    gva_t va;
    uint64_t size;
    bool write;
};

#define MAX_RANGES 3

static bool enabled(const struct vcpu *v, unsigned int i)
{
    return v->dr[7] >> (2 * i) & 3;
}

static enum kind kind_of(const struct vcpu *v, unsigned int i)
{
    return (enum kind)(v->dr[7] >> (16 + 4 * i) & 3);
}

static uint64_t length_of(const struct vcpu *v, unsigned int i)
{
    static const uint8_t lengths[] = {1, 2, 8, 4};

    return lengths[v->dr[7] >> (18 + 4 * i) & 3];
}

static gva_t address_of(const struct vcpu *v, unsigned int i)
{
    return v->dr[i] & ~(length_of(v, i) - 1);
}

static bool is_watch(enum kind kind)
{
    return kind == ON_WRITE || kind == ON_ACCESS;
}

bool breakpoints_in_half(const struct vcpu *v, bool upper)
{
    for (unsigned int i = 0; i < NR_BREAKPOINTS; i++)
        if (enabled(v, i) && v->dr[i] >> 63 == upper)
            return true;
    return false;
}

bool breakpoints_in_page(const struct vcpu *v, gva_t va)
{
    for (unsigned int i = 0; i < NR_BREAKPOINTS; i++)
        if (enabled(v, i) && is_watch(kind_of(v, i)) && !((v->dr[i] ^ va) & PAGE_MASK))
            return true;
    return false;
}

void breakpoints_refresh(const struct vcpu *v)
{
    static uint64_t seen[8];

    if (!(seen[7] & DR7_ENABLED) && !breakpoints_enabled(v))
        return;
    for (unsigned int i = 0; i < ARRAY_SIZE(seen); i++)
        if (i != 6 && seen[i] != v->dr[i]) {
            __builtin_memcpy(seen, v->dr, sizeof(seen));
            soft_tlb_clear();
            return;
        }
}

uint32_t breakpoints_at_rip(const struct vcpu *v)
{
    uint32_t hits = 0;

    for (unsigned int i = 0; i < NR_BREAKPOINTS; i++)
        if (enabled(v, i) && kind_of(v, i) == ON_EXECUTION && v->dr[i] == v->rip)
            hits |= 1u << i;
    return hits;
}

static uint32_t hits_in(const struct vcpu *v, const struct range *r)
{
    uint32_t hits = 0;

    for (unsigned int i = 0; i < NR_BREAKPOINTS; i++)
        if (enabled(v, i) && is_watch(kind_of(v, i)) && (r->write || kind_of(v, i) == ON_ACCESS) &&
            address_of(v, i) < r->va + r->size && r->va < address_of(v, i) + length_of(v, i))
            hits |= 1u << i;
    return hits;
}

static uint64_t address_mask(const struct insn *in)
{
    return in->prefix_67 ? 0xffffffff : ~0ull;
}

static gva_t segment_base(const struct vcpu *v, const struct insn *in)
{
    return in->seg == 0x64 ? v->fs_base : in->seg == 0x65 ? v->gs_base : 0;
}

/* The ModRM operand. */
static unsigned int operand_range(const struct vcpu *v, const struct insn *in, struct range *r)
{
    if (!in->mem || !in->mem_size || in->vsib || !(in->mem_read || in->mem_write))
        return 0;
    *r = (struct range){emulate_operand(v, in), in->mem_size, in->mem_write};
    if (rewrite_is_bit_string(in)) {
        unsigned int shift = 64 - 8 * in->opsize;
        int64_t bit = (int64_t)(v->gpr[in->reg & 15] << shift) >> shift;

        r->va += (uint64_t)((bit >> 3) & -(int64_t)in->opsize);
    }
    if (in->cls == INSN_POP && in->base == RSP)
        r->va += in->opsize;
    return 1;
}

static unsigned int stack_range(const struct vcpu *v, const struct insn *in, struct range *r)
{
    gva_t sp;

    if (!emulate_stack_address(v, in, &sp))
        return 0;
    *r = (struct range){.va = sp, .size = in->opsize};
    switch (in->cls) {
    case INSN_PUSH:
    case INSN_PUSHF:
    case INSN_CALL:
    case INSN_CALL_IND:
    case INSN_ENTER:
        r->write = true;
        break;
    case INSN_MOV_SEG:
        r->write = !(in->opcode & 1);
        break;
    case INSN_IRET:
        r->size *= 5;
        break;
    case INSN_EMULATE: /* far */
        r->size *= 2;
        r->write = in->opcode == 0xff;
        break;
    default:
        break;
    }
    return 1;
}

static bool is_port_string(const struct insn *in)
{
    return in->cls == INSN_EMULATE && !in->map && in->opcode >= 0x6c && in->opcode <= 0x6f;
}

/* Pointers of string instructions, for one round or all of them. */
static unsigned int string_ranges(const struct vcpu *v, const struct insn *in, bool all,
                                  struct range *r)
{
    uint64_t mask = address_mask(in), count = in->rep ? v->gpr[RCX] & mask : 1;
    uint64_t rounds = all ? count : 1, back = (rounds - 1) * in->opsize;
    bool down = v->rflags & EFLAGS_DF, rsi, rdi;
    unsigned int n = 0;

    if (!count)
        return 0;
    if (is_port_string(in)) {
        rsi = in->opcode >= 0x6e;
        rdi = !rsi;
    } else {
        rewrite_string_pointers(in, &rsi, &rdi);
    }
    if (rsi)
        r[n++] = (struct range){(v->gpr[RSI] & mask) + segment_base(v, in) - (down ? back : 0),
                                rounds * in->opsize, false};
    if (rdi)
        r[n++] = (struct range){(v->gpr[RDI] & mask) - (down ? back : 0), rounds * in->opsize,
                                is_port_string(in) || (in->opcode & 0xf2) == 0xa2};
    return n;
}

/* Operands that neither ModRM nor the stack pointer names. */
static unsigned int implicit_ranges(const struct vcpu *v, const struct insn *in, struct range *r)
{
    uint64_t mask = address_mask(in);

    if (in->cls == INSN_STRING || is_port_string(in))
        return string_ranges(v, in, false, r);
    if (in->cls == INSN_XLAT)
        *r = (struct range){((v->gpr[RBX] + (v->gpr[RAX] & 0xff)) & mask) + segment_base(v, in), 1,
                            false};
    else if (in->cls == INSN_MASKMOV)
        *r = (struct range){(v->gpr[RDI] & mask) + segment_base(v, in), 16, true};
    else if (in->cls == INSN_EMULATE && !in->map && in->opcode >= 0xa0 && in->opcode <= 0xa3)
        *r = (struct range){(gva_t)in->imm + segment_base(v, in), in->opsize, in->opcode >= 0xa2};
    else
        return 0;
    return 1;
}

static uint32_t port_hits(const struct vcpu *v, const struct insn *in)
{
    uint64_t size = in->opsize == 8 ? 4 : in->opsize;
    uint16_t port =
        in->opcode >= 0xe4 && in->opcode <= 0xe7 ? (uint16_t)in->imm : (uint16_t)v->gpr[RDX];
    uint32_t hits = 0;

    if (!(v->cr4 & CR4_DE) || in->cls != INSN_EMULATE || in->map ||
        !(is_port_string(in) || (in->opcode >= 0xe4 && in->opcode <= 0xef)))
        return 0;
    for (unsigned int i = 0; i < NR_BREAKPOINTS; i++)
        if (enabled(v, i) && kind_of(v, i) == ON_PORT && address_of(v, i) < port + size &&
            port < address_of(v, i) + length_of(v, i))
            hits |= 1u << i;
    return hits;
}

uint32_t breakpoints_accessed(const struct vcpu *v, const struct insn *in)
{
    struct range r[MAX_RANGES];
    unsigned int n = operand_range(v, in, r);
    uint32_t hits = port_hits(v, in);

    n += stack_range(v, in, r + n);
    if (!n)
        n = implicit_ranges(v, in, r);
    while (n)
        hits |= hits_in(v, &r[--n]);
    return hits;
}

bool breakpoints_in_string(const struct vcpu *v, const struct insn *in)
{
    struct range r[MAX_RANGES];
    uint32_t hits = port_hits(v, in);

    for (unsigned int n = string_ranges(v, in, true, r); n;)
        hits |= hits_in(v, &r[--n]);
    return hits;
}

static void read_watched(struct vcpu *v, struct watched_bytes *ret)
{
    struct fault ignored;

    *ret = (struct watched_bytes){.valid = 0};
    for (unsigned int i = 0; i < NR_BREAKPOINTS; i++)
        if (enabled(v, i) && is_watch(kind_of(v, i)) && v->dr[i] < USER_END &&
            !env_read(v, address_of(v, i), &ret->value[i], length_of(v, i), &ignored))
            ret->valid |= (uint8_t)(1 << i);
}

void breakpoints_save(struct vcpu *v, struct watched_bytes *ret)
{
    read_watched(v, ret);
    for (unsigned int i = 0; i < NR_BREAKPOINTS; i++)
        if (ret->valid & 1 << i)
            user_watch(v, address_of(v, i));
}

uint32_t breakpoints_seen(struct vcpu *v, const struct watched_bytes *before)
{
    struct user_access seen[USER_WATCH_MAX];
    unsigned int n = user_watch_end(seen);
    struct watched_bytes now;
    uint32_t hits = 0;

    read_watched(v, &now);
    for (unsigned int i = 0; i < NR_BREAKPOINTS; i++)
        if ((before->valid & now.valid & 1 << i) && before->value[i] != now.value[i])
            hits |= 1u << i;
    while (n--)
        hits |= hits_in(v, &(struct range){seen[n].va, 1, seen[n].write});
    return hits;
}
