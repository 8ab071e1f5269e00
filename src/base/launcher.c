/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * launcher.c - see launcher.h. One message asks for one thing: its number, bytes and descriptors.
 * The answer is a number, bytes and a descriptor. The launcher trusts none of them.
 */
#define _GNU_SOURCE
#include "base/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
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

/* What a message asks for: a program or service of the table. */
enum kind { KIND_PROGRAM, KIND_SERVICE, KIND_KILL, KIND_SEAL };

struct message {
    int kind, number; /* an answer's: of the call */
    char data[LAUNCHER_DATA_MAX];
};

#define MESSAGE_HEAD offsetof(struct message, data)

static int sock = -1; /* to the launcher */
static pthread_mutex_t one_caller = PTHREAD_MUTEX_INITIALIZER;
static struct launcher_table known;
static bool sealed;
static pid_t owner;
static unsigned int nr_children; /* the launcher's */

/* The first `size` bytes of data and some descriptors. 0 or -errno. */
static int send_message(int fd, const struct message *message, size_t size, const int *fds,
                        unsigned int nr_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * LAUNCHER_MAX_FDS)];
    } control = {.bytes = {0}};
    struct iovec iov = {(void *)(uintptr_t)message, MESSAGE_HEAD + size};
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
 * -EINTR: nothing was received. *size: of data. */
