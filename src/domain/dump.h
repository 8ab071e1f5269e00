/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * dump.h - writing a core file while the main loop goes on. One at a time; a thread of its own
 * writes. Main thread, without the domain's lock.
 */
#pragma once

#include "base/err.h"
#include "domain/domain.h"
#include "domain/options.h"

struct process;
struct dump;
struct launcher_request;
struct launcher_reply;

/* Called once, from the main loop or from dump_end(), when it has been written or not. */
typedef void dump_fn(void *arg, int rc, const struct err *err);

/* Begin to write to `fd`, a regular file (taken, also on failure). The guest stands still until it
 * is done, or with `live` only for the moment in which its CPUs are looked at. 0 or -errno: -EBUSY
 * while another one is being written. */
int dump_begin(struct process *p, int fd, bool live, dump_fn *done, void *arg,
               struct err *err) MUST_CHECK;
/* The life is about to go: end what is being written, as a failure. */
void dump_end(struct process *p);

/* Before the launcher is made (base/launcher.h): where cores go. *o is kept. */
void dump_fix(const struct domain_options *o);
/* launcher_service: makes the file of a core there, or removes the last one. */
int dump_core_service(const struct launcher_request *request, struct launcher_reply *reply);

/* The life has ended and on_* asks for a core: write it to the directory for that, and serve the
 * main loop meanwhile. What goes wrong is logged. */
void dump_after_life(struct process *p);
