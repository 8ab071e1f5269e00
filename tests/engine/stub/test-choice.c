/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-choice.c - where a program runs (choice.h), played against programs made of numbers: how
 * long they take from stop to stop either way.
 */
#include "engine/soft/vcpu/choice.h"

#include <stdarg.h>
#include <stdio.h>

struct program {
    uint32_t stub, local; /* ticks from one stop to the next */
    bool fails;           /* translated, it always ends in a stub */
};

#define TICKS_PER_MS 2500000u

static int tests, failures;
static uint64_t now;
static uint32_t seed = 1;

static void PRINTF_FMT(2, 3) ok(bool cond, const char *fmt, ...)
{
    va_list ap;

    printf("%s %d - ", cond ? "ok" : "not ok", ++tests);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    failures += !cond;
}

/* Let it stop n times. Returns how often it ran in V, in percent. */
static unsigned int play(struct choice *c, const struct program *p, unsigned int n)
{
    unsigned int local = 0;

    for (unsigned int i = 0; i < n; i++) {
        bool here = choice_now(c) == WAY_LOCAL;
        uint32_t ticks = here ? p->local : p->stub;

        seed = seed * 1664525 + 1013904223;
        local += here;
        ticks += (seed >> 8) % (ticks / 4 + 1);
        if (!(seed >> 8 & 31)) /* the host does something else */
            ticks += 50000;
        now += ticks;
        choice_result(c, now, ticks, here && p->fails ? CHOICE_COMPUTES : CHOICE_STOPPED);
    }
    return local * 100 / n;
}

int main(void)
{
    static const struct program calls = {2000, 500, false}, busy_host = {20000, 500, false},
                                work = {4000, 9000, false}, computes = {300000, 300000, true},
                                even = {1000, 1000, false};
    static const struct choice in_stub = {.way = WAY_STUB}, in_v = {.way = WAY_LOCAL};
    struct choice c, child;
    unsigned int share;
    uint64_t back;

    choice_init(&c, &in_stub, TICKS_PER_MS);
    share = play(&c, &calls, 10000);
    ok(share > 95, "does little between two system calls: in V (%u %%)", share);
    choice_init(&child, &c, TICKS_PER_MS);
    share = play(&child, &calls, CHOICE_PROBE + CHOICE_WINDOW);
    ok(share == 100, "so does what it has forked, and does not ask at once (%u %%)", share);
    share = play(&c, &work, 10000);
    ok(share < 10, "then more: in a stub (%u %%)", share);
    share = play(&c, &busy_host, 20000);
    ok(share > 50, "little again, on a host where hand-overs are dear: in V (%u %%)", share);
    share = play(&c, &computes, 1000);
    ok(share < 10, "computes: in a stub (%u %%)", share);
    share = play(&c, &computes, 10000);
    ok(share < 2, "goes on computing: hardly tried any more (%u %%)", share);
    choice_init(&c, &in_stub, TICKS_PER_MS);
    share = play(&c, &even, 10000);
    ok(share < 10, "no difference: stays (%u %%)", share);
    choice_init(&c, &in_v, TICKS_PER_MS);
    ok(choice_now(&c) == WAY_LOCAL, "begins where its maker was");
    share = play(&c, &computes, 100);
    ok(share < 30, "and leaves if that is wrong (%u %%)", share);
    choice_init(&c, &in_stub, TICKS_PER_MS);
    for (int i = 0; i < 80; i++) {
        bool here = choice_now(&c) == WAY_LOCAL;

        uint32_t ticks = !here ? 2000 : i < 40 ? 9000 : 500;

        now += ticks;
        choice_result(&c, now, ticks, here && i < 40 ? CHOICE_IS_COLD : CHOICE_STOPPED);
    }
    share = play(&c, &calls, 1000);
    ok(share > 90, "code that was new at first is not held against it (%u %%)", share);
    choice_init(&c, &in_stub, TICKS_PER_MS);
    play(&c, &calls, 1000000);
    play(&c, &computes, 2 * CHOICE_WINDOW);
    back = now;
    while (choice_now(&c) == WAY_STUB || c.probing)
        play(&c, &calls, 1);
    back = (now - back) / TICKS_PER_MS;
    ok(back < 2 * CHOICE_COMPUTE_MS, "has computed for a moment: soon in V again (%u ms)",
       (unsigned int)back);
    printf("1..%d\n", tests);
    return failures != 0;
}
