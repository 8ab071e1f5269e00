/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_dmesg.h - the text behind `xm dmesg`: what a hypervisor would have on its own
 * console about this domain. Lines of ours begin with "(XEN) ", lines that the guest wrote
 * through the console_io hypercall with "(dN) ". ASCII only, bounded; the oldest text goes first.
 *
 * Locking: domain.lock. Internal to the console, which offers it in console.h.
 */
#pragma once

#include <stdarg.h>

#include "base/types.h"

#define DMESG_SIZE (32u * 1024)

struct console_dmesg {
    char text[DMESG_SIZE];
    size_t used;
    bool in_guest_line;
};

/* One line of ours; control characters are shown as '?'. */
void console_dmesg_vprintf(struct console_dmesg *m, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* Guest text, any bytes, any cut. */
void console_dmesg_guest(struct console_dmesg *m, domid_t domid, const char *buf, size_t n);
