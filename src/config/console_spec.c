/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_spec.c - see console_spec.h.
 */
#include "config/console_spec.h"

#include <errno.h>

#define DEFAULT_MIB 8
#define MAX_MIB (1 << 20)
#define DEFAULT_FILES 3
#define MAX_FILES 1000

static int take(const struct config *c, const char *name, int64_t otherwise, int64_t max,
                int64_t *ret, struct err *err)
{
    *ret = config_int(c, name, otherwise);
    if (*ret < 0 || *ret > max)
        return err_set(err, EINVAL, "%s: %s = %lld is not within 0..%lld", config_place(c, name),
                       name, (long long)*ret, (long long)max);
    return 0;
}

int console_spec_add(const struct config *c, json_t *doc, struct err *err)
{
    int64_t mib, files;
    int rc = take(c, "console_log_size", DEFAULT_MIB, MAX_MIB, &mib, err);

    if (rc == 0)
        rc = take(c, "console_log_files", DEFAULT_FILES, MAX_FILES, &files, err);
    if (rc < 0)
        return rc;
    json_object_set_new(doc, "console_log_size", json_integer(mib << 20));
    json_object_set_new(doc, "console_log_files", json_integer(files));
    return 0;
}
