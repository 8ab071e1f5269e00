/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xend_log.c - see xend_log.h. One write(2) a line, so that several processes may append.
 * As with xend five old ones of 1 MiB are kept.
 */
#define _GNU_SOURCE
#include "toolstack/xend_log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/logfile.h"
#include "toolstack/xend_config.h"

#define SYSTEM_DIR "/var/log/xen"
#define LOG_MAX (1024 * 1024)
#define OLD_LOGS 5

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};

int xend_log_path(char buf[static PATHS_MAX], struct err *err)
{
    const char *named = xend_config_string(xend_config_own(), "logfile");
    const char *own = getenv("XENOLITH_LOG_DIR");
    char dir[PATHS_MAX] = SYSTEM_DIR;
    int rc = 0;

    if (named[0] == '/') {
        snprintf(buf, PATHS_MAX, "%s", named);
        return 0;
    }
    if (geteuid() != 0 || (own && own[0]))
        rc = paths_log_dir(dir, err);
    else if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        rc = err_set(err, errno, "cannot create %s: %s", dir, strerror(errno));
    if (rc == 0 && snprintf(buf, PATHS_MAX, "%s/xend.log", dir) >= PATHS_MAX)
        rc = err_set(err, ENAMETOOLONG, "path too long: %s", dir);
    return rc;
}

static enum xend_level lowest_level(void)
{
    const char *name = xend_config_string(xend_config_own(), "loglevel");

    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
        if (strcasecmp(name, level_names[i]) == 0)
            return (enum xend_level)i;
    return XEND_DEBUG;
}

void xend_log(enum xend_level level, const char *fmt, ...)
{
    char path[PATHS_MAX], line[2048];
    CLEANUP_CLOSE int fd = -1;
    time_t now = time(NULL);
    struct tm tm;
    va_list ap;
    size_t n;
    int r;

    if (level < lowest_level() || xend_log_path(path, NULL) < 0 || !localtime_r(&now, &tm))
        return;
    fd = logfile_open(path, LOG_MAX, OLD_LOGS);
    n = strftime(line, sizeof(line), "[%Y-%m-%d %H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof(line) - n, " %d] %s (%s) ", (int)getpid(),
                          level_names[level], program_invocation_short_name);
    va_start(ap, fmt);
    r = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
    va_end(ap);
    n = r < 0 ? n : n + (size_t)r;
    if (n > sizeof(line) - 2)
        n = sizeof(line) - 2;
    line[n] = '\0';
    log_clean(line);
    line[n++] = '\n';
    if (fd >= 0 && write(fd, line, n) < 0) {
        /* A full disk stops nobody. */
    }
}
