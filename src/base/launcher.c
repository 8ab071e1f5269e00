/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * launcher.c - see launcher.h. One message asks for one process: the program's number and the
 * descriptors; the answer is an error number or a pidfd. The launcher trusts neither.
 */
#define _GNU_SOURCE
#include "base/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FD_SOCKET 3 /* in the launcher */

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int sock = -1; /* to the launcher */
static launcher_fn *const *known;
static unsigned int nr_known;

/* One number and some descriptors. 0 or -errno. */
static int send_message(int fd, int number, const int *fds, unsigned int nr_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * LAUNCHER_MAX_FDS)];
    } control = {.bytes = {0}};
    struct iovec iov = {&number, sizeof(number)};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    struct cmsghdr *c;

    if (nr_fds > 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * nr_fds);
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * nr_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nr_fds);
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The other way. Returns the number of descriptors, or -errno; -EPIPE: the peer is gone;
 * -EINTR: nothing was received. */
static int receive_message(int fd, int *number, int fds[static LAUNCHER_MAX_FDS])
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * LAUNCHER_MAX_FDS)];
    } control;
    struct iovec iov = {number, sizeof(*number)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    const struct cmsghdr *c;
    ssize_t n;
    int count = 0;

    n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    if (n != sizeof(*number))
        return n < 0 ? -errno : -EPIPE;
    c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)count);
    }
    return count;
}

static int spawn_here(launcher_fn *program, const int *fds, unsigned int nr_fds)
{
    pid_t pid = fork();
    int pidfd;

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_DFL);
        program(fds, nr_fds);
        _exit(127);
    }
    if (pid < 0)
        return -errno;
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        pidfd = -errno;
        kill(pid, SIGKILL);
    }
    return pidfd;
}

static void on_child(int sig)
{
}

static _Noreturn void launcher_main(void)
{
    struct sigaction interrupt = {.sa_handler = on_child}; /* not SA_RESTART */
    int fds[LAUNCHER_MAX_FDS], program, count;

    sigaction(SIGCHLD, &interrupt, NULL);
    prctl(PR_SET_NAME, "xenolith-launch");
    for (;;) {
        int pidfd = -EINVAL;

        /* Reaped, so that their CPU time counts as ours (domain/cputime.h). One that ends
         * just before the wait below stays a zombie for a while. */
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        count = receive_message(FD_SOCKET, &program, fds);
        if (count == -EINTR)
            continue;
        if (count < 0)
            break;
        if (program >= 0 && (unsigned int)program < nr_known)
            pidfd = spawn_here(known[program], fds, (unsigned int)count);
        for (int i = 0; i < count; i++)
            close(fds[i]);
        if (send_message(FD_SOCKET, pidfd < 0 ? pidfd : 0, &pidfd, pidfd >= 0) < 0)
            break;
        if (pidfd >= 0)
            close(pidfd);
    }
    _exit(0);
}

int launcher_start(launcher_fn *const *programs, unsigned int nr_programs, struct err *err)
{
    int pair[2], r;
    pid_t parent = getpid(), pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "cannot make a socket for the launcher: %s", strerror(errno));
    known = programs;
    nr_known = nr_programs;
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || dup3(pair[1], FD_SOCKET, O_CLOEXEC) < 0)
            _exit(126);
        syscall(SYS_close_range, FD_SOCKET + 1, ~0u, 0);
        launcher_main();
    }
    r = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return err_set(err, r, "cannot start the launcher: %s", strerror(r));
    }
    sock = pair[0];
    return 0;
}

static int spawn_there(launcher_fn *program, const int *fds, unsigned int nr_fds)
{
    int got[LAUNCHER_MAX_FDS] = {-1}, answer = 0, rc;
    int number = 0;

    while ((unsigned int)number < nr_known && known[number] != program)
        number++;
    rc = send_message(sock, number, fds, nr_fds);
    do
        rc = rc < 0 && rc != -EINTR ? rc : receive_message(sock, &answer, got);
    while (rc == -EINTR);
    if (rc < 0)
        return rc;
    if (answer < 0)
        return answer;
    return rc == 1 ? got[0] : -EPROTO;
}

int launcher_spawn(launcher_fn *program, const int *fds, unsigned int nr_fds, int *ret_pidfd,
                   struct err *err)
{
    int pidfd = -EINVAL;

    if (nr_fds <= LAUNCHER_MAX_FDS)
        pidfd = sock >= 0 ? spawn_there(program, fds, nr_fds) : spawn_here(program, fds, nr_fds);
    if (pidfd < 0)
        return err_set(err, -pidfd, "cannot start a process: %s", strerror(-pidfd));
    *ret_pidfd = pidfd;
    return 0;
}

void launcher_reap(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    siginfo_t si;

    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        continue;
    /* ECHILD: it was the launcher's child. */
    if (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED | WNOHANG) < 0)
        errno = 0;
    close(pidfd);
}
