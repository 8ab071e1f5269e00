/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * err.h - one human sentence about a failure, carried next to a -errno return.
 *
 * Functions that a person's input can make fail take `struct err *err` last. On failure
 * they return -errno and fill it; the caller prints it once, at the top. NULL is accepted
 * where nobody reads the sentence.
 */
#pragma once

#include "base/types.h"

struct err {
    int code;       /* positive errno, 0 = no error */
    char msg[1024]; /* one line, no newline, says what, where and what to do */
};

/* Fill err (may be NULL) with a formatted sentence; returns -code, so that callers can
 * write `return err_set(err, EINVAL, "...")`. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_FMT(3, 4);

/* Put "context: " in front of what err already says; returns -err->code. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_FMT(2, 3);

#if defined(__clang_analyzer__) || defined(__cppcheck__)
/* What the analysers cannot see from another file: the result is negative. */
#define err_set(...) (err_set(__VA_ARGS__), -1)
#define err_wrap(...) (err_wrap(__VA_ARGS__), -1)
#endif
