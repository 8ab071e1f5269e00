/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * script.c - see script.h. A script has ended when its process has: daemons that it leaves
 * behind may keep its output open.
 */
#define _GNU_SOURCE
#include "hotplug/script.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/logfile.h"
#include "base/signals.h"
#include "toolstack/xend_log.h"
#include "xenstore/client.h"

#define LOG_NAME "xen-hotplug.log"
#define LOG_MAX (1024 * 1024)
#define OLD_LOGS 5
#define MAX_ENV 32
#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct environment {
    char *item[MAX_ENV + 1];
    unsigned int count;
};

/* The last line so far, of what comes in pieces. A warning (logging.sh) goes to xend's log. */
struct words {
    char last[256], line[256];
    size_t len;
};

/* --- finding ---------------------------------------------------------------------------- */

static int find_path(struct script *s, const char *name, struct err *err)
{
    if (name[0] == '/') {
        snprintf(s->path, sizeof(s->path), "%s", name);
        if (access(s->path, X_OK) == 0)
            return 0;
        return err_set(err, ENOENT, "the script %s cannot be run: %s", name, strerror(errno));
    }
    return paths_script(s->path, name, err);
}

int script_find(struct script *s, const char *line, struct err *err)
{
    char *save = NULL, *name;

    memset(s, 0, sizeof(*s));
    if (strlen(line) >= sizeof(s->text))
        return err_set(err, E2BIG, "script '%.40s...' is too long", line);
    memcpy(s->text, line, strlen(line) + 1);
    name = strtok_r(s->text, " \t", &save);
    if (!name)
        return err_set(err, EINVAL, "no script is named");
    for (char *word = strtok_r(NULL, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
        if (s->nr_args == SCRIPT_MAX_WORDS)
            return err_set(err, E2BIG, "script '%.40s...' has too many arguments", line);
        s->args[s->nr_args++] = word;
    }
    return find_path(s, name, err);
}

/* --- environment ------------------------------------------------------------------------ */

static void PRINTF_FMT(2, 3) add(struct environment *e, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (e->count == MAX_ENV)
        return;
    va_start(ap, fmt);
    n = vasprintf(&e->item[e->count], fmt, ap);
    va_end(ap);
    if (n >= 0)
        e->count++;
    e->item[e->count] = NULL;
}

static void environment_done(struct environment *e)
{
    for (unsigned int i = 0; i < e->count; i++)
        free(e->item[i]);
}

/* Nothing of the caller's but what names this instance. Our own xenstore clients stand behind
 * all others in PATH: they are for hosts without Xen's. */
static int make_environment(struct environment *e, const char *const *more, struct err *err)
{
    char own[PATHS_MAX], run[PATHS_MAX], store[PATHS_MAX];
    int rc = paths_run_dir(run, err);

    memset(e, 0, sizeof(*e));
    if (rc == 0)
        rc = xs_socket_path(store, err);
    if (rc < 0)
        return rc;
    paths_own_dir(own);
    add(e, "PATH=" SYSTEM_PATH "%s%s", own[0] ? ":" : "", own);
    add(e, "HOME=/");
    add(e, "LC_ALL=C");
    add(e, "XENOLITH_RUN_DIR=%s", run);
    add(e, "XENSTORED_PATH=%s", store);
    for (; *more; more++)
        add(e, "%s", *more);
    return 0;
}

/* --- running ---------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int script_open_log(void)
{
    char dir[PATHS_MAX], path[PATHS_MAX + sizeof(LOG_NAME) + 1];

    if (paths_log_dir(dir, NULL) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/" LOG_NAME, dir);
    return logfile_open(path, LOG_MAX, OLD_LOGS);
}

static _Noreturn void exec_script(const struct script *s, const char *command,
                                  const struct environment *e, int output)
{
    const char *argv[SCRIPT_MAX_WORDS + 3] = {s->path, command};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    memcpy(&argv[2], s->args, s->nr_args * sizeof(argv[0]));
    setsid(); /* so that all of it can be killed */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signals_reset();
    umask(022); /* its files are not ours */
    if (dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
        syscall(SYS_close_range, 3, ~0u, 0) < 0 || chdir("/") < 0)
        _exit(126);
    execve(s->path, (char *const *)argv, e->item);
    dprintf(2, "%s: %s\n", s->path, strerror(errno));
    _exit(127);
}

static void take(struct words *w, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n') {
            w->line[w->len] = '\0';
            if (w->len > 0)
                memcpy(w->last, w->line, w->len + 1);
            if (w->len > 0 && strstr(w->line, ": warning: "))
                xend_log(XEND_WARNING, "%s", w->line);
            w->len = 0;
        } else if (w->len < sizeof(w->line) - 1) {
            w->line[w->len++] = text[i];
        }
    }
}

/* Read what is there. */
static void drain(int fd, int *log_fd, struct words *w)
{
    char text[1024];
    ssize_t n;

    while ((n = read(fd, text, sizeof(text))) > 0) {
        take(w, text, (size_t)n);
        if (*log_fd >= 0 && io_write_all(*log_fd, text, (size_t)n) < 0) {
            close(*log_fd); /* a full disk is no reason to fail */
            *log_fd = -1;
        }
    }
}

/* Until the process has ended. False: it has not, in time. */
static bool follow(int pidfd, int output, unsigned int timeout_s, struct words *w)
{
    int64_t until = now_ms() + (int64_t)timeout_s * 1000;
    CLEANUP_CLOSE int log_fd = script_open_log();
    struct pollfd p[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = output, .events = POLLIN}};

    while (!p[0].revents) {
        int64_t left = until - now_ms();

        if (left <= 0)
            return false;
        if (poll(p, 2, (int)left) < 0)
            continue;
        if (p[1].revents)
            drain(output, &log_fd, w);
        if (p[1].revents & POLLHUP)
            p[1].fd = -1;
    }
    drain(output, &log_fd, w);
    take(w, "\n", 1);
    return true;
}

static int wait_for(pid_t child, int output, const struct script *s, unsigned int timeout_s,
                    struct err *err)
{
    CLEANUP_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    struct words w = {0};
    bool ended = pidfd >= 0 && follow(pidfd, output, timeout_s, &w);
    int status = 0;

    if (!ended)
        kill(-child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!ended)
        return err_set(err, ETIMEDOUT, "%s did not end within %u seconds", s->path, timeout_s);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : err_set(err, EIO, "%s", w.last);
}

int script_run(const struct script *s, const char *command, const char *const *environment,
               unsigned int timeout_s, struct err *err)
{
    struct environment e;
    int rc = make_environment(&e, environment, err), output[2] = {-1, -1};
    pid_t child;

    if (rc == 0 && pipe2(output, O_CLOEXEC) < 0)
        rc = err_set(err, errno, "cannot make a pipe: %s", strerror(errno));
    if (rc < 0) {
        environment_done(&e);
        return rc;
    }
    io_set_nonblock(output[0], true);
    child = fork();
    if (child == 0)
        exec_script(s, command, &e, output[1]);
    close(output[1]);
    rc = child < 0 ? err_set(err, errno, "cannot fork: %s", strerror(errno))
                   : wait_for(child, output[0], s, timeout_s, err);
    close(output[0]);
    environment_done(&e);
    return rc;
}
