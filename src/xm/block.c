/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * block.c - xm block-list, block-attach, block-detach, block-configure, cd-insert and cd-eject.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/disk_image.h"
#include "config/disk_spec.h"
#include "config/vdev.h"
#include "xm/devices.h"
#include "toolstack/amend.h"
#include "toolstack/domains.h"
#include "toolstack/hotplug.h"

#define XM_HEADING "Vdev  BE handle state evt-ch ring-ref BE-path"
#define XL_HEADING "Vdev  BE  handle state evt-ch ring-ref BE-path                       "

static void print_disk(struct xs_client *xs, const struct device_row *row)
{
    printf(verb_is_xl() ? "%-5lld %-3lld %-6lld %-5lld %-6lld %-8lld %-30s\n"
                        : "%-5lld  %-3lld  %-3lld   %-3lld    %-3lld    %-5lld %-30s  \n",
           row->id, row->backend_id, row->handle, row->state, row->evtchn,
           store_number(xs, "%s/ring-ref", row->path), row->backend);
}

static int run_list(const struct verb *self, int argc, char **argv)
{
    return devices_run_list(self, argc, argv, "vbd", verb_is_xl() ? XL_HEADING : XM_HEADING,
                            print_disk);
}

/* What the domain process may not open itself goes with the request: the image of a disk that it
 * has not got yet, or of a drive's medium. *ret_fd: -1 = it needs none, or will refuse. */
static int open_image(domid_t domid, const char *request, const json_t *disk, int *ret_fd,
                      struct err *err)
{
    const bool attach = strcmp(request, "block-attach") == 0;
    struct disk_image image = {.name = json_get_string(disk, "name", ""),
                               .path = json_get_string(disk, "path", ""),
                               .format = json_get_string(disk, "format", "")};
    json_t *there = devices_find(domid, "vbd", image.name);
    const bool needed = attach ? !there : json_get_bool(there, "cdrom", false);
    int rc = 0;

    json_decref(there);
    *ret_fd = -1;
    if (!needed || !image.path[0])
        return 0;
    if (attach) /* media are only read */
        rc = disk_mode_parse(json_get_string(disk, "mode", ""), &image.mode, err);
    if (rc == 0)
        *ret_fd = disk_image_open(&image, err);
    return rc < 0 ? rc : *ret_fd < 0 ? *ret_fd : 0;
}

/* Send the request; `disk` is borrowed. The verb's exit status. */
static int send_disk(domid_t domid, const char *request, json_t *disk)
{
    CLEANUP_CLOSE int fd = -1;
    struct err err = {0};
    char number[16];

    if (open_image(domid, request, disk, &fd, &err) < 0)
        return verb_error(&err);
    snprintf(number, sizeof(number), "%u", domid);
    return devices_request_with_fd(number, json_pack("{s:s, s:O}", "verb", request, "disk", disk),
                                   fd);
}

/* Have the process of a running domain do `request` with the disk of a specification. Takes disk.
 */
static int request_disk(const struct amend_target *t, const char *request, const char *spec,
                        json_t *disk)
{
    const struct amend_device amendment = {
        .option = "disk", .spec = spec, .devid = (unsigned int)json_get_int(disk, "devid", 0)};
    const domid_t domid = t->entry.domid;
    bool scripted = hotplug_is_for(disk);
    struct err err = {0};
    int rc = 0;

    if (scripted && strcmp(request, "block-attach") != 0)
        rc = err_set(&err, ENOTSUP, "a disk that a script makes cannot be a drive's medium");
    else if (scripted)
        rc = hotplug_attach(&t->entry, disk, &err);
    if (rc < 0) {
        json_decref(disk);
        return verb_error(&err);
    }
    rc = send_disk(domid, request, disk);
    json_decref(disk);
    if (rc == XM_OK)
        amend_after(t, amend_device, &amendment);
    else if (scripted && hotplug_detach(domid, "vbd", amendment.devid, &err) < 0)
        fprintf(stderr, "Warning: %s\n", err.msg);
    return rc;
}

/* Only written down: there is no guest that could have it. */
static int add_to_config(const struct amend_target *t, const char *request, const char *spec,
                         const json_t *disk, struct err *err)
{
    const struct amend_device amendment = {
        .option = "disk", .spec = spec, .devid = (unsigned int)json_get_int(disk, "devid", 0)};
    bool there = amend_has_device(t, &amendment);

    if (there == (strcmp(request, "block-attach") == 0))
        return there
                   ? err_set(err, EEXIST, "Device %u (vbd) is already connected.", amendment.devid)
                   : err_set(err, ENOENT, "Device %u (vbd) not connected", amendment.devid);
    return amend_apply(t, amend_device, &amendment, err);
}

