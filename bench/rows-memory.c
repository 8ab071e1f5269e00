/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows-memory.c - rows about page faults, mappings and the speed of memory.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "row.h"

#define PAGE 4096u
#define LINE 64u
#define TOUCHED_PAGES 2048u
#define BUFFER (64u << 20)
#define COPY_HALF (BUFFER / 2)
#define LINES (BUFFER / LINE)
#define CHASE_STEPS 4096u

static char *buffer;

/* Map, write one byte to each page, unmap: faults, zeroed pages, and giving them back. */
static int run_touch(uint64_t n)
{
    while (n--) {
        char *p = row_map((size_t)TOUCHED_PAGES * PAGE);

        if (!p)
            return row_errno();
        for (size_t i = 0; i < TOUCHED_PAGES; i++)
            p[i * PAGE] = 1;
        munmap(p, (size_t)TOUCHED_PAGES * PAGE);
    }
    return 0;
}

/* A small mapping that is used once, as allocators and loaders make them. */
static int run_mmap(uint64_t n)
{
    while (n--) {
        char *p =
            mmap(NULL, 16u * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
            return row_errno();
        p[0] = 1;
        munmap(p, 16u * PAGE);
    }
    return 0;
}

static int run_mprotect(uint64_t n)
{
    while (n--)
        if (mprotect(buffer, PAGE, PROT_READ) || mprotect(buffer, PAGE, PROT_READ | PROT_WRITE))
            return row_errno();
    return 0;
}

static int setup_buffer(void)
{
    buffer = row_map(BUFFER);
    if (!buffer)
        return row_errno();
    memset(buffer, 1, BUFFER);
    return 0;
}

static void done_buffer(void)
{
    munmap(buffer, BUFFER);
    buffer = NULL;
}

static int run_read(uint64_t n)
{
    uint64_t sum = 0;

    while (n--) {
        const uint64_t *p = (const uint64_t *)(void *)buffer;

        for (size_t i = 0; i < BUFFER / sizeof(*p); i += 4)
            sum += p[i] + p[i + 1] + p[i + 2] + p[i + 3];
        row_sink = sum;
    }
    return 0;
}

static int run_copy(uint64_t n)
{
    while (n--) {
        memcpy(buffer, buffer + COPY_HALF, COPY_HALF);
        row_sink = (uint64_t)buffer[0];
    }
    return 0;
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint32_t *chase_line(uint32_t i)
{
    return (uint32_t *)(void *)(buffer + (size_t)i * LINE);
}

/* One cycle through all lines of the buffer in random order (Sattolo's shuffle). */
static int setup_chase(void)
{
    uint64_t state = 0x9e3779b97f4a7c15;
    int rc = setup_buffer();

    if (rc)
        return rc;
    for (uint32_t i = 0; i < LINES; i++)
        *chase_line(i) = i;
    for (uint32_t i = LINES - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(random_next(&state) % i), t = *chase_line(i);

        *chase_line(i) = *chase_line(j);
        *chase_line(j) = t;
    }
    return 0;
}

/* Each access waits for the one before: cache and TLB misses at their full price. */
static int run_chase(uint64_t n)
{
    static uint32_t at;

    while (n--)
        for (unsigned i = 0; i < CHASE_STEPS; i++)
            at = *chase_line(at);
    row_sink = at;
    return 0;
}

const struct row memory_rows[] = {
    {"page-touch", "page", TOUCHED_PAGES, NULL, run_touch, NULL},
    {"mmap", "mapping", 1, NULL, run_mmap, NULL},
    {"mprotect", "change", 2, setup_buffer, run_mprotect, done_buffer},
    {"mem-read", "KiB", BUFFER >> 10, setup_buffer, run_read, done_buffer},
    {"mem-copy", "KiB", COPY_HALF >> 10, setup_buffer, run_copy, done_buffer},
    {"mem-random", "access", CHASE_STEPS, setup_chase, run_chase, done_buffer},
    {0},
};
