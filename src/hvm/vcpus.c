/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpus.c - the CPUs of a running machine: what they used, and more or fewer of them. A CPU is
 * plugged in; one that is taken out goes when the guest has let it go (ACPI), or never.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/proc.h"
#include "hvm/hvm_priv.h"

static json_t *describe(const struct hvm *h, int id, const json_t *cpu)
{
    struct proc_usage usage = {.cpu = -1};
    pid_t thread = (pid_t)json_get_int(cpu, "thread-id", 0);

    if (thread > 0 && proc_usage(thread, &usage) < 0)
        usage.cpu = -1;
    return json_pack("{s:i, s:b, s:s, s:i, s:f, s:s}", "vcpu", id, "online", cpu != NULL, "state",
                     cpu && !h->d->paused ? "r--" : "--p", "cpu", usage.cpu, "cpu_time",
                     (double)usage.ns / 1e9, "affinity", "all");
}

json_t *hvm_vcpus_list(struct hvm *h, struct err *err)
{
    json_t *cpus = NULL, *list = json_array();
    int rc = 0;

    if (h->qmp)
        rc = qmp_execute(h->qmp, "query-cpus-fast", NULL, -1, QMP_PATIENCE_MS, &cpus, err);
    for (unsigned int i = 0; rc == 0 && i < h->o->vcpus; i++)
        (void)json_array_append_new(list, describe(h, (int)i, json_array_get(cpus, i)));
    json_decref(cpus);
    if (rc == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* Plug in the first that is not there, or ask for the last back. */
static int change_one(struct hvm *h, const json_t *slots, bool add, struct err *err)
{
    const json_t *found = NULL, *slot;
    json_t *arguments;
    char id[32];
    size_t i;

    /* The last CPU comes first. */
    json_array_foreach(slots, i, slot)
    {
        if ((json_object_get(slot, "qom-path") == NULL) != add)
            continue;
        if (add || !found)
            found = slot;
    }
    if (!found)
        return err_set(err, ENOENT, "the machine has no such CPU");
    if (!add)
        return hvm_command(h, "device_del",
                           json_pack("{s:s}", "id", json_get_string(found, "qom-path", "")), err);
    arguments = json_deep_copy(json_object_get(found, "props"));
    snprintf(id, sizeof(id), "cpu%lld",
             (long long)json_get_int(json_object_get(found, "props"), "socket-id", 0));
    json_object_set_new(arguments, "driver", json_string(json_get_string(found, "type", "")));
    json_object_set_new(arguments, "id", json_string(id));
    return hvm_command(h, "device_add", arguments, err);
}

static unsigned int count(const json_t *slots)
{
    unsigned int n = 0;
    const json_t *slot;
    size_t i;

    json_array_foreach(slots, i, slot) n += json_object_get(slot, "qom-path") != NULL;
    return n;
}

void hvm_vcpus_adjust(struct hvm *h)
{
    unsigned int wanted = (unsigned int)__builtin_popcount(h->d->vcpu_avail);
    struct err err = {0};
    int rc = h->qmp ? 0 : -EAGAIN;

    for (unsigned int round = 0; rc == 0 && round < h->o->vcpus; round++) {
        json_t *slots = NULL;
        unsigned int now;

        rc =
            qmp_execute(h->qmp, "query-hotpluggable-cpus", NULL, -1, QMP_PATIENCE_MS, &slots, &err);
        now = count(slots);
        if (rc == 0 && now != wanted)
            rc = change_one(h, slots, now < wanted, &err);
        json_decref(slots);
        for (unsigned int i = 0; rc == 0 && i < h->o->vcpus; i++)
            h->d->vcpus[i].up = i < now;
        /* Removal takes the guest's time: one at a time. */
        if (now >= wanted)
            break;
    }
    if (rc < 0 && err.msg[0])
        log_msg(LOG_WARN, "hvm", "%s", err.msg);
}
