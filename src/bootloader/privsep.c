/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * privsep.c - see privsep.h. One byte asks, a byte with a descriptor answers.
 */
#define _GNU_SOURCE
#include "bootloader/privsep.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"

#define NOBODY 65534
#define EXIT_FAILED 1

int privsep_open_again(int fd)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int privsep_ask(int broker)
{
    char byte = 0;

    return send(broker, &byte, 1, MSG_NOSIGNAL) == 1 ? fdpass_receive(broker) : -1;
}

static bool drop_rights(void)
{
    return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
           setresuid(NOBODY, NOBODY, NOBODY) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* Until the other process has ended. */
static void answer(int sock, int disk_fd)
{
    ssize_t n;
    char byte;

    while ((n = recv(sock, &byte, 1, 0)) != 0) {
        int fd;

        if (n < 0 && errno == EINTR)
            continue;
        fd = n == 1 ? privsep_open_again(disk_fd) : -1;
        if (fd < 0 || !fdpass_send(sock, "", 1, fd, 0))
            n = -1;
        if (fd >= 0)
            close(fd);
        if (n < 0)
            break;
    }
}

int privsep_run(int (*work)(void *arg, int broker), void *arg, int disk_fd, struct err *err)
{
    int pair[2], status = 0;
    pid_t pid;

    if (geteuid() != 0)
        return work(arg, -1);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        if (!drop_rights()) {
            fprintf(stderr, "pygrub: cannot give up root's rights: %s\n", strerror(errno));
            _exit(EXIT_FAILED);
        }
        status = work(arg, pair[1]);
        fflush(NULL);
        _exit(status);
    }
    close(pair[1]);
    if (pid > 0)
        answer(pair[0], disk_fd);
    close(pair[0]);
    if (pid < 0)
        return err_set(err, EAGAIN, "cannot start another process");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    return err_set(err, EIO, "the process that reads the disk was ended by signal %d",
                   WTERMSIG(status));
}
