/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * run.h - pages shared between the domain process (D) and a vCPU process (V). Freestanding.
 *
 * struct run, one per vCPU, is a KVM-like exit page: V fills exit, sets turn = TURN_D and
 * waits; D handles it and sets turn = TURN_V. D must treat every field as hostile input:
 * copy once, check, use. struct dom_shared is one per domain; D writes, V reads, except
 * where stated.
 */
#pragma once

#include "base/types.h"
#include "cpu/vcpu.h"
#include "cpu/pv/evtchn_shared.h"

/* The lowest bit of run.turn; the others change when V rings. */
enum run_turn { TURN_V = 0, TURN_D = 1, TURN_RING = 2 };

enum exit_reason {
    EXIT_NONE,
    EXIT_HYPERCALL, /* nr, args -> ret */
    EXIT_TIMER,     /* raise VIRQ_TIMER on this vCPU */
    EXIT_CRASH,     /* message; the domain is over. state is filled. */
    EXIT_PAUSED,    /* answer to RUN_REQ_PAUSE; state is filled */
};

/* Requests from D to V, bits in run.request; V looks at them when kicked, and when it gets
 * the turn. */
#define RUN_REQ_PAUSE 1u /* report EXIT_PAUSED and wait */
#define RUN_REQ_AREAS 2u /* another vCPU registered for it: take run.areas and run.vcpu_info */
#define RUN_REQ_NMI 4u   /* another vCPU sent an NMI: set pv.nmi_pending, clear the bit */
#define RUN_REQ_CPUS 8u  /* other CPUs of the host are to be used: take run.cpus, clear the bit */

#define RUN_REQ_PERIODIC 16u /* another vCPU set its periodic timer: take run.periodic_ns */
#define RUN_REQ_WRITTEN 32u  /* D has written into frames that V watches: take run.written */
#define RUN_WRITTEN 64

/* Records that a vCPU keeps up to date where the guest wants them, by virtual and by machine
 * address. */
enum vcpu_area { AREA_RUNSTATE_VA, AREA_RUNSTATE_PA, AREA_TIME_VA, AREA_TIME_PA, VCPU_AREAS };

#define RUN_CPUS 1024     /* of the host; others are not used once a vCPU was pinned */
#define RUN_FPU_SIZE 2752 /* of an XSAVE image in standard format; a multiple of 64 */

/* run.stats[] and run.trace[].what. */
enum run_stat {
    STAT_EXITS,
    STAT_TRANSLATIONS,
    STAT_EMULATED,
    STAT_HYPERCALLS,
    STAT_USER_RUNS,
    STAT_LOCAL_RUNS, /* of these in V itself */
    STAT_LOCAL_ENDS, /* of these that had to go on in a stub */
};
enum run_trace { TRACE_HYPERCALL = 1, TRACE_FAULT, TRACE_USER_FAULT };

struct run {
    /* futex words */
    uint32_t turn;
    uint32_t v_waits, d_waits; /* somebody sleeps on turn */
    uint32_t request;

    uint32_t exit_reason;
    uint64_t nr;
    uint64_t args[5];
    int64_t ret;
    mfn_t cr3; /* kernel root, for pointer arguments */
    char message[512];

    /* Events for the host's end of a port: V sets its bit, says so in rang, and goes on. D takes
     * them while V runs, and before it looks at an exit. */
    uint32_t rang;
    uint64_t rung[EVTCHN_MAX_PORTS / 64];

    /* Set by D while it handles a hypercall; V takes them over when it gets the turn. */
    maddr_t vcpu_info;

    /* RUN_REQ_AREAS: those that have their bit, 1 << enum vcpu_area, set. */
    uint64_t areas[VCPU_AREAS];
    uint32_t areas_set;

    uint64_t periodic_ns; /* RUN_REQ_PERIODIC: the period, 0 = none */

    /* V's runstate for other vCPUs that ask. version is odd while it changes, 0 before V starts. */
    struct {
        uint32_t version, state;
        uint64_t entry, time[4];
    } runstate;

    /* RUN_REQ_CPUS: bit per CPU of the host that the vCPU and its stubs may use. D has put V on
     * them already. */
    uint8_t cpus[RUN_CPUS / 8];

    /* RUN_REQ_WRITTEN: D counts the frames; the n-th is in written[n % RUN_WRITTEN]. If there are
     * RUN_WRITTEN new ones, some may be lost. */
    uint32_t nr_written;
    mfn_t written[RUN_WRITTEN];

