/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-kernel.c - kernel files: each compression format inside a bzImage and out of it, damaged
 * ones, and the disk cache.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#ifdef HAVE_BZIP2
#include <bzlib.h>
#endif
#ifdef HAVE_LZ4
#include <lz4.h>
#endif
#ifdef HAVE_LZO
#include <lzo/lzo1x.h>
#endif

#include "builder/kernel.h"
#include "guest.h"

#define ROOM (1u << 20)
#define PAYLOAD_AT (2 * 512 + 0x40)

static struct elf_writer writer;
static uint8_t packed[ROOM], image[ROOM + 4096];

typedef size_t pack_fn(uint8_t *to, const uint8_t *from, size_t size);

static size_t pack_gzip(uint8_t *to, const uint8_t *from, size_t size)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)from, .avail_in = (uInt)size};

    deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_out = to;
    z.avail_out = ROOM;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static size_t pack_xz(uint8_t *to, const uint8_t *from, size_t size)
{
    lzma_options_lzma options;
    lzma_filter filters[] = {
        {LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
    size_t used = 0;

    lzma_lzma_preset(&options, 6);
    assert_int_equal(
        lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, from, size, to, &used, ROOM),
        LZMA_OK);
    return used;
}

static size_t pack_lzma(uint8_t *to, const uint8_t *from, size_t size)
{
    lzma_stream lzma = LZMA_STREAM_INIT;
    lzma_options_lzma options;

    lzma_lzma_preset(&options, 6);
    assert_int_equal(lzma_alone_encoder(&lzma, &options), LZMA_OK);
    lzma.next_in = from;
    lzma.avail_in = size;
    lzma.next_out = to;
    lzma.avail_out = ROOM;
    assert_int_equal(lzma_code(&lzma, LZMA_FINISH), LZMA_STREAM_END);
    size = lzma.total_out;
    lzma_end(&lzma);
    return size;
}

static size_t pack_zstd(uint8_t *to, const uint8_t *from, size_t size)
{
    return ZSTD_compress(to, ROOM, from, size, 3);
}

#ifdef HAVE_BZIP2
static size_t pack_bzip2(uint8_t *to, const uint8_t *from, size_t size)
{
    unsigned int used = ROOM;

    assert_int_equal(BZ2_bzBuffToBuffCompress((char *)to, &used, (char *)(uintptr_t)from,
                                              (unsigned int)size, 9, 0, 0),
                     BZ_OK);
    return used;
}
#endif

#ifdef HAVE_LZ4
static size_t pack_lz4(uint8_t *to, const uint8_t *from, size_t size)
{
    static const uint8_t magic[] = {0x02, 0x21, 0x4c, 0x18};
    int used = LZ4_compress_default((const char *)from, (char *)to + 8, (int)size, ROOM - 8);

    memcpy(to, magic, 4);
    memcpy(to + 4, &used, 4);
    return (size_t)used + 8;
}
#endif

#ifdef HAVE_LZO
static void put_be32(uint8_t *to, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(to, &v, sizeof(v));
}

static size_t pack_lzo(uint8_t *to, const uint8_t *from, size_t size)
{
    static const uint8_t header[] = {
        0x89, 'L',  'Z',  'O',  0,    0x0d, 0x0a, 0x1a, 0x0a, /* magic */
        0x10, 0x30, 0x20, 0x80, 0x09, 0x40, 1,    5,          /* versions, method, level */
        0,    0,    0,    1,                                  /* flags: adler32 of the content */
        0,    0,    0x81, 0xa4, 0,    0,    0,    0,    0,    0, 0, 0, 0, /* mode, times, no name */
        0,    0,    0,    0};                                             /* checksum */
    static lzo_align_t work[LZO1X_1_MEM_COMPRESS / sizeof(lzo_align_t) + 1];
    uint8_t *p = to + sizeof(header);
    lzo_uint used = 0;

    memcpy(to, header, sizeof(header));
    assert_int_equal(lzo1x_1_compress(from, size, p + 12, &used, work), LZO_E_OK);
    put_be32(p, (uint32_t)size);
    put_be32(p + 4, (uint32_t)used);
    put_be32(p + 8, (uint32_t)adler32(1, from, (uInt)size));
    put_be32(p + 12 + used, 0);
    return sizeof(header) + 12 + used + 4;
}
#endif

static const struct {
    const char *name;
    pack_fn *pack;
} formats[] = {
    {"gzip", pack_gzip},   {"xz", pack_xz}, {"lzma", pack_lzma}, {"zstd", pack_zstd},
#ifdef HAVE_BZIP2
    {"bzip2", pack_bzip2},
#endif
#ifdef HAVE_LZ4
    {"lz4", pack_lz4},
#endif
#ifdef HAVE_LZO
    {"lzo", pack_lzo},
#endif
};

/* A bzImage around `size` bytes of packed[]; with the trailing length except for gzip, whose
 * own trailer serves. */
static size_t make_bzimage(size_t size, bool gzip)
{
    uint32_t unpacked = (uint32_t)writer.size, at = 0x40, length = (uint32_t)size + (gzip ? 0 : 4);

    memset(image, 0, sizeof(image));
    image[0x1f1] = 1;
    memcpy(image + 0x202, "HdrS\x0f\x02", 6);
    image[0x20f] = 1; /* version string at 0x100 + 0x200 */
    memcpy(image + 0x300, "6.9.9-sample (x@y) #1", 22);
    memcpy(image + 0x248, &at, 4);
    memcpy(image + 0x24c, &length, 4);
    memcpy(image + PAYLOAD_AT, packed, size);
    memcpy(image + PAYLOAD_AT + length - 4, &unpacked, 4);
    return PAYLOAD_AT + length;
}

static void expect_sample(const char *path, const char *format, bool use_cache, bool from_cache)
{
    struct err err = {0};
    struct kernel k;

    if (kernel_load(&k, path, use_cache, &err))
        fail_msg("%s: %s", format, err.msg);
    assert_string_equal(k.format, format);
    assert_int_equal(k.from_cache, from_cache);
    assert_int_equal(k.elf_size, writer.size);
    assert_memory_equal(k.elf, writer.data, writer.size);
    kernel_done(&k);
}

static void expect_error(const void *data, size_t size, int code, const char *part)
{
    struct err err = {0};
    struct kernel k;
    int rc = kernel_load(&k, guest_file("kernel", data, size), false, &err);

    if (rc != -code || !strstr(err.msg, part))
        fail_msg("wanted %d \"%s\", got %d: \"%s\"", -code, part, rc, err.msg);
}

static void test_plain(void **state)
{
    sample_kernel(&writer, 0);
    expect_sample(guest_file("kernel", writer.data, writer.size), "none", true, false);
}

static void test_formats(void **state)
{
    size_t i, size;

    sample_kernel(&writer, 7);
    for (i = 0; i < ARRAY_SIZE(formats); i++) {
        size = formats[i].pack(packed, writer.data, writer.size);
        expect_sample(guest_file("kernel", packed, size), formats[i].name, false, false);
        size = make_bzimage(size, strcmp(formats[i].name, "gzip") == 0);
        expect_sample(guest_file("kernel", image, size), formats[i].name, false, false);
        /* a wrong length at the end only costs a second attempt */
        memset(image + size - 4, 1, strcmp(formats[i].name, "gzip") ? 4 : 0);
        expect_sample(guest_file("kernel", image, size), formats[i].name, false, false);
    }
}

static void test_damaged(void **state)
{
    size_t i, size, cut;

    sample_kernel(&writer, 7);
    for (i = 0; i < ARRAY_SIZE(formats); i++) {
        size = formats[i].pack(packed, writer.data, writer.size);
        expect_error(packed, size - size / 3, EBADMSG, "damaged or truncated");
        for (cut = 8; cut < size; cut += 16) {
            struct kernel k;

            if (kernel_load(&k, guest_file("kernel", packed, cut), false, NULL) == 0)
                kernel_done(&k);
        }
        srand(7);
        for (cut = 0; cut < 300; cut++) {
            struct kernel k;
            uint8_t *at = packed + 6 + (size_t)rand() % (size - 6);
            uint8_t old = *at;

            *at = (uint8_t)rand();
            if (kernel_load(&k, guest_file("kernel", packed, size), false, NULL) == 0)
                kernel_done(&k);
            *at = old;
        }
    }
}

static void test_bad_bzimage(void **state)
{
    size_t size;

    sample_kernel(&writer, 0);
    size = make_bzimage(pack_xz(packed, writer.data, writer.size), false);
    expect_error(image, size - 1, ENOEXEC, "truncated: the bzImage's payload ends at byte");
    image[0x206] = 7;
    expect_error(image, size, ENOEXEC, "boot protocol 2.07");
    image[0x206] = 15;
    memset(image + 0x24c, 0, 4);
    expect_error(image, size, ENOEXEC, "without a payload");
}

static void test_version(void **state)
{
    size_t size;
    struct kernel k;

    sample_kernel(&writer, 0);
    size = make_bzimage(pack_xz(packed, writer.data, writer.size), false);
    assert_int_equal(kernel_load(&k, guest_file("kernel", image, size), false, NULL), 0);
    assert_true(k.is_bzimage);
    assert_string_equal(k.version, "6.9.9-sample (x@y) #1");
    kernel_done(&k);
}

/* Run `command` in the cache directory. */
static void in_cache(const char *command)
{
    char text[256];

    snprintf(text, sizeof(text), "cd \"$XDG_CACHE_HOME/xenolith\" && %s", command);
    assert_int_equal(system(text), 0);
}

static void test_cache(void **state)
{
    const char *path;
    size_t size;

    sample_kernel(&writer, 0);
    size = pack_xz(packed, writer.data, writer.size);
    path = guest_file("cached", packed, size);
    expect_sample(path, "xz", true, false);
    expect_sample(path, "xz", true, true);
    expect_sample(path, "xz", false, false);
    /* damaged content: a miss, which mends it */
    in_cache("for f in kernel-*.elf; do printf X | dd of=$f bs=1 seek=5000 conv=notrunc "
             "2>/dev/null; done");
    expect_sample(path, "xz", true, false);
    expect_sample(path, "xz", true, true);
    in_cache("truncate -s -1 kernel-*.elf");
    expect_sample(path, "xz", true, false);
    /* an entry that others may write is not believed */
    in_cache("chmod 0666 kernel-*.elf");
    expect_sample(path, "xz", true, false);
    in_cache("chmod 0777 .");
    expect_sample(path, "xz", true, false);
    in_cache("chmod 0700 .");
    expect_sample(path, "xz", true, true);
    /* the same name with other content */
    sample_kernel(&writer, 1);
    size = pack_xz(packed, writer.data, writer.size);
    expect_sample(guest_file("cached", packed, size), "xz", true, false);
}

static void test_cache_bounded(void **state)
{
    size_t size;
    char name[32];
    int i;

    sample_kernel(&writer, 0);
    size = pack_xz(packed, writer.data, writer.size);
    for (i = 0; i < KCACHE_ENTRIES + 5; i++) {
        snprintf(name, sizeof(name), "many-%d", i);
        expect_sample(guest_file(name, packed, size), "xz", true, false);
    }
    snprintf(name, sizeof(name), "test $(ls | wc -l) -eq %d", KCACHE_ENTRIES);
    in_cache(name);
}

/* Once a guest has run, what was cached is found, and nothing new is. The last test. */
static void test_cache_frozen(void **state)
{
    const char *path;
    size_t size;

    sample_kernel(&writer, 0);
    size = pack_xz(packed, writer.data, writer.size);
    path = guest_file("before", packed, size);
    expect_sample(path, "xz", true, false);
    kcache_freeze();
    expect_sample(path, "xz", true, true);
    path = guest_file("after", packed, size);
    expect_sample(path, "xz", true, false);
    expect_sample(path, "xz", true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),         cmocka_unit_test(test_formats),
        cmocka_unit_test(test_damaged),       cmocka_unit_test(test_bad_bzimage),
        cmocka_unit_test(test_version),       cmocka_unit_test(test_cache),
        cmocka_unit_test(test_cache_bounded), cmocka_unit_test(test_cache_frozen),
    };

    return cmocka_run_group_tests(tests, guest_group_setup, guest_group_teardown);
}
