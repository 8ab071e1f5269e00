/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * network.c - see network.h. That it has been started stands in hotplug/network of the run
 * directory, with the script's name: `stop` calls the same one.
 */
#define _GNU_SOURCE
#include "hotplug/network.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/paths.h"
#include "hotplug/script.h"
#include "toolstack/xend_config.h"

/* The note, locked; empty: not started. */
static int open_note(struct err *err)
{
    char run[PATHS_MAX], path[PATHS_MAX + 32];
    CLEANUP_CLOSE int fd = -1;
    int rc = paths_run_dir(run, err);

    if (rc < 0)
        return rc;
    snprintf(path, sizeof(path), "%s/hotplug", run);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, errno, "cannot create %s: %s", path, strerror(errno));
    snprintf(path, sizeof(path), "%s/hotplug/network", run);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, errno, "cannot create %s: %s", path, strerror(errno));
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return err_set(err, errno, "cannot lock %s: %s", path, strerror(errno));
    return STEAL_FD(fd);
}

static int run(const char *line, const char *command, struct err *err)
{
    static const char *const environment[] = {NULL};
    struct script s;
    int rc = script_find(&s, line, err);

    if (rc == 0)
        rc = script_run(&s, command, environment,
                        (unsigned int)xend_config_int(xend_config_own(), "device-create-timeout"),
                        err);
    return rc < 0 ? err_wrap(err, "network-script '%s' %s failed", line, command) : 0;
}

int network_start(struct err *err)
{
    const char *line = xend_config_string(xend_config_own(), "network-script");
    CLEANUP_CLOSE int fd = -1;
    char note[SCRIPT_LINE_MAX];
    int rc;

    if (!line[0] || strcmp(line, "network-dummy") == 0)
        return 0;
    fd = open_note(err);
    if (fd < 0)
        return fd;
    if (pread(fd, note, sizeof(note), 0) > 0)
        return 0;
    rc = run(line, "start", err);
    if (rc == 0 && io_write_all(fd, line, strlen(line)) < 0)
        rc = err_set(err, EIO, "cannot note that the network is started");
    return rc;
}

int network_stop(struct err *err)
{
    CLEANUP_CLOSE int fd = open_note(err);
    char note[SCRIPT_LINE_MAX];
    ssize_t n = fd < 0 ? 0 : pread(fd, note, sizeof(note) - 1, 0);
    int rc;

    if (fd < 0)
        return fd;
    if (n <= 0)
        return 0;
    note[n] = '\0';
    rc = run(note, "stop", err);
    if (rc == 0 && ftruncate(fd, 0) < 0)
        rc = err_set(err, errno, "cannot note that the network is stopped: %s", strerror(errno));
    return rc;
}
