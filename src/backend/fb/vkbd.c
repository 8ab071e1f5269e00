/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vkbd.c - see vkbd.h. Ring and queue belong to the domain's lock: the guest's signal, on a vCPU's
 * thread, moves events on.
 */
#include "backend/fb/vkbd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "domain/domain.h"
#include "domain/evtchn.h"
#include "domain/gnttab.h"

#include <xen/grant_table.h>
#include <xen/io/kbdif.h>

#define MAX_PORT 131071
#define QUEUE_LEN 2048u /* a power of two: a page of pasted text */
#define FOR_RELEASES 256u
#define NO_GRANT UINT32_MAX

struct vkbd {
    struct domain *d; /* NULL while not attached, like dev */
    struct xenbus_device *dev;
    struct xenkbd_page *page; /* NULL while not connected */
    uint32_t gref;            /* of the page; NO_GRANT: it was named by its frame */
    port_t port;
    bool absolute;
    bool broken; /* the guest wrote impossible indices */
    int32_t x, y;
    union xenkbd_in_event queue[QUEUE_LEN];
    uint32_t head, tail; /* free-running */
};

/* Lock held. */
static void move_on(struct vkbd *v)
{
    uint32_t prod = v->page->in_prod; /* ours */
    uint32_t used = prod - __atomic_load_n(&v->page->in_cons, __ATOMIC_ACQUIRE);
    bool moved = false;

    if (used > XENKBD_IN_RING_LEN) {
        if (!v->broken)
            log_guest(LOG_WARN, "backend", "vkbd: impossible ring indices; input waits");
        v->broken = true;
        return;
    }
    v->broken = false;
    for (; v->head != v->tail && used < XENKBD_IN_RING_LEN; used++, moved = true) {
        memcpy(&XENKBD_IN_RING_REF(v->page, prod), &v->queue[v->head++ % QUEUE_LEN],
               sizeof(v->queue[0]));
        prod++;
    }
    if (!moved)
        return;
    __atomic_store_n(&v->page->in_prod, prod, __ATOMIC_SEQ_CST);
    evtchn_notify(v->d, v->port);
}

/* On a vCPU's thread, lock held. */
static void on_port(struct domain *d, void *arg)
{
    struct vkbd *v = arg;

    if (v->page)
        move_on(v);
}

/* A position that nobody has seen yet is replaced by the next one. */
static bool replaces_last(const struct vkbd *v, const union xenkbd_in_event *e)
{
    const union xenkbd_in_event *last = &v->queue[(v->tail - 1) % QUEUE_LEN];

    return v->head != v->tail && e->type == XENKBD_TYPE_POS && last->type == XENKBD_TYPE_POS &&
           last->pos.rel_z == 0;
}

static void send_event(struct vkbd *v, const union xenkbd_in_event *e)
{
    bool release = e->type == XENKBD_TYPE_KEY && !e->key.pressed;
    uint32_t room = QUEUE_LEN - (v->tail - v->head);

    if (replaces_last(v, e))
        v->queue[(v->tail - 1) % QUEUE_LEN] = *e;
    else if (room > (release ? 0 : FOR_RELEASES))
        v->queue[v->tail++ % QUEUE_LEN] = *e;
    move_on(v);
}

void vkbd_key(struct vkbd *v, uint32_t code, bool pressed)
{
    union xenkbd_in_event e;

    if (!v->d)
        return;
    memset(&e, 0, sizeof(e));
    e.key.type = XENKBD_TYPE_KEY;
    e.key.pressed = pressed;
    e.key.keycode = code;
    pthread_mutex_lock(&v->d->lock);
    if (v->page)
        send_event(v, &e);
    pthread_mutex_unlock(&v->d->lock);
}

void vkbd_pointer(struct vkbd *v, int32_t x, int32_t y, int32_t wheel)
{
    union xenkbd_in_event e;

    if (!v->d)
        return;
    memset(&e, 0, sizeof(e));
    if (v->absolute) {
        e.pos.type = XENKBD_TYPE_POS;
        e.pos.abs_x = x;
        e.pos.abs_y = y;
        e.pos.rel_z = -wheel; /* the guest turns it round */
    } else {
        e.motion.type = XENKBD_TYPE_MOTION;
        e.motion.rel_x = x - v->x;
        e.motion.rel_y = y - v->y;
        e.motion.rel_z = -wheel;
    }
    v->x = x;
    v->y = y;
    pthread_mutex_lock(&v->d->lock);
    if (v->page)
        send_event(v, &e);
    pthread_mutex_unlock(&v->d->lock);
}

