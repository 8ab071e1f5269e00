/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * event.c - event channels by the 2-level ABI: counting upcalls per port, masking, binding.
 */
#include "guest.h"

volatile unsigned long event_count[4096];
volatile unsigned long upcall_count;
volatile unsigned long spurious_upcalls;

vcpu_info_t *vcpu0(void)
{
    return &shared_info->vcpu_info[0];
}

void event_scan(void)
{
    vcpu_info_t *vcpu = own_vcpu();
    unsigned long selected;
    bool any = false;

    upcall_count++;
    vcpu->evtchn_upcall_pending = 0;
    selected = __atomic_exchange_n(&vcpu->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    for (unsigned int word = 0; word < 64; word++) {
        unsigned long ready;

        if (!(selected >> word & 1))
            continue;
        ready = shared_info->evtchn_pending[word] & ~shared_info->evtchn_mask[word];
        __atomic_fetch_and(&shared_info->evtchn_pending[word], ~ready, __ATOMIC_SEQ_CST);
        for (unsigned int bit = 0; bit < 64; bit++) {
            if (ready >> bit & 1) {
                __atomic_fetch_add(&event_count[word * 64 + bit], 1, __ATOMIC_SEQ_CST);
                any = true;
            }
        }
    }
    if (!any)
        spurious_upcalls++;
}

void events_on(void)
{
    vcpu0()->evtchn_upcall_mask = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (vcpu0()->evtchn_upcall_pending)
        xen_version(XENVER_version, NULL);
}

void event_mask(unsigned int port)
{
    __atomic_fetch_or(&shared_info->evtchn_mask[port / 64], 1ul << port % 64, __ATOMIC_SEQ_CST);
}

void event_unmask(unsigned int port)
{
    struct evtchn_unmask unmask = {.port = port};

    if (event_channel_op(EVTCHNOP_unmask, &unmask))
        error("EVTCHNOP_unmask of port %u failed", port);
}

bool event_pending(unsigned int port)
{
    return *(volatile unsigned long *)&shared_info->evtchn_pending[port / 64] >> port % 64 & 1;
}

void event_clear(unsigned int port)
{
    __atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~(1ul << port % 64),
                       __ATOMIC_SEQ_CST);
}

long bind_virq(unsigned int virq)
{
    struct evtchn_bind_virq bind = {.virq = virq, .vcpu = 0};
    long rc = event_channel_op(EVTCHNOP_bind_virq, &bind);

    if (rc)
        return rc;
    event_unmask(bind.port);
    return bind.port;
}

long bind_ipi(void)
{
    struct evtchn_bind_ipi bind = {.vcpu = 0};
    long rc = event_channel_op(EVTCHNOP_bind_ipi, &bind);

    if (rc)
        return rc;
    event_unmask(bind.port);
    return bind.port;
}

long event_send(unsigned int port)
{
    struct evtchn_send send = {.port = port};

    return event_channel_op(EVTCHNOP_send, &send);
}

long block(void)
{
    return sched_op(SCHEDOP_block, NULL);
}

domid_t own_domid(void)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_status status = {.dom = DOMID_SELF};
    struct evtchn_close close = {0};

    if (event_channel_op(EVTCHNOP_alloc_unbound, &alloc))
        error("alloc_unbound");
    status.port = close.port = alloc.port;
    if (event_channel_op(EVTCHNOP_status, &status) || status.status != EVTCHNSTAT_unbound)
        error("status of an unbound port");
    event_channel_op(EVTCHNOP_close, &close);
    return status.u.unbound.dom;
}
