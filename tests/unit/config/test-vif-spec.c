/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-vif-spec.c - entries of vif=[...]: what they become, and which are refused with a
 * sentence that names what is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "config/vif_spec.h"

static const struct vif_identity identity = {.name = "demo", .uuid = ""};

static json_t *parse(const char *text)
{
    struct err err = {0};
    const char *unused;
    json_t *vif = NULL;

    if (vif_spec_parse(text, 3, &identity, &vif, &unused, &err) < 0)
        fail_msg("'%s': %s", text, err.msg);
    assert_int_equal(json_get_int(vif, "devid", -1), 3);
    return vif;
}

static void expect(const char *text, const char *key, const char *want)
{
    json_t *vif = parse(text);
    const char *got = json_get_string(vif, key, "(none)");

    if (strcmp(got, want) != 0)
        fail_msg("'%s': %s is '%s' instead of '%s'", text, key, got, want);
    json_decref(vif);
}

static void test_keys(void **state)
{
    expect("", "type", "tap");
    expect(" , ", "type", "tap");
    expect("type=vif", "type", "tap");
    expect("type=netfront", "type", "tap");
    expect("type=ioemu", "type", "tap");
    expect("type=user", "type", "user");
    expect("bridge=xenbr0", "bridge", "xenbr0");
    expect(" mac = 00:16:3E:0a:0B:0c , bridge = br1 ", "mac", "00:16:3e:0a:0b:0c");
    expect("mac=0:16:3e:a:b:c", "mac", "00:16:3e:0a:0b:0c");
    expect("vifname=guest0", "ifname", "guest0");
    expect("ip=10.0.0.1 10.1.0.0/16, script=vif-route", "ip", "10.0.0.1 10.1.0.0/16");
    expect("ip=10.0.0.1 10.1.0.0/16, script=vif-route", "script", "vif-route");
}

static void test_mtu(void **state)
{
    json_t *vif = parse("mtu=9000");

    assert_int_equal(json_get_int(vif, "mtu", 0), 9000);
    json_decref(vif);
}

static void test_rates(void **state)
{
    static const struct {
        const char *text;
        json_int_t bytes, us;
    } rates[] = {
        {"rate=10Mb/s", 62500, 50000},        {"rate=10MB/s", 500000, 50000},
        {"rate=250KB/s@20ms", 5000, 20000},   {"rate=1GB/s@1s", 1000000000, 1000000},
        {"rate=100b/s@1s", 12, 1000000},      {"rate=1MB/s@500us", 500, 500},
        {"rate=1000Gb/s", 6250000000, 50000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
        json_t *vif = parse(rates[i].text);

        assert_int_equal(json_get_int(vif, "rate_bytes", 0), rates[i].bytes);
        assert_int_equal(json_get_int(vif, "rate_us", 0), rates[i].us);
        json_decref(vif);
    }
}

static void test_forwards(void **state)
{
    static const struct {
        const char *protocol, *address;
        int host, guest;
    } want[] = {
        {"tcp", "127.0.0.1", 2222, 22}, {"tcp", "", 80, 8080},      {"udp", "127.0.0.1", 53, 5353},
        {"tcp", "10.0.0.5", 1, 65535},  {"udp", "fd00::1", 69, 69}, {"tcp", "127.0.0.1", 443, 443},
    };
    json_t *vif = parse("type=user,hostfwd=2222:22 *:80:8080 udp:53:5353  tcp:10.0.0.5:1:65535 "
                        "udp:[fd00::1]:69:69+tcp:443:443");
    const json_t *list = json_object_get(vif, "hostfwd");

    assert_int_equal(json_array_size(list), ARRAY_SIZE(want));
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        const json_t *forward = json_array_get(list, i);

        assert_string_equal(json_get_string(forward, "protocol", "?"), want[i].protocol);
        assert_string_equal(json_get_string(forward, "address", "?"), want[i].address);
        assert_int_equal(json_get_int(forward, "host_port", 0), want[i].host);
        assert_int_equal(json_get_int(forward, "guest_port", 0), want[i].guest);
    }
    json_decref(vif);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"mac=00:16:3e", "mac="},
        {"mac=00:16:3e:00:00:00:00", "mac="},
        {"mac=00:16:3e:00:00:0g", "mac="},
        {"mac=0x:16:3e:00:00:00", "mac="},
        {"mac=01:16:3e:00:00:00", "group"},
        {"mac=00:00:00:00:00:00", "no address"},
        {"mac", "mac="},
        {"frobnicate=1", "Invalid vif option: frobnicate"},
        {"type=openvswitch", "type=openvswitch"},
        {"type=user,netdev=eth0", "gatewaydev has no meaning"},
        {"type=user,bridge=xenbr0", "bridge has no meaning"},
        {"ip=10.0.0.1,type=user", "ip has no meaning"},
        {"type=user,hostfwd=22", "hostfwd=22"},
        {"type=user,hostfwd=0:22", "hostfwd=0:22"},
        {"type=user,hostfwd=70000:22", "hostfwd=70000:22"},
        {"type=user,hostfwd=22:x", "hostfwd=22:x"},
        {"type=user,hostfwd=22:", "hostfwd=22:"},
        {"rate=10", "rate=10"},
        {"rate=10Mb", "rate=10Mb"},
        {"rate=10Xb/s", "rate=10Xb/s"},
        {"rate=10Mb/s@", "rate="},
        {"rate=10Mb/s@0s", "rate="},
        {"rate=10Mb/s@61s", "rate="},
        {"rate=10Mb/s@5min", "rate="},
        {"rate=1b/s", "0 bytes"},
        {"rate=99999999999Gb/s", "rate="},
        {"rate=999999999GB/s@60s", "rate="},
        {"mtu=67", "mtu=67"},
        {"mtu=", "mtu="},
        {"mtu=1500x", "mtu="},
        {"vifname=a/b", "vifname"},
        {"vifname=sixteen-letters-", "vifname"},
        {"vifname=", "vifname"},
        {"vifname=vif%d", "vifname"},
        {"backend=driver-domain", "backend="},
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = {0};
        const char *unused;
        json_t *vif;

        if (vif_spec_parse(bad[i].text, 0, &identity, &vif, &unused, &err) == 0)
            fail_msg("'%s' is taken", bad[i].text);
        if (!strstr(err.msg, bad[i].why))
            fail_msg("'%s': %s", bad[i].text, err.msg);
    }
}

