/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * attach.c - see attach.h.
 */
#define _GNU_SOURCE
#include "xm/attach.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "xm/terminal.h"

static char escape_char = 0x1d; /* Ctrl-] */

struct attach {
    int fd;
    bool terminal; /* on standard input */
    bool input_open;
    bool left;
    char typed[512];
    size_t typed_used;
};

/* Standard input to the buffer; the escape character ends everything. So does a terminal that is
 * gone, which reads as an end: SIGHUP does not reach us where the session's leader keeps it. */
static void read_input(struct attach *a)
{
    ssize_t n = read(STDIN_FILENO, a->typed, sizeof(a->typed));
    const char *escape;

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        a->input_open = false;
        a->left = n == 0 && a->terminal;
        return;
    }
    escape = memchr(a->typed, escape_char, (size_t)n);
    a->left = escape != NULL;
    a->typed_used = escape ? (size_t)(escape - a->typed) : (size_t)n;
}

static void write_input(struct attach *a)
{
    ssize_t n = send(a->fd, a->typed, a->typed_used, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n <= 0)
        return;
    memmove(a->typed, a->typed + n, a->typed_used - (size_t)n);
    a->typed_used -= (size_t)n;
}

/* False at the console's end or when standard output fails. */
static bool copy_output(struct attach *a, enum attach_end *ret)
{
    char buf[16384];
    ssize_t n = recv(a->fd, buf, sizeof(buf), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    *ret = ATTACH_ENDED;
    if (n <= 0)
        return false;
    *ret = ATTACH_NO_OUTPUT;
    return io_write_all(STDOUT_FILENO, buf, (size_t)n) == 0;
}

static enum attach_end pump(struct attach *a)
{
    enum attach_end end = ATTACH_LEFT;

    while (!a->left || a->typed_used > 0) {
        struct pollfd pfd[2] = {
            {.fd = a->fd, .events = (short)(POLLIN | (a->typed_used ? POLLOUT : 0))},
            {.fd = a->input_open && !a->typed_used && !a->left ? STDIN_FILENO : -1,
             .events = POLLIN},
        };

        if (poll(pfd, 2, -1) < 0)
            continue;
        if (pfd[1].revents)
            read_input(a);
        if (pfd[0].revents & POLLOUT)
            write_input(a);
        if ((pfd[0].revents & (POLLIN | POLLHUP | POLLERR)) && !copy_output(a, &end))
            return end;
    }
    return ATTACH_LEFT;
}

int attach_set_escape(const char *text)
{
    size_t len = strlen(text);

    if (len == 1)
        escape_char = text[0];
    else if (len == 2 && text[0] == '^' && toupper((unsigned char)text[1]) >= '@' &&
             toupper((unsigned char)text[1]) <= '_')
        escape_char = (char)(toupper((unsigned char)text[1]) - '@');
    else
        return -EINVAL;
    return 0;
}

enum attach_end attach_console(int fd)
{
    struct attach a = {.fd = fd, .terminal = isatty(STDIN_FILENO), .input_open = true};
    enum attach_end end;

    terminal_raw();
    end = pump(&a);
    terminal_restore();
    if (end == ATTACH_LEFT && isatty(STDOUT_FILENO))
        fputc('\n', stderr);
    return end;
}

void attach_hint(const char *name)
{
    bool control = (unsigned char)escape_char < ' ';

    if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
        fprintf(stderr, "Console of %s; %s%c leaves it, the domain goes on.\n", name,
                control ? "Ctrl-" : "", control ? escape_char + '@' : escape_char);
}
