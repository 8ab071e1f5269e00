/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cputime.h - host CPU time that a domain has used: its domain process and all processes of
 * its engine, which descend from it.
 */
#pragma once

#include "base/types.h"

/* Nanoseconds used so far by this process, its living descendants, and those that were waited
 * for. */
uint64_t cputime_ns(void);
/* launcher_service: finds out. */
struct launcher_request;
struct launcher_reply;
int cputime_service(const struct launcher_request *request, struct launcher_reply *reply);