/* --- xenbus operations ------------------------------------------------------------------ */

static int init(struct xenbus_device *dev, void *arg, struct err *err)
{
    int rc = xenbus_printf(dev, XENKBD_FIELD_FEAT_ABS_POINTER, "1");

    return rc < 0 ? err_set(err, -rc, "xenstored refuses its features: %s", strerror(-rc)) : 0;
}

/* The page by its grant, or, as frontends of old name it, by its frame. Lock held. */
static int map_page(struct vkbd *v, uint64_t gref, uint64_t mfn, void **ret, struct err *err)
{
    if (gref == NO_GRANT) {
        *ret = ram_frame(&v->d->ram, mfn);
        return *ret
                   ? 0
                   : err_set(err, EINVAL, "frame %llu is not the guest's", (unsigned long long)mfn);
    }
    if (gnttab_get(v->d, 0, (uint32_t)gref, true, ret) != GNTST_okay)
        return err_set(err, EINVAL, "grant %llu cannot be mapped", (unsigned long long)gref);
    return 0;
}

static void unmap_page(struct vkbd *v, uint32_t gref)
{
    if (gref != NO_GRANT)
        gnttab_put(v->d, gref, true);
}

static int connect(struct xenbus_device *dev, void *arg, struct err *err)
{
    struct vkbd *v = arg;
    uint64_t gref, mfn = 0, port = 0, absolute = 0;
    void *page;
    int rc = xenbus_front_number(dev, XENKBD_FIELD_RING_GREF, NO_GRANT - 1, NO_GRANT, &gref, err);

    if (rc == 0 && gref == NO_GRANT)
        rc = xenbus_front_need(dev, XENKBD_FIELD_RING_REF, UINT64_MAX, &mfn, err);
    if (rc == 0)
        rc = xenbus_front_need(dev, XENKBD_FIELD_EVT_CHANNEL, MAX_PORT, &port, err);
    if (rc == 0)
        rc = xenbus_front_number(dev, XENKBD_FIELD_REQ_ABS_POINTER, UINT32_MAX, 0, &absolute, err);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&v->d->lock);
    rc = map_page(v, gref, mfn, &page, err);
    if (rc == 0) {
        rc = evtchn_set_handler(v->d, (port_t)port, on_port, v);
        if (rc < 0) {
            unmap_page(v, (uint32_t)gref);
            err_set(err, EINVAL, "port %llu cannot be bound", (unsigned long long)port);
        }
    }
    if (rc == 0) {
        v->gref = (uint32_t)gref;
        v->port = (port_t)port;
        v->absolute = absolute != 0;
        v->broken = false;
        v->head = v->tail = 0;
        v->page = page;
    }
    pthread_mutex_unlock(&v->d->lock);
    return rc;
}

static void disconnect(struct xenbus_device *dev, void *arg)
{
    struct vkbd *v = arg;

    pthread_mutex_lock(&v->d->lock);
    (void)evtchn_set_handler(v->d, v->port, NULL, NULL);
    v->page = NULL;
    unmap_page(v, v->gref);
    pthread_mutex_unlock(&v->d->lock);
}

/* Not `removed`: it is never unplugged. */
static const struct xenbus_ops vkbd_ops = {
    .type = "vkbd",
    .init = init,
    .connect = connect,
    .disconnect = disconnect,
};

/* --- life ------------------------------------------------------------------------------- */

int vkbd_create(struct vkbd **ret, struct err *err)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : err_set(err, ENOMEM, "out of memory");
}

void vkbd_destroy(struct vkbd *v)
{
    free(v);
}

int vkbd_attach(struct vkbd *v, struct xenbus *bus, struct err *err)
{
    const struct xenbus_key none[] = {{0}};

    v->d = xenbus_bus_domain(bus);
    return xenbus_add(bus, &vkbd_ops, v, 0, none, none, &v->dev, err);
}

void vkbd_detached(struct vkbd *v)
{
    v->dev = NULL;
    v->d = NULL;
}
