/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * evtchn.h - raising and unmasking event channels in guest memory, 2-level and FIFO ABI.
 * Freestanding; linked into the domain process and into every vCPU process, which work on
 * the same memory at the same time as the guest does.
 *
 * Which ports exist and what they are bound to is the domain process's knowledge
 * (domain/evtchn.h); this is the part that only needs struct evtchn_shared. Nothing found in
 * shared memory is believed: numbers are range-checked, waits are bounded.
 */
#pragma once

#include "cpu/pv/evtchn_shared.h"

struct evtchn_ctx {
    struct evtchn_shared *sh;
    uint8_t *ram;       /* linear map of frames [0, nr_frames) */
    uint64_t nr_frames; /* what a guest may name */
    unsigned int nr_vcpus;
    void (*relax)(void);  /* gives the CPU away while a lock is busy; NULL = just spin */
    unsigned int *forced; /* counts locks that were taken by force; may be NULL */
};

/* Make `port` pending, in the strict order of ABI section 9. Returns the vCPU that must
 * look at its upcall now (the caller kicks it unless it is itself that vCPU), or -1 when no
 * new upcall became due. Pollers are not in the result: kick those of evtchn_wake_pollers() too,
 * whatever is returned. Ports out of range: -1. */
int evtchn_raise(const struct evtchn_ctx *c, port_t port);

/* EVTCHNOP_unmask: clear the mask and deliver what was pending. Result as evtchn_raise. */
int evtchn_unmask(const struct evtchn_ctx *c, port_t port);

/* The vCPUs, bit per number, that wait for this port in SCHEDOP_poll. They are off the list then,
 * which is how they know that their wait is over: kick them. */
uint64_t evtchn_wake_pollers(const struct evtchn_ctx *c, port_t port);

/* SCHEDOP_poll: is the event pending, masked or not? */
bool evtchn_is_pending(const struct evtchn_ctx *c, port_t port);

/* Forget a pending event (the port was closed). A FIFO entry may stay on its queue; the
 * guest skips it there. */
void evtchn_clear_pending(const struct evtchn_ctx *c, port_t port);

/* The vCPU's current vcpu_info, or NULL if shared memory does not hold a usable address. */
struct vcpu_info;
struct vcpu_info *evtchn_vcpu_info(const struct evtchn_ctx *c, unsigned int vcpu);
