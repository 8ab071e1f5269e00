/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * low_memory - memory at the lowest addresses that Linux gives away is a program's like any other:
 * new pages are 0 before they are touched, also in a child and in a thread that runs meanwhile, and
 * hold what is written to them.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (1ul << 20)

static size_t count_other(const unsigned char *p, unsigned char than)
{
    size_t n = 0;

    for (size_t i = 0; i < SIZE; i++)
        n += p[i] != than;
    return n;
}

/* NULL: it is not to be had there. */
static unsigned char *new_memory(unsigned long at)
{
    void *p = mmap((void *)at, SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    return p == (void *)at ? p : NULL;
}

static size_t wrong_at(unsigned long at)
{
    unsigned char *p = new_memory(at);
    size_t wrong;
    int status = 0;

    if (!p)
        return SIZE;
    if (!fork())
        _exit(count_other(p, 0) != 0);
    wait(&status);
    wrong = count_other(p, 0) + (size_t)status;
    memset(p, 0xa5, SIZE);
    wrong += count_other(p, 0xa5);
    munmap(p, SIZE);
    return wrong;
}

static const unsigned char *_Atomic shown;
static atomic_bool spins;

/* Reads new memory without having made a system call since before it was there. */
static void *read_on(void *arg)
{
    const unsigned char *p;

    spins = true;
    while (!(p = shown))
        continue;
    *(size_t *)arg = count_other(p, 0);
    return NULL;
}

static size_t wrong_in_thread(void)
{
    unsigned char *p;
    size_t wrong = SIZE;
    pthread_t thread;

    if (pthread_create(&thread, NULL, read_on, &wrong))
        return SIZE;
    while (!spins)
        continue;
    p = new_memory(0x10000);
    if (!p)
        return SIZE;
    shown = p;
    pthread_join(thread, NULL);
    return wrong;
}

/* In a process that has asked for nothing of the kind before. */
static size_t wrong_in_child(size_t (*count)(void))
{
    int status = 0;

    if (!fork())
        _exit(count() != 0);
    wait(&status);
    return status != 0;
}

/* Beside low memory, up to 1 GiB. */
static size_t wrong_beside(void)
{
    size_t wrong = 0;
    unsigned char *low = new_memory(0x10000);

    for (unsigned long at = 0x3fd00000; at < 0x40000000; at += 0x20000) {
        unsigned char *p = new_memory(at);

        for (size_t i = SIZE; p && i; i -= 4096) /* from its end */
            wrong += p[i - 4096] != 0;
        wrong += !p;
        munmap(p, SIZE);
    }
    munmap(low, SIZE);
    return wrong;
}

int main(void)
{
    size_t wrong = wrong_in_child(wrong_beside);

    for (int i = 0; i < 20; i++)
        wrong += wrong_in_child(wrong_in_thread);
    for (int i = 0; i < 20; i++)
        for (unsigned long at = 0x10000; at <= 0x40000; at += 0x8000)
            wrong += wrong_at(at);
    if (wrong)
        printf("%zu bytes are wrong, or as many children\n", wrong);
    else
        puts("low_memory ok");
    return wrong != 0;
}
