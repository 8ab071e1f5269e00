/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domain_util.c - the few operations on struct domain that everybody uses: its end, its
 * clock. Declared in domain.h.
 */
#include "domain/domain.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

static void PRINTF_FMT(3, 0)
    domain_end(struct domain *d, enum shutdown_reason reason, const char *fmt, va_list ap)
{
    const uint64_t one = 1;

    if (d->state == DOMAIN_DYING)
        return;
    d->state = DOMAIN_DYING;
    d->reason = reason;
    vsnprintf(d->reason_text, sizeof(d->reason_text), fmt, ap);
    /* Only a full counter could refuse this, and then the main loop is awake anyway. */
    if (write(d->wake_fd, &one, sizeof(one)) < 0)
        log_msg(LOG_DEBUG, "domain", "wake-up of the main loop failed");
}

void domain_shutdown(struct domain *d, enum shutdown_reason reason, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    domain_end(d, reason, fmt, ap);
    va_end(ap);
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
    char text[sizeof(d->reason_text)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_guest(LOG_ERROR, "domain", "%s: crashed: %s", d->name, text);
    domain_shutdown(d, SHUTDOWN_CRASH, "%s", text);
}

uint64_t domain_now(const struct domain *d)
{
    const struct dom_shared *sh = d->shared;
    uint32_t lo, hi;
    uint64_t delta;
    int8_t shift = sh->tsc_shift;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    delta = ((uint64_t)hi << 32 | lo) - sh->tsc_stamp;
    if (shift < 0)
        delta >>= -shift & 63;
    else
        delta <<= shift & 63;
    return (uint64_t)((unsigned __int128)delta * sh->tsc_mul >> 32);
}

const char *domain_reason_name(enum shutdown_reason reason)
{
    switch (reason) {
    case SHUTDOWN_POWEROFF:
        return "poweroff";
    case SHUTDOWN_REBOOT:
        return "reboot";
    case SHUTDOWN_SUSPEND:
        return "suspend";
    case SHUTDOWN_CRASH:
        return "crash";
    case SHUTDOWN_WATCHDOG:
        return "watchdog";
    case SHUTDOWN_DESTROYED:
        return "destroyed";
    case SHUTDOWN_NONE:
        break;
    }
    return "none";
}
