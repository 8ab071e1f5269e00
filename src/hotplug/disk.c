/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * disk.c - see disk.h. A script says what it made by `physical-device-path` (xl's scripts) or
 * `node`, or else by `physical-device`, MAJOR:MINOR in hexadecimal.
 */
#define _GNU_SOURCE
#include "hotplug/disk.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "hotplug/device.h"

static const char *const answers[] = {"physical-device-path", "node", "physical-device"};

bool disk_has_script(const json_t *disk)
{
    return json_get_string(disk, "script", "")[0] != '\0';
}

static int put_keys(struct xs_client *store, const struct device *d, const json_t *disk)
{
    static const char *const keys[] = {"type", "params",          "mode",
                                       "dev",  "script",          "physical-device-path",
                                       "node", "physical-device", NULL};

    return device_put_keys(store, d, disk, keys);
}

static int run_script(const struct device *d, const json_t *disk, const char *command,
                      const char *timeout_option, struct err *err)
{
    static const char *const more[] = {NULL};

    return device_run(d, disk, command, more, timeout_option, err);
}

/* What the script wrote is kept in the entry: for its `remove`. */
static void keep_answers(struct xs_client *store, const struct device *d, json_t *entry)
{
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        CLEANUP_FREE char *value = device_read(store, d, answers[i]);

        if (value && value[0])
            json_object_set_new(entry, answers[i], json_string(value));
    }
}

/* The device of a number, by its name in sysfs: udev's links need not be there. */
static bool find_by_number(const char *number, char path[static PATH_MAX])
{
    char link[64], target[PATH_MAX];
    unsigned int major, minor;
    ssize_t n;
    int end = -1;

    if (sscanf(number, "%x:%x%n", &major, &minor, &end) != 2 || number[end])
        return false;
    snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major, minor);
    n = readlink(link, target, sizeof(target) - 1);
    if (n <= 0)
        return false;
    target[n] = '\0';
    snprintf(path, PATH_MAX, "/dev/%.200s", strrchr(target, '/') ? strrchr(target, '/') + 1 : "");
    for (char *p = path; *p; p++)
        *p = *p == '!' ? '/' : *p; /* "cciss!c0d0" */
    return true;
}

/* The path of what it made, absolute and without links. */
static int find_made(const json_t *entry, char path[static PATH_MAX], struct err *err)
{
    const char *made = json_get_string(entry, answers[0], json_get_string(entry, answers[1], ""));
    char named[PATH_MAX];
    struct stat st;

    if (made[0])
        snprintf(named, sizeof(named), "%s", made);
    else if (!find_by_number(json_get_string(entry, answers[2], ""), named))
        return err_set(err, EIO, "The script %s did not say what it made.",
                       json_get_string(entry, "script", ""));
    if (!realpath(named, path) || stat(path, &st) < 0)
        return err_set(err, errno, "%.300s: %s", named, strerror(errno));
    if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
        return err_set(err, EINVAL, "%.300s is neither a file nor a block device", named);
    return 0;
}

static int add(struct undo_list *u, struct xs_client *store, const struct device *d, json_t *entry,
               char path[static PATH_MAX], struct err *err)
{
    int rc;

    device_begin(store, d);
    rc = put_keys(store, d, entry);
    if (rc < 0)
        return err_set(err, -rc, "cannot write %s to xenstore: %s", d->full, strerror(-rc));
    rc = run_script(d, entry, "add", "device-create-timeout", err);
    keep_answers(store, d, entry);
    rc = device_answer(store, d, rc, err);
    if (rc == 0)
        rc = undo_save(u, err);
    if (rc < 0)
        return rc;
    rc = find_made(entry, path, err);
    return rc < 0 ? device_refuse(d, err) : 0;
}

int disk_add(struct undo_list *u, struct xs_client *store, json_t *disk, const char *domain_name,
             struct err *err)
{
    json_t *entry = json_deep_copy(disk);
    char path[PATH_MAX];
    struct device d;
    int rc;

    if (!entry)
        return err_set(err, ENOMEM, "out of memory");
    json_object_set_new(entry, "class", json_string("vbd"));
    json_object_set_new(entry, "dev", json_string(json_get_string(disk, "name", "")));
    json_object_set_new(entry, "name", json_string(domain_name));
    if (json_array_append_new(undo_devices(u), entry) < 0)
        return err_set(err, ENOMEM, "out of memory");
    device_init(&d, "vbd", u->domid, entry);
    rc = undo_save(u, err);
    if (rc == 0)
        rc = add(u, store, &d, entry, path, err);
    if (rc == 0 && json_object_set_new(disk, "path", json_string(path)) < 0)
        rc = err_set(err, EINVAL, "its path is not valid UTF-8 text");
    return rc;
}

void disk_remove(struct xs_client *store, domid_t domid, const json_t *disk)
{
    struct err err = {0};
    struct device d;

    device_init(&d, "vbd", domid, disk);
    device_begin(store, &d);
    (void)put_keys(store, &d, disk);
    if (run_script(&d, disk, "remove", "device-destroy-timeout", &err) < 0)
        fprintf(stderr, "%s: remove: %s\n", d.path, err.msg);
    device_remove_keys(store, &d);
}
