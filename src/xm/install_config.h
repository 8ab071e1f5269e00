/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * install_config.h - the config of a guest that is being installed, and of what it is then.
 */
#pragma once

#include "base/paths.h"
#include "xm/install_args.h"

/* Make up what the arguments leave open (uuid, addresses, disks' places) and make the disks that
 * are not there. Texts are kept in *text, to be freed. 0 or -errno with a sentence. */
struct install_plan {
    char *disks, *vifs; /* the lists as a config has them */
    char uuid[37];
    char first_disk[PATHS_MAX];
};

int install_plan_make(struct install_plan *plan, const struct install_args *a,
                      struct err *err) MUST_CHECK;
void install_plan_done(struct install_plan *plan);

/* The config's text, new: with `kernel` the installer's, else what boots from the first disk. */
char *install_config_text(const struct install_plan *plan, const struct install_args *a,
                          const char *kernel, const char *ramdisk, const char *extra);

/* Where the guest's config goes. -EEXIST when there is one. */
int install_config_path(char path[static PATHS_MAX], const char *name, struct err *err) MUST_CHECK;
