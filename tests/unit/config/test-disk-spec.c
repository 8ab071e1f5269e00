/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-disk-spec.c - numbers of virtual disks, and disk=[...] in all the forms that xm and xl
 * take.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "config/disk_spec.h"
#include "config/vdev.h"

static char dir[64], image[80], second[80];

static int setup(void **state)
{
    FILE *f;

    strcpy(dir, "/tmp/test-disk-spec-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(image, sizeof(image), "%s/a=b.img", dir);
    snprintf(second, sizeof(second), "%s/second.img", dir);
    for (int i = 0; i < 2; i++) {
        f = fopen(i ? second : image, "w");
        assert_non_null(f);
        fclose(f);
    }
    return chdir(dir);
}

static int teardown(void **state)
{
    unlink(image);
    unlink(second);
    return rmdir(dir);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *name;
        unsigned int number;
    } cases[] = {
        {"xvda", 51712},       {"xvdb", 51728},      {"xvda1", 51713},
        {"xvdp15", 51967},     {"xvdq", 0x10001000}, {"xvda16", 0x10000010},
        {"xvdaa", 0x10001a00}, {"sda", 2048},        {"sda1", 2049},
        {"sdp15", 2303},       {"sdq", 65 << 8},     {"sdiv", 135 << 8 | 15 << 4},
        {"hda", 768},          {"hdb", 832},         {"hdc", 5632},
        {"hdd", 5696},         {"hdd1", 5697},       {"hdt", 91 << 8 | 64},
        {"d0", 51712},         {"d1p2", 51730},      {"d16", 0x10001000},
        {"51712", 51712},      {"0xca00", 51712},
    };
    static const char *const wrong[] = {"",      "xvd",  "xvda0",       "xvda1x",  "sda16",
                                        "hda64", "hdu",  "sdiw",        "d",       "d0p",
                                        "d0p0x", "fda",  "vda",         "-1",      "0",
                                        "12x",   "xvdA", "99999999999", "xvda256", "xvdabcdefgh"};
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned int n = 0;

        if (vdev_number(cases[i].name, &n, &err) < 0 || n != cases[i].number)
            fail_msg("%s: %u (%s)", cases[i].name, n, err.msg);
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        unsigned int n;

        if (vdev_number(wrong[i], &n, &err) != -EINVAL)
            fail_msg("'%s' is taken for %u", wrong[i], n);
    }
}

/* "@" stands for the image's path. */
static int parse(const char *text, json_t **ret, struct err *err)
{
    char full[512] = "";

    for (; *text; text++) {
        size_t n = strlen(full);

        snprintf(full + n, sizeof(full) - n, "%.*s", *text == '@' ? (int)sizeof(image) : 1,
                 *text == '@' ? image : text);
    }
    return disk_spec_parse(full, ret, err);
}

