/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * install_config.c - see install_config.h. The file looks like those that installers wrote in
 * 2007, and is one that Xen's tools would take.
 */
#define _GNU_SOURCE
#include "xm/install_config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DEFAULT_BRIDGE "xenbr0"

/* A string of the config language. */
static void print_string(FILE *out, const char *text)
{
    putc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    putc('\'', out);
}

static int fill_uuid(char uuid[static 37], const char *given, struct err *err)
{
    uint8_t u[16];

    if (given) {
        if (strlen(given) != 36 && strlen(given) != 32)
            return err_set(err, EINVAL, "--uuid '%s': 32 hexadecimal digits are needed", given);
        memcpy(uuid, given, strlen(given) + 1);
        return 0;
    }
    if (getrandom(u, sizeof(u), 0) != (ssize_t)sizeof(u))
        return err_set(err, EIO, "no random numbers for a uuid");
    u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    snprintf(uuid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
             u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
             u[14], u[15]);
    return 0;
}

/* /var/lib/xen/images, as libvirt had it, or the user's own. */
static int default_image(char path[static PATHS_MAX], const char *name, unsigned int i,
                         struct err *err)
{
    char state[PATHS_MAX] = "/var/lib/xen", dir[PATHS_MAX + 8], number[16] = "";
    int rc = 0;

    if (geteuid() != 0 || getenv("XENOLITH_STATE_DIR") || getenv("XENOLITH_RUN_DIR"))
        rc = paths_state_dir(state, err);
    if (rc < 0)
        return rc;
    mkdir(state, 0755);
    snprintf(dir, sizeof(dir), "%s/images", state);
    if (mkdir(dir, 0711) < 0 && errno != EEXIST)
        return err_set(err, errno, "cannot make %s: %s", dir, strerror(errno));
    if (i > 0)
        snprintf(number, sizeof(number), "-%u", i + 1);
    if (snprintf(path, PATHS_MAX, "%s/%s%s.img", dir, name, number) >= PATHS_MAX)
        return err_set(err, ENAMETOOLONG, "%s: the path is too long", dir);
    return 0;
}

static int make_image(const char *path, const struct install_disk *d, struct err *err)
{
    off_t size = (off_t)(d->size_gib * (1 << 20)) << 10;
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return err_set(err, errno, "cannot make %s: %s", path, strerror(errno));
    r = d->full ? posix_fallocate(fd, 0, size) : ftruncate(fd, size) < 0 ? errno : 0;
    if (r) {
        unlink(path);
        return err_set(err, r, "cannot make %s of %g GiB: %s", path, d->size_gib, strerror(r));
    }
    return 0;
}

/* Have the disk, and its absolute path. */
static int take_disk(char path[static PATHS_MAX], const struct install_args *a, unsigned int i,
                     struct stat *st, struct err *err)
{
    const struct install_disk *d = &a->disks[i];
    char given[PATHS_MAX];
    int rc = 0;

    if (!d->path)
        rc = default_image(given, a->name, i, err);
    else if (snprintf(given, sizeof(given), "%s", d->path) >= (int)sizeof(given))
        rc = err_set(err, ENAMETOOLONG, "%s: the path is too long", d->path);
    if (rc < 0)
        return rc;
    if (stat(given, st) < 0) {
        if (!(d->size_gib > 0))
            return err_set(err, ENOENT, "disk %s does not exist; with size=GIB it is made", given);
        rc = make_image(given, d, err);
    }
    if (rc < 0)
        return rc;
    if (!realpath(given, path) || stat(path, st) < 0)
        return err_set(err, errno, "%s: %s", given, strerror(errno));
    if (strpbrk(path, ",'\n"))
        return err_set(err, EINVAL, "%s: no comma and no quote may be in a disk's path", path);
    return S_ISREG(st->st_mode) || S_ISBLK(st->st_mode)
               ? 0
               : err_set(err, EINVAL, "%s is neither a file nor a block device", path);
}

static int print_disks(struct install_plan *plan, const struct install_args *a, FILE *out,
                       struct err *err)
{
    for (unsigned int i = 0; i < a->nr_disks; i++) {
        char path[PATH_MAX > PATHS_MAX ? PATH_MAX : PATHS_MAX];
        struct stat st;
        int rc = take_disk(path, a, i, &st, err);

        if (rc < 0)
            return rc;
        if (strlen(path) >= PATHS_MAX)
            return err_set(err, ENAMETOOLONG, "%s: the path is too long", path);
        if (i == 0)
            memcpy(plan->first_disk, path, strlen(path) + 1);
        fprintf(out, "'%s%s,xvd%c,%c', ", S_ISBLK(st.st_mode) ? "phy:" : "tap:aio:", path,
                (char)('a' + i), a->disks[i].read_only ? 'r' : 'w');
    }
    return 0;
}

