/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * child.c - see child.h.
 */
#define _GNU_SOURCE
#include "xend/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/paths.h"
#include "base/signals.h"

#define WORDS_MAX 1000 /* of its standard error, the beginning */

struct child {
    struct xend *x;
    child_fn *done;
    void *arg;
    sd_event_source *end, *output;
    int fd;
    char words[WORDS_MAX];
    size_t used;
};

static void read_words(struct child *c)
{
    char rest[512];

    for (;;) {
        bool keep = c->used < sizeof(c->words) - 1;
        ssize_t n = keep ? read(c->fd, c->words + c->used, sizeof(c->words) - 1 - c->used)
                         : read(c->fd, rest, sizeof(rest));

        if (n <= 0)
            break;
        if (keep)
            c->used += (size_t)n;
    }
}

static int on_output(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
    struct child *c = arg;

    read_words(c);
    /* Its end is told by the process, not by the pipe, which others may hold. */
    if (revents & (EPOLLHUP | EPOLLERR))
        sd_event_source_set_enabled(s, SD_EVENT_OFF);
    return 0;
}

/* "Error: text\n..." -> "text" */
static const char *sentence(struct child *c)
{
    static const char prefix[] = "Error: ";
    char *text = c->words;

    c->words[c->used] = '\0';
    /* Warnings may stand before it. */
    if (strstr(text, prefix))
        text = strstr(text, prefix) + sizeof(prefix) - 1;
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static int on_end(sd_event_source *s, const siginfo_t *si, void *arg)
{
    struct child *c = arg;
    struct xend *x = c->x;
    struct err err = {0};
    int rc = 0;

    read_words(c);
    if (si->si_code != CLD_EXITED)
        rc = err_set(&err, EIO, "ended by signal %d", si->si_status);
    else if (si->si_status != 0)
        rc = err_set(&err, EIO, "%s", c->used ? sentence(c) : "failed without a word");
    x->nr_children--;
    c->done(x, c->arg, rc, &err);
    sd_event_source_unref(c->end);
    sd_event_source_unref(c->output);
    close(c->fd);
    free(c);
    xend_maybe_idle(x);
    return 0;
}

static _Noreturn void run(const char *program, const char *const *argv, int sock, int words,
                          pid_t parent)
{
    int null = sock >= 0 ? sock : open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 &&
        dup2(words, 2) >= 0) {
        signals_reset();
        execv(program, (char *const *)argv);
    }
    _exit(127);
}

static int watch(struct child *c, pid_t pid)
{
    int r = sd_event_add_child(c->x->event, &c->end, pid, WEXITED, on_end, c);

    return r < 0 ? r : sd_event_add_io(c->x->event, &c->output, c->fd, EPOLLIN, on_output, c);
}

int child_start(struct xend *x, const char *program, const char *const *argv, child_fn *done,
                void *arg, struct err *err)
{
    return child_start_on(x, -1, program, argv, done, arg, err);
}

int child_start_on(struct xend *x, int sock, const char *program, const char *const *argv,
                   child_fn *done, void *arg, struct err *err)
{
    char path[PATHS_MAX];
    struct child *c;
    int fds[2], r = paths_helper(path, program, err);
    pid_t parent = getpid(), pid;

    if (r < 0)
        return r;
    c = calloc(1, sizeof(*c));
    if (!c || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        free(c);
        return err_set(err, EMFILE, "cannot start %s: %s", program, strerror(errno));
    }
    *c = (struct child){.x = x, .done = done, .arg = arg, .fd = fds[0]};
    pid = fork();
    if (pid == 0) {
        io_set_nonblock(fds[1], false);
        run(path, argv, sock, fds[1], parent);
    }
    r = pid < 0 ? -errno : watch(c, pid);
    close(fds[1]);
    if (r < 0) {
        if (pid > 0)
            kill(pid, SIGKILL);
        sd_event_source_unref(c->end);
        close(c->fd);
        free(c);
        return err_set(err, -r, "cannot start %s: %s", program, strerror(-r));
    }
    x->nr_children++;
    return 0;
}
