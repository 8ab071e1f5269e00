/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * list.c - xm list. The table's layout is that of Xen 4.1, which scripts parse; domain 0 is
 * the host.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xm/client.h"
#include "xm/registry.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 2000

struct list_options {
    bool as_json;
    bool detailed;
    char **names; /* the arguments that are no options */
    int nr_names;
};

/* CPU time that the host has used, seconds. */
static double host_cpu_time(void)
{
    unsigned long long user = 0, nice = 0, system = 0;
    FILE *f = fopen("/proc/stat", "re");

    if (!f)
        return 0;
    if (fscanf(f, "cpu %llu %llu %llu", &user, &nice, &system) != 3)
        user = nice = system = 0;
    fclose(f);
    return (double)(user + nice + system) / (double)sysconf(_SC_CLK_TCK);
}

static json_t *host_info(void)
{
    json_int_t mib = (json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 1048576;

    return json_pack("{s:i, s:s, s:I, s:I, s:i, s:s, s:f}", "domid", 0, "name", "Domain-0",
                     "memory", mib, "maxmem", mib, "vcpus", (int)sysconf(_SC_NPROCESSORS_ONLN),
                     "state", "r-----", "cpu_time", host_cpu_time());
}

static bool still_lives(domid_t domid)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    size_t count = 0;

    if (registry_list(&entries, &count, NULL) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (entries[i].domid == domid)
            return true;
    return false;
}

/* A domain that does not answer (it is starting or busy) is shown with what is known; NULL if
 * it has gone meanwhile. */
static json_t *domain_info(const struct registry_entry *entry)
{
    struct err err = {0};
    json_t *info = NULL;

    if (client_call(entry->domid, json_pack("{s:s}", "verb", "info"), TIMEOUT_MS, &info, &err) == 0)
        return info;
    if (!still_lives(entry->domid))
        return NULL;
    return json_pack("{s:i, s:s, s:i, s:i, s:i, s:s, s:f}", "domid", entry->domid, "name",
                     entry->name, "memory", -1, "maxmem", -1, "vcpus", -1, "state", "------",
                     "cpu_time", 0.0);
}

static void print_row(const json_t *info)
{
    printf("%-40s %5lld %5lld %5lld %10s %8.1f\n", json_get_string(info, "name", "??"),
           (long long)json_get_int(info, "domid", -1), (long long)json_get_int(info, "memory", -1),
           (long long)json_get_int(info, "vcpus", -1), json_get_string(info, "state", "??"),
           json_number_value(json_object_get(info, "cpu_time")));
}

/* The form of `xm list -l`: one element a line, which scripts grep. */
static void print_detailed(const json_t *info)
{
    printf("(domain\n    (domid %lld)\n    (name %s)\n    (uuid %s)\n    (vcpus %lld)\n"
           "    (memory %lld)\n    (maxmem %lld)\n    (cpu_time %.3f)\n    (state %s)\n)\n",
           (long long)json_get_int(info, "domid", -1), json_get_string(info, "name", "??"),
           json_get_string(info, "uuid", "00000000-0000-0000-0000-000000000000"),
           (long long)json_get_int(info, "vcpus", -1), (long long)json_get_int(info, "memory", -1),
           (long long)json_get_int(info, "maxmem", -1),
           json_number_value(json_object_get(info, "cpu_time")),
           json_get_string(info, "state", "??"));
}

static int collect_all(json_t *list, struct err *err)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    size_t count = 0;
    int rc = registry_list(&entries, &count, err);

    json_array_append_new(list, host_info());
    for (size_t i = 0; i < count; i++) {
        json_t *info = domain_info(&entries[i]);

        if (info)
            json_array_append_new(list, info);
    }
    return rc;
}

static int collect_named(json_t *list, const struct list_options *o, struct err *err)
{
    for (int i = 0; i < o->nr_names; i++) {
        struct registry_entry entry;
        json_t *info = NULL;
        int rc;

        if (strcmp(o->names[i], "Domain-0") == 0 || strcmp(o->names[i], "0") == 0) {
            json_array_append_new(list, host_info());
            continue;
        }
        rc = registry_find(o->names[i], &entry, err);
        if (rc == 0)
            info = domain_info(&entry);
        if (rc == 0 && !info)
            rc = err_set(err, ESRCH, "Domain '%s' does not exist.", o->names[i]);
        if (rc < 0)
            return rc;
        json_array_append_new(list, info);
    }
    return 0;
}

static void print(const struct list_options *o, const json_t *list)
{
    const json_t *info;
    size_t i;

    if (o->as_json) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
        return;
    }
    if (!o->detailed)
        printf("%-40s %5s %5s %5s %10s %9s\n", "Name", "ID", "Mem", "VCPUs", "State", "Time(s)");
    json_array_foreach(list, i, info)
    {
        if (o->detailed)
            print_detailed(info);
        else
            print_row(info);
    }
}

static int run_list(const struct verb *self, int argc, char **argv)
{
    struct list_options o = {.names = argv};
    struct err err = {0};
    json_t *list;
    int rc = verb_check_arguments(self, argc, argv, 0, 1000);

    if (rc >= 0)
        return rc;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-l") == 0 || strcmp(argv[i], "--long") == 0)
            o.detailed = true;
        else if (strcmp(argv[i], "--json") == 0)
            o.as_json = true;
        else if (argv[i][0] == '-')
            return verb_usage_error(self, "unknown option '%s'", argv[i]);
        else
            o.names[o.nr_names++] = argv[i];
    }
    list = json_array();
    rc = o.nr_names ? collect_named(list, &o, &err) : collect_all(list, &err);
    if (rc == 0)
        print(&o, list);
    json_decref(list);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_list = {
    .name = "list",
    .arguments = "[-l] [--json] [Domain...]",
    .summary = "List domains.",
    .details = "  -l, --long    all there is to know, as S-expressions\n"
               "  --json        the same as JSON\n",
    .run = run_list,
};
