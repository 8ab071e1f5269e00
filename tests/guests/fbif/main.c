/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fbif - claim: the backends of framebuffer and keyboard wait in state 2 with their features and
 * go to 4 when the frontend, which does not wait for them, is at 3; the framebuffer's page and
 * its directories are frames, the keyboard's page a grant or a frame; updates and changes of size
 * are taken from the ring; a page that makes no sense stops the device until the next try.
 *
 * Blind spots: what the screen shows and what is typed (tests/boot/test_framebuffer.py).
 */
#include "device.h"

#include <xen/io/fbif.h>
#include <xen/io/kbdif.h>

#define WIDTH 64
#define HEIGHT 48
#define MEM_PAGES 3 /* WIDTH * HEIGHT * 4 */

static struct device fb, kbd;
static struct xenfb_page *page;
static uint64_t *directory;
static long port;

static void fill_page(void)
{
    memset(page, 0, PAGE_SIZE);
    page->width = WIDTH;
    page->height = HEIGHT;
    page->depth = 32;
    page->line_length = WIDTH * 4;
    page->mem_length = MEM_PAGES * PAGE_SIZE;
    page->pd[0] = va_to_mfn(directory);
}

/* Straight to state 3, as fbfront does. */
static bool connect_fb(long backend)
{
    port = alloc_port();
    xs_write_number(fb.front, "page-ref", va_to_mfn(page));
    xs_write_number(fb.front, "event-channel", (unsigned long)port);
    xs_write(fb.front, "protocol", "x86_64-abi");
    xs_write_number(fb.front, "feature-update", 1);
    return device_state(&fb, 3, backend);
}

static void close_device(const struct device *d)
{
    CHECK(device_state(d, 6, 6), "state 6: the backend has %s", xs_read(d->back, "state"));
    CHECK(device_state(d, 1, 2), "state 1: the backend has %s", xs_read(d->back, "state"));
}

static void push_event(const union xenfb_out_event *e)
{
    uint32_t prod = page->out_prod;

    memcpy(&XENFB_OUT_RING_REF(page, prod), e, sizeof(*e));
    barrier();
    page->out_prod = prod + 1;
}

static bool wait_taken(void)
{
    uint64_t limit = now() + 2 * SECOND;

    event_send((uint32_t)port);
    while (*(volatile uint32_t *)&page->out_cons != page->out_prod) {
        if (now() > limit)
            return false;
        sched_op(SCHEDOP_yield, NULL);
    }
    return true;
}

static void check_fb(void)
{
    union xenfb_out_event update = {
        .update = {.type = XENFB_TYPE_UPDATE, .x = 10, .y = 10, .width = 5, .height = 5}};
    union xenfb_out_event resize = {
        .resize = {
            .type = XENFB_TYPE_RESIZE, .width = 32, .height = 32, .stride = 128, .depth = 32}};

    CHECK_EQ(xs_read_number(fb.back, "state"), 2, "the framebuffer's first state");
    CHECK_EQ(xs_read_number(fb.back, "request-update"), 1, "request-update");
    CHECK_EQ(xs_read_number(fb.back, "feature-resize"), 1, "feature-resize");
    CHECK(xs_read(fb.back, "vnclisten"), "vnclisten");
    CHECK(xs_read_number(fb.back, "vncport") >= 5900, "vncport is %s", xs_reply);
    CHECK_EQ(xs_read_number(fb.back, "vnc"), 1, "vnc");
    fill_page();
    CHECK(connect_fb(4), "the backend has %s", xs_read(fb.back, "state"));
    xs_write_number(fb.front, "state", 4);
    for (unsigned int i = 0; i < 51; i++)
        push_event(&update);
    CHECK(wait_taken(), "a full ring of updates: %u of %u", page->out_cons, page->out_prod);
    update.update.x = -5;
    update.update.width = 0x7fffffff;
    update.update.height = -1;
    push_event(&update);
    push_event(&resize);
    CHECK(wait_taken(), "a strange update, and a new size");
    CHECK_EQ(xs_read_number(fb.back, "state"), 4, "the backend after these");
    resize.resize.height = 1000;
    push_event(&resize);
    event_send((uint32_t)port);
    CHECK(xs_wait_number(fb.back, "state", 5), "a size that does not fit: the backend has %s",
          xs_read(fb.back, "state"));
    close_device(&fb);
}

