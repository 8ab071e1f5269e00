/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * install_args.c - see install_args.h. Spellings of python-virtinst of 2007 and of today.
 */
#define _GNU_SOURCE
#include "xm/install_args.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define MIN_MEMORY 64
#define MAX_NAME 50

enum {
    OPT_DISK = 256,
    OPT_NONSPARSE,
    OPT_NOAUTOCONSOLE,
    OPT_NOREBOOT,
    OPT_WAIT,
    OPT_VNC,
    OPT_NOGRAPHICS,
    OPT_GRAPHICS,
    OPT_HVM,
    OPT_NONETWORKS,
    OPT_PRINT,
    OPT_VCPUS,
    OPT_IGNORED,
};

static const char short_options[] = "hqn:r:u:f:s:m:b:w:l:x:pvdk:c:";

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"quiet", no_argument, NULL, 'q'},
    {"name", required_argument, NULL, 'n'},
    {"ram", required_argument, NULL, 'r'},
    {"memory", required_argument, NULL, 'r'},
    {"uuid", required_argument, NULL, 'u'},
    {"vcpus", required_argument, NULL, OPT_VCPUS},
    {"disk", required_argument, NULL, OPT_DISK},
    {"file", required_argument, NULL, 'f'},
    {"file-size", required_argument, NULL, 's'},
    {"nonsparse", no_argument, NULL, OPT_NONSPARSE},
    {"mac", required_argument, NULL, 'm'},
    {"bridge", required_argument, NULL, 'b'},
    {"network", required_argument, NULL, 'w'},
    {"nonetworks", no_argument, NULL, OPT_NONETWORKS},
    {"location", required_argument, NULL, 'l'},
    {"extra-args", required_argument, NULL, 'x'},
    {"paravirt", no_argument, NULL, 'p'},
    {"hvm", no_argument, NULL, OPT_HVM},
    {"vnc", no_argument, NULL, OPT_VNC},
    {"nographics", no_argument, NULL, OPT_NOGRAPHICS},
    {"graphics", required_argument, NULL, OPT_GRAPHICS},
    {"noautoconsole", no_argument, NULL, OPT_NOAUTOCONSOLE},
    {"noreboot", no_argument, NULL, OPT_NOREBOOT},
    {"wait", optional_argument, NULL, OPT_WAIT},
    {"print-config", no_argument, NULL, OPT_PRINT},
    {"debug", no_argument, NULL, 'd'},
    {"cdrom", required_argument, NULL, 'c'},
    {"keymap", required_argument, NULL, 'k'},
    {"connect", required_argument, NULL, OPT_IGNORED},
    {"virt-type", required_argument, NULL, OPT_IGNORED},
    {"os-type", required_argument, NULL, OPT_IGNORED},
    {"os-variant", required_argument, NULL, OPT_IGNORED},
    {"osinfo", required_argument, NULL, OPT_IGNORED},
    {"arch", required_argument, NULL, OPT_IGNORED},
    {"accelerate", no_argument, NULL, OPT_IGNORED},
    {"check-cpu", no_argument, NULL, OPT_IGNORED},
    {"noapic", no_argument, NULL, OPT_IGNORED},
    {"noacpi", no_argument, NULL, OPT_IGNORED},
    {"noninteractive", no_argument, NULL, OPT_IGNORED},
    {0},
};

static int take_number(const char *option, const char *text, long *ret, struct err *err)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (end == text || *end || n < 1 || n > 1024 * 1024)
        return err_set(err, EINVAL, "--%s: '%s' is no number that makes sense", option, text);
    *ret = n;
    return 0;
}

static int take_size(const char *text, double *ret, struct err *err)
{
    char *end;
    double n = strtod(text, &end);

    if (end == text || *end || !(n > 0) || n > 65536)
        return err_set(err, EINVAL, "'%s' is no size in GiB", text);
    *ret = n;
    return 0;
}

/* The value of "KEY=VALUE" if that is the key, else NULL. */
static const char *value_of(const char *item, const char *key)
{
    size_t n = strlen(key);

    return strncmp(item, key, n) == 0 && item[n] == '=' ? item + n + 1 : NULL;
}

