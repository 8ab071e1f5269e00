/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vkbd.h - the device `vkbd`: keyboard and pointer of a guest. Events that its ring has no room
 * for wait in a queue; when that is nearly full only keys that are let go are added.
 *
 * All functions are for the main thread, without the domain's lock.
 */
#pragma once

#include "backend/xenbus.h"

struct vkbd;

int vkbd_create(struct vkbd **ret, struct err *err) MUST_CHECK;
/* Not while attached. NULL is fine. */
void vkbd_destroy(struct vkbd *v);

int vkbd_attach(struct vkbd *v, struct xenbus *bus, struct err *err) MUST_CHECK;
/* The life is over, its xenbus destroyed. */
void vkbd_detached(struct vkbd *v);

/* Without a guest that listens these do nothing. A key is a Linux input code, so is a button of
 * the pointer (BTN_LEFT...). */
void vkbd_key(struct vkbd *v, uint32_t code, bool pressed);
/* Pixels from the picture's top left; wheel: clicks away from the user. */
void vkbd_pointer(struct vkbd *v, int32_t x, int32_t y, int32_t wheel);
