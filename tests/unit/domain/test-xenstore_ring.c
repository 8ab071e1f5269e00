/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-xenstore_ring.c - the guest's xenstore ring: bytes both ways, in order and complete, and
 * what a hostile guest or a vanished xenstored can do. The test plays both.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "domain/xenstore_ring.h"

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/io/xs_wire.h>

static struct loop *loop;
static int store_fd; /* xenstored's end */

static int setup_ring(void **state)
{
    struct err err;
    int pair[2];

    setup_one_vcpu(state);
    assert_int_equal(loop_create(&loop, &err), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    store_fd = pair[1];
    assert_int_equal(fcntl(store_fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(xenstore_ring_create(&fix->d, loop, pair[0], &err), 0);
    return 0;
}

static int teardown_ring(void **state)
{
    xenstore_ring_destroy(&fix->d);
    loop_destroy(loop);
    if (store_fd >= 0)
        close(store_fd);
    return teardown(state);
}

/* --- the guest's end -------------------------------------------------------------------- */

static struct xenstore_domain_interface *ring(void)
{
    return frame(FRAME_STORE);
}

static void kick(void)
{
    struct evtchn_send op = {.port = EVTCHN_PORT_STORE};

    assert_int_equal(CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &op), 0);
}

static size_t guest_put(const void *data, size_t size)
{
    size_t done = 0;

    while (done < size && ring()->req_prod - ring()->req_cons < XENSTORE_RING_SIZE)
        ring()->req[MASK_XENSTORE_IDX(ring()->req_prod++)] = ((const char *)data)[done++];
    return done;
}

static size_t guest_get(void *data, size_t size)
{
    size_t done = 0;

    while (done < size && ring()->rsp_prod != ring()->rsp_cons)
        ((char *)data)[done++] = ring()->rsp[MASK_XENSTORE_IDX(ring()->rsp_cons++)];
    return done;
}

/* Run the main loop for what is due now. */
static void run_loop(void)
{
    for (unsigned int i = 0; i < 4; i++)
        assert_int_equal(loop_run_once(loop, 0), 0);
}

/* --- bytes ------------------------------------------------------------------------------ */

static void test_request(void **state)
{
    char buf[64];

    assert_int_equal(guest_put("a request", 9), 9);
    kick(); /* goes at once, without the main loop */
    assert_int_equal(read(store_fd, buf, sizeof(buf)), 9);
    assert_memory_equal(buf, "a request", 9);
    assert_int_equal(ring()->req_cons, 9);
    assert_int_equal(read(store_fd, buf, sizeof(buf)), -1);
}

static void test_answer(void **state)
{
    unsigned int kicks = fix->kicks[0];
    char buf[64];

    assert_int_equal(write(store_fd, "an answer", 9), 9);
    run_loop();
    assert_true(fix->kicks[0] > kicks);
    assert_int_equal(guest_get(buf, sizeof(buf)), 9);
    assert_memory_equal(buf, "an answer", 9);
}

static void test_byte_by_byte(void **state)
{
    char c;

    for (unsigned int i = 0; i < 3000; i++) {
        assert_int_equal(guest_put(&(char){(char)i}, 1), 1);
        kick();
        assert_int_equal(read(store_fd, &c, 1), 1);
        assert_int_equal(c, (char)i);
    }
}

/* Megabytes through both directions at once, with indices that wrap at 2^32. */
static void test_stream(void **state)
{
    enum { TOTAL = 1 << 20 };
    uint8_t *sent = malloc(TOTAL), *back = malloc(TOTAL), buf[1500];
    size_t put = 0, echoed = 0, got = 0;

    ring()->req_prod = ring()->req_cons = 0xffffff00u;
    ring()->rsp_prod = ring()->rsp_cons = 0xfffffff0u;
    srand(5);
    for (size_t i = 0; i < TOTAL; i++)
        sent[i] = (uint8_t)rand();
    while (got < TOTAL) {
        ssize_t n;

        put += guest_put(sent + put, TOTAL - put < 700 ? TOTAL - put : (size_t)rand() % 700);
        kick();
        n = read(store_fd, buf, (size_t)rand() % sizeof(buf) + 1);
        if (n > 0) {
            assert_int_equal(write(store_fd, buf, (size_t)n), n);
            echoed += (size_t)n;
        }
        run_loop();
        got += guest_get(back + got, (size_t)rand() % 900);
    }
    assert_int_equal(echoed, TOTAL);
    assert_memory_equal(sent, back, TOTAL);
    free(sent);
    free(back);
}

/* --- sides that do not take ------------------------------------------------------------- */

/* xenstored does not read: what the guest can get rid of is bounded, and nothing is lost. */
static void test_store_is_full(void **state)
{
    size_t put = 0, last, got = 0;
    unsigned int idle = 0;

    do {
        uint8_t c = (uint8_t)(put * 7);

        last = guest_put(&c, 1);
        put += last;
        if (!last) {
            kick();
            last = ring()->req_prod - ring()->req_cons < XENSTORE_RING_SIZE;
        }
    } while (last && put < 10000000);
    assert_in_range(put, 4096, 9000000);
    while (got < put && idle < 10) {
        uint8_t buf[4096];
        ssize_t n = read(store_fd, buf, sizeof(buf));

        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(buf[i], (uint8_t)((got + (size_t)i) * 7));
        got += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        run_loop(); /* no kick: room in the socket alone makes it go on */
    }
    assert_int_equal(got, put);
}

/* The guest does not read: xenstored's bytes stay in the socket. */
static void test_guest_is_full(void **state)
{
    size_t put = 0, got = 0;
    uint8_t buf[512];

    for (;;) {
        ssize_t n;

        for (size_t i = 0; i < sizeof(buf); i++)
            buf[i] = (uint8_t)((put + i) * 5);
        n = write(store_fd, buf, sizeof(buf));
        if (n < 0)
            break;
        put += (size_t)n;
        run_loop();
    }
    assert_true(put > XENSTORE_RING_SIZE + 4096);
    assert_int_equal(ring()->rsp_prod - ring()->rsp_cons, XENSTORE_RING_SIZE);
    while (got < put) {
        size_t n = guest_get(buf, sizeof(buf));

        for (size_t i = 0; i < n; i++)
            assert_int_equal(buf[i], (uint8_t)((got + i) * 5));
        got += n;
        kick(); /* there is room again */
        run_loop();
        assert_true(n > 0);
    }
}

/* --- hostile guests, vanished daemons --------------------------------------------------- */

static void got_nothing(void)
{
    char buf[16];

    kick();
    run_loop();
    assert_int_equal(read(store_fd, buf, sizeof(buf)), -1);
    assert_int_equal(errno, EAGAIN);
}

static void test_bad_request_index(void **state)
{
    ring()->req_prod = ring()->req_cons + XENSTORE_RING_SIZE + 1;
    got_nothing();
    /* Dropped: nothing is carried any more, and nothing moves. */
    ring()->req_prod = ring()->req_cons;
    guest_put("x", 1);
    got_nothing();
    assert_int_equal(ring()->req_prod - ring()->req_cons, 1);
}

static void test_bad_response_index(void **state)
{
    ring()->rsp_cons = ring()->rsp_prod + 1;
    assert_int_equal(write(store_fd, "answer", 6), 6);
    run_loop();
    assert_int_equal(ring()->rsp_prod, 0);
    ring()->rsp_cons = ring()->rsp_prod;
    kick();
    run_loop();
    assert_int_equal(ring()->rsp_prod, 0);
}

static void test_store_goes(void **state)
{
    close(store_fd);
    store_fd = -1;
    run_loop();
    guest_put("x", 1);
    kick();
    run_loop();
    assert_int_equal(ring()->req_cons, 0);
}

/* The same, noticed by the guest's request first. */
static void test_store_goes_in_request(void **state)
{
    close(store_fd);
    store_fd = -1;
    guest_put("x", 1);
    kick();
    run_loop();
    guest_put("y", 1);
    kick();
    run_loop();
    assert_int_equal(ring()->req_cons, 1);
}

/* The last words of a connection that xenstored closes reach the guest. */
static void test_last_words(void **state)
{
    char buf[16];

    assert_int_equal(write(store_fd, "words", 5), 5);
    close(store_fd);
    store_fd = -1;
    run_loop();
    assert_int_equal(guest_get(buf, sizeof(buf)), 5);
}

static void test_garbage(void **state)
{
    srand(6);
    for (unsigned int i = 0; i < 1000; i++) {
        uint8_t *p = frame(FRAME_STORE);
        char buf[4096];

        if (i % 10 == 0) {
            teardown_ring(NULL);
            setup_ring(NULL);
            p = frame(FRAME_STORE);
        }
        for (size_t k = 0; k < sizeof(struct xenstore_domain_interface); k++)
            p[k] = (uint8_t)(rand() % 3 ? rand() : 0);
        if (rand() & 1)
            ring()->req_prod = ring()->req_cons + (uint32_t)rand() % 1025;
        if (rand() & 1)
            ring()->rsp_cons = ring()->rsp_prod - (uint32_t)rand() % 1025;
        (void)!write(store_fd, buf, (size_t)rand() % 1500);
        kick();
        run_loop();
        (void)!read(store_fd, buf, sizeof(buf));
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_ring, teardown_ring)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_request),           T(test_answer),
        T(test_byte_by_byte),      T(test_stream),
        T(test_store_is_full),     T(test_guest_is_full),
        T(test_bad_request_index), T(test_bad_response_index),
        T(test_store_goes),        T(test_store_goes_in_request),
        T(test_last_words),        T(test_garbage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
