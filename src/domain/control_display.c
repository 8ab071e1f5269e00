/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control_display.c - verbs of the control socket about a domain's display: where viewers connect,
 * and what is on it.
 */
#include <errno.h>
#include <unistd.h>

#include "backend/fb/fb.h"
#include "domain/control_verbs.h"
#include "domain/devices.h"
#include "domain/process.h"

/* NULL, and an answer, if there is none. */
static struct fb *need_fb(struct connection *cn)
{
    const struct process *p = control_process(cn);
    struct fb *fb = devices_fb(p->d.devices);
    struct err err = {0};

    if (!fb)
        control_answer_result(
            cn, err_set(&err, ENODEV, "domain '%s' has no display (vfb in its config)", p->d.name),
            &err);
    return fb;
}

void control_display(struct connection *cn, const json_t *request)
{
    const struct fb *fb = need_fb(cn);

    if (fb)
        control_answer(cn, json_pack("{s:b, s:s, s:i}", "ok", 1, "address", fb_address(fb), "port",
                                     (int)fb_port(fb)));
}

void control_screenshot(struct connection *cn, const json_t *request)
{
    const struct fb *fb = need_fb(cn);
    struct err err = {0};
    uint32_t width, height;
    int fd;

    if (!fb)
        return;
    fd = fb_screenshot(fb, &width, &height, &err);
    if (fd < 0) {
        control_answer_result(cn, fd, &err);
        return;
    }
    control_answer(
        cn, json_pack("{s:b, s:i, s:i}", "ok", 1, "width", (int)width, "height", (int)height));
    control_send_fd(cn, fd);
    close(fd);
}
