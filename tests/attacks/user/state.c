/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * state.c - attacks by what a process has or registers: signals, rseq and robust lists, vector
 * state, protection keys, all of its memory.
 */
#define _GNU_SOURCE
#include "attack.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023
#define RSEQ_SIZE 32
#define RSEQ_SIG 0x53053053

static void *spin(void *arg)
{
    for (;;)
        __asm__ volatile("");
    return arg;
}

/* With all signals blocked, on more threads than there are vCPUs. */
static int block_and_spin(void)
{
    pthread_t t;
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < 3; i++)
        pthread_create(&t, NULL, spin, NULL);
    spin(NULL);
    return 0;
}

/* Instructions without end: the longest that a processor will not interrupt. */
static int spin_on_strings(void)
{
    static uint8_t bytes[4096];

    for (;;)
        __asm__ volatile("mov %0, %%rdi\n mov $4096, %%ecx\n rep stosb\n"
                         :
                         : "r"(bytes), "a"(0)
                         : "rdi", "rcx", "memory");
    return 0;
}

static int register_lists(void)
{
    static const uint64_t places[] = {
        STUB_CODE, STUB_Q, STUB_X, 0xffff888000000000, 0xffffffff81000000, 0x8000000000000000, 8};

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        if (fork())
            continue;
        syscall(SYS_set_robust_list, places[i], 24);
        syscall(SYS_set_tid_address, places[i]);
        syscall(SYS_rseq, places[i] & ~31ul, RSEQ_SIZE, 0, RSEQ_SIG);
        for (int k = 0; k < 100; k++)
            sched_yield();
        _exit(0);
    }
    while (wait(NULL) > 0)
        ;
    return 0;
}

/* A robust list whose futex words are the stub's. */
static int robust_list_to_stub(void)
{
    static struct {
        void *next;
        long offset;
        void *pending;
    } head;
    pid_t pid = fork();

    if (!pid) {
        head.next = &head;
        head.pending = (void *)STUB_Q;
        syscall(SYS_set_robust_list, &head, sizeof(head));
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    return 0;
}

static bool has_avx512(void)
{
    uint32_t a, d;

    if (!__builtin_cpu_supports("avx512f"))
        return false;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & 0xe6) == 0xe6;
}

/* Each thread keeps its own number in registers that a kernel which does not know of them would
 * not save. */
static void *keep_vectors(void *arg)
{
    uint64_t mine = (uint64_t)(uintptr_t)arg * 0x0101010101010101, zmm, mask = mine;

    for (int i = 0; i < 300; i++) {
        __asm__ volatile("vpbroadcastq %0, %%zmm31\n kmovw %k0, %%k3\n" : : "r"(mine));
        sched_yield();
        __asm__ volatile("valignq $7, %%zmm31, %%zmm31, %%zmm30\n vmovq %%xmm30, %0\n"
                         "kmovw %%k3, %k1\n"
                         : "=r"(zmm), "=r"(mask));
        if (zmm != mine || (uint16_t)mask != (uint16_t)mine)
            return (void *)1;
    }
    return NULL;
}

static int mix_avx512(void)
{
    pthread_t threads[4];
    int bad = 0;

    if (!has_avx512())
        return 0;
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, keep_vectors, (void *)(i + 1));
    for (int i = 0; i < 4; i++) {
        void *ret;

        pthread_join(threads[i], &ret);
        bad |= ret != NULL;
    }
    return bad ? broken("a thread saw another one's AVX-512 registers") : 0;
}

static void tile_config(void *arg)
{
    (void)arg;
    __asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0x07" : : "D"(arg) : "memory"); /* ldtilecfg */
}

static void tile_load(void *arg)
{
    __asm__ volatile(".byte 0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x07" : : "D"(arg), "a"(0) : "memory");
}

/* AMX needs the guest kernel's leave; tiles are never given to two programs. */
static int use_amx(void)
{
    static uint8_t config[64] __attribute__((aligned(64)));
    static uint8_t tile[1024] __attribute__((aligned(64)));

    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, 18) == 0)
        return broken("the guest kernel gave leave for tiles");
    config[0] = 1;
    config[16] = 64;
    config[48] = 16;
    if (signal_of(tile_config, config) == 0 && signal_of(tile_load, tile) == 0)
        return broken("tiles can be used without leave");
    return 0;
}

static void write_pkru(void *arg)
{
    (void)arg;
    __asm__ volatile("wrpkru" : : "a"(0xfffffffc), "c"(0), "d"(0) : "memory");
    for (int i = 0; i < 1000; i++)
        __asm__ volatile("syscall" : : "a"(SYS_getppid) : "rcx", "r11", "memory");
}

static void deny_all(void *arg)
{
    (void)arg;
    __asm__ volatile("wrpkru\n 1: jmp 1b" : : "a"(0xffffffff), "c"(0), "d"(0) : "memory");
}

/* Protection keys take the stub's pages from the stub, for all the program knows. */
static int deny_keys(void)
{
    pid_t pid = fork();

    signal_of(write_pkru, NULL);
    if (!pid) {
        alarm(1);
        signal_of(deny_all, NULL);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    return 0;
}

static int drop_all_memory(void)
{
    __asm__ volatile("syscall" : : "a"(SYS_munmap), "D"(0), "S"(0x7ffffffff000) : "memory");
    return 1;
}

static void set_bases(void *arg)
{
    uint64_t base = *(uint64_t *)arg;

    syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, base);
    __asm__ volatile("wrgsbase %0" : : "r"(base));
    __asm__ volatile("mov %%gs:0, %%rax" : : : "rax");
}

static int odd_bases(void)
{
    static uint64_t bases[] = {
        STUB_Q, STUB_X, 0xffff800000000000, 0xffffffff81000000, 0x7ffffffff000, 0x0000900000000000};

    for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
        signal_of(set_bases, &bases[i]);
        if (syscall(SYS_getpid) != getpid())
            return broken("system calls with gs base 0x%lx", (unsigned long)bases[i]);
    }
    return 0;
}

/* LDT entries of all kinds: system gates and kernel segments are not to be had. */
static int ldt_entries(void)
{
    struct {
        uint32_t number, base, limit, flags;
    } d;

    for (uint32_t flags = 0; flags < 0x100; flags++) {
        d = (typeof(d)){flags & 31, 0xfffff000 * (flags & 1), 0xfffff, flags};
        syscall(SYS_modify_ldt, 0x11, &d, sizeof(d));
        __asm__ volatile("mov %0, %%es" : : "r"((flags & 31) << 3 | 7) :);
        __asm__ volatile("mov %0, %%es" : : "r"(0));
    }
    return 0;
}

static int ldt_in_child(void)
{
    pid_t pid = fork();

    if (!pid)
        _exit(ldt_entries());
    waitpid(pid, NULL, 0);
    return 0;
}

const struct attack state_attacks[] = {
    {"state-block-and-spin", block_and_spin, SPINS},
    {"state-spin-on-strings", spin_on_strings, SPINS},
    {"state-lists", register_lists, HOLDS},
    {"state-robust-list", robust_list_to_stub, HOLDS},
    {"state-avx512", mix_avx512, HOLDS},
    {"state-amx", use_amx, HOLDS},
    {"state-wrpkru", deny_keys, HOLDS},
    {"state-munmap", drop_all_memory, DIES},
    {"state-bases", odd_bases, HOLDS},
    {"state-ldt", ldt_in_child, HOLDS},
    {NULL, NULL, ANY},
};
