/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qmp.h - QMP, the device model's control protocol, on a connected socket. A command waits for
 * its answer, which the device model gives within milliseconds; events that come meanwhile are
 * kept. What the device model sends is input like any other: it may have been taken over by its
 * guest.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#define QMP_PATIENCE_MS 30000

struct qmp;

/* `data` may be NULL. It may use qmp_execute(). */
typedef void qmp_event_fn(void *arg, const char *event, const json_t *data);

/* Wait for the greeting and negotiate. fd (non-blocking, stream) is taken, also on failure.
 * -ECONNRESET: the device model went away. */
int qmp_open(struct qmp **ret, int fd, qmp_event_fn *fn, void *arg, struct err *err) MUST_CHECK;
void qmp_close(struct qmp *q); /* NULL is fine */
/* For a watch (EPOLLIN). */
int qmp_fd(const struct qmp *q);

/* Do a command; `arguments` (NULL = none) is taken. `fd` >= 0 goes with it. *ret (may be NULL) is
 * a new reference to what it returned. 0, -EIO with the device model's words, -ETIMEDOUT, or
 * -ECONNRESET. */
int qmp_execute(struct qmp *q, const char *command, json_t *arguments, int fd, int patience_ms,
                json_t **ret, struct err *err) MUST_CHECK;

/* Read what has come and call back for all events that are here. 0, or -ECONNRESET. */
int qmp_dispatch(struct qmp *q);
