/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * process.h - the domain process around the domain: event loop, signals, and what happens
 * when a life of the domain ends (restart, preserve, end). One object, made by main.c, used
 * on the main thread; what control requests look at is in here too.
 */
#pragma once

#include "base/loop.h"
#include "domain/domain.h"
#include "domain/life.h"
#include "domain/options.h"
#include "domain/shares.h"

struct bootloader;
struct control;
struct xs_client;
struct hvm; /* hvm/hvm.h */

struct process {
    struct domain d;
    struct domain_options options;
    struct loop *loop;
    struct xs_client *store; /* keeps xenstored there between lives, too */
    struct control *control;
    struct bootloader *bootloader; /* NULL: the kernel is a file of the host */
    struct loop_watch *signal_watch, *wake_watch;
    int signal_fd;
    int lock_fd;                 /* of the lock file, which holds our name; -1 = none */
    struct life life;            /* of a paravirtualized guest; started_ns of any */
    struct hvm *hvm;             /* NULL: the guest is paravirtualized */
    struct tsc_sample first_tsc; /* taken as early as possible */
    bool started;                /* the first life */
    unsigned int short_lives;    /* in a row */
    bool preserved;              /* the life is over but the domain stays listed (on_*=preserve) */
    bool stepped_aside;          /* preserved, and another one is to be started in our place */
    bool reset;                  /* this life ends by a reset: the next one comes in any case */
    struct shares shares;        /* of the host's CPU time */
    struct dump *dump;           /* that is being written, NULL = none */
    struct save *save;           /* the same: domain/save.h */
    int image_fd; /* what the first life goes on from; -1 = it begins at the beginning */
    bool destroy; /* somebody asked for the end: no restart, no preserve */
};

/* Make loop, console and control socket from p->options and p->first_tsc. SIGTERM and SIGINT
 * must be blocked. listen_fd is taken (-1 = none). On failure everything is released. */
int process_init(struct process *p, int listen_fd, struct err *err) MUST_CHECK;
void process_done(struct process *p);

/* Start a life, of which the first may be left to process_run(): then its failure is how the
 * domain ended. */
int process_start(struct process *p, struct err *err) MUST_CHECK;
/* Run until the domain has ended for good; its files are gone then and everybody who waited
 * has an answer. Returns why the last life ended. */
enum shutdown_reason process_run(struct process *p);

/* Ask for the end of the domain, whatever state it is in. With d.lock held. */
void process_destroy(struct process *p, const char *who);
/* End this life as if a reset button were pressed, and begin the next one. With d.lock held; does
 * nothing between two lives. */
void process_reset(struct process *p, const char *who);

/* Set the domain's weight and cap; logs how. Main thread. 0 or -errno. */
int process_set_shares(struct process *p, unsigned int weight, unsigned int cap,
                       struct err *err) MUST_CHECK;
