/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * disk.c - see disk.h.
 *
 * Locks are open-file-description locks on two bytes far behind any image's end, so they go
 * when this process goes, however it ends, and hold for all names of one file. A holder has a
 * read lock on the byte of its kind (reader, writer) and leaves it; it got there by seeing
 * that nobody conflicting has one. Taking one's own before looking for the other's means that
 * two that start at once may both be refused, but never both succeed.
 */
#define _GNU_SOURCE
#include "backend/block/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/block/direct.h"
#include "backend/block/io.h"
#include "backend/block/qemu.h"
#include "base/cleanup.h"
#include "base/io.h"

#define LOCK_WRITERS 0x7ffffffffffffff0ll
#define LOCK_READERS 0x7ffffffffffffff1ll
#define LOCK_TRIES 20    /* for an image that is in use ... */
#define LOCK_PAUSE_MS 50 /* ... and the time between two */
#define FILE_DISCARD_GRANULARITY 4096

int disk_config_parse(struct disk_config *c, const json_t *object, struct err *err)
{
    static const char *const keys[] = {"name", "path", "type", "params", "format"};
    char **const to[] = {&c->name, &c->path, &c->type, &c->params, &c->format};
    json_int_t devid = 0;
    int rc;

    memset(c, 0, sizeof(*c));
    c->cdrom = json_get_bool(object, "cdrom", false);
    rc = json_need_int(object, "devid", 0, INT32_MAX, &devid, err);
    c->devid = (unsigned int)devid;
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(keys); i++) {
        const char *text = json_get_string(object, keys[i], "");

        if (!text[0] && (i == 0 || (i == 1 && !c->cdrom)))
            rc = err_set(err, EINVAL, "disk: %s is needed", keys[i]);
        else if (!(*to[i] = strdup(text)))
            rc = err_set(err, ENOMEM, "out of memory");
    }
    if (rc == 0)
        rc = disk_mode_parse(json_get_string(object, "mode", ""), &c->mode, err);
    if (rc == 0 && !disk_image_is_raw(c->format) && !qemu_image_knows(c->format))
        rc = err_set(err, EINVAL, "disk: images of format '%s' are unknown", c->format);
    c->discard = json_get_bool(object, "discard", true);
    if (rc < 0)
        disk_config_done(c);
    return rc;
}

void disk_config_done(struct disk_config *c)
{
    free(c->name);
    free(c->path);
    free(c->type);
    free(c->params);
    free(c->format);
    memset(c, 0, sizeof(*c));
}

static struct flock lock_of(short type, long long where)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = where, .l_len = 1};
}

