/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * create.c - xm create: read a config, start a domain, and with -c stay on its console until
 * it ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/paths.h"
#include "config/config.h"
#include "config/domain_config.h"
#include "config/domain_sxp.h"
#include "config/options.h"
#include "xenstore/start.h"
#include "xm/attach.h"
#include "toolstack/client.h"
#include "xm/create_args.h"
#include "toolstack/launch.h"
#include "toolstack/registry.h"
#include "xm/verbs.h"

#define DOMAIN_PROGRAM "xenolith-domain"

/* Two control connections that exist before the domain does, so that -c misses nothing. */
enum { CLIENT_CONSOLE, CLIENT_WAIT, NR_CLIENTS };

struct session {
    int ours[NR_CLIENTS], theirs[NR_CLIENTS];
    const char *name, *log;
};

static void print_help_config(void)
{
    static const char *const types[] = {"STRING", "INT", "0|1", "[LIST]", "VALUE"};

    for (size_t i = 0; i < option_count; i++) {
        const struct option_info *o = &option_table[i];

        printf("%s=%s\n    %s%s", o->name, types[o->type], o->doc,
               o->status == OPTION_LATER ? " (no effect yet)" : "");
        if (o->otherwise[0])
            printf(" Default: %s.", o->otherwise);
        if (strcmp(o->guests, "PHV") != 0 && o->guests[0])
            printf(" For%s%s%s guests.", strchr(o->guests, 'P') ? " PV" : "",
                   strchr(o->guests, 'H') ? " HVM" : "", strchr(o->guests, 'V') ? " PVH" : "");
        putchar('\n');
    }
}

static int load_config(struct config *c, const struct create_args *a, struct err *err)
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
    return config_load(c, path, err);
}

/* What the file printed and what its author should know. */
static void print_notes(const struct config *c)
{
    for (size_t i = 0; i < config_printed_count(c); i++)
        fprintf(stderr, "%s\n", config_printed(c, i));
    for (size_t i = 0; i < config_warning_count(c); i++)
        fprintf(stderr, "Warning: %s\n", config_warning(c, i));
}

/* -n: what the config means, with nothing of the host looked at. */
static int print_config(struct config *c, bool console, struct err *err)
{
    struct sxp *vm = NULL;
    json_t *doc = NULL;
    int rc = domain_config_check(c, &doc, err);

    if (rc == 0)
        rc = domain_sxp_make(c, json_get_string(doc, "name", ""), json_get_string(doc, "uuid", ""),
                             console, &vm, err);
    if (rc == 0)
        sxp_print(stdout, vm);
    json_decref(doc);
    return rc;
}

