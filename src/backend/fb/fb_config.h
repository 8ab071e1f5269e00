/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fb_config.h - how a domain's display is shown: the object `vfb` of its document.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/types.h"

struct fb_config {
    char listen[64];       /* address or name */
    unsigned int display;  /* port - 5900 */
    bool unused;           /* a later one if that is taken */
    char password[16];     /* "" = none; VNC knows eight characters */
    char keymap[16];       /* of the guest, as QEMU names them */
    char title[64];        /* of the viewer's window */
    unsigned int videoram; /* MiB that the guest may use; 0 = what we can show */
};

/* `name` and `domid` are the domain's. 0 or -EINVAL. */
int fb_config_parse(struct fb_config *c, const json_t *object, const char *name, domid_t domid,
                    struct err *err) MUST_CHECK;
