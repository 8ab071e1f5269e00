/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * save.c - xm save and restore: a running domain becomes a file, and goes on from it; xm suspend
 * and resume: the same for managed domains, whose file is beside their config.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config/domain_sxp.h"
#include "toolstack/domains.h"
#include "toolstack/managed.h"
#include "toolstack/saved.h"
#include "toolstack/xend_log.h"
#include "xm/restore.h"
#include "xm/session.h"
#include "xm/verbs.h"

static int save(const char *domain, const char *file, enum saved_then then, struct err *err)
{
    struct registry_entry entry;
    int rc;

    if (domains_is_host(domain))
        return err_set(err, EPERM, "Cannot save domain 0, it is this host");
    rc = domains_find(domain, &entry, err);
    if (rc == 0)
        rc = saved_may_leave(&entry, err);
    if (rc == 0)
        rc = saved_make(&entry, file, then, err);
    if (rc == 0)
        xend_log(XEND_INFO, "domain '%s' (%u) saved to %s%s", entry.name, entry.domid, file,
                 then == SAVED_ENDS ? "" : "; it goes on");
    return rc;
}

static int run_save(const struct verb *self, int argc, char **argv)
{
    const char *words[2] = {NULL, NULL};
    enum saved_then then = SAVED_ENDS;
    struct err err = {0};
    size_t n = 0;
    int rc = verb_check_arguments(self, argc, argv, 2, 3);

    if (rc >= 0)
        return rc;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--checkpoint") == 0)
            then = SAVED_GOES_ON;
        else if (strcmp(argv[i], "-p") == 0 || strcmp(argv[i], "--paused") == 0)
            then = SAVED_STANDS;
        else if (argv[i][0] == '-' || n == ARRAY_SIZE(words))
            return verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        else
            words[n++] = argv[i];
    }
    if (n < ARRAY_SIZE(words))
        return verb_usage_error(self, "a domain and a file are needed");
    return save(words[0], words[1], then, &err) < 0 ? verb_error(&err) : XM_OK;
}

/* The config that it goes on with: its own, or another one, but it stays the domain that it is. */
static int load(struct config *c, const json_t *head, const char *file, const char *other,
                struct err *err)
{
    const char *sxp = json_get_string(head, "sxp", ""), *uuid = json_get_string(head, "uuid", "");
    int rc =
        other ? config_load(c, other, err) : domain_sxp_load_text(c, file, sxp, strlen(sxp), err);

    if (rc == 0 && other && !config_is_set(c, "uuid"))
        rc = config_set(c, "uuid", value_string(config_arena(c), uuid, strlen(uuid)), file, err);
    return rc;
}

int restore_image(int fd, const json_t *head, const char *file, const struct restore_options *o)
{
    const struct session_image image = {.fd = fd, .head = head};
    const struct session_options session = {.quiet = true,
                                            .paused = o->paused,
                                            .image = &image,
                                            .managed =
                                                !o->config && json_get_bool(head, "managed", false),
                                            .failure = o->failure};
    struct config *c = config_new();
    struct err err = {0}, *why = o->failure ? o->failure : &err;
    int status = XM_FAILED;

    if (load(c, head, file, o->config, why) == 0)
        status = session_start(c, &session);
    else if (!o->failure)
        status = verb_error(&err);
    config_free(c);
    return status;
}

int restore_file(const char *file, const struct restore_options *o)
{
    CLEANUP_CLOSE int fd = -1;
    json_t *head = NULL;
    struct err err = {0};
    int status;

    fd = saved_open(file, &head, &err);
    if (fd < 0)
        return verb_error(&err);
    status = restore_image(fd, head, file, o);
    json_decref(head);
    return status;
}

/* [-p] WORD. -1 to go on, else the exit status. */
static int take_arguments(const struct verb *self, int argc, char **argv, bool *paused,
                          const char **word)
{
    int status = verb_check_arguments(self, argc, argv, 1, 2);

    for (int i = 1; i < argc && status < 0; i++) {
        if (strcmp(argv[i], "-p") == 0 || strcmp(argv[i], "--paused") == 0)
            *paused = true;
        else if (argv[i][0] == '-' || *word)
            status = verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        else
            *word = argv[i];
    }
    if (status < 0 && !*word)
        status = verb_usage_error(self, "an argument is missing");
    return status;
}

