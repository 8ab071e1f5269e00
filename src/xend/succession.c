/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * succession.c - see succession.h.
 */
#define _GNU_SOURCE
#include "xend/succession.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/json.h"
#include "toolstack/registry.h"
#include "toolstack/xend_log.h"
#include "xend/child.h"

#define SHORT_LIFE 10 /* seconds */
#define MOST_SHORT_LIVES 5
#define MAX_UUIDS 256 /* that are remembered */

struct succession {
    struct xend *x;
    domid_t domid;
    char *name, *sxp;
    bool managed;
    sd_event_source *timer;
};

/* How often a domain has just lived shortly; forgotten with this xend. */
static struct {
    char uuid[64];
    unsigned int short_lives;
} memory[MAX_UUIDS];

/* Counts a life that has lasted so long: the number of short ones in a row. */
static unsigned int count_life(const char *uuid, time_t seconds)
{
    static size_t next;
    size_t i = 0;

    while (i < MAX_UUIDS && strcmp(memory[i].uuid, uuid) != 0)
        i++;
    if (i == MAX_UUIDS) {
        i = next++ % MAX_UUIDS;
        snprintf(memory[i].uuid, sizeof(memory[i].uuid), "%s", uuid);
        memory[i].short_lives = 0;
    }
    memory[i].short_lives = seconds < SHORT_LIFE ? memory[i].short_lives + 1 : 0;
    return memory[i].short_lives;
}

static void end(struct succession *s)
{
    struct xend *x = s->x;

    sd_event_source_unref(s->timer);
    free(s->name);
    free(s->sxp);
    free(s);
    x->nr_children--;
    xend_maybe_idle(x);
}

static void on_started(struct xend *x, void *arg, int result, const struct err *err)
{
    struct succession *s = arg;

    if (result < 0)
        xend_log(XEND_ERROR, "domain '%s' is not started again: %s", s->name, err->msg);
    end(s);
}

/* Its config as a file: N.sxp, which goes with the old domain's files. */
static int write_config(const struct succession *s, char path[static PATHS_MAX], struct err *err)
{
    char dir[PATHS_MAX];
    int rc = paths_run_dir(dir, err);

    if (rc == 0 && snprintf(path, PATHS_MAX, "%s/%u.sxp", dir, s->domid) >= PATHS_MAX)
        rc = err_set(err, ENAMETOOLONG, "path too long: %s", dir);
    return rc < 0 ? rc : io_write_file_atomic(path, s->sxp, strlen(s->sxp), err);
}

static int on_time(sd_event_source *source, uint64_t usec, void *arg)
{
    struct succession *s = arg;
    char path[PATHS_MAX] = "";
    const char *const create[] = {"xm", "create", "-q", "-F", path, NULL};
    const char *const start[] = {"xm", "start", "-q", s->name, NULL};
    struct err err = {0};
    int rc = s->managed ? 0 : write_config(s, path, &err);

    if (rc == 0)
        rc = child_start(s->x, "xm", s->managed ? start : create, on_started, s, &err);
    if (rc < 0)
        on_started(s->x, s, rc, &err);
    return 0;
}

/* The record loses the uuid, which is the successor's, and says that this was seen to. */
static int mark_record(domid_t domid, const json_t *record, struct err *err)
{
    json_t *changed = json_deep_copy(record);
    int rc;

    json_object_set_new(changed, "uuid", json_string(""));
    json_object_set_new(changed, "memory", json_integer(0));
    json_object_set_new(changed, "succeeded", json_true());
    rc = registry_set_record(domid, changed, err);
    json_decref(changed);
    return rc;
}

static int schedule(struct xend *x, domid_t domid, const json_t *record, uint64_t delay,
                    struct err *err)
{
    struct succession *s = calloc(1, sizeof(*s));

    if (!s)
        return err_set(err, ENOMEM, "out of memory");
    *s = (struct succession){.x = x,
                             .domid = domid,
                             .name = strdup(json_get_string(record, "name", "")),
                             .sxp = strdup(json_get_string(record, "sxp", "")),
                             .managed = json_get_bool(record, "managed", false)};
    x->nr_children++; /* nobody is idle who has this to do */
    if (s->name && s->sxp &&
        sd_event_add_time_relative(x->event, &s->timer, CLOCK_MONOTONIC, delay * 1000000, 0,
                                   on_time, s) >= 0)
        return 0;
    end(s);
    return err_set(err, ENOMEM, "out of memory");
}

void succession_begin(struct xend *x, domid_t domid)
{
    json_t *record = registry_record(domid);
    const char *name = json_get_string(record, "name", "");
    time_t lived = time(NULL) - (time_t)json_get_int(record, "created", 0);
    struct err err = {0};
    unsigned int n;
    int rc = 0;

    if (record && !json_get_bool(record, "succeeded", false)) {
        n = count_life(json_get_string(record, "uuid", ""), lived);
        rc = mark_record(domid, record, &err);
        if (rc == 0 && n > MOST_SHORT_LIVES)
            rc = err_set(&err, EAGAIN,
                         "%u lives of less than %d s in a row; 'xm list' shows what "
                         "is left of them",
                         n, SHORT_LIFE);
        if (rc == 0)
            rc = schedule(x, domid, record, n > 1 ? 1u << (n - 2) : 0, &err);
    }
    if (rc < 0)
        xend_log(XEND_ERROR, "domain '%s' is not started again: %s", name, err.msg);
    json_decref(record);
}
