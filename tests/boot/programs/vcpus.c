/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpus.c - threads of one address space on several virtual CPUs: memory that is taken away while
 * others use it, atomics and futexes between them, code that one writes and others call, copy on
 * write while others write, floating point through it all. Prints "ok NAME" or what was wrong.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define MAX_THREADS 8

static int nr_threads;
static atomic_ulong errors;
static atomic_bool stop;

static void run_threads(const char *name, void *(*body)(void *), void (*driver)(void))
{
    pthread_t threads[MAX_THREADS];

    stop = false;
    for (long i = 0; i < nr_threads; i++)
        pthread_create(&threads[i], NULL, body, (void *)i);
    if (driver)
        driver();
    for (int i = 0; i < nr_threads; i++)
        pthread_join(threads[i], NULL);
    printf("%s %s\n", errors ? "not ok" : "ok", name);
    fflush(stdout);
}

/* ---- counters under a mutex and by atomics ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long plain;
static atomic_ulong atomic;

static void *count(void *arg)
{
    double x = (double)(long)arg + 1;

    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&mutex);
        plain++;
        pthread_mutex_unlock(&mutex);
        atomic++;
        x = x * 1.25 - x * 0.25; /* stays what it is, but for rounding */
    }
    if (x < (double)(long)arg + 0.999 || x > (double)(long)arg + 1.001)
        errors++;
    return NULL;
}

static void check_counts(void)
{
    run_threads("counters", count, NULL);
    if (plain != 5000ul * (unsigned long)nr_threads || atomic != plain)
        printf("not ok counters: %lu and %lu\n", plain, (unsigned long)atomic);
}

/* ---- memory that loses its rights ---- */

static unsigned char *area;
static atomic_ulong writes;
static _Thread_local sigjmp_buf caught;

static void on_segv(int sig)
{
    siglongjmp(caught, 1);
}

/* Writes whenever it may. What it writes after the page was protected must not arrive. */
static void *scribble(void *arg)
{
    volatile unsigned long *word = (volatile unsigned long *)area + 1 + (long)arg;

    while (!stop) {
        if (!sigsetjmp(caught, 1)) {
            *word += 1;
            writes++;
        } else {
            sched_yield();
        }
    }
    return NULL;
}

static void protect_and_look(void)
{
    for (int i = 0; i < 30; i++) {
        unsigned char before[64];
        unsigned long had = writes;

        mprotect(area, PAGE, PROT_READ);
        memcpy(before, area, sizeof(before));
        for (int k = 0; k < 20; k++)
            sched_yield();
        if (memcmp(before, area, sizeof(before)))
            errors++;
        mprotect(area, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
        while (writes == had)
            sched_yield();
    }
    stop = true;
}

/* ---- pages that come and go ---- */

static void *map_and_unmap(void *arg)
{
    unsigned char mark = (unsigned char)((long)arg + 1);

    for (int i = 0; i < 30; i++) {
        unsigned char *p =
            mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        for (int k = 0; k < 16; k++) {
            if (p[k * PAGE])
                errors++; /* somebody else's old page */
            p[k * PAGE] = mark;
        }
        for (int k = 0; k < 16; k++)
            if (p[k * PAGE] != mark)
                errors++;
        munmap(p, 16 * PAGE);
    }
    return NULL;
}

/* ---- fork while threads write ---- */

static void *bump(void *arg)
{
    volatile unsigned long *word = (volatile unsigned long *)area + 8 * (1 + (long)arg);
    unsigned long mine = 0;

    *word = 0;
    while (!stop) {
        *word = ++mine;
        if (*word != mine)
            errors++;
    }
    return NULL;
}

static void fork_and_compare(void)
{
    for (int i = 0; i < 30; i++) {
        pid_t pid = fork();

        if (!pid) {
            unsigned char copy[512];

            memcpy(copy, area, sizeof(copy));
            usleep(1000);
            _exit(memcmp(copy, area, sizeof(copy)) != 0); /* the parent writes to its own */
        } else {
            int status = -1;

            waitpid(pid, &status, 0);
            if (status)
                errors++;
        }
    }
    stop = true;
}

/* ---- code ---- */

static atomic_ulong version;

static void *call_code(void *arg)
{
    while (!stop) {
        unsigned long least = version;
        unsigned int got = ((unsigned int (*)(void))(uintptr_t)(area + 3))();

        if (got < least)
            errors++;
    }
    return NULL;
}

/* mov $version, %eax; ret, the number aligned, so that it changes at once. */
static void write_code(void)
{
    for (unsigned int i = 1; i <= 50; i++) {
        __atomic_store_n((unsigned int *)(area + 4), i, __ATOMIC_SEQ_CST);
        mprotect(area, PAGE, PROT_READ | PROT_EXEC); /* serialises them all */
        mprotect(area, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
        version = i;
    }
    stop = true;
}

int main(void)
{
    nr_threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (nr_threads > MAX_THREADS)
        nr_threads = MAX_THREADS;
    area = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("%d threads\n", nr_threads);
    check_counts();
    signal(SIGSEGV, on_segv);
    run_threads("protection", scribble, protect_and_look);
    signal(SIGSEGV, SIG_DFL);
    run_threads("pages", map_and_unmap, NULL);
    memset(area, 0, PAGE);
    run_threads("fork", bump, fork_and_compare);
    memset(area, 0, PAGE);
    area[3] = 0xb8;
    area[8] = 0xc3;
    run_threads("code", call_code, write_code);
    return errors != 0;
}
