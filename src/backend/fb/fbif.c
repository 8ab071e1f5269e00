/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fbif.c - see fbif.h.
 */
#include "backend/fb/fbif.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PER_DIRECTORY (PAGE_SIZE / sizeof(uint64_t))
/* The ring of events to the guest begins at 1024 and covers the rest. */
#define MAX_DIRECTORIES ((XENFB_IN_RING_OFFS - offsetof(struct xenfb_page, pd)) / sizeof(uint64_t))

static uint32_t bytes_per_pixel(uint32_t depth)
{
    return depth == 24 ? 4 : depth / 8;
}

static int check_mode(const struct fbif_mode *m, uint32_t mem_length, struct err *err)
{
    if (m->depth != 8 && m->depth != 16 && m->depth != 24 && m->depth != 32)
        return err_set(err, EINVAL, "a framebuffer of %u bits a pixel", m->depth);
    if (m->width == 0 || m->width > FB_MAX_SIDE || m->height == 0 || m->height > FB_MAX_SIDE)
        return err_set(err, EINVAL, "a framebuffer of %ux%u pixels", m->width, m->height);
    if (m->stride < m->width * bytes_per_pixel(m->depth))
        return err_set(err, EINVAL, "%u bytes for a line of %u pixels", m->stride, m->width);
    if (m->offset > mem_length || (uint64_t)m->stride * m->height > mem_length - m->offset)
        return err_set(err, EINVAL, "%u lines of %u bytes do not fit into %u from %u on", m->height,
                       m->stride, mem_length, m->offset);
    return 0;
}

/* Each directory is read once. */
static int map_frames(struct fbif *f, const struct ram *ram, struct err *err)
{
    uint64_t count = (f->mem_length + PAGE_SIZE - 1) / PAGE_SIZE;
    const volatile uint64_t *directory = NULL;

    f->frames = calloc(count, sizeof(*f->frames));
    if (!f->frames)
        return err_set(err, ENOMEM, "out of memory");
    for (uint64_t i = 0; i < count; i++) {
        if (i % PER_DIRECTORY == 0)
            directory = ram_frame(ram, *(volatile unsigned long *)&f->page->pd[i / PER_DIRECTORY]);
        if (!directory)
            return err_set(err, EINVAL, "directory %llu of the framebuffer is not the guest's",
                           (unsigned long long)(i / PER_DIRECTORY));
        f->frames[i] = ram_frame(ram, directory[i % PER_DIRECTORY]);
        if (!f->frames[i])
            return err_set(err, EINVAL, "page %llu of the framebuffer is not the guest's",
                           (unsigned long long)i);
    }
    return 0;
}

int fbif_open(struct fbif *f, const struct ram *ram, struct xenfb_page *page, uint32_t max_bytes,
              struct err *err)
{
    const volatile struct xenfb_page *p = page;
    uint64_t limit = MAX_DIRECTORIES * PER_DIRECTORY * PAGE_SIZE;
    int rc;

    if (max_bytes == 0 || max_bytes > FB_MAX_BYTES)
        max_bytes = FB_MAX_BYTES;
    if (limit > max_bytes)
        limit = max_bytes;
    *f = (struct fbif){.page = page, .mem_length = p->mem_length};
    f->mode = (struct fbif_mode){.width = (uint32_t)p->width,
                                 .height = (uint32_t)p->height,
                                 .stride = p->line_length,
                                 .depth = p->depth};
    if (f->mem_length > limit)
        return err_set(err, EINVAL, "a framebuffer of %u bytes, more than %llu", f->mem_length,
                       (unsigned long long)limit);
    rc = check_mode(&f->mode, f->mem_length, err);
    if (rc == 0)
        rc = map_frames(f, ram, err);
    if (rc < 0)
        fbif_close(f);
    return rc;
}

void fbif_close(struct fbif *f)
{
    free(f->frames);
    *f = (struct fbif){0};
}

static struct fb_rect whole(const struct fbif *f)
{
    return (struct fb_rect){0, 0, f->mode.width, f->mode.height};
}

/* What of [at, at + size) is in [0, end). */
static void cut(int64_t at, int64_t size, uint32_t end, uint32_t *ret_at, uint32_t *ret_size)
{
    int64_t last = at + size;

    at = at < 0 ? 0 : at;
    last = last > end ? end : last;
    *ret_at = at < last ? (uint32_t)at : 0;
    *ret_size = at < last ? (uint32_t)(last - at) : 0;
}

static struct fb_rect cut_update(const struct fbif *f, const struct xenfb_update *u)
{
    struct fb_rect r;

    cut(u->x, u->width, f->mode.width, &r.x, &r.width);
    cut(u->y, u->height, f->mode.height, &r.y, &r.height);
    if (r.height == 0)
        r.width = 0;
    return r;
}

