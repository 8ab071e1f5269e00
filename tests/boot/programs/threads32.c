/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * threads32.c - threads and children of a 32-bit program (gcc -m32 -static -pthread): each has a
 * segment of its own behind gs, whose selector the C library reads. Prints "threads32 ok".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS 500
#define FORKS 100

static __thread unsigned int mine;
static __thread char text[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int total;

static unsigned int gs_selector(void)
{
    unsigned int sel;

    __asm__ volatile("mov %%gs, %0" : "=r"(sel));
    return sel & 0xffff;
}

/* The first word of the thread's control block points to itself. */
static void *gs_zero(void)
{
    void *p;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(p));
    return p;
}

static void fail(const char *what)
{
    printf("%s\n", what);
    exit(1);
}

static void *thread(void *arg)
{
    unsigned int id = (unsigned int)(unsigned long)arg, selector = gs_selector();

    snprintf(text, sizeof(text), "thread %u", id);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        mine += id;
        if (i % 16 == 0)
            sched_yield();
        errno = 0;
        if (close(-1) != -1 || errno != EBADF)
            fail("errno of a thread");
        if (gs_zero() != (void *)pthread_self() || gs_selector() != selector)
            fail("gs of a thread");
    }
    if (mine != id * ROUNDS || (unsigned int)atoi(text + 7) != id)
        fail("thread-local variables");
    pthread_mutex_lock(&lock);
    total += mine;
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* A segment of the program's own beside the C library's, with a limit. */
static void own_segment(void)
{
    struct {
        unsigned int entry, base, limit, flags;
    } d = {~0u, 0, sizeof(text) - 1, 1 | 1 << 6};
    unsigned int value;

    d.base = (unsigned int)(unsigned long)text;
    if (syscall(SYS_set_thread_area, &d))
        fail("set_thread_area");
    memcpy(text, "\x78\x56\x34\x12", 4);
    __asm__ volatile("mov %1, %%fs\n mov %%fs:0, %0\n" : "=r"(value) : "r"(d.entry << 3 | 3));
    if (value != 0x12345678)
        fail("a segment of its own");
    sched_yield();
    __asm__ volatile("mov %%fs, %0" : "=r"(value));
    if ((value & 0xffff) != (d.entry << 3 | 3))
        fail("the selector of a segment of its own");
}

/* Each child begins in a new address space, with the selectors of its parent. */
static void forks(void)
{
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        int status = 0;

        if (!pid)
            _exit(gs_zero() == (void *)pthread_self() ? i % 100 : 255);
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != i % 100)
            fail("a child");
    }
}

int main(void)
{
    pthread_t threads[THREADS];

    own_segment();
    forks();
    for (unsigned long i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, thread, (void *)(i + 1)))
            fail("pthread_create");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    if (total != ROUNDS * THREADS * (THREADS + 1) / 2)
        fail("the threads' sum");
    printf("threads32 ok\n");
    return 0;
}
