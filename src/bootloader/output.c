/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * output.c - see output.h. Several ramdisks become one file, each at a multiple of four bytes as
 * the kernel wants it.
 */
#define _GNU_SOURCE
#include "bootloader/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#define KERNEL_MAX (128ull << 20)
#define RAMDISK_MAX (512ull << 20)

static int make_file(char path[static 512], const char *dir, const char *name, struct err *err)
{
    int fd;

    if (snprintf(path, 512, "%s/%s.XXXXXX", dir, name) >= 512) {
        path[0] = '\0';
        return err_set(err, ENAMETOOLONG, "%s: the path is too long", dir);
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        int r = errno;

        path[0] = '\0';
        return err_set(err, r, "cannot write to %s: %s", dir, strerror(r));
    }
    return fd;
}

int output_make(struct boot_files *files, const char *dir, struct err *err)
{
    files->kernel_fd = files->ramdisk_fd = -1;
    files->ramdisk[0] = '\0';
    files->kernel_fd = make_file(files->kernel, dir, "boot_kernel", err);
    if (files->kernel_fd >= 0)
        files->ramdisk_fd = make_file(files->ramdisk, dir, "boot_ramdisk", err);
    if (files->ramdisk_fd >= 0)
        return 0;
    output_done(files, false);
    return -err->code;
}

static void close_file(const char *path, int *fd, bool keep)
{
    struct stat st;

    if (*fd < 0)
        return;
    if (!keep || (fstat(*fd, &st) == 0 && st.st_size == 0))
        unlink(path);
    close(*fd);
    *fd = -1;
}

void output_done(struct boot_files *files, bool keep)
{
    close_file(files->kernel, &files->kernel_fd, keep);
    close_file(files->ramdisk, &files->ramdisk_fd, keep);
}

static int copy_ramdisks(struct image *image, const struct boot_place *place,
                         const struct boot_target *target, int fd, struct err *err)
{
    static const char zeros[4];
    uint64_t size = 0;
    int rc = 0;

    for (unsigned int i = 0; i < target->nr_ramdisks && rc == 0; i++) {
        size_t pad = (4 - size % 4) % 4;

        rc = io_write_all(fd, zeros, pad);
        size += pad;
        if (rc == 0)
            rc = search_copy(image, place, target->ramdisks[i], fd, RAMDISK_MAX, &size, err);
        else
            err_set(err, -rc, "cannot write the ramdisk: %s", strerror(-rc));
    }
    return rc;
}

/* What an entry before the fallback wrote is not to stay. */
static int empty(int fd, struct err *err)
{
    if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return err_set(err, errno, "cannot write the kernel's copy: %s", strerror(errno));
    return 0;
}

int output_copy(struct image *image, const struct boot_place *place,
                const struct boot_target *target, const struct boot_files *files, struct err *err)
{
    uint64_t size = 0;
    int rc = empty(files->kernel_fd, err);

    if (rc == 0)
        rc = empty(files->ramdisk_fd, err);
    if (rc == 0)
        rc = search_copy(image, place, target->kernel, files->kernel_fd, KERNEL_MAX, &size, err);
    return rc < 0 ? rc : copy_ramdisks(image, place, target, files->ramdisk_fd, err);
}

static void print_quoted(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void print_sxp(FILE *out, const char *kernel, const char *ramdisk, const char *args)
{
    fprintf(out, "linux (kernel %s)", kernel);
    if (ramdisk[0])
        fprintf(out, "(ramdisk %s)", ramdisk);
    if (args[0]) {
        fputs("(args ", out);
        print_quoted(out, args);
        putc(')', out);
    }
}

static void print_simple(FILE *out, char end, const char *kernel, const char *ramdisk,
                         const char *args)
{
    fprintf(out, "kernel %s%c", kernel, end);
    if (ramdisk[0])
        fprintf(out, "ramdisk %s%c", ramdisk, end);
    if (args[0])
        fprintf(out, "args %s%c", args, end);
    putc(end, out);
}

int output_print(int to, enum output_format format, const char *kernel, const char *ramdisk,
                 const char *given_args, struct err *err)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_FREE char *args = strdup(given_args);
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int rc;

    if (!out || !args) {
        if (out)
            fclose(out);
        return err_set(err, ENOMEM, "out of memory");
    }
    log_clean(args); /* the disk's words: a line of theirs is not to be one of ours */
    if (format == OUTPUT_SXP)
        print_sxp(out, kernel, ramdisk, args);
    else
        print_simple(out, format == OUTPUT_SIMPLE ? '\n' : '\0', kernel, ramdisk, args);
    if (fclose(out) != 0)
        return err_set(err, ENOMEM, "out of memory");
    rc = io_write_all(to, text, len);
    return rc < 0 ? err_set(err, -rc, "cannot write the result: %s", strerror(-rc)) : 0;
}