static int resize(struct fbif *f, const struct xenfb_resize *r, struct err *err)
{
    struct fbif_mode m = {.width = (uint32_t)r->width,
                          .height = (uint32_t)r->height,
                          .stride = (uint32_t)r->stride,
                          .offset = (uint32_t)r->offset,
                          .depth = (uint32_t)r->depth};
    int rc = check_mode(&m, f->mem_length, err);

    if (rc == 0)
        f->mode = m;
    return rc;
}

int fbif_next(struct fbif *f, struct fb_rect *changed, struct err *err)
{
    uint32_t cons = f->page->out_cons; /* ours */
    uint32_t used = __atomic_load_n(&f->page->out_prod, __ATOMIC_ACQUIRE) - cons;
    union xenfb_out_event e;
    int rc = 1;

    *changed = (struct fb_rect){0};
    if (used == 0)
        return 0;
    if (used > XENFB_OUT_RING_LEN)
        return err_set(err, EPROTO, "%u events in a ring of %d", used, XENFB_OUT_RING_LEN);
    memcpy(&e, &XENFB_OUT_RING_REF(f->page, cons), sizeof(e));
    __atomic_store_n(&f->page->out_cons, cons + 1, __ATOMIC_RELEASE);
    if (e.type == XENFB_TYPE_UPDATE) {
        *changed = cut_update(f, &e.update);
    } else if (e.type == XENFB_TYPE_RESIZE) {
        rc = resize(f, &e.resize, err);
        if (rc == 0) {
            *changed = whole(f);
            rc = 1;
        }
    }
    return rc;
}

/* Bytes of the framebuffer, which lies in pages anywhere. */
static void gather(const struct fbif *f, uint32_t at, uint32_t n, void *to)
{
    while (n > 0) {
        uint32_t in_page = at % (uint32_t)PAGE_SIZE, part = (uint32_t)PAGE_SIZE - in_page;

        if (part > n)
            part = n;
        memcpy(to, f->frames[at / PAGE_SIZE] + in_page, part);
        to = (char *)to + part;
        at += part;
        n -= part;
    }
}

/* A component of some bits as one of eight, all ones as all ones. */
static uint32_t widen(uint32_t value, unsigned int bits)
{
    uint32_t max = (1u << bits) - 1;

    return ((value & max) * 255 + max / 2) / max;
}

static uint32_t rgb(uint32_t red, uint32_t green, uint32_t blue)
{
    return red << 16 | green << 8 | blue;
}

static void convert_line8(const struct fbif *f, uint32_t at, uint32_t width, uint32_t *to)
{
    uint8_t line[FB_MAX_SIDE] = {0};

    gather(f, at, width, line);
    for (uint32_t i = 0; i < width; i++)
        to[i] = rgb(widen(line[i] >> 5u, 3), widen(line[i] >> 2u, 3), widen(line[i], 2));
}

static void convert_line16(const struct fbif *f, uint32_t at, uint32_t width, uint32_t *to)
{
    uint16_t line[FB_MAX_SIDE] = {0};

    gather(f, at, width * 2, line);
    for (uint32_t i = 0; i < width; i++)
        to[i] = rgb(widen(line[i] >> 11u, 5), widen(line[i] >> 5u, 6), widen(line[i], 5));
}

static void convert_line(const struct fbif *f, uint32_t at, uint32_t width, uint32_t *to)
{
    if (f->mode.depth == 8) {
        convert_line8(f, at, width, to);
    } else if (f->mode.depth == 16) {
        convert_line16(f, at, width, to);
    } else {
        gather(f, at, width * 4, to);
        for (uint32_t i = 0; i < width; i++)
            to[i] &= 0xffffff;
    }
}

void fbif_copy(const struct fbif *f, const struct fb_rect *part, uint32_t *to)
{
    const struct fbif_mode *m = &f->mode;
    struct fb_rect r;

    cut(part->x, part->width, m->width, &r.x, &r.width);
    cut(part->y, part->height, m->height, &r.y, &r.height);
    for (uint32_t y = r.y; y < r.y + r.height; y++)
        convert_line(f, m->offset + y * m->stride + r.x * bytes_per_pixel(m->depth), r.width,
                     to + (size_t)y * m->width + r.x);
}

void fb_rect_add(struct fb_rect *to, const struct fb_rect *r)
{
    uint32_t right, bottom;

    if (r->width == 0)
        return;
    if (to->width == 0) {
        *to = *r;
        return;
    }
    right = to->x + to->width > r->x + r->width ? to->x + to->width : r->x + r->width;
    bottom = to->y + to->height > r->y + r->height ? to->y + to->height : r->y + r->height;
    to->x = to->x < r->x ? to->x : r->x;
    to->y = to->y < r->y ? to->y : r->y;
    to->width = right - to->x;
    to->height = bottom - to->y;
}
