/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-frame.c - headers are found or not, checksums come out right, nothing is read or
 * written outside a frame whatever its headers say. Also the rate limit and the multicast
 * list, which are as small.
 */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/net/frame.h"
#include "backend/net/multicast.h"
#include "backend/net/rate.h"

static uint8_t buf[NET_FRAME_MAX + 64];

static const size_t payloads[] = {0, 1, 2, 7, 8, 9, 100, 1459, 1460, 9001, 65000};

static void check_checksum(size_t len)
{
    struct net_frame f = {.data = buf, .len = len};

    assert_int_equal(net_frame_make_partial(&f), 0);
    assert_true(f.partial && f.validated);
    net_frame_complete(&f);
    assert_false(f.partial);
    assert_true(f.validated);
    assert_true(checksum_is_right(buf, len));
}

static void test_checksums(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(payloads); i++) {
        check_checksum(make_tcp4(buf, payloads[i]));
        check_checksum(make_tcp6(buf, payloads[i]));
        check_checksum(make_udp4(buf, payloads[i]));
    }
}

/* What a wrong guest wrote into the field does not matter. */
static void test_field_is_ours(void **state)
{
    size_t len = make_tcp4(buf, 77);

    buf[14 + 20 + 16] = 0xab;
    buf[14 + 20 + 17] = 0xcd;
    check_checksum(len);
}

/* Padding of a short frame is not summed. */
static void test_padding(void **state)
{
    size_t len = make_udp4(buf, 3);
    struct net_frame f = {.data = buf, .len = 60};

    memset(buf + len, 0xa5, 60 - len);
    assert_int_equal(net_frame_make_partial(&f), 0);
    net_frame_complete(&f);
    assert_true(checksum_is_right(buf, len));
}

/* A UDP checksum that comes out as zero is sent as all ones. */
static void test_udp_zero(void **state)
{
    size_t len = make_udp4(buf, 4);
    struct net_frame f = {.data = buf, .len = len};
    uint8_t *sum = buf + 14 + 20 + 6;

    memset(buf + 14 + 28, 0, 4);
    assert_int_equal(net_frame_make_partial(&f), 0);
    net_frame_complete(&f);
    /* Payload that takes the sum to zero: the checksum itself. */
    memcpy(buf + 14 + 28, sum, 2);
    f = (struct net_frame){.data = buf, .len = len};
    assert_int_equal(net_frame_make_partial(&f), 0);
    net_frame_complete(&f);
    assert_int_equal(sum[0], 0xff);
    assert_int_equal(sum[1], 0xff);
}

static void test_vlan(void **state)
{
    size_t len = make_tcp4(buf, 10);
    struct net_headers h;

    memmove(buf + 16, buf + 12, len - 12);
    memcpy(buf + 12, (uint8_t[]){0x81, 0, 0, 5}, 4);
    net_headers_find(buf, len + 4, &h);
    assert_int_equal(h.version, 4);
    assert_int_equal(h.protocol, 6);
    assert_int_equal(h.ip, 18);
    assert_int_equal(h.transport, 38);
    assert_int_equal(h.transport_len, 30);
    assert_int_equal(h.header_len, 58);
}

static void test_ipv6_options(void **state)
{
    size_t len = make_tcp6(buf, 10);
    struct net_headers h;

    memmove(buf + 54 + 16, buf + 54, len - 54);
    memset(buf + 54, 0, 16);
    buf[20] = 0; /* hop-by-hop */
    buf[54] = 60;
    buf[62] = 6; /* after destination options: TCP */
    buf[19] = (uint8_t)(buf[19] + 16);
    net_headers_find(buf, len + 16, &h);
    assert_int_equal(h.version, 6);
    assert_int_equal(h.protocol, 6);
    assert_int_equal(h.transport, 70);
    buf[55] = 200; /* an option that is longer than the frame */
    net_headers_find(buf, len + 16, &h);
    assert_int_equal(h.protocol, 0);
}

