/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-xenbus.c - the backend's state machine against frontends that do what Linux and GRUB
 * do, and what nobody should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "backend/xenbus.h"
#include "domain/domain.h"
#include "fake_store.h"

#define FRONT "/local/domain/7/device/test/5"
#define BACK "/local/domain/0/backend/test/7/5"

static struct {
    unsigned int inits, connects, disconnects, removals;
    int init_rc, connect_rc;
    bool connected;
} calls;

static struct domain dom = {.domid = 7};
static struct loop *loop;
static struct xenbus *bus;
static struct xenbus_device *dev;

static int on_init(struct xenbus_device *d, void *arg, struct err *err)
{
    calls.inits++;
    (void)xenbus_printf(d, "feature-test", "%u", calls.inits);
    return calls.init_rc < 0 ? err_set(err, -calls.init_rc, "no init") : 0;
}

static int on_connect(struct xenbus_device *d, void *arg, struct err *err)
{
    assert_false(calls.connected);
    calls.connects++;
    if (calls.connect_rc < 0)
        return err_set(err, -calls.connect_rc, "bad ring");
    calls.connected = true;
    return 0;
}

static void on_disconnect(struct xenbus_device *d, void *arg)
{
    assert_true(calls.connected);
    calls.connected = false;
    calls.disconnects++;
}

static void on_removed(struct xenbus_device *d, void *arg)
{
    calls.removals++;
    dev = NULL;
}

static const struct xenbus_ops ops = {.type = "test",
                                      .init = on_init,
                                      .connect = on_connect,
                                      .disconnect = on_disconnect,
                                      .removed = on_removed};

