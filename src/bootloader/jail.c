/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail.c - see jail.h. Two filters, of which the stricter answer counts: the first hands openat
 * over to us (seccomp's user notification) and answers readlink; the second is the policy. The
 * child sends us the descriptor at which notifications arrive before it takes the second.
 *
 * No path of the child's is opened by the child, so that neither the user it runs as nor what it
 * does to its memory while we look matters: we copy the path, decide about the copy, open that,
 * and put the descriptor into the child.
 */
#define _GNU_SOURCE
#include "bootloader/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/signals.h"
#include "bootloader/jail_policy.h"

#define NOBODY 65534
#define MEMORY_MAX (512ull << 20)
#define CPU_SECONDS 30
#define FILES_MAX 64
#define MAX_INSNS 256
#define OUTPUT_CHUNK 65536
#define EXIT_NO_JAIL 125 /* of the child, before it is the program */

struct child {
    pid_t pid;
    int output, words, notify;
    bool output_open, words_open;
};

int64_t jail_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* In the child. */

static int install(struct sock_filter *insns, size_t len, unsigned int flags)
{
    struct sock_fprog prog = {.len = (unsigned short)len, .filter = insns};

    return len ? (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog) : -1;
}

/* Returns the descriptor at which the notifications arrive. */
static int install_notifier(void)
{
    struct sock_filter insns[16];
    struct bpf_prog p = {insns, ARRAY_SIZE(insns), 0};

    bpf_emit(&p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offsetof(struct seccomp_data, nr));
    bpf_emit(&p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_openat);
    bpf_emit(&p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF);
    bpf_emit(&p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_readlink);
    bpf_emit(&p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EINVAL);
    bpf_emit(&p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    return install(insns, p.len, SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

static int install_policy(void)
{
    struct sock_filter insns[MAX_INSNS];

    return install(insns,
                   bpf_build(insns, MAX_INSNS, bootloader_jail_policy,
                             ARRAY_SIZE(bootloader_jail_policy), SECCOMP_RET_ERRNO | EPERM),
                   0);
}

static bool limit(int resource, uint64_t value)
{
    struct rlimit r = {value, value};

    return setrlimit((__rlimit_resource_t)resource, &r) == 0;
}

/* Nothing that survives, nothing that another process could be reached with. */
static bool drop_rights(void)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                           setresuid(NOBODY, NOBODY, NOBODY) < 0))
        return false;
    return limit(RLIMIT_AS, MEMORY_MAX) && limit(RLIMIT_CPU, CPU_SECONDS) &&
           limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, FILES_MAX) &&
           prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static _Noreturn void become(const struct jail_run *run, pid_t parent, int sock, int output,
                             int words)
{
    static const char *const environment[] = {"LC_ALL=C", NULL};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int notify;

    signals_reset();
    /* 0..2 are open in every program, so the three to be copied are above. */
    if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(words, 2) < 0 ||
        !drop_rights() || getppid() != parent)
        _exit(EXIT_NO_JAIL);
    notify = install_notifier();
    if (notify < 0 || !fdpass_send(sock, "", 1, notify, 0) ||
        syscall(SYS_close_range, 3, ~0u, 0) < 0 || install_policy() < 0)
        _exit(EXIT_NO_JAIL);
    execve(run->program, (char *const *)run->argv, (char *const *)environment);
    _exit(EXIT_NO_JAIL);
}

/* In the parent. */

static int start(struct child *c, const struct jail_run *run, struct err *err)
{
    int output[2], words[2], sock[2];
    pid_t parent = getpid();

    if (pipe2(output, O_CLOEXEC) < 0 || pipe2(words, O_CLOEXEC) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) < 0)
        return err_set(err, errno, "cannot make a pipe: %s", strerror(errno));
    c->pid = fork();
    if (c->pid == 0)
        become(run, parent, sock[1], output[1], words[1]);
    close(output[1]);
    close(words[1]);
    close(sock[1]);
    c->output = output[0];
    c->words = words[0];
    c->output_open = c->words_open = true;
    c->notify = c->pid < 0 ? -1 : fdpass_receive(sock[0]);
    close(sock[0]);
    return c->pid < 0 ? err_set(err, EAGAIN, "cannot start another process") : 0;
}

/* An empty directory for who wants to look at the root. */
static int open_nothing(void)
{
    char path[] = "/tmp/xenolith-XXXXXX";
    int fd = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    rmdir(path);
    return fd;
}

static bool is_library(const char *path)
{
    static const char *const places[] = {"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/"};

    if (strstr(path, ".."))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (strncmp(path, places[i], strlen(places[i])) == 0)
            return true;
    return strcmp(path, "/etc/ld.so.cache") == 0;
}

