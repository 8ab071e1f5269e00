/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * drives.c - the drives of a machine. Images are opened and locked here as for any other guest
 * (backend/block/disk.h); the device model gets open files, and for other formats than raw
 * connections to the servers that read them. So it needs no rights to the images' paths.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/block/qemu.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "hvm/hvm_priv.h"

#define FIRST_LATE_SET 1000 /* above the numbers of descriptors, which name those of the start */

static int check_slot(const struct hvm *h, const struct hvm_drive *new, struct err *err)
{
    for (unsigned int i = 0; i < h->nr_drives; i++)
        if (h->drives[i].bus == new->bus && h->drives[i].unit == new->unit)
            return err_set(err, EEXIST, "disks %s and %s are the same drive of the machine",
                           h->drives[i].config.name, new->config.name);
    return 0;
}

/* A drive without an image has no path, which disk_config_parse() wants. */
static int parse_empty(struct hvm_drive *d, const json_t *object, struct err *err)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)object);
    int rc;

    json_object_set_new(copy, "path", json_string("-"));
    json_object_set_new(copy, "format", json_string("raw"));
    rc = disk_config_parse(&d->config, copy, err);
    json_decref(copy);
    if (rc == 0 && !d->config.cdrom) {
        disk_config_done(&d->config);
        rc = err_set(err, EINVAL, "only a CD drive may be empty");
    }
    return rc;
}

/* By its path, at the start. */
static int open_medium(struct hvm_drive *d, struct err *err)
{
    int fd, rc = disk_open_image(&d->config, &fd, err);

    return rc < 0 ? rc : disk_open(&d->disk, &d->config, fd, err);
}

static int open_drive(struct hvm *h, const json_t *object, struct err *err)
{
    struct hvm_drive *d = &h->drives[h->nr_drives];
    int rc;

    if (h->nr_drives == HVM_MAX_DRIVES)
        return err_set(err, EINVAL, "more than %d drives", HVM_MAX_DRIVES);
    memset(d, 0, sizeof(*d));
    d->disk = (struct disk){.fd = -1, .lock_fd = -1};
    d->empty = !json_get_string(object, "path", "")[0];
    rc = d->empty ? parse_empty(d, object, err) : disk_config_parse(&d->config, object, err);
    if (rc < 0)
        return rc;
    rc = hvm_args_slot(d->config.name, &d->bus, &d->unit, err);
    if (rc == 0)
        rc = check_slot(h, d, err);
    if (rc == 0 && d->bus == HVM_BUS_VIRTIO && d->config.cdrom)
        rc = err_set(err, EINVAL, "%s cannot be a CD drive: hda to hdd can", d->config.name);
    if (rc == 0 && d->bus == HVM_BUS_IDE && !d->config.cdrom && d->config.mode == DISK_READ)
        rc = err_set(err, EINVAL,
                     "disk %s: an IDE disk cannot be read-only; make it a CD (hdc:cdrom), a SCSI "
                     "disk (sda) or a virtio disk (xvde)",
                     d->config.name);
    if (rc == 0 && !d->empty)
        rc = open_medium(d, err);
    if (rc < 0)
        disk_config_done(&d->config);
    else
        h->nr_drives++;
    return rc;
}

static int open_floppy(struct hvm *h, unsigned int unit, struct err *err)
{
    json_t *object;
    int rc;

    if (!h->spec.floppy[unit][0])
        return 0;
    object = json_pack("{s:s, s:i, s:s, s:s, s:s}", "name", unit ? "fdb" : "fda", "devid",
                       (int)unit, "path", h->spec.floppy[unit], "mode", "w", "format", "raw");
    rc = object ? open_drive(h, object, err) : err_set(err, ENOMEM, "out of memory");
    json_decref(object);
    return rc;
}

int hvm_drives_open(struct hvm *h, const json_t *disks, struct err *err)
{
    const json_t *object;
    size_t i;
    int rc = 0;

    json_array_foreach(disks, i, object)
    {
        if (rc == 0)
            rc = open_drive(h, object, err);
    }
    for (unsigned int unit = 0; rc == 0 && unit < 2; unit++)
        rc = open_floppy(h, unit, err);
    return rc;
}

void hvm_drives_close(struct hvm *h)
{
    for (unsigned int i = 0; i < h->nr_drives; i++) {
        if (!h->drives[i].empty)
            disk_close(&h->drives[i].disk);
        disk_config_done(&h->drives[i].config);
    }
    h->nr_drives = 0;
}

