/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows-system.c - rows about one process and its kernel: calls, signals, files.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "row.h"

#define BLOCK 4096u
#define FILE_BLOCKS 256u

static char block[BLOCK];
static char path[128];
static int file = -1;
static struct sigaction old_action;

static int run_getpid(uint64_t n)
{
    while (n--)
        syscall(SYS_getpid);
    return 0;
}

static int run_clock(uint64_t n)
{
    struct timespec t;

    while (n--)
        clock_gettime(CLOCK_MONOTONIC, &t);
    row_sink = (uint64_t)t.tv_nsec;
    return 0;
}

/* A name on a tmpfs: guest, native host and gVisor all have one here. */
static int setup_path(void)
{
    snprintf(path, sizeof(path), "/dev/shm/bench-guest.%ld", (long)getpid());
    memset(block, 'x', sizeof(block));
    return 0;
}

static int setup_file(void)
{
    setup_path();
    file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return row_errno();
    unlink(path);
    for (unsigned i = 0; i < FILE_BLOCKS; i++) {
        if (write(file, block, sizeof(block)) != (ssize_t)sizeof(block)) {
            int rc = row_errno();

            close(file);
            return rc;
        }
    }
    return 0;
}

static void done_file(void)
{
    close(file);
    file = -1;
}

static int run_pread(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (pread(file, block, BLOCK, (off_t)(i % FILE_BLOCKS * BLOCK)) != (ssize_t)BLOCK)
            return row_errno();
    return 0;
}

/* Create, write 4 KiB, close, unlink. */
static int run_file(uint64_t n)
{
    while (n--) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        ssize_t written;

        if (fd < 0)
            return row_errno();
        written = write(fd, block, BLOCK);
        close(fd);
        if (unlink(path) || written != (ssize_t)BLOCK)
            return row_errno();
    }
    return 0;
}

/* Open, read to the end, close. */
static int read_all(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return row_errno();
    do {
        got = read(fd, block, sizeof(block));
    } while (got > 0);
    close(fd);
    return got < 0 ? row_errno() : 0;
}

static int run_proc(uint64_t n)
{
    int rc = 0;

    while (n-- && !rc)
        rc = read_all("/proc/self/status");
    return rc;
}

static void on_signal(int number)
{
    row_sink = (uint64_t)number;
}

static int setup_signal(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    return sigaction(SIGUSR1, &action, &old_action) ? row_errno() : 0;
}

static void done_signal(void)
{
    sigaction(SIGUSR1, &old_action, NULL);
}

static int run_signal(uint64_t n)
{
    while (n--)
        if (raise(SIGUSR1))
            return row_errno();
    return 0;
}

const struct row system_rows[] = {
    {"getpid", "call", 1, NULL, run_getpid, NULL},
    {"clock", "call", 1, NULL, run_clock, NULL},
    {"pread", "4 KiB", 1, setup_file, run_pread, done_file},
    {"signal", "signal", 1, setup_signal, run_signal, done_signal},
    {"file", "file", 1, setup_path, run_file, NULL},
    {"proc", "read", 1, NULL, run_proc, NULL},
    {0},
};
