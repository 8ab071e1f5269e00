/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vnc.h - the domain process's end of xenolith-vnc (src/vnc), the process that shows a domain's
 * picture to VNC viewers. Started before the domain process goes to jail, by the launcher; should
 * it end by itself, it is started again on the same port.
 *
 * Main thread.
 */
#pragma once

#include "backend/fb/fb_config.h"
#include "backend/fb/fb_msg.h"
#include "backend/fb/fbif.h"
#include "base/loop.h"

struct vnc;

struct vnc_ops {
    void (*key)(void *arg, uint32_t code, bool pressed);
    void (*pointer)(void *arg, int32_t x, int32_t y, int32_t wheel);
    /* vnc_show() is possible again. `anew`: nothing is left of what was shown before. */
    void (*shown)(void *arg, bool anew);
};

/* For launcher_start(). */
void vnc_exec(const int *fds, unsigned int nr_fds);

/* Before the launcher is made (base/launcher.h): what the server will be told, whoever asks for it
 * later. *config is copied. */
void vnc_fix(const struct fb_config *config);

/* Returns when it listens. *config is borrowed. 0 or -errno. */
int vnc_create(struct vnc **ret, struct loop *loop, const struct fb_config *config,
               const struct vnc_ops *ops, void *arg, struct err *err) MUST_CHECK;
void vnc_destroy(struct vnc *v); /* NULL is fine */

/* 0 if nobody listens (any more). */
unsigned int vnc_port(const struct vnc *v);
/* The picture, if it may be changed now; else NULL. */
uint32_t *vnc_picture(struct vnc *v);
/* Show what has been written to it. */
void vnc_show(struct vnc *v, uint32_t width, uint32_t height, const struct fb_rect *changed);
