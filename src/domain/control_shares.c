/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control_shares.c - the verb sched-credit of the control socket: tells, and sets, the domain's
 * share of CPU time.
 */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "domain/control_verbs.h"
#include "domain/process.h"
#include "domain/shares.h"

#define MAX_WEIGHT 65535

int process_set_shares(struct process *p, unsigned int weight, unsigned int cap, struct err *err)
{
    char how[PATHS_MAX + 32];
    int rc = shares_ask(&p->shares, p->d.domid, weight, cap, err);

    if (rc == 0 && p->shares.weight)
        log_msg(LOG_INFO, "domain", "weight %u, cap %u by %s", weight, cap,
                shares_how(&p->shares, how, sizeof(how)));
    return rc;
}

void control_sched_credit(struct connection *cn, const json_t *request)
{
    struct process *p = control_process(cn);
    json_int_t weight = p->shares.weight ? p->shares.weight : SHARES_WEIGHT, cap = p->shares.cap;
    char how[PATHS_MAX + 32];
    struct err err = {0};
    int rc = 0;

    if (json_object_get(request, "weight"))
        rc = json_need_int(request, "weight", 1, MAX_WEIGHT, &weight, &err);
    if (rc == 0 && json_object_get(request, "cap"))
        rc = json_need_int(request, "cap", 0, 100 * (json_int_t)p->options.vcpus, &cap, &err);
    if (rc == 0)
        rc = process_set_shares(p, (unsigned int)weight, (unsigned int)cap, &err);
    if (rc < 0)
        control_answer_result(cn, rc, &err);
    else
        control_answer(cn, json_pack("{s:b, s:I, s:I, s:s}", "ok", 1, "weight", weight, "cap", cap,
                                     "how", shares_how(&p->shares, how, sizeof(how))));
}
