/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * save.c - xm save and restore: a running domain becomes a file, and goes on from it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config/domain_sxp.h"
#include "toolstack/domains.h"
#include "toolstack/saved.h"
#include "toolstack/xend_log.h"
#include "xm/session.h"
#include "xm/verbs.h"

/* The config of the record forbids it? */
static bool may_not_leave(const struct registry_entry *entry)
{
    json_t *record = registry_record(entry->domid);
    const char *sxp = json_get_string(record, "sxp", "");
    struct config *c = config_new();
    bool no = domain_sxp_load_text(c, entry->name, sxp, strlen(sxp), NULL) == 0 &&
              config_int(c, "nomigrate", 0) != 0;

    config_free(c);
    json_decref(record);
    return no;
}

static int save(const char *domain, const char *file, bool checkpoint, struct err *err)
{
    struct registry_entry entry;
    int rc;

    if (domains_is_host(domain))
        return err_set(err, EPERM, "Cannot save domain 0, it is this host");
    rc = domains_find(domain, &entry, err);
    if (rc == 0 && may_not_leave(&entry))
        rc = err_set(err, EPERM, "Migration not permitted: the config of '%s' has nomigrate = 1",
                     entry.name);
    if (rc == 0)
        rc = saved_make(&entry, file, checkpoint, err);
    if (rc == 0)
        xend_log(XEND_INFO, "domain '%s' (%u) saved to %s%s", entry.name, entry.domid, file,
                 checkpoint ? "; it goes on" : "");
    return rc;
}

static int run_save(const struct verb *self, int argc, char **argv)
{
    const char *words[2] = {NULL, NULL};
    bool checkpoint = false;
    struct err err = {0};
    size_t n = 0;
    int rc = verb_check_arguments(self, argc, argv, 2, 3);

    if (rc >= 0)
        return rc;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--checkpoint") == 0)
            checkpoint = true;
        else if (argv[i][0] == '-' || n == ARRAY_SIZE(words))
            return verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        else
            words[n++] = argv[i];
    }
    if (n < ARRAY_SIZE(words))
        return verb_usage_error(self, "a domain and a file are needed");
    return save(words[0], words[1], checkpoint, &err) < 0 ? verb_error(&err) : XM_OK;
}

static int run_restore(const struct verb *self, int argc, char **argv)
{
    struct session_options o = {.quiet = true};
    struct session_image image = {.fd = -1};
    const char *file = NULL, *sxp;
    CLEANUP_CLOSE int fd = -1;
    json_t *head = NULL;
    struct err err = {0};
    struct config *c;
    int status = verb_check_arguments(self, argc, argv, 1, 2);

    if (status >= 0)
        return status;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-p") == 0 || strcmp(argv[i], "--paused") == 0)
            o.paused = true;
        else if (argv[i][0] == '-' || file)
            return verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        else
            file = argv[i];
    }
    if (!file)
        return verb_usage_error(self, "a file is needed");
    fd = saved_open(file, &head, &err);
    if (fd < 0)
        return verb_error(&err);
    image = (struct session_image){.fd = fd, .head = head};
    o.image = &image;
    o.managed = json_get_bool(head, "managed", false);
    sxp = json_get_string(head, "sxp", "");
    c = config_new();
    status = domain_sxp_load_text(c, file, sxp, strlen(sxp), &err) < 0 ? verb_error(&err)
                                                                       : session_start(c, &o);
    config_free(c);
    json_decref(head);
    return status;
}

const struct verb verb_save = {
    .name = "save",
    .arguments = "[-c|--checkpoint] <Domain> <File>",
    .summary = "Save a domain to a file, from which it can go on.",
    .details = "  -c, --checkpoint  let it go on here, too\n",
    .run = run_save,
};

const struct verb verb_restore = {
    .name = "restore",
    .arguments = "[-p|--paused] <File>",
    .summary = "Let a saved domain go on.",
    .details = "  -p, --paused  let it wait for 'xm unpause'\n",
    .run = run_restore,
};
