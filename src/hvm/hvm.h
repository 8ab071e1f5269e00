/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hvm.h - a fully virtualized guest inside its domain process: what it has on the host (drives,
 * network interfaces), kept over reboots, and one life of it, which is one process of the
 * device model. What happens at a life's end is domain/process.c's, as for other guests.
 *
 * All functions are for the main thread, without the domain's lock.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "domain/domain.h"
#include "domain/options.h"

struct hvm;

/* Before the launcher is made: tell those that it will have to ask what the configuration names. 0
 * or -errno. */
int hvm_prepare(const struct domain_options *o, struct err *err) MUST_CHECK;

/* Open what the configuration names; before the jail. `o` is kept. 0 or -errno. */
int hvm_create(struct hvm **ret, struct loop *loop, struct domain *d,
               const struct domain_options *o, struct err *err) MUST_CHECK;
void hvm_destroy(struct hvm *h); /* NULL is fine */

/* Start a life: the machine is switched on, unless d->paused. On failure all is as before. */
int hvm_start(struct hvm *h, struct err *err) MUST_CHECK;
/* End it, whatever state it is in. */
void hvm_end(struct hvm *h);
/* To be called before each wait: sees to events that are here, and to what moves on by time. Call
 * again after so many ms, -1 = when something comes. */
int hvm_tick(struct hvm *h);

/* Called once, from the main loop or from hvm_dump_end(), when a core was written or not. */
typedef void hvm_dump_fn(void *arg, int rc, const struct err *err);

/* Begin to write the machine's memory and CPUs as ELF to `fd` (taken, also on failure), also after
 * the guest's end as long as hvm_end() was not called. The machine stands still until it is done.
 * 0 or -errno: -EBUSY while another one is being written. */
int hvm_dump_begin(struct hvm *h, int fd, hvm_dump_fn *done, void *arg, struct err *err) MUST_CHECK;
bool hvm_dump_is_under_way(const struct hvm *h);
/* What is being written is given up: a failure. */
void hvm_dump_end(struct hvm *h);

/* Can the machine have `n` vCPUs? 0, or -ENOTSUP with a sentence: an emulated CPU that was taken
 * away does not come back. */
int hvm_vcpus_check(const struct hvm *h, unsigned int n, struct err *err) MUST_CHECK;

/* Let vCPU `id` run on these CPUs of the host only; one that is not plugged in gets what the
 * options say when it is. 0 or -errno, -EINVAL: the host has none of them. */
int hvm_vcpu_place(struct hvm *h, unsigned int id, const cpu_set_t *cpus) MUST_CHECK;

/* A request of the control socket (docs/internals/control-protocol.md). *passed: a descriptor that
 * came with it, -1 = none; -1 afterwards if it was taken. A new answer and, in *ret_fd, a
 * descriptor that goes behind it (the caller's; -1 = none), or NULL: it is one that the domain
 * process answers for every guest. */
json_t *hvm_request(struct hvm *h, const char *verb, const json_t *request, int *passed,
                    int *ret_fd);
