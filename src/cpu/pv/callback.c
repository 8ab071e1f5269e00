/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * callback.c - registering the guest kernel's entry points: trap table and callbacks
 * (ABI 3.1, 3.4). Only bookkeeping; trap.c uses what is recorded here.
 */
#include "cpu/pv/hypercall.h"

#include <xen/callback.h>

#include "cpu/env.h"
#include "cpu/pv/pv.h"

_Static_assert(sizeof(struct trap_info) == 16, "ABI 3.1");

/* Take over entries up to the terminator. Returns 0 to go on, 1 at the end, or an error. */
static int set_traps(struct vcpu *v, const struct trap_info *list, unsigned int n)
{
    unsigned int i;

    for (i = 0; i < n; i++) {
        const struct trap_info *t = &list[i];

        if (!t->address)
            return 1;
        if (!pv_canonical(t->address))
            return -XEN_EINVAL;
        v->pv.traps[t->vector] =
            (struct pv_trap){.address = t->address, .cs = t->cs | 3, .flags = t->flags & 7};
    }
    return 0;
}

int64_t pv_do_set_trap_table(struct vcpu *v, uint64_t args[5])
{
    struct trap_info list[HYPERCALL_CHUNK];
    unsigned int done, n;
    int rc;

    if (!args[0]) {
        __builtin_memset(v->pv.traps, 0, sizeof(v->pv.traps));
        return 0;
    }
    for (done = 0; done < HYPERCALL_BATCH; done += n) {
        /* The list has no length: what follows its end need not be readable. */
        n = HYPERCALL_CHUNK;
        if (hypercall_copy_from(v, list, args[0], sizeof(list))) {
            n = 1;
            if (hypercall_copy_from(v, list, args[0], sizeof(list[0])))
                return -XEN_EFAULT;
        }
        rc = set_traps(v, list, n);
        if (rc)
            return rc < 0 ? rc : 0;
        args[0] += n * sizeof(list[0]);
    }
    return HYPERCALL_CONTINUE;
}

static int register_callback(struct vcpu *v, unsigned int type, uint64_t address, bool mask)
{
    struct pv_callback cb = {.address = address, .mask_events = mask};

    if (!pv_canonical(address))
        return -XEN_EINVAL;
    switch (type) {
    case CALLBACKTYPE_event:
        cb.mask_events = true;
        v->pv.cb_event = cb;
        return 0;
    case CALLBACKTYPE_failsafe:
        v->pv.cb_failsafe = cb;
        return 0;
    case CALLBACKTYPE_syscall:
        v->pv.cb_syscall = cb;
        return 0;
    case CALLBACKTYPE_syscall32:
        v->pv.cb_syscall32 = cb;
        return 0;
    case CALLBACKTYPE_sysenter:
        v->pv.cb_sysenter = cb;
        return 0;
    case CALLBACKTYPE_nmi:
        v->pv.traps[VEC_NMI] =
            (struct pv_trap){.address = address, .cs = FLAT_KERNEL_CS, .flags = 4};
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}

static int unregister_callback(struct vcpu *v, unsigned int type)
{
    switch (type) {
    case CALLBACKTYPE_event:
    case CALLBACKTYPE_failsafe:
    case CALLBACKTYPE_syscall:
    case CALLBACKTYPE_syscall32:
    case CALLBACKTYPE_sysenter:
        return -XEN_EINVAL;
    case CALLBACKTYPE_nmi:
        v->pv.traps[VEC_NMI] = (struct pv_trap){0};
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}

int64_t pv_do_callback_op(struct vcpu *v, uint64_t args[5])
{
    struct callback_unregister unreg;
    struct callback_register reg;

    switch ((uint32_t)args[0]) {
    case CALLBACKOP_register:
        if (hypercall_copy_from(v, &reg, args[1], sizeof(reg)))
            return -XEN_EFAULT;
        return register_callback(v, reg.type, reg.address, reg.flags & CALLBACKF_mask_events);
    case CALLBACKOP_unregister:
        if (hypercall_copy_from(v, &unreg, args[1], sizeof(unreg)))
            return -XEN_EFAULT;
        return unregister_callback(v, unreg.type);
    default:
        return -XEN_ENOSYS;
    }
}

int64_t pv_do_set_callbacks(struct vcpu *v, uint64_t args[5])
{
    static const uint8_t types[] = {CALLBACKTYPE_event, CALLBACKTYPE_failsafe,
                                    CALLBACKTYPE_syscall};
    unsigned int i;
    int rc;

    for (i = 0; i < ARRAY_SIZE(types); i++) {
        rc = register_callback(v, types[i], args[i], false);
        if (rc)
            return rc;
    }
    return 0;
}