static void test_not_for_us(void **state)
{
    struct net_frame f;
    size_t len = make_tcp4(buf, 10);

    buf[14 + 6] = 0x20; /* a fragment */
    f = (struct net_frame){.data = buf, .len = len};
    assert_int_equal(net_frame_make_partial(&f), -EINVAL);
    make_tcp4(buf, 10);
    buf[14 + 9] = 47; /* GRE */
    f = (struct net_frame){.data = buf, .len = len};
    assert_int_equal(net_frame_make_partial(&f), -EINVAL);
    make_tcp4(buf, 10);
    buf[14 + 20 + 12] = 0x40; /* a TCP header of 16 bytes */
    f = (struct net_frame){.data = buf, .len = len};
    assert_int_equal(net_frame_make_partial(&f), -EINVAL);
    make_tcp4(buf, 10);
    buf[14 + 20 + 12] = 0xf0; /* and of 60, in a segment of 30 */
    f = (struct net_frame){.data = buf, .len = len};
    assert_int_equal(net_frame_make_partial(&f), -EINVAL);
}

static void test_gso(void **state)
{
    size_t len = make_tcp4(buf, 4000);
    struct net_frame f = {.data = buf, .len = len, .gso = NET_GSO_TCPV4, .gso_size = 1460};

    assert_int_equal(net_frame_make_partial(&f), 0);
    assert_int_equal(f.gso, NET_GSO_TCPV4);
    assert_int_equal(f.header_len, 54);
    assert_int_equal(f.csum_start, 34);
    assert_int_equal(f.csum_offset, 16);
    f = (struct net_frame){.data = buf, .len = len, .gso = NET_GSO_TCPV6, .gso_size = 1460};
    assert_int_equal(net_frame_make_partial(&f), -EINVAL);
    f = (struct net_frame){.data = buf, .len = len, .gso = NET_GSO_TCPV4, .gso_size = 4000};
    assert_int_equal(net_frame_make_partial(&f), 0);
    assert_int_equal(f.gso, NET_GSO_NONE); /* one piece */
    len = make_udp4(buf, 4000);
    f = (struct net_frame){.data = buf, .len = len, .gso = NET_GSO_TCPV4, .gso_size = 1000};
    assert_int_equal(net_frame_make_partial(&f), -EINVAL);
}

/* Cut anywhere, with any byte of the headers changed: no access outside (run with ASan), and
 * what is found lies inside. The frame is at the end of its allocation. */
static void test_damage(void **state)
{
    static size_t (*const makers[])(uint8_t *, size_t) = {make_tcp4, make_tcp6, make_udp4};

    for (size_t m = 0; m < ARRAY_SIZE(makers); m++) {
        size_t whole = makers[m](buf, 20);

        for (size_t len = 0; len <= whole; len++) {
            uint8_t *copy = malloc(len ? len : 1);

            for (size_t at = 12; at < (len < 80 ? len : 80); at++) {
                struct net_headers h;
                struct net_frame f = {.data = copy, .len = len};

                memcpy(copy, buf, len);
                copy[at] ^= (uint8_t)(0x55 + at * len);
                net_headers_find(copy, len, &h);
                if (h.protocol)
                    assert_true(h.transport + h.transport_len <= len && h.header_len <= len);
                if (net_frame_make_partial(&f) == 0)
                    net_frame_complete(&f);
                (void)net_frame_flow(&f);
            }
            free(copy);
        }
    }
}

/* A partial checksum where a hostile tap says it is. */
static void test_partial_anywhere(void **state)
{
    uint8_t *copy = malloc(60);
    struct net_frame f = {.data = copy, .len = 60, .partial = true};

    memset(copy, 1, 60);
    for (unsigned int start = 0; start < 70; start++) {
        f.partial = true;
        f.csum_start = (uint16_t)start;
        f.csum_offset = 6;
        net_frame_complete(&f);
        assert_false(f.partial);
    }
    free(copy);
}

static void test_payload(void **state)
{
    struct net_frame f = {.data = buf};

    f.len = make_tcp4(buf, 0);
    assert_false(net_frame_has_payload(&f));
    f.len = make_tcp6(buf, 1);
    assert_true(net_frame_has_payload(&f));
    f.len = make_udp4(buf, 1);
    assert_true(net_frame_has_payload(&f));
    buf[12] = 0; /* no IP */
    assert_false(net_frame_has_payload(&f));
}