    struct vcpu state; /* at start (D to V); at EXIT_PAUSED, EXIT_CRASH and calls that may be the
                          last (V to D) */
    uint8_t fpu[RUN_FPU_SIZE]; /* beside it at EXIT_PAUSED (V to D); at the start of a vCPU that is
                                  `resumed` or has fpu_given (D to V, who checks it) */
    bool fpu_given;            /* VCPUOP_initialise came with one */

    /* last trace entries, a ring; V writes, D prints them after a crash */
    uint32_t trace_head;
    uint32_t pad;
    struct {
        uint64_t what, rip, a, b;
    } trace[256];
    /* statistics, V writes */
    uint64_t stats[64];
};

/* How the vCPUs of a domain reach each other; see vcpu/peers.c. D only kicks. */
#define RUN_MAX_VCPUS 8 /* they are bits of shared_frames[] */
#define MAIL_MAX 16

enum vcpu_presence {
    VCPU_ABSENT, /* has not started, keeps nothing */
    VCPU_AWAY,   /* sleeps: reads its mail before it uses any translation again */
    VCPU_HERE,
};

/* Requests of other vCPUs; nr > MAIL_MAX: there was no room for some. */
struct vcpu_mail {
    uint32_t asked, done; /* numbers of the last request, and of the last one carried out */
    uint32_t nr;
    struct {
        uint32_t what;
        uint64_t arg;
    } item[MAIL_MAX];
};

struct vcpu_link {
    uint32_t kick;     /* futex: counts what the vCPU has to look at */
    uint32_t sleeps;   /* it sleeps on kick: wake it; otherwise it needs a signal */
    uint32_t lock;     /* of presence and mail */
    uint32_t presence; /* enum vcpu_presence */
    uint32_t waiting;  /* bit per vCPU that sleeps until mail of this one is done */
    struct vcpu_mail mail[3];
} __attribute__((aligned(64)));

/* Where guest user mode runs; docs/internals/local.md. */
enum programs {
    PROGRAMS_AUTO,
    PROGRAMS_IN_STUBS,
    PROGRAMS_TRANSLATED, /* where that is possible */
};

#define MAX_GRANTED 16

/* See vcpu/seal.h: of all tables whose frame numbers are the same modulo TABLE_GROUPS. */
#define TABLE_GROUPS 4096
struct table_group {
    uint32_t version; /* counts changes */
    uint32_t opened;  /* how often a seal was, up to a limit */
};

#define LOW_WISHES 32

struct dom_shared {
    uint64_t nr_frames;   /* frames that the guest may name: RAM plus special frames */
    uint64_t nr_ram;      /* frames 0..nr_ram-1 are ordinary RAM (max_pages) */
    uint64_t patch_first; /* first frame of the engine's private patch area in the memfd */
    uint64_t patch_count;
    uint32_t tsc_khz;
    uint32_t tsc_mul;
    int8_t tsc_shift;
    uint64_t tsc_stamp; /* system time is 0 at this TSC value */
    uint32_t nr_vcpus;
    uint32_t programs; /* enum programs */
    bool cpuid_faults; /* in stubs, so that programs see our tables, not the host's CPUID */
    mfn_t shared_info;
    gva_t image_base;           /* where the kernel was given pfn 0; ~0 = not known */
    mfn_t granted[MAX_GRANTED]; /* + 1: frames that the guest has mapped writable through grants of
                                   its own, as many as there is room for; 0 = free */
    bool has_low_wishes;        /* or had; low_wish.c */
    uint64_t low_wishes[LOW_WISHES]; /* of programs, by root; 0 = free */
    uint32_t sealing;                /* a vCPU seals tables */
    uint32_t uppers_version;         /* counts changes of sealed tables above level 1 */
    struct table_group tables[TABLE_GROUPS];
    struct evtchn_shared evtchn;          /* V and D both write; D trusts nothing in it */
    struct vcpu_link vcpu[RUN_MAX_VCPUS]; /* the same */
};

/* Where shared_frames[] (vcpu/walk.h), 16 bits for each frame, follows in the same file. */
#define FRAMES_WATCHERS 0xffu /* bit per vCPU that keeps something made from what is in it */
#define FRAMES_LEVEL_SHIFT                                                                         \
    12 /* level 1-4 that it is pinned at, or FRAMES_LOOKED_AT + enum looked */
#define FRAMES_LEVEL_MASK 0x7000u
#define FRAMES_LOOKED_AT 4u
#define SHARED_FRAMES_OFFSET ((sizeof(struct dom_shared) + PAGE_SIZE - 1) & PAGE_MASK)