/* A descriptor for what the child asked for, or -errno. */
static int open_for(const struct jail_run *run, const char *path, uint64_t flags)
{
    struct stat st;
    int fd;

    if (flags & (O_ACCMODE | O_CREAT | O_TRUNC | O_PATH))
        return -EACCES;
    if (strcmp(path, JAIL_IMAGE) == 0)
        return run->open_image(run->arg);
    if (strcmp(path, "/") == 0) {
        fd = open_nothing();
        return fd < 0 ? -errno : fd;
    }
    if (!is_library(path))
        return -ENOENT;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -EACCES;
    }
    return fd;
}

static bool read_path(pid_t pid, uint64_t at, char path[static 512])
{
    struct iovec here = {path, 511}, there = {(void *)(uintptr_t)at, 511};
    ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);

    /* The end of a page may be closer. */
    if (n < 0 && PAGE_SIZE - at % PAGE_SIZE < 511) {
        there.iov_len = PAGE_SIZE - at % PAGE_SIZE;
        n = process_vm_readv(pid, &here, 1, &there, 1, 0);
    }
    path[n > 0 ? n : 0] = '\0';
    return n > 0 && strlen(path) < (size_t)n;
}

/* Answer one open(). False: the child cannot be served and has to end. */
static bool answer(const struct jail_run *run, const struct child *c)
{
    union { /* room for what later kernels add */
        struct seccomp_notif notif;
        struct seccomp_notif_resp resp;
        char room[512];
    } request = {.room = {0}}, response = {.room = {0}};
    struct seccomp_notif_addfd add = {0};
    char path[512];
    int fd, rc;

    if (ioctl(c->notify, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
        return errno == ENOENT || errno == EINTR;
    if (!read_path(c->pid, request.notif.data.args[1], path))
        return false;
    fd = open_for(run, path, request.notif.data.args[2]);
    rc = fd;
    if (fd >= 0) {
        add.id = request.notif.id;
        add.srcfd = (uint32_t)fd;
        add.newfd_flags = O_CLOEXEC;
        rc = ioctl(c->notify, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
        rc = rc < 0 ? -EMFILE : rc;
        close(fd);
    }
    memset(&response, 0, sizeof(response));
    response.resp.id = request.notif.id;
    response.resp.error = rc < 0 ? rc : 0;
    response.resp.val = rc < 0 ? 0 : rc;
    return ioctl(c->notify, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0 || errno == ENOENT;
}

static int take_output(const struct jail_run *run, struct child *c)
{
    static char buf[OUTPUT_CHUNK];
    ssize_t n = read(c->output, buf, sizeof(buf));

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    c->output_open = n > 0;
    return n > 0 ? run->sink(run->arg, buf, (size_t)n) : 0;
}

static void take_words(struct jail_run *run, struct child *c)
{
    char buf[512];
    size_t have = strlen(run->words), room = sizeof(run->words) - 1 - have;
    ssize_t n = read(c->words, buf, sizeof(buf));

    if (n < 0 && errno == EINTR)
        return;
    c->words_open = n > 0;
    if (n <= 0)
        return;
    memcpy(run->words + have, buf, (size_t)n < room ? (size_t)n : room);
    run->words[have + ((size_t)n < room ? (size_t)n : room)] = '\0';
}

/* Until both pipes are closed. 0 or the reason to end it. */
static int serve(struct jail_run *run, struct child *c)
{
    int rc = 0;

    while (rc == 0 && (c->output_open || c->words_open)) {
        struct pollfd p[] = {{c->output_open ? c->output : -1, POLLIN, 0},
                             {c->words_open ? c->words : -1, POLLIN, 0},
                             {c->notify, POLLIN, 0}};
        int64_t left = run->deadline_ms - jail_now_ms();
        int r = left > 0 ? poll(p, ARRAY_SIZE(p), (int)left) : 0;

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r < 0 ? -errno : -ETIMEDOUT;
        if (p[2].revents & POLLIN && !answer(run, c))
            return -EACCES;
        if (p[2].revents & (POLLHUP | POLLERR) && c->notify >= 0) {
            close(c->notify);
            c->notify = -1;
        }
        if (p[1].revents)
            take_words(run, c);
        if (p[0].revents)
            rc = take_output(run, c);
    }
    return rc;
}

int jail_run(struct jail_run *run, struct err *err)
{
    struct child c = {.pid = -1, .output = -1, .words = -1, .notify = -1};
    int rc, status = 0;

    run->words[0] = '\0';
    rc = start(&c, run, err);
    if (c.pid > 0) {
        rc = serve(run, &c);
        if (rc < 0)
            kill(c.pid, SIGKILL);
        while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    cleanup_close(&c.output);
    cleanup_close(&c.words);
    cleanup_close(&c.notify);
    if (rc == -EACCES)
        return err_set(err, EACCES, "%s cannot be watched (is ptrace forbidden here?)",
                       run->program);
    if (rc < 0)
        return rc;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_JAIL)
        return err_set(err, EPERM, "cannot put %s into its seccomp jail", run->program);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
