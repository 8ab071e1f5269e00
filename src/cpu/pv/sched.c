/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sched.c - giving the CPU away: yield, block, poll (ABI 3.11). Shutdown, the watchdog and
 * the privileged operations belong to the domain process.
 */
#include "cpu/pv/hypercall.h"

#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "cpu/env.h"
#include "cpu/pv/evtchn.h"
#include "cpu/pv/info.h"
#include "cpu/pv/pv.h"

#define POLL_MAX_PORTS 128

static int64_t do_yield(struct vcpu *v)
{
    env_relax(v);
    return 0;
}

/* Enable events and sleep until one is due. The mask is cleared before the test, and env_wait()
 * looks again itself. Whatever else woke us is the main loop's: it executes the call again. */
static int64_t do_block(struct vcpu *v)
{
    pv_events_mask(pv_info(v), false);
    if (pv_event_due(v))
        return 0;
    if (env_kicked())
        return HYPERCALL_CONTINUE;
    pv_runstate_change(v, RUNSTATE_blocked);
    env_wait(v, pv_next_deadline(v));
    pv_runstate_change(v, RUNSTATE_running);
    pv_timers_run(v);
    return pv_event_due(v) ? 0 : HYPERCALL_CONTINUE;
}

static bool any_pending(const struct evtchn_ctx *c, const evtchn_port_t *ports, unsigned int nr)
{
    unsigned int i;

    for (i = 0; i < nr; i++)
        if (evtchn_is_pending(c, ports[i]))
            return true;
    return false;
}

/* One sleep of a poll, to its own end or that of a timer of ours. */
static void poll_wait(struct vcpu *v, uint64_t timeout)
{
    uint64_t deadline = pv_next_deadline(v), until = deadline;

    if (timeout && (!until || timeout < until))
        until = timeout;
    pv_runstate_change(v, RUNSTATE_blocked);
    env_wait(v, until);
    pv_runstate_change(v, RUNSTATE_running);
    if (deadline && deadline <= env_now())
        pv_timers_run(v);
}

/* Is there a reason to return: an event, a listed port, the time, or that a raise has taken us
 * off the list of those who poll? */
static bool poll_over(struct vcpu *v, const struct evtchn_ctx *c, const evtchn_port_t *ports,
                      unsigned int nr, uint64_t timeout)
{
    uint64_t polling = __atomic_load_n(&c->sh->polling, __ATOMIC_SEQ_CST);

    return pv_event_due(v) || any_pending(c, ports, nr) || (timeout && timeout <= env_now()) ||
           !(polling >> (v->id & 63) & 1);
}

static int64_t poll_ports(struct vcpu *v, const struct evtchn_ctx *c, const evtchn_port_t *ports,
                          unsigned int nr, uint64_t timeout)
{
    uint64_t self = 1ull << (v->id & 63);
    uint32_t wanted = nr == 1 ? ports[0] : 0;
    bool over;

    /* From here on a raise wakes us, masked or not: announce, then look. */
    __atomic_store_n(&c->sh->poll_port[v->id % EVTCHN_MAX_VCPUS], wanted, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&c->sh->polling, self, __ATOMIC_SEQ_CST);
    while (!(over = poll_over(v, c, ports, nr, timeout)) && !env_kicked())
        poll_wait(v, timeout);
    if (!(__atomic_fetch_and(&c->sh->polling, ~self, __ATOMIC_SEQ_CST) & self))
        over = true;
    return over ? 0 : HYPERCALL_CONTINUE; /* the main loop is wanted */
}

static int64_t do_poll(struct vcpu *v, gva_t arg)
{
    const struct evtchn_ctx *c = env_evtchn();
    evtchn_port_t ports[POLL_MAX_PORTS];
    struct sched_poll poll;
    unsigned int i;

    if (!c)
        return do_yield(v); /* a poll may return at any time */
    if (hypercall_copy_from(v, &poll, arg, sizeof(poll)))
        return -XEN_EFAULT;
    if (poll.nr_ports > POLL_MAX_PORTS)
        return -XEN_EINVAL;
    if (hypercall_copy_from(v, ports, (gva_t)poll.ports.p, poll.nr_ports * sizeof(ports[0])))
        return -XEN_EFAULT;
    for (i = 0; i < poll.nr_ports; i++)
        if (ports[i] >= __atomic_load_n(&c->sh->nr_ports, __ATOMIC_SEQ_CST))
            return -XEN_EINVAL;
    return poll_ports(v, c, ports, poll.nr_ports, poll.timeout);
}

int64_t pv_do_sched_op(struct vcpu *v, uint64_t args[5])
{
    switch ((uint32_t)args[0]) {
    case SCHEDOP_yield:
        return do_yield(v);
    case SCHEDOP_block:
        return do_block(v);
    case SCHEDOP_poll:
        return do_poll(v, args[1]);
    default:
        return env_domain_hypercall(v, __HYPERVISOR_sched_op, args);
    }
}

int64_t pv_do_sched_op_compat(struct vcpu *v, uint64_t args[5])
{
    switch ((uint32_t)args[0]) {
    case SCHEDOP_yield:
        return do_yield(v);
    case SCHEDOP_block:
        return do_block(v);
    default:
        return env_domain_hypercall(v, __HYPERVISOR_sched_op_compat, args);
    }
}
