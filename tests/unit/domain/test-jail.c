/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-jail.c - the domain process's jail, by the kernel itself: a child enters it for each
 * system call number, and for chosen calls. What may pass is written down here once more. TAP,
 * because of signals and forks.
 */
#define _GNU_SOURCE
#include "domain/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED 3 /* exit status of who is stopped by the jail */
#define PASSED 0
#define NR_CALLS 470

static int tests, failures;

static void ok(bool cond, const char *what)
{
    printf("%s %d - %s\n", cond ? "ok" : "not ok", ++tests, what);
    failures += !cond;
}

/* Numbers that pass whatever their arguments are. */
static const int passes[] = {
    SYS_futex,
    SYS_pidfd_send_signal,
    SYS_epoll_wait,
    SYS_epoll_pwait,
    SYS_epoll_ctl,
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_preadv,
    SYS_pwritev,
    SYS_fadvise64,
    451, /* cachestat, from Linux 6.5 on */
    SYS_preadv2,
    SYS_pread64,
    SYS_pwrite64,
    SYS_fdatasync,
    SYS_fsync,
    SYS_fallocate,
    SYS_io_uring_enter,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_poll,
    SYS_ppoll,
    SYS_sched_yield,
    SYS_accept4,
    SYS_recvfrom,
    SYS_sendto,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_shutdown,
    SYS_eventfd2,
    SYS_epoll_create1,
    SYS_close,
    SYS_waitid,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_memfd_create,
    SYS_ftruncate,
    SYS_clone,
    SYS_clone3,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_exit,
    SYS_sysinfo,
    SYS_sched_getaffinity,
    SYS_fstat,
    SYS_lseek,
    SYS_getrandom,
    SYS_io_uring_setup,
    SYS_io_uring_register,
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_rt_sigreturn,
    SYS_exit_group,
    SYS_restart_syscall,
    SYS_gettimeofday,
    SYS_time,
};

static bool is_listed(int nr)
{
    for (size_t i = 0; i < ARRAY_SIZE(passes); i++)
        if (passes[i] == nr)
            return true;
    return false;
}

/* Exit status of a child that makes the call in the jail; PASSED when it did not fail. */
static int in_jail(long nr, const long a[6], int want_errno)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        struct err err = {0};
        long r;

        if (jail_enter(&err) < 0)
            _exit(99);
        r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (nr == SYS_clone && r == 0)
            _exit(98);
        _exit(want_errno ? (r == -1 && errno == want_errno ? PASSED : 97) : r < 0 ? 96 : PASSED);
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
        if (in_jail(nr, minus, 0) != REFUSED) {
            printf("# number %d is not refused\n", nr);
            wrong++;
        }
    }
    ok(!wrong, "every number that is not listed is refused");
}

static char room[512]; /* for struct stat and statx */

static const struct {
    const char *what;
    long nr, args[6];
    int expected, error;
} chosen[] = {
    {"a TCP socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}, REFUSED, 0},
    {"a netlink socket", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}, REFUSED, 0},
    {"a packet socket", SYS_socket, {AF_PACKET, SOCK_RAW, 0}, REFUSED, 0},
    {"a unix socket", SYS_socket, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0}, REFUSED, 0},
    {"a connection", SYS_connect, {0, 0, 0}, REFUSED, 0},
    {"a file", SYS_openat, {AT_FDCWD, (long)"/", O_RDONLY}, REFUSED, 0},
    {"a file by its handle", SYS_open_by_handle_at, {0, 0, 0}, REFUSED, 0},
    {"a file's size, by its path", SYS_newfstatat, {AT_FDCWD, (long)"/", 0, 0}, REFUSED, 0},
    {"a file's size", SYS_newfstatat, {2, (long)"", (long)room, AT_EMPTY_PATH}, PASSED, 0},
    {"what a file can, by its path", SYS_statx, {AT_FDCWD, (long)"/", 0, 0, 0}, REFUSED, 0},
    {"what a file can", SYS_statx, {2, (long)"", AT_EMPTY_PATH, 0, (long)room}, PASSED, 0},
    {"a file's end", SYS_unlinkat, {AT_FDCWD, (long)"/nothing", 0}, REFUSED, 0},
    {"where others run", SYS_sched_setaffinity, {0, 0, 0}, REFUSED, 0},
    {"a tap device", SYS_ioctl, {0, TUNSETIFF, 0}, REFUSED, 0},
    {"code in new memory",
     SYS_mmap,
     {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0},
     REFUSED,
     0},
    {"data in new memory",
     SYS_mmap,
     {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0},
     PASSED,
     0},
    {"code by mprotect", SYS_mprotect, {0x1000, 4096, PROT_EXEC}, REFUSED, 0},
    {"a process like fork", SYS_clone, {SIGCHLD}, PASSED, EPERM},
    {"a process like vfork", SYS_clone, {CLONE_VM | CLONE_VFORK | SIGCHLD}, PASSED, EPERM},
    {"a user namespace", SYS_clone, {CLONE_NEWUSER | SIGCHLD}, PASSED, EPERM},
    {"clone3", SYS_clone3, {0, 0}, PASSED, ENOSYS},
    {"a push of input to a terminal", SYS_ioctl, {0, TIOCSTI, 0}, REFUSED, 0},
    {"becoming dumpable", SYS_prctl, {PR_SET_DUMPABLE, 1}, REFUSED, 0},
    {"another process's limits", SYS_prlimit64, {1, 7, 4096, 0}, REFUSED, 0},
    {"a signal to anyone", SYS_kill, {0, 0}, REFUSED, 0},
    {"a signal to the owner of a descriptor", SYS_fcntl, {2, F_SETOWN, 1}, REFUSED, 0},
    {"the number of that signal", SYS_fcntl, {2, F_SETSIG, SIGKILL}, REFUSED, 0},
    {"flags of a descriptor", SYS_fcntl, {2, F_GETFL}, PASSED, 0},
};

static void *thread_main(void *arg)
{
    *(int *)arg = 1;
    return NULL;
}

/* Threads can still be made, and what one of them does wrong ends the process, too. */
static void check_threads(void)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        struct err err = {0};
        pthread_t thread;
        int ran = 0;

        if (jail_enter(&err) < 0 || pthread_create(&thread, NULL, thread_main, &ran) != 0 ||
            pthread_join(thread, NULL) != 0)
            _exit(99);
        _exit(ran ? PASSED : 98);
    }
    waitpid(pid, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == PASSED, "a thread");
}

int main(void)
{
    int null = open("/dev/null", O_WRONLY);

    if (jail_is_empty()) {
        printf("1..0 # SKIP built with a sanitizer: no jail\n");
        return 0;
    }
    /* The lines of the log, which is stderr here. */
    if (null < 0 || dup2(null, STDERR_FILENO) < 0)
        return 1;
    sweep();
    for (size_t i = 0; i < ARRAY_SIZE(chosen); i++)
        ok(in_jail(chosen[i].nr, chosen[i].args, chosen[i].error) == chosen[i].expected,
           chosen[i].what);
    check_threads();
    printf("1..%d\n", tests);
    return failures ? 1 : 0;
}
