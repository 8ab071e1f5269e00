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

#include "backend/block/io.h"
#include "backend/block/qemu.h"
#include "base/cleanup.h"
#include "base/io.h"

#define LOCK_WRITERS 0x7ffffffffffffff0ll
#define LOCK_READERS 0x7ffffffffffffff1ll
#define LOCK_TRIES 20    /* for an image that is in use ... */
#define LOCK_PAUSE_MS 50 /* ... and the time between two */
#define FILE_DISCARD_GRANULARITY 4096

const char *disk_mode_text(enum disk_mode mode)
{
    static const char *const texts[] = {"r", "w", "w!"};

    return texts[mode];
}

static int take_mode(struct disk_config *c, const json_t *object, struct err *err)
{
    const char *text = json_get_string(object, "mode", "");

    for (c->mode = DISK_READ; c->mode <= DISK_WRITE_SHARED; c->mode++)
        if (strcmp(text, disk_mode_text(c->mode)) == 0)
            return 0;
    return err_set(err, EINVAL, "disk: mode '%s' is none of r, w, w!", text);
}

static bool is_raw(const struct disk_config *c)
{
    return !c->format || !c->format[0] || strcmp(c->format, "raw") == 0;
}

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
        rc = take_mode(c, object, err);
    if (rc == 0 && !is_raw(c) && !qemu_image_knows(c->format))
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
static int open_format(struct disk *disk, const struct disk_config *c, const char *run_dir,
                       struct err *err)
{
    int rc = qemu_image_open(&disk->server, c->path, c->format, c->mode != DISK_READ, c->discard,
                             run_dir, err);
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

/* The host's own users of a block device (mounts, volume groups) know nothing of our locks, but
 * the kernel knows them: an exclusive open goes with none. */
static int open_flags(const struct disk_config *c)
{
    /* A pipe or terminal by that name must not hold us up. */
    int flags = (c->mode == DISK_READ ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
    struct stat st;

    if (c->mode == DISK_WRITE && stat(c->path, &st) == 0 && S_ISBLK(st.st_mode))
        flags |= O_EXCL;
    return flags;
}

static int open_failed(const struct disk_config *c, int code, struct err *err)
{
    if (code == EBUSY)
        return err_set(err, EBUSY,
                       "disk %s: %s is in use: mounted on this host, part of another device, or "
                       "another domain's",
                       c->name, c->path);
    return err_set(err, code, "disk %s: cannot open %s for %s: %s", c->name, c->path,
                   c->mode == DISK_READ ? "reading" : "writing", strerror(code));
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
static void open_direct(struct disk *disk, const struct disk_config *c)
{
    const int mode = c->mode == DISK_READ ? O_RDONLY : O_RDWR;
    struct statx st;
    char path[32];

    (void)posix_fadvise(disk->fd, 0, 0, POSIX_FADV_RANDOM);
    if (statx(disk->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0 ||
        !(st.stx_mask & STATX_DIOALIGN) || !st.stx_dio_mem_align || !st.stx_dio_offset_align)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", disk->fd);
    disk->direct_align = st.stx_dio_mem_align > st.stx_dio_offset_align ? st.stx_dio_mem_align
                                                                        : st.stx_dio_offset_align;
    disk->direct_fd = open(path, mode | O_DIRECT | O_CLOEXEC);
}

int disk_open(struct disk *disk, const struct disk_config *c, const char *run_dir, struct err *err)
{
    CLEANUP_CLOSE int fd = c->path[0] ? open(c->path, open_flags(c)) : -1;
    int rc;

    if (!c->path[0]) {
        open_nothing(disk);
        return 0;
    }
    *disk = (struct disk){.fd = fd, .direct_fd = -1, .lock_fd = fd};
    if (fd < 0)
        return open_failed(c, errno, err);
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
    if (!is_raw(c))
        rc = open_format(disk, c, run_dir, err);
    if (rc < 0)
        return rc;
    if (!disk->limits.sectors) {
        qemu_image_close(disk->server);
        return err_set(err, EINVAL, "disk %s: %s is shorter than a sector", c->name, c->path);
    }
    set_rights(disk, c);
    if (!disk->server)
        open_direct(disk, c);
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