/* Only the flag and the checksum change, and only in a reset without it. */
static void test_reset(void **state)
{
    for (unsigned int flags = 0; flags < 64; flags++) {
        for (int version = 4; version <= 6; version += 2) {
            size_t len = version == 4 ? make_tcp4(buf, 3) : make_tcp6(buf, 3);
            size_t tcp = version == 4 ? 34 : 54;
            struct net_frame f = {.data = buf, .len = len, .validated = true};
            bool changes = (flags & 0x14) == 0x04;
            uint8_t before[128];

            buf[tcp + 13] = (uint8_t)flags;
            memcpy(before, buf, len);
            net_frame_acknowledge_reset(&f);
            assert_int_equal(f.len, len);
            assert_true(f.validated && !f.partial);
            if (changes) {
                assert_true(checksum_is_right(buf, len));
                before[tcp + 13] |= 0x10;
                memcpy(before + tcp + 16, buf + tcp + 16, 2);
            }
            assert_memory_equal(buf, before, len);
        }
    }
    /* What has no whole TCP header has no such flag, whatever lies behind it. */
    for (size_t len = 14; len < make_tcp4(buf, 0); len++) {
        struct net_frame f = {.data = buf, .len = len};

        buf[14 + 20 + 13] = 0x04;
        net_frame_acknowledge_reset(&f);
        assert_int_equal(buf[14 + 20 + 13], 0x04);
    }
}

static void test_flow(void **state)
{
    size_t len = make_tcp4(buf, 100);
    struct net_frame f = {.data = buf, .len = len};
    uint32_t flow = net_frame_flow(&f);
    unsigned int other = 0;

    make_tcp4(buf, 500);
    f.len = 554;
    assert_int_equal(net_frame_flow(&f), flow);
    for (unsigned int port = 0; port < 64; port++) {
        buf[34] = (uint8_t)port;
        other += net_frame_flow(&f) % 2;
    }
    assert_in_range(other, 10, 54);
}

static void test_rate(void **state)
{
    struct net_rate r;

    net_rate_init(&r, 0, 0);
    assert_int_equal(net_rate_take(&r, 1u << 30, 0), 0);
    net_rate_init(&r, 3000, 50000);
    assert_int_equal(net_rate_take(&r, 1500, 100), 0);
    assert_int_equal(net_rate_take(&r, 1500, 100), 0);
    assert_int_equal(net_rate_take(&r, 1500, 10000100), 40000000);
    assert_int_equal(net_rate_take(&r, 1500, 50000100), 0);
    /* A packet of three intervals passes when one is full and costs the next ones, too. */
    assert_int_equal(net_rate_take(&r, 9000, 50000100), 50000000);
    assert_int_equal(net_rate_take(&r, 9000, 100000100), 0);
    assert_int_equal(net_rate_take(&r, 1, 100000101), 149999999);
    assert_int_equal(net_rate_take(&r, 1, 250000100), 0);
}

static void test_multicast(void **state)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};
    static struct net_multicast m;

    assert_true(net_multicast_passes(&m, all));
    assert_true(net_multicast_passes(&m, (uint8_t[6]){2}));
    assert_false(net_multicast_passes(&m, group));
    assert_int_equal(net_multicast_add(&m, (uint8_t[6]){2}), -EINVAL);
    for (unsigned int i = 0; i < NET_MAX_GROUPS; i++) {
        group[5] = (uint8_t)i;
        assert_int_equal(net_multicast_add(&m, group), 0);
        assert_int_equal(net_multicast_add(&m, group), 0);
    }
    group[5] = 200;
    assert_int_equal(net_multicast_add(&m, group), -ENOSPC);
    net_multicast_del(&m, group);
    group[5] = 5;
    assert_true(net_multicast_passes(&m, group));
    net_multicast_del(&m, group);
    assert_false(net_multicast_passes(&m, group));
    group[5] = 63;
    assert_true(net_multicast_passes(&m, group));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksums),  cmocka_unit_test(test_field_is_ours),
        cmocka_unit_test(test_padding),    cmocka_unit_test(test_udp_zero),
        cmocka_unit_test(test_vlan),       cmocka_unit_test(test_ipv6_options),
        cmocka_unit_test(test_not_for_us), cmocka_unit_test(test_gso),
        cmocka_unit_test(test_damage),     cmocka_unit_test(test_partial_anywhere),
        cmocka_unit_test(test_payload),    cmocka_unit_test(test_flow),
        cmocka_unit_test(test_rate),       cmocka_unit_test(test_multicast),
        cmocka_unit_test(test_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