static int take_disk_key(struct install_disk *d, const char *item, struct err *err)
{
    static const char *const ignored[] = {"bus", "cache", "device", "driver_name", "perms"};
    const char *value;

    if ((value = value_of(item, "size")) != NULL)
        return take_size(value, &d->size_gib, err);
    if ((value = value_of(item, "sparse")) != NULL)
        d->full = strcmp(value, "no") == 0 || strcmp(value, "false") == 0;
    else if ((value = value_of(item, "readonly")) != NULL)
        d->read_only = strcmp(value, "no") != 0 && strcmp(value, "off") != 0;
    else if ((value = value_of(item, "path")) != NULL)
        d->path = value;
    else if ((value = value_of(item, "format")) != NULL && strcmp(value, "raw") != 0)
        return err_set(err, ENOTSUP, "--disk: format=%s: only raw images can be booted by pygrub",
                       value);
    else if (!value && strchr(item, '='))
        for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
            if (value_of(item, ignored[i]))
                return 0;
    if (value)
        return 0;
    if (strchr(item, '=') || d->path)
        return err_set(err, EINVAL, "--disk: '%s' is not known", item);
    d->path = item;
    return 0;
}

static struct install_disk *new_disk(struct install_args *a, struct err *err)
{
    if (a->nr_disks == INSTALL_MAX_DISKS) {
        err_set(err, E2BIG, "more than %d disks", INSTALL_MAX_DISKS);
        return NULL;
    }
    return &a->disks[a->nr_disks++];
}

static int take_disk(struct install_args *a, char *text, struct err *err)
{
    struct install_disk *d = new_disk(a, err);
    char *rest = NULL;
    int rc = d ? 0 : -err->code;

    for (char *item = strtok_r(text, ",", &rest); item && rc == 0;
         item = strtok_r(NULL, ",", &rest))
        rc = take_disk_key(d, item, err);
    return rc;
}

/* "bridge=NAME", "bridge:NAME", "user", "network:NAME", "none"; behind commas mac= and others. */
static int take_network(struct install_args *a, char *text, struct err *err)
{
    struct install_network *n = &a->networks[a->nr_networks];
    char *rest = NULL, *kind = strtok_r(text, ",", &rest);

    if (!kind || strcmp(kind, "none") == 0) {
        a->no_network = true;
        return 0;
    }
    if (a->nr_networks == INSTALL_MAX_NETWORKS)
        return err_set(err, E2BIG, "more than %d networks", INSTALL_MAX_NETWORKS);
    if (strncmp(kind, "bridge", 6) == 0 && (kind[6] == '=' || kind[6] == ':'))
        n->bridge = kind + 7;
    else if (strncmp(kind, "network", 7) == 0)
        a->ignored = "--network: networks of libvirt are not known; this is the user-mode network";
    else if (strcmp(kind, "user") != 0 && strcmp(kind, "default") != 0)
        return err_set(err, EINVAL, "--network: '%s' is none of bridge=NAME, user, none", kind);
    for (char *item = strtok_r(NULL, ",", &rest); item; item = strtok_r(NULL, ",", &rest))
        if (value_of(item, "mac"))
            n->mac = value_of(item, "mac");
    a->nr_networks++;
    return 0;
}

/* -m and -b are about the interface of the same number, or a new one. */
static int take_old_network(struct install_args *a, const char *bridge, const char *mac,
                            struct err *err)
{
    unsigned int i = 0;

    while (i < a->nr_networks && (bridge ? a->networks[i].bridge : a->networks[i].mac))
        i++;
    if (i == INSTALL_MAX_NETWORKS)
        return err_set(err, E2BIG, "more than %d networks", INSTALL_MAX_NETWORKS);
    if (i == a->nr_networks)
        a->nr_networks++;
    if (bridge)
        a->networks[i].bridge = bridge;
    else if (mac && strcasecmp(mac, "RANDOM") != 0)
        a->networks[i].mac = mac;
    return 0;
}

/* -s belongs to the -f before it. */
static int take_file_size(struct install_args *a, const char *text, struct err *err)
{
    unsigned int i = 0;

    while (i < a->nr_disks && a->disks[i].size_gib > 0)
        i++;
    if (i == a->nr_disks)
        return err_set(err, EINVAL, "--file-size: no --file is there that it belongs to");
    return take_size(text, &a->disks[i].size_gib, err);
}

