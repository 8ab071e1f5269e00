/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * witness.c - see witness.h.
 */
#define _GNU_SOURCE
#include "witness.h"

#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WITNESS_MS 30000 /* for a round, where the host has better things to do */
#define WITNESS_WORDS (1u << 17)

struct witness {
    uint64_t rounds, wrong;
    uint64_t memory[WITNESS_WORDS];
};

static struct witness *witness;
static pid_t witness_pid;

uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool await(pid_t pid, int *status, unsigned int ms)
{
    uint64_t until = now_ms() + ms;

    for (;;) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return true;
        if (now_ms() > until)
            return false;
        usleep(500);
    }
}

/* Memory, vector registers and system calls must be what they were. */
static _Noreturn void witness_main(void)
{
    pid_t self = getpid();
    uint64_t want = 0, got;

    for (uint64_t i = 0; i < WITNESS_WORDS; i++)
        witness->memory[i] = i * 0x9e3779b97f4a7c15;
    for (;;) {
        want += 0x0101010101010101;
        __asm__ volatile("movq %0, %%xmm15" : : "r"(want) : "xmm15");
        sched_yield();
        __asm__ volatile("movq %%xmm15, %0" : "=r"(got));
        for (uint64_t i = 0; i < WITNESS_WORDS; i++)
            witness->wrong += witness->memory[i] != i * 0x9e3779b97f4a7c15;
        witness->wrong += got != want || syscall(SYS_getpid) != self;
        __atomic_fetch_add(&witness->rounds, 1, __ATOMIC_SEQ_CST);
        usleep(1000);
    }
}

void witness_start(void)
{
    witness =
        mmap(NULL, sizeof(*witness), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    witness_pid = fork();
    if (!witness_pid)
        witness_main();
}

const char *witness_complaint(void)
{
    uint64_t before = __atomic_load_n(&witness->rounds, __ATOMIC_SEQ_CST),
             until = now_ms() + WITNESS_MS;

    if (witness->wrong)
        return "another program's memory or registers changed";
    if (waitpid(witness_pid, NULL, WNOHANG))
        return "another program died";
    while (__atomic_load_n(&witness->rounds, __ATOMIC_SEQ_CST) == before)
        if (now_ms() > until)
            return "another program does not run any more";
        else
            usleep(1000);
    return NULL;
}

void witness_end(void)
{
    kill(witness_pid, SIGKILL);
}
