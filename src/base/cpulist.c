/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpulist.c - see cpulist.h.
 */
#define _GNU_SOURCE
#include "base/cpulist.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill(cpu_set_t *set, long first, long last, bool in)
{
    for (long cpu = first; cpu <= last; cpu++) {
        if (in)
            CPU_SET((size_t)cpu, set);
        else
            CPU_CLR((size_t)cpu, set);
    }
}

static const char *skip_blanks(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

/* A number at *p; -1: none, or no CPU has it. */
static long take_number(const char **p)
{
    char *end;
    long n;

    if (!isdigit((unsigned char)**p))
        return -1;
    n = strtol(*p, &end, 10);
    *p = end;
    return n < CPU_SETSIZE ? n : -1;
}

/* One of the things between commas. */
static int take_item(const char **p, cpu_set_t *set)
{
    bool in = **p != '^';
    long first, last;

    if (!in)
        *p = skip_blanks(*p + 1);
    if (strncmp(*p, "all", 3) == 0) {
        *p += 3;
        fill(set, 0, CPU_SETSIZE - 1, in);
        return 0;
    }
    first = last = take_number(p);
    *p = skip_blanks(*p);
    if (**p == '-') {
        *p = skip_blanks(*p + 1);
        last = take_number(p);
    }
    if (first < 0 || last < first)
        return -EINVAL;
    fill(set, first, last, in);
    return 0;
}

int cpulist_parse(const char *text, cpu_set_t *ret)
{
    const char *p = skip_blanks(text);

    CPU_ZERO(ret);
    for (;;) {
        if (take_item(&p, ret) < 0)
            return -EINVAL;
        p = skip_blanks(p);
        if (*p != ',')
            break;
        p = skip_blanks(p + 1);
    }
    return *p || CPU_COUNT(ret) == 0 ? -EINVAL : 0;
}

void cpulist_host(cpu_set_t *ret)
{
    CPU_ZERO(ret);
    if (sched_getaffinity(0, sizeof(*ret), ret) < 0)
        CPU_SET(0, ret);
}

void cpulist_format(const cpu_set_t *cpus, char buf[static CPULIST_MAX])
{
    size_t used = 0;

    buf[0] = '\0';
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        size_t first = cpu;

        if (!CPU_ISSET(cpu, cpus))
            continue;
        while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, cpus))
            cpu++;
        used += (size_t)snprintf(buf + used, CPULIST_MAX - used,
                                 first < cpu ? "%s%zu-%zu" : "%s%zu", used ? "," : "", first, cpu);
        if (used >= CPULIST_MAX)
            break;
    }
}

void cpulist_describe(const cpu_set_t *cpus, const cpu_set_t *host, char buf[static CPULIST_MAX])
{
    cpu_set_t both;

    CPU_AND(&both, cpus, host);
    if (CPU_EQUAL(&both, host))
        snprintf(buf, CPULIST_MAX, "any cpu");
    else if (CPU_COUNT(&both) == 0)
        snprintf(buf, CPULIST_MAX, "no cpus");
    else
        cpulist_format(&both, buf);
}
