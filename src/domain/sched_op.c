/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sched_op.c - shutdown and watchdogs (ABI section 3.11). Yield, block and poll never leave
 * the vCPU process; they are answered here only so that a confused one gets an answer.
 */
#include "domain/sched_op.h"

#include <errno.h>
#include <unistd.h>

#include "domain/hypercall.h"
#include "domain/pause.h"

#include <xen/xen.h>
#include <xen/sched.h>

#define NS_PER_S 1000000000ull
/* sched_op_compat knows only the first three commands. */
#define COMPAT_LAST SCHEDOP_shutdown
/* What a suspend hypercall returns when the domain just runs on (ABI section 17). */
#define SUSPEND_CANCELLED 1

/* If somebody waits for it, no vCPU runs another instruction. */
static int64_t suspend(const struct hypercall *h)
{
    struct domain *d = h->d;
    const uint64_t one = 1;

    if (d->suspend == SUSPEND_WANTED) {
        d->suspend = SUSPEND_DONE;
        d->suspend_vcpu = h->vcpu;
        d->suspend_info = h->args[2];
        domain_pause(d, PAUSED_FOR_SAVE);
        (void)!write(d->wake_fd, &one, sizeof(one));
    }
    return SUSPEND_CANCELLED;
}

static int64_t shut_down(const struct hypercall *h, uint32_t reason)
{
    static const struct {
        enum shutdown_reason reason;
        const char *text;
    } reasons[] = {
        [SHUTDOWN_poweroff] = {SHUTDOWN_POWEROFF, "the guest powered off"},
        [SHUTDOWN_reboot] = {SHUTDOWN_REBOOT, "the guest rebooted"},
        [SHUTDOWN_crash] = {SHUTDOWN_CRASH, "the guest kernel reported a crash (panic)"},
        [SHUTDOWN_watchdog] = {SHUTDOWN_WATCHDOG, "the guest's watchdog bit"},
    };

    if (reason == SHUTDOWN_suspend)
        return suspend(h);
    if (reason >= ARRAY_SIZE(reasons) || !reasons[reason].text) {
        domain_crash(h->d, "the guest shut down for an unknown reason (%u)", reason);
        return 0;
    }
    domain_shutdown(h->d, reasons[reason].reason, "%s", reasons[reason].text);
    return 0;
}

static int64_t watchdog(const struct hypercall *h)
{
    struct sched_watchdog w;
    struct domain *d = h->d;
    const uint64_t one = 1;
    unsigned int slot;
    bool new;

    if (hypercall_read(h, &w, h->args[1], sizeof(w)) < 0)
        return -EFAULT;
    new = w.id == 0;
    if (w.id > DOMAIN_WATCHDOGS || (new && !w.timeout))
        return -EINVAL;
    if (new) {
        for (slot = 0; slot < DOMAIN_WATCHDOGS && d->watchdog[slot]; slot++)
            continue;
        if (slot == DOMAIN_WATCHDOGS)
            return -ENOSPC;
    } else {
        slot = w.id - 1;
        if (!d->watchdog[slot])
            return -EINVAL;
    }
    d->watchdog[slot] = w.timeout ? domain_now(d) + w.timeout * NS_PER_S : 0;
    (void)!write(d->wake_fd, &one, sizeof(one));
    return new ? (int64_t)slot + 1 : 0;
}

uint64_t sched_watchdog_next(const struct domain *d)
{
    uint64_t next = 0;

    for (unsigned int i = 0; i < DOMAIN_WATCHDOGS && !d->paused; i++) {
        if (d->watchdog[i] && (!next || d->watchdog[i] < next))
            next = d->watchdog[i];
    }
    return next;
}

void sched_watchdog_check(struct domain *d)
{
    uint64_t next = sched_watchdog_next(d);

    if (next && domain_now(d) >= next)
        domain_shutdown(d, SHUTDOWN_WATCHDOG, "the guest did not feed its watchdog");
}

int64_t do_sched_op(const struct hypercall *h)
{
    struct sched_shutdown s;

    switch ((uint32_t)h->args[0]) {
    case SCHEDOP_yield:
    case SCHEDOP_block:
    case SCHEDOP_poll:
        return 0;
    case SCHEDOP_shutdown:
        if (hypercall_read(h, &s, h->args[1], sizeof(s)) < 0)
            return -EFAULT;
        return shut_down(h, h->d->shutdown_code >= 0 ? (uint32_t)h->d->shutdown_code : s.reason);
    case SCHEDOP_shutdown_code:
        if (hypercall_read(h, &s, h->args[1], sizeof(s)) < 0)
            return -EFAULT;
        if (h->d->shutdown_code < 0)
            h->d->shutdown_code = (uint8_t)s.reason;
        return 0;
    case SCHEDOP_watchdog:
        return watchdog(h);
    case SCHEDOP_remote_shutdown:
    case SCHEDOP_pin_override:
        return -EPERM;
    default:
        return -ENOSYS;
    }
}

int64_t do_sched_op_compat(const struct hypercall *h)
{
    if ((uint32_t)h->args[0] > COMPAT_LAST)
        return -ENOSYS;
    if ((uint32_t)h->args[0] == SCHEDOP_shutdown)
        return shut_down(h, (uint8_t)h->args[1]);
    return 0;
}
