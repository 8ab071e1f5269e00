/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * table.c - see table.h. For each living domain there is a connection to its process, on which
 * "wait" was asked: the answer tells how it ended, the connection's end that it is gone.
 */
#define _GNU_SOURCE
#include "xend/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "toolstack/managed.h"
#include "toolstack/registry.h"
#include "toolstack/xend_log.h"
#include "xend/child.h"
#include "xend/succession.h"

#define ANSWER_MAX 8192
#define RETRY_US 100000

struct entry {
    struct table *table;
    struct entry *next;
    domid_t domid;
    char name[REGISTRY_NAME_MAX], uuid[64];
    bool managed;
    time_t adopted;
    int fd;
    sd_event_source *source;
    char answer[ANSWER_MAX];
    size_t used;
};

struct starting {
    struct table *table;
    struct starting *next;
    char name[REGISTRY_NAME_MAX];
    table_started_fn *done;
    void *arg;
};

struct table {
    struct xend *x;
    struct entry *entries;
    struct starting *starting;
    int inotify_fd;
    sd_event_source *inotify, *retry;
};

static void entry_free(struct entry *e)
{
    sd_event_source_unref(e->source);
    if (e->fd >= 0)
        close(e->fd);
    free(e);
}

static void forget(struct entry *e)
{
    struct entry **p = &e->table->entries;

    while (*p != e)
        p = &(*p)->next;
    *p = e->next;
    entry_free(e);
}

static void nothing_to_do(struct xend *x, void *arg, int result, const struct err *err)
{
    if (result < 0)
        xend_log(XEND_WARNING, "%s: %s", (const char *)arg, err->msg);
}

/* What a dead domain has left on the host: only where networks can be made. */
static void sweep(struct xend *x)
{
    static const char *const argv[] = {"xenolith-hotplug", "sweep", NULL};
    struct err err = {0};

    if (geteuid() == 0 && child_start(x, argv[0], argv, nothing_to_do, (void *)"sweep", &err) < 0)
        xend_log(XEND_WARNING, "%s", err.msg);
}

/* A moment later: not all that a domain consists of ends at the same time. */
static void look_again(struct table *t)
{
    sd_event_source_set_time_relative(t->retry, RETRY_US);
    sd_event_source_set_enabled(t->retry, SD_EVENT_ONESHOT);
}

/* The answer to "wait" of a domain that goes on being there. */
static void take_preserved(struct entry *e)
{
    json_t *answer = NULL;

    if (e->answer[e->used - 1] != '\n' || json_parse_object(e->answer, e->used, &answer, NULL) < 0)
        return;
    if (json_get_bool(answer, "preserved", false)) {
        xend_log(XEND_INFO, "domain '%s' (%u) ended and is preserved: %s", e->name, e->domid,
                 json_get_string(answer, "reason", "?"));
        if (json_get_bool(answer, "restart", false))
            succession_begin(e->table->x, e->domid);
    }
    json_decref(answer);
}

static void log_end(const struct entry *e)
{
    json_t *answer = NULL;

    if (e->used == 0 || json_parse_object(e->answer, e->used, &answer, NULL) < 0) {
        xend_log(XEND_ERROR, "domain '%s' (%u): its process died without a word", e->name,
                 e->domid);
        return;
    }
    xend_log(XEND_INFO, "domain '%s' (%u) ended: %s%s%s", e->name, e->domid,
             json_get_string(answer, "reason", "?"),
             json_get_string(answer, "text", "")[0] ? ": " : "",
             json_get_string(answer, "text", ""));
    json_decref(answer);
}

static int on_domain(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
    struct entry *e = arg;
    struct xend *x = e->table->x;
    ssize_t n = recv(fd, e->answer + e->used, sizeof(e->answer) - e->used, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n > 0 && e->used + (size_t)n < sizeof(e->answer)) {
        e->used += (size_t)n;
        take_preserved(e);
        return 0;
    }
    log_end(e);
    look_again(e->table);
    forget(e);
    sweep(x);
    xend_maybe_idle(x);
    return 0;
}

