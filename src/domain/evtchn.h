/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * evtchn.h - event channels of a domain: the table of ports and EVTCHNOP_* (ABI section 9).
 * All functions are called with the domain's lock held. The hypercalls
 * themselves are do_event_channel_op() and its old form, see hypercall.h.
 */
#pragma once

#include "domain/domain.h"

/* Ports that exist from the start, as xl numbers them; both are bound to domain 0. */
#define EVTCHN_PORT_STORE 1
#define EVTCHN_PORT_CONSOLE 2

/* What a guest's send on a port does in the domain process. */
typedef void evtchn_handler(struct domain *d, void *arg);

/* Create d->evtchn, reset d->shared->evtchn, allocate the ports of console and xenstore
 * (d->console_port, d->store_port). Needs d->shared and d->ram. 0 or -ENOMEM. */
int evtchn_init(struct domain *d, struct err *err);
void evtchn_done(struct domain *d);

/* The host's end of a port: what the guest sends there calls fn(d, arg), lock held. A port
 * that the guest left unbound for domain 0 (a frontend's) becomes connected by this. NULL
 * takes the handler away and leaves the port unbound. 0, or -EINVAL if the guest has no such
 * port for domain 0. The handler dies with the port when the guest closes it. */
int evtchn_set_handler(struct domain *d, port_t port, evtchn_handler *fn, void *arg);

/* Backend's notify: raise the guest's port and kick the vCPU. Nothing happens if the port is
 * not connected to domain 0 any more. */
void evtchn_notify(struct domain *d, port_t port);

/* Does the vCPU that a guest's port interrupts sleep, so that what comes is awaited? */
bool evtchn_is_awaited(const struct domain *d, port_t port);

/* Raise a virtual interrupt (VIRQ_TIMER...) on a vCPU, if the guest bound it. */
void evtchn_raise_virq(struct domain *d, unsigned int vcpu, unsigned int virq);

/* Send the events that a vCPU rang for (run.h). */
void evtchn_answer_rings(struct domain *d, struct run *run);

/* d->vcpus[vcpu].info changed: deliver there from now on. */
void evtchn_vcpu_info_moved(struct domain *d, unsigned int vcpu);
/* Set upcall_pending of a vCPU and kick it. */
void evtchn_mark_upcall(struct domain *d, unsigned int vcpu);
