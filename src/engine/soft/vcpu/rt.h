/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rt.h - the little run-time of the vCPU blob: raw system calls, memory and text helpers.
 * No libc, no TLS, no SIMD (guest FPU state stays in the registers while this code runs).
 */
#pragma once

#include "base/types.h"
#include <stdarg.h>

#define MAX_CPUS 8192 /* of a host */

long sys_call6(long nr, long a, long b, long c, long d, long e, long f);
#define sys_call(nr, a, b, c, d) sys_call6((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

/* mmap(MAP_SHARED | MAP_FIXED): the only mapping call the jail allows. 0 or -errno. */
int sys_map(uint64_t addr, uint64_t len, int prot, int fd, uint64_t off);
int sys_unmap(uint64_t addr, uint64_t len);
int sys_protect(uint64_t addr, uint64_t len, int prot);
/* FUTEX_WAIT/WAKE on a shared word. wait: timeout in ns relative, 0 = none; 0 or -errno. */
long sys_futex_wait(uint32_t *word, uint32_t value, uint64_t timeout_ns);
long sys_futex_wake(uint32_t *word, int count);
_Noreturn void sys_exit(int code);
/* The CPUs that this process may use, a bit each in `cpus` (zeroed behind them). How many. */
unsigned int sys_cpus(uint8_t *cpus, size_t size);

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

/* %s %c %d %u %x %lx %lu %ld %p with width and 0-padding; always terminates; returns length. */
int rt_vsnprintf(char *to, size_t size, const char *fmt, va_list ap);
int rt_snprintf(char *to, size_t size, const char *fmt, ...) PRINTF_FMT(3, 4);

static inline uint64_t rt_rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

static inline void rt_pause(void)
{
    __asm__ volatile("pause");
}
