/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * args.h - from a machine to the device model's command line. A pure function: what it needs of
 * the host are numbers of descriptors that the device model will have.
 */
#pragma once

#include "hvm/spec.h"
#include "hvm/words.h"

#define HVM_MAX_DRIVES 24
#define HVM_MAX_NICS 8

/* Where a drive is plugged in. hda to hdd, and xvda to xvdd, are the four of the IDE
 * controller; sda to sdg those of a SCSI controller; xvde and on are virtio disks. */
enum hvm_bus { HVM_BUS_IDE, HVM_BUS_SCSI, HVM_BUS_VIRTIO, HVM_BUS_FLOPPY };

enum hvm_source {
    HVM_SOURCE_EMPTY,  /* no medium */
    HVM_SOURCE_FILE,   /* fd: a file with the drive's content */
    HVM_SOURCE_DEVICE, /* fd: a block device */
    HVM_SOURCE_NBD     /* fd: a connection to an NBD server, export "disk" */
};

struct hvm_drive_args {
    const char *name; /* "hda": the device's and its medium's name */
    enum hvm_bus bus;
    unsigned int unit;
    bool cdrom, read_only, discard;
    enum hvm_source source;
    int fd;
};

struct hvm_nic_args {
    unsigned int devid;
    const char *model; /* as the config spells it */
    const char *mac;
    bool tap; /* fd is a tap device; else a stream socket of frames */
    int fd;
};

struct hvm_machine {
    const char *name; /* letters, digits and _-.:+ */
    uint8_t uuid[16];
    uint64_t memory_mib;          /* the most it can have */
    unsigned int vcpus, maxvcpus; /* at start; at most */
    int64_t now;                  /* seconds since 1970 */
    int64_t local_offset;         /* of the host's local time, seconds */
    int qmp_fd;
    int serial_fd[HVM_MAX_SERIALS]; /* console: socket; file: open file */
    int kernel_fd, ramdisk_fd;      /* -1 = none: the firmware boots */
    const char *cmdline;
    struct hvm_drive_args drives[HVM_MAX_DRIVES];
    unsigned int nr_drives;
    struct hvm_nic_args nics[HVM_MAX_NICS];
    unsigned int nr_nics;
};

/* Append the words, beginning with the program's name. -E2BIG: they do not fit. */
int hvm_args_make(struct words *w, const struct hvm_spec *s, const struct hvm_machine *m,
                  struct err *err) MUST_CHECK;

/* The medium of a drive as a block node of that name, for -blockdev and blockdev-add. `file`:
 * what stands for fd where the device model opens files (/dev/fdset/N). New; NULL when out of
 * memory. */
json_t *hvm_args_medium(const struct hvm_drive_args *d, const char *file);

/* Where a disk of this name (hda, sdb, xvdc ...) goes. -EINVAL: nowhere. */
int hvm_args_slot(const char *name, enum hvm_bus *bus, unsigned int *unit,
                  struct err *err) MUST_CHECK;
