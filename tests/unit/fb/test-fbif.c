/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-fbif.c - the shared page of a framebuffer: geometry and directories that a guest makes up,
 * events and rings that run away, pixels of each depth in pages anywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/fb/fbif.h"

#define FRAMES 64u
#define DIRECTORY 1u
#define FIRST 8u /* of the framebuffer's frames, which go backwards from FIRST + 20 */

static _Alignas(PAGE_SIZE) uint8_t memory[FRAMES][PAGE_SIZE];
static struct xenfb_page *const page = (struct xenfb_page *)memory[0];

void *ram_frame(const struct ram *ram, mfn_t mfn)
{
    return mfn < FRAMES ? memory[mfn] : NULL;
}

/* 40 x 30 pixels of 32 bits with 8 bytes between the lines: 5040 bytes in two pages. */
static int setup(void **state)
{
    memset(memory, 0, sizeof(memory));
    page->width = 40;
    page->height = 30;
    page->line_length = 168;
    page->mem_length = 20 * PAGE_SIZE;
    page->depth = 32;
    page->pd[0] = DIRECTORY;
    for (unsigned int i = 0; i < 20; i++)
        ((uint64_t *)memory[DIRECTORY])[i] = FIRST + 20 - i;
    return 0;
}

static uint8_t *byte_at(uint32_t at)
{
    return &memory[FIRST + 20 - at / PAGE_SIZE][at % PAGE_SIZE];
}

static void expect_refusal(const char *words, uint32_t max_bytes)
{
    struct fbif f;
    struct err err = {0};

    assert_true(fbif_open(&f, NULL, page, max_bytes, &err) < 0);
    if (!strstr(err.msg, words))
        fail_msg("<%s> instead of <%s>", err.msg, words);
    (void)setup(NULL);
}

static void test_refusals(void **state)
{
    page->width = 0;
    expect_refusal("0x30 pixels", 0);
    page->width = -1;
    expect_refusal("4294967295x30 pixels", 0);
    page->width = 4097;
    page->line_length = 4097 * 4;
    expect_refusal("4097x30", 0);
    page->height = 4097;
    expect_refusal("40x4097", 0);
    page->height = INT32_MIN;
    expect_refusal("pixels", 0);
    page->depth = 15;
    expect_refusal("15 bits", 0);
    page->depth = 0;
    expect_refusal("0 bits", 0);
    page->line_length = 159;
    expect_refusal("159 bytes for a line of 40", 0);
    page->line_length = UINT32_MAX; /* times 30 it is small, in 32 bits */
    expect_refusal("do not fit", 0);
    page->mem_length = 168 * 30 - 1;
    expect_refusal("do not fit", 0);
    page->mem_length = UINT32_MAX;
    expect_refusal("a framebuffer of 4294967295 bytes, more than 67108864", 0);
    expect_refusal("more than 4096", 4096);
    page->pd[0] = FRAMES;
    expect_refusal("directory 0", 0);
    page->pd[0] = ~0ul;
    expect_refusal("directory 0", 0);
    ((uint64_t *)memory[DIRECTORY])[19] = 1ull << 52;
    expect_refusal("page 19", 0);
    /* The second directory is needed, and is not there. */
    for (unsigned int i = 0; i < PAGE_SIZE / 8; i++)
        ((uint64_t *)memory[DIRECTORY])[i] = FIRST;
    page->mem_length = (PAGE_SIZE / 8 + 1) * PAGE_SIZE;
    page->pd[1] = FRAMES;
    expect_refusal("directory 1", 0);
}

static void open_good(struct fbif *f)
{
    struct err err = {0};

    if (fbif_open(f, NULL, page, 0, &err) < 0)
        fail_msg("%s", err.msg);
}

