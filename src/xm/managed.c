/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * managed.c - xm new, start and delete: domains that are there also when they do not run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "config/domain_config.h"
#include "config/domain_sxp.h"
#include "toolstack/domains.h"
#include "toolstack/managed.h"
#include "toolstack/xend_log.h"
#include "xm/session.h"
#include "xm/verbs.h"

/* Who starts it later will stand in another directory. */
static int make_absolute(struct config *c, const char *option, struct err *err)
{
    const char *path = config_string(c, option, "");
    CLEANUP_FREE char *full = path[0] && path[0] != '/' ? realpath(path, NULL) : NULL;

    if (!full)
        return 0;
    return config_set(c, option, value_string(config_arena(c), full, strlen(full)),
                      config_place(c, option), err);
}

static int define(struct config *c, struct err *err)
{
    CLEANUP_FREE char *sxp = NULL;
    json_t *doc = NULL;
    int rc = make_absolute(c, "kernel", err);

    if (rc == 0)
        rc = make_absolute(c, "ramdisk", err);
    if (rc == 0)
        rc = domain_config_check(c, &doc, err);
    if (rc == 0)
        rc = domain_config_check_devices(c, err);
    if (rc == 0) {
        const char *name = json_get_string(doc, "name", "");
        const char *uuid = json_get_string(doc, "uuid", "");

        rc = session_sxp(c, name, uuid, &sxp, err);
        if (rc == 0)
            rc = managed_put(name, uuid, sxp, err);
        if (rc == 0)
            xend_log(XEND_INFO, "managed domain '%s' defined, uuid %s", name, uuid);
    }
    json_decref(doc);
    return rc;
}

static int run_new(const struct verb *self, int argc, char **argv)
{
    struct create_args a;
    struct err err = {0};
    struct config *c;
    int rc;

    if (create_args_parse(&a, verb_is_xl(), argc, argv, &err) < 0)
        return verb_usage_error(self, "%s", err.msg);
    if (a.help) {
        verb_print_usage(self);
        return XM_OK;
    }
    c = config_new();
    rc = session_load(c, &a, &err);
    if (rc == 0 && !a.dry_run)
        rc = define(c, &err);
    session_print_notes(c);
    config_free(c);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

/* The managed domain of that name, which must not run. NULL and a sentence otherwise. */
static json_t *find_halted(const char *name, const char *complaint, struct err *err)
{
    json_t *domain = managed_find(name);
    struct registry_entry entry;

    if (domain && domains_find(json_get_string(domain, "uuid", ""), &entry, NULL) == 0) {
        err_set(err, EBUSY, "%s", complaint);
        json_decref(domain);
        return NULL;
    }
    if (domain)
        return domain;
    if (domains_is_host(name) || domains_find(name, &entry, NULL) == 0)
        err_set(err, EINVAL, "%s", complaint);
    else
        err_set(err, ESRCH, "Domain '%s' does not exist.", name);
    return NULL;
}

static int run_start(const struct verb *self, int argc, char **argv)
{
    struct session_options o = {.managed = true};
    const char *name = NULL, *sxp;
    struct err err = {0};
    struct config *c;
    json_t *domain;
    int status = verb_check_arguments(self, argc, argv, 1, 4);

    if (status >= 0)
        return status;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--console_autoconnect") == 0)
            o.console = true;
        else if (strcmp(argv[i], "-p") == 0 || strcmp(argv[i], "--paused") == 0)
            o.paused = true;
        else if (strcmp(argv[i], "-q") == 0 || strcmp(argv[i], "--quiet") == 0)
            o.quiet = true;
        else if (argv[i][0] == '-' || name)
            return verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        else
            name = argv[i];
    }
    domain = name ? find_halted(name, "Domain is already running", &err) : NULL;
    if (!name)
        return verb_usage_error(self, "no domain given");
    if (domain && json_get_bool(domain, "suspended", false)) {
        err_set(&err, EBUSY, "Domain is suspended: 'xm resume %s' lets it go on", name);
        json_decref(domain);
        domain = NULL;
    }
    if (!domain)
        return verb_error(&err);
    sxp = json_get_string(domain, "sxp", "");
    c = config_new();
    status =
        domain_sxp_load_text(c, json_get_string(domain, "name", ""), sxp, strlen(sxp), &err) < 0
            ? verb_error(&err)
            : session_start(c, &o);
    config_free(c);
    json_decref(domain);
    return status;
}

static int run_delete(const struct verb *self, int argc, char **argv)
{
    struct err err = {0};
    json_t *domain;
    int rc = verb_check_arguments(self, argc, argv, 1, 1);

    if (rc >= 0)
        return rc;
    domain = find_halted(argv[1], "Domain is not halted.", &err);
    rc = domain ? managed_remove(json_get_string(domain, "uuid", ""), &err) : -err.code;
    if (rc == 0)
        xend_log(XEND_INFO, "managed domain '%s' deleted", json_get_string(domain, "name", ""));
    json_decref(domain);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_new = {
    .name = "new",
    .arguments = "[options] <ConfigFile> [VAR=VALUE]...",
    .summary = "Add a domain to the managed ones without starting it.",
    .details = "  -f, --defconfig=FILE   the config file\n"
               "  -F, --config=FILE      an S-expression instead of a config file\n"
               "      --path=DIR:DIR     where config files are looked for (.:/etc/xen)\n",
    .run = run_new,
};

const struct verb verb_start = {
    .name = "start",
    .arguments = "<DomainName> [-c] [-p] [-q]",
    .summary = "Start a managed domain.",
    .details = "  -c, --console_autoconnect  stay on its console until it ends; Ctrl-] leaves\n"
               "  -p, --paused               let it wait for 'xm unpause'\n"
               "  -q, --quiet                print errors only\n",
    .run = run_start,
};

const struct verb verb_delete = {
    .name = "delete",
    .arguments = "<DomainName>",
    .summary = "Remove a domain from the managed ones.",
    .details = "",
    .run = run_delete,
};
