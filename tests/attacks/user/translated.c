/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * translated.c - attacks on the engine that translates programs in the process of their kernel
 * (docs/internals/local.md): every way to name memory, at the addresses of that process and of the
 * kernel. A guest has nothing there, so each is to end in a SIGSEGV.
 */
#define _GNU_SOURCE
#include "attack.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/soft/layout.h"

#define M2P_WINDOW 0xffff800000000000ull /* Xen lets everybody read it */

static const uint64_t places[] = {V_TEXT,
                                  V_RUN,
                                  V_SHARED,
                                  V_STUBS,
                                  V_CACHE,
                                  V_CACHE + 0x1000,
                                  V_META,
                                  V_DISPATCH_HIGH,
                                  V_M2P,
                                  V_FRAMES,
                                  V_M2P_WRITE,
                                  V_RAM,
                                  V_RAM + (16 << 20),
                                  0x8000000000 + 0x100000,
                                  KERNEL_OFFSET,
                                  0x7fffffffe000ull + 0x1000,
                                  M2P_WINDOW,
                                  0xffff888000000000,
                                  0xffffffff81000000,
                                  0xffffffffff5ff000};

#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

typedef void way(void *at);

static void load(void *at)
{
    __asm__ volatile("mov (%0), %%rax" : : "r"(at) : "rax", "memory");
}

static void load_indexed(void *at)
{
    __asm__ volatile("mov 0x10(%0,%1,8), %%eax" : : "r"((char *)at - 0x810), "r"(256ul) : "rax");
}

static void load_wrapped(void *at)
{
    __asm__ volatile("movzbl (%0,%1), %%eax" : : "r"((char *)at + 0x1234), "r"(-0x1234l) : "rax");
}

static void load_vector(void *at)
{
    __asm__ volatile("movdqu (%0), %%xmm0" : : "r"(at) : "xmm0");
}

static void load_x87(void *at)
{
    __asm__ volatile("fldt (%0)\n\tfstp %%st(0)" : : "r"(at));
}

static void store(void *at)
{
    __asm__ volatile("movq $1, (%0)" : : "r"(at) : "memory");
}

static void exchange(void *at)
{
    __asm__ volatile("lock xaddq %%rax, (%0)" : : "r"(at) : "rax", "memory");
}

static void compare_16(void *at)
{
    __asm__ volatile("lock cmpxchg16b (%0)"
                     :
                     : "r"((uintptr_t)at & ~15ul)
                     : "rax", "rbx", "rcx", "rdx", "memory");
}

static void string_to(void *at)
{
    __asm__ volatile("rep stosb" : "+D"(at) : "a"(0), "c"(64ul) : "memory");
}

static void string_from(void *at)
{
    char buf[64];
    void *to = buf;

    __asm__ volatile("rep movsb" : "+S"(at), "+D"(to) : "c"(64ul) : "memory");
}

static void push(void *at)
{
    __asm__ volatile("lea 8(%0), %%rsp\n\tpush %%rax" : : "r"(at) : "memory");
}

static void pop(void *at)
{
    __asm__ volatile("mov %0, %%rsp\n\tpop %%rax" : : "r"(at) : "rax", "memory");
}

static void call_on(void *at)
{
    __asm__ volatile("lea 8(%0), %%rsp\n\tcall 1f\n1:" : : "r"(at) : "memory");
}

static void return_on(void *at)
{
    __asm__ volatile("mov %0, %%rsp\n\tret" : : "r"(at) : "memory");
}

static void leave_to(void *at)
{
    __asm__ volatile("mov %0, %%rbp\n\tleave" : : "r"(at) : "memory");
}

static void jump(void *at)
{
    __asm__ volatile("jmp *%0" : : "r"(at) : "memory");
}

static void jump_by_memory(void *at)
{
    __asm__ volatile("jmp *(%0)" : : "r"(at) : "memory");
}

static void by_gs(void *at)
{
    __asm__ volatile("mov %%gs:(%0), %%rax" : : "r"(at) : "rax");
}

static int try_all(way *const *ways, size_t n, uint64_t but)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        for (size_t k = 0; places[i] != but && k < n; k++) {
            int sig = signal_of(ways[k], (void *)(uintptr_t)places[i]);

            if (sig != SIGSEGV && sig != SIGBUS)
                return broken("way %zu to 0x%lx: signal %d", k, (unsigned long)places[i], sig);
        }
    return 0;
}

static int read_engine(void)
{
    static way *const ways[] = {load,     load_indexed, load_wrapped, load_vector,
                                load_x87, string_from,  pop,          by_gs};

    return try_all(ways, sizeof(ways) / sizeof(*ways), M2P_WINDOW);
}

static int write_engine(void)
{
    static way *const ways[] = {store, exchange, compare_16, string_to, push};

    return try_all(ways, sizeof(ways) / sizeof(*ways), 0);
}

static int jump_into_engine(void)
{
    static way *const ways[] = {jump, jump_by_memory, call_on, return_on, leave_to};

    return try_all(ways, sizeof(ways) / sizeof(*ways), 0);
}

/* What another program has executed at an address is found by that address and the number of its
 * address space. `landing` is executed by a second program all the time; here it leaves a mark. */
static volatile int landed;

