/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * screenshot.c - xm screenshot: what is on a domain's display, as a PNG file.
 */
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "toolstack/registry.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 10000
#define MAX_SIDE 65535

struct picture {
    uint32_t width, height;
    const uint32_t *pixels; /* 0x00RRGGBB, mapped */
};

/* The byte behind the answer brings a descriptor. It, or -errno. */
static int receive_fd(int sock, struct err *err)
{
    int fd = fdpass_receive(sock);

    return fd >= 0 ? fd : err_set(err, EPROTO, "the domain process sends no picture");
}

static int map_picture(struct picture *p, int fd, struct err *err)
{
    size_t size = (size_t)p->width * p->height * sizeof(uint32_t);
    struct stat st;
    void *pixels;

    if (fstat(fd, &st) < 0 || (size_t)st.st_size < size || size == 0)
        return err_set(err, EPROTO, "the domain process sends a picture that is too small");
    pixels = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (pixels == MAP_FAILED)
        return err_set(err, errno, "cannot map the picture: %s", strerror(errno));
    p->pixels = pixels;
    return 0;
}

static int fetch(struct picture *p, domid_t domid, struct err *err)
{
    CLEANUP_CLOSE int sock = registry_connect(domid, err), fd = -1;
    json_t *answer = NULL;
    json_int_t width = 0, height = 0;
    int rc = sock < 0 ? sock : client_send(sock, "screenshot", err);

    if (rc == 0)
        rc = client_receive(sock, TIMEOUT_MS, &answer, err);
    if (rc == 0)
        rc = json_need_int(answer, "width", 1, MAX_SIDE, &width, err);
    if (rc == 0)
        rc = json_need_int(answer, "height", 1, MAX_SIDE, &height, err);
    json_decref(answer);
    if (rc < 0)
        return rc;
    p->width = (uint32_t)width;
    p->height = (uint32_t)height;
    fd = receive_fd(sock, err);
    return fd < 0 ? fd : map_picture(p, fd, err);
}

/* libpng jumps out of here with its errors; nothing is allocated in between. */
static int write_rows(png_structp png, png_infop info, FILE *stream, const struct picture *p)
{
    static uint8_t row[3 * MAX_SIDE];

    if (setjmp(png_jmpbuf(png)))
        return -EIO;
    png_init_io(png, stream);
    png_set_IHDR(png, info, p->width, p->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (uint32_t y = 0; y < p->height; y++) {
        const uint32_t *pixel = p->pixels + (size_t)y * p->width;

        for (uint32_t x = 0; x < p->width; x++) {
            row[3 * x] = (uint8_t)(pixel[x] >> 16);
            row[3 * x + 1] = (uint8_t)(pixel[x] >> 8);
            row[3 * x + 2] = (uint8_t)pixel[x];
        }
        png_write_row(png, row);
    }
    png_write_end(png, NULL);
    return 0;
}

static int write_png(const char *path, const struct picture *p, struct err *err)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    FILE *stream = info ? fopen(path, "we") : NULL;
    int rc = !info ? -ENOMEM : !stream ? -errno : write_rows(png, info, stream, p);

    if (stream && fclose(stream) != 0 && rc == 0)
        rc = -errno;
    png_destroy_write_struct(&png, &info);
    return rc < 0 ? err_set(err, -rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

static int run_screenshot(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry;
    struct picture p = {0};
    struct err err = {0};
    int rc = verb_check_arguments(self, argc, argv, 2, 2);

    if (rc >= 0)
        return rc;
    rc = domains_find(argv[1], &entry, &err);
    if (rc == 0)
        rc = fetch(&p, entry.domid, &err);
    if (rc == 0)
        rc = write_png(argv[2], &p, &err);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_screenshot = {
    .name = "screenshot",
    .arguments = "<Domain> <File.png>",
    .summary = "Write what is on a domain's display to a PNG file.",
    .details = "",
    .run = run_screenshot,
};
