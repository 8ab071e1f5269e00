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
    char backend[TEXT_MAX];
    const struct device_row row = {
        .path = path,
        .backend = store_text(xs, backend, sizeof(backend), "??", "%s/backend", path),
        .id = strtoll(id, NULL, 10),
        .backend_id = store_number(xs, "%s/backend-id", path),
        .handle = store_number(xs, "%s/handle", path),
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
    if (count > 0 && !in_full)
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
    struct registry_entry entry;
    struct err err = {0};
    json_t *answer = NULL;
    int rc = domains_find(domain, &entry, &err);

    if (rc == 0)
        rc = client_call(entry.domid, request, TIMEOUT_MS, &answer, &err);
    else
        json_decref(request);
    json_decref(answer);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

json_t *devices_find(domid_t domid, const char *class, const char *name)
{
    bool is_disk = strcmp(class, "vbd") == 0;
    json_t *request = json_pack("{s:s}", "verb", is_disk ? "block-list" : "network-list");
    json_t *answer = NULL, *device, *found = NULL;
    struct err ignored;
    size_t i;

    if (client_call(domid, request, TIMEOUT_MS, &answer, &ignored) < 0)
        return NULL;
    json_array_foreach(json_object_get(answer, is_disk ? "disks" : "vifs"), i, device)
    {
        char number[24];

        snprintf(number, sizeof(number), "%lld", (long long)json_get_int(device, "devid", -1));
        if (strcmp(number, name) == 0 ||
            strcasecmp(json_get_string(device, is_disk ? "name" : "mac", ""), name) == 0)
            found = json_incref(device);
    }
    json_decref(answer);
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
