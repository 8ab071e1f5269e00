/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control_vcpus.c - verbs of the control socket about vCPUs: pause and unpause.
 */
#include <errno.h>

#include "base/log.h"
#include "domain/control_verbs.h"
#include "domain/pause.h"
#include "domain/process.h"

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
