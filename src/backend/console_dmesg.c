/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_dmesg.c - see console_dmesg.h.
 */
#include "backend/console_dmesg.h"

#include <stdio.h>
#include <string.h>

/* Drop whole lines from the front until n bytes fit. */
static void make_room(struct console_dmesg *m, size_t n)
{
    size_t need, cut;
    const char *end;

    if (m->used + n <= sizeof(m->text))
        return;
    need = m->used + n - sizeof(m->text);
    end = memchr(m->text + need, '\n', m->used - need);
    cut = end ? (size_t)(end + 1 - m->text) : m->used;
    memmove(m->text, m->text + cut, m->used - cut);
    m->used -= cut;
}

static void append(struct console_dmesg *m, const char *buf, size_t n)
{
    if (n > sizeof(m->text) / 4)
        n = sizeof(m->text) / 4;
    make_room(m, n);
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)buf[i];

        if (ch == '\r')
            continue;
        m->text[m->used++] = (ch < ' ' && ch != '\n' && ch != '\t') || ch >= 0x7f ? '?' : (char)ch;
    }
}

void console_dmesg_vprintf(struct console_dmesg *m, const char *fmt, va_list ap)
{
    char line[1024];
    int n = snprintf(line, sizeof(line), "%s(XEN) ", m->in_guest_line ? "\n" : "");
    int r = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);

    if (r > 0)
        n += r;
    if (n > (int)sizeof(line) - 2)
        n = (int)sizeof(line) - 2;
    line[n++] = '\n';
    append(m, line, (size_t)n);
    m->in_guest_line = false;
}

void console_dmesg_guest(struct console_dmesg *m, domid_t domid, const char *buf, size_t n)
{
    while (n > 0) {
        const char *end = memchr(buf, '\n', n);
        size_t part = end ? (size_t)(end + 1 - buf) : n;
        char prefix[16];

        if (!m->in_guest_line) {
            int len = snprintf(prefix, sizeof(prefix), "(d%u) ", domid);

            append(m, prefix, (size_t)len);
        }
        append(m, buf, part);
        m->in_guest_line = !end;
        buf += part;
        n -= part;
    }
}
