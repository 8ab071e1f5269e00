/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control_vcpus.c - verbs of the control socket about vCPUs: pause and unpause, which of them
 * the guest is to use, and which CPUs of the host they may use; triggers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "domain/control_verbs.h"
#include "domain/pause.h"
#include "domain/process.h"
#include "domain/xenstore_life.h"
#include "hvm/hvm.h"

/* A vCPU stops within microseconds; on a busy host it may have to wait for a CPU first. */
#define STILL_MS 2000

static int pause_now(struct process *p, struct err *err)
{
    struct domain *d = &p->d;
    int rc = 0;

    pthread_mutex_lock(&d->lock);
    if (d->state == DOMAIN_DYING)
        rc = err_set(err, EBUSY, "Domain '%s' is not running.", d->name);
    else
        domain_pause(d, PAUSED_BY_ADMIN);
    if (rc == 0 && d->state == DOMAIN_RUNNING &&
        !vcpu_threads_wait_still(p->life.threads, d, STILL_MS) && d->state == DOMAIN_RUNNING)
        rc = err_set(err, ETIMEDOUT, "Domain '%s' was told to pause but a vCPU has not stopped yet",
                     d->name);
    pthread_mutex_unlock(&d->lock);
    return rc;
}

void control_pause(struct connection *cn, const json_t *request)
{
    struct process *p = control_process(cn);
    struct err err = {0};
    char peer[32];
    int rc = pause_now(p, &err);

    log_msg(LOG_INFO, "domain", "paused by %s%s", control_peer(cn, peer),
            rc < 0 ? ", without success" : "");
    control_answer_result(cn, rc, &err);
}

void control_unpause(struct connection *cn, const json_t *request)
{
    struct process *p = control_process(cn);
    char peer[32];

    pthread_mutex_lock(&p->d.lock);
    domain_unpause(&p->d, PAUSED_BY_ADMIN);
    pthread_mutex_unlock(&p->d.lock);
    log_msg(LOG_INFO, "domain", "unpaused by %s", control_peer(cn, peer));
    control_answer_result(cn, 0, NULL);
}

/* --- how many ---------------------------------------------------------------------------- */

static int set_online(struct process *p, const json_t *request, struct err *err)
{
    struct domain *d = &p->d;
    json_int_t n;
    int rc = json_need_int(request, "vcpus", -1000000, 1000000, &n, err);

    if (rc < 0)
        return rc;
    if (n < 1)
        return err_set(err, EINVAL, "Zero or less VCPUs is invalid");
    if (n > p->options.vcpus)
        return err_set(err, EINVAL, "Cannot set vcpus greater than max vcpus on running domain");
    if (p->hvm) {
        rc = hvm_vcpus_check(p->hvm, (unsigned int)n, err);
        if (rc < 0)
            return rc;
    }
    p->options.vcpu_avail = (1u << n) - 1;
    d->vcpu_avail = p->options.vcpu_avail;
    log_msg(LOG_INFO, "domain", "%lld of %u vCPUs are to be online", (long long)n,
            p->options.vcpus);
    return xenstore_put_vcpus(d, err);
}

void control_vcpu_set(struct connection *cn, const json_t *request)
{
    struct err err = {0};
    int rc = set_online(control_process(cn), request, &err);

    control_answer_result(cn, rc, &err);
}

/* --- where ------------------------------------------------------------------------------- */

static int pin_one(struct process *p, unsigned int id, const cpu_set_t *cpus, struct err *err)
{
    int rc = 0;

    if (p->hvm)
        rc = hvm_vcpu_place(p->hvm, id, cpus);
    else if (p->d.engine)
        rc = engine_vcpu_place(p->d.engine, id, cpus);
    if (rc == -EINVAL)
        return err_set(err, EINVAL, "this host has none of these CPUs for vCPU %u", id);
    if (rc < 0)
        return err_set(err, -rc, "vCPU %u cannot be moved: %s", id, strerror(-rc));
    p->options.cpus[id] = *cpus;
    return 0;
}

