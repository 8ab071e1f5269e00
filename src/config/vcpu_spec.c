/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpu_spec.c - see vcpu_spec.h. xm says how many there are by vcpus and which of them are online
 * by the mask vcpu_avail; xl says how many are online by vcpus and how many there are by maxvcpus.
 */
#define _GNU_SOURCE
#include "config/vcpu_spec.h"

#include <errno.h>
#include <stdio.h>

#include "base/cpulist.h"
#include "config/value.h"

static int take_int(const struct config *c, const char *name, int64_t otherwise, int64_t min,
                    int64_t max, int64_t *ret, struct err *err)
{
    *ret = config_int(c, name, otherwise);
    if (*ret < min || *ret > max)
        return err_set(err, EINVAL, "%s: %s = %lld is not within %lld..%lld", config_place(c, name),
                       name, (long long)*ret, (long long)min, (long long)max);
    return 0;
}

/* Shares of CPU time. A cap is in percent of one CPU; its two names are xm's and xl's. */
static int add_shares(const struct config *c, json_t *doc, int64_t vcpus, struct err *err)
{
    int64_t weight, cap, xl_cap;
    int rc = take_int(c, "cpu_weight", 256, 1, 65535, &weight, err);

    if (rc == 0)
        rc = take_int(c, "cpu_cap", 0, 0, 100 * vcpus, &cap, err);
    if (rc == 0)
        rc = take_int(c, "cap", cap, 0, 100 * vcpus, &xl_cap, err);
    if (rc < 0)
        return rc;
    json_object_set_new(doc, "cpu_weight", json_integer(weight));
    json_object_set_new(doc, "cpu_cap", json_integer(xl_cap));
    return 0;
}

static int add_count(const struct config *c, json_t *doc, int64_t max, int64_t *ret_most,
                     struct err *err)
{
    int64_t vcpus, most, online;
    int rc = take_int(c, "vcpus", 1, 1, max, &vcpus, err);

    if (rc == 0)
        rc = take_int(c, "maxvcpus", vcpus, vcpus, max, &most, err);
    if (rc < 0)
        return rc;
    online = config_int(c, "vcpu_avail", ((int64_t)1 << vcpus) - 1) & (((int64_t)1 << most) - 1);
    if (!(online & 1))
        return err_set(err, EINVAL, "%s: vcpu_avail: virtual CPU 0 must be online",
                       config_place(c, "vcpu_avail"));
    json_object_set_new(doc, "vcpus", json_integer(most));
    json_object_set_new(doc, "vcpu_avail", json_integer(online));
    *ret_most = most;
    return 0;
}

/* One set, checked and in the usual spelling. */
static int append_set(struct config *c, json_t *sets, const char *option, const struct value *v,
                      struct err *err)
{
    const char *text = value_to_text(config_arena(c), v);
    char canonical[CPULIST_MAX];
    cpu_set_t cpus, host, both;

    if (cpulist_parse(text, &cpus) < 0)
        return err_set(err, EINVAL, "%s: %s: '%s' is no list of CPUs, as '0-3,5,^1' or 'all'",
                       config_place(c, option), option, text);
    cpulist_host(&host);
    CPU_AND(&both, &cpus, &host);
    if (CPU_COUNT(&both) == 0) {
        config_warn(c, "%s: %s: this host has none of the CPUs '%s'; it does not count",
                    config_place(c, option), option, text);
        cpus = host;
    }
    cpulist_format(&cpus, canonical);
    json_array_append_new(sets, json_string(canonical));
    return 0;
}

/* "cpus": a set for each virtual CPU. */
static int add_places(struct config *c, json_t *doc, int64_t vcpus, struct err *err)
{
    const char *option = config_value(c, "cpus") ? "cpus" : "cpu";
    const struct value *v = config_value(c, option);
    json_t *sets;
    int rc = 0;

    if (!v || v->kind == VALUE_NONE || (v->kind == VALUE_STRING && !v->string.len) ||
        (v->kind == VALUE_INT && v->integer < 0))
        return 0;
    sets = json_array();
    if (!value_is_sequence(v)) {
        /* `cpu` was where the first one runs. */
        for (int64_t i = 0; i < (option[3] ? vcpus : 1) && rc == 0; i++)
            rc = append_set(c, sets, option, v, err);
    } else {
        for (size_t i = 0; i < v->items->count && (int64_t)i < vcpus && rc == 0; i++)
            rc = append_set(c, sets, option, v->items->at[i], err);
    }
    if (rc == 0)
        json_object_set_new(doc, "cpus", sets);
    else
        json_decref(sets);
    return rc;
}

int vcpu_spec_add(struct config *c, json_t *doc, int64_t max, struct err *err)
{
    int64_t most = 0;
    int rc = add_count(c, doc, max, &most, err);

    if (rc == 0)
        rc = add_shares(c, doc, most, err);
    return rc < 0 ? rc : add_places(c, doc, most, err);
}
