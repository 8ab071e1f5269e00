/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * launch.h - start a domain process: it gets a session of its own and outlives its creator.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "toolstack/registry.h"

#define LAUNCH_MAX_CLIENTS 2

/* What it gets besides; borrowed. */
struct launch_fds {
    const int *clients; /* its ends of control connections */
    size_t nr_clients;
    const int *image; /* a saved guest, NULL = none */
};

/* Start `program` for a claimed domain and wait until its guest runs. 0, or -errno with the domain
 * process's own sentence. */
int launch_domain(const char *program, const json_t *config, const struct registry_claim *claim,
                  const struct launch_fds *more, struct err *err) MUST_CHECK;
