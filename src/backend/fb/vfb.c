/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vfb.c - see vfb.h. The guest's signal wakes the main thread, which alone looks at the shared
 * page.
 */
#include "backend/fb/vfb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "domain/domain.h"
#include "domain/evtchn.h"

#define MAX_PORT 131071
/* Events that are taken in one go: who fills the ring as fast as it is emptied waits. */
#define MAX_EVENTS (4 * (int)XENFB_OUT_RING_LEN)

struct vfb {
    const struct fb_config *config;
    vfb_changed_fn *changed_fn;
    void *arg;
    int wake_fd; /* eventfd: the guest has signalled */
    struct loop_watch *watch;
    struct domain *d; /* NULL while not attached, like dev */
    struct xenbus_device *dev;
    struct fbif fbif; /* while connected, and until the guest breaks the protocol */
    bool open, tells;
    port_t port;
    struct fb_rect changed;
};

static void wake(const struct vfb *v)
{
    uint64_t one = 1;

    if (write(v->wake_fd, &one, sizeof(one)) < 0) {
        /* The counter is at its limit: the main thread is awake anyway. */
    }
}

/* On a vCPU's thread, lock held. */
static void on_port(struct domain *d, void *arg)
{
    wake(arg);
}

static void close_page(struct vfb *v)
{
    if (v->open)
        fbif_close(&v->fbif);
    v->open = false;
    v->changed = (struct fb_rect){0};
}

static void on_wake(void *arg, uint32_t events)
{
    struct vfb *v = arg;
    struct err err = {0};
    uint64_t count;
    int taken = 0, rc = 0;

    if (read(v->wake_fd, &count, sizeof(count)) < 0 || !v->open)
        return;
    while (taken < MAX_EVENTS) {
        struct fb_rect changed;

        rc = fbif_next(&v->fbif, &changed, &err);
        if (rc <= 0)
            break;
        fb_rect_add(&v->changed, &changed);
        taken++;
    }
    if (rc > 0)
        wake(v);
    if (rc < 0) {
        close_page(v);
        xenbus_fatal(v->dev, "%s", err.msg);
    } else if (taken > 0) {
        v->changed_fn(v->arg);
    }
}

/* --- xenbus operations ------------------------------------------------------------------ */

static int init(struct xenbus_device *dev, void *arg, struct err *err)
{
    const struct vfb *v = arg;
    int rc = xenbus_printf(dev, "feature-resize", "1");

    if (rc == 0)
        rc = xenbus_printf(dev, "request-update", "1");
    if (rc == 0 && v->config->videoram)
        rc = xenbus_printf(dev, "videoram", "%u", v->config->videoram);
    return rc < 0 ? err_set(err, -rc, "xenstored refuses its features: %s", strerror(-rc)) : 0;
}

static int check_protocol(struct xenbus_device *dev, struct err *err)
{
    char *protocol = xenbus_front_string(dev, "protocol");
    int rc =
        !protocol || strcmp(protocol, "x86_64-abi") == 0
            ? 0
            : err_set(err, ENOTSUP, "the frontend's protocol '%.40s' is not supported", protocol);

    free(protocol);
    return rc;
}

static int bind_port(struct vfb *v, port_t port, evtchn_handler *fn)
{
    int rc;

    pthread_mutex_lock(&v->d->lock);
    rc = evtchn_set_handler(v->d, port, fn, v);
    pthread_mutex_unlock(&v->d->lock);
    return rc;
}

