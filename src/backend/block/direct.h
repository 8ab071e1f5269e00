/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * direct.h - an open image a second time, past the page cache. That takes an open(), which a
 * process in its jail may not do: the launcher does it, for a descriptor and not for a name.
 */
#pragma once

#include "base/launcher.h"

/* One of the launcher's services: with the descriptor of a file or block device comes a new one
 * with O_DIRECT, which allows the same. -EINVAL: it is none, or can only be written. */
launcher_service direct_service;

/* The second descriptor of an image (borrowed), the caller's; or -errno. Any thread. */
int direct_open(int fd);
