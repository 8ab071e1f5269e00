/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * evtchn_shared.h - event-channel state that a vCPU process needs in order to raise and
 * unmask events without asking the domain process. Shared memory; the guest kernel owns V
 * and so can write anything here: every index read from it is range-checked before use.
 * Freestanding.
 */
#pragma once

#include "base/types.h"

#define EVTCHN_MAX_PORTS 4096 /* ports that this implementation hands out */
#define EVTCHN_MAX_VCPUS 32
#define EVTCHN_FIFO_PAGES 4 /* 1024 event words each */
#define EVTCHN_PRIORITIES 16

enum evtchn_kind {
    EVTCHN_FREE,
    EVTCHN_RESERVED,
    EVTCHN_UNBOUND,
    EVTCHN_INTERDOMAIN,
    EVTCHN_PIRQ,
    EVTCHN_VIRQ,
    EVTCHN_IPI
};

struct evtchn_shared {
    uint32_t fifo;                         /* 0 = 2-level ABI */
    uint32_t nr_ports;                     /* that there are, in use or free */
    uint32_t virq_timer[EVTCHN_MAX_VCPUS]; /* port bound to VIRQ_TIMER, 0 = none */
    maddr_t vcpu_info[EVTCHN_MAX_VCPUS];   /* current struct vcpu_info of each vCPU */
    struct {
        uint8_t kind;
        uint8_t vcpu; /* notify vCPU */
        uint8_t priority;
        uint8_t last_vcpu, last_priority; /* FIFO: queue it is linked on */
        uint8_t host;                     /* interdomain, with the host: V may ring for it */
        uint8_t pending;                  /* FIFO: raised before its array page was there */
    } port[EVTCHN_MAX_PORTS];
    mfn_t fifo_array[EVTCHN_FIFO_PAGES]; /* INVALID_MFN = not there */
    struct {
        maddr_t control; /* control block, 0 = none */
        uint32_t tail[EVTCHN_PRIORITIES];
        uint32_t lock[EVTCHN_PRIORITIES];
    } fifo_vcpu[EVTCHN_MAX_VCPUS];
    uint64_t polling;                     /* vCPUs in SCHEDOP_poll */
    uint32_t poll_port[EVTCHN_MAX_VCPUS]; /* what they wait for, 0 = any */
    mfn_t shared_info; /* frame with the 2-level bitmaps; set by D, range-checked by all */
};
