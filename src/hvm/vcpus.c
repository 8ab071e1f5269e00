/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpus.c - the CPUs of a running machine: what they used, where they run, and more or fewer of
 * them. A CPU is plugged in; one that is taken out goes when the guest has let it go (ACPI), or
 * never. Each is a thread of the device model.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cpulist.h"
#include "base/log.h"
#include "hvm/hvm_priv.h"
#include "hvm/threads.h"

/* What the device model says of its CPUs. 0 and a new array, NULL if there is no machine. */
static int query(struct hvm *h, json_t **ret, struct err *err)
{
    *ret = NULL;
    if (!h->qmp)
        return 0;
    return qmp_execute(h->qmp, "query-cpus-fast", NULL, -1, QMP_PATIENCE_MS, ret, err);
}

/* The thread of a CPU, -1 = it is not plugged in. The device model's word is believed for threads
 * of its own only (threads.h): whoever has taken it over is not to move others. */
static pid_t thread_of(const json_t *cpus, unsigned int id)
{
    const json_t *cpu;
    size_t i;

    json_array_foreach(cpus, i, cpu)
    {
        if (json_get_int(cpu, "cpu-index", -1) == (json_int_t)id)
            return (pid_t)json_get_int(cpu, "thread-id", -1);
    }
    return -1;
}

static json_t *describe(const struct hvm *h, unsigned int id, pid_t thread)
{
    struct proc_usage usage = {.cpu = -1};
    char affinity[CPULIST_MAX];
    int rc = thread > 0 ? threads_usage(model_pidfd(h->model), thread, &usage) : -ESRCH;
    bool online = rc != -ESRCH;

    if (rc < 0)
        usage = (struct proc_usage){.cpu = -1};
    cpulist_format(&h->o->cpus[id], affinity);
    return json_pack("{s:i, s:b, s:s, s:i, s:f, s:s}", "vcpu", (int)id, "online", online, "state",
                     online && !h->d->paused ? "r--" : "--p", "cpu", usage.cpu, "cpu_time",
                     (double)usage.ns / 1e9, "affinity", affinity);
}

json_t *hvm_vcpus_list(struct hvm *h, struct err *err)
{
    json_t *cpus, *list = json_array();
    int rc = query(h, &cpus, err);

    for (unsigned int i = 0; rc == 0 && i < h->o->vcpus; i++)
        (void)json_array_append_new(list, describe(h, i, thread_of(cpus, i)));
    json_decref(cpus);
    if (rc == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* --- where they run ----------------------------------------------------------------------- */

static int place(const struct hvm *h, const json_t *cpus, unsigned int id, const cpu_set_t *set)
{
    pid_t thread = thread_of(cpus, id);
    int rc = thread > 0 ? threads_place(model_pidfd(h->model), thread, set) : 0;

    return rc == -ESRCH ? 0 : rc;
}

int hvm_vcpu_place(struct hvm *h, unsigned int id, const cpu_set_t *set)
{
    struct err err = {0};
    json_t *cpus;
    int rc = query(h, &cpus, &err);

    if (rc == 0)
        rc = place(h, cpus, id, set);
    json_decref(cpus);
    return rc;
}

void hvm_vcpus_place(struct hvm *h)
{
    struct err err = {0};
    json_t *cpus;
    int rc = query(h, &cpus, &err);

    for (unsigned int i = 0; rc == 0 && i < h->o->vcpus; i++) {
        if (CPU_COUNT(&h->o->cpus[i]) == CPU_SETSIZE)
            continue; /* any */
        rc = place(h, cpus, i, &h->o->cpus[i]);
        if (rc < 0)
            (void)err_set(&err, -rc, "vCPU %u cannot be moved: %s", i, strerror(-rc));
    }
    if (rc < 0)
        log_msg(LOG_WARN, "hvm", "%s", err.msg);
    json_decref(cpus);
}

/* --- how many ----------------------------------------------------------------------------- */

/* QEMU's translator has room for as many CPUs as the machine may have, and never gives back what
 * one took: it would abort at the next. */
int hvm_vcpus_check(const struct hvm *h, unsigned int n, struct err *err)
{
    unsigned int now = 0;

    for (unsigned int i = 0; i < h->o->vcpus; i++)
        now += h->d->vcpus[i].up;
    if (h->spec.kvm || n <= now || h->nr_cpus + (n - now) <= h->o->vcpus)
        return 0;
    return err_set(err, ENOTSUP,
                   "an emulated CPU that was taken away comes back with the next start of '%s'",
                   h->d->name);
}

/* Plug in the first that is not there, or ask for the last back. */
static int change_one(struct hvm *h, const json_t *slots, bool add, struct err *err)
{
    const json_t *found = NULL, *slot;
    json_t *arguments;
    char id[32];
    size_t i;
    int rc;

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
    rc = hvm_command(h, "device_add", arguments, err);
    h->nr_cpus += rc == 0;
    return rc;
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
        for (unsigned int i = 0; rc == 0 && i < h->o->vcpus; i++)
            h->d->vcpus[i].up = i < now;
        if (rc == 0)
            rc = hvm_vcpus_check(h, wanted, &err);
        if (rc == 0 && now != wanted)
            rc = change_one(h, slots, now < wanted, &err);
        json_decref(slots);
        /* Removal takes the guest's time: the event of its end brings us back for the next. */
        if (now >= wanted)
            break;
    }
    if (rc == 0)
        hvm_vcpus_place(h);
    if (rc < 0 && err.msg[0])
        log_msg(LOG_WARN, "hvm", "%s", err.msg);
}
