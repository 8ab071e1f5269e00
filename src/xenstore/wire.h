/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire.h - text in xenstore's messages that both ends make and read: names of errors,
 * permissions. The messages themselves are Xen's (xen/io/xs_wire.h).
 */
#pragma once

#include "base/types.h"

#include <errno.h> /* before xs_wire.h, which then has the names of errors */
#include <xen/io/xs_wire.h>

/* CONTROL command that makes a connection a domain's: "xenolith-bind|DOMID|". */
#define XS_CONTROL_BIND "xenolith-bind"
/* That confines one of domain 0 to what is a domain's: "xenolith-confine|DOMID|UUID|". */
#define XS_CONTROL_CONFINE "xenolith-confine"
/* Until the connection closes, nodes below a path are kept from domains' processes. */
#define XS_CONTROL_RESERVE "xenolith-reserve"

struct xs_perm;

/* Longest text of a permission, with its NUL: "b65535". */
#define XS_PERM_TEXT 7

/* The text of an errno in an ERROR message; "EINVAL" for those that have none. */
const char *xs_error_name(int code);
/* The errno that `name` (of `len` bytes, its NUL may be among them) means; EIO if none. */
int xs_error_code(const char *name, size_t len);

/* "r5"; returns its length. */
size_t xs_perm_format(char buf[static XS_PERM_TEXT], const struct xs_perm *perm);
/* 0 or -EINVAL. */
int xs_perm_parse(const char *text, struct xs_perm *ret);
/* Decimal digits up to 65535 and nothing else. 0 or -EINVAL. */
int xs_domid_parse(const char *text, domid_t *ret);
