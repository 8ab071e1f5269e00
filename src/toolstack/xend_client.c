/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xend_client.c - see xend_client.h.
 */
#define _GNU_SOURCE
#include "toolstack/xend_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/signals.h"
#include "toolstack/client.h"

#define SOCKET "xend.sock"

int xend_client_address(struct xend_address *a, struct err *err)
{
    char dir[PATHS_MAX];
    int rc = paths_run_dir(dir, err);

    if (rc < 0)
        return rc;
    memset(a, 0, sizeof(*a));
    snprintf(a->path, sizeof(a->path), "%s/%s", dir, SOCKET);
    a->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->dir_fd < 0)
        return err_set(err, errno, "cannot open %s: %s", dir, strerror(errno));
    a->sa.sun_family = AF_UNIX;
    snprintf(a->sa.sun_path, sizeof(a->sa.sun_path), "/proc/self/fd/%d/%s", a->dir_fd, SOCKET);
    return 0;
}

static int connect_to(struct err *err)
{
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct xend_address address;
    int rc = xend_client_address(&address, err);

    if (rc < 0)
        return rc;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address.sa, sizeof(address.sa)) < 0)
        rc =
            err_set(err, errno, "Unable to connect to xend: %s. Is xend running?", strerror(errno));
    close(address.dir_fd);
    if (rc < 0)
        return rc;
    io_set_nonblock(fd, false);
    return STEAL_FD(fd);
}

int xend_client_call(json_t *request, int timeout_ms, json_t **ret, struct err *err)
{
    CLEANUP_CLOSE int fd = connect_to(err);
    CLEANUP_FREE char *line = NULL;

    if (fd < 0) {
        json_decref(request);
        return fd;
    }
    line = json_to_line(request);
    json_decref(request);
    if (!line || send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
        return err_set(err, EPIPE, "xend went away");
    return client_receive(fd, timeout_ms, ret, err);
}

/* A grandchild, with nothing of ours. */
static void spawn(const char *program)
{
    pid_t child = fork();
    int null;

    if (child == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        null = open("/dev/null", O_RDWR);
        signals_reset();
        if (null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 && dup2(null, 2) >= 0 &&
            close_range(3, ~0u, 0) == 0 && chdir("/") == 0)
            execl(program, "xend", "start", "--on-demand", "--foreground", (char *)NULL);
        _exit(127);
    }
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
}

void xend_client_wake(void)
{
    char program[PATHS_MAX];
    int fd = connect_to(NULL);

    if (fd >= 0)
        close(fd);
    else if (paths_helper(program, "xend", NULL) == 0)
        spawn(program);
}
