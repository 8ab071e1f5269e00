/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * args_devices.c - see args_devices.h. Each drive is a block node with the drive's name (its
 * medium) and a device with the id dev-NAME.
 *
 * The firmware's boot order is a number at each device: the letters of `boot` say which class
 * comes first, within a class the order is that of the names.
 */
#include "hvm/args_devices.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define IDE_UNITS 4
#define SCSI_UNITS 7
#define VIRTIO_UNITS 16
#define ORDER_OF_CLASS 100 /* more than there are devices in a class */

int hvm_args_slot(const char *name, enum hvm_bus *bus, unsigned int *unit, struct err *err)
{
    static const struct {
        const char *prefix;
        enum hvm_bus bus;
        unsigned int from, units;
    } kinds[] = {
        {"hd", HVM_BUS_IDE, 0, IDE_UNITS},
        {"xvd", HVM_BUS_IDE, 0, IDE_UNITS},
        {"xvd", HVM_BUS_VIRTIO, IDE_UNITS, VIRTIO_UNITS},
        {"sd", HVM_BUS_SCSI, 0, SCSI_UNITS},
        {"fd", HVM_BUS_FLOPPY, 0, 2},
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t n = strlen(kinds[i].prefix);
        unsigned int at = (unsigned int)(unsigned char)name[strnlen(name, n)] - 'a';

        if (strncmp(name, kinds[i].prefix, n) != 0 || strlen(name) != n + 1 || at < kinds[i].from ||
            at >= kinds[i].from + kinds[i].units)
            continue;
        *bus = kinds[i].bus;
        *unit = at - kinds[i].from;
        return 0;
    }
    return err_set(err, EINVAL,
                   "disk %.60s: a fully virtualized guest has hda to hdd (or xvda to xvdd), sda to "
                   "sdg and xvde to xvdt, whole disks only",
                   name);
}

json_t *hvm_args_medium(const struct hvm_drive_args *d, const char *file)
{
    const char *discard = d->discard && !d->read_only ? "unmap" : "ignore";
    json_t *from;

    if (d->source == HVM_SOURCE_NBD)
        from = json_pack("{s:s, s:{s:s, s:s}, s:s}", "driver", "nbd", "server", "type", "fd", "str",
                         file, "export", "disk");
    else
        from = json_pack("{s:s, s:s, s:s, s:s}", "driver",
                         d->source == HVM_SOURCE_DEVICE ? "host_device" : "file", "filename", file,
                         "locking", "off", "discard", discard);
    return json_pack("{s:s, s:s, s:b, s:s, s:o}", "driver", "raw", "node-name", d->name,
                     "read-only", d->read_only, "discard", discard, "file", from);
}

static void add_medium(struct words *w, const struct hvm_drive_args *d)
{
    char file[32];

    if (d->source == HVM_SOURCE_EMPTY)
        return;
    if (d->source == HVM_SOURCE_NBD) {
        snprintf(file, sizeof(file), "%d", d->fd);
    } else {
        snprintf(file, sizeof(file), "/dev/fdset/%d", d->fd);
        words_add_option(w, "-add-fd", "fd=%d,set=%d", d->fd, d->fd);
    }
    words_add_json(w, "-blockdev", hvm_args_medium(d, file));
}

/* ",bootindex=N" of the n-th device of a class, or nothing if the class is not asked for. A kernel
 * that is started directly is the first by itself. */
static const char *boot_order(char buf[static 32], const struct hvm_spec *s,
                              const struct hvm_machine *m, char letter, unsigned int n)
{
    const char *at = m->kernel_fd < 0 ? strchr(s->boot, letter) : NULL;

    buf[0] = '\0';
    if (at && *at)
        snprintf(buf, 32, ",bootindex=%u", (unsigned int)(at - s->boot) * ORDER_OF_CLASS + n);
    return buf;
}

static void add_device(struct words *w, const struct hvm_drive_args *d, const char *order)
{
    const char *kind = d->cdrom ? "cd" : "hd";
    char drive[80] = "";

    if (d->source != HVM_SOURCE_EMPTY)
        snprintf(drive, sizeof(drive), ",drive=%s", d->name);
    switch (d->bus) {
    case HVM_BUS_IDE:
        words_add_option(w, "-device", "ide-%s,id=dev-%s,bus=ide.%u,unit=%u%s%s", kind, d->name,
                         d->unit / 2, d->unit % 2, drive, order);
        break;
    case HVM_BUS_SCSI:
        words_add_option(w, "-device", "scsi-%s,id=dev-%s,bus=scsi0.0,scsi-id=%u%s%s", kind,
                         d->name, d->unit, drive, order);
        break;
    case HVM_BUS_VIRTIO:
        words_add_option(w, "-device", "virtio-blk-pci,id=dev-%s%s%s", d->name, drive, order);
        break;
    case HVM_BUS_FLOPPY:
        words_add_option(w, "-device", "floppy,id=dev-%s,unit=%u%s", d->name, d->unit, drive);
        if (order[0]) /* the controller's, which is part of the board */
            words_add_option(w, "-global", "isa-fdc.bootindex%c=%s", 'A' + (char)d->unit,
                             strchr(order, '=') + 1);
        break;
    }
}

static char boot_letter(const struct hvm_drive_args *d)
{
    return d->bus == HVM_BUS_FLOPPY ? 'a' : d->cdrom ? 'd' : 'c';
}

void hvm_args_add_drives(struct words *w, const struct hvm_spec *s, const struct hvm_machine *m)
{
    bool scsi = false;

    for (unsigned int i = 0; i < m->nr_drives; i++) {
        const struct hvm_drive_args *d = &m->drives[i];
        unsigned int before = 0;
        char order[32];

        if (d->bus == HVM_BUS_SCSI && !scsi)
            words_add_option(w, "-device", "lsi53c895a,id=scsi0");
        scsi |= d->bus == HVM_BUS_SCSI;
        for (unsigned int k = 0; k < i; k++)
            before += boot_letter(&m->drives[k]) == boot_letter(d);
        add_medium(w, d);
        add_device(w, d, boot_order(order, s, m, boot_letter(d), before));
    }
}

/* The device model's name for a card. */
static const char *nic_device(const char *model)
{
    if (strcmp(model, "virtio") == 0 || strcmp(model, "virtio-net") == 0)
        return "virtio-net-pci";
    return model[0] ? model : "rtl8139";
}

void hvm_args_add_nics(struct words *w, const struct hvm_spec *s, const struct hvm_machine *m)
{
    for (unsigned int i = 0; i < m->nr_nics; i++) {
        const struct hvm_nic_args *n = &m->nics[i];
        char order[32];

        boot_order(order, s, m, 'n', i);
        if (n->tap)
            words_add_option(w, "-netdev", "tap,id=net%u,fd=%d,vhost=off", n->devid, n->fd);
        else
            words_add_option(w, "-netdev", "stream,id=net%u,server=off,addr.type=fd,addr.str=%d",
                             n->devid, n->fd);
        /* The boot ROM costs an emulated CPU seconds, and nobody asked for it. */
        words_add_option(w, "-device", "%s,id=vif%u,netdev=net%u,mac=%s%s", nic_device(n->model),
                         n->devid, n->devid, n->mac, order[0] ? order : ",romfile=");
    }
}