/* One thing wrong at a time. */
static void check_bad_pages(void)
{
    for (unsigned int i = 0; i < 8; i++) {
        static const char *const what[] = {"memory that is too small",
                                           "a depth of 15",
                                           "no width",
                                           "a line that is too short",
                                           "a directory that is no frame",
                                           "no page in a directory",
                                           "more memory than there can be",
                                           "a negative height"};
        uint64_t entry = directory[1];

        fill_page();
        page->mem_length = i == 0 ? WIDTH * HEIGHT * 4 - 1 : page->mem_length;
        page->depth = i == 1 ? 15 : 32;
        page->width = i == 2 ? 0 : WIDTH;
        page->line_length = i == 3 ? WIDTH * 4 - 1 : WIDTH * 4;
        page->pd[0] = i == 4 ? 0xfffffffff : page->pd[0];
        directory[1] = i == 5 ? 0xfffffffff : entry;
        page->mem_length = i == 6 ? 0xffffffff : page->mem_length;
        page->height = i == 7 ? -1 : HEIGHT;
        CHECK(connect_fb(5), "%s: the backend has %s", what[i], xs_read(fb.back, "state"));
        directory[1] = entry;
        close_device(&fb);
    }
    fill_page();
    CHECK(connect_fb(4), "a good page after these: %s", xs_read(fb.back, "state"));
    page->out_prod = page->out_cons + 52;
    barrier();
    event_send((uint32_t)port);
    CHECK(xs_wait_number(fb.back, "state", 5), "a ring that runs away: the backend has %s",
          xs_read(fb.back, "state"));
    close_device(&fb);
    xs_write_number(fb.front, "page-ref", 0xfffffffff);
    CHECK(device_state(&fb, 3, 5), "a page that is no frame: the backend has %s",
          xs_read(fb.back, "state"));
    close_device(&fb);
}

static void check_kbd(void)
{
    struct xenkbd_page *keys = page_alloc();
    uint32_t ref = grant_page(keys, false);

    CHECK_EQ(xs_read_number(kbd.back, "state"), 2, "the keyboard's first state");
    CHECK_EQ(xs_read_number(kbd.back, "feature-abs-pointer"), 1, "feature-abs-pointer");
    port = alloc_port();
    xs_write_number(kbd.front, "page-gref", ref);
    xs_write_number(kbd.front, "page-ref", va_to_mfn(keys));
    xs_write_number(kbd.front, "event-channel", (unsigned long)port);
    xs_write_number(kbd.front, "request-abs-pointer", 1);
    CHECK(device_state(&kbd, 3, 4), "the backend has %s", xs_read(kbd.back, "state"));
    CHECK(!grant_is_idle(ref), "the page's grant is not used");
    CHECK(keys->in_prod == keys->in_cons, "input that nobody has given");
    close_device(&kbd);
    CHECK(grant_is_idle(ref), "the page's grant is in use after closing");
    XS_ASK(XS_RM, "device/vkbd/0/page-gref");
    port = alloc_port();
    xs_write_number(kbd.front, "event-channel", (unsigned long)port);
    CHECK(device_state(&kbd, 3, 4), "with a frame: the backend has %s", xs_read(kbd.back, "state"));
    close_device(&kbd);
    xs_write_number(kbd.front, "page-gref", 400);
    CHECK(device_state(&kbd, 3, 5), "a page that is not granted: the backend has %s",
          xs_read(kbd.back, "state"));
    close_device(&kbd);
}

void test_main(void)
{
    if (!device_find(&fb, "vfb", 0) || !device_find(&kbd, "vkbd", 0)) {
        error("no framebuffer and keyboard");
        return;
    }
    page = page_alloc();
    directory = page_alloc();
    for (unsigned int i = 0; i < MEM_PAGES; i++)
        directory[i] = va_to_mfn(page_alloc());
    check_fb();
    check_bad_pages();
    check_kbd();
}