static int take_device(struct install_args *a, int opt, char *value, struct err *err)
{
    struct install_disk *d;

    switch (opt) {
    case OPT_DISK:
        return take_disk(a, value, err);
    case 'f':
        d = new_disk(a, err);
        if (d)
            d->path = value;
        return d ? 0 : -err->code;
    case 's':
        return take_file_size(a, value, err);
    case OPT_NONSPARSE:
        for (unsigned int i = 0; i < a->nr_disks; i++)
            a->disks[i].full = true;
        return 0;
    case 'm':
        return take_old_network(a, NULL, value, err);
    case 'b':
        return take_old_network(a, value, NULL, err);
    default:
        return take_network(a, value, err);
    }
}

static int take_option(struct install_args *a, int opt, char *value, struct err *err)
{
    switch (opt) {
    case 'h':
        a->help = true;
        return 0;
    case 'q':
        a->quiet = true;
        return 0;
    case 'n':
        a->name = value;
        return 0;
    case 'r':
        return take_number("ram", value, &a->memory_mib, err);
    case 'u':
        a->uuid = value;
        return 0;
    case OPT_VCPUS:
        value[strcspn(value, ",")] = '\0';
        return take_number("vcpus", value, &a->vcpus, err);
    case 'l':
        a->location = value;
        return 0;
    case 'x':
        a->extra = value;
        return 0;
    case OPT_NOAUTOCONSOLE:
        a->no_console = true;
        return 0;
    case OPT_NOREBOOT:
        a->no_reboot = true;
        return 0;
    case OPT_WAIT:
        a->wait = true;
        return 0;
    case OPT_PRINT:
        a->print_only = true;
        return 0;
    case OPT_NONETWORKS:
        a->no_network = true;
        return 0;
    case OPT_VNC:
        a->vnc = true;
        return 0;
    case OPT_GRAPHICS:
        a->vnc = strncmp(value, "vnc", 3) == 0;
        return 0;
    case 'v':
    case OPT_HVM:
        return err_set(err, ENOTSUP,
                       "--hvm: only paravirtualized guests can be installed this way");
    case 'c':
        return err_set(err, ENOTSUP,
                       "--cdrom: a paravirtualized guest is installed over the network; use "
                       "--location");
    case OPT_DISK:
    case 'f':
    case 's':
    case OPT_NONSPARSE:
    case 'm':
    case 'b':
    case 'w':
        return take_device(a, opt, value, err);
    default: /* -p is what we do; the rest has no meaning here */
        return 0;
    }
}

static int check(const struct install_args *a, struct err *err)
{
    size_t n = a->name ? strlen(a->name) : 0;

    if (!a->name)
        return err_set(err, EINVAL, "--name is needed: what the guest shall be called");
    if (strspn(a->name, "0123456789") == n || n > MAX_NAME)
        return err_set(err, EINVAL, "--name: 1 to %d characters, not only digits", MAX_NAME);
    for (const char *p = a->name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_-.", *p))
            return err_set(err, EINVAL, "--name '%s': only letters, digits and _-. are allowed",
                           a->name);
    if (!a->location)
        return err_set(err, EINVAL,
                       "--location is needed: http://, ftp://, nfs:HOST:/PATH or a "
                       "directory with an installation tree");
    if (a->memory_mib < MIN_MEMORY)
        return err_set(err, EINVAL, "--ram: at least %d MiB are needed", MIN_MEMORY);
    if (a->nr_disks == 0)
        return err_set(err, EINVAL, "--disk is needed: --disk path=FILE,size=GIB");
    return 0;
}

int install_args_parse(struct install_args *a, int argc, char **argv, struct err *err)
{
    int opt, rc = 0;

    *a = (struct install_args){.memory_mib = 512, .vcpus = 1, .extra = ""};
    optind = 0;
    opterr = 0;
    while (rc == 0 && (opt = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        if (opt == '?')
            return err_set(err, EINVAL, "option '%s' is not known or lacks its value",
                           argv[optind > 1 ? optind - 1 : 1]);
        rc = take_option(a, opt, optarg, err);
    }
    if (rc < 0 || a->help)
        return rc;
    if (optind < argc)
        return err_set(err, EINVAL, "unexpected argument '%s'", argv[optind]);
    return check(a, err);
}
