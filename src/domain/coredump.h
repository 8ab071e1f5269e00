/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * coredump.h - a domain's memory and vCPUs as a file: an ELF core in the format of Xen's
 * dump-core (sections .note.Xen, .xen_prstatus, .xen_shared_info, .xen_p2m, .xen_pages), which
 * crash(8) reads. docs/internals/coredump.md.
 */
#pragma once

#include "domain/domain.h"

struct coredump;

/* What is written but the pages: the vCPUs as their run pages have them, shared_info, and which
 * pages there are. With the lock; where the guest stands still it is of one moment. New. */
int coredump_take(struct coredump **ret, const struct domain *d, struct err *err) MUST_CHECK;
/* NULL is fine. */
void coredump_free(struct coredump *c);

/* Write all of it at the start of a regular file, empty pages as holes. Any thread; the domain's
 * memory stays until then. -ECANCELED: *stop became true. 0 or -errno. */
int coredump_write(const struct coredump *c, int fd, const bool *stop, struct err *err) MUST_CHECK;
