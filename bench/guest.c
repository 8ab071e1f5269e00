/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c - benchmark program: the same static file runs natively, in our guest and in others.
 *
 * Each row is calibrated to a time per repetition, repeated, and printed as one line of JSON as
 * soon as it is done. bench/run starts it, collects the lines and compares.
 *
 *     guest [--rows A,B] [--ms MILLISECONDS] [--reps N] [--list]
 *     guest --serve ADDRESS   the host's end of the rows about the network
 */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "row.h"

#define REPS_MAX 25
#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u
/* Shorter than this says too little to calibrate by. */
#define CALIBRATION_PART 8

const char *row_self;
volatile uint64_t row_sink;

static const struct row *const row_tables[] = {system_rows, process_rows, memory_rows,
                                               cpu_rows,    disk_rows,    net_rows};
#define TABLES (sizeof(row_tables) / sizeof(row_tables[0]))

static cpu_set_t unpinned;

struct options {
    const char *rows; /* comma separated; NULL: all */
    uint64_t rep_ns;  /* wanted time of one repetition */
    unsigned reps;
};

void *row_map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    /* Kernels without huge pages refuse this, which is as good. */
    (void)madvise(p, size, MADV_NOHUGEPAGE);
    return p;
}

void row_pin(void)
{
    cpu_set_t one;
    int cpu = sched_getcpu();

    if (cpu < 0 || cpu >= CPU_SETSIZE)
        return;
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    (void)sched_setaffinity(0, sizeof(one), &one);
}

void row_unpin(void)
{
    (void)sched_setaffinity(0, sizeof(unpinned), &unpinned);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Time of n iterations in `ns`; at least 1. */
static int row_time(const struct row *row, uint64_t n, uint64_t *ns)
{
    uint64_t start = now_ns();
    int rc = row->run(n);

    *ns = now_ns() - start;
    if (*ns == 0)
        *ns = 1;
    return rc;
}

/* Iterations that take about `rep_ns`. The runs made for it also warm everything up. */
static int row_calibrate(const struct row *row, uint64_t rep_ns, uint64_t *iterations)
{
    uint64_t n = 1, ns;
    int rc;

    for (;;) {
        rc = row_time(row, n, &ns);
        if (rc)
            return rc;
        if (ns >= rep_ns / CALIBRATION_PART)
            break;
        /* By at most 16, as the first runs are slow for reasons that pass. */
        n *= ns > rep_ns / CALIBRATION_PART / 16 ? 2 : 16;
    }
    n = (uint64_t)((double)n * (double)rep_ns / (double)ns);
    *iterations = n ? n : 1;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int row_measure(const struct row *row, const struct options *o)
{
    double values[REPS_MAX], sorted[REPS_MAX];
    uint64_t n, ns;
    int rc;

    rc = row_calibrate(row, o->rep_ns, &n);
    if (rc)
        return rc;
    for (unsigned i = 0; i < o->reps; i++) {
        rc = row_time(row, n, &ns);
        if (rc)
            return rc;
        values[i] = (double)ns / ((double)n * row->per_iteration);
    }
    memcpy(sorted, values, sizeof(values[0]) * o->reps);
    qsort(sorted, o->reps, sizeof(sorted[0]), by_value);
    printf("{\"row\": \"%s\", \"unit\": \"%s\", \"iterations\": %llu, \"ns\": %.4f, \"reps\": [",
           row->name, row->unit, (unsigned long long)n, sorted[o->reps / 2]);
    for (unsigned i = 0; i < o->reps; i++)
        printf("%s%.4f", i ? ", " : "", values[i]);
    puts("]}");
    return 0;
}

/* Whether `name` is in a comma-separated list. */
static bool name_listed(const char *list, const char *name)
{
    size_t length = strlen(name);

    for (const char *p = list; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (!strncmp(p, name, length) && (p[length] == ',' || p[length] == '\0'))
            return true;
    }
    return false;
}

/* Measure one row and print its line, whatever became of it. */
static int row_do(const struct row *row, const struct options *o)
{
    int rc = row->setup ? row->setup() : 0;

    if (!rc) {
        rc = row_measure(row, o);
        if (row->done)
            row->done();
    }
    if (rc)
        printf("{\"row\": \"%s\", \"%s\": \"%s\"}\n", row->name,
               rc == -ENOTSUP ? "skipped" : "error",
               rc == -ENOTSUP ? "not on this machine" : strerror(-rc));
    fflush(stdout);
    return rc == -ENOTSUP ? 0 : rc;
}

static int usage(void)
{
    fputs("usage: guest [--rows A,B] [--ms MILLISECONDS] [--reps N] [--list]\n", stderr);
    return 2;
}

/* A whole decimal number in [1, max]; 0 if it is none. */
static unsigned long number(const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    return *end == '\0' && value <= max ? value : 0;
}

static void rows_list(void)
{
    for (size_t t = 0; t < TABLES; t++)
        for (const struct row *row = row_tables[t]; row->name; row++)
            printf("%s\n", row->name);
}

static int rows_do(const struct options *o)
{
    int failed = 0;

    for (size_t t = 0; t < TABLES; t++)
        for (const struct row *row = row_tables[t]; row->name; row++)
            if (!o->rows || name_listed(o->rows, row->name))
                failed |= row_do(row, o) != 0;
    return failed;
}

int main(int argc, char **argv)
{
    struct options o = {.rep_ns = 250ull * NS_PER_MS, .reps = 3};
    uint64_t start;
    int failed;

    if (argc == 2 && !strcmp(argv[1], ROW_NOTHING))
        return 0;
    row_self = argv[0];
    (void)sched_getaffinity(0, sizeof(unpinned), &unpinned);
    if (argc == 2 && !strcmp(argv[1], "--list")) {
        rows_list();
        return 0;
    }
    if (argc == 3 && !strcmp(argv[1], "--serve"))
        return net_serve(argv[2]);
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            return usage();
        if (!strcmp(argv[i], "--rows"))
            o.rows = argv[i + 1];
        else if (!strcmp(argv[i], "--ms"))
            o.rep_ns = number(argv[i + 1], 60000) * (uint64_t)NS_PER_MS;
        else if (!strcmp(argv[i], "--reps"))
            o.reps = (unsigned)number(argv[i + 1], REPS_MAX);
        else
            return usage();
    }
    if (!o.rep_ns || !o.reps)
        return usage();
    /* The host compares this with its own clock: a guest whose time runs wrong measures wrong. */
    puts("{\"begin\": true}");
    fflush(stdout);
    start = now_ns();
    failed = rows_do(&o);
    printf("{\"end\": true, \"seconds\": %.6f}\n", (double)(now_ns() - start) / NS_PER_S);
    return failed;
}