/* 0 or -errno. */
static int set_lock(int fd, short type, long long where)
{
    struct flock l = lock_of(type, where);

    return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

/* 0 if no other holder has a lock on this byte, else -EBUSY. */
static int look_for_others(int fd, long long where)
{
    struct flock l = lock_of(F_WRLCK, where);

    if (fcntl(fd, F_OFD_GETLK, &l) < 0)
        return -errno;
    return l.l_type == F_UNLCK ? 0 : -EBUSY;
}

static int try_lock(int fd, enum disk_mode mode)
{
    int rc;

    if (mode == DISK_READ) {
        rc = set_lock(fd, F_RDLCK, LOCK_READERS);
        return rc < 0 ? rc : look_for_others(fd, LOCK_WRITERS);
    }
    rc = set_lock(fd, F_RDLCK, LOCK_WRITERS);
    if (rc < 0 || mode == DISK_WRITE_SHARED)
        return rc;
    rc = look_for_others(fd, LOCK_WRITERS);
    return rc < 0 ? rc : look_for_others(fd, LOCK_READERS);
}

/* The files of a process that was killed may outlive it by a moment: its io_uring is taken apart
 * by somebody else. */
static int lock_image(int fd, enum disk_mode mode)
{
    int rc = try_lock(fd, mode);

    for (int i = 0; rc == -EBUSY && i < LOCK_TRIES; i++) {
        poll(NULL, 0, LOCK_PAUSE_MS);
        rc = try_lock(fd, mode);
    }
    return rc;
}

static int describe_device(struct disk *disk)
{
    uint64_t bytes;
    int logical;
    unsigned int physical;

    if (ioctl(disk->fd, BLKGETSIZE64, &bytes) < 0 || ioctl(disk->fd, BLKSSZGET, &logical) < 0 ||
        ioctl(disk->fd, BLKPBSZGET, &physical) < 0)
        return -errno;
    disk->limits.sectors = bytes / BLKIF_SECTOR;
    disk->limits.sector_size = (unsigned int)logical;
    disk->physical_sector_size = physical;
    disk->discard_granularity = physical;
    return 0;
}

/* Such a device can be opened for writing, and each write fails. */
static bool is_read_only(int fd)
{
    int read_only = 0;

    return ioctl(fd, BLKROGET, &read_only) == 0 && read_only;
}

static int describe(struct disk *disk, const struct disk_config *c, struct err *err)
{
    struct stat st;

    if (fstat(disk->fd, &st) < 0)
        return err_set(err, errno, "disk %s: %s: %s", c->name, c->path, strerror(errno));
    if (S_ISBLK(st.st_mode)) {
        if (describe_device(disk) < 0)
            return err_set(err, EIO, "disk %s: %s does not tell its size: %s", c->name, c->path,
                           strerror(errno));
        if (c->mode != DISK_READ && is_read_only(disk->fd))
            return err_set(err, EROFS, "disk %s: %s is read-only, and mode is %s", c->name, c->path,
                           disk_mode_text(c->mode));
    } else if (S_ISREG(st.st_mode)) {
        disk->limits.sectors = (uint64_t)st.st_size / BLKIF_SECTOR;
        disk->limits.sector_size = BLKIF_SECTOR;
        disk->physical_sector_size = BLKIF_SECTOR;
        disk->discard_granularity = FILE_DISCARD_GRANULARITY;
    } else {
        return err_set(err, EINVAL, "disk %s: %s is neither a file nor a block device", c->name,
                       c->path);
    }
    return 0;
}

/* Have another format's image served; its size is that of its content. */
static int open_format(struct disk *disk, const struct disk_config *c, struct err *err)
{
    int rc = qemu_image_open(&disk->server, disk->fd, c->path, c->format, c->discard, err);
    int64_t size;

    if (rc < 0)
        return err_wrap(err, "disk %s", c->name);
    rc = qemu_image_connect(disk->server);
    size = rc < 0 ? rc : blk_io_nbd_size(rc);
    if (size < 0) {
        qemu_image_close(disk->server);
        return err_set(err, EIO, "disk %s: %s does not tell its size", c->name, c->path);
    }
    disk->limits.sectors = (uint64_t)size / BLKIF_SECTOR;
    disk->limits.sector_size = disk->physical_sector_size = BLKIF_SECTOR;
    disk->fd = -1;
    return 0;
}

/* Also the size of sectors: a guest reads a drive's once, whatever medium comes later; and the
 * page cache, through which we read, lets any device be read by small ones. */
static void set_rights(struct disk *disk, const struct disk_config *c)
{
    if (c->cdrom)
        disk->limits.sector_size = disk->physical_sector_size = BLKIF_SECTOR;
    disk->limits.writable = c->mode != DISK_READ;
    disk->limits.discard = disk->limits.writable && c->discard;
    if (!disk->limits.discard)
        disk->discard_granularity = 0;
}

/* A drive without a medium: no sector, so no request gets as far as the image. */
static void open_nothing(struct disk *disk)
{
    *disk = (struct disk){
        .fd = -1, .direct_fd = -1, .lock_fd = -1, .physical_sector_size = BLKIF_SECTOR};
    disk->limits.sector_size = BLKIF_SECTOR;
}

int disk_measure(struct disk *disk, const struct disk_config *c, struct err *err)
{
    int rc;

    if (disk->server)
        return err_set(err, ENOTSUP, "disk %s: only raw images can change their size while in use",
                       c->name);
    rc = describe(disk, c, err);
    if (rc == 0 && !disk->limits.sectors)
        rc = err_set(err, EINVAL, "disk %s: %s is shorter than a sector", c->name, c->path);
    return rc;
}

/* Have the image open a second time, past the page cache, where its file system says that this
 * can be (from Linux 6.1 on). A guest reads ahead by itself: what it asks for of the cache is all
 * that it wants. */
static void open_direct(struct disk *disk)
{
    struct statx st;

    (void)posix_fadvise(disk->fd, 0, 0, POSIX_FADV_RANDOM);
    if (statx(disk->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0 ||
        !(st.stx_mask & STATX_DIOALIGN) || !st.stx_dio_mem_align || !st.stx_dio_offset_align)
        return;
    disk->direct_align = st.stx_dio_mem_align > st.stx_dio_offset_align ? st.stx_dio_mem_align
                                                                        : st.stx_dio_offset_align;
    disk->direct_fd = direct_open(disk->fd);
    if (disk->direct_fd < 0)
        disk->direct_fd = -1; /* then all goes through the cache */
}

int disk_open_image(const struct disk_config *c, int *ret_fd, struct err *err)
{
    const struct disk_image image = {c->name, c->path, c->format, c->mode};

    *ret_fd = c->path[0] ? disk_image_open(&image, err) : -1;
    return c->path[0] && *ret_fd < 0 ? *ret_fd : 0;
}

int disk_check_image(const struct disk_config *c, int image, struct err *err)
{
    if (image < 0)
        return err_set(err, EINVAL,
                       "disk %s: %s is opened by who asks for it: its descriptor has to come with "
                       "the request",
                       c->name, c->path);
    if (!disk_image_fits(image, c->format, c->mode))
        return err_set(err, EINVAL, "disk %s: %s is not opened as mode %s and format %s need it",
                       c->name, c->path, disk_mode_text(c->mode),
                       disk_image_is_raw(c->format) ? "raw" : c->format);
    return 0;
}

int disk_open(struct disk *disk, const struct disk_config *c, int image, struct err *err)
{
    CLEANUP_CLOSE int fd = image;
    int rc;

    if (!c->path[0]) {
        open_nothing(disk);
        return 0;
    }
    *disk = (struct disk){.fd = fd, .direct_fd = -1, .lock_fd = fd};
    rc = disk_check_image(c, fd, err);
    if (rc == 0)
        rc = io_set_nonblock(fd, false);
    if (rc == 0)
        rc = describe(disk, c, err);
    if (rc < 0)
        return rc;
    rc = lock_image(fd, c->mode);
    if (rc == -EBUSY || rc == -EAGAIN)
        return err_set(err, EBUSY,
                       "disk %s: %s is in use by another domain; mode 'w!' would not check that, "
                       "but two file systems on one disk destroy it",
                       c->name, c->path);
    if (rc < 0)
        return err_set(err, -rc, "disk %s: cannot lock %s: %s", c->name, c->path, strerror(-rc));
    if (!disk_image_is_raw(c->format))
        rc = open_format(disk, c, err);
    if (rc < 0)
        return rc;
    if (!disk->limits.sectors) {
        qemu_image_close(disk->server);
        return err_set(err, EINVAL, "disk %s: %s is shorter than a sector", c->name, c->path);
    }
    set_rights(disk, c);
    if (!disk->server)
        open_direct(disk);
    (void)STEAL_FD(fd);
    return 0;
}

void disk_close(struct disk *disk)
{
    qemu_image_close(disk->server);
    if (disk->lock_fd >= 0)
        close(disk->lock_fd);
    if (disk->direct_fd >= 0)
        close(disk->direct_fd);
    *disk = (struct disk){.fd = -1, .direct_fd = -1, .lock_fd = -1};
}
