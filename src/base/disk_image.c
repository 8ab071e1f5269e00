/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * disk_image.c - see disk_image.h.
 */
#define _GNU_SOURCE
#include "base/disk_image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define RIGHTS (O_ACCMODE | O_SYNC | O_NOFOLLOW) /* what fcntl() tells and cannot change */

const char *disk_mode_text(enum disk_mode mode)
{
    static const char *const texts[] = {"r", "w", "w!"};

    return texts[mode];
}

int disk_mode_parse(const char *text, enum disk_mode *ret, struct err *err)
{
    for (*ret = DISK_READ; *ret <= DISK_WRITE_SHARED; (*ret)++)
        if (strcmp(text, disk_mode_text(*ret)) == 0)
            return 0;
    return err_set(err, EINVAL, "disk: mode '%s' is none of r, w, w!", text);
}

bool disk_image_is_raw(const char *format)
{
    return !format || !format[0] || strcmp(format, "raw") == 0;
}

/* Those of RIGHTS that a descriptor has to have. */
static int rights(const char *format, enum disk_mode mode)
{
    if (disk_image_is_raw(format))
        return mode == DISK_READ ? O_RDONLY : O_RDWR;
    return O_RDONLY | (mode == DISK_READ ? O_DSYNC : O_SYNC) |
           (strcmp(format, "vhd") == 0 ? O_NOFOLLOW : 0);
}

/* The host's own users of a block device (mounts, volume groups) know nothing of our locks, but
 * the kernel knows them: an exclusive open goes with none. */
static int open_flags(const struct disk_image *image)
{
    /* A pipe or terminal by that name must not hold us up. */
    int flags = O_CLOEXEC | O_NONBLOCK;
    struct stat st;

    if (image->mode == DISK_WRITE && stat(image->path, &st) == 0 && S_ISBLK(st.st_mode))
        flags |= O_EXCL;
    return flags;
}

static int open_failed(const struct disk_image *image, int code, struct err *err)
{
    if (code == EBUSY)
        return err_set(err, EBUSY,
                       "disk %s: %s is in use: mounted on this host, part of another device, or "
                       "another domain's",
                       image->name, image->path);
    return err_set(err, code, "disk %s: cannot open %s for %s: %s", image->name, image->path,
                   image->mode == DISK_READ ? "reading" : "writing", strerror(code));
}

int disk_image_open(const struct disk_image *image, struct err *err)
{
    const int flags = open_flags(image), wanted = rights(image->format, image->mode);
    CLEANUP_FREE char *path = realpath(image->path, NULL); /* for O_NOFOLLOW */
    int fd;

    if (!path)
        return open_failed(image, errno, err);
    /* What the server is to write, we have to be able to. */
    if (image->mode != DISK_READ && (wanted & O_ACCMODE) == O_RDONLY) {
        fd = open(path, O_RDWR | flags);
        if (fd < 0)
            return open_failed(image, errno, err);
        close(fd); /* an exclusive one goes with no second */
    }
    fd = open(path, wanted | flags);
    return fd < 0 ? open_failed(image, errno, err) : fd;
}

bool disk_image_fits(int fd, const char *format, enum disk_mode mode)
{
    const int mask = disk_image_is_raw(format) ? O_ACCMODE : RIGHTS;
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && !(flags & O_PATH) && (flags & mask) == rights(format, mode);
}

bool disk_image_is_served(int fd, const char *format, bool *writable)
{
    *writable = !disk_image_is_raw(format) && disk_image_fits(fd, format, DISK_WRITE);
    return *writable || (!disk_image_is_raw(format) && disk_image_fits(fd, format, DISK_READ));
}
