/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz_input.h - a fuzzer's input, taken piece by piece, and what must hold whatever it is.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"

/* Ends the program, as a finding, if it does not hold. */
static inline void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "violated: %s\n", what);
    abort();
}

struct input {
    const uint8_t *at;
    size_t left;
};

/* Bytes of the input; zeros behind its end. */
static inline void take(struct input *in, void *to, size_t n)
{
    size_t have = n < in->left ? n : in->left;

    memset(to, 0, n);
    memcpy(to, in->at, have);
    in->at += have;
    in->left -= have;
}

/* `bytes`: 4 at most. */
static inline uint32_t take_number(struct input *in, size_t bytes)
{
    uint32_t n = 0;

    take(in, &n, bytes);
    return n;
}
