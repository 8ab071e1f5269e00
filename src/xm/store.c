/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * store.c - see store.h.
 */
#include "xm/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

#define PATH_LEN 512

int store_open(struct xs_client **ret, struct err *err)
{
    char path[PATHS_MAX];
    int rc = xs_socket_path(path, err);

    return rc < 0 ? rc : xs_connect(ret, path, err);
}

const char *store_text(struct xs_client *xs, char *buf, size_t size, const char *otherwise,
                       const char *fmt, ...)
{
    CLEANUP_FREE char *value = NULL;
    char path[PATH_LEN];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    if (xs_read(xs, XS_NO_TX, path, &value, NULL) < 0 || strlen(value) >= size)
        snprintf(buf, size, "%s", otherwise);
    else
        snprintf(buf, size, "%s", value);
    log_clean(buf);
    return buf;
}

long long store_number(struct xs_client *xs, const char *fmt, ...)
{
    char path[PATH_LEN];
    uint64_t n;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    return xs_read_number(xs, XS_NO_TX, path, &n) == 0 && n <= INT64_MAX ? (long long)n : -1;
}
