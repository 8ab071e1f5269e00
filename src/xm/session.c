/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session.c - see session.h.
 */
#define _GNU_SOURCE
#include "xm/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/paths.h"
#include "config/bootloader_spec.h"
#include "config/domain_config.h"
#include "config/domain_sxp.h"
#include "toolstack/client.h"
#include "toolstack/defaults.h"
#include "toolstack/hotplug.h"
#include "toolstack/managed.h"
#include "toolstack/start.h"
#include "toolstack/xend_client.h"
#include "xm/attach.h"
#include "xm/vncviewer.h"

/* Control connections that exist before the domain does: -c misses nothing, and who waits for the
 * end hears of it also if it comes at once. */
enum { CLIENT_WAIT, CLIENT_CONSOLE, NR_CLIENTS };

struct session {
    int ours[NR_CLIENTS], theirs[NR_CLIENTS];
    const char *name, *log;
};

void session_print_notes(const struct config *c)
{
    for (size_t i = 0; i < config_printed_count(c); i++)
        fprintf(stderr, "%s\n", config_printed(c, i));
    for (size_t i = 0; i < config_warning_count(c); i++)
        fprintf(stderr, "Warning: %s\n", config_warning(c, i));
}

/* Where xl has another default than xm. */
static int set_xl_defaults(struct config *c, struct err *err)
{
    static const char value[] = "destroy";

    if (config_is_set(c, "on_crash"))
        return 0;
    return config_set(c, "on_crash", value_string(config_arena(c), value, sizeof(value) - 1), "xl",
                      err);
}

int session_load(struct config *c, const struct create_args *a, struct err *err)
{
    char path[PATHS_MAX];
    int rc = a->sxp ? 0 : create_args_find_file(a, path, sizeof(path), err);

    for (size_t i = 0; i < a->nr_overrides && rc == 0; i++)
        rc = config_add_override(c, a->overrides[i], err);
    if (rc < 0)
        return rc;
    if (a->sxp)
        return domain_sxp_load(c, a->sxp, err);
    if (!a->quiet) {
        printf("Using config file \"%s\".\n", path);
        fflush(stdout);
    }
    rc = config_load(c, path, err);
    return rc == 0 && verb_is_xl() ? set_xl_defaults(c, err) : rc;
}

int session_sxp(struct config *c, const char *name, const char *uuid, char **ret, struct err *err)
{
    struct sxp *vm = NULL;
    size_t size = 0;
    FILE *stream;
    int rc = domain_sxp_make(c, name, uuid, false, &vm, err);

    if (rc < 0)
        return rc;
    *ret = NULL;
    stream = open_memstream(ret, &size);
    if (!stream)
        return err_set(err, ENOMEM, "out of memory");
    sxp_print(stream, vm);
    if (fclose(stream) != 0 || !*ret)
        return err_set(err, ENOMEM, "out of memory");
    return 0;
}

static void session_close(struct session *s)
{
    for (int i = 0; i < NR_CLIENTS; i++) {
        cleanup_close(&s->ours[i]);
        cleanup_close(&s->theirs[i]);
        s->ours[i] = s->theirs[i] = -1;
    }
}

static int session_open(struct session *s, int nr_clients, struct err *err)
{
    static const char *const requests[] = {
        [CLIENT_WAIT] = "wait",
        [CLIENT_CONSOLE] = "console",
    };
    int rc = 0;

    for (int i = 0; i < nr_clients && rc == 0; i++) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
        s->ours[i] = pair[0];
        s->theirs[i] = pair[1];
        rc = client_send(pair[0], requests[i], err);
    }
    return rc;
}

/* One line that says how the domain ended, and the exit status. */
static int report_end(const struct session *s, const json_t *answer)
{
    const char *reason = json_get_string(answer, "reason", "");
    const char *text = json_get_string(answer, "text", "");

    if (strcmp(reason, "poweroff") == 0 || strcmp(reason, "reboot") == 0 ||
        strcmp(reason, "suspend") == 0)
        return XM_OK;
    if (strcmp(reason, "destroyed") == 0) {
        fprintf(stderr, "Domain %s was destroyed%s%s%s.\n", s->name, text[0] ? " (" : "", text,
                text[0] ? ")" : "");
        return XM_FAILED;
    }
    fprintf(stderr, "Error: domain %s %s%s%s; see %s\n", s->name,
            strcmp(reason, "watchdog") == 0 ? "was ended by its watchdog" : "crashed",
            text[0] ? ": " : "", text, s->log);
    return XM_FAILED;
}

/* Until the domain has ended for good: xl's -F, and the rest of a console. */
static int wait_for_end(struct session *s)
{
    json_t *answer = NULL;
    struct err err = {0};
    int status = XM_FAILED;

    if (client_receive(s->ours[CLIENT_WAIT], -1, &answer, &err) < 0)
        fprintf(stderr, "Error: the domain process of %s died; see %s\n", s->name, s->log);
    else
        status = report_end(s, answer);
    json_decref(answer);
    return status;
}

