/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * err.c - see err.h.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The analysers' versions, see err.h. */
#undef err_set
#undef err_wrap

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return -code;
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    return -code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char head[512];
    char tail[sizeof(err->msg)];
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    vsnprintf(head, sizeof(head), fmt, ap);
    va_end(ap);
    memcpy(tail, err->msg, sizeof(tail));
    snprintf(err->msg, sizeof(err->msg), "%s: %.*s", head,
             (int)(sizeof(err->msg) - sizeof(head) - 2), tail);
    return -err->code;
}
