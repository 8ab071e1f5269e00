/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rt.c - see rt.h. memcpy and friends use string instructions: the compiler may call them,
 * and they must not touch vector registers.
 */
#include "engine/soft/vcpu/rt.h"

#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/time_types.h>

long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

int sys_map(uint64_t addr, uint64_t len, int prot, int fd, uint64_t off)
{
    long r =
        sys_call6(__NR_mmap, (long)addr, (long)len, prot, MAP_SHARED | MAP_FIXED, fd, (long)off);

    return r < 0 && r > -4096 ? (int)r : 0;
}

int sys_unmap(uint64_t addr, uint64_t len)
{
    return (int)sys_call(__NR_munmap, addr, len, 0, 0);
}

int sys_protect(uint64_t addr, uint64_t len, int prot)
{
    return (int)sys_call(__NR_mprotect, addr, len, prot, 0);
}

long sys_futex_wait(uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
    struct __kernel_timespec ts = {(long long)(timeout_ns / 1000000000),
                                   (long long)(timeout_ns % 1000000000)};

    return sys_call(__NR_futex, word, FUTEX_WAIT, value, timeout_ns ? &ts : NULL);
}

long sys_futex_wake(uint32_t *word, int count)
{
    return sys_call(__NR_futex, word, FUTEX_WAKE, count, 0);
}

unsigned int sys_cpus(uint8_t *cpus, size_t size)
{
    unsigned int n = 0;

    memset(cpus, 0, size);
    sys_call(__NR_sched_getaffinity, 0, size, cpus, 0);
    for (size_t i = 0; i < size; i++)
        for (unsigned int left = cpus[i]; left; left &= left - 1)
            n++;
    return n;
}

_Noreturn void sys_exit(int code)
{
    for (;;)
        sys_call(__NR_exit_group, code, 0, 0, 0);
}

void *memcpy(void *to, const void *from, size_t n)
{
    void *d = to;

    __asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n)
        return memcpy(to, from, n);
    for (size_t i = n; i-- > 0;)
        ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int c, size_t n)
{
    void *d = to;

    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

struct out {
    char *to;
    size_t size, len;
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->to[o->len] = c;
    o->len++;
}

static void put_number(struct out *o, uint64_t v, unsigned int base, int width, char pad, bool neg)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    if (neg)
        digits[n++] = '-';
    while (width-- > n)
        put(o, pad);
    while (n)
        put(o, digits[--n]);
}

static void put_string(struct out *o, const char *s)
{
    for (s = s ? s : "(null)"; *s; s++)
        put(o, *s);
}

int rt_vsnprintf(char *to, size_t size, const char *fmt, va_list ap)
{
    struct out o = {to, size, 0};

    for (; *fmt; fmt++) {
        int width = 0, is_long = 0;
        char pad = ' ';

        if (*fmt != '%') {
            put(&o, *fmt);
            continue;
        }
        fmt++;
        if (*fmt == '0')
            pad = '0';
        while (*fmt >= '0' && *fmt <= '9')
            width = width * 10 + *fmt++ - '0';
        while (*fmt == 'l' || *fmt == 'z') {
            is_long = 1;
            fmt++;
        }
        switch (*fmt) {
        case 's':
            put_string(&o, va_arg(ap, const char *));
            break;
        case 'c':
            put(&o, (char)va_arg(ap, int));
            break;
        case 'd': {
            int64_t v = is_long ? va_arg(ap, long) : va_arg(ap, int);

            put_number(&o, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, width, pad, v < 0);
            break;
        }
        case 'u':
            put_number(&o, is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned int), 10,
                       width, pad, false);
            break;
        case 'x':
            put_number(&o, is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned int), 16,
                       width, pad, false);
            break;
        case 'p':
            put_number(&o, (uint64_t)va_arg(ap, void *), 16, width, pad, false);
            break;
        case 0:
            fmt--;
            break;
        default:
            put(&o, *fmt);
        }
    }
    if (size)
        to[o.len < size ? o.len : size - 1] = 0;
    return (int)o.len;
}

int rt_snprintf(char *to, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = rt_vsnprintf(to, size, fmt, ap);
    va_end(ap);
    return n;
}
