/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * child.h - our own programs as children of xend, whose end is an event.
 */
#pragma once

#include "xend/xend.h"

/* The child has ended: 0, or -errno with the sentence that it wrote to its standard error. */
typedef void child_fn(struct xend *x, void *arg, int result, const struct err *err);

/* Run one of our programs (paths_helper()) with these arguments, argv[0] included, NULL at the
 * end. `done` is called once, with `arg`, unless this fails. The child dies with xend. */
int child_start(struct xend *x, const char *program, const char *const *argv, child_fn *done,
                void *arg, struct err *err) MUST_CHECK;
/* The same with `sock` as its standard input and output, which are /dev/null otherwise. */
int child_start_on(struct xend *x, int sock, const char *program, const char *const *argv,
                   child_fn *done, void *arg, struct err *err) MUST_CHECK;
