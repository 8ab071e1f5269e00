/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * devices.c - see devices.h.
 */
#define _GNU_SOURCE
#include "xm/devices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/cleanup.h"
#include "config/sxp.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "toolstack/hotplug.h"

#define TIMEOUT_MS 100000 /* as xend waited for a device */
#define TEXT_MAX 256
/* For a guest to let go of a device: so many looks, so far apart. */
#define DETACH_LOOKS 100
#define DETACH_WAIT_MS 100

static void print_row(struct xs_client *xs, const char *path, const char *id, device_print *print)
{
    long long handle = store_number(xs, "%s/handle", path);
    char backend[TEXT_MAX], mac[32];
    const struct device_row row = {
        .path = path,
        .backend = store_text(xs, backend, sizeof(backend), "??", "%s/backend", path),
        .mac = store_text(xs, mac, sizeof(mac), "??", "%s/mac", path),
        .id = strtoll(id, NULL, 10),
        .backend_id = store_number(xs, "%s/backend-id", path),
        .handle = handle < 0 ? 0 : handle, /* disks have none; xm shows 0 */
        .state = store_number(xs, "%s/state", path),
        .evtchn = store_number(xs, "%s/event-channel", path),
    };

    print(xs, &row);
}

/* (ID (KEY VALUE) ...) */
static void print_nodes(struct xs_client *xs, const char *path, const char *id)
{
    CLEANUP_FREE char **names = NULL;
    struct arena a = {0};
    struct sxp *device = sxp_list(&a, id);
    size_t count = 0;

    if (xs_directory(xs, XS_NO_TX, path, &names, &count) < 0)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        char text[TEXT_MAX];

        sxp_append_pair(&a, device, names[i],
                        store_text(xs, text, sizeof(text), "", "%s/%s", path, names[i]));
    }
    sxp_print(stdout, device);
    arena_done(&a);
}

static bool is_disk_class(const char *class)
{
    return strcmp(class, "vbd") == 0;
}

/* The devices that a domain's process has; a new reference, or NULL. */
static json_t *ask(domid_t domid, const char *class)
{
    bool is_disk = is_disk_class(class);
    json_t *answer = NULL, *all;
    struct err ignored;

    if (client_call(domid, json_pack("{s:s}", "verb", is_disk ? "block-list" : "network-list"),
                    TIMEOUT_MS, &answer, &ignored) < 0)
        return NULL;
    all = json_incref(json_object_get(answer, is_disk ? "disks" : "vifs"));
    json_decref(answer);
    return all;
}

static void print_members(const json_t *device)
{
    char text[TEXT_MAX];
    struct arena a = {0};
    struct sxp *list;
    const char *key;
    json_t *value;

    snprintf(text, sizeof(text), "%lld", (long long)json_get_int(device, "devid", -1));
    list = sxp_list(&a, text);
    json_object_foreach((json_t *)(uintptr_t)device, key, value)
    {
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
        sxp_append_pair(&a, list, key, json_is_string(value) ? json_string_value(value) : text);
    }
    sxp_print(stdout, list);
    arena_done(&a);
}

/* A fully virtualized guest has drives and network cards, and nothing of them in xenstore. */
static void list_own(struct xs_client *xs, domid_t domid, const char *class, bool in_full,
                     const char *heading, device_print *print)
{
    json_t *all = ask(domid, class), *device;
    size_t i;

    if ((json_array_size(all) > 0 || verb_is_xl()) && !in_full)
        puts(heading);
    json_array_foreach(all, i, device)
    {
        const struct device_row row = {
            .path = "",
            .backend = json_get_string(device, is_disk_class(class) ? "path" : "link", "??"),
            .mac = json_get_string(device, "mac", "??"),
            .id = json_get_int(device, "devid", -1),
            .state = json_get_int(device, "state", -1),
            .evtchn = -1,
        };

        if (in_full)
            print_members(device);
        else
            print(xs, &row);
    }
    json_decref(all);
}

static int list(struct xs_client *xs, domid_t domid, const char *class, bool in_full,
                const char *heading, device_print *print)
{
    CLEANUP_FREE char **ids = NULL;
    char path[TEXT_MAX];
    size_t count = 0;
    int rc;

    snprintf(path, sizeof(path), "/local/domain/%u/device/%s", domid, class);
    rc = xs_directory(xs, XS_NO_TX, path, &ids, &count);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    if (count == 0)
        list_own(xs, domid, class, in_full, heading, print);
    else if (!in_full)
        puts(heading);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "/local/domain/%u/device/%s/%s", domid, class, ids[i]);
        if (in_full)
            print_nodes(xs, path, ids[i]);
        else
            print_row(xs, path, ids[i], print);
    }
    return 0;
}

int devices_run_list(const struct verb *self, int argc, char **argv, const char *class,
                     const char *heading, device_print *print)
{
    struct registry_entry entry;
    struct xs_client *xs = NULL;
    struct err err = {0};
    bool in_full = argc > 1 && (strcmp(argv[1], "-l") == 0 || strcmp(argv[1], "--long") == 0);
    int rc = verb_check_arguments(self, argc, argv, 1 + in_full, 1 + in_full);

    if (rc >= 0)
        return rc;
    rc = domains_find(argv[1 + in_full], &entry, &err);
    if (rc == 0)
        rc = store_open(&xs, &err);
    if (rc == 0) {
        rc = list(xs, entry.domid, class, in_full, heading, print);
        if (rc < 0)
            err_set(&err, -rc, "cannot list the devices of %s: %s", entry.name, strerror(-rc));
    }
    xs_close(xs);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

int devices_request(const char *domain, json_t *request)
{
    return devices_request_with_fd(domain, request, -1);
}

int devices_request_with_fd(const char *domain, json_t *request, int fd)
{
    struct registry_entry entry;
    struct err err = {0};
    json_t *answer = NULL;
    int rc = domains_find(domain, &entry, &err);

    if (rc < 0)
        json_decref(request);
    else if (fd >= 0)
        rc = client_call_with_fd(entry.domid, request, fd, TIMEOUT_MS, &answer, &err);
    else
        rc = client_call(entry.domid, request, TIMEOUT_MS, &answer, &err);
    json_decref(answer);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

json_t *devices_find(domid_t domid, const char *class, const char *name)
{
    json_t *all = ask(domid, class), *device, *found = NULL;
    size_t i;

    json_array_foreach(all, i, device)
    {
        char number[24];

        snprintf(number, sizeof(number), "%lld", (long long)json_get_int(device, "devid", -1));
        if (strcmp(number, name) == 0 ||
            strcasecmp(json_get_string(device, is_disk_class(class) ? "name" : "mac", ""), name) ==
                0)
            found = json_incref(device);
    }
    json_decref(all);
    return found;
}

int devices_finish_detach(domid_t domid, const char *class, unsigned int devid)
{
    const struct timespec wait = {.tv_nsec = DETACH_WAIT_MS * 1000000l};
    struct err err = {0};
    char number[16];
    json_t *device;

    snprintf(number, sizeof(number), "%u", devid);
    for (int looks = 0; (device = devices_find(domid, class, number)); looks++) {
        json_decref(device);
        if (looks == DETACH_LOOKS) {
            fprintf(stderr, "The guest has not let go of the device yet.\n");
            return XM_OK;
        }
        nanosleep(&wait, NULL);
    }
    return hotplug_detach(domid, class, devid, &err) < 0 ? verb_error(&err) : XM_OK;
}
