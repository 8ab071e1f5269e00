/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * start.h - from a finished document to a running domain: xenstored, an id, paths of logs, the
 * domain process. The caller waits until the guest runs.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

struct start_request {
    json_t *doc;     /* of domain_config_make(); gets the missing members. Borrowed */
    const char *sxp; /* the config as an S-expression, for the record */
    bool managed;
    const int *clients; /* the domain's ends of control connections, borrowed */
    size_t nr_clients;
    const int *image; /* of a saved domain, at its guest (saved.h); NULL = it begins anew */
};

/* 0, or -errno with a sentence: then nothing is left of it. */
int domain_start(const struct start_request *request, domid_t *ret_domid,
                 struct err *err) MUST_CHECK;
