/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * start.c - see start.h. A daemon that is just ending may still take the connection, and one
 * that is not there may be started by somebody else: both are told by asking it something, and
 * trying again.
 */
#define _GNU_SOURCE
#include "xenstore/start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DAEMON_PROGRAM "xenolith-xenstored"
#define TRIES 250
#define WAIT_MS 20

static int try_connect(struct xs_client **ret, const char *path, struct err *err)
{
    struct xs_client *c;
    char *value;
    int rc = xs_connect(&c, path, err);

    if (rc < 0)
        return rc;
    rc = xs_read(c, XS_NO_TX, "/", &value, NULL);
    if (rc < 0) {
        xs_close(c);
        return err_set(err, -rc, "xenstored at %s does not answer: %s", path, strerror(-rc));
    }
    free(value);
    *ret = c;
    return 0;
}

/* It returns when its socket is there. What it complains of goes to our stderr. */
static int start_daemon(struct err *err)
{
    char program[PATHS_MAX];
    int rc = paths_helper(program, DAEMON_PROGRAM, err), status;
    pid_t child;

    if (rc < 0)
        return rc;
    child = fork();
    if (child < 0)
        return err_set(err, errno, "cannot fork: %s", strerror(errno));
    if (child == 0) {
        execl(program, DAEMON_PROGRAM, "--on-demand", (char *)NULL);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return err_set(err, errno, "cannot wait for %s: %s", program, strerror(errno));
    }
    return status == 0 ? 0 : err_set(err, EIO, "%s could not be started", program);
}

int xs_connect_or_start(struct xs_client **ret, struct err *err)
{
    const struct timespec wait = {.tv_nsec = WAIT_MS * 1000000l};
    char path[PATHS_MAX];
    int rc = xs_socket_path(path, err);

    if (rc < 0)
        return rc;
    for (unsigned int i = 0; i < TRIES; i++) {
        rc = try_connect(ret, path, err);
        if (rc != -ENOENT && rc != -ECONNREFUSED && rc != -ECONNRESET && rc != -EPIPE)
            break;
        if (i)
            nanosleep(&wait, NULL);
        if (start_daemon(err) < 0)
            return -err->code;
    }
    return rc;
}
