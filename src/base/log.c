/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * log.c - see log.h. Every entry is one write(2) of one line, so that several processes
 * may append to one file and nothing is lost when a process dies.
 */
#define _GNU_SOURCE
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What a guest can write to the host's disk with what it provokes: in the long run 2 MB a day. */
#define GUEST_BURST 400
#define GUEST_SECONDS 5

static int fd = STDERR_FILENO;
static enum log_level max_level = LOG_INFO;

int log_open(const char *path, struct err *err)
{
    int n = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (n < 0)
        return err_set(err, errno, "cannot open log file %s: %s", path, strerror(errno));
    fd = n;
    return 0;
}

int log_fd(void)
{
    return fd;
}

void log_set_level(enum log_level level)
{
    max_level = level;
}

void log_clean(char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
            *text = '?';
}

static void PRINTF_FMT(3, 0)
    emit(enum log_level level, const char *category, const char *fmt, va_list ap)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    struct timespec ts;
    struct tm tm;
    char line[2048];
    size_t n;
    int r;

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ldZ %s %s: ", ts.tv_nsec / 1000000,
                          names[level], category);
    r = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
    n = r < 0 ? n : n + (size_t)r;
    if (n > sizeof(line) - 2)
        n = sizeof(line) - 2;
    line[n] = '\0';
    log_clean(line);
    line[n++] = '\n';
    if (write(fd, line, n) < 0) {
        /* A full disk must not stop the guest; there is nobody left to tell. */
    }
}

void log_msg(enum log_level level, const char *category, const char *fmt, ...)
{
    va_list ap;

    if (level > max_level)
        return;
    va_start(ap, fmt);
    emit(level, category, fmt, ap);
    va_end(ap);
}

/* A bucket that holds GUEST_BURST lines and gets one each GUEST_SECONDS: by the time at which it is
 * full again. */
static bool may_guest_say_more(void)
{
    static _Atomic int64_t full_at;
    int64_t before = full_at, after;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    do {
        after = (before > now.tv_sec ? before : now.tv_sec) + GUEST_SECONDS;
        if (after - now.tv_sec > (int64_t)GUEST_BURST * GUEST_SECONDS)
            return false;
    } while (!atomic_compare_exchange_weak(&full_at, &before, after));
    return true;
}

void log_guest(enum log_level level, const char *category, const char *fmt, ...)
{
    static _Atomic unsigned int unsaid;
    unsigned int lost;
    va_list ap;

    if (level > max_level)
        return;
    if (!may_guest_say_more()) {
        unsaid++;
        return;
    }
    lost = atomic_exchange(&unsaid, 0);
    if (lost)
        log_msg(LOG_WARN, category, "%u lines were left out: the guest provokes too many", lost);
    va_start(ap, fmt);
    emit(level, category, fmt, ap);
    va_end(ap);
}
