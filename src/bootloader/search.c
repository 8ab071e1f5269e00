/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * search.c - see search.h. A volume's root directory is listed first, and only what can be
 * there is tried.
 */
#define _GNU_SOURCE
#include "bootloader/search.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bootloader/bls.h"
#include "bootloader/grubcfg.h"
#include "bootloader/legacy.h"
#include "bootloader/syslinux.h"

/* Xen 4.1's order; then what xl's pygrub knows besides. */
static const char *const configs[] = {
    "/boot/grub/menu.lst",
    "/boot/grub/grub.conf",
    "/grub/menu.lst",
    "/grub/grub.conf",
    "/boot/grub/grub.cfg",
    "/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/grub2/grub.cfg",
    "/boot/isolinux/isolinux.cfg",
    "/isolinux/isolinux.cfg",
    "/isolinux.cfg",
    "/boot/extlinux/extlinux.conf",
    "/boot/extlinux.conf",
    "/extlinux/extlinux.conf",
    "/extlinux.conf",
    "/boot/syslinux/syslinux.cfg",
    "/syslinux/syslinux.cfg",
    "/syslinux.cfg",
};

/* Where btrfs installations of Debian, SUSE, Ubuntu and Fedora have their root. */
static const char *const prefixes[] = {"", "/@rootfs", "/@", "/root"};

struct reader_arg {
    struct image *image;
    const struct boot_place *place;
};

static int read_file(void *arg, const char *path, size_t max, char **ret, size_t *ret_len)
{
    const struct reader_arg *r = arg;
    CLEANUP_FREE char *full = NULL;
    struct err ignored;
    int rc = image_read(r->image, r->place->volume, path, max, ret, ret_len, &ignored);

    if (rc != -ENOENT || !r->place->prefix[0])
        return rc;
    if (asprintf(&full, "%s%s", r->place->prefix, path) < 0)
        return -ENOMEM;
    return image_read(r->image, r->place->volume, full, max, ret, ret_len, &ignored);
}

static int list_dir(void *arg, const char *path, char **ret)
{
    const struct reader_arg *r = arg;
    CLEANUP_FREE char *full = NULL;
    struct err ignored;
    int rc = image_list(r->image, r->place->volume, path, ret, &ignored);

    if (rc != -ENOENT || !r->place->prefix[0])
        return rc;
    if (asprintf(&full, "%s%s", r->place->prefix, path) < 0)
        return -ENOMEM;
    return image_list(r->image, r->place->volume, full, ret, &ignored);
}

void search_parse(struct boot_menu *menu, const char *path, const char *text,
                  const struct boot_reader *reader)
{
    const char *name = strrchr(path, '/');

    name = name ? name + 1 : path;
    if (strstr(name, "linux"))
        syslinux_parse(menu, text, reader);
    else if (strcmp(name, "grub.cfg") == 0 || strstr(text, "menuentry ") || strstr(text, "blscfg"))
        grubcfg_parse(menu, text, reader);
    else
        legacy_parse(menu, text, reader);
    boot_menu_prune(menu);
}

/* One config. 1: its menu boots something; 0: it does not; -errno: the image is no good. */
static int try_config(const struct reader_arg *arg, struct boot_menu *menu, const char *path,
                      struct err *err)
{
    struct boot_reader reader = {(void *)arg, read_file, list_dir, NULL};
    CLEANUP_FREE char *full = NULL;
    CLEANUP_FREE char *text = NULL;
    size_t len;
    int rc;

    if (asprintf(&full, "%s%s", arg->place->prefix, path) < 0) {
        full = NULL;
        return err_set(err, ENOMEM, "out of memory");
    }
    rc = image_read(arg->image, arg->place->volume, full, BOOT_CONFIG_MAX, &text, &len, err);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    reader.dir = arena_strndup(&menu->arena, path, (size_t)(strrchr(path, '/') - path));
    search_parse(menu, path, text, &reader);
    if (menu->count > 0)
        return 1;
    boot_menu_done(menu);
    return 0;
}

/* Is the first directory of a path among the names of a root directory? */
static bool may_be_there(const char *listing, const char *path)
{
    size_t n = strcspn(path + 1, "/");

    for (const char *p = listing; *p;) {
        size_t len = strcspn(p, " \n");

        if (len >= n && strncmp(p, path + 1, n) == 0 && (len == n || p[n] == '/'))
            return true;
        p += len;
        p += strspn(p, " \n");
    }
    return false;
}

static int search_root(const struct reader_arg *arg, struct boot_menu *menu, struct err *err)
{
    CLEANUP_FREE char *listing = NULL;
    struct boot_reader reader = {(void *)arg, read_file, list_dir, ""};
    int rc = image_list(arg->image, arg->place->volume, arg->place->prefix, &listing, err);

    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    for (size_t i = 0; i < ARRAY_SIZE(configs) && rc == 0; i++)
        if (may_be_there(listing, configs[i]))
            rc = try_config(arg, menu, configs[i], err);
    if (rc != 0)
        return rc;
    /* Entries without a config that shows them. */
    if (may_be_there(listing, BLS_DIR))
        bls_parse(menu, &reader, BLS_DIR);
    boot_menu_prune(menu);
    return menu->count > 0;
}

int search_menu(struct image *image, struct boot_menu *menu, struct boot_place *place,
                struct err *err)
{
    struct reader_arg arg = {image, place};
    size_t nr_volumes = 0;

    while ((place->volume = image_volume(image, nr_volumes)) != NULL) {
        nr_volumes++;
        for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
            int rc;

            place->prefix = prefixes[i];
            rc = search_root(&arg, menu, err);
            if (rc != 0)
                return rc < 0 ? rc : 0;
        }
    }
    return err_set(err, ENOENT,
                   "Unable to find partition containing kernel: none of the disk's %zu volumes has "
                   "a boot menu with a kernel (menu.lst, grub.cfg, extlinux.conf, BLS entries)",
                   nr_volumes);
}

static int copy_from(struct image *image, const char *volume, const char *prefix, const char *path,
                     int fd, uint64_t max, uint64_t *size, struct err *err)
{
    CLEANUP_FREE char *full = NULL;

    if (asprintf(&full, "%s%s", prefix, path) < 0) {
        full = NULL;
        return err_set(err, ENOMEM, "out of memory");
    }
    return image_copy(image, volume, full, fd, max, size, err);
}

int search_copy(struct image *image, const struct boot_place *place, const char *path, int fd,
                uint64_t max, uint64_t *size, struct err *err)
{
    uint64_t before = *size;
    int rc = -ENOENT;

    if (place->volume)
        rc = copy_from(image, place->volume, "", path, fd, max, size, err);
    if (rc == -ENOENT && place->volume && place->prefix[0])
        rc = copy_from(image, place->volume, place->prefix, path, fd, max, size, err);
    for (size_t i = 0; rc == -ENOENT && *size == before && image_volume(image, i); i++) {
        struct err other;

        if (place->volume && strcmp(image_volume(image, i), place->volume) == 0)
            continue;
        rc = copy_from(image, image_volume(image, i), "", path, fd, max, size, &other);
        if (rc != -ENOENT || !place->volume)
            *err = other;
    }
    if (rc == -ENOENT && *size != before)
        return err_set(err, EIO, "%s: only %llu bytes of it can be read", path,
                       (unsigned long long)(*size - before));
    return rc;
}
