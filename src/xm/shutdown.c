/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * shutdown.c - xm shutdown and xm reboot: ask guests to end, by the xenstore node that their
 * kernels watch, or that presses the power button of a machine. The guest decides when; -w waits
 * for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "toolstack/domains.h"
#include "toolstack/registry.h"
#include "xm/store.h"
#include "xm/verbs.h"

struct target {
    struct registry_entry entry;
    json_int_t restarts; /* of its guest, before */
    bool done;
};

struct shutdown {
    const char *request; /* poweroff, halt, reboot */
    bool all, wait;
    const char *name;
    struct target *targets;
    size_t nr_targets;
};

static int take_arguments(struct shutdown *s, const struct verb *self, int argc, char **argv)
{
    bool halt = false, reboot = false;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];

        if (strcmp(arg, "-a") == 0 || strcmp(arg, "--all") == 0)
            s->all = true;
        else if (strcmp(arg, "-w") == 0 || strcmp(arg, "--wait") == 0)
            s->wait = true;
        else if (strcmp(arg, "-H") == 0 || strcmp(arg, "--halt") == 0)
            halt = true;
        else if (strcmp(arg, "-R") == 0 || strcmp(arg, "--reboot") == 0)
            reboot = true;
        else if (verb_is_xl() && strcmp(arg, "-F") == 0)
            continue; /* a guest without drivers of Xen gets its power button pressed in any case */
        else if (arg[0] == '-')
            return verb_usage_error(self, "unknown option '%s'", arg);
        else if (s->name)
            return verb_usage_error(self, "'xm %s' takes one domain, or -a", self->name);
        else
            s->name = arg;
    }
    if (halt && reboot)
        return verb_usage_error(self, "-H and -R exclude each other");
    if (!s->name == !s->all)
        return verb_usage_error(self, "'xm %s' needs a domain, or -a", self->name);
    s->request = halt ? "halt" : reboot ? "reboot" : s->request;
    return 0;
}

static json_int_t restarts_of(const struct registry_entry *entry)
{
    json_t *info = domains_info(entry);
    json_int_t n = info ? json_get_int(info, "restarts", 0) : -1;

    json_decref(info);
    return n;
}

/* The domains that are meant, with what is known of them before. */
static int find_targets(struct shutdown *s, struct err *err)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    struct registry_entry one;
    size_t count = 1;
    int rc = s->all ? registry_list(&entries, &count, err) : domains_find(s->name, &one, err);

    if (rc < 0)
        return rc;
    s->targets = calloc(count + 1, sizeof(*s->targets));
    if (!s->targets)
        return err_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        s->targets[i].entry = s->all ? entries[i] : one;
        s->targets[i].done = true; /* until it is asked */
        s->targets[i].restarts = restarts_of(&s->targets[i].entry);
    }
    s->nr_targets = count;
    return 0;
}

static int request_one(struct xs_client *xs, const char *request,
                       const struct registry_entry *entry, struct err *err)
{
    char path[64];
    int rc;

    if (store_number(xs, "/local/domain/%u/control/feature-poweroff", entry->domid) == 0)
        return err_set(
            err, ENOTSUP,
            "domain %s cannot be asked to shut down: nothing in it would listen (a machine "
            "with acpi = 0 has no power button); shut it down from inside",
            entry->name);
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", entry->domid);
    rc = xs_write(xs, XS_NO_TX, path, request, strlen(request));
    return rc < 0 ? err_set(err, -rc, "cannot ask domain %s to shut down: %s", entry->name,
                            strerror(-rc))
                  : 0;
}

/* Ask all, also when one cannot be asked, for which nobody is to wait then: that is the error. */
static int request_all(struct shutdown *s, struct err *err)
{
    struct xs_client *xs = NULL;
    int rc = s->nr_targets ? store_open(&xs, err) : 0;

    for (size_t i = 0; i < s->nr_targets && xs; i++) {
        int one = request_one(xs, s->request, &s->targets[i].entry, rc == 0 ? err : NULL);

        s->targets[i].done = one < 0;
        rc = rc < 0 ? rc : one;
    }
    xs_close(xs);
    return rc;
}

/* Has this one done what it was asked for? A guest that starts again counts as rebooted. */
static bool is_done(const struct target *t, bool reboot)
{
    json_int_t restarts = restarts_of(&t->entry);

    return restarts < 0 || (reboot && restarts > t->restarts);
}

static size_t count_asked(const struct shutdown *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->nr_targets; i++)
        n += !s->targets[i].done;
    return n;
}

static void wait_for_all(struct shutdown *s)
{
    bool reboot = strcmp(s->request, "reboot") == 0;
    const char *word = reboot ? "rebooted" : "terminated";
    size_t left = count_asked(s);

    while (left > 0) {
        for (size_t i = 0; i < s->nr_targets; i++) {
            struct target *t = &s->targets[i];

            if (t->done || !is_done(t, reboot))
                continue;
            t->done = true;
            left--;
            printf("Domain %s %s\n", t->entry.name, word);
            fflush(stdout);
        }
        if (left > 0)
            sleep(1); /* as xm does; nobody tells about a guest's reboot */
    }
    printf("All domains %s\n", word);
}

static int run(const struct verb *self, int argc, char **argv, const char *request)
{
    struct shutdown s = {.request = request};
    struct err err = {0};
    int rc = verb_check_arguments(self, argc, argv, 1, 1000);

    if (rc >= 0)
        return rc;
    rc = take_arguments(&s, self, argc, argv);
    if (rc != 0)
        return rc;
    if (s.name && domains_is_host(s.name)) {
        err_set(&err, EPERM, "Cannot %s privileged domain 0", self->name);
        return verb_error(&err);
    }
    rc = find_targets(&s, &err);
    if (rc == 0)
        rc = request_all(&s, &err);
    if (s.wait && (rc == 0 || count_asked(&s) > 0))
        wait_for_all(&s);
    free(s.targets);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

static int run_shutdown(const struct verb *self, int argc, char **argv)
{
    return run(self, argc, argv, "poweroff");
}

static int run_reboot(const struct verb *self, int argc, char **argv)
{
    return run(self, argc, argv, "reboot");
}

const struct verb verb_shutdown = {
    .name = "shutdown",
    .arguments = "[-a | Domain] [-w] [-H | -R]",
    .summary = "Ask a domain's guest to shut down.",
    .details = "  -a, --all      all domains but the host\n"
               "  -w, --wait     until they have\n"
               "  -H, --halt     halt instead of poweroff\n"
               "  -R, --reboot   reboot instead\n",
    .run = run_shutdown,
};

const struct verb verb_reboot = {
    .name = "reboot",
    .arguments = "[-a | Domain] [-w]",
    .summary = "Ask a domain's guest to reboot.",
    .details = "  -a, --all    all domains but the host\n"
               "  -w, --wait   until they have\n",
    .run = run_reboot,
};
