/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * admission.c - see admission.h. Memory is counted as Xen counts it: a domain has all that it
 * was promised, whether its guest has touched it yet or not.
 */
#include "toolstack/admission.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "toolstack/record.h"

uint64_t admission_host_kib(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static uint64_t memory_kib(const json_t *record)
{
    json_int_t mib = json_get_int(record, "memory", 0);

    return mib > 0 ? (uint64_t)mib * 1024 : 0;
}

static int check_memory(const json_t *record, uint64_t others, uint64_t host_kib, uint64_t keep_kib,
                        struct err *err)
{
    uint64_t need = memory_kib(record);
    uint64_t taken = others + keep_kib;
    uint64_t left = taken < host_kib ? host_kib - taken : 0;

    if (need <= left)
        return 0;
    return err_set(err, ENOMEM,
                   "I need %lu KiB, but dom0_min_mem is %lu and shrinking to %lu KiB would leave "
                   "only %lu KiB free. (This host has %lu KiB, its other domains %lu KiB.)",
                   need, keep_kib, keep_kib, left, host_kib, others);
}

int admission_check(const json_t *record, int dir_fd, const struct registry_entry *entries,
                    size_t count, uint64_t host_kib, uint64_t keep_kib, struct err *err)
{
    const char *name = json_get_string(record, "name", "");
    const char *uuid = json_get_string(record, "uuid", "");
    uint64_t others = 0;

    for (size_t i = 0; i < count; i++) {
        json_t *other = record_read(dir_fd, entries[i].domid);
        bool same = strcasecmp(json_get_string(other, "uuid", "-"), uuid) == 0;

        others += memory_kib(other);
        json_decref(other);
        if (strcmp(entries[i].name, name) == 0)
            return err_set(err, EEXIST, "VM name '%s' already exists as domain %u", name,
                           entries[i].domid);
        if (same)
            return err_set(err, EEXIST, "VM '%s' has the uuid of domain %u, '%s': %s", name,
                           entries[i].domid, entries[i].name, uuid);
    }
    return check_memory(record, others, host_kib, keep_kib, err);
}
