/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-jail.c - xenstored's jail, by the kernel itself: a child enters it and makes every call,
 * with arguments that are none, and chosen ones. What may pass is written down here once more. TAP,
 * because of forks.
 */
#define _GNU_SOURCE
#include "xenstore/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "base/types.h"

#define NR_CALLS 470

static int tests, failures, dir_fd;

static void ok(bool cond, const char *what)
{
    printf("%s %d - %s\n", cond ? "ok" : "not ok", ++tests, what);
    failures += !cond;
}

/* Pass whatever their arguments are. */
static const int passes[] = {
    SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_ctl,       SYS_epoll_create1, SYS_recvfrom,
    SYS_sendto,     SYS_accept4,     SYS_geteuid,         SYS_close,         SYS_write,
    SYS_munmap,     SYS_mremap,      SYS_madvise,         SYS_brk,           SYS_clock_gettime,
    SYS_futex,      SYS_exit_group,  SYS_restart_syscall,
};

static bool is_listed(int nr)
{
    for (size_t i = 0; i < ARRAY_SIZE(passes); i++)
        if (passes[i] == nr)
            return true;
    return false;
}

/* errno of the call in the jail, 0 if it succeeded, -1 if the child came to another end. */
static int in_jail(long nr, const long a[6])
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        struct err err = {0};

        if (jail_enter(dir_fd, &err) < 0)
            abort();
        errno = 0;
        syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
        _exit(errno);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void sweep(void)
{
    static const long minus[6] = {-1, -1, -1, -1, -1, -1};
    int wrong = 0;

    for (int nr = 0; nr < NR_CALLS; nr++) {
        /* 335 and 336: uretprobe and uprobe, exempt from seccomp on some kernels. */
        if (is_listed(nr) || nr == 335 || nr == 336)
            continue;
        if (in_jail(nr, minus) != EPERM) {
            printf("# number %d is not refused\n", nr);
            wrong++;
        }
    }
    ok(!wrong, "every number that is not listed is refused");
}

static void check_memory(void)
{
    const long flags = MAP_PRIVATE | MAP_ANONYMOUS;

    ok(in_jail(SYS_mmap, (long[6]){0, 4096, PROT_READ | PROT_WRITE, flags, -1, 0}) == 0, "memory");
    ok(in_jail(SYS_mmap, (long[6]){0, 4096, PROT_READ | PROT_EXEC, flags, -1, 0}) == EPERM,
       "memory for code");
}

static void check_peer(void)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    int pair[2], on = 1;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        exit(1);
    ok(in_jail(SYS_getsockopt,
               (long[6]){pair[0], SOL_SOCKET, SO_PEERCRED, (long)&peer, (long)&len}) == 0,
       "who is it?");
    ok(in_jail(SYS_getsockopt, (long[6]){pair[0], SOL_SOCKET, SO_TYPE, (long)&on, (long)&len}) ==
           EPERM,
       "other options of a socket");
}

/* Without Landlock in the host's kernel files elsewhere can be removed. */
static void check_files(const char *directory)
{
    char outside[128], inside[128];
    bool has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;

    snprintf(inside, sizeof(inside), "%s/socket", directory);
    snprintf(outside, sizeof(outside), "%s.outside", directory);
    close(open(inside, O_CREAT | O_WRONLY, 0600));
    close(open(outside, O_CREAT | O_WRONLY, 0600));
    ok(in_jail(SYS_unlinkat, (long[6]){dir_fd, (long)"socket", 0}) == 0, "the socket is removed");
    ok(access(inside, F_OK) < 0, "it is gone");
    ok(in_jail(SYS_unlinkat, (long[6]){AT_FDCWD, (long)outside, 0}) == (has_landlock ? EACCES : 0),
       "a file elsewhere");
    ok(in_jail(SYS_unlinkat, (long[6]){AT_FDCWD, (long)directory, AT_REMOVEDIR}) == EPERM,
       "a directory");
    unlink(outside);
}

int main(void)
{
    char directory[] = "/tmp/test-xenstored-jail-XXXXXX";
    int null = open("/dev/null", O_WRONLY);

    if (HAS_SANITIZER) {
        printf("1..0 # SKIP built with a sanitizer: no jail\n");
        return 0;
    }
    /* The lines of the log, which is stderr here. */
    if (!mkdtemp(directory) || null < 0 || dup2(null, STDERR_FILENO) < 0)
        return 1;
    dir_fd = open(directory, O_RDONLY | O_DIRECTORY);
    sweep();
    check_memory();
    check_peer();
    check_files(directory);
    rmdir(directory);
    printf("1..%d\n", tests);
    return failures ? 1 : 0;
}
