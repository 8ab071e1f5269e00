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
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

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

static int copy_ramdisks(struct image *image, const struct boot_place *place,
                         const struct boot_target *target, const char *dir,
                         struct boot_files *files, struct err *err)
{
    static const char zeros[4];
    CLEANUP_CLOSE int fd = make_file(files->ramdisk, dir, "boot_ramdisk", err);
    uint64_t size = 0;
    int rc = fd < 0 ? fd : 0;

    for (unsigned int i = 0; i < target->nr_ramdisks && rc == 0; i++) {
        size_t pad = (4 - size % 4) % 4;

        rc = io_write_all(fd, zeros, pad);
        size += pad;
        if (rc == 0)
            rc = search_copy(image, place, target->ramdisks[i], fd, RAMDISK_MAX, &size, err);
        else
            err_set(err, -rc, "%s: %s", files->ramdisk, strerror(-rc));
    }
    return rc;
}

int output_copy(struct image *image, const struct boot_place *place,
                const struct boot_target *target, const char *dir, struct boot_files *files,
                struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    uint64_t size = 0;
    int rc;

    files->kernel[0] = files->ramdisk[0] = '\0';
    fd = make_file(files->kernel, dir, "boot_kernel", err);
    rc = fd < 0 ? fd : search_copy(image, place, target->kernel, fd, KERNEL_MAX, &size, err);
    if (rc == 0 && target->nr_ramdisks > 0)
        rc = copy_ramdisks(image, place, target, dir, files, err);
    if (rc < 0)
        output_remove(files);
    return rc;
}

void output_remove(struct boot_files *files)
{
    if (files->kernel[0])
        unlink(files->kernel);
    if (files->ramdisk[0])
        unlink(files->ramdisk);
    files->kernel[0] = files->ramdisk[0] = '\0';
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

int output_print(const char *to, enum output_format format, const char *kernel, const char *ramdisk,
                 const char *args, struct err *err)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_CLOSE int file = -1;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int rc;

    if (!out)
        return err_set(err, ENOMEM, "out of memory");
    if (format == OUTPUT_SXP)
        print_sxp(out, kernel, ramdisk, args);
    else
        print_simple(out, format == OUTPUT_SIMPLE ? '\n' : '\0', kernel, ramdisk, args);
    if (fclose(out) != 0)
        return err_set(err, ENOMEM, "out of memory");
    if (strcmp(to, "-") == 0) {
        rc = io_write_all(STDOUT_FILENO, text, len);
    } else {
        file = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        rc = file < 0 ? -errno : io_write_all(file, text, len);
    }
    return rc < 0 ? err_set(err, -rc, "%s: %s", to, strerror(-rc)) : 0;
}
