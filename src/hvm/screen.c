/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * screen.c - what is on a machine's screen. The device model can write no files: it gets a file of
 * ours in memory, writes a PPM there, and what it wrote is read as something that it may have been
 * talked into by its guest. The file is made before the jail, where it can be opened a second time
 * (by its path), and is empty between two pictures.
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

int hvm_screen_open(struct hvm_screen *s, struct err *err)
{
    char path[32];

    s->write_fd = -1;
    s->fd = memfd_create("screen", MFD_CLOEXEC);
    if (s->fd >= 0) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
        s->write_fd = open(path, O_WRONLY | O_CLOEXEC);
    }
    if (s->write_fd >= 0)
        return 0;
    (void)err_set(err, errno, "no file for pictures of the screen: %s", strerror(errno));
    hvm_screen_close(s);
    return -err->code;
}

void hvm_screen_close(struct hvm_screen *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (s->write_fd >= 0)
        close(s->write_fd);
    s->fd = s->write_fd = -1;
}

/* Both its ends at the start of an empty file: they have an offset each. */
static int rewind_file(const struct hvm_screen *s, struct err *err)
{
    if (ftruncate(s->fd, 0) < 0 || lseek(s->fd, 0, SEEK_SET) < 0 ||
        lseek(s->write_fd, 0, SEEK_SET) < 0)
        return err_set(err, errno, "no file for the picture: %s", strerror(errno));
    return 0;
}

/* Have the screen written to our file, of which the device model wants a descriptor that can only
 * be written to. */
static int dump(struct hvm *h, struct err *err)
{
    int set = h->next_set++, rc;
    char file[32];

    if (!h->qmp)
        return err_set(err, EAGAIN, "the machine is not there at the moment");
    rc = rewind_file(&h->screen, err);
    if (rc < 0)
        return rc;
    snprintf(file, sizeof(file), "/dev/fdset/%d", set);
    rc = qmp_execute(h->qmp, "add-fd", json_pack("{s:i}", "fdset-id", set), h->screen.write_fd,
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
    CLEANUP_FREE char *text = NULL;
    size_t len = 0, header;
    int rc = dump(h, err);

    if (rc == 0)
        rc =
            io_read_fd(h->screen.fd, HEADER_MAX + 3ull * MAX_SIDE * MAX_SIDE / 4, &text, &len, err);
    (void)rewind_file(&h->screen, NULL); /* its memory is not needed */
    if (rc < 0)
        return rc;
    header = read_header(text, len, width, height);
    if (header == 0 || len < header || len - header < 3ull * *width * *height)
        return err_set(err, EPROTO, "the device model sends no picture");
    return convert((const uint8_t *)text + header, (size_t)*width * *height, err);
}
