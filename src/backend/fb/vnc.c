/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vnc.c - see vnc.h.
 */
#define _GNU_SOURCE
#include "backend/fb/vnc.h"

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

#define PROGRAM "xenolith-vnc"
#define PATIENCE_MS 10000
#define FIRST_PORT 5900
/* One that ends sooner than this after its start is not started again. */
#define SHORT_LIFE_MS 5000

/* What vnc_exec() is given. */
enum { EXEC_SOCKET, EXEC_PICTURE, EXEC_PORT, EXEC_LOG, NR_EXEC_FDS };

/* Fixed before the launcher is made: where it listens, and who may come. */
static struct fb_config fixed;

struct vnc {
    struct loop *loop;
    const struct fb_config *config;
    const struct vnc_ops *ops;
    void *arg;
    int picture_fd;
    uint32_t *picture;
    int sock, pidfd; /* -1: it is not running */
    struct loop_watch *watch;
    uint64_t started_ms;
    unsigned int port; /* 0 = it does not listen yet */
    unsigned int first_port;
    bool busy; /* SHOW was sent, SHOWN has not come */
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The program lies beside the domain process's own. */
static int find_program(char *to, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", to, size - sizeof(PROGRAM));

    while (n > 0 && to[n - 1] != '/')
        n--;
    if (n <= 0)
        return -ENOENT;
    memcpy(to + n, PROGRAM, sizeof(PROGRAM));
    return 0;
}

void vnc_fix(const struct fb_config *config)
{
    fixed = *config;
}

/* The port that it has had already, 0 = none. One that the config does not allow is none. */
static unsigned int read_port(int fd)
{
    const unsigned int first = FIRST_PORT + fixed.display;
    unsigned int port;

    if (pread(fd, &port, sizeof(port), 0) != (ssize_t)sizeof(port) || port > UINT16_MAX)
        return 0;
    return port == first || (fixed.unused && port > first) ? port : 0;
}

/* What it is to do, in a file of its own: a password is nothing for arguments. The descriptor. */
static int write_config(unsigned int port)
{
    const struct fb_config *c = &fixed;
    unsigned int display = port ? port - FIRST_PORT : c->display;
    json_t *doc = json_pack("{s:s, s:i, s:b, s:s, s:s, s:s}", "listen", c->listen, "display",
                            (int)display, "unused", c->unused && !port, "password", c->password,
                            "keymap", c->keymap, "title", c->title);
    CLEANUP_FREE char *line = doc ? json_to_line(doc) : NULL;
    CLEANUP_CLOSE int fd = memfd_create("vnc-config", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : !line ? -ENOMEM : io_write_all(fd, line, strlen(line));

    json_decref(doc);
    return rc < 0 ? rc : STEAL_FD(fd);
}

void vnc_exec(const int *fds, unsigned int nr_fds)
{
    static const int places[NR_EXEC_FDS] = {[EXEC_SOCKET] = FB_VNC_SOCKET,
                                            [EXEC_PICTURE] = FB_VNC_PICTURE,
                                            [EXEC_PORT] = FB_VNC_CONFIG,
                                            [EXEC_LOG] = STDERR_FILENO};
    static char path[4096];
    char *const argv[] = {(char[]){PROGRAM}, NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), config, high[NR_EXEC_FDS];

    if (nr_fds != NR_EXEC_FDS || null < 0 || find_program(path, sizeof(path)) < 0)
        _exit(126);
    config = write_config(read_port(fds[EXEC_PORT]));
    /* Out of each other's way first. */
    for (unsigned int i = 0; i < NR_EXEC_FDS; i++)
        high[i] = fcntl(i == EXEC_PORT ? config : fds[i], F_DUPFD_CLOEXEC, 100);
    for (unsigned int i = 0; i < NR_EXEC_FDS; i++)
        if (high[i] < 0 || dup2(high[i], places[i]) < 0)
            _exit(126);
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0)
        _exit(126);
    signals_reset();
    execv(path, argv);
    _exit(127);
}

/* --- start ------------------------------------------------------------------------------ */

static int spawn(struct vnc *v, struct err *err)
{
    CLEANUP_CLOSE int port = memfd_create("vnc-port", MFD_CLOEXEC), theirs = -1;
    int pair[2], rc;

    if (port < 0 || pwrite(port, &v->first_port, sizeof(v->first_port), 0) < 0)
        return err_set(err, errno, "cannot tell " PROGRAM " its port: %s", strerror(errno));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
    theirs = pair[1];
    rc = launcher_spawn(vnc_exec,
                        (int[]){[EXEC_SOCKET] = theirs,
                                [EXEC_PICTURE] = v->picture_fd,
                                [EXEC_PORT] = port,
                                [EXEC_LOG] = log_fd()},
                        NR_EXEC_FDS, &v->pidfd, err);
    if (rc < 0) {
        close(pair[0]);
        return rc;
    }
    v->sock = pair[0];
    v->started_ms = now_ms();
    return 0;
}

static void stop(struct vnc *v)
{
    loop_remove(v->watch);
    v->watch = NULL;
    if (v->sock >= 0)
        close(v->sock);
    v->sock = -1;
    if (v->pidfd >= 0) {
        launcher_kill(v->pidfd, SIGKILL);
        launcher_reap(v->pidfd);
    }
    v->pidfd = -1;
    v->port = 0;
    v->busy = false;
}

/* --- messages --------------------------------------------------------------------------- */

static bool in_picture(int32_t at)
{
    return at >= 0 && at < (int32_t)FB_MAX_SIDE;
}

static void take_port(struct vnc *v, const struct fb_msg *m)
{
    if (m->type == FB_MSG_READY && m->arg[0] > 0 && m->arg[0] <= 65535)
        v->port = v->first_port = (unsigned int)m->arg[0];
}

static void on_message(struct vnc *v, const struct fb_msg *m)
{
    switch (m->type) {
    case FB_MSG_READY:
        take_port(v, m);
        v->ops->shown(v->arg, true);
        break;
    case FB_MSG_FAILED:
        log_msg(LOG_ERROR, "backend", "vfb: %.*s", (int)strnlen(m->text, sizeof(m->text)), m->text);
        break;
    case FB_MSG_SHOWN:
        v->busy = false;
        v->ops->shown(v->arg, false);
        break;
    case FB_MSG_KEY:
        if (m->arg[0] > 0 && m->arg[0] <= (int32_t)FB_MAX_KEY)
            v->ops->key(v->arg, (uint32_t)m->arg[0], m->arg[1] != 0);
        break;
    case FB_MSG_POINTER:
        if (in_picture(m->arg[0]) && in_picture(m->arg[1]) && abs(m->arg[2]) <= 1)
            v->ops->pointer(v->arg, m->arg[0], m->arg[1], m->arg[2]);
        break;
    default:
        break;
    }
}

static void on_socket(void *arg, uint32_t events);

static int watch(struct vnc *v, struct err *err)
{
    v->watch = loop_add(v->loop, v->sock, EPOLLIN, on_socket, v);
    return v->watch ? 0 : err_set(err, ENOMEM, "out of memory");
}

/* It is gone, by a bug that a viewer found perhaps. */
static void on_gone(struct vnc *v)
{
    bool again = now_ms() - v->started_ms >= SHORT_LIFE_MS;
    struct err err = {0};
    int rc = 0;

    log_msg(LOG_WARN, "backend", PROGRAM " has ended%s", again ? "; it is started again" : "");
    stop(v);
    if (again) {
        rc = spawn(v, &err);
        if (rc == 0)
            rc = watch(v, &err);
    }
    if (rc < 0) {
        log_msg(LOG_ERROR, "backend", "%s", err.msg);
        stop(v);
    }
}

static void on_socket(void *arg, uint32_t events)
{
    struct vnc *v = arg;
    struct fb_msg m;
    ssize_t n = recv(v->sock, &m, sizeof(m), MSG_DONTWAIT);

    if (n == (ssize_t)sizeof(m))
        on_message(v, &m);
    else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
        on_gone(v);
}

/* Its first message. */
static int wait_ready(struct vnc *v, struct err *err)
{
    struct pollfd p = {.fd = v->sock, .events = POLLIN};
    uint64_t until = now_ms() + PATIENCE_MS, now;
    struct fb_msg m;

    while ((now = now_ms()) < until && poll(&p, 1, (int)(until - now)) < 0 && errno == EINTR)
        continue;
    if (recv(v->sock, &m, sizeof(m), MSG_DONTWAIT) != (ssize_t)sizeof(m))
        return err_set(err, EIO, PROGRAM " does not start; is it installed?");
    if (m.type == FB_MSG_FAILED)
        return err_set(err, EIO, "vfb: %.*s", (int)strnlen(m.text, sizeof(m.text)), m.text);
    take_port(v, &m);
    return v->port ? 0 : err_set(err, EPROTO, PROGRAM " does not say where it listens");
}

static int make_picture(struct vnc *v, struct err *err)
{
    v->picture_fd = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (v->picture_fd < 0 || ftruncate(v->picture_fd, FB_PICTURE_BYTES) < 0 ||
        fcntl(v->picture_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return err_set(err, errno, "cannot make a picture: %s", strerror(errno));
    v->picture = mmap(NULL, FB_PICTURE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, v->picture_fd, 0);
    if (v->picture == MAP_FAILED) {
        v->picture = NULL;
        return err_set(err, errno, "cannot map a picture: %s", strerror(errno));
    }
    return 0;
}

int vnc_create(struct vnc **ret, struct loop *loop, const struct fb_config *config,
               const struct vnc_ops *ops, void *arg, struct err *err)
{
    struct vnc *v = calloc(1, sizeof(*v));
    int rc;

    if (!v)
        return err_set(err, ENOMEM, "out of memory");
    vnc_fix(config); /* for who has no launcher; one that there is has its own */
    *v = (struct vnc){.loop = loop,
                      .config = config,
                      .ops = ops,
                      .arg = arg,
                      .picture_fd = -1,
                      .sock = -1,
                      .pidfd = -1};
    rc = make_picture(v, err);
    if (rc == 0)
        rc = spawn(v, err);
    if (rc == 0)
        rc = wait_ready(v, err);
    if (rc == 0)
        rc = watch(v, err);
    if (rc < 0) {
        vnc_destroy(v);
        return rc;
    }
    *ret = v;
    return 0;
}

void vnc_destroy(struct vnc *v)
{
    if (!v)
        return;
    stop(v);
    if (v->picture)
        munmap(v->picture, FB_PICTURE_BYTES);
    if (v->picture_fd >= 0)
        close(v->picture_fd);
    free(v);
}

unsigned int vnc_port(const struct vnc *v)
{
    return v->port;
}

uint32_t *vnc_picture(struct vnc *v)
{
    return v->port && !v->busy ? v->picture : NULL;
}

void vnc_show(struct vnc *v, uint32_t width, uint32_t height, const struct fb_rect *changed)
{
    struct fb_msg m;

    memset(&m, 0, sizeof(m));
    m.type = FB_MSG_SHOW;
    m.arg[0] = (int32_t)width;
    m.arg[1] = (int32_t)height;
    m.arg[2] = (int32_t)changed->x;
    m.arg[3] = (int32_t)changed->y;
    m.arg[4] = (int32_t)changed->width;
    m.arg[5] = (int32_t)changed->height;
    /* There is room: one is on its way at most. If it is gone, on_gone() comes. */
    v->busy = send(v->sock, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(m);
}