/* A descriptor of the medium for the device model, new, or -errno; and what it is. */
static int medium_fd(const struct hvm_drive *d, enum hvm_source *source)
{
    struct stat st;
    int fd;

    if (d->disk.server) {
        *source = HVM_SOURCE_NBD;
        return qemu_image_connect(d->disk.server);
    }
    *source =
        fstat(d->disk.fd, &st) == 0 && S_ISBLK(st.st_mode) ? HVM_SOURCE_DEVICE : HVM_SOURCE_FILE;
    fd = fcntl(d->disk.fd, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? -errno : fd;
}

static struct hvm_drive_args drive_args(const struct hvm_drive *d)
{
    return (struct hvm_drive_args){
        .name = d->config.name,
        .bus = d->bus,
        .unit = d->unit,
        .cdrom = d->config.cdrom,
        .read_only = d->config.mode == DISK_READ,
        .discard = d->config.discard,
        .source = HVM_SOURCE_EMPTY,
        .fd = -1,
    };
}

int hvm_drives_describe(struct hvm *h, struct hvm_machine *m, struct hvm_fds *fds, struct err *err)
{
    h->next_set = FIRST_LATE_SET;
    for (unsigned int i = 0; i < h->nr_drives; i++) {
        struct hvm_drive_args *a = &m->drives[i];
        int fd;

        h->drives[i].set = 0;
        *a = drive_args(&h->drives[i]);
        if (h->drives[i].empty)
            continue;
        fd = medium_fd(&h->drives[i], &a->source);
        if (fd < 0)
            return err_set(err, EIO, "disk %s cannot be passed to the device model: %s", a->name,
                           strerror(-fd));
        a->fd = hvm_fds_add(fds, fd);
    }
    m->nr_drives = h->nr_drives;
    return 0;
}

json_t *hvm_drives_list(const struct hvm *h)
{
    json_t *list = json_array();

    for (unsigned int i = 0; list && i < h->nr_drives; i++) {
        const struct hvm_drive *d = &h->drives[i];

        (void)json_array_append_new(
            list, json_pack("{s:s, s:i, s:s, s:s, s:b, s:i}", "name", d->config.name, "devid",
                            (int)d->config.devid, "path", d->empty ? "" : d->config.path, "mode",
                            disk_mode_text(d->config.mode), "cdrom", d->config.cdrom, "state",
                            h->model ? 4 : 0)); /* connected */
    }
    return list;
}

/* --- CDs ---------------------------------------------------------------------------------- */

static struct hvm_drive *find_cd(struct hvm *h, const char *name, struct err *err)
{
    for (unsigned int i = 0; i < h->nr_drives; i++) {
        struct hvm_drive *d = &h->drives[i];

        if (strcmp(d->config.name, name) != 0)
            continue;
        if (d->config.cdrom)
            return d;
        err_set(err, EINVAL, "%s is no CD drive", name);
        return NULL;
    }
    err_set(err, ENODEV, "there is no drive '%.60s'", name);
    return NULL;
}

/* Open the tray, however the guest locked it, and forget what was in it. */
static int take_out(struct hvm *h, struct hvm_drive *d, struct err *err)
{
    char id[80];
    int rc;

    if (d->empty)
        return 0;
    snprintf(id, sizeof(id), "dev-%s", d->config.name);
    rc = hvm_command(h, "blockdev-open-tray", json_pack("{s:s, s:b}", "id", id, "force", 1), err);
    if (rc == 0)
        rc = hvm_command(h, "blockdev-remove-medium", json_pack("{s:s}", "id", id), err);
    if (rc == 0)
        rc = hvm_command(h, "blockdev-del", json_pack("{s:s}", "node-name", d->config.name), err);
    if (rc == 0 && d->set)
        rc = hvm_command(h, "remove-fd", json_pack("{s:i}", "fdset-id", d->set), err);
    if (rc < 0)
        return rc;
    disk_close(&d->disk);
    d->empty = true;
    d->set = 0;
    return 0;
}

/* Give the device model the open medium as a block node. */
static int add_node(struct hvm *h, struct hvm_drive *d, struct err *err)
{
    struct hvm_drive_args a = drive_args(d);
    char file[32];
    int fd = medium_fd(d, &a.source), rc;

    if (fd < 0)
        return err_set(err, EIO, "%s: %s", d->config.path, strerror(-fd));
    if (a.source == HVM_SOURCE_NBD) {
        snprintf(file, sizeof(file), "medium-%d", h->next_set++);
        rc = qmp_execute(h->qmp, "getfd", json_pack("{s:s}", "fdname", file), fd, QMP_PATIENCE_MS,
                         NULL, err);
    } else {
        d->set = h->next_set++;
        snprintf(file, sizeof(file), "/dev/fdset/%d", d->set);
        rc = qmp_execute(h->qmp, "add-fd", json_pack("{s:i}", "fdset-id", d->set), fd,
                         QMP_PATIENCE_MS, NULL, err);
    }
    close(fd);
    return rc < 0 ? rc : hvm_command(h, "blockdev-add", hvm_args_medium(&a, file), err);
}

static int put_in(struct hvm *h, struct hvm_drive *d, struct err *err)
{
    char id[80];
    int rc = add_node(h, d, err);

    snprintf(id, sizeof(id), "dev-%s", d->config.name);
    if (rc == 0)
        rc = hvm_command(h, "blockdev-open-tray", json_pack("{s:s, s:b}", "id", id, "force", 1),
                         err);
    if (rc == 0)
        rc = hvm_command(h, "blockdev-insert-medium",
                         json_pack("{s:s, s:s}", "id", id, "node-name", d->config.name), err);
    return rc < 0 ? rc : hvm_command(h, "blockdev-close-tray", json_pack("{s:s}", "id", id), err);
}

int hvm_drives_change(struct hvm *h, const char *name, const json_t *object, int image,
                      struct err *err)
{
    CLEANUP_CLOSE int fd = image;
    struct hvm_drive *d = find_cd(h, name, err);
    struct disk_config new;
    int rc = d ? 0 : -ENODEV;

    if (rc < 0 || !object)
        return rc < 0 ? rc : take_out(h, d, err);
    rc = disk_config_parse(&new, object, err);
    if (rc < 0)
        return rc;
    new.cdrom = true;
    new.mode = DISK_READ;
    rc = disk_check_image(&new, fd, err);
    if (rc == 0)
        rc = take_out(h, d, err);
    if (rc < 0) {
        disk_config_done(&new);
        return rc;
    }
    disk_config_done(&d->config);
    d->config = new;
    rc = disk_open(&d->disk, &d->config, STEAL_FD(fd), err);
    if (rc < 0)
        return rc;
    d->empty = false;
    if (h->qmp)
        rc = put_in(h, d, err);
    if (rc < 0) {
        disk_close(&d->disk);
        d->empty = true;
    } else {
        log_msg(LOG_INFO, "hvm", "drive %s: %s is in", name, d->config.path);
    }
    return rc;
}
