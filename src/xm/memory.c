/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * memory.c - xm mem-set, xm mem-max: how much memory a domain shall have, and how much it may.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toolstack/amend.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 5000
#define MAX_KIB (1ll << 38)
#define DOMAIN_MAX_KIB (262144ll << 10) /* as memory and maxmem in a config */

/* "512", "512m", "1g", "524288k", "536870912b": KiB; -1: it is none. Without a letter it is MiB,
 * as it always was in xm, whatever its manual said. */
static long long parse_amount(const char *text)
{
    static const char units[] = "kmgt";
    const char *unit;
    char *end;
    long long n = strtoll(text, &end, 10);

    if (end == text || n <= 0 || n > MAX_KIB)
        return -1;
    if (strcmp(end, "b") == 0)
        return n / 1024 > 0 ? n / 1024 : -1;
    if (!*end)
        end = (char *)"m";
    unit = strchr(units, *end | 0x20);
    if (!unit || end[1])
        return -1;
    for (; unit > units && n <= MAX_KIB; unit--)
        n *= 1024;
    return n <= MAX_KIB ? n : -1;
}

struct amounts {
    bool limit; /* of mem-max; else the target */
    long long mib;
};

static int amend_amounts(struct arena *a, struct sxp *vm, const void *arg, struct err *err)
{
    const struct amounts *wanted = arg;
    const char *text = arena_printf(a, "%lld", wanted->mib);
    long long memory = amend_number(vm, "memory", 128);
    long long most = amend_number(vm, "maxmem", memory);

    if (!wanted->limit && wanted->mib > most)
        return err_set(err, ERANGE, "%lld MiB are more than it may have, which is %lld MiB",
                       wanted->mib, most);
    if (wanted->limit)
        amend_set(a, vm, "maxmem", text);
    else if (wanted->mib < most)
        amend_set(a, vm, "maxmem", arena_printf(a, "%lld", most));
    if (!wanted->limit || memory > wanted->mib)
        amend_set(a, vm, "memory", text);
    return 0;
}

/* Of a running domain, and of its configs. */
static int change(const struct verb *self, const char *domain, long long kib, struct err *err)
{
    const struct amounts amounts = {.limit = self == &verb_mem_max, .mib = (kib + 1023) / 1024};
    struct amend_target target;
    json_t *answer = NULL;
    int rc = amend_find(domain, &target, err);

    if (rc < 0 || !target.entry.domid)
        return rc < 0 ? rc : amend_apply(&target, amend_amounts, &amounts, err);
    rc = client_call(target.entry.domid,
                     json_pack("{s:s, s:I}", "verb", self->name, "kib", (json_int_t)kib),
                     TIMEOUT_MS, &answer, err);
    if (rc == 0)
        amend_after(&target, amend_amounts, &amounts);
    if (rc == 0 && json_get_bool(answer, "later", false))
        fprintf(stderr, "Warning: this much is more than the running guest was started for; "
                        "it holds from its next start or reboot on\n");
    json_decref(answer);
    return rc;
}

static int run_memory(const struct verb *self, int argc, char **argv)
{
    struct err err = {0};
    long long kib;
    int rc = verb_check_arguments(self, argc, argv, 2, 2);

    if (rc >= 0)
        return rc;
    kib = parse_amount(argv[2]);
    if (kib < 0)
        return verb_usage_error(self, "'%s' is not an amount of memory, as 512 (MiB) or 1g",
                                argv[2]);
    if (kib > DOMAIN_MAX_KIB)
        return verb_usage_error(self, "'%s' is more than the %lld MiB that a domain may have",
                                argv[2], DOMAIN_MAX_KIB / 1024);
    if (domains_is_host(argv[1])) {
        err_set(&err, EPERM, "Domain-0 is this host: its memory cannot be set");
        return verb_error(&err);
    }
    return change(self, argv[1], kib, &err) < 0 ? verb_error(&err) : XM_OK;
}

#define UNITS "Without a unit (k, m, g, t) it is MiB.\n"

const struct verb verb_mem_set = {
    .name = "mem-set",
    .arguments = "<Domain> <Mem>",
    .summary = "Set how much memory a domain shall have now.",
    .details = UNITS,
    .run = run_memory,
};

const struct verb verb_mem_max = {
    .name = "mem-max",
    .arguments = "<Domain> <Mem>",
    .summary = "Set how much memory a domain may have at most.",
    .details = UNITS,
    .run = run_memory,
};
