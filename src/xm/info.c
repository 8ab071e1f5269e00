/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * info.c - xm info: the host, in the lines and the order of xm 4.1, which scripts read.
 */
#include <cpuid.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "base/virt.h"
#include "toolstack/domains.h"
#include "toolstack/xend_config.h"
#include "xm/verbs.h"

/* What guests are told by the hypercall xen_version (src/domain/version.c). */
#define XEN_MAJOR 4
#define XEN_MINOR 17
#define XEN_EXTRA ".0-xenolith"
#define CONFIG_FORMAT 4

static void line(const char *name, const char *value)
{
    printf("%-23s: %s\n", name, value);
}

static void number(const char *name, long long value)
{
    printf("%-23s: %lld\n", name, value);
}

/* Entries of a directory whose name begins so and goes on with a digit. */
static long count_entries(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);
    DIR *dir = opendir(path);
    const struct dirent *de;
    long count = 0;

    while (dir && (de = readdir(dir)))
        count +=
            strncmp(de->d_name, prefix, n) == 0 && de->d_name[n] >= '0' && de->d_name[n] <= '9';
    if (dir)
        closedir(dir);
    return count;
}

/* The number behind "KEY : " in a file of lines; `otherwise` if there is none. */
static double file_number(const char *path, const char *key, double otherwise)
{
    FILE *f = fopen(path, "re");
    size_t n = strlen(key);
    char text[512];
    double value = otherwise;

    while (f && fgets(text, sizeof(text), f)) {
        const char *p = text + n;

        if (strncmp(text, key, n) != 0)
            continue;
        value = strtod(p + strspn(p, " \t:"), NULL);
        break;
    }
    if (f)
        fclose(f);
    return value;
}

static void print_cpus(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    long nodes = count_entries("/sys/devices/system/node", "node");
    long cores = (long)file_number("/proc/cpuinfo", "cpu cores", 1);
    long siblings = (long)file_number("/proc/cpuinfo", "siblings", (double)cores);

    number("nr_cpus", cpus);
    if (verb_is_xl())
        number("max_cpu_id", cpus - 1);
    number("nr_nodes", nodes > 0 ? nodes : 1);
    number("cores_per_socket", cores);
    number("threads_per_core", cores > 0 && siblings > cores ? siblings / cores : 1);
    number("cpu_mhz", (long long)file_number("/proc/cpuinfo", "cpu MHz", 0));
}

/* Eight words of CPUID, in the order in which Xen prints them. */
static void print_caps(void)
{
    unsigned int a, b, c, d, w[8] = {0};

    if (__get_cpuid(1, &a, &b, &c, &d)) {
        w[0] = d;
        w[4] = c;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
        w[1] = d;
        w[6] = c;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
        w[7] = b;
    printf("%-23s: %08x:%08x:%08x:%08x:%08x:%08x:%08x:%08x\n", "hw_caps", w[0], w[1], w[2], w[3],
           w[4], w[5], w[6], w[7]);
    line("virt_caps", virt_has_kvm() ? "hvm" : "");
}

static void print_memory(void)
{
    json_t *list = NULL;
    long long total = (long long)file_number("/proc/meminfo", "MemTotal", 0) / 1024;
    long long promised = xend_config_int(xend_config_own(), "dom0-min-mem");

    /* What a new domain may have: Xen's free memory. */
    if (domains_collect(NULL, 0, &list, NULL) == 0) {
        const json_t *info;
        size_t i;

        json_array_foreach(list, i, info)
        {
            if (json_get_int(info, "domid", 0) > 0 && json_get_int(info, "memory", 0) > 0)
                promised += json_get_int(info, "memory", 0);
        }
        json_decref(list);
    }
    number("total_memory", total);
    number("free_memory", promised < total ? total - promised : 0);
    if (verb_is_xl()) {
        number("sharing_freed_memory", 0);
        number("sharing_used_memory", 0);
        number("outstanding_claims", 0);
    }
    number("free_cpus", 0);
}

static void print_topology(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    line("cpu_topology", "");
    printf("  cpu:    core    socket     node\n");
    for (long i = 0; i < cpus; i++) {
        char path[96];
        double core, socket;

        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/topology/core_id", i);
        core = file_number(path, "", 0);
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/topology/physical_package_id",
                 i);
        socket = file_number(path, "", 0);
        printf("  %3ld:%8d%10d%9d\n", i, (int)core, (int)socket, 0);
    }
    line("numa_info", "none");
}

static void print_xen(void)
{
    number("xen_major", XEN_MAJOR);
    number("xen_minor", XEN_MINOR);
    line("xen_extra", XEN_EXTRA);
    if (verb_is_xl())
        printf("%-23s: %d.%d%s\n", "xen_version", XEN_MAJOR, XEN_MINOR, XEN_EXTRA);
    line("xen_caps", "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ");
    line("xen_scheduler", "credit");
    number("xen_pagesize", 4096);
    line("platform_params", "virt_start=0xffff800000000000");
    line("xen_changeset", "unavailable");
    line("xen_commandline", "");
    line("cc_compiler", "gcc version " __VERSION__);
    line("cc_compile_by", "xenolith");
    line("cc_compile_domain", "");
    line("cc_compile_date", "unavailable");
    if (verb_is_xl())
        line("build_id", "unavailable");
    number("xend_config_format", CONFIG_FORMAT);
}

/* -c: what xend's options are. */
static void print_config(void)
{
    for (size_t i = 0; i < xend_option_count; i++)
        printf("%-38s: %s\n", xend_option_table[i].name,
               xend_config_string(xend_config_own(), xend_option_table[i].name));
}

static int run_info(const struct verb *self, int argc, char **argv)
{
    bool topology = false, config = false;
    struct utsname u;
    int rc = verb_check_arguments(self, argc, argv, 0, 2);

    if (rc >= 0)
        return rc;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 || strcmp(argv[i], "--numa") == 0)
            topology = true;
        else if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0)
            config = true;
        else
            return verb_usage_error(self, "unexpected argument '%s'", argv[i]);
    }
    if (config) {
        print_config();
        return XM_OK;
    }
    if (uname(&u) < 0)
        return XM_FAILED;
    line("host", u.nodename);
    line("release", u.release);
    line("version", u.version);
    line("machine", u.machine);
    print_cpus();
    print_caps();
    print_memory();
    if (topology)
        print_topology();
    print_xen();
    return XM_OK;
}

const struct verb verb_info = {
    .name = "info",
    .arguments = "[-n] [-c]",
    .summary = "Print what this host is and has.",
    .details = "  -n, --numa     CPU topology, too\n"
               "  -c, --config   the options of xend instead\n",
    .run = run_info,
};
