/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rename.c - xm rename: another name for a domain, running, managed or both.
 */
#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "toolstack/managed.h"
#include "toolstack/xend_log.h"
#include "xm/store.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 5000

/* With the run directory's lock. */
static int rename_running(const struct registry_entry *entry, const char *name, struct err *err)
{
    struct registry_entry other;
    json_t *answer = NULL;
    int rc;

    if (registry_find(name, &other, NULL) == 0 && strcmp(other.name, name) == 0)
        return err_set(err, EEXIST, "VM name '%s' already exists as domain %u", name, other.domid);
    rc = client_call(entry->domid, json_pack("{s:s, s:s}", "verb", "rename", "name", name),
                     TIMEOUT_MS, &answer, err);
    json_decref(answer);
    return rc;
}

/* It may have a successor (rename-restart), which is to be called as it is. The run directory's
 * lock is ours. */
static int rename_record(const struct registry_entry *entry, json_t *record, const char *name,
                         struct err *err)
{
    CLEANUP_FREE char *text = managed_rename_text(json_get_string(record, "sxp", ""), name);

    if (!record)
        return 0;
    json_object_set_new(record, "name", json_string(name));
    if (text)
        json_object_set_new(record, "sxp", json_string(text));
    return registry_set_record(entry->domid, record, err);
}

/* What xenstore tells of it; a guest may read that. */
static void tell_store(const struct registry_entry *entry, const char *uuid, const char *name)
{
    struct xs_client *xs = NULL;
    char path[96];

    if (store_open(&xs, NULL) < 0)
        return;
    snprintf(path, sizeof(path), "/local/domain/%u/name", entry->domid);
    xs_printf(xs, XS_NO_TX, path, "%s", name);
    if (uuid[0]) {
        snprintf(path, sizeof(path), "/vm/%.40s/name", uuid);
        xs_printf(xs, XS_NO_TX, path, "%s", name);
    }
    xs_close(xs);
}

static int rename_managed(const json_t *domain, const char *name, struct err *err)
{
    CLEANUP_FREE char *text = managed_rename_text(json_get_string(domain, "sxp", ""), name);

    if (!text)
        return err_set(err, EINVAL, "the config of %s is not understood",
                       json_get_string(domain, "name", ""));
    return managed_put(name, json_get_string(domain, "uuid", ""), text, err);
}

/* The running one first: it may refuse the name. */
static int rename_domain(const char *old, const char *name, struct err *err)
{
    CLEANUP_CLOSE int lock = registry_lock(err);
    json_t *domain = managed_find(old), *record = NULL, *other = managed_find(name);
    struct registry_entry entry;
    bool runs = domains_find(old, &entry, NULL) == 0;
    int rc = lock < 0 ? lock : 0;

    if (rc == 0 && !runs && !domain)
        rc = err_set(err, ESRCH, "Domain '%s' does not exist.", old);
    if (rc == 0 && other && strcmp(json_get_string(other, "name", ""), name) == 0)
        rc = err_set(err, EEXIST, "VM name '%s' already exists as a managed domain", name);
    if (rc == 0 && runs) {
        record = registry_record(entry.domid);
        rc = rename_running(&entry, name, err);
        if (rc == 0)
            rc = rename_record(&entry, record, name, err);
        if (rc == 0)
            tell_store(&entry, json_get_string(record, "uuid", ""), name);
    }
    if (rc == 0 && domain)
        rc = rename_managed(domain, name, err);
    if (rc == 0)
        xend_log(XEND_INFO, "domain '%s' is called '%s' from now on", old, name);
    json_decref(domain);
    json_decref(other);
    json_decref(record);
    return rc;
}

static int run_rename(const struct verb *self, int argc, char **argv)
{
    struct err err = {0};
    int rc = verb_check_arguments(self, argc, argv, 2, 2);

    if (rc >= 0)
        return rc;
    if (domains_is_host(argv[1]))
        rc = err_set(&err, EPERM, "Cannot rename privileged domain 0");
    else if (domains_is_host(argv[2]))
        rc = err_set(&err, EEXIST, "VM name '%s' already exists as domain 0", argv[2]);
    else
        rc = rename_domain(argv[1], argv[2], &err);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_rename = {
    .name = "rename",
    .arguments = "<Domain> <NewName>",
    .summary = "Give a domain another name.",
    .details = "",
    .run = run_rename,
};
