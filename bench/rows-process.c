/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows-process.c - rows about several processes or threads: starting them, switching between
 * them, and a shell at work.
 *
 * The rows that switch run on one CPU, natively too: a guest with one vCPU has no second one,
 * and waking another CPU costs a host more than the switch that is measured.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "row.h"

#define LARGE (64u << 20)
#define PAGE 4096u
/* Enough for the shell's start not to count, however few iterations there are. */
#define SHELL_LOOPS 10000u

static char *large;
static int to_peer[2], from_peer[2];
static pid_t peer;

/* 0 if child `pid` ended well. */
static int child_wait(pid_t pid)
{
    int status;

    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return row_errno();
    if (!WIFEXITED(status))
        return -EIO;
    return WEXITSTATUS(status) == 127 ? -ENOTSUP : WEXITSTATUS(status) ? -EIO : 0;
}

/* One busybox shell that counts. */
static int run_shell(uint64_t n)
{
    char script[96];
    pid_t pid;

    snprintf(script, sizeof(script), "i=0; while [ $i -lt %llu ]; do i=$((i + 1)); done",
             (unsigned long long)n * SHELL_LOOPS);
    pid = fork();
    if (pid == 0) {
        execlp("busybox", "busybox", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    return child_wait(pid);
}

static int run_fork(uint64_t n)
{
    int rc = 0;

    while (n-- && !rc) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        rc = child_wait(pid);
    }
    return rc;
}

static int run_exec(uint64_t n)
{
    int rc = 0;

    while (n-- && !rc) {
        pid_t pid = fork();

        if (pid == 0) {
            execl(row_self, row_self, ROW_NOTHING, (char *)NULL);
            _exit(127);
        }
        rc = child_wait(pid);
    }
    return rc;
}

static int setup_large(void)
{
    large = row_map(LARGE);
    if (!large)
        return row_errno();
    for (size_t i = 0; i < LARGE; i += PAGE)
        large[i] = 1;
    return 0;
}

static void done_large(void)
{
    munmap(large, LARGE);
    large = NULL;
}

/* The other end of the ping-pong: echoes until its pipe is closed. */
static void peer_main(void)
{
    char byte;

    close(to_peer[1]);
    close(from_peer[0]);
    while (read(to_peer[0], &byte, 1) == 1)
        if (write(from_peer[1], &byte, 1) != 1)
            break;
    _exit(0);
}

static int setup_pipe(void)
{
    int rc;

    if (pipe(to_peer))
        return row_errno();
    if (pipe(from_peer)) {
        rc = row_errno();
        close(to_peer[0]);
        close(to_peer[1]);
        return rc;
    }
    row_pin();
    peer = fork();
    if (peer == 0)
        peer_main();
    rc = peer < 0 ? row_errno() : 0;
    close(to_peer[0]);
    close(from_peer[1]);
    if (rc) {
        close(to_peer[1]);
        close(from_peer[0]);
        row_unpin();
    }
    return rc;
}

static void done_pipe(void)
{
    close(to_peer[1]);
    close(from_peer[0]);
    (void)child_wait(peer);
    row_unpin();
}

static int run_pipe(uint64_t n)
{
    char byte = 'x';

    while (n--)
        if (write(to_peer[1], &byte, 1) != 1 || read(from_peer[0], &byte, 1) != 1)
            return row_errno();
    return 0;
}

static void futex_wait(uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Whose turn it is, 0 or 1, and how many turns are left to each. */
static uint32_t turn;
static uint64_t turns;

static void turns_take(uint32_t mine)
{
    for (uint64_t i = 0; i < turns; i++) {
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine)
            futex_wait(&turn, !mine);
        __atomic_store_n(&turn, !mine, __ATOMIC_RELEASE);
        futex_wake(&turn);
    }
}

static void *second_thread(void *unused)
{
    turns_take(1);
    return NULL;
}

/* Two threads hand a word to and fro; an iteration is one turn of each, two switches. */
static int run_switch(uint64_t n)
{
    pthread_t second;
    int rc;

    turn = 0;
    turns = n;
    rc = pthread_create(&second, NULL, second_thread, NULL);
    if (rc)
        return -rc;
    turns_take(0);
    pthread_join(second, NULL);
    return 0;
}

static int setup_switch(void)
{
    row_pin();
    return 0;
}

const struct row process_rows[] = {
    {"shell", "loop", SHELL_LOOPS, NULL, run_shell, NULL},
    {"fork", "child", 1, NULL, run_fork, NULL},
    {"fork-exec", "child", 1, NULL, run_exec, NULL},
    {"fork-64m", "child", 1, setup_large, run_fork, done_large},
    {"pipe", "round trip", 1, setup_pipe, run_pipe, done_pipe},
    {"switch", "switch", 2, setup_switch, run_switch, row_unpin},
    {0},
};
