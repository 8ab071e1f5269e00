/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * debugreg.c - debug registers, for mov to and from drN and for hypercalls 8 and 9 (ABI 5.7).
 * Only the values are kept here; the engine acts upon them.
 */
#include "cpu/pv/hypercall.h"

#include "cpu/pv/pv.h"

#define CR4_DE 8u

#define DR6_ZERO 0x1000ull
#define DR6_ONE 0xffff0ff0ull
#define DR7_ZERO 0xd800ull
#define DR7_ONE 0x400ull
#define DR7_ACTIVE 0xffu
#define DR7_GD 0x2000u
#define DR7_CONTROL_SHIFT 16 /* four bits for each breakpoint: RW, LEN */
#define DR7_RW_IO 2u

/* dr4 and dr5 are other names of 6 and 7, unless CR4.DE takes them away. */
static int real_number(const struct vcpu *v, unsigned int reg)
{
    if (reg == 4 || reg == 5)
        return v->cr4 & CR4_DE ? -XEN_ENODEV : (int)reg + 2;
    return reg < 8 ? (int)reg : -XEN_ENODEV;
}

static int check_dr7(const struct vcpu *v, uint64_t value)
{
    unsigned int i;

    if (value & DR7_GD)
        return -XEN_EPERM;
    if (!(value & DR7_ACTIVE) || (v->cr4 & CR4_DE))
        return 0;
    for (i = 0; i < 4; i++)
        if ((value >> (DR7_CONTROL_SHIFT + 4 * i) & 3) == DR7_RW_IO)
            return -XEN_EPERM;
    return 0;
}

int pv_debugreg_set(struct vcpu *v, unsigned int reg, uint64_t value)
{
    int nr = real_number(v, reg), rc;

    if (nr < 0)
        return nr;
    if (nr < 4) {
        if (!pv_canonical(value) || pv_in_hole(value))
            return -XEN_EPERM;
        v->dr[nr] = value;
        return 0;
    }
    if (value >> 32)
        return -XEN_EINVAL;
    if (nr == 6) {
        v->dr[6] = (value & ~DR6_ZERO) | DR6_ONE;
        return 0;
    }
    rc = check_dr7(v, value);
    if (rc)
        return rc;
    v->dr[7] = (value & ~DR7_ZERO) | DR7_ONE;
    return 0;
}

int pv_debugreg_get(const struct vcpu *v, unsigned int reg, uint64_t *ret)
{
    int nr = real_number(v, reg);

    if (nr < 0)
        return nr;
    *ret = v->dr[nr];
    return 0;
}

int64_t pv_do_set_debugreg(struct vcpu *v, uint64_t args[5])
{
    return pv_debugreg_set(v, (unsigned int)args[0], args[1]);
}

int64_t pv_do_get_debugreg(struct vcpu *v, uint64_t args[5])
{
    uint64_t value;
    int rc = pv_debugreg_get(v, (unsigned int)args[0], &value);

    return rc ? rc : (int64_t)value;
}
