/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cputime.h - host CPU time that a domain has used: its domain process and all processes of
 * its engine. They share a session, which the domain process leads.
 */
#pragma once

#include "base/types.h"

/* Nanoseconds used so far by living processes and reaped children of this session. */
uint64_t cputime_session_ns(void);