static int setup(void **state)
{
    struct err err = {0};

    store_reset();
    memset(&calls, 0, sizeof(calls));
    assert_int_equal(loop_create(&loop, &err), 0);
    assert_int_equal(xenbus_create(&bus, loop, &dom, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    xenbus_destroy(bus);
    loop_destroy(loop);
    return 0;
}

static int add(struct err *err)
{
    const struct xenbus_key front[] = {{"virtual-device", "5"}, {0}}, back[] = {{"dev", "x"}, {0}};

    return xenbus_add(bus, &ops, NULL, 5, front, back, &dev, err);
}

static void add_device(void)
{
    struct err err = {0};

    assert_int_equal(add(&err), 0);
    store_settle();
}

/* The frontend changes its state; the backend's answer. */
static const char *front(const char *state)
{
    store_write(FRONT "/state", state);
    store_settle();
    return store_read(BACK "/state");
}

static void test_add(void **state)
{
    add_device();
    assert_string_equal(store_read(BACK "/frontend"), FRONT);
    assert_string_equal(store_read(BACK "/frontend-id"), "7");
    assert_string_equal(store_read(BACK "/online"), "1");
    assert_string_equal(store_read(BACK "/dev"), "x");
    assert_string_equal(store_read(BACK "/state"), "2");
    assert_string_equal(store_read(FRONT "/backend"), BACK);
    assert_string_equal(store_read(FRONT "/backend-id"), "0");
    assert_string_equal(store_read(FRONT "/state"), "1");
    assert_string_equal(store_read(FRONT "/virtual-device"), "5");
    assert_int_equal(store_owner(FRONT "/state"), 7);
    assert_int_equal(store_owner(BACK "/state"), 0);
    assert_int_equal(calls.inits, 1);
    assert_int_equal(calls.connects, 0);
}

static void test_add_conflict(void **state)
{
    struct err err = {0};

    store_conflict(3);
    add_device();
    assert_string_equal(store_read(BACK "/state"), "2");
    assert_int_equal(add(&err), -EEXIST);
}

static void test_init_fails(void **state)
{
    struct err err = {0};

    calls.init_rc = -ENOSPC;
    assert_int_equal(add(&err), -ENOSPC);
    assert_string_equal(err.msg, "no init");
    assert_int_equal(store_count("/local/domain/7/device/test"), 0);
    assert_int_equal(store_count(BACK), 0);
}

static void test_connect_and_close(void **state)
{
    add_device();
    assert_string_equal(front("3"), "4");
    assert_true(calls.connected);
    assert_string_equal(front("4"), "4");
    assert_int_equal(calls.connects, 1);
    /* Closing may mean "in use, but I will": nothing is taken away yet. */
    assert_string_equal(front("5"), "5");
    assert_true(calls.connected);
    assert_string_equal(front("6"), "6");
    assert_false(calls.connected);
    /* The next one: features are written before InitWait is. */
    assert_string_equal(front("1"), "2");
    assert_int_equal(calls.inits, 2);
    assert_string_equal(store_read(BACK "/feature-test"), "2");
    assert_string_equal(front("4"), "4");
    assert_int_equal(calls.connects, 2);
}

/* GRUB goes from 6 to 1 as soon as it reads 6; a slow backend may see only the end. */
static void test_missed_states(void **state)
{
    add_device();
    front("3");
    assert_string_equal(front("1"), "2");
    assert_int_equal(calls.disconnects, 1);
    front("3");
    front("6");
    assert_string_equal(front("3"), "4");
    assert_int_equal(calls.inits, 3);
}

static void test_frontend_vanishes(void **state)
{
    add_device();
    front("4");
    xs_rm(NULL, XS_NO_TX, FRONT);
    store_settle();
    assert_int_equal(calls.disconnects, 1);
    assert_string_equal(store_read(BACK "/state"), "6");
    assert_string_equal(front("1"), "2");
}

static void test_garbage_states(void **state)
{
    static const char *const texts[] = {"", "x", "-1", "9", "99999999999999999999", "4x"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        setup(NULL);
        add_device();
        front("3");
        assert_string_equal(front(texts[i]), "6");
        assert_false(calls.connected);
        assert_int_equal(calls.disconnects, 1);
        if (i + 1 < ARRAY_SIZE(texts))
            teardown(NULL);
    }
}

static void test_connect_fails(void **state)
{
    add_device();
    calls.connect_rc = -EINVAL;
    assert_string_equal(front("3"), "5");
    assert_string_equal(store_read("/local/domain/0/error/backend/test/7/5/error"), "bad ring");
    assert_string_equal(store_read("/local/domain/7/error/device/test/5/error"), "bad ring");
    /* Not tried again before the frontend has closed. */
    front("4");
    assert_int_equal(calls.connects, 1);
    calls.connect_rc = 0;
    assert_string_equal(front("6"), "6");
    assert_string_equal(front("1"), "2");
    assert_string_equal(front("3"), "4");
    assert_int_equal(calls.disconnects, 0);
}

static void test_connect_later(void **state)
{
    add_device();
    calls.connect_rc = -EAGAIN;
    assert_string_equal(front("4"), "2");
    calls.connect_rc = 0;
    xenbus_recheck(dev);
    assert_string_equal(store_read(BACK "/state"), "4");
}

static void test_unplug(void **state)
{
    add_device();
    front("4");
    xenbus_unplug(dev, false);
    assert_string_equal(store_read(BACK "/online"), "0");
    assert_string_equal(store_read(BACK "/state"), "5");
    store_settle();
    front("5");
    assert_int_equal(calls.removals, 0);
    front("6");
    assert_int_equal(calls.disconnects, 1);
    assert_int_equal(calls.removals, 1);
    assert_null(dev);
    assert_int_equal(store_count(BACK), 0);
    assert_int_equal(store_count(FRONT), 0);
}

static void test_unplug_by_force(void **state)
{
    add_device();
    front("4");
    xenbus_unplug(dev, true);
    assert_int_equal(calls.disconnects, 1);
    assert_int_equal(calls.removals, 1);
    assert_int_equal(store_count(BACK), 0);
}

/* Nobody ever answered: there is no driver that could let go. */
static void test_unplug_unused(void **state)
{
    add_device();
    xenbus_unplug(dev, false);
    assert_int_equal(calls.removals, 1);
    assert_int_equal(calls.disconnects, 0);
    assert_int_equal(store_count(BACK), 0);
}

/* xenstored is gone: what is connected stays so. */
static void test_store_lost(void **state)
{
    add_device();
    front("4");
    store_break(true);
    xenbus_recheck(dev);
    assert_true(calls.connected);
    assert_string_equal(store_read(BACK "/state"), "4");
}

static void test_fatal(void **state)
{
    add_device();
    front("4");
    xenbus_fatal(dev, "ring of %d", 7);
    assert_string_equal(store_read(BACK "/state"), "5");
    front("6");
    assert_int_equal(calls.disconnects, 1);
}

static void test_numbers(void **state)
{
    struct err err = {0};
    uint64_t n;

    add_device();
    store_write(FRONT "/ring-ref", "12");
    assert_int_equal(xenbus_front_need(dev, "ring-ref", 12, &n, &err), 0);
    assert_int_equal(n, 12);
    assert_int_equal(xenbus_front_need(dev, "ring-ref", 11, &n, &err), -EINVAL);
    assert_int_equal(xenbus_front_need(dev, "no", 11, &n, &err), -ENOENT);
    assert_int_equal(xenbus_front_number(dev, "no", 11, 3, &n, &err), 0);
    assert_int_equal(n, 3);
    store_write(FRONT "/ring-ref", "-1");
    assert_int_equal(xenbus_front_number(dev, "ring-ref", 11, 3, &n, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_add, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_conflict, setup, teardown),
        cmocka_unit_test_setup_teardown(test_init_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connect_and_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missed_states, setup, teardown),
        cmocka_unit_test_setup_teardown(test_frontend_vanishes, setup, teardown),
        cmocka_unit_test_teardown(test_garbage_states, teardown),
        cmocka_unit_test_setup_teardown(test_connect_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connect_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unplug, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unplug_by_force, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unplug_unused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fatal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
