/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_log.h - an append-only file that is rotated when it has grown to a limit:
 * PATH becomes PATH.1, PATH.1 becomes PATH.2 and so on. A log that cannot be written stops
 * quietly (one line in the domain's log): it must never stop the guest.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

struct console_log;

/* path "" makes a log that keeps nothing. It is rotated before it grows over max_size bytes,
 * unless that is 0; then there are PATH.1..PATH.keep. 0 or -errno. */
int console_log_open(struct console_log **ret, const char *path, uint64_t max_size,
                     unsigned int keep, struct err *err) MUST_CHECK;
/* By a process that will go to jail, before its launcher is made (base/launcher.h): the launcher
 * rotates this log and no other, whatever the process says later. `path` is kept. */
void console_log_fix(const char *path, unsigned int keep);
/* launcher_service: rotates a log and opens it anew. */
struct launcher_request;
struct launcher_reply;
int console_log_service(const struct launcher_request *request, struct launcher_reply *reply);

void console_log_close(struct console_log *log); /* NULL is fine */
void console_log_write(struct console_log *log, const void *buf, size_t n);
