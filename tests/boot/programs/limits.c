/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * limits.c - more of everything than an engine has room for at once: processes, areas, areas in
 * no order, pages, code that is new, address spaces that end soon. Each part checks what it made
 * and prints "NAME ok".
 *
 *   limits processes N | areas N | scattered N | churn N | code N | spaces N
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define CODE_PAGES 64

static _Noreturn void fail(const char *what, long n)
{
    printf("%s %ld: %s\n", what, n, strerror(errno));
    exit(1);
}

static uint64_t hash(uint64_t n)
{
    n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9;
    return n ^ n >> 27;
}

static unsigned char child_main(int go, uint64_t id)
{
    volatile uint64_t own = hash(id);
    char byte;

    while (read(go, &byte, 1) < 0 && errno == EINTR)
        continue;
    return own == hash(id) ? (unsigned char)hash(id) % 100 : 255;
}

/* All alive at once; each must still be itself when it is woken. */
static void processes(long n)
{
    pid_t *pids = calloc((size_t)n, sizeof(*pids));
    int go[2], status;

    if (!pids || pipe(go))
        fail("pipe", 0);
    for (long i = 0; i < n; i++) {
        pids[i] = fork();
        if (!pids[i]) {
            close(go[1]);
            _exit(child_main(go[0], (uint64_t)i));
        }
        if (pids[i] < 0)
            fail("fork", i);
    }
    close(go[1]); /* all of them read the end */
    for (long i = 0; i < n; i++) {
        if (waitpid(pids[i], &status, 0) != pids[i])
            fail("wait", i);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != (unsigned char)hash((uint64_t)i) % 100)
            fail("child", i);
    }
}

static void check_pages(uint64_t *const *pages, long n)
{
    for (long i = 0; i < n; i++)
        if (pages[i][i % 512] != hash((uint64_t)i))
            fail("page", i);
    for (long i = n; i-- > 0;)
        if (pages[i][i % 512] != hash((uint64_t)i))
            fail("page, backwards", i);
}

/* Every other page has other rights, so that the areas do not merge. */
static void areas(long n)
{
    uint64_t **pages = calloc((size_t)n, sizeof(*pages));

    for (long i = 0; i < n; i++) {
        uint8_t *p = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED || mprotect(p, PAGE, PROT_READ | PROT_WRITE))
            fail("area", i);
        pages[i] = (uint64_t *)p;
        pages[i][i % 512] = hash((uint64_t)i);
    }
    check_pages(pages, n);
    for (long i = 0; i < n; i++)
        munmap(pages[i], 2 * PAGE);
}

/* The pages of a file, one by one in no order, next to each other. */
static void scattered(long n)
{
    uint64_t **pages = calloc((size_t)n, sizeof(*pages));
    uint8_t *base = mmap(NULL, (size_t)n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = memfd_create("pages", 0);
    long step = 7919; /* prime to n */

    if (base == MAP_FAILED || fd < 0 || ftruncate(fd, n * (long)PAGE))
        fail("file", 0);
    for (long i = 0; i < n; i++) {
        long at = i * step % n;

        pages[i] = mmap(base + (uint64_t)i * PAGE, PAGE, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_FIXED, fd, at * (long)PAGE);
        if (pages[i] == MAP_FAILED)
            fail("mapping", i);
        pages[i][i % 512] = hash((uint64_t)i);
    }
    check_pages(pages, n);
}

/* Memory comes and goes. */
static void churn(long n)
{
    for (long i = 0; i < n; i++) {
        size_t size = (1 + hash((uint64_t)i) % 64) * PAGE;
        uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
            fail("churn", i);
        for (size_t at = 0; at < size; at += PAGE)
            p[at] = (uint8_t)i;
        if (p[size - PAGE] != (uint8_t)i)
            fail("churn: page", i);
        munmap(p, size);
    }
}

/* Functions that are written anew before each call, in pages that move now and then. */
static void code(long n)
{
    const int rwx = PROT_READ | PROT_WRITE | PROT_EXEC;
    uint8_t *pages[CODE_PAGES] = {NULL};

    for (long i = 0; i < n; i++) {
        uint64_t h = hash((uint64_t)i);
        uint32_t want = (uint32_t)h, got;
        uint8_t **page = &pages[h >> 32 & (CODE_PAGES - 1)], *at;

        if (*page && h >> 60 == 0) {
            munmap(*page, PAGE);
            *page = NULL;
        }
        if (!*page)
            *page = mmap(NULL, PAGE, rwx, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (*page == MAP_FAILED)
            fail("code", i);
        at = *page + (h >> 40) % (PAGE - 16);
        at[0] = 0xb8; /* mov eax, want; ret */
        memcpy(at + 1, &want, sizeof(want));
        at[5] = 0xc3;
        got = ((uint32_t(*)(void))(uintptr_t)at)();
        if (got != want)
            fail("code: result", i);
    }
}

/* Programs that write a page and end. */
static void spaces(long n)
{
    for (long i = 0; i < n; i++) {
        pid_t pid = fork();
        int status;

        if (pid < 0)
            fail("fork", i);
        if (!pid) {
            volatile uint64_t own = hash((uint64_t)i);

            _exit((int)(own % 100));
        }
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
            WEXITSTATUS(status) != (int)(hash((uint64_t)i) % 100))
            fail("child", i);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(long n);
    } parts[] = {
        {"processes", processes}, {"areas", areas}, {"scattered", scattered},
        {"churn", churn},         {"code", code},   {"spaces", spaces},
    };

    for (size_t i = 0; argc == 3 && i < sizeof(parts) / sizeof(*parts); i++)
        if (!strcmp(argv[1], parts[i].name)) {
            parts[i].run(atol(argv[2]));
            printf("%s ok\n", argv[1]);
            return 0;
        }
    return 2;
}
