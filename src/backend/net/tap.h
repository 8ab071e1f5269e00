/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tap.h - tap devices by name, for who may open paths: a domain process that is not in its jail
 * yet, and the tools. What it has then works without the name (link.h).
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

/* Attach to the tap device `name`, or make it where the caller may. Returns a descriptor (the
 * caller's), non-blocking, whose frames come behind a struct virtio_net_hdr; or -errno with a
 * sentence (-EPERM: this takes a privilege). */
int tap_open(const char *name, struct err *err) MUST_CHECK;
