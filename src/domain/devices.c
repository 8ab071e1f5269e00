/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * devices.c - see devices.h. The connection to the store for devices (xenbus) exists while a
 * life is going on and there is a device to be shown.
 */
#include "domain/devices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/block/qemu.h"
#include "backend/block/vbd.h"
#include "backend/fb/fb.h"
#include "backend/xenbus.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "domain/device_vifs.h"

struct device_disk {
    struct device_disk *next;
    struct vbd *vbd;
};

struct devices {
    struct loop *loop;
    struct domain *d;   /* NULL between lives */
    struct xenbus *bus; /* NULL while nothing is shown */
    struct device_disk *disks;
    struct device_vifs *vifs;
    struct fb *fb; /* NULL = no display */
};

static void forget_disk(void *arg, struct vbd *v)
{
    struct devices *all = arg;
    struct device_disk **p = &all->disks;
    struct device_disk *disk;

    while ((*p)->vbd != v)
        p = &(*p)->next;
    disk = *p;
    *p = disk->next;
    log_msg(LOG_INFO, "domain", "disk %s is gone", vbd_config(v)->name);
    vbd_destroy(v);
    free(disk);
}

static struct device_disk *find_disk(const struct devices *all, const char *name)
{
    for (struct device_disk *disk = all->disks; disk; disk = disk->next) {
        const struct disk_config *c = vbd_config(disk->vbd);
        char number[16];

        snprintf(number, sizeof(number), "%u", c->devid);
        if (strcmp(name, c->name) == 0 || strcmp(name, number) == 0)
            return disk;
    }
    return NULL;
}

static int need_bus(struct devices *all, struct err *err)
{
    return all->bus ? 0 : xenbus_create(&all->bus, all->loop, all->d, err);
}

static int show_disk(struct devices *all, struct device_disk *disk, struct err *err)
{
    int rc = need_bus(all, err);

    return rc < 0 ? rc : vbd_attach(disk->vbd, all->bus, forget_disk, all, err);
}

/* Make a disk and put it at the end of the list. `image`: its descriptor, taken; NULL: to be opened
 * by its path. */
static int open_disk(struct devices *all, const json_t *object, const int *image,
                     struct device_disk **ret, struct err *err)
{
    CLEANUP_CLOSE int fd = image ? *image : -1;
    struct device_disk **p = &all->disks;
    struct device_disk *disk = calloc(1, sizeof(*disk));
    struct disk_config config;
    int rc = disk ? disk_config_parse(&config, object, err) : err_set(err, ENOMEM, "out of memory");

    if (rc < 0) {
        free(disk);
        return rc;
    }
    if (find_disk(all, config.name))
        rc = err_set(err, EEXIST, "Device %u (vbd) is already connected.", config.devid);
    if (rc == 0 && !image)
        rc = disk_open_image(&config, &fd, err);
    if (rc == 0)
        rc = vbd_create(&disk->vbd, &config, STEAL_FD(fd), err);
    if (rc < 0) {
        disk_config_done(&config);
        free(disk);
        return rc;
    }
    while (*p)
        p = &(*p)->next;
    *p = disk;
    *ret = disk;
    return 0;
}

/* Where the control socket is: what is in there is nobody else's business. */
int devices_prepare(const struct domain_options *o, struct err *err)
{
    const char *slash = strrchr(o->socket_path, '/');
    CLEANUP_FREE char *dir =
        slash ? strndup(o->socket_path, (size_t)(slash - o->socket_path)) : strdup(".");

    if (!dir)
        return err_set(err, ENOMEM, "out of memory");
    qemu_prepare(dir);
    return o->vfb ? fb_prepare(o->vfb, o->name, o->domid, err) : 0;
}

int devices_create(struct devices **ret, struct loop *loop, const struct domain_options *o,
                   struct err *err)
{
    struct devices *all = calloc(1, sizeof(*all));
    struct device_disk *disk;
    int rc = all ? 0 : err_set(err, ENOMEM, "out of memory");
    json_t *object;
    size_t i;

    if (rc < 0)
        return rc;
    all->loop = loop;
    json_array_foreach(o->disks, i, object)
    {
        rc = open_disk(all, object, NULL, &disk, err);
        if (rc < 0) {
            devices_destroy(all);
            return rc;
        }
    }
    rc = device_vifs_create(&all->vifs, loop, o->domid, o->vifs, err);
    if (rc == 0 && o->vfb)
        rc = fb_create(&all->fb, loop, o->vfb, o->name, o->domid, err);
    if (rc < 0) {
        devices_destroy(all);
        return rc;
    }
    *ret = all;
    return 0;
}

