/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * io.c - see io.h.
 */
#define _GNU_SOURCE
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

int io_write_all(int fd, const void *buf, size_t n)
{
    const char *p = buf;

    while (n > 0) {
        ssize_t r = write(fd, p, n);

        if (r < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

int io_read_fd(int fd, size_t max, char **ret, size_t *ret_len, struct err *err)
{
    CLEANUP_FREE char *buf = NULL;
    size_t len = 0, size = 0;

    for (;;) {
        ssize_t r;

        if (len + 1 >= size) {
            char *bigger;

            size = size ? size * 2 : 4096;
            bigger = realloc(buf, size);
            if (!bigger)
                return err_set(err, ENOMEM, "out of memory");
            buf = bigger;
        }
        r = read(fd, buf + len, size - len - 1);
        if (r < 0) {
            if (errno == EINTR)
                continue;
            return err_set(err, errno, "%s", strerror(errno));
        }
        if (r == 0)
            break;
        len += (size_t)r;
        if (len > max)
            return err_set(err, EFBIG, "larger than %zu bytes", max);
    }
    buf[len] = '\0';
    *ret = STEAL_PTR(buf);
    *ret_len = len;
    return 0;
}

int io_read_file(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_set(err, errno, "%s: %s", path, strerror(errno));
    if (io_read_fd(fd, max, ret, ret_len, err) < 0)
        return err ? err_wrap(err, "%s", path) : -EIO;
    return 0;
}

int io_write_file_atomic(const char *path, const void *buf, size_t n, struct err *err)
{
    CLEANUP_FREE char *temp = NULL;
    CLEANUP_CLOSE int fd = -1;
    int rc;

    if (asprintf(&temp, "%s.XXXXXX", path) < 0)
        return err_set(err, ENOMEM, "out of memory");
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno, "cannot create %s: %s", temp, strerror(errno));
    rc = io_write_all(fd, buf, n);
    if (rc == 0 && rename(temp, path) < 0)
        rc = -errno;
    if (rc < 0) {
        unlink(temp);
        return err_set(err, -rc, "cannot write %s: %s", path, strerror(-rc));
    }
    return 0;
}

int io_set_cloexec(int fd, bool on)
{
    return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int io_set_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}
