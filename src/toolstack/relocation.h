/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relocation.h - what the two ends of a migration say to each other (docs/internals/save.md):
 * lines, and between them the file of a saved domain. It goes over a TCP connection or a program's
 * pipes.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

#define RELOCATION_LINE 512 /* bytes of a line, with its end */

#define RELOCATION_PEER 256 /* of an address or a name */

struct relocation {
    int in, out; /* may be one */
    const char *peer;
};

/* Connect to a host's relocation server. A descriptor, or -errno with a sentence. */
int relocation_connect(const char *host, const char *port, struct err *err) MUST_CHECK;

/* Send a line; `fmt` is without its end. 0 or -errno. */
int relocation_say(const struct relocation *r, struct err *err, const char *fmt, ...)
    PRINTF_FMT(3, 4) MUST_CHECK;
/* Tell the peer why it ends. */
void relocation_fail(const struct relocation *r, const struct err *why);

/* Wait for a line, which comes without its end, and with '?' for control characters. 0 or -errno;
 * -EREMOTEIO: the peer has said why it ends, the sentence is its own. */
int relocation_hear(const struct relocation *r, char line[static RELOCATION_LINE], int timeout_ms,
                    struct err *err) MUST_CHECK;

/* All of a file, from its start. 0 or -errno. */
int relocation_send_file(const struct relocation *r, int fd, struct err *err) MUST_CHECK;
/* So many bytes into a file. 0 or -errno. */
int relocation_take_file(const struct relocation *r, int fd, uint64_t size,
                         struct err *err) MUST_CHECK;

/* Is the peer of this TCP connection one of xend-relocation-hosts-allow? Its address, as text. 0,
 * or -EACCES with a sentence. May ask the name service. */
int relocation_check_peer(int sock, char address[static RELOCATION_PEER],
                          struct err *err) MUST_CHECK;
