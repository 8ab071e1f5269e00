/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * code.c - attacks by code that changes: around system calls, which the engine patches in a copy
 * of the page, and by many threads at once.
 */
#define _GNU_SOURCE
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

/* mov eax, SYS_getpid; syscall; ret: one of the forms that get patched. */
DEFINE_CODE(site, "mov $39, %eax\n syscall\n ret\n");
/* syscall; cmp rax, -4095; ret: the other one. */
DEFINE_CODE(site2, "mov %edi, %eax\n syscall\n cmp $-4095, %rax\n ret\n");

static long call(const uint8_t *at, long arg)
{
    return ((long (*)(long))(uintptr_t)at)(arg);
}

static void warm(const uint8_t *at, long arg)
{
    for (int i = 0; i < 200; i++)
        call(at, arg);
}

/* What the program reads there is what it wrote, whatever the engine runs. */
static int read_site(void)
{
    uint8_t *p = code_page(CODE(site), PROT_READ | PROT_EXEC);

    warm(p, 0);
    if (call(p, 0) != getpid())
        return broken("a patched system call");
    /* Another call's number, through a second mapping and in place. */
    mprotect(p, 4096, RWX);
    *(uint32_t *)(p + 1) = SYS_getppid;
    if (call(p, 0) != getppid())
        return broken("a system call whose number was changed");
    warm(p, 0);
    *(uint32_t *)(p + 1) = SYS_getpid;
    if (call(p, 0) != getpid())
        return broken("a system call whose number was changed again");
    return 0;
}

static int rewrite_site(void)
{
    uint8_t *p = code_page(CODE(site), RWX);

    for (uint32_t i = 0; i < 50; i++) {
        memcpy(p, CODE(site));
        warm(p, 0);
        p[5] = 0xc3; /* mov eax, 39; ret */
        if (call(p, 0) != SYS_getpid)
            return broken("a system call that is none any more");
        p[0] = 0xb8;
        *(uint32_t *)(p + 1) = i;
        if (call(p, 0) != i)
            return broken("code in place of a system call");
    }
    return 0;
}

/* Jump into the middle: to the syscall with another number, and into its operand. */
static long call_with(uint8_t *at, long rax)
{
    long ret;

    __asm__ volatile("call *%[at]" : "=a"(ret) : [at] "r"(at), "a"(rax) : "rcx", "r11", "memory");
    return ret;
}

static int enter_middle(void)
{
    uint8_t *p = code_page(CODE(site), PROT_READ | PROT_EXEC);
    uint8_t *q = code_page(CODE(site2), PROT_READ | PROT_EXEC);

    warm(p, 0);
    if (call_with(p + 5, SYS_getppid) != getppid())
        return broken("a jump to a patched system call");
    warm(q, SYS_getpid);
    if (call(q, SYS_getpid) != getpid() || call(q, SYS_getppid) != getppid())
        return broken("the other form of a patched system call");
    return 0;
}

/* ptrace-like stores of another process, by way of its memory's file. */
static int poke_site(void)
{
    uint8_t *p = code_page(CODE(site), PROT_READ | PROT_EXEC);
    uint8_t ud2[2] = {0x0f, 0x0b};
    int status, fd;
    pid_t pid;

    warm(p, 0);
    pid = fork();
    if (!pid) {
        warm(p, 0);
        fd = open("/proc/self/mem", O_RDWR);
        if (pwrite(fd, ud2, 2, (off_t)(uintptr_t)p) != 2)
            _exit(0);
        call(p, 0);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGILL)
        return broken("a store through /proc/self/mem had no effect");
    return call(p, 0) == getpid() ? 0 : broken("a child's store changed the parent");
}

/* A second thread rewrites the page all the time: old or new, nothing else. */
static uint8_t *shared_page;
static volatile bool done;

static void *rewriter(void *arg)
{
    while (!done) {
        *(volatile uint32_t *)(shared_page + 1) = SYS_getppid;
        sched_yield();
        *(volatile uint32_t *)(shared_page + 1) = SYS_getpid;
        sched_yield();
    }
    return arg;
}

static int race_site(void)
{
    pthread_t t;
    long pid = getpid(), ppid = getppid();
    int bad = 0;

    shared_page = code_page(CODE(site), RWX);
    pthread_create(&t, NULL, rewriter, NULL);
    for (int i = 0; i < 20000 && !bad; i++) {
        long got = call(shared_page, 0);

        bad = got != pid && got != ppid;
    }
    done = true;
    pthread_join(t, NULL);
    return bad ? broken("a system call was neither of two") : 0;
}

/* What other attacks do, on many threads of one program. */
static void *chaos(void *arg)
{
    uint64_t kind = (uintptr_t)arg;

    for (uint64_t i = 0; i < 3000; i++) {
        uint8_t *p;

        switch ((kind + i / 100) % 6) {
        case 0:
            *(volatile uint64_t *)(STUB_X + i % 512 * 8 % 4096) = i;
            break;
        case 1:
            syscall(SYS_getppid);
            break;
        case 2:
            p = code_page(CODE(site), RWX);
            warm(p, 0);
            munmap(p, 4096);
            break;
        case 3:
            p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            p[i % 65536] = 1;
            munmap(p, 65536);
            break;
        case 4:
            sched_yield();
            break;
        default:
            *(volatile uint32_t *)(STUB_X + X_TURN) = 1;
        }
    }
    return NULL;
}

static int many_threads(void)
{
    pthread_t threads[24];

    for (uintptr_t i = 0; i < 24; i++)
        pthread_create(&threads[i], NULL, chaos, (void *)i);
    for (int i = 0; i < 24; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

const struct attack code_attacks[] = {
    {"code-number", read_site, HOLDS},
    {"code-rewrite", rewrite_site, HOLDS},
    {"code-middle", enter_middle, HOLDS},
    {"code-poke", poke_site, HOLDS},
    {"code-race", race_site, HOLDS},
    {"code-many-threads", many_threads, ANY},
    {NULL, NULL, ANY},
};