/* Xen's range of addresses. */
static int print_mac(FILE *out, const char *given, struct err *err)
{
    uint8_t m[3];

    if (given) {
        if (strlen(given) != 17 || strspn(given, "0123456789abcdefABCDEF:") != 17)
            return err_set(err, EINVAL, "mac '%s': an address has the form 00:16:3e:01:02:03",
                           given);
        fprintf(out, "mac=%s", given);
        return 0;
    }
    if (getrandom(m, sizeof(m), 0) != (ssize_t)sizeof(m))
        return err_set(err, EIO, "no random numbers for an address");
    fprintf(out, "mac=00:16:3e:%02x:%02x:%02x", m[0] & 0x7f, m[1], m[2]);
    return 0;
}

static int print_vif(FILE *out, const struct install_network *n, struct err *err)
{
    int rc;

    putc('\'', out);
    rc = print_mac(out, n->mac, err);
    if (rc == 0 && n->bridge &&
        strspn(n->bridge, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
                          "TUVWXYZ0123456789_.-") != strlen(n->bridge))
        rc = err_set(err, EINVAL, "'%s' is no name of a bridge", n->bridge);
    if (n->bridge)
        fprintf(out, ", bridge=%s', ", n->bridge);
    else
        fputs(", type=user', ", out);
    return rc;
}

/* Nobody said anything: the bridge that Xen's tools would take if it is there. */
static int print_vifs(const struct install_args *a, FILE *out, struct err *err)
{
    bool bridged = geteuid() == 0 && access("/sys/class/net/" DEFAULT_BRIDGE "/bridge", F_OK) == 0;
    const struct install_network otherwise = {.bridge = bridged ? DEFAULT_BRIDGE : NULL};
    int rc = 0;

    for (unsigned int i = 0; i < a->nr_networks && rc == 0; i++)
        rc = print_vif(out, &a->networks[i], err);
    if (a->nr_networks == 0 && !a->no_network)
        rc = print_vif(out, &otherwise, err);
    return rc;
}

int install_plan_make(struct install_plan *plan, const struct install_args *a, struct err *err)
{
    size_t disks_size, vifs_size;
    FILE *disks, *vifs;
    int rc = fill_uuid(plan->uuid, a->uuid, err);

    plan->disks = plan->vifs = NULL;
    if (rc < 0)
        return rc;
    disks = open_memstream(&plan->disks, &disks_size);
    vifs = open_memstream(&plan->vifs, &vifs_size);
    rc = disks && vifs ? print_vifs(a, vifs, err) : err_set(err, ENOMEM, "out of memory");
    if (rc == 0)
        rc = print_disks(plan, a, disks, err);
    if (disks && fclose(disks) != 0 && rc == 0)
        rc = err_set(err, ENOMEM, "out of memory");
    if (vifs && fclose(vifs) != 0 && rc == 0)
        rc = err_set(err, ENOMEM, "out of memory");
    if (rc < 0)
        install_plan_done(plan);
    return rc;
}

void install_plan_done(struct install_plan *plan)
{
    free(plan->disks);
    free(plan->vifs);
    plan->disks = plan->vifs = NULL;
}

static void print_action(FILE *out, const char *option, bool installer)
{
    fprintf(out, "%s = '%s'\n", option, installer ? "destroy" : "restart");
}

char *install_config_text(const struct install_plan *plan, const struct install_args *a,
                          const char *kernel, const char *ramdisk, const char *extra)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    fputs("# Automatically generated xen config file\n", out);
    fprintf(out, "name = \"%s\"\nmemory = \"%ld\"\ndisk = [ %s]\nvif = [ %s]\n", a->name,
            a->memory_mib, plan->disks, plan->vifs);
    if (a->vnc)
        fputs("vfb = [ 'type=vnc, vncunused=1' ]\n", out);
    fprintf(out, "uuid = \"%s\"\n", plan->uuid);
    if (kernel) {
        fputs("kernel = ", out);
        print_string(out, kernel);
        fputs("\nramdisk = ", out);
        print_string(out, ramdisk);
        fputs("\nextra = ", out);
        print_string(out, extra);
        putc('\n', out);
    } else {
        fputs("bootloader=\"/usr/bin/pygrub\"\n", out);
    }
    fprintf(out, "vcpus=%ld\n", a->vcpus);
    print_action(out, "on_reboot", kernel != NULL);
    print_action(out, "on_crash", kernel != NULL);
    return fclose(out) == 0 ? text : NULL;
}

int install_config_path(char path[static PATHS_MAX], const char *name, struct err *err)
{
    char dir[PATHS_MAX];
    int rc = paths_config_dir(dir, err);

    if (rc < 0)
        return rc;
    if (snprintf(path, PATHS_MAX, "%s/%s", dir, name) >= PATHS_MAX)
        return err_set(err, ENAMETOOLONG, "%s: the path is too long", dir);
    for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(dir, 0755);
        *p = '/';
    }
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return err_set(err, errno, "cannot make %s: %s", dir, strerror(errno));
    if (access(path, F_OK) == 0)
        return err_set(err, EEXIST, "%s is there already: choose another --name, or remove it",
                       path);
    return 0;
}
