/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * bench.c - costs of the stub protocol with an empty guest kernel: system calls, page faults,
 * address-space switches, recycling. Not a test; run by hand, "bench pin" for one CPU.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

extern const uint8_t g_count[], g_loop_a[], g_loop_b[], g_touch[], g_syscall[];

#define RUNS 7

static double results[RUNS];

static double median(void)
{
    for (int i = 0; i < RUNS; i++)
        for (int j = i + 1; j < RUNS; j++)
            if (results[j] < results[i]) {
                double t = results[i];

                results[i] = results[j];
                results[j] = t;
            }
    return results[RUNS / 2];
}

static void report(const char *what)
{
    double m = median();

    printf("%-40s %9.2f us (best %.2f, worst %.2f)\n", what, m, results[0], results[RUNS - 1]);
}

static void syscalls(const char *what, const uint8_t *program, unsigned int n)
{
    go(AT(program));
    for (int i = 0; i < 100; i++)
        resume();
    for (int r = 0; r < RUNS; r++) {
        uint64_t t = now_us();

        for (unsigned int i = 0; i < n; i++)
            resume();
        results[r] = (double)(now_us() - t) / n;
    }
    report(what);
}

static void touches(void)
{
    const gva_t first = 0x40000000;
    const unsigned int n = 512;

    for (unsigned int i = 0; i < n; i++)
        page_map(vcpu.cr3_user, first + i * PAGE_SIZE, 320 + i * 7 % n, MAP_RW | PTE_D);
    for (int r = 0; r < RUNS; r++) {
        mfn_t root = vcpu.cr3_user;
        uint64_t t;

        user_release(root);
        go(AT(g_syscall));
        vcpu.gpr[RDI] = first;
        vcpu.gpr[RSI] = first + n * PAGE_SIZE;
        t = now_us();
        go(AT(g_touch));
        results[r] = (double)(now_us() - t) / n;
    }
    report("first touch of a page (scattered)");
    for (unsigned int i = 0; i < n; i++)
        page_map(vcpu.cr3_user, first + i * PAGE_SIZE, 320 + i, MAP_RW | PTE_D);
    for (int r = 0; r < RUNS; r++) {
        mfn_t root = vcpu.cr3_user;
        uint64_t t;

        user_release(root);
        go(AT(g_syscall));
        vcpu.gpr[RDI] = first;
        vcpu.gpr[RSI] = first + n * PAGE_SIZE;
        t = now_us();
        go(AT(g_touch));
        results[r] = (double)(now_us() - t) / n;
    }
    report("first touch of a page (in order)");
}

/* Like anonymous memory: one page per fault, given by the kernel each time. */
static void anonymous(void)
{
    const gva_t first = 0x50000000;
    const unsigned int n = 256;

    for (int r = 0; r < RUNS; r++) {
        enum user_stop stop;
        uint64_t t;

        for (unsigned int i = 0; i < n; i++)
            page_unmap(vcpu.cr3_user, first + i * PAGE_SIZE);
        user_flush(vcpu.cr3_user);
        vcpu.gpr[RDI] = first;
        vcpu.gpr[RSI] = first + n * PAGE_SIZE;
        t = now_us();
        stop = go(AT(g_touch));
        while (stop == USER_FAULT && fault.vector == VEC_PF) {
            page_map(vcpu.cr3_user, fault.cr2, 320 + (fault.cr2 - first) / PAGE_SIZE, MAP_RW);
            stop = resume();
        }
        results[r] = (double)(now_us() - t) / n;
    }
    report("page given by the kernel on a fault");
}

static void switches(void)
{
    mfn_t a = vcpu.cr3_user, b = space_make();
    const unsigned int n = 1000;

    for (int r = 0; r < RUNS; r++) {
        uint64_t t = now_us();

        for (unsigned int i = 0; i < n; i++) {
            vcpu.cr3_user = i & 1 ? a : b;
            go(AT(g_syscall));
        }
        results[r] = (double)(now_us() - t) / n;
    }
    report("address-space switch and system call");
    vcpu.cr3_user = a;
    user_release(b);
    for (int r = 0; r < RUNS; r++) {
        uint64_t t = now_us();

        for (unsigned int i = 0; i < 100; i++) {
            go(AT(g_syscall));
            user_release(a);
        }
        results[r] = (double)(now_us() - t) / 100;
    }
    report("new address space, one call, release");
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(0, &set);
        sched_setaffinity(0, sizeof(set), &set);
    }
    harness_init();
    vcpu.gpr[R13] = 1;
    syscalls("system call, trapped", g_count, 5000);
    syscalls("system call, mov form", g_loop_a, 20000);
    syscalls("system call, cmp form", g_loop_b, 20000);
    touches();
    anonymous();
    switches();
    harness_done();
    return 0;
}
