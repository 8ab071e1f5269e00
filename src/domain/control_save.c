/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control_save.c - the verbs save and save-end of the control socket. The file comes as a
 * descriptor with the request, as with dump-core.
 */
#include <errno.h>

#include "base/log.h"
#include "domain/control.h"
#include "domain/control_verbs.h"
#include "domain/process.h"
#include "domain/save.h"

static void on_done(void *arg, int rc, const struct err *err)
{
    struct process *p = arg;

    if (rc < 0)
        log_msg(LOG_WARN, "domain", "not saved: %s", err->msg);
    else
        log_msg(LOG_INFO, "domain", "saved");
    control_save_done(p->control, rc, err);
}

void control_save(struct connection *cn, const json_t *request)
{
    struct process *p = control_process(cn);
    int fd = control_take_fd(cn);
    struct err err = {0};
    int rc;

    if (fd < 0)
        rc = err_set(&err, EINVAL, "save: a file has to come with the request");
    else
        rc = save_begin(p, fd, on_done, p, &err);
    if (rc < 0)
        control_answer_result(cn, rc, &err);
    else
        control_wait_for_save(cn);
}

void control_save_end(struct connection *cn, const json_t *request)
{
    struct process *p = control_process(cn);
    struct err err = {0};
    int rc = control_wait_for_end(cn, &err);

    if (rc == 0)
        rc = save_end_life(p, &err);
    if (rc < 0)
        control_answer_result(cn, rc, &err);
}
