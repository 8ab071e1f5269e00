/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * block.c - xm block-list, block-attach, block-detach, block-configure, cd-insert and cd-eject.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/disk_spec.h"
#include "xm/devices.h"
#include "toolstack/domains.h"
#include "toolstack/hotplug.h"

static void print_disk(struct xs_client *xs, const struct device_row *row)
{
    printf("%-5lld  %-3lld  %-3lld   %-3lld    %-3lld    %-5lld %-30s  \n", row->id,
           row->backend_id, row->handle, row->state, row->evtchn,
           store_number(xs, "%s/ring-ref", row->path), row->backend);
}

static int run_list(const struct verb *self, int argc, char **argv)
{
    return devices_run_list(self, argc, argv, "vbd",
                            "Vdev  BE handle state evt-ch ring-ref BE-path", print_disk);
}

/* Have the domain's process do `request` with the disk of a specification. */
static int request_disk(const char *domain, const char *request, const char *spec)
{
    struct registry_entry entry;
    struct err err = {0};
    json_t *disk = NULL;
    unsigned int devid;
    bool scripted;
    int rc = domains_find(domain, &entry, &err);

    if (rc == 0)
        rc = disk_spec_parse(spec, &disk, &err);
    devid = (unsigned int)json_get_int(disk, "devid", 0);
    scripted = rc == 0 && hotplug_is_for(disk);
    if (scripted && strcmp(request, "block-attach") != 0)
        rc = err_set(&err, ENOTSUP, "a disk that a script makes cannot be a drive's medium");
    else if (scripted)
        rc = hotplug_attach(&entry, disk, &err);
    if (rc < 0) {
        json_decref(disk);
        return verb_error(&err);
    }
    rc = devices_request(domain, json_pack("{s:s, s:o}", "verb", request, "disk", disk));
    if (rc != XM_OK && scripted && hotplug_detach(entry.domid, "vbd", devid, &err) < 0)
        fprintf(stderr, "Warning: %s\n", err.msg);
    return rc;
}

/* Domain BACKDEV FRONTDEV MODE [BACKDOM], or one of xl's specifications. */
static int run_with_spec(const struct verb *self, int argc, char **argv)
{
    char spec[4096];
    int n, rc = verb_check_arguments(self, argc, argv, 2, 5);

    if (rc >= 0)
        return rc;
    if (argc == 4)
        return verb_usage_error(self, "the mode is missing: r or w");
    n = argc == 3 ? snprintf(spec, sizeof(spec), "%s", argv[2])
                  : snprintf(spec, sizeof(spec), "%s,%s,%s%s%s", argv[2], argv[3], argv[4],
                             argc > 5 ? "," : "", argc > 5 ? argv[5] : "");
    if (n >= (int)sizeof(spec))
        return verb_usage_error(self, "the description of the device is too long");
    return request_disk(argv[1], self->name, spec);
}

/* Domain FRONTDEV [BACKDEV]: without the last an ejection. */
static int run_medium(const struct verb *self, int argc, char **argv)
{
    int wanted = self == &verb_cd_insert ? 3 : 2;
    char spec[4096];
    int n, rc = verb_check_arguments(self, argc, argv, wanted, wanted);

    if (rc >= 0)
        return rc;
    n = snprintf(spec, sizeof(spec), "%s,%s%s,r", argc > 3 ? argv[3] : "", argv[2],
                 strchr(argv[2], ':') ? "" : ":cdrom");
    if (n >= (int)sizeof(spec))
        return verb_usage_error(self, "the description of the medium is too long");
    return request_disk(argv[1], "block-configure", spec);
}

static int run_detach(const struct verb *self, int argc, char **argv)
{
    bool force = argc > 3 && (strcmp(argv[3], "-f") == 0 || strcmp(argv[3], "--force") == 0);
    int rc = verb_check_arguments(self, argc, argv, 2, 2 + force);
    struct registry_entry entry;
    struct err err = {0};
    json_t *disk;

    if (rc >= 0)
        return rc;
    if (domains_find(argv[1], &entry, &err) < 0)
        return verb_error(&err);
    disk = hotplug_has_any(entry.domid) ? devices_find(entry.domid, "vbd", argv[2]) : NULL;
    rc = devices_request(argv[1], json_pack("{s:s, s:s, s:b}", "verb", "block-detach", "device",
                                            argv[2], "force", force));
    if (rc == XM_OK && disk)
        rc =
            devices_finish_detach(entry.domid, "vbd", (unsigned int)json_get_int(disk, "devid", 0));
    json_decref(disk);
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
