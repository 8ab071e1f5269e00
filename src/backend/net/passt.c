/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * passt.c - see passt.h.
 *
 * passt gets one end of a socket pair as --fd. It goes to the background when it is ready, so
 * the exit status of what we started says whether it is; then it is nobody's child and ends
 * when our end of the pair is closed. Started by root it continues as "nobody" on its own.
 */
#define _GNU_SOURCE
#include "backend/net/passt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define PROGRAM "passt"
#define FD_SOCKET 3 /* where passt finds its end */
#define PATIENCE_MS 15000
#define SEND_BUFFER (8 * 1024 * 1024)
#define MAX_ARGS (16 + 2 * VIF_MAX_FORWARDS)
#define WORDS_MAX 4096 /* of what it says */

extern char **environ;

struct arguments {
    char *argv[MAX_ARGS + 1];
    unsigned int count;
    char number[12], mtu[12];
    char forward[VIF_MAX_FORWARDS][80];
};

static void add(struct arguments *a, const char *word)
{
    /* exec does not change them. */
    a->argv[a->count++] = (char *)(uintptr_t)word;
}

static void make_arguments(struct arguments *a, const struct vif_config *c)
{
    memset(a, 0, sizeof(*a));
    snprintf(a->number, sizeof(a->number), "%d", FD_SOCKET);
    add(a, PROGRAM);
    add(a, "--quiet");
    add(a, "--fd");
    add(a, a->number);
    if (c->mtu) {
        snprintf(a->mtu, sizeof(a->mtu), "%u", c->mtu);
        add(a, "--mtu");
        add(a, a->mtu);
    }
    for (unsigned int i = 0; i < c->nr_forwards; i++) {
        const struct vif_forward *f = &c->forward[i];

        snprintf(a->forward[i], sizeof(a->forward[i]), "%s%s%u:%u", f->address,
                 f->address[0] ? "/" : "", f->host_port, f->guest_port);
        add(a, f->udp ? "--udp-ports" : "--tcp-ports");
        add(a, a->forward[i]);
    }
}

/* Start it with the socket at FD_SOCKET and what it says going to `words`. */
static int spawn(pid_t *pid, const struct arguments *a, int fd, int words)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, words, 1);
    posix_spawn_file_actions_adddup2(&files, words, 2);
    posix_spawn_file_actions_adddup2(&files, fd, FD_SOCKET);
    rc = posix_spawnp(pid, PROGRAM, &files, &attr, a->argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return -rc;
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Read what it says until it says no more: it has ended, or gone to the background. False: it
 * did neither in time. */
static bool listen_to(int fd, char text[static WORDS_MAX])
{
    int64_t until = now_ms() + PATIENCE_MS;
    size_t len = 0;
    ssize_t n = 1;

    while (n != 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - now_ms();
        char rest[256];

        if (left <= 0 || (poll(&p, 1, (int)left) < 0 && errno != EINTR))
            return false;
        if (!p.revents)
            continue;
        if (len < WORDS_MAX - 1)
            n = read(fd, text + len, WORDS_MAX - 1 - len);
        else
            n = read(fd, rest, sizeof(rest));
        if (n > 0 && len < WORDS_MAX - 1)
            len += (size_t)n;
        if (n < 0 && errno != EINTR)
            break;
        text[len] = '\0';
    }
    return true;
}

/* The last line that says why: it also complains when there is no syslog. */
static const char *last_words(char *text)
{
    const char *found = "";
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (line[0] && line[0] != ' ' && !strstr(line, "to syslog"))
            found = line;
    return found;
}

static int wait_ready(pid_t pid, int words, struct err *err)
{
    char text[WORDS_MAX] = "";
    const char *why;
    bool answered = listen_to(words, text);
    int status = 0;

    if (!answered)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set(err, ECHILD, "passt cannot be waited for: %s", strerror(errno));
    if (!answered)
        return err_set(err, ETIMEDOUT, "passt did not become ready in %d seconds",
                       PATIENCE_MS / 1000);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    why = last_words(text);
    if (strstr(text, "routable interface") || strstr(why, "External interface"))
        return err_set(err, ENETUNREACH,
                       "passt finds no route from this host to any network, which the type 'user' "
                       "of a vif needs");
    return err_set(err, EIO, "passt does not start: %s", why[0] ? why : "it gives no reason");
}

/* passt sends what a connection's window allows in one go, and what its socket does not take
 * is lost until TCP sends it again: the larger the buffer the better. */
static void enlarge_buffer(int fd)
{
    int size = SEND_BUFFER;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int passt_start(struct net_link **ret, const struct vif_config *config, struct err *err)
{
    CLEANUP_CLOSE int ours = -1, theirs = -1, words = -1, said = -1;
    struct arguments a;
    pid_t pid;
    int pair[2], rc;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
    ours = pair[0];
    theirs = pair[1];
    enlarge_buffer(theirs);
    if (pipe2(pair, O_CLOEXEC) < 0)
        return err_set(err, errno, "cannot make a pipe: %s", strerror(errno));
    said = pair[0];
    words = pair[1];
    make_arguments(&a, config);
    rc = spawn(&pid, &a, theirs, words);
    if (rc == -ENOENT)
        return err_set(err, ENOENT,
                       "passt is not installed (Debian package passt); the type 'user' of a vif "
                       "needs it");
    if (rc < 0)
        return err_set(err, -rc, "passt cannot be started: %s", strerror(-rc));
    close(STEAL_FD(words));
    close(STEAL_FD(theirs));
    rc = wait_ready(pid, said, err);
    return rc < 0 ? rc : link_stream_create(ret, STEAL_FD(ours), PROGRAM, err);
}
