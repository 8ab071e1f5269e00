/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-link.c - frames over a stream socket: whole, in crumbs, against a peer that does not
 * read, that talks nonsense, that goes. And the tap device, as far as this user may, and
 * descriptors of other things.
 */
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/net/link.h"
#include "backend/net/tap.h"

static struct net_link *l;
static int peer;
static uint8_t buf[NET_FRAME_MAX];

static int setup_stream(void **state)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(link_stream_create(&l, pair[0], "passt", NULL), 0);
    peer = pair[1];
    return 0;
}

static int teardown_stream(void **state)
{
    net_link_destroy(l);
    if (peer >= 0)
        close(peer);
    return 0;
}

static struct net_frame make(uint8_t *to, size_t len, unsigned int seed)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(i * 13 + seed);
    return (struct net_frame){.data = to, .len = len};
}

static void test_send(void **state)
{
    static uint8_t data[2000], got[2000];
    struct net_frame f = make(data, 1514, 1);
    uint32_t head;

    assert_int_equal(l->ops->send(l, &f), 0);
    assert_int_equal(recv(peer, &head, 4, MSG_WAITALL), 4);
    assert_int_equal(ntohl(head), 1514);
    assert_int_equal(recv(peer, got, 1514, MSG_WAITALL), 1514);
    assert_memory_equal(got, data, 1514);
}

/* The socket fills up: nothing is lost, nothing is torn, and the link says when it is full. */
static void test_slow_peer(void **state)
{
    static uint8_t data[NET_FRAME_MAX], got[NET_FRAME_MAX];
    unsigned int sent = 0, received = 0;

    for (;;) {
        struct net_frame f = make(data, 60000 + sent, sent);
        int rc = l->ops->send(l, &f);

        if (rc < 0) {
            assert_int_equal(rc, -EAGAIN);
            break;
        }
        sent++;
        assert_true(sent < 1000);
    }
    assert_true(sent > 0);
    assert_true(l->blocked);
    while (received < sent) {
        uint32_t head;
        struct net_frame want = make(data, 60000 + received, received);

        net_link_flush(l);
        assert_int_equal(recv(peer, &head, 4, MSG_WAITALL), 4);
        assert_int_equal(ntohl(head), want.len);
        for (size_t at = 0; at < want.len;) {
            ssize_t n = recv(peer, got + at, want.len - at, 0);

            assert_true(n > 0);
            at += (size_t)n;
            net_link_flush(l);
        }
        assert_memory_equal(got, data, want.len);
        received++;
    }
    assert_false(l->blocked);
    assert_false(l->lost);
}

static void send_crumbs(const uint8_t *data, size_t len, size_t crumb)
{
    struct net_frame f;

    for (size_t at = 0; at < len; at += crumb) {
        size_t n = len - at < crumb ? len - at : crumb;

        assert_int_equal(send(peer, data + at, n, 0), n);
        if (at + n < len)
            assert_int_equal(l->ops->receive(l, buf, &f), -EAGAIN);
    }
}

static void test_receive_crumbs(void **state)
{
    static const size_t crumbs[] = {1, 3, 5, 64, 5000};

    for (size_t i = 0; i < ARRAY_SIZE(crumbs); i++) {
        uint8_t data[304];
        uint32_t head = htonl(300);
        struct net_frame f = make(data + 4, 300, (unsigned int)i);

        memcpy(data, &head, 4);
        send_crumbs(data, sizeof(data), crumbs[i]);
        assert_int_equal(l->ops->receive(l, buf, &f), 0);
        assert_int_equal(f.len, 300);
        assert_memory_equal(f.data, data + 4, 300);
        assert_int_equal(l->ops->receive(l, buf, &f), -EAGAIN);
    }
}