/* xl takes a config before the file. */
static int run_restore(const struct verb *self, int argc, char **argv)
{
    const char *words[2] = {NULL, NULL};
    const size_t most = verb_is_xl() ? 2 : 1;
    struct restore_options o = {0};
    size_t n = 0;
    int status = verb_check_arguments(self, argc, argv, 1, 4);

    for (int i = 1; i < argc && status < 0; i++) {
        if (strcmp(argv[i], "-p") == 0 || strcmp(argv[i], "--paused") == 0)
            o.paused = true;
        else if (verb_is_xl() && strcmp(argv[i], "-e") == 0)
            continue; /* nobody waits here */
        else if (argv[i][0] == '-' || n == most)
            status = verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        else
            words[n++] = argv[i];
    }
    if (status < 0 && n == 0)
        status = verb_usage_error(self, "an argument is missing");
    if (status >= 0)
        return status;
    if (n == 2)
        o.config = words[0];
    return restore_file(words[n - 1], &o);
}

/* --- managed domains ---------------------------------------------------------------------- */

/* The managed domain of that name, and where it is saved. NULL and a sentence otherwise. */
static json_t *find_managed(const char *name, char path[static PATHS_MAX], struct err *err)
{
    json_t *domain = managed_find(name);
    struct registry_entry entry;
    int rc;

    if (domain)
        rc = managed_checkpoint(path, json_get_string(domain, "uuid", ""), err);
    else if (domains_is_host(name) || domains_find(name, &entry, NULL) == 0)
        rc = err_set(err, EINVAL, "Domain '%s' is not a managed one: 'xm save' takes a file", name);
    else
        rc = err_set(err, ESRCH, "Domain '%s' does not exist.", name);
    if (rc < 0) {
        json_decref(domain);
        domain = NULL;
    }
    return domain;
}

static int run_suspend(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry;
    char path[PATHS_MAX];
    struct err err = {0};
    json_t *domain;
    int rc = verb_check_arguments(self, argc, argv, 1, 1);

    if (rc >= 0)
        return rc;
    domain = find_managed(argv[1], path, &err);
    rc = domain ? 0 : -EINVAL;
    if (domain && domains_find(json_get_string(domain, "uuid", ""), &entry, NULL) < 0)
        rc = err_set(&err, EINVAL, "Domain is not running");
    if (rc == 0)
        rc = saved_make(&entry, path, SAVED_ENDS, &err);
    if (rc == 0)
        xend_log(XEND_INFO, "managed domain '%s' (%u) suspended", entry.name, entry.domid);
    json_decref(domain);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

/* What is saved must not be there any more once the domain runs: it would not fit the disks the
 * next time. So it has another name meanwhile. */
static int resume(const char *path, bool paused)
{
    char other[PATHS_MAX + 8];
    struct err err = {0};
    int status;

    snprintf(other, sizeof(other), "%s.used", path);
    if (rename(path, other) < 0) {
        if (errno == ENOENT)
            err_set(&err, ENOENT, "Domain is not suspended.");
        else
            err_set(&err, errno, "cannot rename %s: %s", path, strerror(errno));
        return verb_error(&err);
    }
    status = restore_file(other, &(struct restore_options){.paused = paused});
    if (status == XM_OK)
        (void)unlink(other);
    else if (rename(other, path) < 0)
        fprintf(stderr, "Warning: the saved domain is called %s now\n", other);
    return status;
}

static int run_resume(const struct verb *self, int argc, char **argv)
{
    char path[PATHS_MAX];
    const char *name = NULL;
    struct registry_entry entry;
    struct err err = {0};
    bool paused = false;
    json_t *domain;
    int status = take_arguments(self, argc, argv, &paused, &name);

    if (status >= 0)
        return status;
    domain = find_managed(name, path, &err);
    if (domain && domains_find(json_get_string(domain, "uuid", ""), &entry, NULL) == 0)
        err_set(&err, EBUSY, "Domain is already running");
    status = err.code ? verb_error(&err) : resume(path, paused);
    json_decref(domain);
    return status;
}

const struct verb verb_save = {
    .name = "save",
    .arguments = "[-c|-p] <Domain> <File>",
    .summary = "Save a domain to a file, from which it can go on.",
    .details = "  -c, --checkpoint  let it go on here, too\n"
               "  -p, --paused      the same, when it is told to by 'xm unpause'\n",
    .run = run_save,
};

const struct verb verb_restore = {
    .name = "restore",
    .arguments = "[-p|--paused] <File>",
    .summary = "Let a saved domain go on.",
    .details = "  -p, --paused  let it wait for 'xm unpause'\n"
               "\nxl's: [-p] [-e] [<ConfigFile>] <File>: with another config than its own\n",
    .run = run_restore,
};

const struct verb verb_suspend = {
    .name = "suspend",
    .arguments = "<DomainName>",
    .summary = "Save a managed domain; it is halted until it is resumed.",
    .details = "",
    .run = run_suspend,
};

const struct verb verb_resume = {
    .name = "resume",
    .arguments = "[-p|--paused] <DomainName>",
    .summary = "Let a suspended managed domain go on.",
    .details = "  -p, --paused  let it wait for 'xm unpause'\n",
    .run = run_resume,
};
