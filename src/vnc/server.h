/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * server.h - the picture shown to viewers, by libvncserver; what they do becomes messages of
 * fb_msg.h. Everything that a viewer sends is hostile: the library is the first to look at it,
 * this process is the wall around the library (jail_policy.h).
 *
 * One thread. A viewer that sends half a message, or does not read, holds the others up for a
 * second at most, then it is dropped.
 */
#pragma once

#include <poll.h>

#include "base/err.h"
#include "vnc/keymap.h"

#define SERVER_MAX_VIEWERS 16

struct server_config {
    const char *title, *password; /* password "" = none */
    const struct keymap *keymap;
    /* Called for each key and pointer event. */
    void (*key)(uint32_t code, bool pressed);
    void (*pointer)(int32_t x, int32_t y, int32_t wheel);
};

/* Once. *config and what it points to are kept. 0 or -errno. */
int server_init(const struct server_config *config, struct err *err) MUST_CHECK;

/* A viewer; takes fd. */
void server_add(int fd);
unsigned int server_viewers(void);
/* What to wait for: fills entries, returns their number. */
unsigned int server_poll(struct pollfd fds[static SERVER_MAX_VIEWERS]);
/* Read what viewers sent, send them what they wait for. */
void server_run(void);

/* The picture has changed there. `picture` is width * height pixels, 0x00RRGGBB, in memory that
 * somebody else writes; it is read now and not later. Sizes are within FB_MAX_SIDE, not 0; the
 * rectangle is cut. */
void server_show(const uint32_t *picture, uint32_t width, uint32_t height, const int32_t rect[4]);
