/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * time.c - a vCPU's clock record, timers and runstate (ABI section 8).
 *
 * The host's TSC is invariant, so the record is written when it moves or its parameters
 * change, not periodically. Areas that the guest registered by virtual address are written
 * through its kernel page tables; one that is not mapped just now is skipped and retried.
 */
#include "cpu/pv/time.h"

#include "cpu/env.h"
#include "cpu/pv/hypercall.h"
#include "cpu/pv/info.h"
#include "cpu/pv/pv.h"

/* A deadline further away than this is an overflow in the guest's arithmetic: wake it soon. */
#define FAR_FUTURE (1ull << 50)
#define FAR_FUTURE_DELAY 100000000ull

_Static_assert(sizeof(struct vcpu_time_info) == 32, "ABI 4.4");
_Static_assert(sizeof(struct vcpu_runstate_info) == 48, "ABI 3.10");

static void *area_by_maddr(maddr_t pa)
{
    uint8_t *frame = pa == ~0ull ? NULL : env_frame(pa >> PAGE_SHIFT);

    return frame ? frame + (pa & ~PAGE_MASK) : NULL;
}

/* Clock records. The version is odd while a record is being written. */

static void write_record(struct vcpu_time_info *to, const struct vcpu_time_info *t)
{
    uint32_t version = (__atomic_load_n(&to->version, __ATOMIC_RELAXED) | 1) + 2;

    __atomic_store_n(&to->version, version, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    to->tsc_timestamp = t->tsc_timestamp;
    to->system_time = t->system_time;
    to->tsc_to_system_mul = t->tsc_to_system_mul;
    to->tsc_shift = t->tsc_shift;
    to->flags = t->flags;
    __atomic_store_n(&to->version, version + 1, __ATOMIC_RELEASE);
}

/* The same through page tables. 0, or -XEN_EFAULT when the area is not mapped. */
static int write_record_va(struct vcpu *v, gva_t va, const struct vcpu_time_info *t)
{
    struct vcpu_time_info copy = *t;
    uint32_t version;

    if (hypercall_copy_from(v, &version, va, sizeof(version)))
        return -XEN_EFAULT;
    copy.version = (version | 1) + 2;
    if (hypercall_copy_to(v, va, &copy.version, sizeof(copy.version)) ||
        hypercall_copy_to(v, va, &copy, sizeof(copy)))
        return -XEN_EFAULT;
    copy.version++;
    return hypercall_copy_to(v, va, &copy.version, sizeof(copy.version));
}

void pv_time_update(struct vcpu *v)
{
    struct vcpu_time_info t = {.flags = XEN_PVCLOCK_TSC_STABLE_BIT};
    struct vcpu_time_info *area = area_by_maddr(v->pv.time_pa);

    env_time_params(&t.tsc_timestamp, &t.system_time, &t.tsc_to_system_mul, &t.tsc_shift);
    write_record(&pv_info(v)->time, &t);
    if (area)
        write_record(area, &t);
    v->pv.time_va_stale = v->pv.time_va && write_record_va(v, v->pv.time_va, &t);
}

/* Timers. */

uint64_t pv_next_deadline(const struct vcpu *v)
{
    uint64_t next = v->pv.singleshot_ns;

    if (v->pv.periodic_ns && (!next || v->pv.periodic_next < next))
        next = v->pv.periodic_next;
    return next;
}

void pv_timers_run(struct vcpu *v)
{
    struct pv_vcpu *pv = &v->pv;
    uint64_t now = env_now();
    bool due = false;

    if (pv->singleshot_ns && pv->singleshot_ns <= now) {
        pv->singleshot_ns = 0;
        due = true;
    }
    if (pv->periodic_ns && pv->periodic_next <= now) {
        /* Ticks that were missed are not made up for. */
        pv->periodic_next += ((now - pv->periodic_next) / pv->periodic_ns + 1) * pv->periodic_ns;
        due = true;
    }
    if (pv->time_va_stale)
        pv_time_update(v);
    env_set_timer(v, pv_next_deadline(v));
    if (due)
        env_raise_timer(v);
}

void time_set_singleshot(struct vcpu *v, uint64_t deadline)
{
    uint64_t now = env_now();

    if (deadline > now && deadline - now >= FAR_FUTURE)
        deadline = now + FAR_FUTURE_DELAY;
    v->pv.singleshot_ns = deadline;
    if (deadline && deadline <= now)
        pv_timers_run(v);
    else
        env_set_timer(v, pv_next_deadline(v));
}

void pv_set_periodic(struct vcpu *v, uint64_t period)
{
    v->pv.periodic_ns = period;
    v->pv.periodic_next = period ? env_now() + period : 0;
    env_set_timer(v, pv_next_deadline(v));
}

int64_t pv_do_set_timer_op(struct vcpu *v, uint64_t args[5])
{
    time_set_singleshot(v, args[0]);
    return 0;
}

/* Runstate. */

static void runstate_snapshot(const struct vcpu *v, struct vcpu_runstate_info *ret)
{
    *ret = (struct vcpu_runstate_info){.state = (int)v->pv.runstate,
                                       .state_entry_time = v->pv.runstate_entry};
    __builtin_memcpy(ret->time, v->pv.runstate_time, sizeof(ret->time));
}

void time_get_runstate(const struct vcpu *v, struct vcpu_runstate_info *ret)
{
    uint64_t now = env_now();

    runstate_snapshot(v, ret);
    if (now > ret->state_entry_time)
        ret->time[ret->state & 3] += now - ret->state_entry_time;
}

/* With the update flag a reader on another vCPU can tell a half-written area. */
static void publish_runstate_pa(struct vcpu_runstate_info *area, struct vcpu_runstate_info *r,
                                bool flagged)
{
    uint64_t entry = r->state_entry_time;

    if (flagged) {
        r->state_entry_time |= XEN_RUNSTATE_UPDATE;
        __atomic_store_n(&area->state_entry_time, r->state_entry_time, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
    }
    *area = *r;
    if (flagged)
        __atomic_store_n(&area->state_entry_time, entry, __ATOMIC_RELEASE);
}

static int publish_runstate_va(struct vcpu *v, gva_t va, struct vcpu_runstate_info *r, bool flagged)
{
    gva_t entry_va = va + offsetof(struct vcpu_runstate_info, state_entry_time);
    uint64_t entry = r->state_entry_time, marked = entry | XEN_RUNSTATE_UPDATE;

    if (!flagged)
        return hypercall_copy_to(v, va, r, sizeof(*r));
    r->state_entry_time = marked;
    if (hypercall_copy_to(v, entry_va, &marked, sizeof(marked)) ||
        hypercall_copy_to(v, va, r, sizeof(*r)))
        return -XEN_EFAULT;
    return hypercall_copy_to(v, entry_va, &entry, sizeof(entry));
}

void time_publish_runstate(struct vcpu *v)
{
    bool flagged = v->pv.vm_assist & PV_ASSIST_BIT(VMASST_TYPE_runstate_update_flag);
    struct vcpu_runstate_info r, *area = area_by_maddr(v->pv.runstate_pa);

    env_runstate_changed(v);
    if (area) {
        runstate_snapshot(v, &r);
        publish_runstate_pa(area, &r, flagged);
    }
    if (v->pv.runstate_va) {
        runstate_snapshot(v, &r);
        /* Not mapped now: the next change of state writes it again. */
        if (publish_runstate_va(v, v->pv.runstate_va, &r, flagged))
            return;
    }
}

void pv_runstate_change(struct vcpu *v, unsigned int state)
{
    struct pv_vcpu *pv = &v->pv;
    uint64_t now = env_now();

    if (now > pv->runstate_entry)
        pv->runstate_time[pv->runstate & 3] += now - pv->runstate_entry;
    pv->runstate = state & 3;
    pv->runstate_entry = now;
    time_publish_runstate(v);
}
