/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domains.c - see domains.h.
 */
#define _GNU_SOURCE
#include "toolstack/domains.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "toolstack/client.h"

#define TIMEOUT_MS 2000

bool domains_is_host(const char *name_or_id)
{
    return strcmp(name_or_id, "Domain-0") == 0 || strcmp(name_or_id, "0") == 0;
}

/* CPU time that the host has used, seconds. */
static double host_cpu_time(void)
{
    unsigned long long user = 0, nice = 0, system = 0;
    FILE *f = fopen("/proc/stat", "re");

    if (!f)
        return 0;
    if (fscanf(f, "cpu %llu %llu %llu", &user, &nice, &system) != 3)
        user = nice = system = 0;
    fclose(f);
    return (double)(user + nice + system) / (double)sysconf(_SC_CLK_TCK);
}

static json_t *host_info(void)
{
    json_int_t mib = (json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 1048576;

    return json_pack("{s:i, s:s, s:s, s:I, s:I, s:i, s:s, s:f}", "domid", 0, "name", "Domain-0",
                     "uuid", "00000000-0000-0000-0000-000000000000", "memory", mib, "maxmem", mib,
                     "vcpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "state", "r-----", "cpu_time",
                     host_cpu_time());
}

static bool still_lives(domid_t domid)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    size_t count = 0;

    if (registry_list(&entries, &count, NULL) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (entries[i].domid == domid)
            return true;
    return false;
}

json_t *domains_info(const struct registry_entry *entry)
{
    struct err err = {0};
    json_t *info = NULL;

    if (client_call(entry->domid, json_pack("{s:s}", "verb", "info"), TIMEOUT_MS, &info, &err) == 0)
        return info;
    if (!still_lives(entry->domid))
        return NULL;
    return json_pack("{s:i, s:s, s:i, s:i, s:i, s:s, s:f}", "domid", entry->domid, "name",
                     entry->name, "memory", -1, "maxmem", -1, "vcpus", -1, "state", "------",
                     "cpu_time", 0.0);
}

/* 36 characters, with dashes where a uuid has them. */
static bool is_uuid(const char *text)
{
    return strlen(text) == 36 && strspn(text, "0123456789abcdefABCDEF-") == 36 && text[8] == '-' &&
           text[13] == '-' && text[18] == '-' && text[23] == '-';
}

static bool has_uuid(const struct registry_entry *entry, const char *uuid)
{
    json_t *info = domains_info(entry);
    bool found = strcasecmp(json_get_string(info, "uuid", ""), uuid) == 0;

    json_decref(info);
    return found;
}

int domains_find(const char *name, struct registry_entry *ret, struct err *err)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    size_t count = 0;
    int rc = registry_find(name, ret, err);

    if (rc != -ESRCH || !is_uuid(name) || registry_list(&entries, &count, NULL) < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        if (has_uuid(&entries[i], name)) {
            *ret = entries[i];
            return 0;
        }
    }
    return rc;
}

static int collect_all(json_t *list, struct err *err)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    size_t count = 0;
    int rc = registry_list(&entries, &count, err);

    json_array_append_new(list, host_info());
    for (size_t i = 0; i < count; i++) {
        json_t *info = domains_info(&entries[i]);

        if (info)
            json_array_append_new(list, info);
    }
    return rc;
}

static int collect_named(json_t *list, const char *name, struct err *err)
{
    struct registry_entry entry;
    json_t *info = NULL;
    int rc;

    if (domains_is_host(name))
        return json_array_append_new(list, host_info());
    rc = domains_find(name, &entry, err);
    if (rc == 0)
        info = domains_info(&entry);
    if (rc == 0 && !info)
        rc = err_set(err, ESRCH, "Domain '%s' does not exist.", name);
    return rc < 0 ? rc : json_array_append_new(list, info);
}

int domains_collect(char *const *names, int nr_names, json_t **ret, struct err *err)
{
    json_t *list = json_array();
    int rc = nr_names ? 0 : collect_all(list, err);

    for (int i = 0; i < nr_names && rc == 0; i++)
        rc = collect_named(list, names[i], err);
    if (rc < 0)
        json_decref(list);
    else
        *ret = list;
    return rc;
}
