/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * image.c - see image.h.
 */
#include "domain/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define PACK_LEVEL 1
#define PACK_FROM 256 /* bytes: smaller records stay as they are */

/* Before each record's bytes. */
struct head {
    uint32_t type;
    uint32_t stored; /* bytes that follow */
    uint32_t size;   /* bytes that they are unpacked; the same: they are not packed */
    uint32_t crc;    /* of this head with crc = 0 and of the bytes that follow */
    uint64_t first;
};

_Static_assert(sizeof(struct head) == 24, "docs/internals/save.md");

static uint32_t checksum(struct head head, const void *stored)
{
    uLong crc;

    head.crc = 0;
    crc = crc32(0, (const Bytef *)&head, sizeof(head));
    return head.stored ? (uint32_t)crc32(crc, stored, head.stored) : (uint32_t)crc;
}

/* --- writing ------------------------------------------------------------------------------ */

struct image_writer {
    int fd;
    const bool *stop;
    ZSTD_CCtx *zstd;
    size_t room;
    uint8_t *packed;
};

struct image_writer *image_writer_new(int fd, const bool *stop)
{
    struct image_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->fd = fd;
    w->stop = stop;
    w->zstd = ZSTD_createCCtx();
    w->room = ZSTD_compressBound(IMAGE_RECORD_MAX);
    w->packed = malloc(w->room);
    if (w->zstd && w->packed)
        return w;
    image_writer_free(w);
    return NULL;
}

void image_writer_free(struct image_writer *w)
{
    if (!w)
        return;
    ZSTD_freeCCtx(w->zstd);
    free(w->packed);
    free(w);
}

static int put_bytes(const struct image_writer *w, const void *data, size_t size)
{
    const uint8_t *p = data;

    while (size > 0) {
        ssize_t n;

        if (__atomic_load_n(w->stop, __ATOMIC_RELAXED))
            return -ECANCELED;
        n = write(w->fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENOSPC;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int image_put(struct image_writer *w, enum image_type type, uint64_t first, const void *data,
              size_t size)
{
    struct head head = {.type = type, .size = (uint32_t)size, .first = first};
    const void *stored = data;
    size_t n = size;
    int rc;

    if (size > IMAGE_RECORD_MAX)
        return -E2BIG;
    if (size >= PACK_FROM)
        n = ZSTD_compressCCtx(w->zstd, w->packed, w->room, data, size, PACK_LEVEL);
    if (size >= PACK_FROM && !ZSTD_isError(n) && n < size)
        stored = w->packed;
    else
        n = size;
    head.stored = (uint32_t)n;
    head.crc = checksum(head, stored);
    rc = put_bytes(w, &head, sizeof(head));
    return rc < 0 ? rc : put_bytes(w, stored, n);
}

/* --- reading ------------------------------------------------------------------------------ */

struct image_reader {
    int fd;
    uint8_t *stored, *data; /* IMAGE_RECORD_MAX bytes each */
};

struct image_reader *image_reader_new(int fd)
{
    struct image_reader *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->fd = fd;
    r->stored = malloc(IMAGE_RECORD_MAX);
    r->data = malloc(IMAGE_RECORD_MAX);
    if (r->stored && r->data)
        return r;
    image_reader_free(r);
    return NULL;
}

void image_reader_free(struct image_reader *r)
{
    if (!r)
        return;
    free(r->stored);
    free(r->data);
    free(r);
}

static int get_bytes(const struct image_reader *r, void *to, size_t size, struct err *err)
{
    uint8_t *p = to;

    while (size > 0) {
        ssize_t n = read(r->fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, errno, "cannot read the saved domain: %s", strerror(errno));
        if (n == 0)
            return err_set(err, EINVAL, "the saved domain is not complete: the file ends too soon");
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int image_next(struct image_reader *r, struct image_record *ret, struct err *err)
{
    struct head head;
    size_t n;
    int rc = get_bytes(r, &head, sizeof(head), err);

    if (rc < 0)
        return rc;
    if (head.size > IMAGE_RECORD_MAX || head.stored > head.size)
        return err_set(err, EINVAL, "the saved domain is damaged: a record has an impossible size");
    rc = get_bytes(r, r->stored, head.stored, err);
    if (rc < 0)
        return rc;
    if (checksum(head, r->stored) != head.crc)
        return err_set(err, EINVAL, "the saved domain is damaged: a checksum is wrong");
    *ret = (struct image_record){
        .type = head.type, .first = head.first, .data = r->stored, .size = head.size};
    if (head.stored == head.size)
        return 0;
    n = ZSTD_decompress(r->data, IMAGE_RECORD_MAX, r->stored, head.stored);
    if (ZSTD_isError(n) || n != head.size)
        return err_set(err, EINVAL, "the saved domain is damaged: a record cannot be unpacked");
    ret->data = r->data;
    return 0;
}