/* -n --json: what the domain process would be told. */
static int print_document(struct config *c, struct err *err)
{
    json_t *doc = NULL;
    int rc = domain_config_make(c, &doc, err);

    if (rc == 0) {
        json_dumpf(doc, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(doc);
    return rc;
}

/* What a domain process needs besides the config. */
static int add_paths(json_t *doc, const struct registry_claim *claim, struct err *err)
{
    const char *name = json_get_string(doc, "name", "");
    char dir[PATHS_MAX];
    int rc = paths_log_dir(dir, err);

    if (rc)
        return rc;
    json_object_set_new(doc, "log", json_sprintf("%s/%s.log", dir, name));
    json_object_set_new(doc, "console_log", json_sprintf("%s/console-%s.log", dir, name));
    json_object_set_new(doc, "status", json_sprintf("%s/%s.status", dir, name));
    json_object_set_new(doc, "domid", json_integer(claim->domid));
    json_object_set_new(doc, "socket", json_string(claim->socket_path));
    json_object_set_new(doc, "lock", json_string(claim->lock_path));
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

static int session_open(struct session *s, struct err *err)
{
    static const char *const requests[] = {
        [CLIENT_CONSOLE] = "console",
        [CLIENT_WAIT] = "wait",
    };
    int rc = 0;

    for (int i = 0; i < NR_CLIENTS && rc == 0; i++) {
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

/* Stay on the console until the domain ends or the user leaves. */
static int stay(struct session *s, bool quiet)
{
    json_t *answer = NULL;
    struct err err = {0};
    int rc = client_receive(s->ours[CLIENT_CONSOLE], -1, &answer, &err);
    int status;

    json_decref(answer);
    answer = NULL;
    if (rc == 0) {
        if (!quiet)
            attach_hint(s->name);
        if (attach_console(s->ours[CLIENT_CONSOLE]) != ATTACH_ENDED)
            return XM_OK;
    }
    rc = client_receive(s->ours[CLIENT_WAIT], -1, &answer, &err);
    if (rc < 0) {
        fprintf(stderr, "Error: the domain process of %s died; see %s\n", s->name, s->log);
        return XM_FAILED;
    }
    status = report_end(s, answer);
    json_decref(answer);
    return status;
}

/* From a finished document to a running domain. */
static int start(json_t *doc, struct session *s, bool console, domid_t *ret_domid, struct err *err)
{
    struct registry_claim claim;
    struct xs_client *store = NULL;
    char program[PATHS_MAX];
    int rc = paths_helper(program, DOMAIN_PROGRAM, err);

    if (rc == 0 && console)
        rc = session_open(s, err);
    if (rc == 0)
        rc = xs_connect_or_start(&store, err);
    if (rc == 0)
        rc = registry_claim(&claim, json_get_string(doc, "name", ""), err);
    if (rc) {
        xs_close(store);
        return rc;
    }
    rc = add_paths(doc, &claim, err);
    if (rc == 0)
        rc = launch_domain(program, doc, &claim, s->theirs, console ? NR_CLIENTS : 0, err);
    xs_close(store); /* the domain keeps xenstored from now on */
    *ret_domid = claim.domid;
    registry_claim_done(&claim, rc < 0);
    s->log = json_get_string(doc, "log", "");
    for (int i = 0; i < NR_CLIENTS; i++) {
        cleanup_close(&s->theirs[i]);
        s->theirs[i] = -1;
    }
    return rc;
}

/* Start what the config says; with -c stay on its console. Returns the exit status. */
static int create(const struct create_args *a, struct config *c)
{
    struct session s = {.ours = {-1, -1}, .theirs = {-1, -1}};
    struct err err = {0};
    json_t *doc = NULL;
    domid_t domid = 0;
    int status = XM_OK;
    int rc = domain_config_make(c, &doc, &err);

    print_notes(c);
    if (rc == 0 && a->paused)
        json_object_set_new(doc, "paused", json_true());
    if (rc == 0) {
        s.name = json_get_string(doc, "name", "");
        rc = start(doc, &s, a->console, &domid, &err);
    }
    if (rc < 0)
        status = verb_error(&err);
    else if (a->console)
        status = stay(&s, a->quiet);
    else if (!a->quiet)
        printf("Started domain %s (id=%u)\n", s.name, domid);
    session_close(&s);
    json_decref(doc);
    return status;
}

static int dry_run(const struct create_args *a, struct config *c)
{
    struct err err = {0};
    int rc = a->json ? print_document(c, &err) : print_config(c, a->console, &err);

    print_notes(c);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

static int run_create(const struct verb *self, int argc, char **argv)
{
    struct create_args a;
    struct err err = {0};
    struct config *c;
    int status;

    if (create_args_parse(&a, argc, argv, &err) < 0)
        return verb_usage_error(self, "%s", err.msg);
    if (a.help) {
        verb_print_usage(self);
        return XM_OK;
    }
    if (a.help_config) {
        print_help_config();
        return XM_OK;
    }
    c = config_new();
    if (load_config(c, &a, &err) < 0) {
        print_notes(c);
        status = verb_error(&err);
    } else {
        status = a.dry_run ? dry_run(&a, c) : create(&a, c);
    }
    config_free(c);
    return status;
}

const struct verb verb_create = {
    .name = "create",
    .arguments = "[options] <ConfigFile> [VAR=VALUE]...",
    .summary = "Create a domain from a config file and start it.",
    .details =
        "  -c, --console_autoconnect  stay on its console until it ends; Ctrl-] leaves\n"
        "  -q, --quiet                print errors only\n"
        "  -p, --paused               let it wait for 'xm unpause' before its first instruction\n"
        "  -n, --dryrun               check the config, print it as an S-expression, start "
        "nothing\n"
        "      --json                 with -n: print what the domain process would be told\n"
        "  -f, --defconfig=FILE       the config file\n"
        "  -F, --config=FILE          an S-expression as -n prints it, instead of a config file\n"
        "      --path=DIR:DIR         where config files are looked for (.:/etc/xen)\n"
        "      --help_config          list the options that a config may set\n"
        "\n"
        "VAR=VALUE wins over the file. Without a file:\n"
        "  xm create -c /dev/null name=demo memory=256 kernel=vmlinuz extra=\"console=hvc0\"\n",
    .run = run_create,
};