static int change_disk(const char *domain, const char *request, const char *spec)
{
    struct amend_target target;
    struct err err = {0};
    json_t *disk = NULL;
    int rc = amend_find(domain, &target, &err);

    if (rc == 0)
        rc = disk_spec_parse(spec, &disk, &err);
    if (rc == 0 && target.entry.domid)
        return request_disk(&target, request, spec, disk);
    if (rc == 0)
        rc = add_to_config(&target, request, spec, disk, &err);
    json_decref(disk);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

/* What follows the last colon of "file:disk.img" may be a file of the directory that we are in:
 * its whole path, to be freed. NULL where it is not. */
static char *whole_path(const char *uname, size_t *prefix)
{
    const char *colon = strrchr(uname, ':'), *rest = colon ? colon + 1 : uname;

    *prefix = (size_t)(rest - uname);
    return rest[0] && rest[0] != '/' ? realpath(rest, NULL) : NULL;
}

/* Domain BACKDEV FRONTDEV MODE [BACKDOM], or one of xl's specifications. */
static int run_with_spec(const struct verb *self, int argc, char **argv)
{
    CLEANUP_FREE char *path = NULL;
    size_t prefix = 0;
    char spec[4096];
    int n, rc = verb_check_arguments(self, argc, argv, 2, 5);

    if (rc >= 0)
        return rc;
    if (argc == 4)
        return verb_usage_error(self, "the mode is missing: r or w");
    if (argc > 3)
        path = whole_path(argv[2], &prefix);
    n = argc == 3 ? snprintf(spec, sizeof(spec), "%s", argv[2])
                  : snprintf(spec, sizeof(spec), "%.*s%s,%s,%s%s%s", (int)prefix, argv[2],
                             path ? path : argv[2] + prefix, argv[3], argv[4], argc > 5 ? "," : "",
                             argc > 5 ? argv[5] : "");
    if (n >= (int)sizeof(spec))
        return verb_usage_error(self, "the description of the device is too long");
    return change_disk(argv[1], self->name, spec);
}

/* Domain FRONTDEV [BACKDEV]: without the last an ejection. */
static int run_medium(const struct verb *self, int argc, char **argv)
{
    int wanted = self == &verb_cd_insert ? 3 : 2;
    CLEANUP_FREE char *path = NULL;
    size_t prefix = 0;
    char spec[4096];
    int n, rc = verb_check_arguments(self, argc, argv, wanted, wanted);

    if (rc >= 0)
        return rc;
    if (argc > 3)
        path = whole_path(argv[3], &prefix);
    n = snprintf(spec, sizeof(spec), "%.*s%s,%s%s,r", (int)prefix, argc > 3 ? argv[3] : "",
                 path       ? path
                 : argc > 3 ? argv[3] + prefix
                            : "",
                 argv[2], strchr(argv[2], ':') ? "" : ":cdrom");
    if (n >= (int)sizeof(spec))
        return verb_usage_error(self, "the description of the medium is too long");
    return change_disk(argv[1], "block-configure", spec);
}

static int run_detach(const struct verb *self, int argc, char **argv)
{
    bool force = argc > 3 && (strcmp(argv[3], "-f") == 0 || strcmp(argv[3], "--force") == 0);
    int rc = verb_check_arguments(self, argc, argv, 2, 2 + force);
    struct amend_device amendment = {.option = "disk"};
    struct amend_target target;
    struct err err = {0};
    const char *id;

    if (rc >= 0)
        return rc;
    id = strrchr(argv[2], '/') ? strrchr(argv[2], '/') + 1 : argv[2]; /* vbd/51728 */
    if (amend_find(argv[1], &target, &err) < 0)
        return verb_error(&err);
    if (vdev_number(id, &amendment.devid, NULL) < 0)
        amendment.devid = 0;
    if (!target.entry.domid) {
        if (!amend_has_device(&target, &amendment))
            rc = err_set(&err, ENOENT, "Device %s not connected", argv[2]);
        else
            rc = amend_apply(&target, amend_device, &amendment, &err);
        return rc < 0 ? verb_error(&err) : XM_OK;
    }
    rc = devices_request(argv[1], json_pack("{s:s, s:s, s:b}", "verb", "block-detach", "device",
                                            argv[2], "force", force));
    if (rc == XM_OK)
        amend_after(&target, amend_device, &amendment);
    if (rc == XM_OK && hotplug_has_any(target.entry.domid) && amendment.devid)
        rc = devices_finish_detach(target.entry.domid, "vbd", amendment.devid);
    return rc;
}

const struct verb verb_block_list = {
    .name = "block-list",
    .arguments = "[-l] <Domain>",
    .summary = "List a domain's block devices.",
    .details = "  -l, --long   all that xenstore has of them\n",
    .run = run_list,
};

const struct verb verb_block_attach = {
    .name = "block-attach",
    .arguments = "<Domain> <BackDev> <FrontDev> <Mode> [BackDomain]",
    .summary = "Give a running domain one more block device.",
    .details = "BackDev, FrontDev and Mode are those of disk=[...]: file:/x.img xvdb w\n",
    .run = run_with_spec,
};

const struct verb verb_block_detach = {
    .name = "block-detach",
    .arguments = "<Domain> <DevId> [-f]",
    .summary = "Take a block device away from a domain.",
    .details = "DevId is its number or name: 51728, xvdb.\n"
               "  -f, --force   also when the guest does not let go\n",
    .run = run_detach,
};

const struct verb verb_block_configure = {
    .name = "block-configure",
    .arguments = "<Domain> <BackDev> <FrontDev> <Mode> [BackDomain]",
    .summary = "Change the medium of a drive, or tell a guest its disk's new size.",
    .details = "A drive (xvdc:cdrom) gets the image that BackDev names, or none if that is ''.\n"
               "For a disk BackDev is the image that it has: its size is read again.\n",
    .run = run_with_spec,
};

const struct verb verb_cd_insert = {
    .name = "cd-insert",
    .arguments = "<Domain> <FrontDev> <BackDev>",
    .summary = "Put a medium into a domain's cdrom drive.",
    .details = "",
    .run = run_medium,
};

const struct verb verb_cd_eject = {
    .name = "cd-eject",
    .arguments = "<Domain> <FrontDev>",
    .summary = "Take the medium out of a domain's cdrom drive.",
    .details = "",
    .run = run_medium,
};
