/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * server.h - the store behind its socket.
 */
#pragma once

#include "base/err.h"

struct server_config {
    int listen_fd;  /* borrowed */
    int stop_fd;    /* readable: end */
    bool on_demand; /* end as well when nobody has been connected for a while */
};

/* Serve until asked to end. 0 or -errno. */
int server_run(const struct server_config *config, struct err *err) MUST_CHECK;