static int receive_message(int fd, struct message *message, size_t *size,
                           int fds[static LAUNCHER_MAX_FDS])
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * LAUNCHER_MAX_FDS)];
    } control;
    struct iovec iov = {message, sizeof(*message)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    const struct cmsghdr *c;
    ssize_t n;
    int count = 0;

    n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    if (n < (ssize_t)MESSAGE_HEAD)
        return n < 0 ? -errno : -EPIPE;
    *size = (size_t)n - MESSAGE_HEAD;
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

/* Its answer is in place: a number, and in *reply what goes with it. */
static int serve(const struct message *m, size_t size, const int *fds, unsigned int nr_fds,
                 struct launcher_reply *reply)
{
    const struct launcher_request request = {m->data, size, fds, nr_fds};
    const unsigned int number = (unsigned int)m->number;

    if (m->kind == KIND_PROGRAM && number < known.nr_programs) {
        reply->fd = nr_children >= LAUNCHER_MAX_CHILDREN
                        ? -EAGAIN
                        : spawn_here(known.programs[number], fds, nr_fds);
        nr_children += reply->fd >= 0;
        return reply->fd < 0 ? reply->fd : 0;
    }
    if (m->kind == KIND_SERVICE && number < known.nr_services)
        return known.services[number](&request, reply);
    if (m->kind == KIND_KILL && nr_fds == 1 && launcher_started(fds[0]))
        return syscall(SYS_pidfd_send_signal, fds[0], m->number, NULL, 0) < 0 ? -errno : 0;
    if (m->kind == KIND_SEAL)
        sealed = true;
    return m->kind == KIND_SEAL ? 0 : -EINVAL;
}

static int answer(int rc, const struct launcher_reply *reply)
{
    static struct message m;

    m.number = rc;
    memcpy(m.data, reply->data, reply->size);
    return send_message(FD_SOCKET, &m, reply->size, &reply->fd, reply->fd >= 0);
}

static _Noreturn void launcher_main(void)
{
    struct sigaction interrupt = {.sa_handler = on_child}; /* not SA_RESTART */
    static struct launcher_reply reply;
    static struct message m;
    int fds[LAUNCHER_MAX_FDS], count, rc;
    size_t size;

    sigaction(SIGCHLD, &interrupt, NULL);
    prctl(PR_SET_NAME, "xenolith-launch");
    for (;;) {
        /* Reaped, so that their CPU time counts as ours (domain/cputime.h). One that ends
         * just before the wait below stays a zombie for a while. */
        while (waitpid(-1, NULL, WNOHANG) > 0)
            nr_children -= nr_children > 0; /* not one that got no pidfd */
        count = receive_message(FD_SOCKET, &m, &size, fds);
        if (count == -EINTR)
            continue;
        if (count < 0)
            break;
        reply.fd = -1;
        reply.size = 0;
        rc = serve(&m, size, fds, (unsigned int)count, &reply);
        for (int i = 0; i < count; i++)
            close(fds[i]);
        count = answer(rc, &reply);
        if (reply.fd >= 0)
            close(reply.fd);
        if (count < 0)
            break;
    }
    _exit(0);
}

int launcher_start(const struct launcher_table *table, struct err *err)
{
    int pair[2], r;
    pid_t parent = getpid(), pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "cannot make a socket for the launcher: %s", strerror(errno));
    known = *table;
    owner = parent;
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

/* One message and its answer. What the launcher says, or -errno. */
static int call(const struct message *m, size_t size, const int *fds, unsigned int nr_fds,
                struct launcher_reply *reply)
{
    static struct message got; /* one_caller's */
    int received[LAUNCHER_MAX_FDS], rc;

    if (nr_fds > LAUNCHER_MAX_FDS)
        return -EINVAL;
    pthread_mutex_lock(&one_caller);
    rc = send_message(sock, m, size, fds, nr_fds);
    do
        rc = rc < 0 && rc != -EINTR ? rc : receive_message(sock, &got, &reply->size, received);
    while (rc == -EINTR);
    if (rc > 0)
        reply->fd = received[0];
    if (rc >= 0) {
        memcpy(reply->data, got.data, reply->size);
        rc = got.number;
    }
    pthread_mutex_unlock(&one_caller);
    return rc;
}

static int spawn_there(launcher_fn *program, const int *fds, unsigned int nr_fds)
{
    struct message m = {.kind = KIND_PROGRAM};
    struct launcher_reply reply = {.fd = -1};
    int rc;

    while ((unsigned int)m.number < known.nr_programs && known.programs[m.number] != program)
        m.number++;
    rc = call(&m, 0, fds, nr_fds, &reply);
    return rc < 0 ? rc : reply.fd >= 0 ? reply.fd : -EPROTO;
}

int launcher_spawn(launcher_fn *program, const int *fds, unsigned int nr_fds, int *ret_pidfd,
                   struct err *err)
{
    int pidfd = sock >= 0 ? spawn_there(program, fds, nr_fds) : spawn_here(program, fds, nr_fds);

    if (pidfd < 0)
        return err_set(err, -pidfd, "cannot start a process: %s", strerror(-pidfd));
    *ret_pidfd = pidfd;
    return 0;
}

int launcher_ask(launcher_service *service, const struct launcher_request *request,
                 struct launcher_reply *reply)
{
    struct message m = {.kind = KIND_SERVICE};

    reply->fd = -1;
    reply->size = 0;
    if (sock < 0)
        return service(request, reply);
    if (request->size > sizeof(m.data))
        return -E2BIG;
    while ((unsigned int)m.number < known.nr_services && known.services[m.number] != service)
        m.number++;
    if (request->size > 0)
        memcpy(m.data, request->data, request->size);
    return call(&m, request->size, request->fds, request->nr_fds, reply);
}

void launcher_seal(void)
{
    const struct message m = {.kind = KIND_SEAL};
    struct launcher_reply reply;

    sealed = true;
    if (sock >= 0)
        (void)call(&m, 0, NULL, 0, &reply); /* one that has gone does nothing for anybody */
}

bool launcher_is_sealed(void)
{
    return sealed;
}

void launcher_answer(struct launcher_reply *reply, const void *data, size_t size)
{
    memcpy(reply->data, data, size);
    reply->size = size;
}

pid_t launcher_owner(void)
{
    return owner ? owner : getpid();
}

bool launcher_started(int pidfd)
{
    siginfo_t si;

    return waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void launcher_kill(int pidfd, int sig)
{
    const struct message m = {.kind = KIND_KILL, .number = sig};
    struct launcher_reply reply;

    if (syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 && errno == EPERM && sock >= 0)
        (void)call(&m, 0, &pidfd, 1, &reply);
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
