/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * create.c - xm create: read a config, start a domain, and with -c stay on its console until
 * it ends.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "config/config.h"
#include "config/domain_config.h"
#include "config/domain_sxp.h"
#include "config/options.h"
#include "xm/create_args.h"
#include "xm/session.h"
#include "xm/verbs.h"

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

/* -n: what the config means, with nothing of the host looked at. */
static int print_config(struct config *c, bool console, struct err *err)
{
    struct sxp *vm = NULL;
    json_t *doc = NULL;
    int rc = domain_config_check(c, &doc, err);

    if (rc == 0)
        rc = domain_config_check_devices(c, err);
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
    int rc = domain_config_make(c, false, &doc, err);

    if (rc == 0) {
        json_dumpf(doc, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(doc);
    return rc;
}

static int dry_run(const struct create_args *a, struct config *c)
{
    struct err err = {0};
    int rc = a->json ? print_document(c, &err) : print_config(c, a->console, &err);

    session_print_notes(c);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

static int run_create(const struct verb *self, int argc, char **argv)
{
    struct create_args a;
    struct err err = {0};
    struct config *c;
    int status;

    if (create_args_parse(&a, verb_is_xl(), argc, argv, &err) < 0)
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
    if (session_load(c, &a, &err) < 0) {
        session_print_notes(c);
        status = verb_error(&err);
    } else {
        struct session_options o = {.console = a.console,
                                    .quiet = a.quiet,
                                    .paused = a.paused,
                                    .foreground = a.foreground,
                                    .viewer = a.viewer};

        status = a.dry_run || verb_is_dry_run() ? dry_run(&a, c) : session_start(c, &o);
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
        "      --vncviewer            start a VNC viewer on its display\n"
        "      --help_config          list the options that a config may set\n"
        "\n"
        "xl's: -F until it ends; -V, -A as --vncviewer; -e, -d change nothing\n"
        "\n"
        "VAR=VALUE wins over the file. Without a file:\n"
        "  xm create -c /dev/null name=demo memory=256 kernel=vmlinuz extra=\"console=hvc0\"\n",
    .run = run_create,
};
