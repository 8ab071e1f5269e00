/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * model.c - see model.h. Its standard error is a socket of ours: complaints go to the domain's
 * log, the dumps of CPU resets are only looked through for triple faults.
 */
#define _GNU_SOURCE
#include "hvm/model.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/identity.h"
#include "base/io.h"
#include "base/log.h"
#include "base/signals.h"

#define PROGRAM "qemu-system-x86_64"
#define NOT_INSTALLED PROGRAM " is not installed (Debian package qemu-system-x86)"
#define LINE_MAX_LEN 512
#define READS_MAX 64 /* at a time */
/* Behind all other arguments, which who asks for it may have been talked into. */
#define SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/* What hvm_exec() is given before the device model's own descriptors. */
enum { EXEC_ARGS, EXEC_WORDS, EXEC_FIRST };

struct model {
    int pidfd, words_fd;
    struct loop_watch *words_watch, *end_watch;
    void (*ended)(void *arg);
    void *arg;
    char line[LINE_MAX_LEN];
    size_t line_used;
    char last_words[LINE_MAX_LEN];
    bool triple_fault;
};

/* --- in the new process ------------------------------------------------------------------ */

/* A user of its own (nobody in a user namespace without it), but in the group that may use /dev/kvm
 * where there is one. */
static bool give_up_root(void)
{
    struct stat st;
    gid_t group = 0;
    bool kvm = stat("/dev/kvm", &st) == 0 && (st.st_mode & S_IRGRP) && st.st_gid != 0;

    if (geteuid() != 0)
        return true;
    if (kvm)
        group = st.st_gid;
    return identity_leave_root(getpid(), group);
}

/* Put fds where the device model expects them: first above all targets, so that none is
 * overwritten before it was moved. */
static bool place(const int *fds, unsigned int count)
{
    int high[HVM_MAX_FDS];

    if (count > HVM_MAX_FDS)
        return false;
    for (unsigned int i = 0; i < count; i++) {
        high[i] = fcntl(fds[i], F_DUPFD, HVM_FIRST_FD + HVM_MAX_FDS);
        if (high[i] < 0)
            return false;
    }
    for (unsigned int i = 0; i < count; i++)
        if (dup2(high[i], HVM_FIRST_FD + (int)i) < 0)
            return false;
    return syscall(SYS_close_range, HVM_FIRST_FD + count, ~0u, 0) == 0;
}

void hvm_exec(const int *fds, unsigned int nr_fds)
{
    static const char missing[] = NOT_INSTALLED "\n";
    static char text[WORDS_TEXT_MAX];
    static char *argv[WORDS_MAX + 3], sandbox[2][96] = {"-sandbox", SANDBOX};
    pid_t parent = getppid();
    unsigned int count = 0;
    ssize_t len = nr_fds >= EXEC_FIRST ? pread(fds[EXEC_ARGS], text, sizeof(text), 0) : -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (len <= 0 || text[len - 1] || null < 0)
        _exit(126);
    for (char *word = text; word < text + len && count < WORDS_MAX; word += strlen(word) + 1)
        argv[count++] = word;
    argv[count++] = sandbox[0];
    argv[count++] = sandbox[1];
    argv[count] = NULL;
    signals_reset();
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(fds[EXEC_WORDS], 2) < 0 ||
        !place(fds + EXEC_FIRST, nr_fds - EXEC_FIRST) || !give_up_root() || chdir("/") < 0)
        _exit(126);
    /* Another user's process forgets whose death ends it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (getppid() != parent)
        _exit(126);
    execvp(PROGRAM, argv);
    if (errno == ENOENT && write(2, missing, sizeof(missing) - 1) < 0)
        _exit(126);
    _exit(127);
}

/* --- in ours ------------------------------------------------------------------------------ */

int hvm_fds_add(struct hvm_fds *all, int fd)
{
    if (fd < 0 || all->count == HVM_MAX_FDS) {
        all->overflow = true;
        if (fd >= 0)
            close(fd);
        return -1;
    }
    all->fd[all->count] = fd;
    return HVM_FIRST_FD + (int)all->count++;
}

void hvm_fds_close(struct hvm_fds *all)
{
    for (unsigned int i = 0; i < all->count; i++)
        close(all->fd[i]);
    all->count = 0;
}

/* Of a line with the device model's words, what comes behind its name. NULL for register dumps:
 * "EAX=...", "CPU Reset (CPU 0)", "FPR0=...". */
