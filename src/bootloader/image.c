/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * image.c - see image.h. All questions together have DEADLINE_MS: an image made to be slow
 * costs that and no more. Names of volumes come from the image; they are used only if they are
 * made of harmless characters and do not name what GRUB calls the host.
 */
#define _GNU_SOURCE
#include "bootloader/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "bootloader/jail.h"
#include "bootloader/privsep.h"

#define DEADLINE_MS 60000
#define MAX_VOLUMES 64
#define LISTING_MAX 65536
#define DISK "loop0" /* grub-fstest's name for the image */
#define PARTITION "loop0,"
#define SECTOR 512
#define PARTITION_TABLE 446
#define PARTITION_ENTRY 16

struct image {
    const char *path;
    const char *program;
    int fd, broker;
    int64_t deadline_ms;
    char *volumes[MAX_VOLUMES + 1];
    size_t nr_volumes;
};

/* Where output goes: memory or a file, with a limit. */
struct output {
    const struct image *image;
    int fd; /* -1: memory */
    char *text;
    uint64_t size, max;
};

static int take(void *arg, const void *buf, size_t n)
{
    struct output *o = arg;
    char *text;

    if (n > o->max - o->size)
        return -EFBIG;
    if (o->fd >= 0) {
        int rc = io_write_all(o->fd, buf, n);

        o->size += rc == 0 ? n : 0;
        return rc;
    }
    text = realloc(o->text, o->size + n + 1);
    if (!text)
        return -ENOMEM;
    o->text = text;
    memcpy(text + o->size, buf, n);
    o->size += n;
    text[o->size] = '\0';
    return 0;
}

static int open_again(void *arg)
{
    const struct image *image = ((const struct output *)arg)->image;
    int fd = image->broker < 0 ? privsep_open_again(image->fd) : privsep_ask(image->broker);

    return fd < 0 ? -EIO : fd;
}

