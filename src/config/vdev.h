/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vdev.h - names and numbers of virtual disks as Xen has them.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

/* The number of "xvda", "xvda1", "sda", "hdc2", "d0", "d0p1", "51712" or "0xca00". 0, or
 * -EINVAL with a sentence. */
int vdev_number(const char *name, unsigned int *ret, struct err *err) MUST_CHECK;
