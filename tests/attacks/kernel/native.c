/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * native.c - see native.h. It is copied to NATIVE_AT and runs there, so it must not refer to
 * anything outside the section by address: no strings, no tables, no static data but its own.
 */
#include "native.h"

#include <asm/unistd.h>
#include <linux/futex.h>

#include "engine/soft/layout.h"
#include "engine/soft/run.h"

#define NATIVE __attribute__((section(".user.native"), noinline, used))

_Static_assert(V_RUN == V_RUN_AT && V_CACHE == V_CACHE_AT && V_TEXT == V_TEXT_AT &&
                   V_SHARED == V_SHARED_AT && V_META == V_META_AT && V_M2P_WRITE == V_M2P_WRITE_AT,
               "native.h");

/* The miss stub of the code cache (its first bytes) was made a jump to native_entry: the guest's
 * registers are the host's, but for rcx, which is saved. Do the job, put the stub back, go on
 * there. */
__asm__(".section .user.native, \"ax\"\n"
        ".balign 4096\n"
        ".globl native_start, native_end, native_entry, native_params\n"
        "native_start:\n"
        "native_params: .skip 256\n"
        "native_rsp: .quad 0\n"
        "native_back: .quad 0x20000000\n"
        "native_entry:\n"
        "mov %rsp, native_rsp(%rip)\n"
        "lea native_start(%rip), %rsp\n"
        "pushfq; cld; push %rax; push %rcx; push %rdx; push %rbx; push %rbp; push %rsi; push %rdi\n"
        "push %r8; push %r9; push %r10; push %r11; push %r12; push %r13; push %r14; push %r15\n"
        "lea native_params(%rip), %rdi\n"
        "call native_main\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %r11; pop %r10; pop %r9; pop %r8\n"
        "pop %rdi; pop %rsi; pop %rbp; pop %rbx; pop %rdx; pop %rcx; pop %rax; popfq\n"
        "mov native_rsp(%rip), %rsp\n"
        "jmp *native_back(%rip)\n"
        ".section .user.native_end, \"ax\"\n"
        "native_end:\n"
        ".text\n");

NATIVE static long host_call(const uint64_t *arg)
{
    register uint64_t r10 __asm__("r10") = arg[4];
    register uint64_t r8 __asm__("r8") = arg[5];
    register uint64_t r9 __asm__("r9") = arg[6];
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(arg[0]), "D"(arg[1]), "S"(arg[2]), "d"(arg[3]), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

NATIVE static void spin(void)
{
    uint64_t all = ~0ul;
    uint64_t arg[7] = {__NR_rt_sigprocmask, 0, (uint64_t)&all, 0, 8};

    host_call(arg);
    for (;;)
        __asm__ volatile("");
}

/* Hand the turn to the domain process with nonsense, as often as it gives it back. */
NATIVE static void forge_exits(uint64_t count, uint64_t reason)
{
    volatile struct run *r = (volatile struct run *)V_RUN;
    uint64_t random = 0x9e3779b97f4a7c15;

    while (count--) {
        uint64_t wake[7] = {__NR_futex, V_RUN + offsetof(struct run, turn), FUTEX_WAKE, 1};

        random = random * 6364136223846793005 + 1442695040888963407;
        r->exit_reason = reason ? (uint32_t)reason : random >> 62 ? EXIT_HYPERCALL : EXIT_TIMER;
        r->nr = random >> 40 & (random >> 39 & 1 ? 63 : ~0ul);
        if (r->nr == 29 || r->nr == 6) /* it may end the domain by right */
            continue;
        for (unsigned int i = 0; i < 5; i++)
            r->args[i] = random >> (7 * i) & (i & 1 ? 63 : ~0ul);
        __atomic_store_n((uint32_t *)&r->turn, TURN_D, __ATOMIC_SEQ_CST);
        host_call(wake);
        for (uint64_t patience = 0; r->turn == TURN_D && patience < 1000000; patience++)
            __asm__ volatile("pause");
    }
}

NATIVE void native_main(struct native_params *p);
NATIVE void native_main(struct native_params *p)
{
    volatile uint8_t *stub = (volatile uint8_t *)V_CACHE;

    for (unsigned int i = 0; i < MISS_STUB_SIZE; i++)
        stub[i] = p->miss_stub[i];
    switch (p->job) {
    case NATIVE_SYSCALL:
        p->ret = (uint64_t)host_call(p->arg);
        break;
    case NATIVE_REPEAT:
        for (uint64_t i = 0; i < p->arg[7]; i++)
            p->ret = (uint64_t)host_call(p->arg);
        break;
    case NATIVE_SPIN:
        spin();
        break;
    default:
        forge_exits(p->arg[0], p->arg[1]);
    }
}