static int connect(struct xenbus_device *dev, void *arg, struct err *err)
{
    struct vfb *v = arg;
    uint64_t mfn = 0, port = 0, tells = 0;
    void *page = NULL;
    int rc = check_protocol(dev, err);

    if (rc == 0)
        rc = xenbus_front_need(dev, "page-ref", UINT64_MAX, &mfn, err);
    if (rc == 0)
        rc = xenbus_front_need(dev, "event-channel", MAX_PORT, &port, err);
    if (rc == 0)
        rc = xenbus_front_number(dev, "feature-update", UINT32_MAX, 0, &tells, err);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&v->d->lock); /* frames come and go with the balloon */
    page = ram_frame(&v->d->ram, mfn);
    rc = page ? fbif_open(&v->fbif, &v->d->ram, page, v->config->videoram << 20, err)
              : err_set(err, EINVAL, "frame %llu is not the guest's", (unsigned long long)mfn);
    pthread_mutex_unlock(&v->d->lock);
    if (rc < 0)
        return rc;
    if (bind_port(v, (port_t)port, on_port) < 0) {
        fbif_close(&v->fbif);
        return err_set(err, EINVAL, "port %llu cannot be bound", (unsigned long long)port);
    }
    v->port = (port_t)port;
    v->open = true;
    v->tells = tells != 0;
    vfb_change_all(v);
    log_guest(LOG_INFO, "backend", "vfb: %ux%u pixels of %u bits", v->fbif.mode.width,
              v->fbif.mode.height, v->fbif.mode.depth);
    wake(v); /* events that came before */
    v->changed_fn(v->arg);
    return 0;
}

static void disconnect(struct xenbus_device *dev, void *arg)
{
    struct vfb *v = arg;

    (void)bind_port(v, v->port, NULL);
    close_page(v);
}

/* Not `removed`: it is never unplugged. */
static const struct xenbus_ops vfb_ops = {
    .type = "vfb",
    .init = init,
    .connect = connect,
    .disconnect = disconnect,
};

/* --- life ------------------------------------------------------------------------------- */

int vfb_create(struct vfb **ret, struct loop *loop, const struct fb_config *config,
               vfb_changed_fn *changed, void *arg, struct err *err)
{
    struct vfb *v = calloc(1, sizeof(*v));

    if (!v)
        return err_set(err, ENOMEM, "out of memory");
    *v = (struct vfb){.config = config, .changed_fn = changed, .arg = arg};
    v->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (v->wake_fd >= 0)
        v->watch = loop_add(loop, v->wake_fd, EPOLLIN, on_wake, v);
    if (!v->watch) {
        vfb_destroy(v);
        return err_set(err, ENOMEM, "out of memory or descriptors");
    }
    *ret = v;
    return 0;
}

void vfb_destroy(struct vfb *v)
{
    if (!v)
        return;
    loop_remove(v->watch);
    if (v->wake_fd >= 0)
        close(v->wake_fd);
    free(v);
}

int vfb_attach(struct vfb *v, struct xenbus *bus, unsigned int port, struct err *err)
{
    const struct fb_config *c = v->config;
    char location[80], display[16], number[16];
    const struct xenbus_key front[] = {{0}};
    const struct xenbus_key back[] = {
        {"domain", c->title},    {"vnc", "1"},           {"vnclisten", c->listen},
        {"vncdisplay", display}, {"vncport", number},    {"vncunused", c->unused ? "1" : "0"},
        {"keymap", c->keymap},   {"location", location}, {0}};

    snprintf(display, sizeof(display), "%u", port - 5900);
    snprintf(number, sizeof(number), "%u", port);
    snprintf(location, sizeof(location), "%s:%u", c->listen, port);
    v->d = xenbus_bus_domain(bus);
    return xenbus_add(bus, &vfb_ops, v, 0, front, back, &v->dev, err);
}

void vfb_detached(struct vfb *v)
{
    v->dev = NULL;
    v->d = NULL;
}

bool vfb_size(const struct vfb *v, uint32_t *width, uint32_t *height)
{
    if (!v->open)
        return false;
    *width = v->fbif.mode.width;
    *height = v->fbif.mode.height;
    return true;
}

bool vfb_take_changed(struct vfb *v, struct fb_rect *ret)
{
    *ret = v->changed;
    v->changed = (struct fb_rect){0};
    return ret->width > 0;
}

void vfb_change_all(struct vfb *v)
{
    if (v->open)
        v->changed = (struct fb_rect){0, 0, v->fbif.mode.width, v->fbif.mode.height};
}

bool vfb_tells(const struct vfb *v)
{
    return v->tells;
}

void vfb_copy(const struct vfb *v, const struct fb_rect *part, uint32_t *to)
{
    fbif_copy(&v->fbif, part, to);
}
