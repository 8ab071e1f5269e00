/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * credit.h - does it pay to wait awake for what often comes soon, rather than to sleep and be
 * woken? It does if it came in time, lately; now and then it is tried again. Freestanding.
 */
#pragma once

#include "base/types.h"

struct credit {
    int left;         /* > 0: wait awake */
    uint32_t skipped; /* times that it was not tried */
};

#define CREDIT_MAX 4
#define CREDIT_RETRY 16 /* times without it before it is tried again */
#define CREDIT_INIT ((struct credit){.left = CREDIT_MAX})

static inline bool credit_left(const struct credit *c)
{
    return c->left > 0;
}

/* What was awaited has come in time or not; not, too, where nobody waited awake for it. */
static inline void credit_note(struct credit *c, bool in_time)
{
    if (in_time)
        c->left += c->left < CREDIT_MAX;
    else if (c->left > 0)
        c->left -= 2;
    else if (++c->skipped % CREDIT_RETRY == 0)
        c->left = 1;
}
