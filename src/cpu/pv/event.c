/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * event.c - the event-channel operations worth answering here: unmask, and sending IPIs. The
 * domain process knows the rest; events for the host's end of a port are left for it to find.
 */
#include "cpu/pv/hypercall.h"

#include <xen/event_channel.h>

#include "cpu/env.h"
#include "cpu/pv/evtchn.h"

/* Raise or unmask, and tell the vCPU that has to know. */
static void deliver(const struct evtchn_ctx *c, port_t port,
                    int (*how)(const struct evtchn_ctx *c, port_t port))
{
    int vcpu = how(c, port);
    uint64_t pollers = evtchn_wake_pollers(c, port);

    if (vcpu >= 0)
        env_kick_vcpu((unsigned int)vcpu);
    for (unsigned int id = 0; pollers; id++, pollers >>= 1)
        if (pollers & 1)
            env_kick_vcpu(id);
}

/* The port at the start of every argument structure handled here, if it is in use. */
static bool read_port(struct vcpu *v, const struct evtchn_ctx *c, gva_t arg, port_t *ret)
{
    return !hypercall_copy_from(v, ret, arg, sizeof(*ret)) && *ret > 0 && *ret < EVTCHN_MAX_PORTS &&
           c->sh->port[*ret].kind > EVTCHN_RESERVED;
}

int64_t pv_do_event_channel_op(struct vcpu *v, uint64_t args[5])
{
    const struct evtchn_ctx *c = env_evtchn();
    port_t port;

    switch (c ? (uint32_t)args[0] : ~0u) {
    case EVTCHNOP_unmask:
        if (!read_port(v, c, args[1], &port))
            break;
        deliver(c, port, evtchn_unmask);
        return 0;
    case EVTCHNOP_send:
        if (!read_port(v, c, args[1], &port))
            break;
        if (c->sh->port[port].host && env_ring(port))
            return 0;
        if (c->sh->port[port].kind != EVTCHN_IPI)
            break;
        deliver(c, port, evtchn_raise);
        return 0;
    }
    return env_domain_hypercall(v, __HYPERVISOR_event_channel_op, args);
}
