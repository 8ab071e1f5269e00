/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - xenolith-xenstored: one daemon for all domains of a run directory.
 *
 *   --on-demand    end when nobody has been connected for two seconds (xm starts it so)
 *   --foreground   stay in the foreground and log to stderr
 *
 * The socket and a lock are in the run directory. Without --foreground it returns when the
 * socket can be used. Exit code: 0, also if another one runs already; 1 with a sentence.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/paths.h"
#include "xenstore/jail.h"
#include "xenstore/server.h"

#define SOCKET_NAME "xenstored.sock"
#define LOCK_NAME "xenstored.lock"
#define MIN_DESCRIPTORS 1024

struct daemon {
    bool on_demand, foreground;
    int dir_fd, lock_fd, listen_fd, stop_fd;
};

static int parse_arguments(struct daemon *d, int argc, char **argv)
{
    static const struct option names[] = {
        {"on-demand", no_argument, NULL, 'd'},
        {"foreground", no_argument, NULL, 'f'},
        {0},
    };
    int opt;

    while ((opt = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (opt == '?')
            return -EINVAL;
        *(opt == 'd' ? &d->on_demand : &d->foreground) = true;
    }
    return optind == argc ? 0 : -EINVAL;
}

/* The lock is held as long as the daemon lives. 1: somebody else has it. */
static int take_lock(struct daemon *d, struct err *err)
{
    char dir[PATHS_MAX];
    int rc = paths_run_dir(dir, err);

    if (rc < 0)
        return rc;
    d->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir_fd < 0)
        return err_set(err, errno, "cannot open %s: %s", dir, strerror(errno));
    d->lock_fd = openat(d->dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return err_set(err, errno, "cannot create %s/" LOCK_NAME ": %s", dir, strerror(errno));
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? 1 : err_set(err, errno, "cannot lock: %s", strerror(errno));
}

/* sun_path is short and directories may be long: go through the directory's descriptor. */
static int make_socket(struct daemon *d, struct err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" SOCKET_NAME, d->dir_fd);
    unlinkat(d->dir_fd, SOCKET_NAME, 0); /* of one that was killed: we hold the lock */
    d->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (d->listen_fd < 0 || bind(d->listen_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        listen(d->listen_fd, 64) < 0)
        return err_set(err, errno, "cannot make the socket: %s", strerror(errno));
    return 0;
}

static int open_stop_fd(struct daemon *d, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    d->stop_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return d->stop_fd < 0 ? err_set(err, errno, "signalfd: %s", strerror(errno)) : 0;
}

static int open_log(struct err *err)
{
    char dir[PATHS_MAX], path[PATHS_MAX];
    int rc = paths_log_dir(dir, err);

    if (rc < 0)
        return rc;
    if (snprintf(path, sizeof(path), "%s/xenstored.log", dir) >= (int)sizeof(path))
        return err_set(err, ENAMETOOLONG, "path too long: %s", dir);
    return log_open(path, err);
}

/* Leave whoever started us. The lock goes with the descriptor. */
static int go_to_background(struct err *err)
{
    pid_t child = fork();
    int null;

    if (child < 0)
        return err_set(err, errno, "cannot fork: %s", strerror(errno));
    if (child > 0)
        _exit(0);
    setsid();
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3 && null >= 0; i++)
        dup2(null, i);
    if (null > 2)
        close(null);
    return chdir("/") < 0 ? err_set(err, errno, "cannot go to /: %s", strerror(errno)) : 0;
}

/* One descriptor for each client: the usual 1024 would do, less might not. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= MIN_DESCRIPTORS)
        return;
    limit.rlim_cur = limit.rlim_max < MIN_DESCRIPTORS ? limit.rlim_max : MIN_DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int start(struct daemon *d, struct err *err)
{
    int rc = take_lock(d, err);

    allow_descriptors();
    if (rc == 0)
        rc = make_socket(d, err);
    if (rc == 0)
        rc = open_stop_fd(d, err);
    if (rc == 0 && !d->foreground)
        rc = open_log(err);
    if (rc == 0 && !d->foreground)
        rc = go_to_background(err);
    return rc;
}

static int serve(const struct daemon *d, struct err *err)
{
    const struct server_config config = {
        .listen_fd = d->listen_fd,
        .stop_fd = d->stop_fd,
        .on_demand = d->on_demand,
    };
    int rc;

    log_msg(LOG_INFO, "xenstore", "xenstored runs");
    rc = jail_enter(d->dir_fd, err);
    if (rc == 0)
        rc = server_run(&config, err);
    log_msg(LOG_INFO, "xenstore", "xenstored ends");
    unlinkat(d->dir_fd, SOCKET_NAME, 0);
    return rc;
}

int main(int argc, char **argv)
{
    struct daemon d = {.dir_fd = -1, .lock_fd = -1, .listen_fd = -1, .stop_fd = -1};
    struct err err = {0};
    int rc;

    umask(077);
    if (parse_arguments(&d, argc, argv) < 0) {
        fprintf(stderr, "usage: xenolith-xenstored [--on-demand] [--foreground]\n");
        return 1;
    }
    close_range(3, ~0u, 0); /* what the caller left open is not ours to keep */
    rc = start(&d, &err);
    if (rc < 0)
        fprintf(stderr, "xenolith-xenstored: %s\n", err.msg);
    if (rc != 0)
        return rc < 0;
    rc = serve(&d, &err);
    if (rc < 0)
        log_msg(LOG_ERROR, "xenstore", "%s", err.msg);
    return rc < 0;
}
