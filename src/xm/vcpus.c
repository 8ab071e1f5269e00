/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpus.c - xm vcpu-list, vcpu-set, vcpu-pin: the virtual CPUs of domains. The table's layout is
 * that of Xen 4.1. Domain 0 is the host and has its CPUs.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpulist.h"
#include "config/domain_config.h"
#include "toolstack/amend.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 5000

/* --- vcpu-list --------------------------------------------------------------------------- */

static void print_row(const char *name, long long domid, long long vcpu, const char *cpu,
                      const char *state, double seconds, const char *affinity)
{
    /* xl tells the CPUs that it may use, then those that it should; here these are the same. */
    if (verb_is_xl() && strcmp(affinity, "any cpu") == 0)
        affinity = "all";
    printf("%-32s %5lld %5lld %5s %5s  %8.1f %s%s\n", name, domid, vcpu, cpu, state, seconds,
           affinity, verb_is_xl() ? " / all" : "");
}

/* Its CPUs, each with the time that it was busy. */
static void print_host(void)
{
    FILE *f = fopen("/proc/stat", "re");
    char line[256], number[16];

    while (f && fgets(line, sizeof(line), f)) {
        unsigned long long user, nice, system;
        unsigned int cpu;

        if (!isdigit((unsigned char)line[3]) ||
            sscanf(line, "cpu%u %llu %llu %llu", &cpu, &user, &nice, &system) != 4)
            continue;
        snprintf(number, sizeof(number), "%u", cpu);
        print_row("Domain-0", 0, cpu, number, "r--",
                  (double)(user + nice + system) / (double)sysconf(_SC_CLK_TCK), "any cpu");
    }
    if (f)
        fclose(f);
}

static void print_vcpu(const json_t *info, const json_t *vcpu, const cpu_set_t *host)
{
    long long cpu = json_get_int(vcpu, "cpu", -1);
    char number[24] = "-", affinity[CPULIST_MAX] = "??";
    cpu_set_t cpus;

    if (cpu >= 0)
        snprintf(number, sizeof(number), "%lld", cpu);
    if (cpulist_parse(json_get_string(vcpu, "affinity", ""), &cpus) == 0)
        cpulist_describe(&cpus, host, affinity);
    print_row(json_get_string(info, "name", "??"), json_get_int(info, "domid", -1),
              json_get_int(vcpu, "vcpu", -1), number, json_get_string(vcpu, "state", "---"),
              json_number_value(json_object_get(vcpu, "cpu_time")), affinity);
}

/* A domain that goes away meanwhile is left out. */
static void print_domain(const json_t *info)
{
    domid_t domid = (domid_t)json_get_int(info, "domid", 0);
    json_t *answer = NULL;
    struct err err = {0};
    const json_t *vcpu;
    cpu_set_t host;
    size_t i;

    if (domid == 0) {
        print_host();
        return;
    }
    cpulist_host(&host);
    if (client_call(domid, json_pack("{s:s}", "verb", "vcpu-list"), TIMEOUT_MS, &answer, &err) < 0)
        return;
    json_array_foreach(json_object_get(answer, "vcpus"), i, vcpu) print_vcpu(info, vcpu, &host);
    json_decref(answer);
}

static int run_vcpu_list(const struct verb *self, int argc, char **argv)
{
    struct err err = {0};
    json_t *list = NULL;
    const json_t *info;
    size_t i;
    int rc = verb_check_arguments(self, argc, argv, 0, 1000);

    if (rc >= 0)
        return rc;
    if (domains_collect(argv + 1, argc - 1, &list, &err) < 0)
        return verb_error(&err);
    printf("%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU", "State", "Time(s)",
           verb_is_xl() ? "Affinity (Hard / Soft)" : "CPU Affinity");
    json_array_foreach(list, i, info)
    {
        if (json_object_get(info, "domid")) /* it runs */
            print_domain(info);
    }
    json_decref(list);
    return XM_OK;
}

/* --- vcpu-set, vcpu-pin ------------------------------------------------------------------- */

/* A running domain, or a managed one. */
static int find(const char *domain, struct amend_target *ret, struct err *err)
{
    if (domains_is_host(domain))
        return err_set(err, EPERM, "Domain-0 is this host: its CPUs are not xm's to change");
    return amend_find(domain, ret, err);
}

/* As many as are online at boot; a domain that does not run has no others. */
static int amend_vcpus(struct arena *a, struct sxp *vm, const void *arg, struct err *err)
{
    const long *wanted = arg;
    long long most = amend_number(vm, "vcpus", 1);

    if (*wanted < 1 || *wanted > most)
        return err_set(err, EINVAL, "%ld VCPUs do not fit its config, which has %lld", *wanted,
                       most);
    amend_set(a, vm, "vcpu_avail",
              *wanted < most ? arena_printf(a, "%llu", (1ull << *wanted) - 1) : NULL);
    return 0;
}

