/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-domain-options.c - the document that a domain process reads: what the tools send is
 * understood, and everything wrong with it gets a sentence.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "domain/options.h"

static json_t *document(void)
{
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:s}", "name", "n", "uuid",
                     "734f2dbb-934e-ba83-d45d-ef656ecfbefc", "domid", 5, "kernel", "/k", "ramdisk",
                     "/r", "cmdline", "c", "memory", 64, "maxmem", 128, "vcpus", 2, "on_crash",
                     "preserve", "log", "/l");
}

static void test_good(void **state)
{
    json_t *doc = document();
    struct domain_options o;
    struct err err = {0};

    assert_int_equal(domain_options_parse(&o, doc, &err), 0);
    assert_string_equal(o.name, "n");
    assert_int_equal(o.domid, 5);
    assert_int_equal(o.memory_pages, 64 * 256);
    assert_int_equal(o.maxmem_pages, 128 * 256);
    assert_int_equal(o.vcpus, 2);
    assert_int_equal(o.uuid[0], 0x73);
    assert_int_equal(o.uuid[15], 0xfc);
    assert_int_equal(o.on_crash, ACTION_PRESERVE);
    assert_int_equal(o.on_reboot, ACTION_DESTROY);
    assert_string_equal(o.socket_path, "");
    assert_int_equal(o.console_log_size, 8 << 20);
    assert_int_equal(o.console_log_keep, 3);
    domain_options_done(&o);
    json_decref(doc);
}

/* Replace one member (NULL: remove it) and expect a refusal that names it. */
static void expect_refusal(const char *key, json_t *value)
{
    json_t *doc = document();
    struct domain_options o;
    struct err err = {0};

    if (value)
        json_object_set_new(doc, key, value);
    else
        json_object_del(doc, key);
    if (domain_options_parse(&o, doc, &err) == 0)
        fail_msg("%s: accepted", key);
    if (strncmp(err.msg, key, strlen(key)) != 0)
        fail_msg("%s: <%s>", key, err.msg);
    json_decref(doc);
}

static void test_vcpus(void **state)
{
    json_t *doc = document();
    struct domain_options o;
    struct err err = {0};

    assert_int_equal(domain_options_parse(&o, doc, &err), 0);
    assert_int_equal(o.vcpu_avail, 3);
    assert_int_equal(CPU_COUNT(&o.cpus[1]), CPU_SETSIZE);
    domain_options_done(&o);
    json_object_set_new(doc, "vcpu_avail", json_integer(1));
    json_object_set_new(doc, "on_crash", json_string("coredump-restart"));
    json_object_set_new(doc, "cpus", json_pack("[s]", "0,2"));
    assert_int_equal(domain_options_parse(&o, doc, &err), 0);
    assert_int_equal(o.on_crash, ACTION_COREDUMP_RESTART);
    assert_int_equal(o.vcpu_avail, 1);
    assert_true(CPU_COUNT(&o.cpus[0]) == 2 && CPU_ISSET(2, &o.cpus[0]));
    assert_int_equal(CPU_COUNT(&o.cpus[1]), CPU_SETSIZE);
    domain_options_done(&o);
    json_decref(doc);
}

static void test_bad(void **state)
{
    static const char *const needed[] = {"name", "kernel", "log",    "domid",
                                         "uuid", "memory", "maxmem", "vcpus"};
    char long_name[65];

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        expect_refusal(needed[i], NULL);
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        expect_refusal(needed[i], json_array());
    memset(long_name, 'x', 64);
    long_name[64] = '\0';
    expect_refusal("name", json_string(long_name));
    expect_refusal("name", json_string(""));
    expect_refusal("domid", json_integer(0));
    expect_refusal("domid", json_integer(0x7ff0));
    expect_refusal("memory", json_integer(0));
    expect_refusal("memory", json_integer(1ll << 40));
    expect_refusal("maxmem", json_integer(63));
    expect_refusal("vcpus", json_integer(0));
    expect_refusal("vcpus", json_integer(9));
    expect_refusal("vcpu_avail", json_integer(0));
    expect_refusal("vcpu_avail", json_integer(4)); /* of two */
    expect_refusal("cpus", json_string("0"));
    expect_refusal("cpus", json_pack("[s]", "x"));
    expect_refusal("cpus", json_pack("[i]", 0));
    expect_refusal("uuid", json_string("734f2dbb934eba83d45def656ecfbef"));
    expect_refusal("uuid", json_string("734f2dbb934eba83d45def656ecfbefcc"));
    expect_refusal("uuid", json_string("734f2dbb934eba83d45def656ecfbefg"));
    expect_refusal("on_crash", json_string("explode"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_vcpus),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
