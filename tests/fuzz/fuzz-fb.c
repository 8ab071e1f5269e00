/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-fb.c - what a guest can do to the display's backend: vfb and vkbd with a fake store in
 * which the input chooses the frontends' keys. Frame BASE is the framebuffer's shared page, the
 * next one a page directory, the next the keyboard's shared page, then pixels. Records:
 *
 *   u8 0, u8, u16, u8 n, n bytes   into frame BASE + u8 % NR_PAGES at u16
 *   u8 1, u8 f, u8                 vfb connects (f bit 0: feature-update, bit 1: another frame
 *                                  than BASE, by the u8), or disconnects if it is connected
 *   u8 2, u8 f                     likewise vkbd (bit 0: absolute pointer, bit 1: no grant)
 *   u8 3, 40 bytes                 an event of the framebuffer; the producer moves on
 *   u8 4, u8                       the guest signals vfb's (0) or vkbd's (1) port
 *   u8 5, u16, u8                  a viewer's key
 *   u8 6, u16, u16, u8             a viewer's pointer
 *   u8 7, u16 x, y, width, height  what has changed is copied; so is this
 *   u8 8                           the guest has read its keys
 *
 * Nothing may be written beyond a picture of the size that the backend tells, and in the end no
 * grant is in use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/fb/vfb.h"
#include "backend/fb/vkbd.h"
#include "domain/evtchn.h"
#include "domain/gnttab.h"
#include "fuzz_domain.h"
#include "fuzz_input.h"

#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/kbdif.h>
#include <xen/xen.h>

#define PAGES 64u
#define BASE 8u
#define NR_PAGES 40u
#define KEYS (BASE + 2)
#define KEYS_REF 9u
#define PATIENCE 64 /* of the loop: events that are left are taken in several goes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VFB, VKBD, NR_DEVICES };

/* --- a store ---------------------------------------------------------------------------- */

struct xenbus_device {
    const struct xenbus_ops *ops;
    void *arg;
    port_t port;
    bool connected;
};

static struct domain dom;
static struct loop *loop;
static struct xenbus_device devices[NR_DEVICES];
static struct {
    uint64_t page_ref, page_gref; /* page_gref 0: the key is not there */
    bool update, absolute;
} keys;

int xenbus_add(struct xenbus *bus, const struct xenbus_ops *ops, void *arg, unsigned int id,
               const struct xenbus_key *front, const struct xenbus_key *back,
               struct xenbus_device **ret, struct err *err)
{
    *ret = &devices[strcmp(ops->type, "vkbd") == 0 ? VKBD : VFB];
    (*ret)->ops = ops;
    (*ret)->arg = arg;
    return ops->init(*ret, arg, err);
}

struct domain *xenbus_bus_domain(const struct xenbus *bus)
{
    return &dom;
}

int xenbus_printf(struct xenbus_device *dev, const char *key, const char *fmt, ...)
{
    return 0;
}

char *xenbus_front_string(struct xenbus_device *dev, const char *key)
{
    return NULL;
}

int xenbus_front_need(struct xenbus_device *dev, const char *key, uint64_t max, uint64_t *ret,
                      struct err *err)
{
    *ret = strcmp(key, "event-channel") == 0 ? dev->port : keys.page_ref;
    return 0;
}

int xenbus_front_number(struct xenbus_device *dev, const char *key, uint64_t max,
                        uint64_t otherwise, uint64_t *ret, struct err *err)
{
    if (strcmp(key, "page-gref") == 0)
        *ret = keys.page_gref ? keys.page_gref : otherwise;
    else
        *ret = strcmp(key, "feature-update") == 0 ? keys.update : keys.absolute;
    return 0;
}

void xenbus_fatal(struct xenbus_device *dev, const char *fmt, ...)
{
}

/* --- a guest ---------------------------------------------------------------------------- */

static void *frame(mfn_t mfn)
{
    return dom.ram.base + (mfn << PAGE_SHIFT);
}

/* An operation whose argument is in frame 5, by way of page tables in frames 1 to 4. */
static void evtchn_op(int cmd, void *op, size_t size)
{
    const uint64_t flags = 7;
    uint64_t args[5] = {(uint64_t)cmd, 0xffff888000005000ull};

    ((uint64_t *)frame(1))[0xffff888000000000ull >> 39 & 511] = 2ull << PAGE_SHIFT | flags;
    ((uint64_t *)frame(2))[0] = 3ull << PAGE_SHIFT | flags;
    ((uint64_t *)frame(3))[0] = 4ull << PAGE_SHIFT | flags;
    ((uint64_t *)frame(4))[5] = 5ull << PAGE_SHIFT | flags;
    memcpy(frame(5), op, size);
    (void)domain_hypercall(&dom, 0, __HYPERVISOR_event_channel_op, args, 1);
    memcpy(op, frame(5), size);
}

static void set_up_once(void)
{
    struct err err = {0};

    if (dom.ram.base)
        return;
    fuzz_domain_init(&dom, PAGES, 6, 7);
    must(loop_create(&loop, &err) == 0, "a loop");
    for (unsigned int i = 0; i < NR_DEVICES; i++) {
        struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = 0};

        evtchn_op(EVTCHNOP_alloc_unbound, &op, sizeof(op));
        must(op.port > 0, "a port");
        devices[i].port = op.port;
    }
}

