/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xend_client.h - to a xend that runs, or to have one. docs/internals/xend.md
 */
#pragma once

#include <sys/un.h>

#include "base/err.h"
#include "base/json.h"
#include "base/paths.h"

/* Where xend.sock is. sun_path is short and directories may be long: it goes through dir_fd,
 * which the caller closes when done. */
struct xend_address {
    int dir_fd;
    struct sockaddr_un sa;
    char path[PATHS_MAX + 16];
};

int xend_client_address(struct xend_address *ret, struct err *err) MUST_CHECK;

/* Ask a running xend one thing. `request` is taken, *ret is a new object. -ECONNREFUSED or
 * -ENOENT with the sentence that scripts know if none runs. */
int xend_client_call(json_t *request, int timeout_ms, json_t **ret, struct err *err) MUST_CHECK;

/* Have one look after the domains, if there is none: it is started and not waited for. */
void xend_client_wake(void);
