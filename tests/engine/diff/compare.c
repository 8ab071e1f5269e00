/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * compare.c - see compare.h. Accepted differences: the U bit of page-fault errors (the
 * personality adds it), which of two faults of a misaligned operand in an unmapped or not
 * canonical place comes, TF, x87 instruction and data pointers, and what the host's kernel says of
 * presence above its programs' addresses.
 */
#include "compare.h"

#include "engine/soft/vcpu/rt.h"
#include "fake.h"

#define FLAGS_COMPARED 0x244cd5ull /* CF PF AF ZF SF DF OF NT AC ID */
#define MAX_LINES 12
#define HOST_USER_END 0x7ffffffff000ull

static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static unsigned int lines;
static bool printing;

static void report(const char *what, unsigned long index, uint64_t n, uint64_t g)
{
    if (printing && lines < MAX_LINES)
        fake_print("#   %s %lx: native %016lx guest %016lx\n", what, index, (unsigned long)n,
                   (unsigned long)g);
    lines++;
}

static bool same(uint64_t n, uint64_t g)
{
    return n == g || n - g == NATIVE_DELTA;
}

static uint64_t load(const uint8_t *p)
{
    uint64_t v;

    __builtin_memcpy(&v, p, 8);
    return v;
}

/* A pointer's bytes 5 to 7 are those that differ. A pointer that something else overwrote in
 * part is known by single bytes; only the stack has such. */
static void compare_page(unsigned int page, const uint8_t *n, const uint8_t *g)
{
    for (unsigned int i = 0; i < PAGE_SIZE; i++) {
        if (!(i & 7) && load(n + i) == load(g + i)) {
            i += 7;
            continue;
        }
        if (n[i] == g[i])
            continue;
        if (i >= 5 && i + 3 <= PAGE_SIZE && same(load(n + i - 5), load(g + i - 5))) {
            i += 2;
            continue;
        }
        if (page >= W_POINTERS && g[i] == 0xff && (n[i] == 0x6f || n[i] == 0))
            continue;
        report("memory at", AT(page) + i, n[i], g[i]);
    }
}

static void compare_memory(const struct result *n, const struct result *g)
{
    for (unsigned int p = W_CODE; p < W_PAGES; p++)
        if (page_is_mapped(p))
            compare_page(p, n->page[p], g->page[p]);
}

static void compare_fpu(const uint8_t *n, const uint8_t *g)
{
    for (unsigned int i = 0; i < 2688; i += 8) {
        bool skip = (i >= 416 && i < 576) || (i >= 8 && i < 24); /* header; pointers */
        uint64_t mask = i == 0 ? 0xffffffffffff : ~0ull;         /* FOP */

        if (i == 0)
            mask = 0x0000ffffffffffff;
        if (!skip && (load(n + i) ^ load(g + i)) & mask && !same(load(n + i), load(g + i)))
            report("FPU at", i, load(n + i), load(g + i));
    }
}

static bool misaligned_and_unmapped(const struct fault *n, const struct fault *g)
{
    return n->vector == VEC_GP && g->vector == VEC_PF && ((g->cr2 & 63) || !(g->cr2 & ~PAGE_MASK));
}

/* Not to tell programs of its own page tables the host's kernel has P in the error code of all
 * faults from there on: the last page of the lower half, which belongs to nobody, is one of them.
 */
static uint32_t error_compared(const struct fault *f, bool hidden)
{
    return hidden ? f->error & ~(uint32_t)PF_P : f->error;
}

static void compare_fault(const struct fault *n, const struct fault *g)
{
    bool hidden = n->vector == VEC_PF && n->cr2 >= HOST_USER_END;

    if (misaligned_and_unmapped(n, g))
        return;
    if (n->vector != g->vector && !(n->vector == VEC_GP && g->vector == VEC_SS))
        report("fault vector", 0, n->vector, g->vector);
    if (n->has_error != g->has_error || error_compared(n, hidden) != error_compared(g, hidden))
        report("fault error code", 0, n->error, g->error);
    if (n->vector == VEC_PF && !same(n->cr2, g->cr2))
        report("fault address", 0, n->cr2, g->cr2);
}

/* Is the instruction that faulted a string one? The translator's pointer test changes flags. */
static bool faults_in_string(const struct result *r)
{
    const uint8_t *p = r->page[W_CODE] + (r->rip - (WINDOW + AT(W_CODE)));

    if (r->stop != STOP_FAULT || r->rip < WINDOW + AT(W_CODE) || r->rip >= WINDOW + AT(W_CODE + 2))
        return false;
    while (*p == 0x66 || *p == 0xf2 || *p == 0xf3 || (*p & 0xf8) == 0x48 || *p == 0x2e ||
           *p == 0x65)
        p++;
    return *p >= 0xa4 && *p <= 0xaf && *p != 0xa8 && *p != 0xa9;
}

bool results_differ(const struct result *n, const struct result *g, bool print)
{
    printing = print;
    lines = 0;
    if (g->stop <= STOP_FAULT && n->stop == STOP_FAULT && n->fault.vector == VEC_AC)
        return false; /* accesses by software do not check alignment */
    if (n->stop != g->stop) {
        report("stop (0 end, 1 fault, 2 unsupported, 3 crash, 4 hang)", 0, n->stop, g->stop);
        if (print && g->stop >= STOP_UNSUPPORTED)
            fake_print("#   %s\n", g->message);
        if (print && (n->stop == STOP_FAULT || g->stop == STOP_FAULT)) {
            const struct fault *f = n->stop == STOP_FAULT ? &n->fault : &g->fault;

            report("fault vector and error", 0, f->vector, f->error);
            report("fault address", 0, f->cr2, f->cr2);
        }
    } else if (n->stop == STOP_FAULT) {
        compare_fault(&n->fault, &g->fault);
    }
    if (!same(n->rip, g->rip))
        report("rip", 0, n->rip, g->rip);
    for (unsigned int i = 0; i < 16; i++)
        if (!same(n->gpr[i], g->gpr[i]))
            report(names[i], 0, n->gpr[i], g->gpr[i]);
    if ((n->rflags ^ g->rflags) & FLAGS_COMPARED && !faults_in_string(g))
        report("flags", 0, n->rflags & FLAGS_COMPARED, g->rflags & FLAGS_COMPARED);
    compare_memory(n, g);
    compare_fpu(n->fpu, g->fpu);
    return lines;
}
