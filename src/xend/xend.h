/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xend.h - the daemon's one object and its parts. Everything happens on one thread in one
 * sd-event loop, and nothing in it waits: long work is done by child processes (child.h).
 *
 * xend keeps nothing that it could lose. Which domains live is told by the run directory
 * (toolstack/registry.h), which are managed by the files of toolstack/managed.h; at its start
 * and whenever these change it looks again. Killing it at any moment therefore costs nothing
 * but its clients' connections.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/types.h"

struct server;
struct succession;
struct table;

#define XEND_MAX_LISTENERS 8

struct xend {
    sd_event *event;
    struct server *server;
    struct table *table;
    unsigned int nr_children;
    struct succession *successions; /* to be started when it is time */
    bool on_demand;                 /* ends by itself when there is nothing to look after */
    bool stopping;
    sd_event_source *idle_timer;
    sd_event_source *listeners[XEND_MAX_LISTENERS]; /* of the relocation server */
    unsigned int nr_listeners, arrivals;
};

/* Something has gone: look in a while whether anybody still needs us. */
void xend_maybe_idle(struct xend *x);
