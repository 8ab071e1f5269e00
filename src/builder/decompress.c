/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * decompress.c - see decompress.h.
 *
 * A decoder gets input and a fixed output buffer and returns 0 with *done set, -ENOSPC (the
 * output does not fit), -ENOMEM or -EBADMSG. The driver first tries the size that the file
 * hints at and, if that was a lie, once more with the upper limit.
 */
#define _GNU_SOURCE
#include "builder/decompress.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#ifdef HAVE_BZIP2
#include <bzlib.h>
#endif

#include "builder/decompress_block.h"

/* Dictionaries of kernels are 32 or 128 MiB. */
#define XZ_MEMORY_LIMIT (512ull << 20)

typedef int decoder_fn(uint8_t *out, size_t out_size, size_t *done, const uint8_t *in,
                       size_t in_size);

static int unpack_gzip(uint8_t *out, size_t out_size, size_t *done, const uint8_t *in,
                       size_t in_size)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in, .avail_in = (uInt)in_size};
    int r;

    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return -ENOMEM;
    z.next_out = out;
    z.avail_out = (uInt)out_size; /* <= DECOMPRESS_MAX */
    r = inflate(&z, Z_FINISH);
    *done = z.total_out;
    inflateEnd(&z);
    if (r == Z_STREAM_END)
        return 0;
    if (r == Z_MEM_ERROR)
        return -ENOMEM;
    return r == Z_BUF_ERROR && z.avail_out == 0 ? -ENOSPC : -EBADMSG;
}

/* .xz and .lzma alike, by the decoder that `lzma` has been set up with. */
static int run_lzma(lzma_stream *lzma, uint8_t *out, size_t out_size, size_t *done,
                    const uint8_t *in, size_t in_size)
{
    lzma_ret r;

    lzma->next_in = in;
    lzma->avail_in = in_size;
    lzma->next_out = out;
    lzma->avail_out = out_size;
    do
        r = lzma_code(lzma, LZMA_RUN);
    while (r == LZMA_OK && lzma->avail_in && lzma->avail_out);
    *done = lzma->total_out;
    lzma_end(lzma);
    if (r == LZMA_STREAM_END)
        return 0;
    if (r == LZMA_MEM_ERROR || r == LZMA_MEMLIMIT_ERROR)
        return -ENOMEM;
    return r == LZMA_OK && lzma->avail_out == 0 ? -ENOSPC : -EBADMSG;
}

static int unpack_xz(uint8_t *out, size_t out_size, size_t *done, const uint8_t *in, size_t in_size)
{
    lzma_stream lzma = LZMA_STREAM_INIT;

    if (lzma_stream_decoder(&lzma, XZ_MEMORY_LIMIT, 0) != LZMA_OK)
        return -ENOMEM;
    return run_lzma(&lzma, out, out_size, done, in, in_size);
}

static int unpack_lzma(uint8_t *out, size_t out_size, size_t *done, const uint8_t *in,
                       size_t in_size)
{
    lzma_stream lzma = LZMA_STREAM_INIT;

    if (lzma_alone_decoder(&lzma, XZ_MEMORY_LIMIT) != LZMA_OK)
        return -ENOMEM;
    return run_lzma(&lzma, out, out_size, done, in, in_size);
}

/* One shot, so that the output itself serves as window, of any size. */
static int unpack_zstd(uint8_t *out, size_t out_size, size_t *done, const uint8_t *in,
                       size_t in_size)
{
    size_t frame = ZSTD_findFrameCompressedSize(in, in_size);
    unsigned long long content = ZSTD_getFrameContentSize(in, in_size);
    size_t r;

    if (ZSTD_isError(frame))
        return -EBADMSG;
    if (content != ZSTD_CONTENTSIZE_UNKNOWN && content != ZSTD_CONTENTSIZE_ERROR &&
        content > out_size)
        return -ENOSPC;
    r = ZSTD_decompress(out, out_size, in, frame);
    if (ZSTD_isError(r)) {
        const char *name = ZSTD_getErrorName(r);

        return strcmp(name, "Destination buffer is too small") == 0 ? -ENOSPC : -EBADMSG;
    }
    *done = r;
    return 0;
}