/* GRUB's own sentence without the program's name and the newline. */
static void trim_words(char *words)
{
    char *start = strstr(words, "error: ");
    size_t n;

    if (start)
        memmove(words, start + 7, strlen(start + 7) + 1);
    for (n = strcspn(words, "\n"); n > 0 && words[n - 1] == '.'; n--)
        continue;
    words[n] = '\0';
    for (char *p = words; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            *p = '?';
}

/* One run of grub-fstest: `command` and, unless it is NULL, its operand. 0 or -errno; -ENOENT
 * has no sentence of its own but GRUB's. */
static int ask(struct image *image, const char *command, const char *operand, struct output *o,
               struct err *err)
{
    const char *argv[] = {"grub-fstest", JAIL_IMAGE, command, operand, NULL};
    struct jail_run run = {
        .program = image->program,
        .argv = argv,
        .open_image = open_again,
        .deadline_ms = image->deadline_ms,
        .sink = take,
        .arg = o,
    };
    struct err failure = {0};
    int rc;

    o->image = image;
    rc = jail_run(&run, &failure);
    trim_words(run.words);
    if (rc == 0)
        return 0;
    if (rc == -ETIMEDOUT)
        return err_set(err, ETIMEDOUT, "%s: reading it took longer than %d seconds", image->path,
                       DEADLINE_MS / 1000);
    if (rc == -EFBIG)
        return err_set(err, EFBIG, "%s: %s is larger than %llu bytes", image->path,
                       operand ? operand : "the list of its partitions",
                       (unsigned long long)o->max);
    if (rc < 0)
        return err_set(err, -rc, "%s", failure.code ? failure.msg : strerror(-rc));
    if (rc > 128)
        return err_set(err, EIO, "%s: GRUB's drivers were ended by signal %d%s", image->path,
                       rc - 128, operand ? " when they read it" : "");
    return err_set(err, ENOENT, "%s: %s", image->path, run.words[0] ? run.words : "not readable");
}

static bool is_volume(const char *name, size_t n)
{
    static const char *const kinds[] = {PARTITION, "lvm/", "lvmid/", "md/", "mduuid/", "ldm/"};

    for (size_t i = 0; i < n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+,/-",
                    name[i]))
            return false;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (n > strlen(kinds[i]) && strncmp(name, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

/* Sorts: the active partition, partitions by number, logical volumes. */
static unsigned int rank(const char *name, unsigned int active)
{
    const char *table = name + strlen(PARTITION);
    unsigned int number;

    if (strncmp(name, PARTITION, strlen(PARTITION)) != 0)
        return 1u << 20;
    number = (unsigned int)strtoul(table + strcspn(table, "0123456789"), NULL, 10);
    if (number > 1000)
        number = 1000;
    return number == active && strncmp(table, "msdos", 5) == 0 ? 0 : number + 1;
}

static void insert_volume(struct image *image, const char *name, size_t n, unsigned int active)
{
    char *copy = strndup(name, n);
    size_t i = image->nr_volumes;

    if (!copy)
        return;
    while (i > 0 && rank(image->volumes[i - 1], active) > rank(copy, active)) {
        image->volumes[i] = image->volumes[i - 1];
        i--;
    }
    image->volumes[i] = copy;
    image->nr_volumes++;
}

/* Number of the first active primary partition, 0 = none. */
static unsigned int find_active(const struct image *image)
{
    uint8_t sector[SECTOR];

    if (pread(image->fd, sector, sizeof(sector), 0) != (ssize_t)sizeof(sector) ||
        sector[510] != 0x55 || sector[511] != 0xaa)
        return 0;
    for (unsigned int i = 0; i < 4; i++)
        if (sector[PARTITION_TABLE + i * PARTITION_ENTRY] == 0x80)
            return i + 1;
    return 0;
}

/* grub-fstest prints "(proc) (loop0) (loop0,msdos1) (host) ...". */
static int find_volumes(struct image *image, struct err *err)
{
    struct output o = {.fd = -1, .max = LISTING_MAX};
    unsigned int active = find_active(image);
    int rc = ask(image, "ls", NULL, &o, err);

    for (const char *p = o.text; rc == 0 && p && *p; p++) {
        size_t n = *p == '(' ? strcspn(p + 1, ")") : 0;

        if (n > 0 && is_volume(p + 1, n) && image->nr_volumes < MAX_VOLUMES - 1)
            insert_volume(image, p + 1, n, active);
    }
    free(o.text);
    if (rc == 0) {
        image->volumes[image->nr_volumes] = strdup(DISK);
        image->nr_volumes += image->volumes[image->nr_volumes] != NULL;
    }
    return rc;
}

static const char *find_program(void)
{
    static const char *const places[] = {"/usr/bin/grub-fstest", "/usr/bin/grub2-fstest",
                                         "/usr/sbin/grub-fstest", "/usr/local/bin/grub-fstest"};

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* Formats that GRUB's drivers would take for a disk of noise. */
static int check_format(const struct image *image, struct err *err)
{
    static const struct {
        const char *magic, *name;
    } formats[] = {{"QFI\xfb", "qcow2"}, {"conectix", "vhd"}, {"KDMV", "vmdk"}, {"QED", "qed"}};
    char start[8] = "";

    if (pread(image->fd, start, sizeof(start), 0) < 0)
        return err_set(err, errno, "%s cannot be read: %s", image->path, strerror(errno));
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (memcmp(start, formats[i].magic, strlen(formats[i].magic)) == 0)
            return err_set(err, ENOTSUP, "%s is a %s image; only raw images can be looked into",
                           image->path, formats[i].name);
    return 0;
}

int image_open_disk(const char *path, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, errno, "Disk isn't accessible: %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_set(err, EINVAL, "%s is neither a file nor a block device", path);
    return STEAL_FD(fd);
}

int image_open(struct image **ret, const char *path, int fd, int broker, struct err *err)
{
    struct image *image = calloc(1, sizeof(*image));
    int rc = 0;

    if (!image)
        return err_set(err, ENOMEM, "out of memory");
    image->path = path;
    image->fd = fd;
    image->broker = broker;
    image->program = find_program();
    image->deadline_ms = jail_now_ms() + DEADLINE_MS;
    if (!image->program)
        rc = err_set(err, ENOENT, "grub-fstest is not installed (Debian: grub-common)");
    if (rc == 0)
        rc = check_format(image, err);
    if (rc == 0)
        rc = find_volumes(image, err);
    if (rc < 0)
        image_close(image);
    else
        *ret = image;
    return rc;
}

void image_close(struct image *image)
{
    if (!image)
        return;
    for (size_t i = 0; i < image->nr_volumes; i++)
        free(image->volumes[i]);
    free(image);
}

const char *image_volume(const struct image *image, size_t i)
{
    return i < image->nr_volumes ? image->volumes[i] : NULL;
}

/* "(volume)/path"; what the path says about devices is not believed. */
static int ask_about(struct image *image, const char *command, const char *volume, const char *path,
                     struct output *o, struct err *err)
{
    CLEANUP_FREE char *operand = NULL;

    if (asprintf(&operand, "(%s)%s%s", volume, path[0] == '/' ? "" : "/", path) < 0) {
        operand = NULL;
        return err_set(err, ENOMEM, "out of memory");
    }
    return ask(image, command, operand, o, err);
}

int image_read(struct image *image, const char *volume, const char *path, size_t max, char **ret,
               size_t *ret_len, struct err *err)
{
    struct output o = {.fd = -1, .max = max};
    int rc = ask_about(image, "cat", volume, path, &o, err);

    if (rc == 0 && !o.text)
        o.text = strdup("");
    if (rc < 0 || !o.text) {
        free(o.text);
        return rc < 0 ? rc : err_set(err, ENOMEM, "out of memory");
    }
    *ret = o.text;
    *ret_len = o.size;
    return 0;
}

int image_list(struct image *image, const char *volume, const char *path, char **ret,
               struct err *err)
{
    struct output o = {.fd = -1, .max = LISTING_MAX};
    CLEANUP_FREE char *dir = NULL;
    int rc;

    if (asprintf(&dir, "%s/", path) < 0)
        return err_set(err, ENOMEM, "out of memory");
    rc = ask_about(image, "ls", volume, dir, &o, err);
    if (rc == 0 && !o.text)
        o.text = strdup("");
    if (rc < 0 || !o.text) {
        free(o.text);
        return rc < 0 ? rc : err_set(err, ENOMEM, "out of memory");
    }
    *ret = o.text;
    return 0;
}

int image_copy(struct image *image, const char *volume, const char *path, int fd, uint64_t max,
               uint64_t *size, struct err *err)
{
    struct output o = {.fd = fd, .size = *size, .max = max};
    int rc = ask_about(image, "cat", volume, path, &o, err);

    *size = o.size;
    return rc;
}
