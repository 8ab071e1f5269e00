/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_pty.c - see console_pty.h.
 *
 * A master whose terminal nobody has open reports a hang-up for ever, so it is not watched then;
 * inotify says when somebody opens the terminal. The client gets a copy of the master's
 * descriptor; the hang-up ends that client.
 */
#define _GNU_SOURCE
#include "backend/console_pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"

struct console_pty {
    struct console_out *out;
    pthread_mutex_t *lock;
    int master, inotify_fd;
    struct loop_watch *watch;
    bool used; /* a client's text may be left in the terminal */
    char path[64];
};

static bool is_open(const struct console_pty *p)
{
    struct pollfd pfd = {.fd = p->master};

    return poll(&pfd, 1, 0) == 0;
}

/* What the one before did not read is not for the next one, who gets the backlog. */
static void forget_unread(struct console_pty *p)
{
    /* Without its path, which our jail does not see. */
    int slave = p->used ? ioctl(p->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;

    p->used = false; /* first: what we do here is an event, too */
    if (slave < 0)
        return;
    (void)tcflush(slave, TCIOFLUSH);
    close(slave);
}

static void add_client(struct console_pty *p)
{
    int copy = fcntl(p->master, F_DUPFD_CLOEXEC, 0);
    int rc = copy < 0 ? -errno : console_out_add_client(p->out, copy);

    p->used = true;
    if (rc == 0)
        return;
    log_guest(LOG_WARN, "backend", "console: reader of %s refused: %s", p->path, strerror(-rc));
    if (copy >= 0)
        close(copy);
}

/* Somebody opened the terminal, or closed it; perhaps we ourselves did. */
static void on_inotify(void *arg, uint32_t events)
{
    struct console_pty *p = arg;
    char buf[sizeof(struct inotify_event) * 64];

    while (read(p->inotify_fd, buf, sizeof(buf)) > 0)
        continue;
    pthread_mutex_lock(p->lock);
    if (!is_open(p)) {
        console_out_remove_terminal(p->out);
        forget_unread(p);
    } else if (!console_out_has_terminal(p->out)) {
        add_client(p);
    }
    pthread_mutex_unlock(p->lock);
}

/* The terminal itself: what a guest prints and reads passes unchanged. */
static int open_terminal(struct console_pty *p)
{
    struct termios t;
    int slave;

    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (p->master < 0 || grantpt(p->master) < 0 || unlockpt(p->master) < 0 ||
        ptsname_r(p->master, p->path, sizeof(p->path)) != 0)
        return -errno;
    slave = open(p->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return -errno;
    if (tcgetattr(slave, &t) == 0) {
        cfmakeraw(&t);
        (void)tcsetattr(slave, TCSANOW, &t);
    }
    (void)fchmod(slave, 0600); /* not for the group of terminals */
    close(slave);
    return 0;
}

int console_pty_create(struct console_pty **ret, const struct console_config *config,
                       struct console_out *out, struct err *err)
{
    struct console_pty *p = calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return err_set(err, ENOMEM, "out of memory");
    *p = (struct console_pty){.out = out, .lock = config->lock, .inotify_fd = -1};
    rc = open_terminal(p);
    if (rc == 0) {
        p->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (p->inotify_fd < 0 || inotify_add_watch(p->inotify_fd, p->path, IN_OPEN | IN_CLOSE) < 0)
            rc = -errno;
    }
    if (rc == 0) {
        p->watch = loop_add(config->loop, p->inotify_fd, EPOLLIN, on_inotify, p);
        rc = p->watch ? 0 : -ENOMEM;
    }
    if (rc < 0) {
        console_pty_destroy(p);
        return err_set(err, -rc, "cannot make a pseudo terminal: %s", strerror(-rc));
    }
    *ret = p;
    return 0;
}

void console_pty_destroy(struct console_pty *p)
{
    if (!p)
        return;
    loop_remove(p->watch);
    if (p->inotify_fd >= 0)
        close(p->inotify_fd);
    if (p->master >= 0)
        close(p->master);
    free(p);
}

const char *console_pty_path(const struct console_pty *p)
{
    return p->path;
}
