/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * bpf.h - makes a seccomp program from a table of rules. Freestanding: shared by the jails of all
 * processes and by the test that sweeps them.
 * Jumps counted by hand were wrong four times; here nobody counts.
 *
 * A rule allows one system call number if all its conditions hold. Rules are tried in order
 * (put hot ones first); what no rule allows gets the table's default action. Numbers are those of
 * x86-64, and with BPF_IA32 those of 32-bit calls (int 0x80). x32 numbers have bit 30 set and so
 * match no rule.
 */
#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/types.h"

#define BPF_MAX_CONDS 7
#define BPF_IP 6 /* in place of an argument: address behind the system call instruction */
#define BPF_IA32 0x80000000u
#define BPF_MAX_INSNS 256

enum bpf_test {
    BPF_END = 0, /* no more conditions */
    BPF_EQ,      /* all 64 bits of the argument == value */
    BPF_LE,      /* argument <= value (< 2^32), unsigned */
    BPF_GE,      /* argument >= value (< 2^32), unsigned */
    BPF_EQ_MASK, /* (argument & ~mask) == value, mask < 2^32 */
};

struct bpf_cond {
    uint8_t test;
    uint8_t arg; /* 0..5, BPF_IP */
    uint32_t mask;
    uint64_t value;
};

struct bpf_rule {
    const char *why; /* for the reader; a rule without a reason has no place here */
    uint32_t nr;
    struct bpf_cond conds[BPF_MAX_CONDS];
};

#define BPF_ARG_EQ(n, v)                                                                           \
    {                                                                                              \
        BPF_EQ, (n), 0, (v)                                                                        \
    }
#define BPF_ARG_LE(n, v)                                                                           \
    {                                                                                              \
        BPF_LE, (n), 0, (v)                                                                        \
    }
#define BPF_ARG_GE(n, v)                                                                           \
    {                                                                                              \
        BPF_GE, (n), 0, (v)                                                                        \
    }
#define BPF_ARG_EQ_MASK(n, m, v)                                                                   \
    {                                                                                              \
        BPF_EQ_MASK, (n), (m), (v)                                                                 \
    }

struct bpf_prog {
    struct sock_filter *insns;
    size_t max, len; /* len > max: did not fit */
};

static inline void bpf_emit(struct bpf_prog *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    if (p->len < p->max)
        p->insns[p->len] = (struct sock_filter){code, jt, jf, k};
    p->len++;
}

static inline void bpf_load_arg(struct bpf_prog *p, unsigned int arg, unsigned int half)
{
    uint32_t at = arg == BPF_IP ? offsetof(struct seccomp_data, instruction_pointer)
                                : (uint32_t)offsetof(struct seccomp_data, args) + 8 * arg;

    bpf_emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, at + 4 * half);
}

static inline void bpf_ge_emit(struct bpf_prog *p, const struct bpf_cond *c)
{
    bpf_load_arg(p, c->arg, 1);
    bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0);
    bpf_load_arg(p, c->arg, 0);
    bpf_emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 255, (uint32_t)c->value);
}

/* One comparison; where it fails the jump is left at 255 for bpf_rule_emit() to aim. */
static inline void bpf_cond_emit(struct bpf_prog *p, const struct bpf_cond *c)
{
    if (c->test == BPF_GE) {
        bpf_ge_emit(p, c);
        return;
    }
    bpf_load_arg(p, c->arg, 1);
    bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 255, (uint32_t)(c->value >> 32));
    bpf_load_arg(p, c->arg, 0);
    if (c->test == BPF_EQ_MASK)
        bpf_emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~c->mask);
    if (c->test == BPF_LE)
        bpf_emit(p, BPF_JMP | BPF_JGT | BPF_K, 255, 0, (uint32_t)c->value);
    else
        bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 255, (uint32_t)c->value);
}

static inline void bpf_rule_emit(struct bpf_prog *p, const struct bpf_rule *r)
{
    size_t start = p->len;

    /* The accumulator holds the system call number here. */
    bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 255, r->nr & ~BPF_IA32);
    for (unsigned int i = 0; i < BPF_MAX_CONDS && r->conds[i].test != BPF_END; i++)
        bpf_cond_emit(p, &r->conds[i]);
    bpf_emit(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    for (size_t i = start; i < p->len && i < p->max; i++) {
        struct sock_filter *f = &p->insns[i];

        if (BPF_CLASS(f->code) != BPF_JMP)
            continue;
        if (f->jt == 255)
            f->jt = (uint8_t)(p->len - i - 1);
        if (f->jf == 255)
            f->jf = (uint8_t)(p->len - i - 1);
    }
    /* A failed condition arrives here with an argument in the accumulator. */
    if (r->conds[0].test != BPF_END)
        bpf_emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offsetof(struct seccomp_data, nr));
}

/* The rules of one kind, for calls of `arch`; others go on behind. */
static inline void bpf_arch_emit(struct bpf_prog *p, uint32_t arch, const struct bpf_rule *rules,
                                 size_t nr_rules, uint32_t default_action)
{
    uint32_t kind = arch == AUDIT_ARCH_I386 ? BPF_IA32 : 0;
    size_t test = p->len + 1;

    bpf_emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offsetof(struct seccomp_data, arch));
    bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, arch);
    bpf_emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
    bpf_emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < nr_rules; i++)
        if ((rules[i].nr & BPF_IA32) == kind)
            bpf_rule_emit(p, &rules[i]);
    bpf_emit(p, BPF_RET | BPF_K, 0, 0, default_action);
    if (p->len <= p->max)
        p->insns[test + 1].k = (uint32_t)(p->len - test - 2);
}

/* Write the program for `rules` to insns[0..max). Returns its length, 0 if it does not fit. */
static inline size_t bpf_build(struct sock_filter *insns, size_t max, const struct bpf_rule *rules,
                               size_t nr_rules, uint32_t default_action)
{
    struct bpf_prog p = {insns, max, 0};

    bpf_arch_emit(&p, AUDIT_ARCH_X86_64, rules, nr_rules, default_action);
    bpf_arch_emit(&p, AUDIT_ARCH_I386, rules, nr_rules, default_action);
    bpf_emit(&p, BPF_RET | BPF_K, 0, 0, default_action);
    return p.len <= p.max ? p.len : 0;
}
