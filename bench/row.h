/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * row.h - one row of the benchmark: something that can be done n times.
 *
 * A row's time is measured over run() alone and divided by n * per_iteration, so run() does
 * nothing but the work. Rows use 4 KiB pages only: a PV guest has no larger ones, and a
 * native process that got huge pages would be measured at something else.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

struct row {
    const char *name;
    const char *unit;       /* what one operation is, as in "ns per ..." */
    uint32_t per_iteration; /* operations in one iteration of run() */
    /* Prepare; 0, or -errno: -ENOTSUP when this machine cannot run the row. May be NULL. */
    int (*setup)(void);
    /* Do n iterations; 0 or -errno. */
    int (*run)(uint64_t n);
    /* Undo setup(), which has succeeded. May be NULL. */
    void (*done)(void);
};

/* The rows of each file, ended by one without a name. */
extern const struct row system_rows[];
extern const struct row process_rows[];
extern const struct row memory_rows[];
extern const struct row cpu_rows[];
extern const struct row disk_rows[];
extern const struct row net_rows[];

/* The host's end of net_rows: prints its port and serves until it is killed. Exit status. */
int net_serve(const char *address);

/* Path of this program, which fork+exec starts with ROW_NOTHING as its argument. */
extern const char *row_self;
#define ROW_NOTHING "--nothing"

/* Results go here, so that no loop can be left out by the compiler. */
extern volatile uint64_t row_sink;

/* `size` bytes of private zeroed memory in 4 KiB pages, none of them touched; NULL on failure. */
void *row_map(size_t size);

/* Put this process on the CPU that it is on, as a guest with one vCPU is; row_unpin() frees it.
 * Failure is no error: where this is not to be had, there is nothing to pin to. */
void row_pin(void);
void row_unpin(void);

/* -errno of the call that has just failed; never 0. */
static inline int row_errno(void)
{
    return errno ? -errno : -EIO;
}
