/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fb.h - a domain's display: the devices vfb and vkbd, and the process that shows them to VNC
 * viewers, which stays over the guest's lives. docs/internals/framebuffer.md
 *
 * All functions are for the main thread, without the domain's lock.
 */
#pragma once

#include "backend/xenbus.h"
#include "base/json.h"
#include "base/loop.h"

struct fb;

/* Before the launcher is made: how the display is to be shown. `object` is `vfb` of the domain's
 * document. 0 or -errno. */
int fb_prepare(const json_t *object, const char *name, domid_t domid, struct err *err) MUST_CHECK;
/* `object` is `vfb` of the domain's document. Returns when viewers can connect. 0 or -errno. */
int fb_create(struct fb **ret, struct loop *loop, const json_t *object, const char *name,
              domid_t domid, struct err *err) MUST_CHECK;
/* NULL is fine. */
void fb_destroy(struct fb *f);

/* A life begins. */
int fb_attach(struct fb *f, struct xenbus *bus, struct err *err) MUST_CHECK;
/* It is over, its xenbus destroyed. */
void fb_detached(struct fb *f);

/* Where viewers connect. Port 0: nowhere. */
const char *fb_address(const struct fb *f);
unsigned int fb_port(const struct fb *f);

/* The picture as it is now, width * height pixels 0x00RRGGBB in a new memory file. Its descriptor
 * or -errno (-ENODATA: the guest has no picture). */
int fb_screenshot(const struct fb *f, uint32_t *width, uint32_t *height, struct err *err);