/* Stay on the console until the domain ends or the user leaves. */
static int stay(struct session *s, bool quiet)
{
    json_t *answer = NULL;
    struct err err = {0};
    int rc = client_receive(s->ours[CLIENT_CONSOLE], -1, &answer, &err);

    json_decref(answer);
    if (rc == 0) {
        if (!quiet)
            attach_hint(s->name);
        if (attach_console(s->ours[CLIENT_CONSOLE]) != ATTACH_ENDED)
            return XM_OK;
    }
    return wait_for_end(s);
}

/* A name is taken also by a managed domain that does not run. */
static int check_managed(const json_t *doc, struct err *err)
{
    const char *name = json_get_string(doc, "name", "");
    json_t *other = managed_find(name);
    int rc = 0;

    if (strcmp(json_get_string(other, "name", ""), name) == 0 &&
        strcmp(json_get_string(other, "uuid", ""), json_get_string(doc, "uuid", "")) != 0)
        rc = err_set(err, EEXIST,
                     "VM name '%s' already exists as a managed domain; 'xm start %s' starts that",
                     name, name);
    json_decref(other);
    return rc;
}

/* From a finished document to a running domain. */
static int start(struct config *c, json_t *doc, struct session *s, const struct session_options *o,
                 domid_t *ret_domid, struct err *err)
{
    const char *uuid = json_get_string(doc, "uuid", "");
    CLEANUP_FREE char *sxp = NULL;
    struct start_request request = {
        .doc = doc, .managed = o->managed, .image = o->image ? &o->image->fd : NULL};
    const int nr_clients = o->console ? NR_CLIENTS : o->foreground ? CLIENT_WAIT + 1 : 0;
    int rc = check_managed(doc, err);

    if (rc == 0)
        rc = session_sxp(c, s->name, uuid, &sxp, err);
    if (rc == 0 && nr_clients > 0) {
        rc = session_open(s, nr_clients, err);
        request.clients = s->theirs;
        request.nr_clients = (unsigned int)nr_clients;
    }
    if (rc < 0)
        return rc;
    request.sxp = sxp;
    rc = domain_start(&request, ret_domid, err);
    s->log = json_get_string(doc, "log", "");
    for (int i = 0; i < NR_CLIENTS; i++) {
        cleanup_close(&s->theirs[i]);
        s->theirs[i] = -1;
    }
    return rc;
}

/* A domain without a viewer is still a domain: no more than a warning. */
static void start_viewer(const struct config *c, const struct session_options *o, domid_t domid)
{
    struct err err = {0};

    if (!o->viewer && !config_int(c, "vncviewer", 0) && !config_int(c, "vncconsole", 0))
        return;
    if (vncviewer_start(domid, &err) < 0)
        fprintf(stderr, "Warning: %s\n", err.msg);
}

static void take_mac(json_t *vif, const json_t *saved)
{
    const json_t *one;
    size_t i;

    json_array_foreach(saved, i, one)
    {
        if (json_get_int(one, "devid", -1) == json_get_int(vif, "devid", -2) &&
            json_is_string(json_object_get(one, "mac")))
            json_object_set(vif, "mac", json_object_get(one, "mac"));
    }
}

/* What has changed of a saved domain since its config was written. */
static void take_image(json_t *doc, const json_t *head)
{
    static const char *const members[] = {"memory", "maxmem"};
    json_t *vif;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(members); i++)
        if (json_object_get(head, members[i]))
            json_object_set(doc, members[i], json_object_get(head, members[i]));
    json_array_foreach(json_object_get(doc, "vifs"), i, vif)
    {
        take_mac(vif, json_object_get(head, "vifs"));
    }
}

int session_start(struct config *c, const struct session_options *o)
{
    struct session s = {.ours = {-1, -1}, .theirs = {-1, -1}};
    struct err err = {0};
    json_t *doc = NULL;
    domid_t domid = 0;
    int status = XM_OK;
    int rc = defaults_for_config(c, xend_config_own(), &err);

    if (rc == 0)
        rc = domain_config_make(c, o->image != NULL, &doc, &err);

    session_print_notes(c);
    if (rc == 0) {
        defaults_for_document(doc, xend_config_own());
        if (o->console)
            bootloader_spec_interactive(c, doc);
        if (o->paused)
            json_object_set_new(doc, "paused", json_true());
        if (o->image)
            take_image(doc, o->image->head);
        s.name = json_get_string(doc, "name", "");
        rc = start(c, doc, &s, o, &domid, &err);
    }
    if (rc == 0) {
        xend_client_wake();
        hotplug_print_warnings(domid, HOTPLUG_ALL);
        start_viewer(c, o, domid);
    }
    if (rc < 0 && o->failure) {
        *o->failure = err;
        status = XM_FAILED;
    } else if (rc < 0)
        status = verb_error(&err);
    else if (o->console)
        status = stay(&s, o->quiet);
    else if (!o->quiet)
        printf("Started domain %s (id=%u)\n", s.name, domid);
    if (rc == 0 && o->foreground && !o->console) {
        fflush(stdout);
        status = wait_for_end(&s);
    }
    session_close(&s);
    json_decref(doc);
    return status;
}