/* What the guest changes later does not matter. */
static void test_read_once(void **state)
{
    struct fb_rect all = {0, 0, 40, 30};
    uint32_t picture[40 * 30];
    struct fbif f;

    open_good(&f);
    memcpy(byte_at(0), &(uint32_t){0x12345678}, 4);
    page->width = page->height = 4000;
    page->line_length = 16000;
    page->mem_length = UINT32_MAX;
    page->pd[0] = ~0ul;
    memset(memory[DIRECTORY], 0xff, PAGE_SIZE);
    fbif_copy(&f, &all, picture);
    assert_int_equal(picture[0], 0x345678);
    fbif_close(&f);
}

static void put(const union xenfb_out_event *e)
{
    memcpy(&XENFB_OUT_RING_REF(page, page->out_prod), e, sizeof(*e));
    page->out_prod++;
}

static void put_update(int32_t x, int32_t y, int32_t width, int32_t height)
{
    union xenfb_out_event e = {.update = {XENFB_TYPE_UPDATE, x, y, width, height}};

    put(&e);
}

static void put_resize(int32_t width, int32_t height, int32_t stride, int32_t depth, int32_t offset)
{
    union xenfb_out_event e = {.resize = {XENFB_TYPE_RESIZE, width, height, stride, depth, offset}};

    put(&e);
}

static void expect_changed(struct fbif *f, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
    struct fb_rect r;

    assert_int_equal(fbif_next(f, &r, NULL), 1);
    assert_int_equal(r.width, width);
    if (width == 0)
        return;
    assert_int_equal(r.x, x);
    assert_int_equal(r.y, y);
    assert_int_equal(r.height, height);
}

static void test_updates(void **state)
{
    struct fb_rect r;
    struct fbif f;

    open_good(&f);
    assert_int_equal(fbif_next(&f, &r, NULL), 0);
    put_update(1, 2, 3, 4);
    put_update(-5, -5, 10, 10);
    put_update(35, 25, 100, 100);
    put_update(0, 0, INT32_MAX, INT32_MAX);
    put_update(INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX);
    put_update(INT32_MIN, INT32_MIN, INT32_MAX, INT32_MAX);
    put_update(1, 1, -1, -1);
    put_update(1, 1, 0, 5);
    put_update(1, 1, 5, 0);
    put(&(union xenfb_out_event){.type = 77});
    expect_changed(&f, 1, 2, 3, 4);
    expect_changed(&f, 0, 0, 5, 5);
    expect_changed(&f, 35, 25, 5, 5);
    expect_changed(&f, 0, 0, 40, 30);
    for (int i = 0; i < 6; i++)
        expect_changed(&f, 0, 0, 0, 0);
    assert_int_equal(fbif_next(&f, &r, NULL), 0);
    assert_int_equal(page->out_cons, page->out_prod);
    fbif_close(&f);
}

static void test_resize(void **state)
{
    struct err err = {0};
    struct fb_rect r;
    struct fbif f;

    open_good(&f);
    put_resize(100, 50, 200, 16, 4);
    expect_changed(&f, 0, 0, 100, 50);
    assert_int_equal(f.mode.width, 100);
    assert_int_equal(f.mode.offset, 4);
    put_resize(100, 410, 200, 16, 0); /* 82000 of 81920 bytes */
    assert_int_equal(fbif_next(&f, &r, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "do not fit"));
    put_resize(10, 10, 40, 32, -4);
    assert_int_equal(fbif_next(&f, &r, &err), -EINVAL);
    put_resize(10, 10, 40, 32, (int32_t)(20 * PAGE_SIZE) - 399);
    assert_int_equal(fbif_next(&f, &r, &err), -EINVAL);
    assert_int_equal(f.mode.width, 100); /* as it was */
    fbif_close(&f);
}

