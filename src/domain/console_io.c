/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_io.c - text before the console ring works (ABI section 3.12). It goes to the
 * console's log; nobody types there, so reading gives nothing.
 */
#include "domain/hypercall.h"

#include <errno.h>

#include "backend/console.h"

#include <xen/xen.h>

/* Longer texts are not early boot messages; the rest of them is dropped. */
#define MAX_TEXT 65536

static int64_t write_text(const struct hypercall *h, gva_t text, uint64_t count)
{
    char buf[1024];

    if (count > MAX_TEXT)
        count = MAX_TEXT;
    while (count) {
        size_t n = count < sizeof(buf) ? count : sizeof(buf);

        if (hypercall_read(h, buf, text, n) < 0)
            return -EFAULT;
        console_io_write(h->d, buf, n);
        text += n;
        count -= n;
    }
    return 0;
}

int64_t do_console_io(const struct hypercall *h)
{
    switch ((uint32_t)h->args[0]) {
    case CONSOLEIO_write:
        return write_text(h, h->args[2], (uint32_t)h->args[1]);
    case CONSOLEIO_read:
        return 0;
    default:
        return -ENOSYS;
    }
}
