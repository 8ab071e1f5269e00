/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * trap.h - the bounce frame: how exceptions, events and system calls reach the guest kernel.
 * The functions themselves are in pv.h.
 */
#pragma once

#include "cpu/vcpu.h"

/* Where an interruption goes and what its frame shows. */
struct bounce {
    gva_t handler;
    bool mask_events; /* set upcall_mask on entry */
    bool has_error;
    uint32_t error;
    uint64_t clear; /* flags that are cleared besides the usual ones */
};

/* Push the frame of the current state and enter the handler. A stack that cannot be written
 * crashes the domain; `what` names the entry in the reason. */
void bounce_enter(struct vcpu *v, const struct bounce *b, const char *what);
