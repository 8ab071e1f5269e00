/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kernel.c - see kernel.h. bzImage offsets: Linux Documentation/arch/x86/boot.rst, protocol
 * 2.08 and later (payload_offset, payload_length).
 */
#define _GNU_SOURCE
#include "builder/kernel.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hostfile.h"
#define BZ_SETUP_SECTS 0x1f1
#define BZ_MAGIC 0x202 /* "HdrS" */
#define BZ_PROTOCOL 0x206
#define BZ_VERSION_STRING 0x20e
#define BZ_PAYLOAD_OFFSET 0x248
#define BZ_PAYLOAD_LENGTH 0x24c
#define BZ_HEADER_END 0x250
#define BZ_SECTOR 512u

/* The part of the file that is, or unpacks to, the ELF image. */
struct payload {
    const uint8_t *data;
    size_t size;
    size_t unpacked_hint;
};

static uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
    return le16(p) | (uint32_t)le16(p + 2) << 16;
}

static int open_file(int *ret, struct stat *st, const char *path, struct err *err)
{
    int fd = hostfile_open(path);
    int rc = 0;

    if (fd == -ENOENT)
        return err_set(err, ENOENT, "kernel image does not exist: %s", path);
    if (fd == -EISDIR)
        return err_set(err, EINVAL, "kernel image %s is not a regular file", path);
    if (fd < 0)
        return err_set(err, -fd, "cannot open kernel image %s: %s", path, strerror(-fd));
    if (fstat(fd, st) != 0)
        rc = err_set(err, errno, "cannot examine kernel image %s: %s", path, strerror(errno));
    else if (st->st_size == 0)
        rc = err_set(err, ENOEXEC, "kernel image %s is empty", path);
    else if ((uint64_t)st->st_size > KERNEL_FILE_MAX)
        rc = err_set(err, EFBIG, "kernel image %s is larger than %llu MiB", path,
                     KERNEL_FILE_MAX >> 20);
    if (rc)
        close(fd);
    *ret = fd;
    return rc;
}

/* Read rather than map: a file that shrinks under a mapping would kill us. */
static int read_content(struct kernel *k, int fd, size_t size, const char *path, struct err *err)
{
    size_t done = 0;
    ssize_t n;

    k->file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (k->file == MAP_FAILED) {
        k->file = NULL;
        return err_set(err, ENOMEM, "not enough memory to read kernel image %s", path);
    }
    k->file_size = size;
    madvise(k->file, size, MADV_HUGEPAGE);
    while (done < size) {
        n = read(fd, (uint8_t *)k->file + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, errno, "cannot read kernel image %s: %s", path, strerror(errno));
        if (n == 0)
            return err_set(err, EIO, "kernel image %s shrank while it was read", path);
        done += (size_t)n;
    }
    return 0;
}

/* Boot sector signature or not, "HdrS" is what the boot protocol goes by. */
static bool is_bzimage(const struct kernel *k)
{
    const uint8_t *file = k->file;

    return k->file_size >= BZ_HEADER_END && memcmp(file + BZ_MAGIC, "HdrS", 4) == 0;
}

static void take_version(struct kernel *k)
{
    const uint8_t *file = k->file;
    size_t at = (size_t)le16(file + BZ_VERSION_STRING) + 0x200;
    size_t n = 0;

    if (at == 0x200)
        return;
    while (at < k->file_size && file[at] && n + 1 < sizeof(k->version)) {
        k->version[n++] = file[at] >= ' ' && file[at] < 0x7f ? (char)file[at] : '?';
        at++;
    }
    k->version[n] = 0;
}