static int pin(struct process *p, const json_t *request, struct err *err)
{
    const char *text = json_get_string(request, "cpus", "");
    unsigned int first = 0, last = p->options.vcpus - 1;
    cpu_set_t cpus;
    json_int_t id = -1;
    int rc = json_need_int(request, "vcpu", -1, (json_int_t)last, &id, err);

    if (rc == 0 && cpulist_parse(text, &cpus) < 0)
        rc = err_set(err, EINVAL, "'%s' is no list of CPUs, as 0-3,5 or all", text);
    if (id >= 0)
        first = last = (unsigned int)id;
    pthread_mutex_lock(&p->d.lock);
    for (unsigned int i = first; i <= last && rc == 0; i++)
        rc = pin_one(p, i, &cpus, err);
    pthread_mutex_unlock(&p->d.lock);
    return rc;
}

void control_vcpu_pin(struct connection *cn, const json_t *request)
{
    struct err err = {0};
    int rc = pin(control_process(cn), request, &err);

    control_answer_result(cn, rc, &err);
}

static json_t *describe_vcpu(const struct process *p, unsigned int id)
{
    const struct domain *d = &p->d;
    bool up = d->engine && d->vcpus[id].up;
    const char *state = "---";
    char affinity[CPULIST_MAX];
    uint64_t time = 0;
    int cpu = -1;

    if (d->engine)
        time = engine_vcpu_time(d->engine, id, &cpu);
    if (!up)
        state = "--p";
    else if (engine_vcpu_sleeps(d->engine, id))
        state = "-b-";
    else if (!d->paused)
        state = "r--";
    cpulist_format(&p->options.cpus[id], affinity);
    return json_pack("{s:i, s:b, s:s, s:i, s:f, s:s}", "vcpu", (int)id, "online", up, "state",
                     state, "cpu", up ? cpu : -1, "cpu_time", (double)time / 1e9, "affinity",
                     affinity);
}

void control_vcpu_list(struct connection *cn, const json_t *request)
{
    struct process *p = control_process(cn);
    json_t *list = json_array();

    pthread_mutex_lock(&p->d.lock);
    for (unsigned int i = 0; i < p->options.vcpus; i++)
        json_array_append_new(list, describe_vcpu(p, i));
    pthread_mutex_unlock(&p->d.lock);
    control_answer(cn, json_pack("{s:b, s:o}", "ok", 1, "vcpus", list));
}

/* --- triggers ----------------------------------------------------------------------------- */

static int send_nmi(struct domain *d, json_int_t id, struct err *err)
{
    if (id < 0 || id >= d->nr_vcpus)
        return err_set(err, EINVAL, "domain '%s' has no vCPU %lld", d->name, (long long)id);
    if (d->state != DOMAIN_RUNNING || !d->vcpus[id].up)
        return err_set(err, EINVAL, "vCPU %lld is offline", (long long)id);
    __atomic_fetch_or(&engine_run_page(d->engine, (unsigned int)id)->request, RUN_REQ_NMI,
                      __ATOMIC_SEQ_CST);
    engine_vcpu_kick(d->engine, (unsigned int)id);
    return 0;
}

static int trigger(struct process *p, const json_t *request, const char *peer, struct err *err)
{
    const char *event = json_get_string(request, "event", "");

    if (strcmp(event, "nmi") == 0)
        return send_nmi(&p->d, json_get_int(request, "vcpu", 0), err);
    if (strcmp(event, "reset") != 0)
        return err_set(
            err, EINVAL,
            "trigger '%.40s' is not for a paravirtualized guest, which has nmi and reset; "
            "xm shutdown asks it to power off",
            event);
    if (p->d.state != DOMAIN_RUNNING)
        return err_set(err, EINVAL, "domain '%s' is not running", p->d.name);
    process_reset(p, peer);
    return 0;
}

void control_trigger(struct connection *cn, const json_t *request)
{
    struct process *p = control_process(cn);
    struct err err = {0};
    char peer[32], who[48];
    int rc;

    snprintf(who, sizeof(who), "reset by %s", control_peer(cn, peer));
    pthread_mutex_lock(&p->d.lock);
    rc = trigger(p, request, who, &err);
    pthread_mutex_unlock(&p->d.lock);
    control_answer_result(cn, rc, &err);
}