/* Ask a domain process to tell its end. */
static int connect_to(struct entry *e)
{
    static const char request[] = "{\"verb\":\"wait\"}\n";

    e->fd = registry_connect(e->domid, NULL);
    if (e->fd < 0 || send(e->fd, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return -EIO;
    return sd_event_add_io(e->table->x->event, &e->source, e->fd, EPOLLIN, on_domain, e);
}

static int adopt(struct table *t, const struct registry_entry *found)
{
    struct entry *e = calloc(1, sizeof(*e));
    json_t *record = registry_record(found->domid);

    if (!e) {
        json_decref(record);
        return -ENOMEM;
    }
    e->table = t;
    e->domid = found->domid;
    e->fd = -1;
    e->adopted = time(NULL);
    e->managed = json_get_bool(record, "managed", false);
    snprintf(e->name, sizeof(e->name), "%s", found->name);
    snprintf(e->uuid, sizeof(e->uuid), "%s", json_get_string(record, "uuid", ""));
    json_decref(record);
    if (connect_to(e) < 0) {
        entry_free(e);
        return -EIO;
    }
    e->next = t->entries;
    t->entries = e;
    xend_log(XEND_INFO, "looking after domain '%s' (%u), uuid %s", e->name, e->domid, e->uuid);
    return 0;
}

static struct entry *find(const struct table *t, domid_t domid)
{
    struct entry *e = t->entries;

    while (e && e->domid != domid)
        e = e->next;
    return e;
}

/* Compare with the run directory: new ones are adopted, renamed ones renamed. Those that end
 * tell so themselves. */
static void look(struct table *t)
{
    CLEANUP_FREE struct registry_entry *found = NULL;
    size_t count = 0;
    bool again = false;

    if (registry_list(&found, &count, NULL) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        struct entry *e = find(t, found[i].domid);

        if (!e)
            again |= adopt(t, &found[i]) < 0;
        else if (strcmp(e->name, found[i].name) != 0)
            snprintf(e->name, sizeof(e->name), "%s", found[i].name);
    }
    if (again)
        look_again(t);
    xend_maybe_idle(t->x);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *arg)
{
    registry_clean();
    look(arg);
    return 0;
}

static int on_change(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

    while (read(fd, buf, sizeof(buf)) > 0)
        continue;
    look(arg);
    return 0;
}

int table_create(struct table **ret, struct xend *x, struct err *err)
{
    struct table *t = calloc(1, sizeof(*t));
    char dir[PATHS_MAX];
    int r = paths_run_dir(dir, err);

    if (!t || r < 0) {
        free(t);
        return r < 0 ? r : err_set(err, ENOMEM, "out of memory");
    }
    t->x = x;
    t->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (t->inotify_fd < 0 ||
        inotify_add_watch(t->inotify_fd, dir, IN_CREATE | IN_MOVED_TO | IN_MODIFY) < 0)
        r = -errno;
    if (r >= 0)
        r = sd_event_add_io(x->event, &t->inotify, t->inotify_fd, EPOLLIN, on_change, t);
    if (r >= 0)
        r = sd_event_add_time_relative(x->event, &t->retry, CLOCK_MONOTONIC, RETRY_US, 0, on_retry,
                                       t);
    if (r < 0) {
        table_destroy(t);
        return err_set(err, -r, "cannot watch %s: %s", dir, strerror(-r));
    }
    x->table = t;
    *ret = t;
    look(t);
    return 0;
}

void table_destroy(struct table *t)
{
    if (!t)
        return;
    while (t->entries)
        forget(t->entries);
    while (t->starting) {
        struct starting *s = t->starting;

        t->starting = s->next;
        free(s);
    }
    sd_event_source_unref(t->inotify);
    sd_event_source_unref(t->retry);
    if (t->inotify_fd >= 0)
        close(t->inotify_fd);
    free(t);
}

bool table_is_empty(const struct table *t)
{
    return !t->entries && !t->starting;
}

static json_t *describe(domid_t domid, const char *name, const char *uuid, bool managed,
                        const char *state, time_t adopted)
{
    return json_pack("{s:i, s:s, s:s, s:b, s:s, s:I}", "domid", domid, "name", name, "uuid", uuid,
                     "managed", managed, "state", state, "adopted", (json_int_t)adopted);
}

json_t *table_list(const struct table *t)
{
    json_t *list = json_array();

    for (const struct entry *e = t->entries; e; e = e->next)
        json_array_append_new(
            list, describe(e->domid, e->name, e->uuid, e->managed, "running", e->adopted));
    for (const struct starting *s = t->starting; s; s = s->next)
        json_array_append_new(list, describe(0, s->name, "", true, "starting", 0));
    return list;
}

static void on_started(struct xend *x, void *arg, int result, const struct err *err)
{
    struct starting *s = arg, **p = &s->table->starting;

    while (*p != s)
        p = &(*p)->next;
    *p = s->next;
    if (s->done)
        s->done(s->arg, result, err);
    free(s);
}

int table_start(struct table *t, const char *name, table_started_fn *done, void *arg,
                struct err *err)
{
    const char *const argv[] = {"xm", "start", "-q", name, NULL};
    struct starting *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ENOMEM, "out of memory");
    *s = (struct starting){.table = t, .next = t->starting, .done = done, .arg = arg};
    snprintf(s->name, sizeof(s->name), "%s", name);
    if (name[0] == '-' || !name[0])
        rc = err_set(err, EINVAL, "'%s' is no domain's name", name);
    else
        rc = child_start(t->x, "xm", argv, on_started, s, err);
    if (rc < 0)
        free(s);
    else
        t->starting = s;
    return rc;
}

static void report_start(void *arg, int result, const struct err *err)
{
    if (result < 0) /* xm start has written why into the same log */
        xend_log(XEND_WARNING, "a domain with on_xend_start = 'start' does not start: %s",
                 err->msg);
}

static bool lives(const struct table *t, const char *uuid)
{
    for (const struct entry *e = t->entries; e; e = e->next)
        if (strcasecmp(e->uuid, uuid) == 0)
            return true;
    return false;
}

void table_autostart(struct table *t)
{
    struct err err = {0};
    json_t *list = NULL, *domain;
    size_t i;

    if (managed_list(&list, &err) < 0) {
        xend_log(XEND_ERROR, "%s", err.msg);
        return;
    }
    json_array_foreach(list, i, domain)
    {
        const char *name = json_get_string(domain, "name", "");

        const char *const resume[] = {"xm", "resume", name, NULL};
        bool suspended = json_get_bool(domain, "suspended", false);
        bool start = strcmp(json_get_string(domain, "on_xend_start", ""), "start") == 0;
        int rc = 0;

        if (lives(t, json_get_string(domain, "uuid", "")))
            continue;
        if (suspended &&
            (start || strcmp(json_get_string(domain, "on_xend_stop", ""), "suspend") == 0))
            rc = child_start(t->x, "xm", resume, nothing_to_do, (void *)"xm resume", &err);
        else if (start)
            rc = table_start(t, name, report_start, NULL, &err);
        if (rc < 0)
            xend_log(XEND_ERROR, "domain '%s': %s", name, err.msg);
    }
    json_decref(list);
}

static void stop_one(struct table *t, const json_t *domain)
{
    const char *name = json_get_string(domain, "name", "");
    const char *action = json_get_string(domain, "on_xend_stop", "ignore");
    const char *const argv[] = {"xm", action, name, NULL};
    struct err err = {0};

    if ((strcmp(action, "shutdown") == 0 || strcmp(action, "suspend") == 0) &&
        lives(t, json_get_string(domain, "uuid", "")) &&
        child_start(t->x, "xm", argv, nothing_to_do, (void *)"on_xend_stop", &err) < 0)
        xend_log(XEND_ERROR, "domain '%s': %s", name, err.msg);
}

void table_stop_domains(struct table *t)
{
    json_t *list = NULL, *domain;
    size_t i;

    if (managed_list(&list, NULL) < 0)
        return;
    json_array_foreach(list, i, domain)
    {
        stop_one(t, domain);
    }
    json_decref(list);
}
