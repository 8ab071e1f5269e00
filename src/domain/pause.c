/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pause.c - see pause.h. A guest kernel that has taken over its vCPU process may ignore what it
 * is asked; it harms itself only, and whoever waits for it gives up after a while.
 */
#include "domain/pause.h"

#include <unistd.h>

#include "base/log.h"

void pause_ask_vcpu(struct domain *d, unsigned int id)
{
    uint32_t *request = &engine_run_page(d->engine, id)->request;

    if (d->vcpus[id].up && !d->paused) {
        __atomic_fetch_and(request, ~RUN_REQ_PAUSE, __ATOMIC_SEQ_CST);
        return;
    }
    __atomic_fetch_or(request, RUN_REQ_PAUSE, __ATOMIC_SEQ_CST);
    engine_vcpu_kick(d->engine, id);
}

/* The guest could not feed its watchdogs. */
static void give_watchdogs_time(struct domain *d)
{
    for (unsigned int i = 0; i < DOMAIN_WATCHDOGS; i++)
        if (d->watchdog[i])
            d->watchdog[i] += domain_now(d) - d->paused_since;
}

/* The pause has begun or ended: tell those that are concerned. */
static void changed(struct domain *d)
{
    const uint64_t one = 1;

    for (unsigned int i = 0; d->engine && i < d->nr_vcpus; i++)
        if (d->vcpus[i].up)
            pause_ask_vcpu(d, i);
    if (write(d->wake_fd, &one, sizeof(one)) < 0)
        log_msg(LOG_DEBUG, "domain", "wake-up of the main loop failed");
}

void domain_pause(struct domain *d, uint32_t who)
{
    uint32_t before = d->paused;

    d->paused |= who;
    if (before)
        return;
    d->paused_since = d->shared ? domain_now(d) : 0;
    changed(d);
}

void domain_unpause(struct domain *d, uint32_t who)
{
    uint32_t before = d->paused;

    d->paused &= ~who;
    if (!before || d->paused)
        return;
    if (d->shared)
        give_watchdogs_time(d);
    changed(d);
}

bool domain_is_still(const struct domain *d)
{
    for (unsigned int i = 0; i < d->nr_vcpus; i++)
        if (d->vcpus[i].up && !d->vcpus[i].stopped)
            return false;
    return true;
}