static __attribute__((noinline)) void landing(void)
{
    landed = 1;
}

static int jump_nowhere(uint64_t to)
{
    int sig = signal_of(jump, (void *)to);

    if (sig == SIGSEGV && !landed)
        return 0;
    return broken("a jump to 0x%lx: signal %d, landed %d", (unsigned long)to, sig, landed);
}

#define SPACES 4096 /* numbers of address spaces */
#define NEAR 256    /* how far two that are in use are apart */

/* Addresses that are none, but by their upper 16 bits would make up for another number, or for the
 * mark of an empty place. */
static int jump_to_no_address(void)
{
    pid_t other = fork();
    int bad = 0;

    if (!other)
        for (;;) {
            void (*volatile f)(void) = landing;

            f();
            sched_yield();
        }
    usleep(20000);
    for (uint64_t n = 1; n < NEAR && !bad; n++)
        bad = jump_nowhere((uint64_t)landing + (n << 48)) ||
              jump_nowhere((uint64_t)landing - (n << 48));
    for (uint64_t n = 1; n < SPACES && !bad; n++)
        bad = jump_nowhere(~0ull - (n << 48));
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    return bad;
}

static void divide_on(void *at)
{
    __asm__ volatile("mov %0, %%rsp\n\txor %%ecx, %%ecx\n\tdiv %%ecx" : : "r"(at) : "memory");
}

/* The stack pointer anywhere in that process's own data, its signal stack included, when the host
 * sends it a signal. */
static int stack_in_engine(void)
{
    for (uint64_t at = V_TEXT; at < V_TEXT + (2 << 20); at += 512) {
        int sig = signal_of(divide_on, (void *)at);

        if (sig != SIGFPE)
            return broken("a division on a stack at 0x%lx: signal %d", (unsigned long)at, sig);
    }
    return 0;
}

/* A page that may be read only, and one behind it that is not there. */
static int over_the_edge(void)
{
    char *p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    munmap(p + 4096, 4096);
    for (int i = 1; i < 8; i++)
        if (signal_of(load, p + 4096 - i) != SIGSEGV)
            return broken("a load of 8 bytes %d before the end", i);
    load(p + 4096 - 8);
    if (signal_of(store, p) != SIGSEGV)
        return broken("a store to what may be read only");
    mprotect(p, 4096, PROT_READ | PROT_WRITE);
    store(p);
    mprotect(p, 4096, PROT_READ);
    if (signal_of(store, p) != SIGSEGV)
        return broken("a store to what may be read only again");
    mprotect(p, 4096, PROT_NONE);
    if (signal_of(load, p) != SIGSEGV)
        return broken("a load of what may not be read");
    munmap(p, 4096);
    if (signal_of(load, p) != SIGSEGV || signal_of(jump, p) != SIGSEGV)
        return broken("an access to what is not there any more");
    return 0;
}

/* Code that may not be executed, any more. */
static int not_executable(void)
{
    static const uint8_t ret = 0xc3;
    uint8_t *p = code_page(&ret, 1, PROT_READ | PROT_EXEC);

    for (int i = 0; i < 100; i++)
        ((void (*)(void))(uintptr_t)p)();
    mprotect(p, 4096, PROT_READ);
    if (signal_of(jump, p) != SIGSEGV)
        return broken("a jump to what may not be executed any more");
    return 0;
}

/* Two frames at one address by turns, executed, read and written. */
static int remap(void)
{
    static const uint8_t code[2][6] = {{0xb8, 1, 0, 0, 0, 0xc3}, {0xb8, 2, 0, 0, 0, 0xc3}};
    int fd = memfd_create("pages", 0);
    uint8_t *p, *both;

    if (fd < 0 || ftruncate(fd, 8192))
        return broken("no memory");
    both = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int k = 0; k < 2; k++)
        memcpy(both + 4096 * k, code[k], sizeof(code[k]));
    for (int i = 0; i < 400; i++) {
        int k = i % 2, prot = i % 4 < 2 ? PROT_READ | PROT_EXEC : RWX;

        if (mmap(p, 4096, prot, MAP_SHARED | MAP_FIXED, fd, 4096 * k) != p)
            return broken("no mapping");
        if (i % 3 && ((int (*)(void))(uintptr_t)p)() != k + 1)
            return broken("code of the other page, round %d", i);
        if (p[1] != k + 1)
            return broken("data of the other page, round %d", i);
        if (prot == RWX) {
            p[100] = (uint8_t)i;
            if (both[4096 * k + 100] != (uint8_t)i)
                return broken("a store to the other page, round %d", i);
        }
        if (((int (*)(void))(uintptr_t)p)() != k + 1)
            return broken("code of the other page after a store, round %d", i);
    }
    return 0;
}

const struct attack translated_attacks[] = {
    {"translated-read", read_engine, HOLDS},
    {"translated-write", write_engine, HOLDS},
    {"translated-jump", jump_into_engine, HOLDS},
    {"translated-jump-nowhere", jump_to_no_address, HOLDS},
    {"translated-stack", stack_in_engine, HOLDS},
    {"translated-edge", over_the_edge, HOLDS},
    {"translated-nx", not_executable, HOLDS},
    {"translated-remap", remap, HOLDS},
    {0},
};