static int find_bzimage_payload(struct payload *payload, const struct kernel *k, struct err *err)
{
    const uint8_t *file = k->file;
    uint32_t sectors = file[BZ_SETUP_SECTS] ? file[BZ_SETUP_SECTS] : 4;
    uint64_t start = (uint64_t)(sectors + 1) * BZ_SECTOR + le32(file + BZ_PAYLOAD_OFFSET);
    uint64_t length = le32(file + BZ_PAYLOAD_LENGTH);

    if (le16(file + BZ_PROTOCOL) < 0x208)
        return err_set(err, ENOEXEC,
                       "bzImage of boot protocol %u.%02u, older than 2.08 (Linux 2.6.24): unpack "
                       "its vmlinux and use that",
                       file[BZ_PROTOCOL + 1], file[BZ_PROTOCOL]);
    if (length < 8)
        return err_set(err, ENOEXEC, "bzImage without a payload");
    if (start > k->file_size || length > k->file_size - start)
        return err_set(err, ENOEXEC,
                       "truncated: the bzImage's payload ends at byte %llu, the file has %zu",
                       (unsigned long long)(start + length), k->file_size);
    payload->data = file + start;
    payload->size = length;
    payload->unpacked_hint = le32(payload->data + length - 4);
    return 0;
}

static int find_payload(struct payload *payload, struct kernel *k, struct err *err)
{
    const uint8_t *file = k->file;

    k->is_bzimage = is_bzimage(k);
    if (k->is_bzimage) {
        take_version(k);
        return find_bzimage_payload(payload, k, err);
    }
    *payload = (struct payload){.data = file, .size = k->file_size};
    /* A gzip file ends with its unpacked size. */
    if (k->file_size > 18 && file[0] == 0x1f && file[1] == 0x8b)
        payload->unpacked_hint = le32(file + k->file_size - 4);
    return 0;
}

static void drop_file(struct kernel *k)
{
    if (k->file)
        munmap(k->file, k->file_size);
    k->file = NULL;
    k->file_size = 0;
}

static int unpack(struct kernel *k, const struct payload *payload, const struct kcache_key *key,
                  struct err *err)
{
    int rc;

    if (key && kcache_lookup(&k->hit, key)) {
        k->elf = k->hit.data;
        k->elf_size = k->hit.size;
        k->from_cache = true;
    } else {
        rc = decompress(&k->unpacked, payload->data, payload->size, payload->unpacked_hint, err);
        if (rc)
            return rc;
        k->elf = k->unpacked.data;
        k->elf_size = k->unpacked.size;
        if (key && k->elf_size >= SELFMAG && memcmp(k->elf, ELFMAG, SELFMAG) == 0)
            kcache_store(key, k->elf, k->elf_size);
    }
    drop_file(k);
    return 0;
}

static int load_fd(struct kernel *k, int fd, const struct stat *st, const char *path,
                   bool use_cache, struct err *err)
{
    struct payload payload = {0};
    struct kcache_key key;
    int rc = read_content(k, fd, (size_t)st->st_size, path, err);

    if (rc)
        return rc;
    rc = find_payload(&payload, k, err);
    if (rc)
        goto wrap;
    k->format = decompress_format(payload.data, payload.size);
    if (!k->format) {
        k->format = "none";
        k->elf = payload.data;
        k->elf_size = payload.size;
        return 0;
    }
    if (use_cache)
        kcache_key_init(&key, path, st, k->file, k->file_size);
    rc = unpack(k, &payload, use_cache ? &key : NULL, err);
wrap:
    if (rc)
        err_wrap(err, "kernel image %s", path);
    return rc;
}

int kernel_load(struct kernel *k, const char *path, bool use_cache, struct err *err)
{
    struct stat st;
    int fd = -1;
    int rc;

    *k = (struct kernel){.format = "none"};
    rc = open_file(&fd, &st, path, err);
    if (rc)
        return rc;
    rc = load_fd(k, fd, &st, path, use_cache, err);
    close(fd);
    if (rc)
        kernel_done(k);
    return rc;
}

void kernel_done(struct kernel *k)
{
    drop_file(k);
    decompressed_done(&k->unpacked);
    kcache_release(&k->hit);
    *k = (struct kernel){.format = "none"};
}
