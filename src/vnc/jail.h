/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail.h - gives up, for good, all that xenolith-vnc does not need once it listens.
 */
#pragma once

#include "base/err.h"

/* 0 or -errno. A build with a sanitizer has no jail: its library needs other calls. */
int jail_enter(struct err *err) MUST_CHECK;
