/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vfb.h - the device `vfb`, a PV framebuffer: its entries in the store while a life is going on,
 * and which part of its picture has changed.
 *
 * All functions are for the main thread, without the domain's lock.
 */
#pragma once

#include "backend/fb/fb_config.h"
#include "backend/fb/fbif.h"
#include "backend/xenbus.h"
#include "base/loop.h"

struct vfb;

/* The picture has changed: vfb_take_changed() has something. */
typedef void vfb_changed_fn(void *arg);

/* *config is borrowed. 0 or -errno. */
int vfb_create(struct vfb **ret, struct loop *loop, const struct fb_config *config,
               vfb_changed_fn *changed, void *arg, struct err *err) MUST_CHECK;
/* Not while attached. NULL is fine. */
void vfb_destroy(struct vfb *v);

/* Show the device to the guest; `port` is the viewers'. 0 or -errno. */
int vfb_attach(struct vfb *v, struct xenbus *bus, unsigned int port, struct err *err) MUST_CHECK;
/* The life is over, its xenbus destroyed. */
void vfb_detached(struct vfb *v);

/* Size of the picture; false: the guest has none. */
bool vfb_size(const struct vfb *v, uint32_t *width, uint32_t *height);
/* The part that has changed since the last call; false: nothing has. */
bool vfb_take_changed(struct vfb *v, struct fb_rect *ret);
/* All of it has, as far as viewers are concerned. */
void vfb_change_all(struct vfb *v);
/* Does the guest say when it changes something? Else everything may have changed at any time. */
bool vfb_tells(const struct vfb *v);
/* As fbif_copy(); there must be a picture. */
void vfb_copy(const struct vfb *v, const struct fb_rect *part, uint32_t *to);
