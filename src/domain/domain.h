/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domain.h - one running domain inside its domain process (D).
 *
 * Threads: one per vCPU (in engine_vcpu_run, handling its exits) and the main thread (event
 * loop: control socket, console clients, signals). `lock` is the one lock: held while a
 * hypercall is handled or a backend touches the domain; never held across engine_vcpu_run.
 *
 * Everything that comes from the guest (arguments, ring contents, run pages) is hostile: it
 * is copied once, checked, then used. Guest mistakes give the ABI's error or domain_crash().
 */
#pragma once

#include <jansson.h>
#include <pthread.h>

#include "base/err.h"
#include "base/paths.h"
#include "engine/engine.h"
#include "engine/ram.h"

#define DOMAIN_MAX_VCPUS 8

struct evtchn_table;  /* domain/evtchn.h */
struct gnttab;        /* domain/gnttab.h */
struct console;       /* backend/console.h */
struct devices;       /* domain/devices.h */
struct xenstore_ring; /* domain/xenstore_ring.h */

/* Between lives, in one, at its end. */
enum domain_state { DOMAIN_PAUSED, DOMAIN_RUNNING, DOMAIN_DYING };

/* Who wants a running domain to stand still; bits of domain.paused. */
#define PAUSED_BY_ADMIN 1u /* xm pause, xm create -p */
#define PAUSED_FOR_DUMP 2u /* while its memory is written to a file */
#define PAUSED_FOR_SAVE 4u /* it has suspended itself, and somebody saves it: domain/save.h */

/* What the guest's suspend hypercall means: nothing, that it is to stand still, that it does. */
enum suspend { SUSPEND_UNWANTED, SUSPEND_WANTED, SUSPEND_DONE };

/* Why a domain ended; the first five are Xen's SHUTDOWN_* numbers. */
enum shutdown_reason {
    SHUTDOWN_POWEROFF = 0,
    SHUTDOWN_REBOOT = 1,
    SHUTDOWN_SUSPEND = 2,
    SHUTDOWN_CRASH = 3,
    SHUTDOWN_WATCHDOG = 4,
    SHUTDOWN_DESTROYED = 100,
    SHUTDOWN_NONE = 255,
};

#define DOMAIN_WATCHDOGS 2

/* A vCPU as the hypercalls of vcpu_op see it. Its thread runs guest code while `up`; a change
 * wakes the main loop through wake_fd, and is visible to the thread after each exit. */
struct domain_vcpu {
    bool initialised; /* run page's state holds, or held, a start state */
    bool up;
    bool stopped;         /* its thread waits: no guest code runs, the run page has its state */
    bool info_registered; /* VCPUOP_register_vcpu_info happened */
    maddr_t info;         /* where struct vcpu_info is: in shared_info or registered */
};

struct domain {
    pthread_mutex_t lock;
    domid_t domid; /* never 0 */
    char name[64];
    uint8_t uuid[16];
    struct ram ram;
    unsigned int nr_vcpus;
    uint32_t vcpu_avail; /* bit per vCPU that the guest is to have online */
    struct engine *engine;
    struct dom_shared *shared; /* engine_shared() */
    struct evtchn_table *evtchn;
    struct gnttab *gnttab;
    struct console *console;
    struct devices *devices;
    struct xenstore_ring *store;
    bool in_store;                /* introduced to xenstored: there are nodes of this life */
    char store_socket[PATHS_MAX]; /* xenstored's */

    mfn_t console_mfn, store_mfn;
    port_t console_port, store_port; /* the guest's side */

    enum domain_state state;
    uint32_t paused;             /* PAUSED_*: see domain/pause.h */
    uint64_t paused_since;       /* system time */
    enum shutdown_reason reason; /* SHUTDOWN_NONE while running */
    char reason_text[512];
    unsigned int restarts;            /* lives that have gone */
    enum shutdown_reason last_reason; /* why the one before ended */
    const json_t *vm; /* what /vm/UUID has of the config: path -> text; may be NULL */
    enum suspend suspend;
    unsigned int suspend_vcpu; /* who made the call */
    mfn_t suspend_info;        /* where it says start_info is, unchecked */
    int wake_fd;               /* eventfd: the main loop looks at state again */
    int64_t wallclock_offset;  /* seconds */
    uint64_t cpu_time_ns[DOMAIN_MAX_VCPUS];

    struct domain_vcpu vcpus[DOMAIN_MAX_VCPUS];
    uint64_t watchdog[DOMAIN_WATCHDOGS]; /* system time when it bites, 0 = not armed */
    int shutdown_code;                   /* latched by SCHEDOP_shutdown_code, -1 = none */
    uint32_t vm_assist;                  /* what V reported last; only advisory */
};

/* Handle one hypercall that the vCPU process passed on. Called with lock held, on the vCPU's
 * thread. `cr3` is the kernel root for pointer arguments (already range-checked against
 * ram). Returns what the guest gets in rax. */
int64_t domain_hypercall(struct domain *d, unsigned int vcpu, uint64_t nr, const uint64_t args[5],
                         mfn_t cr3);

/* The domain is over. Idempotent: the first reason stays. Lock held. Wakes the main loop,
 * which ends the engine. */
void domain_shutdown(struct domain *d, enum shutdown_reason reason, const char *fmt, ...)
    PRINTF_FMT(3, 4);
/* "poweroff", "crash" and so on. */
const char *domain_reason_name(enum shutdown_reason reason);
/* domain_shutdown(SHUTDOWN_CRASH) for guest misbehaviour; also logs. */
void domain_crash(struct domain *d, const char *fmt, ...) PRINTF_FMT(2, 3);

/* Nanoseconds of the domain's system time. */
uint64_t domain_now(const struct domain *d);
