/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * time.c - system time from the vCPU's time record.
 */
#include "guest.h"

uint64_t now(void)
{
    const volatile vcpu_time_info_t *t = &vcpu0()->time;
    uint64_t delta, time;
    uint32_t version;

    do {
        version = t->version;
        barrier();
        delta = rdtsc() - t->tsc_timestamp;
        delta = t->tsc_shift >= 0 ? delta << t->tsc_shift : delta >> -t->tsc_shift;
        time = t->system_time + (uint64_t)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
        barrier();
    } while (version & 1 || version != t->version);
    return time;
}

void spin_ns(uint64_t ns)
{
    uint64_t end = now() + ns;

    while (now() < end)
        asm volatile("pause");
}
