/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * uptime.c - xm uptime: how long domains have been there. A domain is as old as its process;
 * restarts of the guest do not make it younger.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "toolstack/domains.h"
#include "xm/verbs.h"

static double host_uptime(void)
{
    double seconds = 0;
    FILE *f = fopen("/proc/uptime", "re");

    if (!f)
        return 0;
    if (fscanf(f, "%lf", &seconds) != 1)
        seconds = 0;
    fclose(f);
    return seconds;
}

/* Seconds since a process was started; 0 if that is not known. */
static double process_uptime(json_int_t pid)
{
    unsigned long long start = 0;
    char path[64], line[1024], *p;
    size_t n;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    f = fopen(path, "re");
    if (!f)
        return 0;
    n = fread(line, 1, sizeof(line) - 1, f);
    fclose(f);
    line[n] = '\0';
    p = strrchr(line, ')'); /* the name before it may hold anything */
    /* Field 22; the one behind the name is the third. */
    if (!p || sscanf(p + 1,
                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
                     "%llu",
                     &start) != 1)
        return 0;
    return host_uptime() - (double)start / (double)sysconf(_SC_CLK_TCK);
}

static void print_short(const json_t *info, long seconds)
{
    time_t now = time(NULL);
    char clock[16] = "";
    struct tm tm;

    if (localtime_r(&now, &tm))
        strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    printf(" %s up ", clock);
    if (seconds >= 86400)
        printf("%ld days, ", seconds / 86400);
    printf("%ld:%02ld, %s (%lld)\n", seconds / 3600 % 24, seconds / 60 % 60,
           json_get_string(info, "name", "??"), (long long)json_get_int(info, "domid", -1));
}

static void print_row(const json_t *info, long seconds)
{
    printf("%-32s %5lld ", json_get_string(info, "name", "??"),
           (long long)json_get_int(info, "domid", -1));
    if (seconds >= 86400)
        printf("%ld day(s), ", seconds / 86400);
    printf("%2ld:%02ld:%02ld\n", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
}

static int run_uptime(const struct verb *self, int argc, char **argv)
{
    bool brief = false;
    struct err err = {0};
    json_t *list = NULL, *info;
    int names = 0, rc = verb_check_arguments(self, argc, argv, 0, 1000);
    size_t i;

    if (rc >= 0)
        return rc;
    for (int k = 1; k < argc; k++) {
        if (strcmp(argv[k], "-s") == 0 || strcmp(argv[k], "--short") == 0)
            brief = true;
        else if (argv[k][0] == '-')
            return verb_usage_error(self, "unknown option '%s'", argv[k]);
        else
            argv[names++] = argv[k];
    }
    if (domains_collect(argv, names, &list, &err) < 0)
        return verb_error(&err);
    if (!brief)
        printf("%-33s %4s %s \n", "Name", "ID", "Uptime");
    json_array_foreach(list, i, info)
    {
        json_int_t pid = json_get_int(info, "pid", 0);
        long seconds = (long)(pid                                    ? process_uptime(pid)
                              : json_get_int(info, "domid", -1) == 0 ? host_uptime()
                                                                     : 0);

        if (brief)
            print_short(info, seconds);
        else
            print_row(info, seconds);
    }
    json_decref(list);
    return XM_OK;
}

const struct verb verb_uptime = {
    .name = "uptime",
    .arguments = "[-s] [Domain...]",
    .summary = "Print how long domains have been running.",
    .details = "  -s, --short   in the form of uptime(1)\n",
    .run = run_uptime,
};
