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
#define MOST_TRIES 5
#define MAX_NAMES 256 /* that are remembered */

struct succession {
    struct xend *x;
    struct succession *next; /* while it waits */
    domid_t domid;
    char *name, *sxp;
    bool managed;
    unsigned int tries;
    bool met; /* one of that name was there when this try began */
    sd_event_source *timer;
};

/* How often a domain has just lived shortly; forgotten with this xend. */
static struct {
    char name[REGISTRY_NAME_MAX];
    unsigned int short_lives;
} memory[MAX_NAMES];

/* Counts a life that has lasted so long: the number of short ones in a row. */
static unsigned int count_life(const char *name, time_t seconds)
{
    static size_t next;
    size_t i = 0;

    while (i < MAX_NAMES && strcmp(memory[i].name, name) != 0)
        i++;
    if (i == MAX_NAMES) {
        i = next++ % MAX_NAMES;
        snprintf(memory[i].name, sizeof(memory[i].name), "%s", name);
        memory[i].short_lives = 0;
    }
    memory[i].short_lives = seconds < SHORT_LIFE ? memory[i].short_lives + 1 : 0;
    return memory[i].short_lives;
}

static void release(struct succession *s)
{
    sd_event_source_unref(s->timer);
    free(s->name);
    free(s->sxp);
    free(s);
}

/* Off the list of those that wait. */
static void take_off(struct succession *s)
{
    struct succession **p = &s->x->successions;

    while (*p != s)
        p = &(*p)->next;
    *p = s->next;
}

/* Change the domain's record: the uuid and the memory are its successor's as soon as this is begun;
 * `succeeded` once that runs. */
static int mark_record(domid_t domid, bool succeeded, struct err *err)
{
    json_t *record = registry_record(domid);
    int rc = 0;

    if (record) {
        json_object_set_new(record, "uuid", json_string(""));
        json_object_set_new(record, "memory", json_integer(0));
        json_object_set_new(record, "succeeded", json_boolean(succeeded));
        rc = registry_set_record(domid, record, err);
    }
    json_decref(record);
    return rc;
}

static bool is_there(const char *name)
{
    struct registry_entry entry;

    return registry_find(name, &entry, NULL) == 0 && strcmp(entry.name, name) == 0;
}

static int wait_for_turn(struct succession *s, uint64_t delay);

static void on_started(struct xend *x, void *arg, int result, const struct err *err)
{
    struct succession *s = arg;
    struct err ignored;
    bool taken = result < 0 && is_there(s->name);

    /* What a xend that was killed had begun to start is there for a moment, which may be over by
     * now, or for good. */
    if (result < 0 && (taken || s->met) && s->tries++ < MOST_TRIES && wait_for_turn(s, 1) >= 0)
        return;
    if (result < 0)
        xend_log(XEND_ERROR, "domain '%s' is not started again: %s", s->name, err->msg);
    if ((result >= 0 || taken) && mark_record(s->domid, true, &ignored) < 0)
        xend_log(XEND_WARNING, "%s", ignored.msg);
    release(s);
    xend_maybe_idle(x);
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

    take_off(s);
    s->met = is_there(s->name);
    if (rc == 0)
        rc = child_start(s->x, "xm", s->managed ? start : create, on_started, s, &err);
    if (rc < 0)
        on_started(s->x, s, rc, &err);
    return 0;
}

/* Start it so many seconds from now. */
static int wait_for_turn(struct succession *s, uint64_t delay)
{
    int r;

    s->timer = sd_event_source_unref(s->timer);
    r = sd_event_add_time_relative(s->x->event, &s->timer, CLOCK_MONOTONIC, delay * 1000000, 0,
                                   on_time, s);
    if (r < 0)
        return r;
    s->next = s->x->successions;
    s->x->successions = s;
    return 0;
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
    if (s->name && s->sxp && wait_for_turn(s, delay) >= 0)
        return 0;
    release(s);
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
        n = count_life(name, lived);
        rc = mark_record(domid, n > MOST_SHORT_LIVES, &err);
        if (rc == 0 && n > MOST_SHORT_LIVES)
            rc =
                err_set(&err, EAGAIN,
                        "%u lives of less than %d s in a row; 'xm list' shows what is left of them",
                        n, SHORT_LIFE);
        if (rc == 0)
            rc = schedule(x, domid, record, n > 1 ? 1u << (n - 2) : 0, &err);
    }
    if (rc < 0)
        xend_log(XEND_ERROR, "domain '%s' is not started again: %s", name, err.msg);
    json_decref(record);
}

void succession_drop_all(struct xend *x)
{
    while (x->successions) {
        struct succession *s = x->successions;

        x->successions = s->next;
        release(s);
    }
}
