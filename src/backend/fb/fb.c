/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fb.c - see fb.h. Changes of the picture are copied when the viewers' process is ready for them,
 * and only then.
 */
#define _GNU_SOURCE
#include "backend/fb/fb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/fb/vfb.h"
#include "backend/fb/vkbd.h"
#include "backend/fb/vnc.h"
#include "base/cleanup.h"

struct fb {
    struct fb_config config;
    struct vfb *vfb;
    struct vkbd *vkbd;
    struct vnc *vnc;
};

static void show_changes(struct fb *f)
{
    uint32_t *picture = vnc_picture(f->vnc);
    uint32_t width, height;
    struct fb_rect changed;

    if (!picture || !vfb_size(f->vfb, &width, &height) || !vfb_take_changed(f->vfb, &changed))
        return;
    vfb_copy(f->vfb, &changed, picture);
    vnc_show(f->vnc, width, height, &changed);
}

static void on_changed(void *arg)
{
    show_changes(arg);
}

static void on_key(void *arg, uint32_t code, bool pressed)
{
    struct fb *f = arg;

    vkbd_key(f->vkbd, code, pressed);
}

static void on_pointer(void *arg, int32_t x, int32_t y, int32_t wheel)
{
    struct fb *f = arg;

    vkbd_pointer(f->vkbd, x, y, wheel);
}

static void on_shown(void *arg, bool anew)
{
    struct fb *f = arg;

    if (anew || !vfb_tells(f->vfb))
        vfb_change_all(f->vfb);
    show_changes(f);
}

static const struct vnc_ops vnc_ops = {.key = on_key, .pointer = on_pointer, .shown = on_shown};

int fb_prepare(const json_t *object, const char *name, domid_t domid, struct err *err)
{
    struct fb_config config;
    int rc = fb_config_parse(&config, object, name, domid, err);

    if (rc == 0)
        vnc_fix(&config);
    return rc;
}

int fb_create(struct fb **ret, struct loop *loop, const json_t *object, const char *name,
              domid_t domid, struct err *err)
{
    struct fb *f = calloc(1, sizeof(*f));
    int rc = f ? fb_config_parse(&f->config, object, name, domid, err)
               : err_set(err, ENOMEM, "out of memory");

    if (rc == 0)
        rc = vfb_create(&f->vfb, loop, &f->config, on_changed, f, err);
    if (rc == 0)
        rc = vkbd_create(&f->vkbd, err);
    if (rc == 0)
        rc = vnc_create(&f->vnc, loop, &f->config, &vnc_ops, f, err);
    if (rc < 0) {
        fb_destroy(f);
        return rc;
    }
    *ret = f;
    return 0;
}

void fb_destroy(struct fb *f)
{
    if (!f)
        return;
    vnc_destroy(f->vnc);
    vkbd_destroy(f->vkbd);
    vfb_destroy(f->vfb);
    free(f);
}

int fb_attach(struct fb *f, struct xenbus *bus, struct err *err)
{
    int rc = vfb_attach(f->vfb, bus, vnc_port(f->vnc), err);

    return rc < 0 ? rc : vkbd_attach(f->vkbd, bus, err);
}

void fb_detached(struct fb *f)
{
    vfb_detached(f->vfb);
    vkbd_detached(f->vkbd);
}

const char *fb_address(const struct fb *f)
{
    return f->config.listen;
}

unsigned int fb_port(const struct fb *f)
{
    return vnc_port(f->vnc);
}

int fb_screenshot(const struct fb *f, uint32_t *width, uint32_t *height, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    size_t size;
    void *picture;

    if (!vfb_size(f->vfb, width, height))
        return err_set(err, ENODATA, "the guest has not set up its display");
    size = (size_t)*width * *height * sizeof(uint32_t);
    fd = memfd_create("screenshot", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        return err_set(err, errno, "no memory for a picture: %s", strerror(errno));
    picture = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (picture == MAP_FAILED)
        return err_set(err, errno, "no memory for a picture: %s", strerror(errno));
    vfb_copy(f->vfb, &(struct fb_rect){0, 0, *width, *height}, picture);
    munmap(picture, size);
    return STEAL_FD(fd);
}
