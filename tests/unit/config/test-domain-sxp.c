/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-domain-sxp.c - a config as an S-expression, and that as a config again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "config/domain_sxp.h"

#define UUID "734f2dbb-934e-ba83-d45d-ef656ecfbefc"

/* The S-expression of a config as text; to be freed. */
static char *print(struct config *c, bool console)
{
    struct sxp *vm = NULL;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    assert_int_equal(domain_sxp_make(c, config_string(c, "name", "f"), UUID, console, &vm, NULL),
                     0);
    sxp_print(out, vm);
    fclose(out);
    return text;
}

static struct config *load(const char *text)
{
    struct config *c = config_new();
    struct err err = {0};

    if (config_load_text(c, "f", text, strlen(text), &err) < 0)
        fail_msg("<%s>: %s", text, err.msg);
    return c;
}

#define HEAD(memory) "(vm\n    (name f)\n    (memory " memory ")\n"
#define ACTIONS "    (on_poweroff destroy)\n    (on_reboot restart)\n    (on_crash restart)\n"
#define REST(vcpus, image, devices)                                                                \
    "    (vcpus " vcpus ")\n    (uuid " UUID ")\n" image "    (s3_integrity 1)\n" devices ")\n"

/* Text of a config, and what it prints as. */
static const struct {
    const char *text, *sxp;
} cases[] = {
    {"", HEAD("128") ACTIONS REST("1", "    (image (linux ))\n", "")},
    {"memory = '512'\nmaxmem = 1024\nkernel = '/k'\nroot = 'root=/dev/xvda1'\nextra = 'ro 4'",
     HEAD("512") "    (maxmem 1024)\n" ACTIONS REST(
         "1", "    (image (linux (kernel /k) (root /dev/xvda1) (args 'ro 4')))\n", "")},
    {"vcpus = 2\nmaxvcpus = 4\ncpus = '0-3,^2'\ncpu_weight = 512",
     HEAD("128") "    (cpus 0-3,^2)\n    (cpu_weight 512)\n" ACTIONS
                 "    (vcpus 4)\n    (vcpu_avail 3)\n    (uuid " UUID ")\n    (image (linux ))\n"
                 "    (s3_integrity 1)\n)\n"},
    {"dhcp = 'dhcp'\nnfs_server = '1.1.1.1'\nnfs_root = '/r'\nextra = 'q'",
     HEAD("128") ACTIONS REST("1",
                              "    (image (linux (ip :1.1.1.1::::eth0:dhcp) (args "
                              "'nfsroot=1.1.1.1:/r q')))\n",
                              "")},
    {"bootloader = 'pygrub'\nbootloader_args = ['-q', '--entry=1']",
     HEAD("128") ACTIONS REST("1",
                              "    (bootloader pygrub)\n    (bootloader_args '-q --entry=1')\n"
                              "    (image (linux ))\n",
                              "")},
    {"disk = ['phy:/dev/x,xvda,w', 'tap2:vhd:/y,xvdb,r,5', 'target=/z,vdev=xvdc']",
     HEAD("128")
         ACTIONS REST("1", "    (image (linux ))\n",
                      "    (device (vbd (uname phy:/dev/x) (dev xvda) (mode w)))\n"
                      "    (device (tap2 (uname tap2:vhd:/y) (dev xvdb) (mode r) (backend 5)))\n"
                      "    (device (vbd (spec target=/z,vdev=xvdc)))\n")},
    {"vif = ['', ' mac = 00:16:3e:00:00:01 , bridge=b']\nvfb = ['vnc=1,vnclisten=::']",
     HEAD("128") ACTIONS REST("1", "    (image (linux ))\n",
                              "    (device (vif ))\n"
                              "    (device (vif (mac 00:16:3e:00:00:01) (bridge b)))\n"
                              "    (device (vkbd ))\n"
                              "    (device (vfb (vnc 1) (vnclisten ::)))\n")},
    {"pci = ['01:02.3', '0001:0a:1f.7']\nioports = ['3f8-3ff', '70']\nirq = ['4']",
     HEAD("128") ACTIONS REST(
         "1", "    (image (linux ))\n",
         "    (device (ioports (from 3f8) (to 3ff)))\n    (device (ioports (from 70) (to 70)))\n"
         "    (device (irq (irq 4)))\n"
         "    (device (pci (dev (domain 0x0) (bus 0x1) (slot 0x2) (func 0x3))))\n"
         "    (device (pci (dev (domain 0x1) (bus 0xa) (slot 0x1f) (func 0x7))))\n")},
    {"builder = 'hvm'\nkernel = 'hvmloader'\nacpi = 0\nboot = 'dc'\nrestart = 'always'",
     HEAD("128") "    (on_poweroff restart)\n    (on_reboot restart)\n    (on_crash "
                 "restart)\n" REST("1",
                                   "    (image\n        (hvm (kernel hvmloader) (pae 1) (vcpus 1) "
                                   "(boot dc) (acpi 0) "
                                   "(apic 1))\n    )\n",
                                   "")},
};

static void test_print(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config *c = load(cases[i].text);
        char *text = print(c, false);

        assert_string_equal(text, cases[i].sxp);
        free(text);
        config_free(c);
    }
}

/* What was printed says the same when it is read and printed again. */
static void test_round_trip(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config *c = config_new();
        struct err err = {0};
        char *text;

        if (domain_sxp_load_text(c, "f", cases[i].sxp, strlen(cases[i].sxp), &err) < 0)
            fail_msg("<%s>: %s", cases[i].sxp, err.msg);
        if (config_warning_count(c) > 0)
            fail_msg("<%s>: %s", cases[i].sxp, config_warning(c, 0));
        text = print(c, false);
        /* nfsroot= and ip= stay in the text that they became a part of. */
        if (!strstr(cases[i].sxp, "(ip "))
            assert_string_equal(text, cases[i].sxp);
        free(text);
        config_free(c);
    }
}

