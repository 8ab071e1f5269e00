/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hypercall.c - dispatch of hypercalls (ABI section 1). Calls that have no handler here run
 * in the domain process, at the price of two process switches.
 */
#include "cpu/pv/hypercall.h"

#include "cpu/env.h"
#include "cpu/pv/pv.h"

enum hypercall_place { NOWHERE, AT_VCPU, AT_BOTH, AT_DOMAIN };

struct hypercall {
    int64_t (*handler)(struct vcpu *v, uint64_t args[5]);
    const char *name;
    enum hypercall_place where;
};

/* clang-format off */
#define VCPU(n) {.handler = pv_do_##n, .name = #n, .where = AT_VCPU}
#define BOTH(n) {.handler = pv_do_##n, .name = #n, .where = AT_BOTH}
#define DOMAIN(n) {.name = #n, .where = AT_DOMAIN}
/* clang-format on */
#define HYPERCALL(nr, n, where, text) [nr] = where(n),
static const struct hypercall hypercalls[] = {
#include "cpu/pv/hypercalls.def"
};
#undef HYPERCALL
#undef DOMAIN
#undef BOTH
#undef VCPU

bool hypercall_preempted(const struct vcpu *v)
{
    return env_kicked() || pv_event_due(v);
}

bool hypercall_exists(uint64_t nr)
{
    return nr < ARRAY_SIZE(hypercalls) && hypercalls[nr].where != NOWHERE;
}

int64_t hypercall_run(struct vcpu *v, uint64_t nr, uint64_t args[5])
{
    if (!hypercall_exists(nr))
        return -XEN_ENOSYS;
    if (hypercalls[nr].handler)
        return hypercalls[nr].handler(v, args);
    return env_domain_hypercall(v, nr, args);
}

void pv_hypercall(struct vcpu *v)
{
    uint64_t args[5] = {v->gpr[RDI], v->gpr[RSI], v->gpr[RDX], v->gpr[R10], v->gpr[R8]};
    uint64_t nr = v->gpr[RAX];
    int64_t ret;

    /* What the instruction itself does, and the selectors Xen shows from then on. */
    v->gpr[RCX] = v->rip;
    v->gpr[R11] = v->rflags;
    v->cs = FLAT_KERNEL_CS;
    v->ss = FLAT_KERNEL_SS;

    v->pv.waiting = false;
    ret = hypercall_run(v, nr, args);
    if (ret == HYPERCALL_LEFT)
        return;
    if (ret != HYPERCALL_CONTINUE) {
        v->gpr[RAX] = (uint64_t)ret;
        return;
    }
    v->pv.waiting = nr == __HYPERVISOR_sched_op || nr == __HYPERVISOR_sched_op_compat;
    v->rip -= 2;
    v->gpr[RDI] = args[0];
    v->gpr[RSI] = args[1];
    v->gpr[RDX] = args[2];
    v->gpr[R10] = args[3];
    v->gpr[R8] = args[4];
}

int hypercall_copy_from(struct vcpu *v, void *to, gva_t va, size_t size)
{
    struct fault f;

    if (size == 0)
        return 0;
    return env_read_kernel(v, va, to, size, &f) ? -XEN_EFAULT : 0;
}

int hypercall_copy_to(struct vcpu *v, gva_t va, const void *from, size_t size)
{
    struct fault f;

    if (size == 0)
        return 0;
    return env_write_kernel(v, va, from, size, &f) ? -XEN_EFAULT : 0;
}