#ifdef HAVE_BZIP2
static int unpack_bzip2(uint8_t *out, size_t out_size, size_t *done, const uint8_t *in,
                        size_t in_size)
{
    bz_stream bz = {.next_in = (char *)(uintptr_t)in, .avail_in = (unsigned int)in_size};
    int r;

    if (BZ2_bzDecompressInit(&bz, 0, 0) != BZ_OK)
        return -ENOMEM;
    bz.next_out = (char *)out;
    bz.avail_out = (unsigned int)out_size;
    do
        r = BZ2_bzDecompress(&bz);
    while (r == BZ_OK && bz.avail_in && bz.avail_out);
    *done = out_size - bz.avail_out;
    BZ2_bzDecompressEnd(&bz);
    if (r == BZ_STREAM_END)
        return 0;
    if (r == BZ_MEM_ERROR)
        return -ENOMEM;
    return r == BZ_OK && bz.avail_out == 0 ? -ENOSPC : -EBADMSG;
}
#else
#define unpack_bzip2 NULL
#endif

static const struct format {
    const char *name;
    const char *library; /* Debian package that brings support */
    unsigned int magic_size;
    uint8_t magic[6];
    decoder_fn *decode; /* NULL: not in this build */
} formats[] = {
    {"gzip", "zlib1g-dev", 2, {0x1f, 0x8b}, unpack_gzip},
    {"xz", "liblzma-dev", 6, {0xfd, '7', 'z', 'X', 'Z', 0}, unpack_xz},
    {"zstd", "libzstd-dev", 4, {0x28, 0xb5, 0x2f, 0xfd}, unpack_zstd},
    {"bzip2", "libbz2-dev", 3, {'B', 'Z', 'h'}, unpack_bzip2},
    {"lzma", "liblzma-dev", 3, {0x5d, 0, 0}, unpack_lzma},
    {"lz4", "liblz4-dev", 4, {0x02, 0x21, 0x4c, 0x18}, decompress_lz4_legacy},
    {"lzo", "liblzo2-dev", 4, {0x89, 'L', 'Z', 'O'}, decompress_lzop},
};

static const struct format *find_format(const uint8_t *data, size_t size)
{
    size_t i;

    for (i = 0; i < ARRAY_SIZE(formats); i++)
        if (size >= formats[i].magic_size &&
            memcmp(data, formats[i].magic, formats[i].magic_size) == 0)
            return &formats[i];
    return NULL;
}

const char *decompress_format(const uint8_t *data, size_t size)
{
    const struct format *format = find_format(data, size);

    return format ? format->name : NULL;
}

/* Decode into a fresh mapping of out_size bytes. */
static int attempt(struct decompressed *out, const struct format *format, const uint8_t *data,
                   size_t size, size_t out_size)
{
    int rc;

    out->data = mmap(NULL, out_size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (out->data == MAP_FAILED) {
        *out = (struct decompressed){0};
        return -ENOMEM;
    }
    out->mapped = out_size;
    madvise(out->data, out_size, MADV_HUGEPAGE); /* saves 16000 faults; may be refused */
    rc = format->decode(out->data, out_size, &out->size, data, size);
    if (rc)
        decompressed_done(out);
    return rc;
}

int decompress(struct decompressed *out, const uint8_t *data, size_t size, size_t hint,
               struct err *err)
{
    const struct format *format = find_format(data, size);
    int rc = -ENOSPC;

    *out = (struct decompressed){0};
    if (!format)
        return err_set(err, EINVAL, "not compressed with anything known");
    if (!format->decode)
        return err_set(err, ENOTSUP,
                       "kernel is compressed with %s, and this build has no %s support; "
                       "install %s and rebuild",
                       format->name, format->name, format->library);
    if (hint && hint < DECOMPRESS_MAX)
        rc = attempt(out, format, data, size, hint);
    if (rc == -ENOSPC)
        rc = attempt(out, format, data, size, DECOMPRESS_MAX);
    switch (rc) {
    case 0:
        return 0;
    case -ENOSPC:
        return err_set(err, EFBIG, "the %s data unpacks to more than %llu MiB", format->name,
                       DECOMPRESS_MAX >> 20);
    case -ENOMEM:
        return err_set(err, ENOMEM, "not enough memory to unpack the %s data", format->name);
    default:
        return err_set(err, EBADMSG, "the %s data is damaged or truncated; get the file anew",
                       format->name);
    }
}

void decompressed_done(struct decompressed *out)
{
    if (out->data)
        munmap(out->data, out->mapped);
    *out = (struct decompressed){0};
}