/* 64 x 32 pixels in pages behind the keyboard's. */
static void reset_pages(void)
{
    struct xenfb_page *page = frame(BASE);
    grant_entry_v1_t *table = frame(dom.ram.grant_first);

    memset(page, 0, PAGE_SIZE * NR_PAGES);
    page->width = 64;
    page->height = 32;
    page->line_length = 256;
    page->mem_length = 16 * PAGE_SIZE;
    page->depth = 32;
    page->pd[0] = BASE + 1;
    for (unsigned int i = 0; i < 32; i++)
        ((uint64_t *)frame(BASE + 1))[i] = BASE + 3 + i;
    table[KEYS_REF] = (grant_entry_v1_t){.flags = GTF_permit_access, .frame = KEYS};
}

/* --- records ---------------------------------------------------------------------------- */

static void toggle(struct xenbus_device *dev)
{
    struct err err = {0};

    if (dev->connected)
        dev->ops->disconnect(dev, dev->arg);
    dev->connected = !dev->connected && dev->ops->connect(dev, dev->arg, &err) == 0;
}

static void toggle_vfb(struct input *in)
{
    uint8_t flags = (uint8_t)take_number(in, 1), other = (uint8_t)take_number(in, 1);

    keys.update = flags & 1;
    keys.page_ref = flags & 2 ? other : BASE;
    toggle(&devices[VFB]);
}

static void toggle_vkbd(struct input *in)
{
    uint8_t flags = (uint8_t)take_number(in, 1);

    keys.absolute = flags & 1;
    keys.page_gref = flags & 2 ? 0 : KEYS_REF;
    keys.page_ref = KEYS;
    toggle(&devices[VKBD]);
}

static void put_event(struct input *in)
{
    struct xenfb_page *page = frame(BASE);
    union xenfb_out_event e;

    take(in, &e, sizeof(e));
    memcpy(&XENFB_OUT_RING_REF(page, page->out_prod), &e, sizeof(e));
    page->out_prod++;
}

static void write_page(struct input *in)
{
    uint8_t page = (uint8_t)take_number(in, 1);
    size_t at = take_number(in, 2) % PAGE_SIZE;
    size_t n = take_number(in, 1);

    take(in, (uint8_t *)frame(BASE + page % NR_PAGES) + at,
         n < PAGE_SIZE - at ? n : PAGE_SIZE - at);
}

static void signal_port(unsigned int device)
{
    struct evtchn_send op = {.port = devices[device].port};

    evtchn_op(EVTCHNOP_send, &op, sizeof(op));
    for (int i = 0; i < PATIENCE; i++)
        loop_run_once(loop, 0);
}

static void copy(struct input *in, struct vfb *vfb)
{
    struct fb_rect changed, r = {0};
    uint32_t width, height, *picture;

    r.x = take_number(in, 2);
    r.y = take_number(in, 2);
    r.width = take_number(in, 2);
    r.height = take_number(in, 2);
    if (!vfb_size(vfb, &width, &height))
        return;
    must(width > 0 && width <= FB_MAX_SIDE && height > 0 && height <= FB_MAX_SIDE, "the size");
    picture = malloc(sizeof(*picture) * width * height);
    must(picture, "memory");
    if (vfb_take_changed(vfb, &changed))
        vfb_copy(vfb, &changed, picture);
    vfb_copy(vfb, &r, picture);
    free(picture);
}

static void do_record(struct input *in, struct vfb *vfb, struct vkbd *vkbd)
{
    struct xenkbd_page *page = frame(KEYS);
    uint32_t a, b;

    switch (take_number(in, 1) % 9) {
    case 0:
        write_page(in);
        break;
    case 1:
        toggle_vfb(in);
        break;
    case 2:
        toggle_vkbd(in);
        break;
    case 3:
        put_event(in);
        break;
    case 4:
        signal_port(take_number(in, 1) & 1 ? VKBD : VFB);
        break;
    case 5:
        a = take_number(in, 2);
        vkbd_key(vkbd, a, take_number(in, 1) & 1);
        break;
    case 6:
        a = take_number(in, 2);
        b = take_number(in, 2);
        vkbd_pointer(vkbd, (int32_t)a, (int32_t)b, (int32_t)(take_number(in, 1) % 3) - 1);
        break;
    case 7:
        copy(in, vfb);
        break;
    default:
        page->in_cons = page->in_prod;
        break;
    }
}

static void on_changed(void *arg)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fb_config config = {.listen = "", .display = 0};
    struct input in = {data, size};
    struct err err = {0};
    struct vkbd *vkbd = NULL;
    struct vfb *vfb = NULL;
    grant_entry_v1_t *table;

    set_up_once();
    reset_pages();
    must(vfb_create(&vfb, loop, &config, on_changed, NULL, &err) == 0, "a framebuffer");
    must(vkbd_create(&vkbd, &err) == 0, "a keyboard");
    must(vfb_attach(vfb, NULL, 5900, &err) == 0 && vkbd_attach(vkbd, NULL, &err) == 0, "a store");
    while (in.left)
        do_record(&in, vfb, vkbd);
    for (unsigned int i = 0; i < NR_DEVICES; i++)
        if (devices[i].connected)
            toggle(&devices[i]);
    table = frame(dom.ram.grant_first);
    must(!(table[KEYS_REF].flags & (GTF_reading | GTF_writing)), "no grant is in use");
    vfb_detached(vfb);
    vkbd_detached(vkbd);
    vfb_destroy(vfb);
    vkbd_destroy(vkbd);
    loop_run_once(loop, 0);
    return 0;
}
