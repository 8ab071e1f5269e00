/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * arena.h - many small allocations that live and die together. An allocation of the host's
 * last byte ends the process: callers bound what they ask for (arena_used()).
 */
#pragma once

#include "base/types.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* zero = empty arena */
    size_t used;
};

void *arena_alloc(struct arena *a, size_t n); /* zeroed, 16-aligned, never NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_FMT(2, 3);
/* Bytes handed out so far. */
size_t arena_used(const struct arena *a);
void arena_done(struct arena *a);
