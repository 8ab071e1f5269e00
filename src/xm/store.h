/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * store.h - xm's view of xenstore: what toolstacks read and write there for a running domain.
 */
#pragma once

#include "base/err.h"
#include "xenstore/client.h"

/* Connect to the xenstored that runs. 0, or -errno with a sentence. */
int store_open(struct xs_client **ret, struct err *err) MUST_CHECK;

/* A node's text into buf; `otherwise` when it is not there or does not fit. Returns buf. */
const char *store_text(struct xs_client *xs, char *buf, size_t size, const char *otherwise,
                       const char *fmt, ...) PRINTF_FMT(5, 6);
/* A node's number; -1 when it is not there or is none. */
long long store_number(struct xs_client *xs, const char *fmt, ...) PRINTF_FMT(2, 3);
