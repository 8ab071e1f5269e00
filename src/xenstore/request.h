/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * request.h - from a message to what it asks for.
 */
#pragma once

#include "xenstore/conn.h"

/* Handle the request in c->hdr and c->body (a NUL is behind it). Queues exactly one answer. */
void request_handle(struct conn *c);
