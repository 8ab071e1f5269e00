/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control_dump.c - the verb dump-core of the control socket: the file comes as a descriptor with
 * the request, as D may not open what its guest could have chosen.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "domain/control.h"
#include "domain/control_verbs.h"
#include "domain/dump.h"
#include "domain/process.h"

/* What is to happen to the guest afterwards. */
enum after { AFTER_NOTHING, AFTER_CRASH, AFTER_RESET };

static enum after after; /* of the dump that is being written; there is one at a time */

static void on_done(void *arg, int rc, const struct err *err)
{
    struct process *p = arg;

    if (rc < 0)
        log_msg(LOG_WARN, "domain", "no core: %s", err->msg);
    else
        log_msg(LOG_INFO, "domain", "a core was written");
    if (rc == 0) {
        pthread_mutex_lock(&p->d.lock);
        if (after == AFTER_CRASH)
            process_destroy(p, "ended after its core was written");
        else if (after == AFTER_RESET)
            process_reset(p, "reset after its core was written");
        pthread_mutex_unlock(&p->d.lock);
    }
    control_dump_done(p->control, rc, err);
}

void control_dump_core(struct connection *cn, const json_t *request)
{
    struct process *p = control_process(cn);
    bool crash = json_get_bool(request, "crash", false);
    bool reset = json_get_bool(request, "reset", false);
    int fd = control_take_fd(cn);
    struct err err = {0};
    int rc;

    if (fd < 0)
        rc = err_set(&err, EINVAL, "dump-core: a file has to come with the request");
    else
        rc = dump_begin(p, fd, json_get_bool(request, "live", false), on_done, p, &err);
    if (rc < 0) {
        control_answer_result(cn, rc, &err);
        return;
    }
    after = crash ? AFTER_CRASH : reset ? AFTER_RESET : AFTER_NOTHING;
    control_wait_for_dump(cn);
}
