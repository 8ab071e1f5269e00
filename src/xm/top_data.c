/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * top_data.c - see top_data.h.
 */
#include "xm/top_data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "toolstack/admission.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "xm/store.h"

#define KIB_PER_MIB 1024
#define TIMEOUT_MS 500

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* "rbpscd" of a list to xentop's order. */
static void convert_state(const char *list, char to[static 7])
{
    static const char order[] = "dsbcpr";

    for (size_t i = 0; order[i]; i++)
        to[i] = strchr(list, order[i]) ? order[i] : '-';
    to[6] = '\0';
}

/* A counter of a network interface of the host; 0 where there is none. */
static long long link_counter(domid_t domid, long long n, const char *counter)
{
    unsigned long long value = 0;
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "/sys/class/net/vif%u.%lld/statistics/%s", domid, n, counter);
    f = fopen(path, "re");
    if (f) {
        if (fscanf(f, "%llu", &value) != 1)
            value = 0;
        fclose(f);
    }
    return (long long)value;
}

/* What the host receives, the guest has sent. */
void top_read_net(domid_t domid, long long number, struct top_net *ret)
{
    *ret = (struct top_net){
        .rx_bytes = link_counter(domid, number, "tx_bytes"),
        .rx_packets = link_counter(domid, number, "tx_packets"),
        .rx_errors = link_counter(domid, number, "tx_errors"),
        .rx_dropped = link_counter(domid, number, "tx_dropped"),
        .tx_bytes = link_counter(domid, number, "rx_bytes"),
        .tx_packets = link_counter(domid, number, "rx_packets"),
        .tx_errors = link_counter(domid, number, "rx_errors"),
        .tx_dropped = link_counter(domid, number, "rx_dropped"),
    };
}

static long long count_devices(struct xs_client *xs, domid_t domid, const char *class)
{
    char path[64], **names = NULL;
    size_t count = 0;

    snprintf(path, sizeof(path), "/local/domain/%u/device/%s", domid, class);
    if (!xs || xs_directory(xs, XS_NO_TX, path, &names, &count) < 0)
        return 0;
    free(names);
    return (long long)count;
}

/* A list that the domain's process gives; NULL if it does not answer at once. */
static json_t *ask(domid_t domid, const char *verb, const char *member)
{
    json_t *answer = NULL, *list;

    if (client_call(domid, json_pack("{s:s}", "verb", verb), TIMEOUT_MS, &answer, NULL) < 0)
        return NULL;
    list = json_incref(json_object_get(answer, member));
    json_decref(answer);
    return list;
}

static void count_disks(struct top_domain *d)
{
    json_t *disk;
    size_t i;

    json_array_foreach(d->disks, i, disk)
    {
        d->vbd_oo += json_get_int(disk, "waits", 0);
        d->vbd_rd += json_get_int(disk, "reads", 0);
        d->vbd_wr += json_get_int(disk, "writes", 0);
        d->vbd_rsect += json_get_int(disk, "read_sectors", 0);
        d->vbd_wsect += json_get_int(disk, "written_sectors", 0);
    }
}

static void take_devices(struct top_domain *d, struct xs_client *xs, bool want_vcpus)
{
    if (d->domid == 0)
        return;
    d->vbds = count_devices(xs, d->domid, "vbd");
    d->nets = count_devices(xs, d->domid, "vif");
    if (d->vbds > 0)
        d->disks = ask(d->domid, "block-list", "disks");
    if (want_vcpus)
        d->virtual_cpus = ask(d->domid, "vcpu-list", "vcpus");
    count_disks(d);
    for (long long n = 0; n < d->nets; n++) {
        struct top_net net;

        top_read_net(d->domid, n, &net);
        d->net_tx_kib += net.tx_bytes / 1024;
        d->net_rx_kib += net.rx_bytes / 1024;
    }
}

static void free_domains(struct top *t)
{
    for (size_t i = 0; i < t->count; i++) {
        json_decref(t->domains[i].disks);
        json_decref(t->domains[i].virtual_cpus);
    }
    free(t->domains);
}

static void take(struct top_domain *d, const json_t *info, const struct top *before, double at)
{
    double total = (double)before->total_kib;

    memset(d, 0, sizeof(*d));
    d->domid = (domid_t)json_get_int(info, "domid", 0);
    snprintf(d->name, sizeof(d->name), "%s", json_get_string(info, "name", "??"));
    convert_state(json_get_string(info, "state", ""), d->state);
    d->cpu_seconds = json_number_value(json_object_get(info, "cpu_time"));
    d->memory_kib = json_get_int(info, "memory", 0) * KIB_PER_MIB;
    d->maxmem_kib = d->domid ? json_get_int(info, "maxmem", 0) * KIB_PER_MIB : -1;
    d->memory_percent = total > 0 ? 100 * (double)d->memory_kib / total : 0;
    d->maxmem_percent = total > 0 && d->domid ? 100 * (double)d->maxmem_kib / total : 0;
    d->vcpus = json_get_int(info, "vcpus", 0);
    for (size_t i = 0; i < before->count; i++)
        if (before->domains[i].domid == d->domid && at > before->at)
            d->cpu_percent =
                100 * (d->cpu_seconds - before->domains[i].cpu_seconds) / (at - before->at);
    if (d->cpu_percent < 0)
        d->cpu_percent = 0;
}

int top_update(struct top *t, bool want_vcpus, struct err *err)
{
    struct xs_client *xs = NULL;
    struct top_domain *domains;
    json_t *list = NULL, *info;
    double at = now();
    size_t i;
    int rc = domains_collect(NULL, 0, &list, err);

    if (rc < 0)
        return rc;
    t->total_kib = (long long)admission_host_kib();
    domains = calloc(json_array_size(list) + 1, sizeof(*domains));
    if (store_open(&xs, NULL) < 0)
        xs = NULL;
    json_array_foreach(list, i, info)
    {
        if (!domains)
            break;
        take(&domains[i], info, t, at);
        take_devices(&domains[i], xs, want_vcpus);
    }
    if (xs)
        xs_close(xs);
    free_domains(t);
    t->domains = domains;
    t->count = domains ? json_array_size(list) : 0;
    t->at = at;
    json_decref(list);
    return domains ? 0 : err_set(err, ENOMEM, "out of memory");
}

void top_done(struct top *t)
{
    free_domains(t);
    memset(t, 0, sizeof(*t));
}