void devices_destroy(struct devices *all)
{
    if (!all)
        return;
    while (all->disks) {
        struct device_disk *disk = all->disks;

        all->disks = disk->next;
        vbd_destroy(disk->vbd);
        free(disk);
    }
    device_vifs_destroy(all->vifs);
    fb_destroy(all->fb);
    free(all);
}

int devices_attach(struct devices *all, struct domain *d, struct err *err)
{
    int rc = 0;

    all->d = d;
    for (struct device_disk *disk = all->disks; rc == 0 && disk; disk = disk->next)
        rc = show_disk(all, disk, err);
    if (rc == 0 && device_vifs_any(all->vifs))
        rc = need_bus(all, err);
    if (rc == 0)
        rc = device_vifs_attach(all->vifs, all->bus, err);
    if (rc == 0 && all->fb)
        rc = need_bus(all, err);
    if (rc == 0 && all->fb)
        rc = fb_attach(all->fb, all->bus, err);
    if (rc < 0)
        devices_detach(all);
    return rc;
}

void devices_detach(struct devices *all)
{
    xenbus_destroy(all->bus);
    all->bus = NULL;
    all->d = NULL;
    for (struct device_disk *disk = all->disks; disk; disk = disk->next)
        vbd_detached(disk->vbd);
    device_vifs_detached(all->vifs);
    if (all->fb)
        fb_detached(all->fb);
}

int devices_add_disk(struct devices *all, const json_t *object, int image, struct err *err)
{
    struct device_disk *disk;
    int rc = open_disk(all, object, &image, &disk, err);

    if (rc < 0 || !all->d)
        return rc;
    rc = show_disk(all, disk, err);
    if (rc < 0)
        forget_disk(all, disk->vbd);
    return rc;
}

int devices_remove_disk(struct devices *all, const char *name, bool force, struct err *err)
{
    struct device_disk *disk = find_disk(all, name);

    if (!disk)
        return err_set(err, ENODEV, "Device %.60s not connected", name);
    if (vbd_device(disk->vbd))
        vbd_unplug(disk->vbd, force);
    else
        forget_disk(all, disk->vbd);
    return 0;
}

int devices_change_disk(struct devices *all, const json_t *object, int image, struct err *err)
{
    CLEANUP_CLOSE int fd = image;
    struct disk_config config;
    struct device_disk *disk;
    int rc = disk_config_parse(&config, object, err);

    if (rc < 0)
        return rc;
    disk = find_disk(all, config.name);
    rc = disk ? vbd_change(disk->vbd, &config, STEAL_FD(fd), err)
              : err_set(err, ENODEV, "Device %.60s not connected", config.name);
    disk_config_done(&config);
    return rc;
}

static json_t *describe_disk(const struct vbd *v)
{
    const struct disk_config *c = vbd_config(v);
    const struct xenbus_device *dev = vbd_device(v);
    const struct vbd_counts n = vbd_counts(v);

    return json_pack(
        "{s:s, s:i, s:s, s:s, s:b, s:i, s:I, s:I, s:I, s:I, s:I}", "name", c->name, "devid",
        (int)c->devid, "path", c->path, "mode", disk_mode_text(c->mode), "cdrom", c->cdrom, "state",
        (int)(dev ? xenbus_state(dev) : XenbusStateUnknown), "reads", (json_int_t)n.reads, "writes",
        (json_int_t)n.writes, "read_sectors", (json_int_t)n.read_sectors, "written_sectors",
        (json_int_t)n.written_sectors, "waits", (json_int_t)n.waits);
}

json_t *devices_list_disks(const struct devices *all)
{
    json_t *list = json_array();

    for (const struct device_disk *disk = all->disks; list && disk; disk = disk->next)
        (void)json_array_append_new(list, describe_disk(disk->vbd));
    return list;
}

int devices_add_vif(struct devices *all, const json_t *object, int fd, struct err *err)
{
    int rc = all->d ? need_bus(all, err) : 0;

    if (rc == 0)
        return device_vifs_add(all->vifs, all->bus, object, fd, err);
    if (fd >= 0)
        close(fd);
    return rc;
}

int devices_remove_vif(struct devices *all, const char *name, bool force, struct err *err)
{
    return device_vifs_remove(all->vifs, name, force, err);
}

json_t *devices_list_vifs(const struct devices *all)
{
    return device_vifs_list(all->vifs);
}

struct fb *devices_fb(const struct devices *all)
{
    return all->fb;
}
