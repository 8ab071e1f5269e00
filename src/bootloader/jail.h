/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail.h - runs a program that reads hostile bytes, and believes nothing of it. The program has
 * no rights: another user where root starts it, limits of memory and time, a seccomp filter that
 * leaves it reading, writing and memory. It can open no file itself; each open() is done here
 * for it, and there are only the image (under a name of its own) and the host's libraries.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

#define JAIL_IMAGE "/image" /* the name under which the program finds the image */

/* Output of the program. A negative return ends it and is the result of jail_run(). */
typedef int jail_sink(void *arg, const void *buf, size_t n);
/* The image, opened anew for reading: the caller's descriptor, or -errno. */
typedef int jail_open(void *arg);

struct jail_run {
    const char *program;     /* absolute path */
    const char *const *argv; /* NULL at the end */
    int64_t deadline_ms;     /* CLOCK_MONOTONIC */
    jail_sink *sink;
    jail_open *open_image;
    void *arg;       /* of both */
    char words[512]; /* filled: the start of what it said on standard error */
};

/* Run it to its end. Returns its exit status (128 + N when signal N ended it), the sink's
 * error, -ETIMEDOUT, or -errno with a sentence when it could not be run. */
int jail_run(struct jail_run *run, struct err *err) MUST_CHECK;

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t jail_now_ms(void);
