/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console.h - a domain's console: what the guest prints (PV console ring and the console_io
 * hypercall) goes to a log file, to a backlog for those who attach later, and to attached
 * clients; what clients type goes to the guest's ring. Clients come over the control socket
 * (console_add_client()), a socket of the console's own, and a pseudo terminal.
 *
 * A console outlives its guest: it is made when the domain process starts, attached to each
 * life of the domain (a reboot is a new life) and destroyed at the very end, so that clients
 * see a reboot as one stream and nobody misses the last words.
 *
 * Locking: everything here is called with domain.lock held, except where stated.
 */
#pragma once

#include <pthread.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/types.h"

struct console;
struct domain;

struct console_config {
    struct loop *loop;     /* the main thread's; watches the clients */
    pthread_mutex_t *lock; /* domain.lock, taken by the loop's callbacks */
    int wake_fd;           /* eventfd, written when the main thread should call
                              console_tick() soon */
    const char *log_path;  /* "" = no log */
    uint64_t log_size;     /* bytes, then it is rotated; 0 = never */
    unsigned int log_keep; /* old files PATH.1..PATH.N */
    /* Where to listen for clients that speak no protocol but text; "" = nowhere. What is there
     * is replaced. */
    const char *socket_path;
    bool pty; /* make a pseudo terminal */
};

/* 0 or -errno. No lock needed. */
int console_create(struct console **ret, const struct console_config *config,
                   struct err *err) MUST_CHECK;
/* Closes clients and log. Main thread, no lock needed; NULL is fine. */
void console_destroy(struct console *c);

/* A new life of the domain: its ring is d->console_mfn, its event d->console_port, whose
 * handler this sets. -EINVAL when the guest has no such frame or port. */
int console_attach(struct console *c, struct domain *d, struct err *err) MUST_CHECK;
/* The end of a life: takes the last output out of the ring. Its vCPUs must be stopped. */
void console_detach(struct console *c);

/* The guest signalled its console port (d->console is attached). */
void console_guest_notify(struct domain *d);
/* Text from the console_io hypercall. */
void console_io_write(struct domain *d, const void *buf, size_t n);
/* A guest without a ring has a serial port. What clients type goes to `typed`, which returns how
 * much it took (the rest comes again after console_resume_input()), with the lock held; NULL: to
 * nobody. */
typedef size_t console_typed_fn(void *arg, const void *buf, size_t n);
void console_set_port(struct console *c, console_typed_fn *typed, void *arg);
void console_resume_input(struct console *c);
/* What it prints. While console_is_ready() says no, a client is behind and has patience left. */
void console_print(struct console *c, const void *buf, size_t n);
bool console_is_ready(struct console *c);
/* The hypervisor's own log of this domain, `xm dmesg`: add a line (no newline in it)... */
void console_dmesg_printf(struct console *c, const char *fmt, ...) PRINTF_FMT(2, 3);
/* ...and read it: new NUL-terminated text, NULL when out of memory; `clear` empties it. */
char *console_dmesg_text(struct console *c, bool clear);

/* Hand a connected stream socket over as a client; it gets the backlog first. Takes fd on
 * success. Main thread. 0 or -errno; -EBUSY when there are CONSOLE_MAX_CLIENTS. */
int console_add_client(struct console *c, int fd) MUST_CHECK;
bool console_is_full(const struct console *c);
/* Path of the pseudo terminal, "" = there is none. No lock needed. */
const char *console_tty(const struct console *c);

/* Main thread, when woken: moves on what waited for slow clients. Returns the milliseconds
 * after which it wants to be called again, -1 = only when woken. */
int console_tick(struct console *c);

/* All clients have everything that was printed. */
bool console_is_flushed(const struct console *c);
