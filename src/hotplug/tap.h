/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tap.h - tap devices that stay when nobody has them open, so that a script can prepare one
 * before the domain process attaches to it (backend/net/tap.c), and clean up after it.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

/* There is a tap of this name. */
bool tap_exists(const char *name);
/* A tap of this name can be had: there is none, or one that nobody uses. 0 or -errno. */
int tap_check(const char *name, struct err *err) MUST_CHECK;
/* Have it. 0 or -errno. */
int tap_make(const char *name, struct err *err) MUST_CHECK;
/* Remove it; fine if it is not there. */
int tap_delete(const char *name, struct err *err);
