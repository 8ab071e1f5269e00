/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * install_args.h - the command line of xm install, which is virt-install's.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

#define INSTALL_MAX_DISKS 8
#define INSTALL_MAX_NETWORKS 4

struct install_disk {
    const char *path; /* NULL: in the default place */
    double size_gib;  /* of a new file; 0: it is there */
    bool full;        /* not sparse */
    bool read_only;
};

struct install_network {
    const char *bridge; /* NULL: user-mode network */
    const char *mac;    /* NULL: one is made up */
};

struct install_args {
    bool help, quiet, no_console, no_reboot, wait, vnc, print_only;
    const char *name, *location, *extra, *uuid;
    long memory_mib, vcpus;
    struct install_disk disks[INSTALL_MAX_DISKS];
    unsigned int nr_disks;
    struct install_network networks[INSTALL_MAX_NETWORKS];
    unsigned int nr_networks;
    bool no_network;
    const char *ignored; /* an option without effect that is worth a word, or NULL */
};

/* Strings are cut up and kept. 0 or -EINVAL with a sentence. */
int install_args_parse(struct install_args *a, int argc, char **argv, struct err *err) MUST_CHECK;