static void test_bootloader_console(void **state)
{
    struct config *c = load("bootloader = 'pygrub'");
    char *text = print(c, true);

    assert_non_null(strstr(text, "    (bootloader pygrub)\n    (bootloader_args )\n"));
    free(text);
    text = print(c, false);
    assert_non_null(strstr(text, "    (bootloader pygrub)\n    (bootloader_args -q)\n"));
    free(text);
    config_free(c);
}

/* As xm list -l prints a running domain: what only a running one has is passed over. */
static const char running[] =
    "(domain\n    (domid 5)\n    (cpu_cap 0)\n    (on_crash preserve)\n    (uuid " UUID ")\n"
    "    (bootloader_args )\n    (vcpus 2)\n    (name r)\n    (cpus (()))\n    (memory 64)\n"
    "    (features )\n    (start_time 1164.5)\n    (status 2)\n    (state -b----)\n"
    "    (image (linux (kernel /k) (args 'a b') (ip 1.2.3.4::::::off) (notes (X y))))\n"
    "    (device (tap (uname tap:aio:/x) (dev xvda:disk) (mode w) (bootable 1) (VDI )))\n"
    "    (device (vif (mac 00:16:3e:00:00:01) (backend 0)))\n"
    "    (device (console (protocol vt100)))\n    (device (odd (x y)))\n    (odd 1)\n)\n";

static void test_running_domain(void **state)
{
    struct config *c = config_new();

    assert_int_equal(config_add_override(c, "memory=96", NULL), 0);
    assert_int_equal(domain_sxp_load_text(c, "f", running, sizeof(running) - 1, NULL), 0);
    assert_string_equal(config_string(c, "name", ""), "r");
    assert_string_equal(config_string(c, "on_crash", ""), "preserve");
    assert_int_equal(config_int(c, "memory", 0), 96); /* the command line wins */
    assert_int_equal(config_int(c, "vcpus", 0), 2);
    assert_false(config_is_set(c, "cpus"));
    assert_string_equal(config_string(c, "kernel", ""), "/k");
    assert_string_equal(config_string(c, "extra", ""), "ip=1.2.3.4::::::off a b");
    assert_string_equal(config_list_item(c, "disk", 0), "tap:aio:/x,xvda,w");
    assert_string_equal(config_list_item(c, "vif", 0), "mac=00:16:3e:00:00:01,backend=0");
    assert_int_equal(config_warning_count(c), 2);
    assert_string_equal(config_warning(c, 0),
                        "f: (device ...): a device 'odd' is not understood and is ignored");
    assert_string_equal(config_warning(c, 1), "f: (odd ...) is not understood and is ignored");
    config_free(c);
}

/* A foreign image that leaves acpi out means 0 by it, as xend did. */
static void test_missing_is_zero(void **state)
{
    static const char text[] = "(vm (name x) (image (hvm (pae 1))))";
    struct config *c = config_new();

    assert_int_equal(domain_sxp_load_text(c, "f", text, sizeof(text) - 1, NULL), 0);
    assert_int_equal(config_int(c, "acpi", 1), 0);
    assert_int_equal(config_int(c, "pae", 0), 1);
    config_free(c);
}

static const struct {
    const char *text, *message;
} bad[] = {
    {"(name x)", "f: no (vm ...) or (domain ...) in it"},
    {"name = 'x'", "f: no (vm ...)"},
    {"(vm (name x)", "f:1: '(' is never closed"},
    {"(vm (memory lots))", "f: (memory ...): memory = 'lots': an integer is needed"},
    {"(vm (image (linux (kernel (a b)))))",
     "f: (image ...): kernel: a string is needed, not a list"},
    {"(vm (image (hvm (pae maybe))))", "f: (image ...): pae = 'maybe': 0 or 1 is needed"},
};

static void test_bad(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct config *c = config_new();
        struct err err = {0};

        if (domain_sxp_load_text(c, "f", bad[i].text, strlen(bad[i].text), &err) == 0)
            fail_msg("<%s> was accepted", bad[i].text);
        if (strncmp(err.msg, bad[i].message, strlen(bad[i].message)) != 0)
            fail_msg("<%s>: <%s>", bad[i].text, err.msg);
        config_free(c);
    }
}

/* Odd shapes are harmless. */
static void test_odd_shapes(void **state)
{
    static const char *const texts[] = {"(vm)",
                                        "(vm ())",
                                        "(vm (()))",
                                        "(vm ((a) b))",
                                        "(vm (image))",
                                        "(vm (image x))",
                                        "(vm (image ()))",
                                        "(vm (device))",
                                        "(vm (device ()))",
                                        "(vm (device (vbd)))",
                                        "(vm (device (pci (dev) dev)))",
                                        "(vm (name (a)))",
                                        "(vm (cpus ((a) b)))",
                                        "(vm (device (vif ((a) b) c)))"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct config *c = config_new();
        struct err err = {0};

        if (domain_sxp_load_text(c, "f", texts[i], strlen(texts[i]), &err) < 0)
            fail_msg("<%s>: %s", texts[i], err.msg);
        free(print(c, false));
        config_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bootloader_console),
        cmocka_unit_test(test_running_domain),
        cmocka_unit_test(test_missing_is_zero),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_odd_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