static void get_mac(const char *name, const char *uuid, unsigned int devid, char to[18])
{
    struct vif_identity who = {.name = name, .uuid = uuid};
    const char *unused;
    json_t *vif;

    assert_int_equal(vif_spec_parse("", devid, &who, &vif, &unused, NULL), 0);
    snprintf(to, 18, "%s", json_get_string(vif, "mac", ""));
    json_decref(vif);
}

/* Kept from start to start; another for each interface and domain; in Xen's range. */
static void test_generated_mac(void **state)
{
    char a[18], b[18];
    unsigned int byte;

    get_mac("demo", "", 0, a);
    get_mac("demo", "", 0, b);
    assert_string_equal(a, b);
    get_mac("demo", "", 1, b);
    assert_string_not_equal(a, b);
    get_mac("demp", "", 0, b);
    assert_string_not_equal(a, b);
    get_mac("demo", "11111111-2222-3333-4444-555555555555", 0, b);
    assert_string_not_equal(a, b);
    get_mac("renamed", "11111111-2222-3333-4444-555555555555", 0, a);
    assert_string_equal(a, b);
    for (unsigned int i = 0; i < 64; i++) {
        get_mac("demo", "", i, a);
        assert_int_equal(strncmp(a, "00:16:3e:", 9), 0);
        assert_int_equal(sscanf(a + 9, "%2x", &byte), 1);
        assert_in_range(byte, 0, 0x7f);
    }
}

static struct config *load(const char *text)
{
    struct config *c = config_new();

    assert_int_equal(config_load_text(c, "dir/file", text, strlen(text), NULL), 0);
    return c;
}

static void test_all(void **state)
{
    struct config *c = load("vif = ['mac=00:16:3e:00:00:01', 'type=user, model=e1000']\n");
    json_t *doc = json_object();
    const json_t *vifs;

    assert_int_equal(vif_spec_add_all(c, doc, NULL), 0);
    vifs = json_object_get(doc, "vifs");
    assert_int_equal(json_array_size(vifs), 2);
    assert_int_equal(json_get_int(json_array_get(vifs, 1), "devid", 0), 1);
    assert_int_equal(config_warning_count(c), 1);
    assert_non_null(strstr(config_warning(c, 0), "model has no effect"));
    json_decref(doc);
    config_free(c);
}

static void test_nics(void **state)
{
    struct config *c = load("vif = ['bridge=a']\nnics = 3\n");
    json_t *doc = json_object();

    assert_int_equal(vif_spec_add_all(c, doc, NULL), 0);
    assert_int_equal(json_array_size(json_object_get(doc, "vifs")), 3);
    assert_int_equal(config_warning_count(c), 1);
    json_decref(doc);
    config_free(c);
}

static void test_place(void **state)
{
    struct config *c = load("\nvif = ['', 'mac=x']\n");
    json_t *doc = json_object();
    struct err err = {0};

    assert_true(vif_spec_add_all(c, doc, &err) < 0);
    assert_non_null(strstr(err.msg, "dir/file:2: vif 'mac=x'"));
    json_decref(doc);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),     cmocka_unit_test(test_mtu),
        cmocka_unit_test(test_rates),    cmocka_unit_test(test_forwards),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_generated_mac),
        cmocka_unit_test(test_all),      cmocka_unit_test(test_nics),
        cmocka_unit_test(test_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
