/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console.c - see console.h. Ties the guest's ring (console_ring.h) to the outputs
 * (console_out.h).
 *
 * Output stays in the ring only while an attached client is behind and still has patience
 * (console_out_ready()); then `waiting` is set and the main thread ticks until it has moved.
 */
#include "backend/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/console_dmesg.h"
#include "backend/console_out.h"
#include "backend/console_pty.h"
#include "backend/console_ring.h"
#include "backend/console_socket.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/evtchn.h"

#define TICK_MS 100

struct console {
    struct console_out *out;
    struct console_pty *pty;       /* NULL = none */
    struct console_socket *socket; /* likewise */
    struct domain *d;              /* NULL between lives */
    void *page;                    /* the ring; NULL between lives */
    int wake_fd;
    bool waiting;
    bool ring_used;          /* in this life: console_io text is then only a copy of it */
    console_typed_fn *typed; /* a serial port in place of the ring, or NULL */
    void *typed_arg;
    struct console_dmesg dmesg;
};

static void drain(struct console *c, bool patient)
{
    char buf[CONSOLE_RING_OUT];
    bool taken = false;
    int n;

    if (!c->page)
        return;
    c->waiting = false;
    while (console_ring_pending(c->page) != 0) {
        if (patient && !console_out_ready(c->out)) {
            uint64_t one = 1;

            c->waiting = true;
            if (write(c->wake_fd, &one, sizeof(one)) < 0) {
                /* The counter is at its limit: the main thread is awake anyway. */
            }
            break;
        }
        n = console_ring_take(c->page, buf, sizeof(buf));
        if (n < 0) {
            log_guest(LOG_WARN, "backend", "console: impossible ring indices; output dropped");
            break;
        }
        c->ring_used = taken = true;
        console_out_write(c->out, buf, (size_t)n);
        /* A guest that refills the ring as fast as we empty it must not keep us here. */
        if (n < (int)sizeof(buf) / 2)
            break;
    }
    /* Who waits for room, or for the last of it to go, may wait for an event. */
    if (taken)
        evtchn_notify(c->d, c->d->console_port);
}

static size_t on_input(void *arg, const void *buf, size_t n)
{
    struct console *c = arg;
    int put;

    if (c->typed)
        return c->typed(c->typed_arg, buf, n);
    if (!c->page)
        return n; /* nobody there to read it */
    put = console_ring_put(c->page, buf, n);
    if (put < 0) {
        log_guest(LOG_WARN, "backend", "console: impossible ring indices; input waits");
        return 0;
    }
    if (put > 0)
        evtchn_notify(c->d, c->d->console_port);
    return (size_t)put;
}

static void on_drained(void *arg)
{
    struct console *c = arg;

    if (c->waiting)
        drain(c, true);
}

static const struct console_out_ops out_ops = {.input = on_input, .drained = on_drained};

/* Hosts without /dev/pts have consoles, too. */
static void make_pty(struct console *c, const struct console_config *config)
{
    struct err err = {0};

    if (console_pty_create(&c->pty, config, c->out, &err) < 0)
        log_msg(LOG_WARN, "backend", "console without a terminal: %s", err.msg);
}

int console_create(struct console **ret, const struct console_config *config, struct err *err)
{
    struct console *c = calloc(1, sizeof(*c));
    int rc;

    if (!c)
        return err_set(err, ENOMEM, "out of memory");
    c->wake_fd = config->wake_fd;
    rc = console_out_create(&c->out, config, &out_ops, c, err);
    if (rc == 0 && config->socket_path[0])
        rc = console_socket_create(&c->socket, config, c->out, err);
    if (rc < 0) {
        console_destroy(c);
        return rc;
    }
    if (config->pty)
        make_pty(c, config);
    *ret = c;
    return 0;
}

void console_destroy(struct console *c)
{
    if (!c)
        return;
    console_socket_destroy(c->socket);
    console_pty_destroy(c->pty);
    console_out_destroy(c->out);
    free(c);
}

static void on_port(struct domain *d, void *arg)
{
    console_guest_notify(d);
}

int console_attach(struct console *c, struct domain *d, struct err *err)
{
    void *page = ram_frame(&d->ram, d->console_mfn);

    if (!page)
        return err_set(err, EINVAL, "console frame %#llx is not the guest's memory",
                       (unsigned long long)d->console_mfn);
    if (evtchn_set_handler(d, d->console_port, on_port, NULL) < 0)
        return err_set(err, EINVAL, "console port %u cannot be bound", d->console_port);
    c->d = d;
    c->page = page;
    c->waiting = false;
    c->ring_used = false;
    console_ring_connect(page);
    return 0;
}

void console_detach(struct console *c)
{
    drain(c, false);
    c->page = NULL;
    c->d = NULL;
}

void console_guest_notify(struct domain *d)
{
    drain(d->console, true);
    console_out_resume_input(d->console->out);
}

/* The hypercall's text goes to a terminal here, on real machines to a line printer of sorts:
 * its lines end with a bare newline. */
static void write_with_returns(struct console *c, const char *buf, size_t n)
{
    while (n > 0) {
        const char *newline = memchr(buf, '\n', n);
        size_t part = newline ? (size_t)(newline - buf) : n;

        console_out_write(c->out, buf, part);
        if (!newline)
            break;
        console_out_write(c->out, part > 0 && buf[part - 1] == '\r' ? "\n" : "\r\n",
                          part > 0 && buf[part - 1] == '\r' ? 1 : 2);
        buf += part + 1;
        n -= part + 1;
    }
}

void console_io_write(struct domain *d, const void *buf, size_t n)
{
    console_dmesg_guest(&d->console->dmesg, d->domid, buf, n);
    /* Guests that print early through the hypercall print the same text to the ring as soon
     * as they have one; showing both would double every line. */
    if (!d->console->ring_used)
        write_with_returns(d->console, buf, n);
}

void console_set_port(struct console *c, console_typed_fn *typed, void *arg)
{
    c->typed = typed;
    c->typed_arg = arg;
}

void console_resume_input(struct console *c)
{
    console_out_resume_input(c->out);
}

void console_print(struct console *c, const void *buf, size_t n)
{
    console_out_write(c->out, buf, n);
}

bool console_is_ready(struct console *c)
{
    return console_out_ready(c->out);
}

void console_dmesg_printf(struct console *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    console_dmesg_vprintf(&c->dmesg, fmt, ap);
    va_end(ap);
}

char *console_dmesg_text(struct console *c, bool clear)
{
    char *text = malloc(c->dmesg.used + 1);

    if (!text)
        return NULL;
    memcpy(text, c->dmesg.text, c->dmesg.used);
    text[c->dmesg.used] = '\0';
    if (clear)
        c->dmesg.used = 0;
    return text;
}

int console_add_client(struct console *c, int fd)
{
    return console_out_add_client(c->out, fd);
}

bool console_is_full(const struct console *c)
{
    return console_out_is_full(c->out);
}

const char *console_tty(const struct console *c)
{
    return c->pty ? console_pty_path(c->pty) : "";
}

int console_tick(struct console *c)
{
    if (c->waiting)
        drain(c, true);
    return c->waiting ? TICK_MS : -1;
}

bool console_is_flushed(const struct console *c)
{
    return console_out_is_flushed(c->out);
}
