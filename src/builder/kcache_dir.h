/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kcache_dir.h - the directory of unpacked kernels: what may be done there is done by the launcher
 * (base/launcher.h), so that who has unpacked a hostile kernel has no say in where it goes. Only
 * directories and files that are ours and that nobody else may write are believed.
 */
#pragma once

#include "builder/kcache.h"

enum kcache_verb {
    KCACHE_OPEN,   /* the entry; -ENOENT: there is none */
    KCACHE_FORGET, /* remove it */
    KCACHE_CREATE, /* a file to be filled */
    KCACHE_KEEP,   /* that file is the entry now */
    KCACHE_DROP,   /* it is not */
    KCACHE_FREEZE  /* nothing is created from now on */
};

/* Builder only. The descriptor of what was opened or created, 0, or -errno. */
int kcache_dir_ask(enum kcache_verb verb, const struct kcache_key *key);
