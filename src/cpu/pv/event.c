/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * event.c - the event-channel operations worth answering here: unmask, and sending an IPI to
 * oneself. The domain process knows the rest.
 */
#include "cpu/pv/hypercall.h"

#include <xen/event_channel.h>

#include "cpu/env.h"
#include "cpu/pv/evtchn.h"

/* Is `port` in use and notifies this vCPU? Then no other vCPU has to be kicked. */
static bool port_is_ours(const struct vcpu *v, const struct evtchn_ctx *c, port_t port)
{
    return port > 0 && port < EVTCHN_MAX_PORTS && c->sh->port[port].kind > EVTCHN_RESERVED &&
           c->sh->port[port].vcpu == v->id;
}

/* The port at the start of every argument structure handled here. */
static bool read_own_port(struct vcpu *v, const struct evtchn_ctx *c, gva_t arg, port_t *ret)
{
    return !hypercall_copy_from(v, ret, arg, sizeof(*ret)) && port_is_ours(v, c, *ret);
}

int64_t pv_do_event_channel_op(struct vcpu *v, uint64_t args[5])
{
    const struct evtchn_ctx *c = env_evtchn();
    port_t port;

    switch (c ? args[0] : ~0ull) {
    case EVTCHNOP_unmask:
        if (!read_own_port(v, c, args[1], &port))
            break;
        (void)evtchn_unmask(c, port);
        return 0;
    case EVTCHNOP_send:
        if (!read_own_port(v, c, args[1], &port) || c->sh->port[port].kind != EVTCHN_IPI ||
            __atomic_load_n(&c->sh->polling, __ATOMIC_RELAXED))
            break;
        (void)evtchn_raise(c, port);
        return 0;
    }
    return env_domain_hypercall(v, __HYPERVISOR_event_channel_op, args);
}
