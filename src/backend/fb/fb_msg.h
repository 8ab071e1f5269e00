/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fb_msg.h - what a domain process and its xenolith-vnc say to each other, in packets over a
 * socket pair. The picture lies in a memory file of FB_PICTURE_BYTES that both have mapped,
 * line after line of pixels 0x00RRGGBB without gaps.
 *
 * The domain process changes the picture only between SHOWN and the next SHOW, so that one picture
 * and no queue is between them, however slow the viewers are.
 *
 * xenolith-vnc reads what people in the network send. The domain process believes it nothing but
 * that a key is pressed: every value is checked.
 */
#pragma once

#include "base/types.h"

#define FB_MAX_SIDE 4096u /* pixels */
#define FB_PICTURE_BYTES (4u * FB_MAX_SIDE * FB_MAX_SIDE)
#define FB_MAX_KEY 0x2ffu /* of Linux' input codes */

enum fb_msg_type {
    FB_MSG_READY,   /* to D: listening; arg: port */
    FB_MSG_FAILED,  /* to D: cannot start; text */
    FB_MSG_SHOW,    /* from D; arg: width and height of the picture; x, y, width, height changed */
    FB_MSG_SHOWN,   /* to D: done with that */
    FB_MSG_KEY,     /* to D; arg: code, 1 = pressed */
    FB_MSG_POINTER, /* to D; arg: x, y, clicks of the wheel away from the user */
};

struct fb_msg {
    uint32_t type;
    int32_t arg[6];
    char text[228]; /* FAILED: a sentence */
};

/* Descriptors that xenolith-vnc is started with. Standard error is the domain's log. */
enum { FB_VNC_SOCKET = 3, FB_VNC_PICTURE = 4, FB_VNC_CONFIG = 5 };
