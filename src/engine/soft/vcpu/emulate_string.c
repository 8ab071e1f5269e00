/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_string.c - movs stos lods cmps scas ins outs, with and without repeat prefixes.
 *
 * Work goes in chunks: elements that lie in one page of each operand are handled on host
 * pointers, an element that straddles a page on its own. rcx, rsi and rdi are exact after
 * each chunk, so a fault or an interruption restarts the instruction where it stopped. A
 * call handles a bounded number of bytes and then reports "done" with rip unchanged, so that
 * events are not kept waiting.
 */
#include "engine/soft/vcpu/emulate_int.h"

#include "cpu/ports.h"
#include "engine/soft/vcpu/rt.h"

#define BUDGET (256 * PAGE_SIZE)

struct string {
    struct emu *e;
    unsigned int size;
    int64_t step; /* size, or -size with DF */
    bool rep;
    uint64_t mask; /* of the address size */
    uint64_t left; /* elements */
};

static void string_init(struct string *s, struct emu *e)
{
    const struct insn *in = e->in;

    s->e = e;
    s->size = in->opsize;
    s->step = e->v->rflags & EFLAGS_DF ? -(int64_t)s->size : (int64_t)s->size;
    s->rep = in->rep;
    s->mask = in->prefix_67 ? 0xffffffffull : ~0ull;
    s->left = s->rep ? e->v->gpr[RCX] & s->mask : 1;
}

static gva_t source(const struct string *s)
{
    return (s->e->v->gpr[RSI] & s->mask) + emu_segment_base(s->e);
}

static gva_t target(const struct string *s)
{
    return s->e->v->gpr[RDI] & s->mask;
}

/* n elements are done: move the registers that take part. */
static void advance(struct string *s, uint64_t n, bool si, bool di)
{
    uint64_t *gpr = s->e->v->gpr, delta = n * (uint64_t)s->step;

    if (si)
        gpr[RSI] = (gpr[RSI] + delta) & s->mask;
    if (di)
        gpr[RDI] = (gpr[RDI] + delta) & s->mask;
    s->left -= n;
    if (s->rep)
        gpr[RCX] = s->left;
}

/* Elements from va on, in the direction of travel, that lie in va's page; 0: the first one
 * straddles. */