static void test_forms(void **state)
{
    static const struct {
        const char *text, *name, *type, *mode;
        bool cdrom, no_discard;
        const char *format; /* NULL: raw */
    } cases[] = {
        {"file:@,xvda,w", "xvda", "file", "w"},
        {"file:/@,xvda1,r", "xvda1", "file", "r"},
        {"phy:@,/dev/sda1,w!", "sda1", "phy", "w!"},
        {"tap:aio:@,xvda,w", "xvda", "tap", "w"},
        {"tap2:tapdisk:aio:@,ioemu:hda,rw", "hda", "tap", "w"},
        {"tap:tapdisk:aio:@,hda:disk,ro", "hda", "tap", "r"},
        {"file:@,hdc:cdrom,r", "hdc", "file", "r", true},
        {"file:@,xvda,w,0", "xvda", "file", "w"},
        {"@,raw,xvda,rw", "xvda", "file", "w"},
        {"@,,xvda", "xvda", "file", "w"},
        {"@,xvda,r", "xvda", "file", "r"},
        {"@, raw, xvda, r", "xvda", "file", "r"},
        {"vdev=xvda,access=rw,format=raw,target=@", "xvda", "file", "w"},
        {"format=raw, vdev=hdc, access=ro, devtype=cdrom, target=@", "hdc", "file", "r", true},
        {"vdev=hdc,cdrom,target=@", "hdc", "file", "r", true},
        {"@,raw,xvda,rw,no-discard,direct-io-safe,backendtype=qdisk", "xvda", "file", "w", false,
         true},
        {"tap:qcow2:@,xvda,w", "xvda", "tap", "w", false, false, "qcow2"},
        {"@,vhd,xvda,w", "xvda", "file", "w", false, false, "vhd"},
        {"vdev=xvda,format=vmdk,target=@", "xvda", "file", "w", false, false, "vmdk"},
        {"a=b.img,raw,xvda", NULL},
        {"./a=b.img,raw,xvda", "xvda", "file", "w"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        json_t *disk = NULL;
        int rc = parse(cases[i].text, &disk, &err);

        if (!cases[i].name) {
            assert_int_not_equal(rc, 0);
            continue;
        }
        if (rc < 0)
            fail_msg("%s: %s", cases[i].text, err.msg);
        print_message("%s\n", cases[i].text);
        assert_string_equal(json_get_string(disk, "path", ""), image);
        assert_string_equal(json_get_string(disk, "name", ""), cases[i].name);
        assert_string_equal(json_get_string(disk, "type", ""), cases[i].type);
        assert_string_equal(json_get_string(disk, "mode", ""), cases[i].mode);
        assert_string_equal(json_get_string(disk, "format", ""),
                            cases[i].format ? cases[i].format : "raw");
        assert_int_equal(json_get_bool(disk, "cdrom", false), cases[i].cdrom);
        assert_int_equal(json_get_bool(disk, "discard", true), !cases[i].no_discard);
        json_decref(disk);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "xvda, is missing"},
        {"file:@", "xvda, is missing"},
        {"file:/nowhere,xvda,w", "Disk image does not exist: /nowhere"},
        {"phy:nowhere,xvda,w", "Disk image does not exist: /dev/nowhere"},
        {"file:/proc,xvda,w", "neither a file nor a block device"},
        {"file:@,xvda,x", "mode 'x' is none of r, w, w!"},
        {"file:@,vda,w", "'vda' is no name of a virtual disk"},
        {"file:@,xvda:floppy,w", "'floppy' is neither disk nor cdrom"},
        {"file:@,xvda,w,driver", "backend domain 'driver'"},
        {"iscsi:iqn.x,xvda,w", "no script /etc/xen/scripts/block-iscsi"},
        {"script=a,script=b,vdev=xvda,target=x", "script is given twice"},
        {"tap:ram:64,xvda,w", "type 'ram'"},
        {",xvda,w", "only a cdrom drive can be empty"},
        {"vdev=xvda,vdev=xvdb,target=@", "vdev is given twice"},
        {"@,raw,xvda,rw,target=@", "target is given twice"},
        {"colour=red,vdev=xvda,target=@", "'colour='"},
        {"a,b,c,d,e,f,g", "too many commas"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        json_t *disk = NULL;

        if (parse(cases[i].text, &disk, &err) == 0)
            fail_msg("'%s' is taken", cases[i].text);
        if (!strstr(err.msg, cases[i].part))
            fail_msg("'%s': %s", cases[i].text, err.msg);
    }
}

static int add_all(const char *text, json_t *doc, struct err *err)
{
    struct config *c = config_new();
    int rc = config_load_text(c, "f", text, strlen(text), err);

    if (rc == 0)
        rc = disk_spec_add_all(c, doc, err);
    config_free(c);
    return rc;
}

/* Two disks: xvda with the first image, and one more. */
static int add_two(const char *name, const char *path, json_t *doc, struct err *err)
{
    char text[512];

    snprintf(text, sizeof(text), "disk = ['file:%s,xvda,w', 'file:%s,%s,w']\n", image, path, name);
    return add_all(text, doc, err);
}

static void test_all(void **state)
{
    struct err err = {0};
    json_t *doc = json_object();

    assert_int_equal(add_all("x = 1\n", doc, &err), 0);
    assert_int_equal(json_array_size(json_object_get(doc, "disks")), 0);
    assert_int_equal(add_two("xvdb", second, doc, &err), 0);
    assert_int_equal(json_array_size(json_object_get(doc, "disks")), 2);
    assert_int_not_equal(add_two("xvda", second, doc, &err), 0);
    assert_non_null(strstr(err.msg, "f:1: disk 'file:"));
    assert_non_null(strstr(err.msg, "xvda is already defined"));
    assert_int_not_equal(add_two("xvdb", image, doc, &err), 0);
    assert_non_null(strstr(err.msg, "already used by xvda"));
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_all),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
