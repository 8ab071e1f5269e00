/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-spec.c - the "hvm" member of a document: defaults, and what is refused because it would
 * end up in the device model's command line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "hvm/spec.h"

static int parse(struct hvm_spec *s, const char *text, struct err *err)
{
    json_t *object = json_loads(text, 0, NULL);
    int rc;

    assert_non_null(object);
    rc = hvm_spec_parse(s, object, err);
    json_decref(object);
    return rc;
}

static void test_defaults(void **state)
{
    struct hvm_spec s;

    assert_int_equal(parse(&s, "{}", NULL), 0);
    assert_false(s.kvm);
    assert_true(s.acpi && s.acpi_s3 && s.acpi_s4 && s.apic && s.pae && s.nx);
    assert_false(s.nestedhvm || s.hpet || s.viridian || s.localtime || s.usb || s.has_vnc);
    assert_int_equal(s.timer_mode, 1);
    assert_string_equal(s.vga, "cirrus");
    assert_string_equal(s.boot, "");
    assert_int_equal(s.nr_serials, 1);
    assert_int_equal(s.serial[0], HVM_SERIAL_CONSOLE);
}

static void test_members(void **state)
{
    struct hvm_spec s;

    assert_int_equal(
        parse(&s,
              "{\"cpu\":\"kvm\",\"boot\":\"dc\",\"acpi\":false,"
              "\"serial\":[\"none\",\"file:/tmp/x,y\",\"tcp:[::1]:4000,server\",\"pty\"],"
              "\"usbdevice\":[\"tablet\"],\"vga\":\"stdvga\",\"videoram\":32,"
              "\"rtc_timeoffset\":-3600,\"fdb\":\"/a\","
              "\"vnc\":{\"listen\":\"0.0.0.0\",\"display\":7,\"unused\":false,"
              "\"password\":\"geheim\"}}",
              NULL),
        0);
    assert_true(s.kvm && s.usb && s.has_vnc && !s.acpi && !s.vnc.unused);
    assert_int_equal(s.nr_serials, 4);
    assert_int_equal(s.serial[0], HVM_SERIAL_NONE);
    assert_string_equal(s.serial_text[1], "/tmp/x,y");
    assert_string_equal(s.serial_text[2], "tcp:[::1]:4000,server");
    assert_int_equal(s.serial[3], HVM_SERIAL_CONSOLE);
    assert_int_equal(s.rtc_timeoffset, -3600);
    assert_string_equal(s.floppy[1], "/a");
    assert_string_equal(s.vnc.password, "geheim");
    assert_int_equal(s.vnc.display, 7);
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "{\"boot\":\"x\"}",
        "{\"boot\":\"c,menu=on\"}",
        "{\"vga\":\"none,addr=7\"}",
        "{\"vga\":\"virtio\"}",
        "{\"soundhw\":\"sb16,id=x\"}",
        "{\"soundhw\":\"sb16 all\"}",
        "{\"keymap\":\"de,x=1\"}",
        "{\"keymap\":\"../../etc/passwd\"}",
        "{\"videoram\":100000}",
        "{\"timer_mode\":4}",
        "{\"serial\":[\"stdio\"]}",
        "{\"serial\":[\"file:relative\"]}",
        "{\"serial\":[\"pty\",\"pty\"]}",
        "{\"serial\":[7]}",
        "{\"serial\":[\"pty\",\"none\",\"none\",\"none\",\"none\"]}",
        "{\"serial\":[\"tcp:host:1;rm\"]}",
        "{\"usbdevice\":[\"host:1:2\"]}",
        "{\"vnc\":{\"listen\":\"0.0.0.0,sasl\",\"display\":0}}",
        "{\"vnc\":{\"listen\":\"0.0.0.0\",\"display\":70000}}",
        "{\"vnc\":{\"listen\":\"0.0.0.0\"}}",
        "[]",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct err err = {0};
        struct hvm_spec s;

        if (parse(&s, texts[i], &err) != -EINVAL || !err.msg[0])
            fail_msg("%s is taken", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
