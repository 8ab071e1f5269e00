/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cmdline.h - the kernel's command line as xm builds it of several options: root=... ip=...
 * nfsroot=... and the extra text; or xl's cmdline alone.
 */
#pragma once

#include "config/config.h"

/* The parts, "" when they are not asked for; they live as long as the config. */
const char *cmdline_root(const struct config *c); /* without "root=" */
const char *cmdline_ip(struct config *c);         /* without "ip=" */
/* nfsroot=..., extra; or cmdline. 0, or -EINVAL with place. */
int cmdline_extra(struct config *c, const char **ret, struct err *err) MUST_CHECK;

/* All of it. 0, or -EINVAL when it is too long for a guest or contradicts itself. */
int cmdline_make(struct config *c, const char **ret, struct err *err) MUST_CHECK;
