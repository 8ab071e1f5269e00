/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fb_config.c - see fb_config.h.
 */
#include "backend/fb/fb_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_DISPLAY (65535 - 5900)
#define MAX_VIDEORAM 64

static int take_text(const json_t *object, const char *key, const char *otherwise, char *to,
                     size_t size, struct err *err)
{
    const char *text = json_get_string(object, key, otherwise);

    if (strlen(text) >= size)
        return err_set(err, EINVAL, "vfb: %s: '%.60s' is too long", key, text);
    memcpy(to, text, strlen(text) + 1);
    return 0;
}

int fb_config_parse(struct fb_config *c, const json_t *object, const char *name, domid_t domid,
                    struct err *err)
{
    json_int_t display, videoram = json_get_int(object, "videoram", 0);
    int rc;

    memset(c, 0, sizeof(*c));
    c->unused = json_get_bool(object, "unused", true);
    display = json_get_int(object, "display", c->unused ? 0 : domid);
    if (display < 0 || display > MAX_DISPLAY)
        return err_set(err, EINVAL, "vfb: display %lld is not within 0..%d", (long long)display,
                       MAX_DISPLAY);
    if (videoram < 0 || videoram > MAX_VIDEORAM)
        return err_set(err, EINVAL, "vfb: videoram %lld is not within 0..%d", (long long)videoram,
                       MAX_VIDEORAM);
    c->display = (unsigned int)display;
    c->videoram = (unsigned int)videoram;
    snprintf(c->title, sizeof(c->title), "%s", name);
    rc = take_text(object, "listen", "127.0.0.1", c->listen, sizeof(c->listen), err);
    if (rc == 0)
        rc = take_text(object, "password", "", c->password, sizeof(c->password), err);
    if (rc == 0)
        rc = take_text(object, "keymap", "en-us", c->keymap, sizeof(c->keymap), err);
    return rc;
}