static int amend_most_vcpus(struct arena *a, struct sxp *vm, const void *arg, struct err *err)
{
    const long *wanted = arg;

    if (*wanted < 1)
        return err_set(err, EINVAL, "Zero or less VCPUs is invalid");
    if (*wanted > DOMAIN_CONFIG_MAX_VCPUS)
        return err_set(err, EINVAL, "a domain has at most %d VCPUs", DOMAIN_CONFIG_MAX_VCPUS);
    amend_set(a, vm, "vcpus", arena_printf(a, "%ld", *wanted));
    amend_set(a, vm, "vcpu_avail", NULL);
    return 0;
}

/* The CPUs of each, as the domain process has them. */
static int amend_pins(struct arena *a, struct sxp *vm, const void *arg, struct err *err)
{
    struct sxp *element = sxp_list(a, "cpus"), *pins = sxp_list(a, NULL);
    const json_t *vcpu;
    size_t i;

    json_array_foreach((const json_t *)arg, i, vcpu)
    {
        sxp_append_atom(a, pins, arena_printf(a, "%s", json_get_string(vcpu, "affinity", "all")));
    }
    sxp_append(element, pins);
    amend_put(vm, element);
    return 0;
}

static bool is_number(const char *text, long *ret)
{
    char *end;

    *ret = strtol(text, &end, 10);
    return end != text && !*end && *ret > -1000000 && *ret < 1000000;
}

static int set_vcpus(const char *domain, long n, struct err *err)
{
    struct amend_target target;
    json_t *answer = NULL;
    int rc = find(domain, &target, err);

    if (rc < 0 || !target.entry.domid)
        return rc < 0 ? rc : amend_apply(&target, amend_most_vcpus, &n, err);
    rc = client_call(target.entry.domid,
                     json_pack("{s:s, s:I}", "verb", "vcpu-set", "vcpus", (json_int_t)n),
                     TIMEOUT_MS, &answer, err);
    if (rc == 0)
        amend_after(&target, amend_vcpus, &n);
    json_decref(answer);
    return rc;
}

static int run_vcpu_set(const struct verb *self, int argc, char **argv)
{
    struct err err = {0};
    long n;
    int rc = verb_check_arguments(self, argc, argv, 2, 2);

    if (rc >= 0)
        return rc;
    if (!is_number(argv[2], &n))
        return verb_usage_error(self, "'%s' is not a number of VCPUs", argv[2]);
    return set_vcpus(argv[1], n, &err) < 0 ? verb_error(&err) : XM_OK;
}

static int set_pins(const char *domain, long id, const char *cpus, struct err *err)
{
    struct amend_target target;
    json_t *answer = NULL;
    int rc = find(domain, &target, err);

    if (rc == 0 && !target.entry.domid)
        rc = err_set(err, ESRCH, "Domain '%s' is not running; cpus= in its config pins its VCPUs",
                     target.entry.name);
    if (rc == 0)
        rc = client_call(
            target.entry.domid,
            json_pack("{s:s, s:I, s:s}", "verb", "vcpu-pin", "vcpu", (json_int_t)id, "cpus", cpus),
            TIMEOUT_MS, &answer, err);
    json_decref(answer);
    if (rc < 0)
        return rc;
    if (client_call(target.entry.domid, json_pack("{s:s}", "verb", "vcpu-list"), TIMEOUT_MS,
                    &answer, NULL) == 0)
        amend_after(&target, amend_pins, json_object_get(answer, "vcpus"));
    json_decref(answer);
    return 0;
}

static int run_vcpu_pin(const struct verb *self, int argc, char **argv)
{
    struct err err = {0};
    cpu_set_t cpus;
    long id = -1;
    int rc = verb_check_arguments(self, argc, argv, 3, 3);

    if (rc >= 0)
        return rc;
    if (strcmp(argv[2], "all") != 0 && (!is_number(argv[2], &id) || id < 0))
        return verb_usage_error(self, "'%s' is neither a VCPU's number nor all", argv[2]);
    if (cpulist_parse(argv[3], &cpus) < 0)
        return verb_usage_error(self, "'%s' is no list of CPUs, as 0-3,5,^1 or all", argv[3]);
    return set_pins(argv[1], id, argv[3], &err) < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_vcpu_list = {
    .name = "vcpu-list",
    .arguments = "[Domain...]",
    .summary = "List the virtual CPUs of domains.",
    .details = "",
    .run = run_vcpu_list,
};

const struct verb verb_vcpu_pin = {
    .name = "vcpu-pin",
    .arguments = "<Domain> <VCPU|all> <CPUs|all>",
    .summary = "Set which CPUs of the host a virtual CPU may use.",
    .details = "CPUs are a list as 0-3,5,^1: numbers, ranges, and with ^ what is taken out.\n",
    .run = run_vcpu_pin,
};

const struct verb verb_vcpu_set = {
    .name = "vcpu-set",
    .arguments = "<Domain> <VCPUs>",
    .summary = "Set how many virtual CPUs a domain shall use.",
    .details = "",
    .run = run_vcpu_set,
};
