/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * low_memory - memory at the lowest addresses that Linux gives away is a program's like any other:
 * new pages are 0 before they are touched, also in a child, and hold what is written to them.
 */
#define _GNU_SOURCE
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

static size_t wrong_at(unsigned long at)
{
    unsigned char *p = mmap((void *)at, SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    size_t wrong;
    int status = 0;

    if (p != (void *)at)
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

int main(void)
{
    size_t wrong = 0;

    for (int i = 0; i < 20; i++)
        for (unsigned long at = 0x10000; at <= 0x40000; at += 0x8000)
            wrong += wrong_at(at);
    if (wrong)
        printf("%zu bytes are wrong\n", wrong);
    else
        puts("low_memory ok");
    return wrong != 0;
}