static void test_receive_many(void **state)
{
    uint8_t data[14 + 4];
    uint32_t head = htonl(14);
    struct net_frame f;

    memset(data, 0, sizeof(data));
    memcpy(data, &head, 4);
    for (unsigned int i = 0; i < 100; i++) {
        data[17] = (uint8_t)i;
        assert_int_equal(send(peer, data, sizeof(data), 0), sizeof(data));
    }
    for (unsigned int i = 0; i < 100; i++) {
        assert_int_equal(l->ops->receive(l, buf, &f), 0);
        assert_int_equal(f.data[13], i);
    }
    assert_int_equal(l->ops->receive(l, buf, &f), -EAGAIN);
}

/* The largest frames, in pieces that end anywhere: none is torn where the link's memory ends. */
static void test_receive_large(void **state)
{
    const size_t len = NET_FRAME_MAX, piece = 30011, total = 20 * (4 + len);
    static uint8_t stream[20 * (4 + NET_FRAME_MAX)], want[NET_FRAME_MAX];
    unsigned int received = 0;
    struct net_frame f;

    for (unsigned int i = 0; i < 20; i++) {
        uint32_t head = htonl((uint32_t)len);

        memcpy(stream + i * (4 + len), &head, 4);
        make(stream + i * (4 + len) + 4, len, i);
    }
    for (size_t at = 0; at < total; at += piece) {
        size_t part = total - at < piece ? total - at : piece;

        assert_int_equal(send(peer, stream + at, part, 0), part);
        while (l->ops->receive(l, buf, &f) == 0) {
            assert_int_equal(f.len, len);
            make(want, len, received++);
            assert_memory_equal(f.data, want, len);
        }
    }
    assert_int_equal(received, 20);
    assert_false(l->lost);
}

static void test_nonsense(void **state)
{
    static const uint32_t lengths[] = {0, 13, 65536, 0xffffffff};
    struct net_frame f = make(buf, 100, 0);

    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        uint32_t head = htonl(lengths[i]);

        if (i > 0) {
            teardown_stream(state);
            setup_stream(state);
        }
        assert_int_equal(send(peer, &head, 4, 0), 4);
        assert_int_equal(l->ops->receive(l, buf, &f), -EAGAIN);
        assert_true(l->lost);
    }
}

static void test_peer_goes(void **state)
{
    struct net_frame f = make(buf, 100, 0);

    close(peer);
    peer = -1;
    assert_int_equal(l->ops->receive(l, buf, &f), -EAGAIN);
    assert_true(l->lost);
    assert_int_equal(l->ops->send(l, &f), -EIO);
    assert_false(l->blocked);
}

static void test_tap_refusals(void **state)
{
    struct err err = {0};

    assert_int_equal(tap_open("", &err), -EINVAL);
    assert_int_equal(tap_open("a-name-of-16-char", &err), -EINVAL);
    /* Exists everywhere and is no tap; without privilege that is what we hear of. */
    assert_true(tap_open("lo", &err) < 0);
    assert_non_null(strstr(err.msg, "lo"));
}

/* What came with a request may be anything; it is closed. */
static void test_other_descriptors(void **state)
{
    struct net_link *none = NULL;
    struct err err = {0};
    int pair[2], fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    assert_int_equal(link_tap_create(&none, fd, "tap", &err), -EINVAL);
    assert_string_equal(err.msg, "the descriptor for tap is no tap device's");
    assert_int_equal(close(fd), -1);
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(link_stream_create(&none, fd, "passt", &err), -EINVAL);
    assert_string_equal(err.msg, "the descriptor for passt is no stream socket");
    assert_int_equal(close(fd), -1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(link_tap_create(&none, pair[0], "tap", &err), -EINVAL);
    assert_int_equal(link_stream_create(&none, pair[1], "passt", &err), -EINVAL);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_send, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_slow_peer, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_receive_crumbs, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_receive_many, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_receive_large, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_nonsense, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_peer_goes, setup_stream, teardown_stream),
        cmocka_unit_test(test_tap_refusals),
        cmocka_unit_test(test_other_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
