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
#include "xm/list_xl.h"
#include "xm/verbs.h"

struct list_options {
    bool as_json;
    bool detailed;
    bool labels;       /* of security, which there are none of */
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
static void print_row(const struct list_options *o, const json_t *info)
{
    char id[16] = "";

    if (json_object_get(info, "domid"))
        snprintf(id, sizeof(id), "%lld", (long long)json_get_int(info, "domid", -1));
    printf(verb_is_xl() ? "%-40s %5s %5lld %5lld     %-6s  %8.1f%s\n"
                        : "%-40s %5s %5lld %5lld %10s %8.1f%s\n",
           json_get_string(info, "name", "??"), id, (long long)json_get_int(info, "memory", -1),
           (long long)json_get_int(info, "online_vcpus", json_get_int(info, "vcpus", -1)),
           json_get_string(info, "state", "??"),
           json_number_value(json_object_get(info, "cpu_time")), o->labels ? " INACTIVE  " : "");
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

static void print_heading(const struct list_options *o)
{
    const char *label = o->labels ? " Label     " : "";

    if (verb_is_xl())
        printf("%-40s %5s %5s %5s\tState\tTime(s)%s\n", "Name", "ID", "Mem", "VCPUs", label);
    else
        printf("%-40s %5s %5s %5s %10s %9s%s\n", "Name", "ID", "Mem", "VCPUs", "State", "Time(s)",
               label);
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
        list_xl_print(list);
        return;
    }
    if (!o->detailed)
        print_heading(o);
    json_array_foreach(list, i, info)
    {
        if (o->state && !is_in_state(info, o->state))
            continue;
        if (o->detailed)
            print_detailed(info);
        else
            print_row(o, info);
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

/* There is one that has all domains. */
static int take_pool(bool *ret, const struct verb *self, const char *name)
{
    *ret = true;
    return strcmp(name, "Pool-0") == 0
               ? 0
               : verb_usage_error(self, "unknown pool '%s'; there is only Pool-0", name);
}

static int take_arguments(struct list_options *o, const struct verb *self, int argc, char **argv)
{
    bool pool = false;
    int status = 0;

    for (int i = 1; i < argc && status == 0; i++) {
        if (strcmp(argv[i], "-l") == 0 || strcmp(argv[i], "--long") == 0)
            o->detailed = true;
        else if (strcmp(argv[i], "--json") == 0)
            o->as_json = true;
        else if (strcmp(argv[i], "--label") == 0 || strcmp(argv[i], "-Z") == 0)
            o->labels = true;
        else if (strncmp(argv[i], "--pool=", 7) == 0)
            status = take_pool(&pool, self, argv[i] + 7);
        else if (strncmp(argv[i], "--state=", 8) == 0)
            status = take_state(o, self, argv[i] + 8);
        else if (argv[i][0] == '-')
            status = verb_usage_error(self, "unknown option '%s'", argv[i]);
        else
            o->names[o->nr_names++] = argv[i];
    }
    if (status == 0 && (o->state || pool) && o->nr_names)
        status = verb_usage_error(self, "--%s and a domain's name exclude each other",
                                  o->state ? "state" : "pool");
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
    if (rc < 0 && verb_is_xl()) { /* this is the one where xl has xm's words */
        fprintf(stderr, "Error: %s\n", err.msg);
        return XM_FAILED;
    }
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
    .arguments = "[-l] [--json] [--label] [--state=STATE] [--pool=POOL] [Domain...]",
    .summary = "List domains.",
    .details =
        "  -l, --long      all there is to know, as S-expressions\n"
        "  --json          the same as JSON\n"
        "  --label         a column for security labels, which there are none of\n"
        "  --state=STATE   only those running, paused, shutdown, crashed, halted or suspended\n"
        "  --pool=POOL     only those of a pool of CPUs; all are of Pool-0\n",
    .run = run_list,
};
