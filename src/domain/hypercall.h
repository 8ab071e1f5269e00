/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hypercall.h - the hypercalls that the domain process answers: dispatch, access to their
 * arguments, and start and end of what they keep. A handler returns what the guest finds in
 * rax and trusts nothing in *h but its type.
 */
#pragma once

#include "domain/domain.h"

/* One hypercall in progress. */
struct hypercall {
    struct domain *d;
    unsigned int vcpu; /* < d->nr_vcpus */
    mfn_t cr3;         /* kernel root that pointer arguments are walked through */
    uint64_t nr;
    uint64_t args[5];
};

/* Event channels, grant table, store ring and shared_info of a new domain, in this order.
 * Needs d->ram, d->shared, d->nr_vcpus, d->domid, d->console_mfn and d->store_mfn; sets the
 * port numbers. vCPU 0 is marked initialised and up. 0 or -errno. */
int domain_abi_init(struct domain *d, struct err *err);
void domain_abi_done(struct domain *d);

/* Copy an argument from / to guest memory. 0 or -EFAULT. */
int hypercall_read(const struct hypercall *h, void *to, gva_t from, size_t size) MUST_CHECK;
int hypercall_write(const struct hypercall *h, gva_t to, const void *from, size_t size) MUST_CHECK;

/* A domid argument must name this domain: 0, -EPERM for domain 0, else -ESRCH. */
int hypercall_check_self(const struct hypercall *h, domid_t domid);

/* The handlers: do_<name>() for all of cpu/pv/hypercalls.def that may end up here. */
#define VCPU(name)
#define BOTH(name) int64_t do_##name(const struct hypercall *h);
#define DOMAIN(name) BOTH(name)
#define HYPERCALL(nr, name, where, text) where(name)
#include "cpu/pv/hypercalls.def"
#undef HYPERCALL
#undef DOMAIN
#undef BOTH
#undef VCPU
