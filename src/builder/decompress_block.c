/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * decompress_block.c - see decompress_block.h. Every length is checked against what is left
 * of input and output before it is used.
 */
#include "builder/decompress_block.h"

#include <errno.h>
#include <string.h>

#ifdef HAVE_LZ4
#include <lz4.h>

#define LZ4_LEGACY_MAGIC 0x184c2102u
#define LZ4_LEGACY_BLOCK (8 << 20) /* unpacked size of each block but the last */

static uint32_t get_le32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* Magic, then blocks {le32 size, data}. There is no end mark: a tail of at most four bytes is
 * the length that the kernel's build appends. */
int decompress_lz4_legacy(uint8_t *out, size_t out_size, size_t *done, const uint8_t *in,
                          size_t in_size)
{
    size_t used = 0;
    uint32_t block;
    int room, r;

    in += 4;
    in_size -= 4;
    while (in_size > 4) {
        block = get_le32(in);
        in += 4;
        in_size -= 4;
        if (block == LZ4_LEGACY_MAGIC)
            continue; /* concatenated frame */
        if (block == 0 || block > in_size)
            return -EBADMSG;
        room =
            out_size - used < (size_t)LZ4_LEGACY_BLOCK ? (int)(out_size - used) : LZ4_LEGACY_BLOCK;
        r = LZ4_decompress_safe((const char *)in, (char *)out + used, (int)block, room);
        if (r < 0) /* a block that does not fit looks like a damaged one */
            return room < LZ4_LEGACY_BLOCK ? -ENOSPC : -EBADMSG;
        used += (size_t)r;
        in += block;
        in_size -= block;
    }
    *done = used;
    return used ? 0 : -EBADMSG;
}
#endif

#ifdef HAVE_LZO
#include <lzo/lzo1x.h>

#define LZOP_BLOCK_MAX (64u << 20)
#define LZOP_ADLER32_UNPACKED 0x1u
#define LZOP_ADLER32_PACKED 0x2u
#define LZOP_EXTRA_FIELD 0x40u
#define LZOP_CRC32_UNPACKED 0x100u
#define LZOP_CRC32_PACKED 0x200u
#define LZOP_FILTER 0x800u

static const uint8_t lzop_magic[9] = {0x89, 'L', 'Z', 'O', 0, 0x0d, 0x0a, 0x1a, 0x0a};

/* Big-endian reader that remembers having run out of input. */
struct reader {
    const uint8_t *p;
    size_t left;
    bool failed;
};

static const uint8_t *take(struct reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->failed || n > r->left) {
        r->failed = true;
        return NULL;
    }
    r->p += n;
    r->left -= n;
    return p;
}

static uint32_t take_be(struct reader *r, unsigned int bytes)
{
    const uint8_t *p = take(r, bytes);
    uint32_t v = 0;

    while (p && bytes--)
        v = v << 8 | *p++;
    return v;
}

/* Skip the file header; returns its flags. Sets r->failed if it is none. */
static uint32_t skip_header(struct reader *r)
{
    const uint8_t *magic = take(r, sizeof(lzop_magic));
    uint32_t version, flags;

    if (!magic || memcmp(magic, lzop_magic, sizeof(lzop_magic)) != 0) {
        r->failed = true;
        return 0;
    }
    version = take_be(r, 2);
    take(r, 2 + (version >= 0x940 ? 2 : 0)); /* library version, version needed */
    take(r, 1 + (version >= 0x940 ? 1 : 0)); /* method, level */
    flags = take_be(r, 4);
    if (flags & LZOP_FILTER)
        take(r, 4);
    take(r, 4 + 4 + (version >= 0x940 ? 4 : 0)); /* mode, time low, time high */
    take(r, take_be(r, 1));                      /* name */
    take(r, 4);                                  /* header checksum */
    if (flags & LZOP_EXTRA_FIELD)
        take(r, (size_t)take_be(r, 4) + 4);
    return flags;
}

static size_t checksums(uint32_t flags, uint32_t packed, uint32_t unpacked)
{
    size_t n = (flags & LZOP_ADLER32_UNPACKED ? 4 : 0) + (flags & LZOP_CRC32_UNPACKED ? 4 : 0);

    if (packed < unpacked)
        n += (flags & LZOP_ADLER32_PACKED ? 4 : 0) + (flags & LZOP_CRC32_PACKED ? 4 : 0);
    return n;
}

/* Blocks {be32 unpacked, be32 packed, checksums, data}; unpacked = 0 ends. */
int decompress_lzop(uint8_t *out, size_t out_size, size_t *done, const uint8_t *in, size_t in_size)
{
    struct reader r = {.p = in, .left = in_size};
    uint32_t flags = skip_header(&r);
    uint32_t packed, unpacked;
    const uint8_t *data;
    size_t used = 0;
    lzo_uint got;

    for (;;) {
        unpacked = take_be(&r, 4);
        if (r.failed)
            return -EBADMSG;
        if (!unpacked)
            break;
        packed = take_be(&r, 4);
        take(&r, checksums(flags, packed, unpacked));
        data = take(&r, packed);
        if (!data || packed > unpacked || unpacked > LZOP_BLOCK_MAX)
            return -EBADMSG;
        if (unpacked > out_size - used)
            return -ENOSPC;
        got = unpacked;
        if (packed == unpacked)
            memcpy(out + used, data, packed);
        else if (lzo1x_decompress_safe(data, packed, out + used, &got, NULL) != LZO_E_OK)
            return -EBADMSG;
        if (got != unpacked)
            return -EBADMSG;
        used += unpacked;
    }
    *done = used;
    return used ? 0 : -EBADMSG;
}
#endif
