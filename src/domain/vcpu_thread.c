/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpu_thread.c - see vcpu_thread.h.
 *
 * The run page belongs to the guest: every field is read once, then checked. It is touched
 * under the lock only, and only while the domain is not dying: the main thread stops the
 * engine after it has seen DOMAIN_DYING, and unmaps the page after it has joined us.
 */
#define _GNU_SOURCE
#include "domain/vcpu_thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "cpu/pv/abi.h"
#include "domain/crashdump.h"
#include "domain/evtchn.h"
#include "domain/pause.h"

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

struct vcpu_thread {
    struct vcpu_threads *all;
    struct domain *d;
    unsigned int id;
    pthread_t thread;
};

struct vcpu_threads {
    pthread_cond_t changed; /* a vCPU came up, a pause has ended, or the domain is dying */
    pthread_cond_t stopped; /* a vCPU has stopped */
    unsigned int started;
    struct vcpu_thread vcpu[DOMAIN_MAX_VCPUS];
};

static void handle_hypercall(struct domain *d, unsigned int id, struct run *run)
{
    uint64_t nr = READ_ONCE(run->nr);
    mfn_t cr3 = READ_ONCE(run->cr3);
    uint64_t args[5];

    for (unsigned int i = 0; i < ARRAY_SIZE(args); i++)
        args[i] = READ_ONCE(run->args[i]);
    if (!ram_frame(&d->ram, cr3)) {
        domain_crash(d, "vcpu %u: page table root %#llx is not the domain's memory", id,
                     (unsigned long long)cr3);
        return;
    }
    WRITE_ONCE(run->ret, domain_hypercall(d, id, nr, args, cr3));
    if (d->state == DOMAIN_DYING && d->reason == SHUTDOWN_CRASH)
        crashdump_log(d, id, run);
}

/* The engine gave up on the guest, or the guest on itself without saying so to Xen. */
static void handle_crash(struct domain *d, unsigned int id, const struct run *run)
{
    char message[sizeof(run->message)];

    for (size_t i = 0; i < sizeof(message) - 1; i++) {
        unsigned char ch = (unsigned char)READ_ONCE(run->message[i]);

        message[i] = ch == 0 || (ch >= ' ' && ch < 0x7f) ? (char)ch : '?';
    }
    message[sizeof(message) - 1] = '\0';
    domain_crash(d, "vcpu %u: %s", id, message[0] ? message : "crashed without a reason");
    crashdump_log(d, id, run);
}

/* Returns whether the vCPU stands still, with its state in the run page. */
static bool handle_exit(struct domain *d, unsigned int id)
{
    struct run *run = engine_run_page(d->engine, id);
    uint32_t reason = READ_ONCE(run->exit_reason);

    switch (reason) {
    case EXIT_HYPERCALL:
        handle_hypercall(d, id, run);
        break;
    case EXIT_TIMER:
        evtchn_raise_virq(d, id, VIRQ_TIMER);
        break;
    case EXIT_CRASH:
        handle_crash(d, id, run);
        break;
    case EXIT_NONE:
        break;
    case EXIT_PAUSED:
        return true;
    default:
        domain_crash(d, "vcpu %u: exit for unknown reason %u", id, reason);
    }
    return false;
}

/* Wait while the vCPU is down, or stands still in a paused domain: one that comes back from a
 * hypercall first gets the answer. Lock held. False when the domain is over. */
static bool wait_for_turn(struct vcpu_thread *t, bool still)
{
    struct domain *d = t->d;
    struct domain_vcpu *v = &d->vcpus[t->id];

    v->stopped = still;
    if (still)
        pthread_cond_broadcast(&t->all->stopped);
    while ((!v->up || (still && d->paused)) && d->state != DOMAIN_DYING)
        pthread_cond_wait(&t->all->changed, &d->lock);
    if (d->state == DOMAIN_DYING)
        return false;
    v->stopped = false;
    return true;
}

static void *vcpu_main(void *arg)
{
    struct vcpu_thread *t = arg;
    struct domain *d = t->d;
    bool goes_on, still;
    char name[16];

    snprintf(name, sizeof(name), "vcpu%u", t->id);
    pthread_setname_np(pthread_self(), name);
    pthread_mutex_lock(&d->lock);
    goes_on = wait_for_turn(t, true);
    pthread_mutex_unlock(&d->lock);
    while (goes_on) {
        struct err err = {0};
        struct run *run = engine_run_page(d->engine, t->id);
        int rc = engine_vcpu_run(d->engine, t->id, &err);

        pthread_mutex_lock(&d->lock);
        while (rc == ENGINE_RANG) {
            if (d->state != DOMAIN_DYING)
                evtchn_answer_rings(d, run);
            pthread_mutex_unlock(&d->lock);
            rc = engine_vcpu_wait(d->engine, t->id, &err);
            pthread_mutex_lock(&d->lock);
        }
        still = false;
        if (d->state != DOMAIN_DYING) {
            evtchn_answer_rings(d, run); /* what it sent before it stopped comes first */
            if (rc < 0)
                domain_crash(d, "vcpu %u: %s", t->id, err.msg[0] ? err.msg : strerror(-rc));
            else
                still = handle_exit(d, t->id);
            /* The guest's last call, or its crash, has left its state. */
            still |= d->state == DOMAIN_DYING;
        } else if (rc == 0) {
            still = READ_ONCE(run->exit_reason) == EXIT_PAUSED;
        }
        goes_on = wait_for_turn(t, still);
        pthread_mutex_unlock(&d->lock);
    }
    return NULL;
}

int vcpu_threads_start(struct vcpu_threads **ret, struct domain *d, struct err *err)
{
    struct vcpu_threads *t = calloc(1, sizeof(*t));
    int rc = 0;

    if (!t)
        return err_set(err, ENOMEM, "out of memory");
    pthread_cond_init(&t->changed, NULL);
    pthread_cond_init(&t->stopped, NULL);
    for (unsigned int i = 0; i < d->nr_vcpus; i++) {
        struct vcpu_thread *v = &t->vcpu[i];
        v->all = t;
        v->d = d;
        v->id = i;
        rc = pthread_create(&v->thread, NULL, vcpu_main, v);
        if (rc != 0)
            break;
        t->started++;
    }
    if (rc != 0) {
        pthread_mutex_lock(&d->lock);
        domain_shutdown(d, SHUTDOWN_DESTROYED, "cannot start a thread");
        pthread_mutex_unlock(&d->lock);
        engine_stop(d->engine);
        vcpu_threads_join(t);
        return err_set(err, rc, "cannot start a vCPU thread: %s", strerror(rc));
    }
    *ret = t;
    return 0;
}

void vcpu_threads_wake(struct vcpu_threads *t)
{
    pthread_cond_broadcast(&t->changed);
}

bool vcpu_threads_wait_still(struct vcpu_threads *t, struct domain *d, unsigned int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000l;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!domain_is_still(d))
        if (pthread_cond_timedwait(&t->stopped, &d->lock, &until))
            break;
    return domain_is_still(d);
}

void vcpu_threads_join(struct vcpu_threads *t)
{
    if (!t)
        return;
    vcpu_threads_wake(t);
    for (unsigned int i = 0; i < t->started; i++)
        pthread_join(t->vcpu[i].thread, NULL);
    pthread_cond_destroy(&t->changed);
    pthread_cond_destroy(&t->stopped);
    free(t);
}
