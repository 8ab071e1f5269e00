/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * verbs.c - requests of the control socket that a machine answers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "domain/pause.h"
#include "hvm/hvm_priv.h"

/* 0, or -errno with a sentence. `answer` is an object that says ok already. */
typedef int verb_fn(struct hvm *h, const json_t *request, json_t *answer, struct err *err);

static int block_list(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    return json_object_set_new(answer, "disks", hvm_drives_list(h)) < 0
               ? err_set(err, ENOMEM, "out of memory")
               : 0;
}

static int network_list(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    return json_object_set_new(answer, "vifs", hvm_nics_list(h)) < 0
               ? err_set(err, ENOMEM, "out of memory")
               : 0;
}

/* Only media come and go: the drives of a PC are soldered in. */
static int block_configure(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    const json_t *disk = json_object_get(request, "disk");

    if (!json_is_object(disk))
        return err_set(err, EINVAL, "disk: an object is needed");
    return hvm_drives_change(h, json_get_string(disk, "name", ""),
                             json_get_string(disk, "path", "")[0] ? disk : NULL,
                             STEAL_FD(*h->passed_fd), err);
}

static int refuse_disks(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    return err_set(err, ENOTSUP,
                   "the drives of a fully virtualized guest stay as they are while it runs; xm "
                   "cd-insert and cd-eject exchange the media of its CD drives");
}

static int trigger(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    const char *event = json_get_string(request, "event", "");

    if (strcmp(event, "nmi") == 0)
        return hvm_command(h, "inject-nmi", NULL, err);
    if (strcmp(event, "reset") == 0)
        return hvm_command(h, "system_reset", NULL, err);
    if (strcmp(event, "power") == 0)
        return hvm_press_power(h, false, err);
    if (strcmp(event, "s3resume") == 0)
        return hvm_command(h, "system_wakeup", NULL, err);
    return err_set(err, EINVAL, "trigger '%.40s' is none of nmi, reset, power, s3resume", event);
}

static int set_paused(struct hvm *h, bool paused, struct err *err)
{
    /* Between two lives it counts from the next one on. */
    int rc = h->qmp ? hvm_command(h, paused ? "stop" : "cont", NULL, err) : 0;

    if (rc < 0)
        return rc;
    pthread_mutex_lock(&h->d->lock);
    if (paused)
        domain_pause(h->d, PAUSED_BY_ADMIN);
    else
        domain_unpause(h->d, PAUSED_BY_ADMIN);
    pthread_mutex_unlock(&h->d->lock);
    return 0;
}

static int pause_machine(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    return set_paused(h, true, err);
}

static int unpause_machine(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    return set_paused(h, false, err);
}

static int sysrq(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    return hvm_press_sysrq(h, json_get_string(request, "key", "")[0], err);
}

static int display(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    if (!h->spec.has_vnc)
        return err_set(err, ENODEV, "domain '%s' has no VNC server (vnc = 1 in its config)",
                       h->o->name);
    json_object_set_new(answer, "address", json_string(h->vnc_address));
    json_object_set_new(answer, "port", json_integer(h->vnc_port));
    return 0;
}

static int screenshot(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    uint32_t width = 0, height = 0;
    int fd = hvm_screen_take(h, &width, &height, err);

    if (fd < 0)
        return fd;
    h->answer_fd = fd;
    json_object_set_new(answer, "width", json_integer(width));
    json_object_set_new(answer, "height", json_integer(height));
    return 0;
}

static int vcpu_list(struct hvm *h, const json_t *request, json_t *answer, struct err *err)
{
    json_t *list = hvm_vcpus_list(h, err);

    return list ? json_object_set_new(answer, "vcpus", list) : -err->code;
}

static const struct {
    const char *name;
    verb_fn *fn;
} verbs[] = {
    {"block-list", block_list},
    {"network-list", network_list},
    {"block-configure", block_configure},
    {"block-attach", refuse_disks},
    {"block-detach", refuse_disks},
    {"trigger", trigger},
    {"sysrq", sysrq},
    {"pause", pause_machine},
    {"unpause", unpause_machine},
    {"screenshot", screenshot},
    {"display", display},
    {"vcpu-list", vcpu_list},
};

/* Those of any domain, which the domain process answers by itself; mem-set, mem-max and vcpu-set
 * by way of the store (store.c). */
static const char *const common[] = {"info",     "dmesg",   "destroy",      "wait",
                                     "console",  "mem-set", "mem-max",      "vcpu-set",
                                     "vcpu-pin", "rename",  "sched-credit", "dump-core"};

static json_t *refuse(const char *text)
{
    return json_pack("{s:b, s:s}", "ok", 0, "error", text);
}

json_t *hvm_request(struct hvm *h, const char *verb, const json_t *request, int *passed,
                    int *ret_fd)
{
    struct err err = {0};

    h->answer_fd = *ret_fd = -1;
    h->passed_fd = passed;
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        json_t *answer;

        if (strcmp(verb, verbs[i].name) != 0)
            continue;
        answer = json_pack("{s:b}", "ok", 1);
        if (answer && verbs[i].fn(h, request, answer, &err) < 0) {
            json_decref(answer);
            answer = refuse(err.msg);
        }
        *ret_fd = h->answer_fd;
        if (h->qmp)
            (void)qmp_dispatch(h->qmp); /* events that came in between */
        return answer;
    }
    for (size_t i = 0; i < ARRAY_SIZE(common); i++)
        if (strcmp(verb, common[i]) == 0)
            return NULL;
    /* The rest is about what only other guests have. */
    return refuse("this is not available for a fully virtualized guest");
}