static uint64_t run_in_page(const struct string *s, gva_t va)
{
    uint64_t offset = va & ~PAGE_MASK;

    if (offset + s->size > PAGE_SIZE)
        return 0;
    return s->step > 0 ? (PAGE_SIZE - offset) / s->size : offset / s->size + 1;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* One element at a time in the direction of travel: overlapping operands see the stores. */
static void move_elements(uint8_t *to, const uint8_t *from, uint64_t n, const struct string *s)
{
    for (; n; n--, to += s->step, from += s->step)
        switch (s->size) {
        case 1:
            *(volatile uint8_t *)to = *(const volatile uint8_t *)from;
            break;
        case 2:
            *(volatile uint16_t *)to = *(const volatile uint16_t *)from;
            break;
        case 4:
            *(volatile uint32_t *)to = *(const volatile uint32_t *)from;
            break;
        default:
            *(volatile uint64_t *)to = *(const volatile uint64_t *)from;
        }
}

static enum emu_result movs_straddling(struct string *s)
{
    uint64_t value;

    if (emu_load(s->e, source(s), s->size, &value) || emu_store(s->e, target(s), s->size, value))
        return EMU_FAULT;
    advance(s, 1, true, true);
    return EMU_OK;
}

static enum emu_result movs(struct string *s)
{
    uint64_t n = least(least(run_in_page(s, source(s)), run_in_page(s, target(s))), s->left);
    uint64_t bytes = n * s->size;
    const uint8_t *from;
    uint8_t *to;

    if (!n)
        return movs_straddling(s);
    from = env_translate(s->e->v, source(s), ACCESS_READ, s->e->f);
    if (!from)
        return EMU_FAULT;
    to = env_translate(s->e->v, target(s), ACCESS_WRITE, s->e->f);
    if (!to)
        return EMU_FAULT;
    if (s->step < 0 && bytes > s->size) {
        move_elements(to, from, n, s);
    } else if (to + bytes <= from || from + bytes <= to) {
        if (bytes == 8)
            move_elements(to, from, n, s);
        else
            memcpy(to, from, bytes);
    } else {
        move_elements(to, from, n, s);
    }
    advance(s, n, true, true);
    return EMU_OK;
}

static enum emu_result stos(struct string *s)
{
    uint64_t value = s->e->v->gpr[RAX];
    uint64_t n = least(run_in_page(s, target(s)), s->left);
    uint8_t *to;

    if (!n) {
        if (emu_store(s->e, target(s), s->size, value))
            return EMU_FAULT;
        advance(s, 1, false, true);
        return EMU_OK;
    }
    to = env_translate(s->e->v, target(s), ACCESS_WRITE, s->e->f);
    if (!to)
        return EMU_FAULT;
    if (s->size == 1 && s->step > 0) {
        memset(to, (uint8_t)value, n);
    } else {
        for (uint64_t i = 0; i < n; i++, to += s->step)
            switch (s->size) {
            case 1:
                *(volatile uint8_t *)to = (uint8_t)value;
                break;
            case 2:
                *(volatile uint16_t *)to = (uint16_t)value;
                break;
            case 4:
                *(volatile uint32_t *)to = (uint32_t)value;
                break;
            default:
                *(volatile uint64_t *)to = value;
            }
    }
    advance(s, n, false, true);
    return EMU_OK;
}

static enum emu_result lods(struct string *s)
{
    uint64_t value;

    if (emu_load(s->e, source(s), s->size, &value))
        return EMU_FAULT;
    if (s->size == 1) /* al, never ah */
        s->e->v->gpr[RAX] = (s->e->v->gpr[RAX] & ~0xffull) | value;
    else
        emu_set_reg(s->e, RAX, s->size, value);
    advance(s, 1, true, false);
    return EMU_OK;
}

static uint64_t compare(uint64_t a, uint64_t b, unsigned int size, uint64_t flags)
{
    uint64_t r;

    switch (size) {
    case 1:
        __asm__("cmpb %b2, %b1; pushfq; popq %0" : "=r"(r) : "r"(a), "r"(b) : "cc");
        break;
    case 2:
        __asm__("cmpw %w2, %w1; pushfq; popq %0" : "=r"(r) : "r"(a), "r"(b) : "cc");
        break;
    case 4:
        __asm__("cmpl %k2, %k1; pushfq; popq %0" : "=r"(r) : "r"(a), "r"(b) : "cc");
        break;
    default:
        __asm__("cmpq %2, %1; pushfq; popq %0" : "=r"(r) : "r"(a), "r"(b) : "cc");
    }
    return (flags & ~(uint64_t)EFLAGS_ARITH) | (r & EFLAGS_ARITH);
}

/* cmps: [rsi] - [rdi]; scas: rax - [rdi]. *stop: the repeat condition does not hold any more. */
static enum emu_result cmps_scas(struct string *s, bool scas, bool *stop)
{
    struct vcpu *v = s->e->v;
    uint64_t a = v->gpr[RAX], b;
    bool equal;

    if (!scas && emu_load(s->e, source(s), s->size, &a))
        return EMU_FAULT;
    if (emu_load(s->e, target(s), s->size, &b))
        return EMU_FAULT;
    v->rflags = compare(a, b, s->size, v->rflags);
    advance(s, 1, !scas, true);
    equal = v->rflags & EFLAGS_ZF;
    *stop = s->rep && equal != (s->e->in->rep == 0xf3);
    return EMU_OK;
}

static enum emu_result string_step(struct string *s, bool *stop)
{
    switch (s->e->in->opcode & 0xfe) {
    case 0xa4:
        return movs(s);
    case 0xa6:
        return cmps_scas(s, false, stop);
    case 0xaa:
        return stos(s);
    case 0xac:
        return lods(s);
    default:
        return cmps_scas(s, true, stop);
    }
}

enum emu_result emulate_string(struct emu *e)
{
    struct string s;
    bool stop = false;
    uint64_t start;

    string_init(&s, e);
    start = s.left;
    while (s.left && !stop) {
        if ((start - s.left) * s.size >= BUDGET) {
            e->jumped = true; /* on to the rest when events have been looked at */
            return EMU_OK;
        }
        if (string_step(&s, &stop))
            return EMU_FAULT;
    }
    return EMU_OK;
}

static enum emu_result ins(struct string *s, uint16_t port)
{
    if (emu_probe_write(s->e, target(s), s->size) || /* before the port is read */
        emu_store(s->e, target(s), s->size, ports_read(s->e->v, port, s->size)))
        return EMU_FAULT;
    advance(s, 1, false, true);
    return EMU_OK;
}

static enum emu_result outs(struct string *s, uint16_t port)
{
    uint64_t value;

    if (emu_load(s->e, source(s), s->size, &value))
        return EMU_FAULT;
    ports_write(s->e->v, port, s->size, (uint32_t)value);
    advance(s, 1, true, false);
    return EMU_OK;
}

enum emu_result emulate_port_string(struct emu *e)
{
    uint16_t port = (uint16_t)e->v->gpr[RDX];
    struct string s;
    uint64_t start;

    string_init(&s, e);
    if (s.size == 8)
        s = (struct string){e, 4, s.step / 2, s.rep, s.mask, s.left};
    if (!ports_allowed(e->v, port, s.size))
        return emu_gp(e, 0);
    for (start = s.left; s.left;) {
        if ((start - s.left) * s.size >= BUDGET) {
            e->jumped = true;
            return EMU_OK;
        }
        if (e->in->opcode < 0x6e ? ins(&s, port) : outs(&s, port))
            return EMU_FAULT;
    }
    return EMU_OK;
}
