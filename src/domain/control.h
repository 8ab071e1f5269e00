/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control.h - the control socket of a domain process. One JSON object per line, request and
 * answer; docs/internals/control-protocol.md is the specification.
 *
 * Only this process's user and root are served (peer credentials). Main thread only.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

struct control;
struct process;

/* Serve the listening socket (taken; -1 = none). 0 or -errno. */
int control_create(struct control **ret, struct process *p, int listen_fd,
                   struct err *err) MUST_CHECK;
/* Closes everything; NULL is fine. */
void control_destroy(struct control *c);

/* Serve a connection that somebody made for us (taken, also on failure). */
int control_adopt(struct control *c, int fd) MUST_CHECK;

/* A life has ended for good: answer everybody who waits for that. */
void control_life_ended(struct control *c);
/* A core was written, or not: answer who asked for it. */
void control_dump_done(struct control *c, int rc, const struct err *err);
/* The same for a saved domain. */
void control_save_done(struct control *c, int rc, const struct err *err);
/* The domain is gone: answer those who asked for it. */
void control_domain_gone(struct control *c);
