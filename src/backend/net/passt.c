/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * passt.c - see passt.h.
 *
 * passt gets one end of a socket pair as --fd. It goes to the background when it is ready, so
 * when what we started has ended, that end is either held by what it left behind, or by nobody:
 * then it failed and has said why. It ends by itself when our end is closed. Started by root it
 * continues as "nobody" on its own.
 *
 * passt_start() makes do with what the domain process may do in its jail (domain/jail_policy.h):
 * an interface can be plugged into a running guest.
 */
#define _GNU_SOURCE
#include "backend/net/passt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/launcher.h"
#include "base/log.h"
#include "base/signals.h"

#define PROGRAM "passt"
#define FD_SOCKET 3 /* where passt finds its end */
#define PATIENCE_MS 15000
#define SEND_BUFFER (8 * 1024 * 1024)
#define MAX_ARGS (20 + 2 * VIF_MAX_FORWARDS)
#define ARGUMENTS_MAX 4096
#define WORDS_MAX 4096 /* of what it says */
#define NOT_INSTALLED "passt is not installed (Debian package passt)"

/* What passt_exec() is given. */
enum { EXEC_SOCKET, EXEC_WORDS, EXEC_ARGS, NR_EXEC_FDS };

struct arguments {
    const char *word[MAX_ARGS];
    unsigned int count;
    char number[12], mtu[12];
    char forward[VIF_MAX_FORWARDS][80];
};

static void add(struct arguments *a, const char *word)
{
    a->word[a->count++] = word;
}

/* A network that ends at this host, for one that has no other: the guest reaches services on
 * the host's loopback at the gateway's address. */
static const char *const local_network[] = {
    "--interface", "lo",        "--address", "10.0.2.15",  "--netmask",
    "24",          "--gateway", "10.0.2.2",  "--mac-addr", "9a:55:9a:55:9a:55"};

static void make_arguments(struct arguments *a, const struct vif_config *c, bool local)
{
    memset(a, 0, sizeof(*a));
    snprintf(a->number, sizeof(a->number), "%d", FD_SOCKET);
    add(a, PROGRAM);
    add(a, "--quiet");
    add(a, "--fd");
    add(a, a->number);
    for (size_t i = 0; local && i < ARRAY_SIZE(local_network); i++)
        add(a, local_network[i]);
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

/* The words one after the other, each with its NUL, in a file of their own. Its descriptor. */
static int write_arguments(const struct arguments *a, struct err *err)
{
    CLEANUP_CLOSE int fd = memfd_create("passt-arguments", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : 0;

    for (unsigned int i = 0; rc == 0 && i < a->count; i++)
        rc = io_write_all(fd, a->word[i], strlen(a->word[i]) + 1);
    if (rc < 0)
        return err_set(err, -rc, "cannot pass arguments to passt: %s", strerror(-rc));
    return STEAL_FD(fd);
}

/* passt sends what a connection's window allows in one go, and what its socket does not take
 * is lost until TCP sends it again: the larger the buffer the better. */
static void enlarge_buffer(int fd)
{
    int size = SEND_BUFFER;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

void passt_exec(const int *fds, unsigned int nr_fds)
{
    static const char missing[] = NOT_INSTALLED "\n";
    static char text[ARGUMENTS_MAX];
    char *argv[MAX_ARGS + 1];
    unsigned int count = 0;
    ssize_t len = nr_fds == NR_EXEC_FDS ? pread(fds[EXEC_ARGS], text, sizeof(text), 0) : -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), sock = -1;

    if (len > 0)
        sock = fcntl(fds[EXEC_SOCKET], F_DUPFD_CLOEXEC, FD_SOCKET + 1);
    if (len <= 0 || text[len - 1] || null < 0 || sock < 0)
        _exit(126);
    for (char *word = text; word < text + len && count < MAX_ARGS; word += strlen(word) + 1)
        argv[count++] = word;
    argv[count] = NULL;
    signals_reset();
    enlarge_buffer(sock);
    if (dup2(null, 0) < 0 || dup2(fds[EXEC_WORDS], 1) < 0 || dup2(fds[EXEC_WORDS], 2) < 0 ||
        dup2(sock, FD_SOCKET) < 0)
        _exit(126);
    execvp(PROGRAM, argv);
    if (errno == ENOENT && write(1, missing, sizeof(missing) - 1) < 0)
        _exit(126);
    _exit(127);
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Read what it says until it says no more: it has ended, or gone to the background. False: it
 * did neither in time. */
static bool listen_to(int fd, int64_t until, char text[static WORDS_MAX])
{
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

/* Until the process has ended or the time is up. */
static bool wait_end(int pidfd, int64_t until)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int64_t left;

    do {
        left = until - now_ms();
        if (left <= 0)
            return false;
        (void)poll(&p, 1, (int)left);
    } while (!p.revents);
    return true;
}

/* Nobody has the other end of a socket any more. */
static bool is_deserted(int fd)
{
    struct pollfd p = {.fd = fd};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

/* What we started has ended: either it is in the background now, or it failed. */
static int wait_ready(int pidfd, int words, int ours, struct err *err)
{
    int64_t until = now_ms() + PATIENCE_MS;
    char text[WORDS_MAX] = "";
    bool answered = listen_to(words, until, text) && wait_end(pidfd, until);
    const char *why;

    if (!answered)
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    launcher_reap(pidfd);
    if (!answered)
        return err_set(err, ETIMEDOUT, "passt did not become ready in %d seconds",
                       PATIENCE_MS / 1000);
    if (!is_deserted(ours))
        return 0;
    why = last_words(text);
    if (strcmp(why, NOT_INSTALLED) == 0)
        return err_set(err, ENOENT, "the type 'user' of a vif needs passt: " NOT_INSTALLED);
    if (strstr(why, "routable interface") || strstr(why, "External interface"))
        return err_set(err, ENETUNREACH, "passt finds no route from this host to any network");
    return err_set(err, EIO, "passt does not start: %s", why[0] ? why : "it gives no reason");
}

static int make_pair(int *one, int *other)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    *one = pair[0];
    *other = pair[1];
    return 0;
}

static int start(struct net_link **ret, const struct vif_config *config, bool local,
                 struct err *err)
{
    CLEANUP_CLOSE int ours = -1, theirs = -1, words = -1, said = -1, args = -1;
    struct arguments a;
    int pidfd, rc;

    if (make_pair(&ours, &theirs) < 0 || make_pair(&said, &words) < 0)
        return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
    make_arguments(&a, config, local);
    args = write_arguments(&a, err);
    if (args < 0)
        return args;
    rc = launcher_spawn(passt_exec,
                        (int[]){[EXEC_SOCKET] = theirs, [EXEC_WORDS] = words, [EXEC_ARGS] = args},
                        NR_EXEC_FDS, &pidfd, err);
    if (rc < 0)
        return rc;
    close(STEAL_FD(words));
    close(STEAL_FD(theirs));
    rc = wait_ready(pidfd, said, ours, err);
    return rc < 0 ? rc : link_stream_create(ret, STEAL_FD(ours), PROGRAM, err);
}

int passt_start(struct net_link **ret, const struct vif_config *config, struct err *err)
{
    int rc = start(ret, config, false, err);

    if (rc != -ENETUNREACH)
        return rc;
    log_msg(LOG_WARN, "backend", "%s: the guest's network ends at this host", err->msg);
    return start(ret, config, true, err);
}