static const char *find_words(const char *line)
{
    static const char *const names[] = {PROGRAM ": ", "qemu: "};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strncmp(line, names[i], strlen(names[i])) == 0)
            return line + strlen(names[i]);
    /* A failed assertion of the C library begins with the name, one of GLib does not. */
    return strncmp(line, PROGRAM, strlen(PROGRAM)) == 0 || strncmp(line, "ERROR:", 6) == 0 ? line
                                                                                           : NULL;
}

static void take_line(struct model *m)
{
    const char *text;

    m->line[m->line_used] = '\0';
    m->line_used = 0;
    if (strncmp(m->line, "Triple fault", 12) == 0)
        m->triple_fault = true;
    text = find_words(m->line);
    if (!text)
        return;
    snprintf(m->last_words, sizeof(m->last_words), "%s", text);
    log_clean(m->last_words);
    log_guest(LOG_WARN, "hvm", "device model: %s", text);
}

static void read_words(struct model *m)
{
    char buf[4096];
    ssize_t n = 1;

    /* Not for ever: one that has gone mad may write faster than we read. */
    for (int reads = 0; reads < READS_MAX && n > 0; reads++) {
        n = recv(m->words_fd, buf, sizeof(buf), MSG_DONTWAIT);
        for (ssize_t i = 0; i < n; i++) {
            if (buf[i] == '\n')
                take_line(m);
            else if (m->line_used + 1 < sizeof(m->line))
                m->line[m->line_used++] = buf[i];
        }
    }
    if (n == 0) {
        loop_remove(m->words_watch);
        m->words_watch = NULL;
    }
}

static void on_words(void *arg, uint32_t events)
{
    read_words(arg);
}

static void on_end(void *arg, uint32_t events)
{
    struct model *m = arg;

    loop_remove(m->end_watch);
    m->end_watch = NULL;
    read_words(m);
    m->ended(m->arg);
}

const char *model_last_words(struct model *m)
{
    read_words(m);
    return m->last_words;
}

bool model_saw_triple_fault(struct model *m)
{
    read_words(m);
    return m->triple_fault;
}

int model_pidfd(const struct model *m)
{
    return m->pidfd;
}

static int write_arguments(const struct words *words)
{
    CLEANUP_CLOSE int fd = memfd_create("arguments", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : io_write_all(fd, words->text, words->len);

    return rc < 0 ? rc : STEAL_FD(fd);
}

static int spawn(struct model *m, const struct words *words, const struct hvm_fds *fds,
                 struct err *err)
{
    int all[EXEC_FIRST + HVM_MAX_FDS], pair[2], rc;
    CLEANUP_CLOSE int args = write_arguments(words);
    CLEANUP_CLOSE int theirs = -1;

    if (args < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, ENOMEM, "cannot pass arguments to the device model");
    m->words_fd = pair[0];
    theirs = pair[1];
    all[EXEC_ARGS] = args;
    all[EXEC_WORDS] = theirs;
    memcpy(all + EXEC_FIRST, fds->fd, sizeof(int) * fds->count);
    rc = launcher_spawn(hvm_exec, all, EXEC_FIRST + fds->count, &m->pidfd, err);
    return rc;
}

int model_start(struct model **ret, struct loop *loop, const struct words *words,
                const struct hvm_fds *fds, void (*ended)(void *arg), void *arg, struct err *err)
{
    struct model *m = calloc(1, sizeof(*m));
    int rc;

    if (!m)
        return err_set(err, ENOMEM, "out of memory");
    m->pidfd = m->words_fd = -1;
    m->ended = ended;
    m->arg = arg;
    rc = fds->overflow ? err_set(err, EMFILE, "the device model would need too many descriptors")
                       : spawn(m, words, fds, err);
    if (rc == 0) {
        m->words_watch = loop_add(loop, m->words_fd, EPOLLIN, on_words, m);
        m->end_watch = loop_add(loop, m->pidfd, EPOLLIN, on_end, m);
        if (!m->words_watch || !m->end_watch)
            rc = err_set(err, ENOMEM, "out of memory");
    }
    if (rc < 0) {
        model_stop(m);
        return rc;
    }
    *ret = m;
    return 0;
}

void model_stop(struct model *m)
{
    if (!m)
        return;
    loop_remove(m->words_watch);
    loop_remove(m->end_watch);
    if (m->pidfd >= 0) {
        launcher_kill(m->pidfd, SIGKILL);
        launcher_reap(m->pidfd);
    }
    if (m->words_fd >= 0)
        close(m->words_fd);
    free(m);
}
