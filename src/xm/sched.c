/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sched.c - xm sched-credit: weights and caps of domains. The host's scheduler carries them out;
 * what by, a line tells whoever sets them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toolstack/amend.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 10000

struct sched_options {
    const char *domain;
    long weight, cap; /* -1 = not given */
};

/* Takes request. */
static int ask(domid_t domid, json_t *request, json_t **answer, struct err *err)
{
    json_object_set_new(request, "verb", json_string("sched-credit"));
    return client_call(domid, request, TIMEOUT_MS, answer, err);
}

static void print_row(const json_t *info)
{
    domid_t domid = (domid_t)json_get_int(info, "domid", 0);
    json_t *answer = NULL;
    struct err err = {0};

    if (domid && ask(domid, json_object(), &answer, &err) < 0)
        return; /* it has gone meanwhile */
    printf(verb_is_xl() ? "%-33s %4u %6lld %4lld\n" : "%-32s %5u %6lld %4lld\n",
           json_get_string(info, "name", "??"), domid,
           (long long)json_get_int(answer, "weight", 256),
           (long long)json_get_int(answer, "cap", 0));
    json_decref(answer);
}

static int show(const struct sched_options *o)
{
    char *names[] = {(char *)o->domain};
    struct err err = {0};
    json_t *list = NULL;
    const json_t *info;
    size_t i;

    if (domains_collect(names, o->domain ? 1 : 0, &list, &err) < 0)
        return verb_error(&err);
    if (verb_is_xl() && !o->domain)
        puts("Cpupool Pool-0: tslice=30ms ratelimit=1000us migration-delay=0us");
    printf("%-33s %4s %6s %4s\n", "Name", "ID", "Weight", "Cap");
    json_array_foreach(list, i, info)
    {
        if (json_object_get(info, "domid"))
            print_row(info);
    }
    json_decref(list);
    return XM_OK;
}

static int amend_shares(struct arena *a, struct sxp *vm, const void *arg, struct err *err)
{
    const struct sched_options *o = arg;

    if (o->weight == 0)
        return err_set(err, EINVAL, "'0' is no weight: it is 1 to 65535");
    if (o->weight > 0)
        amend_set(a, vm, "cpu_weight", arena_printf(a, "%ld", o->weight));
    if (o->cap >= 0)
        amend_set(a, vm, "cpu_cap", arena_printf(a, "%ld", o->cap));
    return 0;
}

static int set_running(const struct sched_options *o, const struct amend_target *target)
{
    json_t *request = json_object(), *answer = NULL;
    struct err err = {0};

    if (o->weight >= 0)
        json_object_set_new(request, "weight", json_integer(o->weight));
    if (o->cap >= 0)
        json_object_set_new(request, "cap", json_integer(o->cap));
    if (ask(target->entry.domid, request, &answer, &err) < 0)
        return verb_error(&err);
    amend_after(target, amend_shares, o);
    printf("Weight %lld, cap %lld: by %s\n", (long long)json_get_int(answer, "weight", -1),
           (long long)json_get_int(answer, "cap", -1), json_get_string(answer, "how", "??"));
    json_decref(answer);
    return XM_OK;
}

static int set(const struct sched_options *o)
{
    struct amend_target target;
    struct err err = {0};
    int rc = domains_is_host(o->domain)
                 ? err_set(&err, EPERM, "Domain-0 is this host: its share is not xm's to set")
                 : amend_find(o->domain, &target, &err);

    if (rc == 0 && target.entry.domid)
        return set_running(o, &target);
    if (rc == 0)
        rc = amend_apply(&target, amend_shares, o, &err);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

static bool take_number(const char *text, long max, long *ret)
{
    char *end;

    *ret = strtol(text, &end, 10);
    return end != text && !*end && *ret >= 0 && *ret <= max;
}

/* -1 to go on, else the exit status. */
static int take_arguments(struct sched_options *o, const struct verb *self, int argc, char **argv)
{
    static const struct {
        const char *brief, *word;
    } words[] = {{"-d", "--domain"}, {"-w", "--weight"}, {"-c", "--cap"}};

    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t len = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]), k = 0;
        const char *value;

        while (k < ARRAY_SIZE(words) && strcmp(argv[i], words[k].brief) != 0 &&
               (strlen(words[k].word) != len || strncmp(argv[i], words[k].word, len) != 0))
            k++;
        if (k == ARRAY_SIZE(words))
            return verb_usage_error(self, "unknown option '%s'", argv[i]);
        value = equals && argv[i][1] == '-' ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!value)
            return verb_usage_error(self, "option %s needs a value", argv[i]);
        if (k == 0)
            o->domain = value;
        else if (!take_number(value, 65535, k == 1 ? &o->weight : &o->cap))
            return verb_usage_error(self, "'%s' is no %s", value, k == 1 ? "weight" : "cap");
    }
    if (!o->domain && (o->weight >= 0 || o->cap >= 0))
        return verb_usage_error(self, "No domain given.");
    return -1;
}

static int run_sched_credit(const struct verb *self, int argc, char **argv)
{
    struct sched_options o = {.weight = -1, .cap = -1};
    int rc = verb_check_arguments(self, argc, argv, 0, 6);

    if (rc < 0)
        rc = take_arguments(&o, self, argc, argv);
    if (rc >= 0)
        return rc;
    return o.weight >= 0 || o.cap >= 0 ? set(&o) : show(&o);
}

const struct verb verb_sched_credit = {
    .name = "sched-credit",
    .arguments = "[-d <Domain> [-w <Weight>] [-c <Cap>]]",
    .summary = "Show or set domains' shares of CPU time.",
    .details = "  -d, --domain=DOMAIN  the domain; without it all are shown\n"
               "  -w, --weight=WEIGHT  its share beside others', 1 to 65535; 256 is everybody's\n"
               "  -c, --cap=CAP        its limit in percent of one CPU, 0 = none\n",
    .run = run_sched_credit,
};
