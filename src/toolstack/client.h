/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * client.h - requests to a domain process over its control socket
 * (docs/internals/control-protocol.md).
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

/* Send {"verb": verb} on a connection. 0 or -errno. */
int client_send(int fd, const char *verb, struct err *err) MUST_CHECK;

/* Read one answer line, at most timeout_ms (-1 = for ever). *ret is a new reference. The
 * error of an answer that is not "ok" becomes err. -ETIMEDOUT, -ECONNRESET (the domain
 * process went away) ... */
int client_receive(int fd, int timeout_ms, json_t **ret, struct err *err) MUST_CHECK;

/* Connect, send, receive, close. `request` is taken. */
int client_call(domid_t domid, json_t *request, int timeout_ms, json_t **ret,
                struct err *err) MUST_CHECK;

/* The same with a descriptor (borrowed) that goes with the request. */
int client_call_with_fd(domid_t domid, json_t *request, int with_fd, int timeout_ms, json_t **ret,
                        struct err *err) MUST_CHECK;