static void test_runaway(void **state)
{
    struct err err = {0};
    struct fb_rect r;
    struct fbif f;

    open_good(&f);
    page->out_prod = XENFB_OUT_RING_LEN;
    assert_int_equal(fbif_next(&f, &r, &err), 1);
    page->out_cons = 0;
    page->out_prod = XENFB_OUT_RING_LEN + 1;
    assert_int_equal(fbif_next(&f, &r, &err), -EPROTO);
    page->out_prod = (uint32_t)-1;
    assert_int_equal(fbif_next(&f, &r, &err), -EPROTO);
    page->out_cons = page->out_prod = UINT32_MAX; /* numbers may wrap */
    put_update(0, 0, 1, 1);
    expect_changed(&f, 0, 0, 1, 1);
    fbif_close(&f);
}

/* A pixel of each depth, and lines that cross pages. */
static void test_pixels(void **state)
{
    static const struct {
        uint32_t depth, value, rgb;
    } cases[] = {
        {8, 0xff, 0xffffff},      {8, 0xe0, 0xff0000},        {8, 0x03, 0x0000ff},
        {16, 0xffff, 0xffffff},   {16, 0x07e0, 0x00ff00},     {16, 0x8410, 0x848284},
        {24, 0x123456, 0x123456}, {32, 0xff123456, 0x123456},
    };
    uint32_t picture[40 * 30];
    struct fbif f;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t bytes = cases[i].depth == 24 ? 4 : cases[i].depth / 8;

        (void)setup(NULL);
        page->depth = (uint8_t)cases[i].depth;
        open_good(&f);
        for (uint32_t b = 0; b < bytes; b++)
            *byte_at(29 * 168 + 39 * bytes + b) = (uint8_t)(cases[i].value >> 8 * b);
        memset(picture, 0xaa, sizeof(picture));
        fbif_copy(&f, &(struct fb_rect){39, 29, 1, 1}, picture);
        assert_int_equal(picture[29 * 40 + 39], cases[i].rgb);
        assert_int_equal(picture[29 * 40 + 38], 0xaaaaaaaa);
        fbif_copy(&f, &(struct fb_rect){0, 0, 4000, 4000}, picture); /* is cut */
        assert_int_equal(picture[29 * 40 + 38], 0);
        fbif_close(&f);
    }
}

static void test_pages(void **state)
{
    uint32_t picture[40 * 30];
    struct fbif f;

    page->line_length = 163; /* pixels lie across the end of a page, too */
    for (uint32_t i = 0; i < 2 * PAGE_SIZE; i++)
        *byte_at(i) = (uint8_t)(i * 7 + i / PAGE_SIZE);
    open_good(&f);
    fbif_copy(&f, &(struct fb_rect){0, 0, 40, 30}, picture);
    for (uint32_t y = 0; y < 30; y++) {
        for (uint32_t x = 0; x < 40; x++) {
            uint32_t at = y * 163 + 4 * x;

            assert_int_equal(picture[y * 40 + x], (uint32_t)*byte_at(at + 2) << 16 |
                                                      (uint32_t)*byte_at(at + 1) << 8 |
                                                      *byte_at(at));
        }
    }
    fbif_close(&f);
}

static void test_rectangles(void **state)
{
    struct fb_rect r = {0};

    fb_rect_add(&r, &(struct fb_rect){0});
    assert_int_equal(r.width, 0);
    fb_rect_add(&r, &(struct fb_rect){5, 6, 2, 3});
    fb_rect_add(&r, &(struct fb_rect){0});
    fb_rect_add(&r, &(struct fb_rect){1, 8, 5, 9});
    assert_memory_equal(&r, &((struct fb_rect){1, 6, 6, 11}), sizeof(r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_refusals, setup), cmocka_unit_test_setup(test_read_once, setup),
        cmocka_unit_test_setup(test_updates, setup),  cmocka_unit_test_setup(test_resize, setup),
        cmocka_unit_test_setup(test_runaway, setup),  cmocka_unit_test_setup(test_pixels, setup),
        cmocka_unit_test_setup(test_pages, setup),    cmocka_unit_test(test_rectangles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
