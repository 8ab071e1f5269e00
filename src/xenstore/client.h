/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * client.h - talk to xenstored: requests that wait for their answer, and watches whose events
 * are called back.
 *
 * A client is one connection. It is not locked: whoever shares one between threads serialises
 * the calls (d->xs in the domain process: with the domain's lock held). Nobody is called back
 * but from xs_dispatch(). A request waits for xenstored, which never waits for anybody, so the
 * time limit is only met when the daemon hangs.
 *
 * Functions return 0 or -errno: what xenstored answered (-ENOENT, -EACCES, -EAGAIN, ...),
 * -ETIMEDOUT after the time limit, or why the connection is lost, which it then stays
 * (-ECONNRESET when xenstored went away). Paths are absolute, or relative to the home of the
 * connection's domain: /local/domain/0, unless xs_connect_domain() made it.
 */
#pragma once

#include "base/err.h"
#include "base/paths.h"
#include "base/types.h"

struct xs_client;

/* A transaction; XS_NO_TX = none. */
typedef uint32_t xs_tx_t;
#define XS_NO_TX 0u

/* One entry of a node's permissions: 'n'one, 'r'ead, 'w'rite, 'b'oth. The first names the
 * owner, and says what domains may do that no other entry names. */
struct xs_perm {
    domid_t id;
    char mode;
};

/* The socket of this instance's xenstored, in the run directory. 0 or -errno. */
int xs_socket_path(char buf[static PATHS_MAX], struct err *err) MUST_CHECK;
/* The same, by a domain's process that will go to jail, before its launcher is made: its launcher
 * (base/launcher.h) connects it to this one and no other, whatever xs_connect() is told, and has
 * each connection confined to what is this domain's (confine.h). */
int xs_fix(char buf[static PATHS_MAX], domid_t domid, const uint8_t uuid[static 16],
           struct err *err) MUST_CHECK;
/* launcher_service: makes the connection. */
struct launcher_request;
struct launcher_reply;
int xs_connect_service(const struct launcher_request *request, struct launcher_reply *reply);

/* Connect to the daemon at `socket_path`. 0 or -errno: -ENOENT and -ECONNREFUSED when no
 * daemon is there. */
int xs_connect(struct xs_client **ret, const char *socket_path, struct err *err) MUST_CHECK;
/* Ends transactions and watches too, without further events. NULL is fine. */
void xs_close(struct xs_client *c);

/* As long as this connection is there, no domain's process can name this node and what is below.
 * Instead of the one before; "" is nothing. -EINVAL from an older xenstored. */
int xs_reserve(struct xs_client *c, const char *path);

/* A connection of domain `domid`, which has that domain's rights: a descriptor (blocking, the
 * caller closes it) that carries the bytes of the guest's ring. The domain is introduced. When
 * the last connection of a domain is closed, xenstored releases the domain. */
int xs_connect_domain(const char *socket_path, domid_t domid, struct err *err) MUST_CHECK;

/* A node's value: new, NUL behind it. ret_len may be NULL. */
int xs_read(struct xs_client *c, xs_tx_t tx, const char *path, char **ret, size_t *ret_len);
/* A value that is a decimal number, all of it; -EINVAL for any other text. */
int xs_read_number(struct xs_client *c, xs_tx_t tx, const char *path, uint64_t *ret);
/* A node that was not there is made, and its parents. */
int xs_write(struct xs_client *c, xs_tx_t tx, const char *path, const void *value, size_t len);
int xs_printf(struct xs_client *c, xs_tx_t tx, const char *path, const char *fmt, ...)
    PRINTF_FMT(4, 5);
int xs_mkdir(struct xs_client *c, xs_tx_t tx, const char *path);
/* The node and all below; fine if only the node itself is not there. */
int xs_rm(struct xs_client *c, xs_tx_t tx, const char *path);
/* Names of the children, in order: a new array of *count strings, freed in one piece by
 * free(). Directories that do not fit one message come in parts. */
int xs_directory(struct xs_client *c, xs_tx_t tx, const char *path, char ***ret, size_t *count);

/* Permissions: a new array of *count entries. */
int xs_get_perms(struct xs_client *c, xs_tx_t tx, const char *path, struct xs_perm **ret,
                 size_t *count);
int xs_set_perms(struct xs_client *c, xs_tx_t tx, const char *path, const struct xs_perm *perms,
                 size_t count);

int xs_transaction_start(struct xs_client *c, xs_tx_t *ret);
/* End it, keeping its changes or not. -EAGAIN: others changed what it has seen; do all of it
 * again. The transaction is over in any case. */
int xs_transaction_end(struct xs_client *c, xs_tx_t tx, bool commit);

/* Toolstack's announcements: @introduceDomain and @releaseDomain fire. Release also removes
 * what is the domain's: see docs/internals/xenstore.md. */
int xs_introduce(struct xs_client *c, domid_t domid, mfn_t ring, port_t port);
int xs_release(struct xs_client *c, domid_t domid);

/* Called from xs_dispatch(): `path` or something below it changed, came or went; `path` is
 * what changed, spelled as the watch spells its own. It may call any function of this header
 * but xs_close() and xs_dispatch(). */
typedef void xs_watch_fn(void *arg, const char *path);

/* Watch a path (also @introduceDomain, @releaseDomain). The first event comes at once, before
 * anything has changed. *ret is good until xs_unwatch() or xs_close(). */
struct xs_watch;
int xs_watch(struct xs_client *c, const char *path, xs_watch_fn *fn, void *arg,
             struct xs_watch **ret);
/* Its function is not called any more, also not for events that came already. NULL is fine. */
void xs_unwatch(struct xs_client *c, struct xs_watch *w);

/* A descriptor that is readable (EPOLLIN) when xs_dispatch() has something to do, also when
 * events came in while a request waited. Not for reading. */
int xs_fd(const struct xs_client *c);
/* Call back for events that are here; does not wait, and leaves some for later when there are
 * many. 0, or -errno when the connection is lost: then stop watching xs_fd(). */
int xs_dispatch(struct xs_client *c);
