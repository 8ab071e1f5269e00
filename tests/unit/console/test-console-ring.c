/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-console-ring.c - the console's shared page with a friendly and with a hostile guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/console.h>

#include "backend/console_ring.h"

/* The page with a guard on both sides: nothing may be written outside of the ring. */
static struct {
    uint8_t before[64];

    union {
        struct xencons_interface ring;
        uint8_t bytes[PAGE_SIZE];
    } page;

    uint8_t after[64];
} area;

static struct xencons_interface *const ring = &area.page.ring;

static int setup(void **state)
{
    memset(&area, 0, sizeof(area));
    memset(area.before, 0xa5, sizeof(area.before));
    memset(area.after, 0xa5, sizeof(area.after));
    return 0;
}

static void check_guards(void)
{
    for (size_t i = 0; i < sizeof(area.before); i++) {
        assert_int_equal(area.before[i], 0xa5);
        assert_int_equal(area.after[i], 0xa5);
    }
    for (size_t i = sizeof(*ring); i < PAGE_SIZE; i++)
        assert_int_equal(area.page.bytes[i], 0);
}

static void guest_print(const char *text)
{
    for (; *text; text++)
        ring->out[ring->out_prod++ & (CONSOLE_RING_OUT - 1)] = *text;
}

static void test_take(void **state)
{
    char buf[CONSOLE_RING_OUT];

    assert_int_equal(console_ring_take(ring, buf, sizeof(buf)), 0);
    guest_print("hello");
    assert_int_equal(console_ring_pending(ring), 5);
    assert_int_equal(console_ring_take(ring, buf, 2), 2);
    assert_memory_equal(buf, "he", 2);
    assert_int_equal(ring->out_cons, 2);
    assert_int_equal(console_ring_take(ring, buf, sizeof(buf)), 3);
    assert_memory_equal(buf, "llo", 3);
    assert_int_equal(console_ring_pending(ring), 0);
    check_guards();
}

/* Over the end of the buffer and over the end of the index's range at once. */
static void test_take_wraps(void **state)
{
    char buf[CONSOLE_RING_OUT];

    ring->out_prod = ring->out_cons = 0xfffffffdu;
    guest_print("abcdefgh");
    assert_int_equal(ring->out_prod, 5);
    assert_int_equal(console_ring_take(ring, buf, sizeof(buf)), 8);
    assert_memory_equal(buf, "abcdefgh", 8);
    assert_int_equal(ring->out_cons, 5);
    check_guards();
}

static void test_take_full(void **state)
{
    char buf[CONSOLE_RING_OUT + 100];

    ring->out_cons = 1000;
    ring->out_prod = 1000 + CONSOLE_RING_OUT;
    memset(ring->out, 'x', sizeof(ring->out));
    assert_int_equal(console_ring_take(ring, buf, sizeof(buf)), CONSOLE_RING_OUT);
    assert_int_equal(buf[0], 'x');
    assert_int_equal(buf[CONSOLE_RING_OUT - 1], 'x');
    check_guards();
}

/* Impossible indices: nothing is taken, the ring is empty and works again afterwards. */
static void test_take_hostile(void **state)
{
    static const struct {
        uint32_t cons, prod;
    } pairs[] = {
        {0, CONSOLE_RING_OUT + 1},       {0, 0x80000000u}, {5, 4}, {0, 0xffffffffu},
        {0xffffffffu, CONSOLE_RING_OUT}, {0x7fffffffu, 0},
    };

    char buf[CONSOLE_RING_OUT];

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        ring->out_cons = pairs[i].cons;
        ring->out_prod = pairs[i].prod;
        assert_int_equal(console_ring_pending(ring), -EPROTO);
        assert_int_equal(console_ring_take(ring, buf, sizeof(buf)), -EPROTO);
        assert_int_equal(console_ring_pending(ring), 0);
        guest_print("ok");
        assert_int_equal(console_ring_take(ring, buf, sizeof(buf)), 2);
        assert_memory_equal(buf, "ok", 2);
    }
    check_guards();
}

static void test_put(void **state)
{
    char big[CONSOLE_RING_IN + 10];

    memset(big, 'y', sizeof(big));
    assert_int_equal(console_ring_put(ring, "abc", 3), 3);
    assert_memory_equal(ring->in, "abc", 3);
    assert_int_equal(ring->in_prod, 3);
    assert_int_equal(console_ring_put(ring, big, sizeof(big)), CONSOLE_RING_IN - 3);
    assert_int_equal(console_ring_put(ring, "z", 1), 0);
    ring->in_cons += 2;
    assert_int_equal(console_ring_put(ring, "zzz", 3), 2);
    assert_memory_equal(ring->in, "zzc", 3);
    check_guards();
}

static void test_put_hostile(void **state)
{
    static const uint32_t cons[] = {1, 0x80000000u, 0xffffffffu - CONSOLE_RING_IN};

    for (size_t i = 0; i < ARRAY_SIZE(cons); i++) {
        ring->in_prod = 0;
        ring->in_cons = cons[i];
        assert_int_equal(console_ring_put(ring, "abc", 3), -EPROTO);
        assert_int_equal(ring->in_prod, 0);
        assert_int_equal(ring->in[0], 0);
    }
    check_guards();
}

static void test_connect(void **state)
{
    area.page.bytes[0xc10] = 1;
    console_ring_connect(ring);
    assert_int_equal(area.page.bytes[0xc10], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_take, setup),
        cmocka_unit_test_setup(test_take_wraps, setup),
        cmocka_unit_test_setup(test_take_full, setup),
        cmocka_unit_test_setup(test_take_hostile, setup),
        cmocka_unit_test_setup(test_put, setup),
        cmocka_unit_test_setup(test_put_hostile, setup),
        cmocka_unit_test_setup(test_connect, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
