/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crash-recursion - claim: a kernel whose recursion runs off its stack ends as a crashed
 * domain, at once: the page fault's own frame has no place.
 */
#include "guest.h"

static volatile bool enough;

static __attribute__((noinline)) uint64_t recurse(uint64_t depth)
{
    volatile uint64_t locals[8] = {depth};

    return enough ? 0 : recurse(depth + 1) + locals[depth & 7];
}

void test_main(void)
{
    static const uint64_t stack = 0xffffc90000000000;

    print("expecting a crash\n");
    for (unsigned int i = 1; i < 5; i++) /* the page below is missing */
        map(stack + i * PAGE_SIZE, va_to_mfn(page_alloc()), PTE_P | PTE_RW);
    asm volatile("mov %[stack], %%rsp\n call *%[function]"
                 :
                 : [stack] "r"(stack + 5 * PAGE_SIZE), [function] "r"(recurse), "D"(0)
                 : "memory");
    failure("the recursion came to an end");
}
