/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_out.h - where console output goes: log file (rotated by size), backlog, clients.
 *
 * A client that does not read gets at most CONSOLE_STALL_MS of patience, during which
 * console_out_ready() asks the ring to wait; then its output is dropped until it has caught
 * up, and a note says how much. The guest is thus never blocked for long, and a client that
 * does read loses nothing.
 *
 * Locking: as console.h. Internal to the console.
 */
#pragma once

#include "backend/console.h"
#include "base/err.h"
#include "base/types.h"

#define CONSOLE_BACKLOG (64u * 1024)
#define CONSOLE_QUEUE (256u * 1024)
#define CONSOLE_STALL_MS 1000
#define CONSOLE_MAX_CLIENTS 16

struct console_out;

struct console_out_ops {
    /* A client typed; returns how many bytes were taken (the rest is offered again after
     * console_out_resume_input()). Lock held. */
    size_t (*input)(void *arg, const void *buf, size_t n);
    /* A client has caught up: console_out_ready() may be true again. Lock held. */
    void (*drained)(void *arg);
};

/* Uses loop, lock and log of *config. */
int console_out_create(struct console_out **ret, const struct console_config *config,
                       const struct console_out_ops *ops, void *arg, struct err *err) MUST_CHECK;
void console_out_destroy(struct console_out *o); /* NULL is fine; main thread */

void console_out_write(struct console_out *o, const void *buf, size_t n);
/* False: some client is behind and still has patience left. */
bool console_out_ready(struct console_out *o);
bool console_out_is_flushed(const struct console_out *o);
/* One of the clients is a terminal. */
bool console_out_has_terminal(const struct console_out *o);
/* Nobody has it open any more. Main thread. */
void console_out_remove_terminal(struct console_out *o);
bool console_out_is_full(const struct console_out *o);
/* A socket or the master of a pseudo terminal; taken on success. 0 or -errno. */
int console_out_add_client(struct console_out *o, int fd) MUST_CHECK;
/* Offer typed bytes that were not taken before. */
void console_out_resume_input(struct console_out *o);
