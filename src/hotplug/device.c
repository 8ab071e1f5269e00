/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * device.c - see device.h.
 */
#define _GNU_SOURCE
#include "hotplug/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "hotplug/script.h"
#include "toolstack/xend_config.h"

void device_init(struct device *d, const char *class, domid_t domid, const json_t *object)
{
    d->class = class;
    d->domid = domid;
    d->devid = (unsigned int)json_get_int(object, "devid", 0);
    snprintf(d->path, sizeof(d->path), "backend/%s/%u/%u", class, domid, d->devid);
    snprintf(d->full, sizeof(d->full), "/local/domain/0/%s", d->path);
}

/* --- xenstore --------------------------------------------------------------------------- */

void device_begin(struct xs_client *store, const struct device *d)
{
    (void)xs_reserve(store, d->full); /* an older xenstored does not know that */
    (void)xs_rm(store, XS_NO_TX, d->full);
}

void device_end(struct xs_client *store)
{
    (void)xs_reserve(store, "");
}

int device_put(struct xs_client *store, const struct device *d, const char *key, const char *fmt,
               ...)
{
    char path[160], value[DEVICE_VALUE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    snprintf(path, sizeof(path), "%s/%s", d->full, key);
    return xs_write(store, XS_NO_TX, path, value, strlen(value));
}

int device_put_keys(struct xs_client *store, const struct device *d, const json_t *object,
                    const char *const *keys)
{
    int rc = device_put(store, d, "frontend", "/local/domain/%u/device/%s/%u", d->domid, d->class,
                        d->devid);

    if (rc == 0)
        rc = device_put(store, d, "frontend-id", "%u", d->domid);
    if (rc == 0)
        rc = device_put(store, d, "domain", "%s", json_get_string(object, "name", ""));
    for (; rc == 0 && *keys; keys++) {
        const char *value = json_get_string(object, *keys, "");

        if (value[0])
            rc = device_put(store, d, *keys, "%s", value);
    }
    if (rc == 0)
        rc = device_put(store, d, "online", "1");
    return rc == 0 ? device_put(store, d, "state", "1") : rc;
}

char *device_read(struct xs_client *store, const struct device *d, const char *key)
{
    char path[160], *value = NULL;

    snprintf(path, sizeof(path), "%s/%s", d->full, key);
    return xs_read(store, XS_NO_TX, path, &value, NULL) == 0 ? value : NULL;
}

void device_remove_keys(struct xs_client *store, const struct device *d)
{
    char **children = NULL, above[64];
    size_t count = 0;

    (void)xs_rm(store, XS_NO_TX, d->full);
    snprintf(above, sizeof(above), "/local/domain/0/backend/%s/%u", d->class, d->domid);
    if (xs_directory(store, XS_NO_TX, above, &children, &count) == 0 && count == 0)
        (void)xs_rm(store, XS_NO_TX, above);
    free(children);
}

/* --- scripts ---------------------------------------------------------------------------- */

int device_run(const struct device *d, const json_t *object, const char *command,
               const char *const *more, const char *timeout_option, struct err *err)
{
    char texts[4][PATHS_MAX + 32];
    const char *environment[10] = {texts[0], texts[1], texts[2], texts[3],
                                   "XENBUS_BASE_PATH=backend"};
    struct script s;
    int rc = script_find(&s, json_get_string(object, "script", ""), err);

    if (rc < 0)
        return rc;
    snprintf(texts[0], sizeof(texts[0]), "XENBUS_PATH=%s", d->path);
    snprintf(texts[1], sizeof(texts[1]), "XENBUS_TYPE=%s", d->class);
    snprintf(texts[2], sizeof(texts[2]), "script=%s", s.path);
    snprintf(texts[3], sizeof(texts[3]), "ACTION=%s", command);
    for (size_t i = 0; i < 4 && more[i]; i++)
        environment[5 + i] = more[i];
    return script_run(&s, command, environment,
                      (unsigned int)xend_config_int(xend_config_own(), timeout_option), err);
}

int device_refuse(const struct device *d, struct err *err)
{
    char said[sizeof(err->msg)];

    memcpy(said, err->msg, sizeof(said));
    return err_set(err, err->code, "Device %u (%s) could not be connected. %.900s", d->devid,
                   d->class, said);
}

/* The script's sentence, if it left one in the store, else what it said last. */
int device_answer(struct xs_client *store, const struct device *d, int rc, struct err *err)
{
    CLEANUP_FREE char *status = device_read(store, d, "hotplug-status");
    CLEANUP_FREE char *text = device_read(store, d, "hotplug-error");
    bool refused = status && (strcmp(status, "error") == 0 || strcmp(status, "busy") == 0);

    if (rc == 0 && !refused)
        return 0;
    if (rc == 0)
        rc = err_set(err, EIO, "%s", "");
    if (text && text[0])
        rc = err_set(err, -rc, "%s", text);
    else if (!err->msg[0])
        rc = err_set(err, -rc, "Hotplug scripts not working.");
    return rc < 0 ? device_refuse(d, err) : rc;
}
