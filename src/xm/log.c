/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * log.c - xm log: xend's log, whole.
 */
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "toolstack/xend_log.h"
#include "xm/verbs.h"

static int print_file(const char *path, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char buf[65536];
    ssize_t n;
    int rc = 0;

    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(err, errno, "%s: %s", path, strerror(errno));
    while (rc == 0 && (n = read(fd, buf, sizeof(buf))) > 0)
        rc = io_write_all(STDOUT_FILENO, buf, (size_t)n);
    return rc < 0 ? err_set(err, -rc, "cannot print the log: %s", strerror(-rc)) : 0;
}

static int run_log(const struct verb *self, int argc, char **argv)
{
    char path[PATHS_MAX];
    struct err err = {0};
    int rc = verb_check_arguments(self, argc, argv, 0, 0);

    if (rc >= 0)
        return rc;
    rc = xend_log_path(path, &err);
    if (rc == 0)
        rc = print_file(path, &err);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_log = {
    .name = "log",
    .arguments = "",
    .summary = "Print the log of xend: what happened to the domains.",
    .details = "",
    .run = run_log,
};
