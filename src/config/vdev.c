/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vdev.c - see vdev.h. Numbers are Linux device numbers (major << 8 | minor) of old disk
 * drivers for sd and hd, of Xen's own major for the first 16 xvd, and an extended form beyond.
 */
#include "config/vdev.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XVD_MAJOR 202u
#define EXTENDED (1u << 28)
#define MAX_EXTENDED_DISK ((1u << 20) - 1)

/* What a name says: kind of disk, which, and which partition (0 = the whole). */
struct parts {
    const char *kind;
    unsigned int disk, part;
};

/* Letters as disks are counted: a..z, aa..., and how many there were. */
static size_t read_letters(const char *s, unsigned int *ret)
{
    size_t n = 0;

    *ret = 0;
    while (n < 4 && s[n] >= 'a' && s[n] <= 'z')
        *ret = *ret * 26 + (unsigned int)(s[n++] - 'a') + 1;
    *ret -= n > 0;
    return n;
}

static size_t read_digits(const char *s, unsigned int *ret)
{
    size_t n = 0;

    *ret = 0;
    while (n < 7 && isdigit((unsigned char)s[n]))
        *ret = *ret * 10 + (unsigned int)(s[n++] - '0');
    return n;
}

/* "xvda1", "sda", "hdc2". */
static bool read_lettered(const char *name, struct parts *ret)
{
    static const char *const kinds[] = {"xvd", "sd", "hd"};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t at = strlen(kinds[i]), n;

        if (strncmp(name, kinds[i], at) != 0)
            continue;
        n = read_letters(name + at, &ret->disk);
        if (!n)
            continue;
        ret->kind = kinds[i];
        at += n;
        n = read_digits(name + at, &ret->part);
        return name[at + n] == '\0' && (n == 0 || ret->part > 0);
    }
    return false;
}

/* "d0", "d0p1". */
static bool read_numbered(const char *name, struct parts *ret)
{
    size_t n, at = 1;

    if (name[0] != 'd')
        return false;
    n = read_digits(name + at, &ret->disk);
    at += n;
    if (!n)
        return false;
    ret->kind = "xvd";
    ret->part = 0;
    if (name[at] == '\0')
        return true;
    if (name[at++] != 'p')
        return false;
    n = read_digits(name + at, &ret->part);
    return n > 0 && name[at + n] == '\0';
}

static bool number_xvd(const struct parts *p, unsigned int *ret)
{
    if (p->disk < 16 && p->part < 16)
        *ret = XVD_MAJOR << 8 | p->disk << 4 | p->part;
    else
        *ret = EXTENDED | p->disk << 8 | p->part;
    return p->disk <= MAX_EXTENDED_DISK && p->part < 256;
}

static bool number_sd(const struct parts *p, unsigned int *ret)
{
    static const unsigned int majors[] = {8,   65,  66,  67,  68,  69,  70,  71,
                                          128, 129, 130, 131, 132, 133, 134, 135};

    if (p->disk / 16 >= ARRAY_SIZE(majors) || p->part > 15)
        return false;
    *ret = majors[p->disk / 16] << 8 | p->disk % 16 << 4 | p->part;
    return true;
}

static bool number_hd(const struct parts *p, unsigned int *ret)
{
    static const unsigned int majors[] = {3, 22, 33, 34, 56, 57, 88, 89, 90, 91};

    if (p->disk / 2 >= ARRAY_SIZE(majors) || p->part > 63)
        return false;
    *ret = majors[p->disk / 2] << 8 | p->disk % 2 << 6 | p->part;
    return true;
}

static bool number_parts(const struct parts *p, unsigned int *ret)
{
    return strcmp(p->kind, "xvd") == 0  ? number_xvd(p, ret)
           : strcmp(p->kind, "sd") == 0 ? number_sd(p, ret)
                                        : number_hd(p, ret);
}

int vdev_number(const char *name, unsigned int *ret, struct err *err)
{
    struct parts p;

    if (isdigit((unsigned char)name[0])) {
        char *end;
        unsigned long n;

        errno = 0;
        n = strtoul(name, &end, 0);
        if (!errno && !*end && n > 0 && n <= INT32_MAX) {
            *ret = (unsigned int)n;
            return 0;
        }
    } else if (read_lettered(name, &p) || read_numbered(name, &p)) {
        if (number_parts(&p, ret))
            return 0;
        return err_set(err, EINVAL, "there is no disk or partition '%.40s'", name);
    }
    return err_set(err, EINVAL, "'%.40s' is no name of a virtual disk, such as xvda or sda1", name);
}
