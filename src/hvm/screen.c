/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * screen.c - what is on a machine's screen. The device model can write no files: it gets a file of
 * ours in memory, writes a PPM there, and what it wrote is read as something that it may have been
 * talked into by its guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "hvm/hvm_priv.h"

#define MAX_SIDE 16384
#define HEADER_MAX 32

/* Have the screen written to the file behind fd, of which it wants a descriptor that can only be
 * written to. */
static int dump(struct hvm *h, int fd, struct err *err)
{
    CLEANUP_CLOSE int writable = -1;
    int set = h->next_set++, rc;
    char file[32];

    snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
    writable = open(file, O_WRONLY | O_CLOEXEC);
    if (writable < 0)
        return err_set(err, errno, "no file for the picture: %s", strerror(errno));
    if (!h->qmp)
        return err_set(err, EAGAIN, "the machine is not there at the moment");
    snprintf(file, sizeof(file), "/dev/fdset/%d", set);
    rc = qmp_execute(h->qmp, "add-fd", json_pack("{s:i}", "fdset-id", set), writable,
                     QMP_PATIENCE_MS, NULL, err);
    if (rc < 0)
        return rc;
    rc = hvm_command(h, "screendump", json_pack("{s:s}", "filename", file), err);
    if (hvm_command(h, "remove-fd", json_pack("{s:i}", "fdset-id", set), NULL) < 0)
        log_msg(LOG_DEBUG, "hvm", "the descriptor of a screenshot stays open");
    return rc;
}

/* "P6\n720 400\n255\n": returns the length of the header, 0: it is none. */
static size_t read_header(const char *text, size_t len, uint32_t *width, uint32_t *height)
{
    char copy[HEADER_MAX + 1];
    unsigned int w = 0, h = 0, most = 0;
    int used = 0;

    snprintf(copy, sizeof(copy), "%.*s", (int)(len < HEADER_MAX ? len : HEADER_MAX), text);
    if (sscanf(copy, "P6 %5u %5u %3u%n", &w, &h, &most, &used) != 3 || most != 255 || w == 0 ||
        h == 0 || w > MAX_SIDE || h > MAX_SIDE)
        return 0;
    *width = w;
    *height = h;
    return (size_t)used + 1;
}

/* RGB bytes as 0x00RRGGBB words, in a new file. Its descriptor or -errno. */
static int convert(const uint8_t *rgb, size_t count, struct err *err)
{
    CLEANUP_FREE uint32_t *pixels = malloc(count * sizeof(*pixels));
    CLEANUP_CLOSE int fd = memfd_create("screen", MFD_CLOEXEC);

    if (!pixels || fd < 0)
        return err_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++, rgb += 3)
        pixels[i] = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
    if (io_write_all(fd, pixels, count * sizeof(*pixels)) < 0)
        return err_set(err, EIO, "cannot write the picture");
    return STEAL_FD(fd);
}

int hvm_screen_take(struct hvm *h, uint32_t *width, uint32_t *height, struct err *err)
{
    CLEANUP_CLOSE int fd = memfd_create("screen", MFD_CLOEXEC);
    CLEANUP_FREE char *text = NULL;
    size_t len = 0, header;
    int rc = fd < 0 ? err_set(err, errno, "no memory for the picture") : dump(h, fd, err);

    if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
        rc = err_set(err, errno, "the picture cannot be read");
    if (rc == 0)
        rc = io_read_fd(fd, HEADER_MAX + 3ull * MAX_SIDE * MAX_SIDE / 4, &text, &len, err);
    if (rc < 0)
        return rc;
    header = read_header(text, len, width, height);
    if (header == 0 || len < header || len - header < 3ull * *width * *height)
        return err_set(err, EPROTO, "the device model sends no picture");
    return convert((const uint8_t *)text + header, (size_t)*width * *height, err);
}
