/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fbif.h - the shared page of a PV framebuffer (struct xenfb_page) and the pixels that it names,
 * seen from the backend. The guest may write the page at any time: geometry and page directory
 * are copied and checked when it is opened, events one by one as they are taken; nothing is read
 * again. Pixels are any bytes at all.
 */
#pragma once

#include "backend/fb/fb_msg.h"
#include "base/err.h"
#include "base/types.h"
#include "engine/ram.h"

#include <xen/io/fbif.h>

#define FB_MAX_BYTES (64u << 20) /* of the guest's framebuffer, hidden parts included */

struct fb_rect {
    uint32_t x, y, width, height; /* nothing if width is 0 */
};

struct fbif_mode {
    uint32_t width, height, stride, offset; /* pixels; bytes */
    uint32_t depth;                         /* 8, 16, 24, 32 bits */
};

struct fbif {
    struct xenfb_page *page;
    struct fbif_mode mode;
    uint32_t mem_length;
    const uint8_t **frames; /* of the framebuffer; memory of the guest as long as its life lasts */
};

/* max_bytes: at most so much memory may be named, 0 = FB_MAX_BYTES. 0 or -errno: *f needs no
 * fbif_close(). */
int fbif_open(struct fbif *f, const struct ram *ram, struct xenfb_page *page, uint32_t max_bytes,
              struct err *err) MUST_CHECK;
void fbif_close(struct fbif *f);

/* Take one event. 1: *changed has to be shown anew (after a change of f->mode: all of it), may be
 * nothing. 0: there is none. -errno: the guest broke the protocol. */
int fbif_next(struct fbif *f, struct fb_rect *changed, struct err *err) MUST_CHECK;

/* Copy a part of the picture to `to`, a picture of f->mode's size with pixels 0x00RRGGBB. The
 * rectangle is cut to the picture. */
void fbif_copy(const struct fbif *f, const struct fb_rect *part, uint32_t *to);

/* The smallest rectangle around both. */
void fb_rect_add(struct fb_rect *to, const struct fb_rect *r);
