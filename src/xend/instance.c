/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * instance.c - see instance.h.
 */
#define _GNU_SOURCE
#include "xend/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/proc.h"
#include "toolstack/xend_client.h"

#define LOCK_FILE "xend.lock"
#define TEXT_MAX 48 /* of the lock file */
#define BACKLOG 128
#define LOOK_MS 10
#define MOST_LOOKS 20

static bool passed_in; /* the socket is systemd's */

static int open_lock(struct err *err)
{
    char dir[PATHS_MAX], path[PATHS_MAX + 16];
    int rc = paths_run_dir(dir, err), fd;

    if (rc < 0)
        return rc;
    snprintf(path, sizeof(path), "%s/%s", dir, LOCK_FILE);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? err_set(err, errno, "cannot open %s: %s", path, strerror(errno)) : fd;
}

/* Who only looks whether xend runs (instance_pid) has the lock for a moment, too: it is no xend. */
static int take_lock(int fd)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000l};

    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK || i == MOST_LOOKS)
            return -errno;
        nanosleep(&pause, NULL);
    }
    return 0;
}

int instance_claim(struct err *err)
{
    CLEANUP_CLOSE int fd = open_lock(err);
    char text[TEXT_MAX];
    int n, rc;

    if (fd < 0)
        return fd;
    rc = take_lock(fd);
    if (rc < 0)
        return rc == -EWOULDBLOCK
                   ? err_set(err, EBUSY, "xend runs already")
                   : err_set(err, -rc, "cannot lock %s: %s", LOCK_FILE, strerror(-rc));
    n = snprintf(text, sizeof(text), "%-8d %-20" PRIu64 "\n", (int)getpid(),
                 proc_start_time(getpid()));
    if (pwrite(fd, text, (size_t)n, 0) != n)
        return err_set(err, errno, "cannot write %s: %s", LOCK_FILE, strerror(errno));
    return STEAL_FD(fd);
}

/* Who holds the lock, as a pidfd if that is asked for; its pid, 0: nobody does. One that has just
 * taken it has not written its number yet: for a moment there is that of the last one. */
static int find_holder(int lock, int *ret_pidfd, struct err *err)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000l};

    for (int i = 0; i < MOST_LOOKS; i++) {
        char text[TEXT_MAX] = "";
        CLEANUP_CLOSE int pidfd = -1;
        uint64_t start;
        int pid;

        if (flock(lock, LOCK_SH | LOCK_NB) == 0)
            return 0;
        if (pread(lock, text, sizeof(text) - 1, 0) > 0 &&
            sscanf(text, "%d %" SCNu64, &pid, &start) == 2 && pid > 0) {
            pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
            /* What the pidfd stands for is what we look at, as long as it lives. */
            if (pidfd >= 0 && proc_start_time(pid) == start) {
                if (ret_pidfd)
                    *ret_pidfd = STEAL_FD(pidfd);
                return pid;
            }
        }
        nanosleep(&pause, NULL);
    }
    return err_set(err, ESRCH, "xend runs, but its process is not to be seen from here");
}

int instance_pid(struct err *err)
{
    CLEANUP_CLOSE int fd = open_lock(err);

    return fd < 0 ? fd : find_holder(fd, NULL, err);
}

int instance_signal(int number, struct err *err)
{
    CLEANUP_CLOSE int fd = open_lock(err);
    CLEANUP_CLOSE int pidfd = -1;
    int pid = fd < 0 ? fd : find_holder(fd, &pidfd, err);

    if (pid > 0 && syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0) {
        if (errno == ESRCH)
            return 0;
        return err_set(err, errno, "cannot send a signal to xend: %s", strerror(errno));
    }
    return pid;
}

int instance_listen(struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct xend_address address;
    int rc;

    if (sd_listen_fds(1) > 0) {
        passed_in = true;
        return SD_LISTEN_FDS_START;
    }
    rc = xend_client_address(&address, err);
    if (rc < 0)
        return rc;
    unlink(address.path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address.sa, sizeof(address.sa)) < 0 ||
        listen(fd, BACKLOG) < 0)
        rc = err_set(err, errno, "cannot listen on %s: %s", address.path, strerror(errno));
    close(address.dir_fd);
    return rc < 0 ? rc : STEAL_FD(fd);
}

void instance_remove_socket(void)
{
    struct xend_address address;

    /* systemd's stays: it listens for the next one. */
    if (passed_in || xend_client_address(&address, NULL) < 0)
        return;
    unlink(address.path);
    close(address.dir_fd);
}
