/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * list.c - xm list. The table's layout is that of Xen 4.1, which scripts parse; domain 0 is
 * the host.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/sxp.h"
#include "toolstack/detail.h"
#include "toolstack/domains.h"
#include "xm/verbs.h"

struct list_options {
    bool as_json;
    bool detailed;
    const char *state; /* NULL: all */
    char **names;      /* the arguments that are no options */
    int nr_names;
};

/* What --state calls a domain by one of its letters. A "halted" or "suspended" one is managed and
 * has none; "unknown" is nobody. */
static const struct {
    const char *name, *letters;
} states[] = {
    {"running", "rb"}, {"paused", "p"},   {"shutdown", "s"}, {"crashed", "c"},
    {"halted", ""},    {"suspended", ""}, {"unknown", ""},
};

static bool is_state(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        if (strcmp(states[i].name, name) == 0)
            return true;
    return false;
}

static bool is_in_state(const json_t *info, const char *name)
{
    const char *letters = json_get_string(info, "state", "");

    if (!letters[0])
        return strcmp(name, json_get_bool(info, "suspended", false) ? "suspended" : "halted") == 0;
    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        if (strcmp(states[i].name, name) == 0)
            return letters[strcspn(letters, states[i].letters)] != '\0';
    return false;
}

/* A managed domain that does not run has no id and no state. */
static void print_row(const json_t *info)
{
    char id[16] = "";

    if (json_object_get(info, "domid"))
        snprintf(id, sizeof(id), "%lld", (long long)json_get_int(info, "domid", -1));
    printf(verb_is_xl() ? "%-40s %5s %5lld %5lld     %-6s  %8.1f\n"
                        : "%-40s %5s %5lld %5lld %10s %8.1f\n",
           json_get_string(info, "name", "??"), id, (long long)json_get_int(info, "memory", -1),
           (long long)json_get_int(info, "online_vcpus", json_get_int(info, "vcpus", -1)),
           json_get_string(info, "state", "??"),
           json_number_value(json_object_get(info, "cpu_time")));
}

static void print_detailed(const json_t *info)
{
    struct arena a = {0};

    sxp_print(stdout, detail_make(&a, info));
    arena_done(&a);
}

static void print_json(const struct list_options *o, const json_t *list)
{
    json_t *chosen = json_array();
    const json_t *info;
    size_t i;

    json_array_foreach(list, i, info)
    {
        if (!o->state || is_in_state(info, o->state))
            json_array_append(chosen, json_array_get(list, i));
    }
    json_dumpf(chosen, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(chosen);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(json_get_string(*(json_t *const *)a, "name", ""),
                  json_get_string(*(json_t *const *)b, "name", ""));
}

/* xm lists by name, xl by id. Takes the reference and returns one. */
static json_t *sorted(json_t *list)
{
    size_t count = json_array_size(list);
    json_t **items = calloc(count + 1, sizeof(*items)), *by = json_array();

    for (size_t i = 0; items && i < count; i++)
        items[i] = json_array_get(list, i);
    if (items)
        qsort(items, count, sizeof(json_t *), by_name);
    for (size_t i = 0; items && i < count; i++)
        json_array_append(by, items[i]);
    free(items);
    json_decref(list);
    return by;
}

/* xl's -l: a list of objects. */
static void print_xl(const json_t *list)
{
    json_t *all = json_array(), *info;
    size_t i;

    json_array_foreach((json_t *)list, i, info)
    {
        json_array_append_new(all,
                              json_pack("{s:I, s:{s:{s:s, s:s, s:s}, s:{s:I, s:I, s:I}}}", "domid",
                                        json_get_int(info, "domid", -1), "config", "c_info", "type",
                                        "pv", "name", json_get_string(info, "name", ""), "uuid",
                                        json_get_string(info, "uuid", ""), "b_info", "max_vcpus",
                                        json_get_int(info, "vcpus", 1), "max_memkb",
                                        json_get_int(info, "maxmem", 0) * 1024, "target_memkb",
                                        json_get_int(info, "memory", 0) * 1024));
    }
    json_dumpf(all, stdout, JSON_INDENT(4));
    putchar('\n');
    json_decref(all);
}

static void print_heading(void)
{
    if (verb_is_xl())
        printf("%-40s %5s %5s %5s\tState\tTime(s)\n", "Name", "ID", "Mem", "VCPUs");
    else
        printf("%-40s %5s %5s %5s %10s %9s\n", "Name", "ID", "Mem", "VCPUs", "State", "Time(s)");
}

static void print(const struct list_options *o, const json_t *list)
{
    const json_t *info;
    size_t i;

    if (o->as_json) {
        print_json(o, list);
        return;
    }
    if (o->detailed && verb_is_xl()) {
        print_xl(list);
        return;
    }
    if (!o->detailed)
        print_heading();
    json_array_foreach(list, i, info)
    {
        if (o->state && !is_in_state(info, o->state))
            continue;
        if (o->detailed)
            print_detailed(info);
        else
            print_row(info);
    }
}

static int take_state(struct list_options *o, const struct verb *self, const char *name)
{
    o->state = strcmp(name, "all") == 0 ? NULL : name;
    if (!o->state || is_state(name))
        return 0;
    return verb_usage_error(self,
                            "unknown state '%s'; known are all, running, paused, shutdown, "
                            "crashed, halted, suspended, unknown",
                            name);
}

static int take_arguments(struct list_options *o, const struct verb *self, int argc, char **argv)
{
    int status = 0;

    for (int i = 1; i < argc && status == 0; i++) {
        if (strcmp(argv[i], "-l") == 0 || strcmp(argv[i], "--long") == 0)
            o->detailed = true;
        else if (strcmp(argv[i], "--json") == 0)
            o->as_json = true;
        else if (strncmp(argv[i], "--state=", 8) == 0)
            status = take_state(o, self, argv[i] + 8);
        else if (argv[i][0] == '-')
            status = verb_usage_error(self, "unknown option '%s'", argv[i]);
        else
            o->names[o->nr_names++] = argv[i];
    }
    if (status == 0 && o->state && o->nr_names)
        status = verb_usage_error(self, "--state and a domain's name exclude each other");
    return status;
}

static int run_list(const struct verb *self, int argc, char **argv)
{
    struct list_options o = {.names = argv};
    struct err err = {0};
    json_t *list = NULL;
    int rc = verb_check_arguments(self, argc, argv, 0, 1000);

    if (rc >= 0)
        return rc;
    rc = take_arguments(&o, self, argc, argv);
    if (rc != 0)
        return rc;
    rc = domains_collect_all(o.names, o.nr_names, &list, &err);
    if (rc < 0)
        return verb_error(&err);
    if (o.nr_names == 0 && !verb_is_xl())
        list = sorted(list);
    print(&o, list);
    json_decref(list);
    return XM_OK;
}

const struct verb verb_list = {
    .name = "list",
    .arguments = "[-l] [--json] [--state=STATE] [Domain...]",
    .summary = "List domains.",
    .details =
        "  -l, --long      all there is to know, as S-expressions\n"
        "  --json          the same as JSON\n"
        "  --state=STATE   only those that are running, paused, shutdown, crashed or halted\n",
    .run = run_list,
};
