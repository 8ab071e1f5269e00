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
 * a fully virtualized guest's cards get another passt with each life.
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
#include <time.h>
#include <unistd.h>

#include "backend/net/passt_request.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/launcher.h"
#include "base/signals.h"

#define PROGRAM "passt"
#define PATIENCE_MS 15000
#define SEND_BUFFER (8 * 1024 * 1024)
#define WORDS_MAX 4096 /* of what it says */
#define NOT_INSTALLED "passt is not installed (Debian package passt)"

/* What passt_exec() is given. */
enum { EXEC_SOCKET, EXEC_WORDS, EXEC_REQUEST, NR_EXEC_FDS };

/* The launcher has a copy of what there was before it was made. */
static struct passt_request permitted[PASST_MAX_PERMITTED];
static unsigned int nr_permitted;

int passt_permit(const struct vif_config *config, struct err *err)
{
    if (nr_permitted == PASST_MAX_PERMITTED)
        return err_set(err, E2BIG, "more than %d interfaces of type 'user'", PASST_MAX_PERMITTED);
    passt_request_make(&permitted[nr_permitted++], config, false);
    return 0;
}

/* --- in the new process ------------------------------------------------------------------ */

static bool is_permitted(const struct passt_request *r)
{
    bool found = !launcher_is_sealed();

    for (unsigned int i = 0; i < nr_permitted; i++)
        found |= passt_request_is_same(&permitted[i], r);
    return found;
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
    static struct passt_arguments arguments;
    static struct passt_request request;
    int null, sock;

    if (nr_fds != NR_EXEC_FDS ||
        pread(fds[EXEC_REQUEST], &request, sizeof(request), 0) != (ssize_t)sizeof(request) ||
        !passt_request_is_valid(&request) || !is_permitted(&request))
        _exit(126);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sock = fcntl(fds[EXEC_SOCKET], F_DUPFD_CLOEXEC, PASST_FD + 1);
    if (null < 0 || sock < 0)
        _exit(126);
    passt_request_arguments(&request, &arguments);
    signals_reset();
    enlarge_buffer(sock);
    if (dup2(null, 0) < 0 || dup2(fds[EXEC_WORDS], 1) < 0 || dup2(fds[EXEC_WORDS], 2) < 0 ||
        dup2(sock, PASST_FD) < 0)
        _exit(126);
    execvp(PROGRAM, arguments.word);
    if (errno == ENOENT && write(1, missing, sizeof(missing) - 1) < 0)
        _exit(126);
    _exit(127);
}

/* --- in ours ------------------------------------------------------------------------------ */

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
        launcher_kill(pidfd, SIGKILL);
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
    if (strstr(why, "Failed to bind")) /* whatever the reason */
        return err_set(err, EADDRNOTAVAIL,
                       "passt does not start: %s (the port is taken, or this host has no default "
                       "route for such an address)",
                       why);
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

/* The request in a file of its own: its descriptor, or -errno. */
static int write_request(const struct vif_config *config, bool local, struct err *err)
{
    CLEANUP_CLOSE int fd = memfd_create("passt-request", MFD_CLOEXEC);
    struct passt_request request;
    int rc = fd < 0 ? -errno : 0;

    passt_request_make(&request, config, local);
    if (rc == 0)
        rc = io_write_all(fd, &request, sizeof(request));
    if (rc < 0)
        return err_set(err, -rc, "cannot tell passt what to do: %s", strerror(-rc));
    return STEAL_FD(fd);
}

static int start(const struct vif_config *config, bool local, struct err *err)
{
    CLEANUP_CLOSE int ours = -1, theirs = -1, words = -1, said = -1, request = -1;
    int pidfd, rc;

    if (make_pair(&ours, &theirs) < 0 || make_pair(&said, &words) < 0)
        return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
    request = write_request(config, local, err);
    if (request < 0)
        return request;
    rc = launcher_spawn(
        passt_exec, (int[]){[EXEC_SOCKET] = theirs, [EXEC_WORDS] = words, [EXEC_REQUEST] = request},
        NR_EXEC_FDS, &pidfd, err);
    if (rc < 0)
        return rc;
    close(STEAL_FD(words));
    close(STEAL_FD(theirs));
    rc = wait_ready(pidfd, said, ours, err);
    return rc < 0 ? rc : STEAL_FD(ours);
}

int passt_start(const struct vif_config *config, bool *local, struct err *err)
{
    int fd = start(config, false, err);

    *local = fd == -ENETUNREACH;
    return *local ? start(config, true, err) : fd;
}
