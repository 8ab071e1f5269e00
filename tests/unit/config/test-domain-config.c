/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-domain-config.c - from options to the document for a domain process: defaults, the
 * kernel's command line, refusals; and two config files as they are found in the field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/types.h"
#include "config/bootloader_spec.h"
#include "config/domain_config.h"

/* A file that exists and can be read stands for a kernel. */
#define HVM "builder = 'hvm'\n"
#define KERNEL "kernel = '/proc/self/exe'\n"
#define DISK "disk = ['file:/proc/self/exe,xvda,r']\n"

static int make(const char *text, json_t **ret, struct config **ret_config, struct err *err)
{
    struct config *c = config_new();
    int rc = config_load_text(c, "dir/file", text, strlen(text), err);

    if (rc == 0)
        rc = domain_config_make(c, false, ret, err);
    if (ret_config)
        *ret_config = c;
    else
        config_free(c);
    return rc;
}

static void test_defaults(void **state)
{
    json_t *doc = NULL;

    assert_int_equal(make(KERNEL, &doc, NULL, NULL), 0);
    assert_string_equal(json_get_string(doc, "name", ""), "file");
    assert_int_equal(json_get_int(doc, "memory", 0), 128);
    assert_int_equal(json_get_int(doc, "maxmem", 0), 128);
    assert_int_equal(json_get_int(doc, "vcpus", 0), 1);
    assert_string_equal(json_get_string(doc, "cmdline", "?"), "");
    assert_null(json_object_get(doc, "ramdisk"));
    assert_int_equal(json_get_string(doc, "kernel", "")[0], '/');
    assert_int_equal(strlen(json_get_string(doc, "uuid", "")), 36);
    assert_int_equal(json_get_string(doc, "uuid", "")[14], '4');
    assert_string_equal(json_get_string(doc, "on_poweroff", ""), "destroy");
    assert_string_equal(json_get_string(doc, "on_reboot", ""), "restart");
    assert_string_equal(json_get_string(doc, "on_crash", ""), "restart");
    assert_string_equal(json_get_string(doc, "on_watchdog", ""), "destroy");
    assert_int_equal(json_get_int(doc, "console_log_size", 0), 8 << 20);
    assert_int_equal(json_get_int(doc, "console_log_files", 0), 3);
    json_decref(doc);
}

static const struct {
    const char *text, *cmdline;
} cmdlines[] = {
    {"root = '/dev/xvda1'\nextra = 'ro quiet'", "root=/dev/xvda1 ro quiet"},
    {"root = 'root=/dev/xvda1'", "root=/dev/xvda1"},
    {"root = '/dev/a'\nextra = 'root=/dev/b'", "root=/dev/b"},
    {"extra = 4", "4"},
    {"dhcp = 'dhcp'", "ip=:127.0.255.255::::eth0:dhcp"},
    {"ip = '1.2.3.4'\nnetmask = '255.0.0.0'\ngateway = '1.2.3.1'\nhostname = 'h'\nextra = '3'",
     "ip=1.2.3.4:127.0.255.255:1.2.3.1:255.0.0.0:h:eth0:off 3"},
    {"nfs_server = '1.1.1.1'\nnfs_root = '/r'\nroot = '/dev/nfs'",
     "root=/dev/nfs nfsroot=1.1.1.1:/r"},
    {"cmdline = 'all of it'\nextra = 'no'", "all of it"},
};

static void test_cmdline(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cmdlines); i++) {
        struct err err = {0};
        json_t *doc = NULL;
        char text[500];

        snprintf(text, sizeof(text), KERNEL "%s\n", cmdlines[i].text);
        if (make(text, &doc, NULL, &err) < 0)
            fail_msg("<%s>: %s", cmdlines[i].text, err.msg);
        assert_string_equal(json_get_string(doc, "cmdline", "?"), cmdlines[i].cmdline);
        json_decref(doc);
    }
}

static const struct {
    const char *text, *message;
} refused[] = {
    {"", "dir/file: no kernel is given, and no disk that one could be found in"},
    {"kernel = '/nowhere'", "Kernel image does not exist: /nowhere (dir/file:1: kernel)"},
    {"kernel = '/tmp'", "Kernel image is not a file: /tmp"},
    {KERNEL "ramdisk = '/nowhere'", "Ramdisk image does not exist: /nowhere (dir/file:2: ramdisk)"},
    {"bootloader = '/usr/bin/pygrub'", "dir/file:1: a bootloader finds the kernel in the guest's "
                                       "first disk, and there is no disk"},
    {DISK "bootloader = '/no/such'",
     "dir/file:2: bootloader = '/no/such': there is no such program"},
    {DISK "bootloader = 'lilo'", "there is no such program (name it with its path"},
    {DISK "bootloader = '/etc/passwd'", "Bootloader isn't executable: /etc/passwd (dir/file:2)"},
    {KERNEL "type = 'pvh'", "dir/file:2: type = 'pvh': there are paravirtualized"},
    {HVM "boot = 'cx'", "dir/file:2: boot = 'cx': letters of a"},
    {HVM "boot = 'cc'", "each once"},
    {HVM "serial = 'stdio'", "dir/file:2: serial = 'stdio': up to four of pty"},
    {HVM "serial = ['pty', 7]", "dir/file:2: serial: a string is needed"},
    {HVM "usbdevice = 'host:1:2'", "only tablet, mouse and keyboard"},
    {HVM "soundhw = 'tuba'", "dir/file:2: soundhw = 'tuba'"},
    {HVM "soundhw = ',sb16'", "none of sb16"},
    {HVM "vga = 'vmware'", "dir/file:2: vga = 'vmware'"},
    {HVM "videoram = 1000", "videoram = 1000 is not within 0..256"},
    {HVM "keymap = 'de,x'", "dir/file:2: keymap = 'de,x': no keyboard layout"},
    {HVM "vnc = 1\nvnclisten = 'a,b'", "dir/file:3: vnclisten = 'a,b': no address"},
    {HVM "vnc = 1\nvncdisplay = 60000", "dir/file:3: vncdisplay = 60000"},
    {HVM "timer_mode = 4", "dir/file:2: timer_mode: a number from 0 to 3"},
    {HVM "timer_mode = 'never'", "timer_mode: a number from 0 to 3"},
    {HVM "rtc_timeoffset = 10000000000", "is more than 200 years"},
    {HVM "fda = '/nowhere'", "dir/file:2: fda: there is no file /nowhere"},
    {HVM "kernel = '/nowhere'", "dir/file:2: kernel: there is no file /nowhere"},
    {HVM "apic = 0\nvcpus = 2", "a guest with more than one CPU needs its APIC"},
    {HVM "hvm_emulation = 'sometimes'", "none of auto, never, always"},
    {KERNEL "builder = 'bhyve'", "dir/file:2: builder = 'bhyve' is unknown"},
    {KERNEL "name = 'a b'", "dir/file:2: name 'a b': only letters, digits"},
    {KERNEL "name = ''", "1 to 63 characters"},
    {KERNEL "name = 'x' * 64", "1 to 63 characters"},
    {KERNEL "name = '../x'", "only letters, digits"},
    {KERNEL "name = 'Domain-0'", "dir/file:2: name 'Domain-0': that is what this host is called"},
    {KERNEL "name = '0'", "that is what this host is called"},
    {KERNEL "memory = 2", "dir/file:2: memory = 2 is not within 8..262144"},
    {KERNEL "memory = -1", "memory = -1 is not within"},
    {KERNEL "memory = 64\nmaxmem = 32", "dir/file:3: maxmem = 32 is less than memory = 64"},
    {KERNEL "vcpus = 0", "dir/file:2: vcpus = 0 is not within 1..8"},
    {KERNEL "vcpus = 9", "vcpus = 9 is not within 1..8"},
    {KERNEL "vcpus = 4\nmaxvcpus = 2", "dir/file:3: maxvcpus = 2 is not within 4..8"},
    {KERNEL "cpu_weight = 0", "dir/file:2: cpu_weight = 0 is not within 1..65535"},
    {KERNEL "vcpus = 2\ncpu_cap = 300", "dir/file:3: cpu_cap = 300 is not within 0..200"},
    {KERNEL "cap = -1", "dir/file:2: cap = -1 is not within 0..100"},
    {KERNEL "vcpus = 2\nvcpu_avail = 2", "dir/file:3: vcpu_avail: virtual CPU 0 must be online"},
    {KERNEL "cpus = '0-x'", "dir/file:2: cpus: '0-x' is no list of CPUs"},
    {KERNEL "vcpus = 2\ncpus = ['0', '^0']", "dir/file:3: cpus: '^0' is no list of CPUs"},
    {KERNEL "uuid = '123'", "dir/file:2: uuid '123': 32 hexadecimal digits"},
    {KERNEL "on_crash = 'explode'", "dir/file:2: on_crash = 'explode' is none of"},
    {KERNEL "restart = 'perhaps'", "restart = 'perhaps' is none of"},
    {KERNEL "vfb = ['', '']", "dir/file:2: vfb: a domain has one framebuffer at most"},
    {KERNEL "vfb = ['vnc=2']", "dir/file:2: vfb: vnc=2: 0 or 1 is needed"},
    {KERNEL "vfb = ['type=x11']", "type=x11 is none of vnc, sdl"},
    {KERNEL "vfb = ['colour=1']", "'colour' is no key of a vfb"},
    {KERNEL "vfb = ['vnc']", "'vnc' is no key=value"},
    {KERNEL "vfb = ['vncdisplay=-1']", "vncdisplay=-1: a number from 0 to 59635"},
    {KERNEL "vfb = ['vncdisplay=99999999999999999999']",
     "vncdisplay=99999999999999999999: a number"},
    {KERNEL "vfb = ['vnclisten=0.0.0.0:x']", "vnclisten=x: a number"},
    {KERNEL "vfb = ['vncpasswd=ninechars']", "vncpasswd: VNC knows only 8 characters"},
    {KERNEL "vnc = 1\nvncpasswd = 'ninechars'", "dir/file:2: vnc: vncpasswd: VNC knows"},
    {KERNEL "console_log_size = -1", "dir/file:2: console_log_size = -1 is not within 0..1048576"},
    {KERNEL "console_log_files = 1001", "console_log_files = 1001 is not within 0..1000"},
    {KERNEL "nfs_root = '/r'", "nfs_root needs nfs_server"},
    {KERNEL "extra = 'x' * 1024", "has 1024 characters, more than the 1023"},
};

static void test_refusals(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct err err = {0};
        json_t *doc = NULL;

        if (make(refused[i].text, &doc, NULL, &err) == 0)
            fail_msg("<%s> was accepted", refused[i].text);
        if (!strstr(err.msg, refused[i].message))
            fail_msg("<%s>: <%s>", refused[i].text, err.msg);
    }
}

static const struct {
    const char *text;
    int vcpus, avail;
    const char *cpus; /* sets, a blank between */
} vcpus[] = {
    {"", 1, 1, ""},
    {"vcpus = 4", 4, 15, ""},
    {"vcpus = 4\nvcpu_avail = 5", 4, 5, ""},
    {"vcpus = 4\nvcpu_avail = 0xffffff", 4, 15, ""},
    {"vcpus = 1\nmaxvcpus = 3", 3, 1, ""},
    {"vcpus = 2\ncpus = '0-3,^1'", 2, 3, "0,2-3 0,2-3 "},
    {"vcpus = 2\ncpus = ['0', '0-1']", 2, 3, "0 0-1 "},
    {"vcpus = 2\ncpus = [0]", 2, 3, "0 "},
    {"vcpus = 2\ncpus = ['0', '0', '0']", 2, 3, "0 0 "},
    {"vcpus = 2\ncpu = 0", 2, 3, "0 "},
    {"vcpus = 2\ncpu = -1", 2, 3, ""},
    {"vcpus = 2\ncpus = ''", 2, 3, ""},
};

static void test_vcpus(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(vcpus); i++) {
        json_t *doc = NULL;
        const json_t *set;
        char text[200], cpus[200] = "";
        size_t k;

        snprintf(text, sizeof(text), KERNEL "%s\n", vcpus[i].text);
        assert_int_equal(make(text, &doc, NULL, NULL), 0);
        assert_int_equal(json_get_int(doc, "vcpus", 0), vcpus[i].vcpus);
        assert_int_equal(json_get_int(doc, "vcpu_avail", 0), vcpus[i].avail);
        json_array_foreach(json_object_get(doc, "cpus"), k, set)
        {
            strcat(cpus, json_string_value(set));
            strcat(cpus, " ");
        }
        assert_string_equal(cpus, vcpus[i].cpus);
        json_decref(doc);
    }
}

static void test_actions(void **state)
{
    json_t *doc = NULL;

    assert_int_equal(make(KERNEL "restart = 'always'\non_crash = 'preserve'", &doc, NULL, NULL), 0);
    assert_string_equal(json_get_string(doc, "on_poweroff", ""), "restart");
    assert_string_equal(json_get_string(doc, "on_reboot", ""), "restart");
    assert_string_equal(json_get_string(doc, "on_crash", ""), "preserve");
    json_decref(doc);
    assert_int_equal(make(KERNEL "restart = 'never'\non_shutdown='preserve'", &doc, NULL, NULL), 0);
    assert_string_equal(json_get_string(doc, "on_poweroff", ""), "preserve");
    assert_string_equal(json_get_string(doc, "on_reboot", ""), "destroy");
    assert_string_equal(json_get_string(doc, "on_crash", ""), "destroy");
    json_decref(doc);
    assert_int_equal(make(KERNEL "restart = 'onreboot'", &doc, NULL, NULL), 0);
    assert_string_equal(json_get_string(doc, "on_poweroff", ""), "destroy");
    assert_string_equal(json_get_string(doc, "on_reboot", ""), "restart");
    assert_string_equal(json_get_string(doc, "on_crash", ""), "destroy");
    json_decref(doc);
}

/* What a boot loader is called with: words joined by '|' here. */
static const struct {
    const char *text, *args;
    bool at_console;
} loaders[] = {
    {"", "-q", false},
    {"", "", true},
    {"bootargs = ''", "", false},
    {"bootargs = '-q'", "-q", true},
    {"bootargs = \"--entry='a b' c\\\\ d\"", "--entry=a b|c d", false},
    {"bootloader_args = ['-x', 'y z']", "-x|y z", false},
    {"bootloader_args = '-x y'", "-x|y", true},
    {"bootentry = '3'", "--entry=3|-q", false},
    {"kernel = '/boot/k'\nramdisk = '/boot/r'\nextra = 'a b'",
     "--kernel=/boot/k|--ramdisk=/boot/r|--args=a b|-q", false},
};

static void test_loaders(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(loaders); i++) {
        char text[500], args[200] = "";
        struct config *c = NULL;
        struct err err = {0};
        json_t *doc = NULL;
        const json_t *loader, *arg;
        size_t k;

        snprintf(text, sizeof(text), DISK "bootloader = '/bin/true'\n%s\n", loaders[i].text);
        if (make(text, &doc, &c, &err) < 0)
            fail_msg("<%s>: %s", loaders[i].text, err.msg);
        if (loaders[i].at_console)
            bootloader_spec_interactive(c, doc);
        loader = json_object_get(doc, "bootloader");
        assert_string_equal(json_get_string(loader, "program", ""), "/bin/true");
        assert_non_null(strstr(json_get_string(loader, "disk", ""), "/test-domain-config"));
        json_array_foreach(json_object_get(loader, "args"), k, arg)
        {
            strcat(args, k ? "|" : "");
            strcat(args, json_string_value(arg));
        }
        assert_string_equal(args, loaders[i].args);
        assert_null(json_object_get(doc, "kernel"));
        json_decref(doc);
        config_free(c);
    }
}

/* Fully virtualized guests have firmware that finds what they boot. */
static void test_no_loader(void **state)
{
    json_t *doc = NULL;

    assert_int_equal(make(DISK "builder = 'hvm'", &doc, NULL, NULL), 0);
    assert_null(json_object_get(doc, "bootloader"));
    json_decref(doc);
}

/* A PV guest as an installer of 2007 wrote it. */
static const char pv_file[] =
    "# Automatically generated xen config file\n"
    "name = \"pvguest\"\n"
    "memory = \"512\"\n"
    "disk = [ 'tap:aio:/images/master.img,xvda,w', 'tap:aio:/images/slave.img,xvdb,w', ]\n"
    "vif = [ 'mac=00:16:3e:11:b6:ec, bridge=xenbr0', ]\n"
    "uuid = \"734f2dbb-934e-ba83-d45d-ef656ecfbefc\"\n"
    "bootloader=\"/usr/bin/pygrub\"\n"
    "vcpus=1\n"
    "on_reboot = 'restart'\n"
    "on_crash = 'restart'\n";

/* A fully virtualized one. */
static const char hvm_file[] =
    "# Automatically generated xen config file\n"
    "import os, re\n"
    "arch = os.uname()[4]\n"
    "if re.search('64', arch):\n"
    "    arch_libdir = 'lib64'\n"
    "else:\n"
    "    arch_libdir = 'lib'\n"
    "name = \"hvmguest\"\n"
    "builder = \"hvm\"\n"
    "memory = \"1024\"\n"
    "disk = [ 'file:/images/disk1.img,hda,w', 'file:/iso/x.iso,hdd:cdrom,r', ]\n"
    "vif = [ 'type=ioemu, mac=00:16:3e:40:16:60, bridge=xenbr0', ]\n"
    "device_model = \"/usr/lib/xen/bin/qemu-dm\"\n"
    "kernel = \"/usr/lib/xen/boot/hvmloader\"\n"
    "vnc=1\nvncunused=1\nvncdisplay=1\nvnclisten='0.0.0.0'\n"
    "apic=0\nacpi=0\npae=1\nboot=\"c\"\nvcpus=1\n"
    "serial = \"pty\" # enable serial console\n"
    "on_reboot = 'restart'\non_crash = 'restart'\n";

static const struct {
    const char *text, *vfb; /* NULL: none */
} displays[] = {
    {"", NULL},
    {"vfb = []", NULL},
    {"vfb = ['']", "{}"},
    {"vfb = ['vnc=1, vnclisten = 0.0.0.0 ,vncunused=0,vncdisplay=7,keymap=de']",
     "{\"display\":7,\"keymap\":\"de\",\"listen\":\"0.0.0.0\",\"unused\":false}"},
    {"vfb = ['type=vnc,vncpasswd=12345678,videoram=16,display=:1,opengl=1']",
     "{\"password\":\"12345678\",\"videoram\":16}"},
    {"vfb = ['vnclisten=::1']", "{\"listen\":\"::1\"}"},
    {"vfb = ['vnclisten=127.0.0.1:5']", "{\"display\":5,\"listen\":\"127.0.0.1\"}"},
    {"vfb = ['sdl=1']", "{}"},
    {"vfb = ['vnc=0']", NULL},
    {"vnc = 1\nvnclisten = '0.0.0.0'\nvncpasswd = ''",
     "{\"listen\":\"0.0.0.0\",\"password\":\"\"}"},
    {"vnc = 0\nvncdisplay = 3", NULL},
    {"vncdisplay = 3", NULL},
    {"sdl = 1", "{}"},
};

static void test_displays(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(displays); i++) {
        struct err err = {0};
        json_t *doc = NULL;
        char text[500], *vfb;

        snprintf(text, sizeof(text), KERNEL "%s\n", displays[i].text);
        if (make(text, &doc, NULL, &err) < 0)
            fail_msg("<%s>: %s", displays[i].text, err.msg);
        vfb = json_dumps(json_object_get(doc, "vfb"), JSON_COMPACT | JSON_SORT_KEYS);
        if (!displays[i].vfb)
            assert_null(vfb);
        else
            assert_string_equal(vfb, displays[i].vfb);
        free(vfb);
        json_decref(doc);
    }
}

static void test_files_of_the_field(void **state)
{
    struct config *c = NULL;
    struct err err = {0};
    json_t *doc = NULL;

    assert_int_not_equal(make(pv_file, &doc, &c, &err), 0);
    assert_non_null(strstr(err.msg, "/images/master.img"));
    assert_int_equal(config_list_count(c, "disk"), 2);
    assert_int_equal(config_int(c, "memory", 0), 512);
    assert_int_equal(config_warning_count(c), 0);
    config_free(c);
    assert_int_not_equal(make(hvm_file, &doc, &c, &err), 0);
    assert_non_null(strstr(err.msg, "Disk image does not exist: /images/disk1.img"));
    assert_string_equal(config_list_item(c, "disk", 1), "file:/iso/x.iso,hdd:cdrom,r");
    config_free(c);
}

static void test_hvm_defaults(void **state)
{
    json_t *doc = NULL, *hvm;

    assert_int_equal(make(HVM "hvm_emulation = 'always'", &doc, NULL, NULL), 0);
    hvm = json_object_get(doc, "hvm");
    assert_string_equal(json_get_string(doc, "type", ""), "hvm");
    assert_null(json_object_get(doc, "kernel"));
    assert_string_equal(json_get_string(hvm, "cpu", ""), "tcg");
    assert_string_equal(json_get_string(hvm, "boot", ""), "c");
    assert_string_equal(json_get_string(hvm, "vga", ""), "cirrus");
    assert_true(json_get_bool(hvm, "acpi", false) && json_get_bool(hvm, "apic", false));
    assert_true(json_get_bool(hvm, "pae", false) && json_get_bool(hvm, "nx", false));
    assert_false(json_get_bool(hvm, "hpet", true) || json_get_bool(hvm, "usb", true) ||
                 json_get_bool(hvm, "localtime", true) || json_get_bool(hvm, "viridian", true));
    assert_int_equal(json_get_int(hvm, "timer_mode", 0), 1);
    assert_int_equal(json_array_size(json_object_get(hvm, "serial")), 0);
    assert_null(json_object_get(hvm, "vnc"));
    json_decref(doc);
}

static void test_hvm_options(void **state)
{
    struct config *c = NULL;
    json_t *doc = NULL, *hvm, *vnc;

    assert_int_equal(make(HVM "hvm_emulation = 'always'\nkernel = '/usr/lib/xen/boot/hvmloader'\n"
                              "sdl = 1\nvnclisten = '0.0.0.0:3'\nvncpasswd = 'too long for VNC'\n"
                              "serial = ['none', 'pty']\nusbdevice = 'tablet'\nstdvga = 1\n"
                              "timer_mode = 'no_missed_ticks_pending'\nviridian = ['all']\n"
                              "enable_audio = 1\nmaxvcpus = 4\nfda = '/proc/self/exe'\n"
                              "vif = ['type=user, model=e1000']\ndisk = [',hdc:cdrom,r']",
                          &doc, &c, NULL),
                     0);
    hvm = json_object_get(doc, "hvm");
    vnc = json_object_get(hvm, "vnc");
    assert_null(json_object_get(doc, "kernel"));
    assert_string_equal(json_get_string(vnc, "listen", ""), "0.0.0.0");
    assert_int_equal(json_get_int(vnc, "display", 0), 3);
    assert_int_equal(json_array_size(json_object_get(hvm, "serial")), 2);
    assert_int_equal(json_array_size(json_object_get(hvm, "usbdevice")), 1);
    assert_string_equal(json_get_string(hvm, "vga", ""), "stdvga");
    assert_int_equal(json_get_int(hvm, "timer_mode", 0), 2);
    assert_true(json_get_bool(hvm, "viridian", false));
    assert_string_equal(json_get_string(hvm, "soundhw", ""), "sb16");
    assert_int_equal(json_get_int(doc, "vcpus", 0), 4);
    assert_string_equal(
        json_get_string(json_array_get(json_object_get(doc, "vifs"), 0), "model", ""), "e1000");
    /* Emulation, SDL, the password's length, viridian and timer_mode; what has its effect is not
     * called without. */
    assert_int_equal(config_warning_count(c), 5);
    json_decref(doc);
    config_free(c);
}

static const struct {
    const char *text, *warning; /* NULL: none */
} without_effect[] = {
    {"loader = '/usr/lib/xen/boot/hvmloader'\nbios = 'seabios'\nfirmware = 'bios'", NULL},
    {"loader = '/mine'", "loader has no effect: the firmware is SeaBIOS"},
    {"bios = 'ovmf'", "bios is not available yet and is ignored"},
    {"hdtype = 'ide'\nparallel = 'none'\nmonitor = 0\nisa = 0\nspice = 0", NULL},
    {"xen_platform_pci = 0\ngfx_passthru = '0'\ndevice_model_args = []", NULL},
    {"device_model = '/usr/lib/xen/bin/qemu-dm'\nhap = 1\nshadow_memory = 8\noos = 1", NULL},
    {"hdtype = 'ahci'", "hdtype has no effect: the disks are behind an IDE controller"},
    {"parallel = 'pty'", "parallel has no effect: there are no parallel ports"},
    {"monitor = 1", "monitor has no effect"},
    {"isa = 1", "isa has no effect"},
    {"mmio_hole = 1024", "mmio_hole has no effect"},
    {"gfx_passthru = 'igd'", "gfx_passthru has no effect"},
    {"xen_platform_pci = 1", "xen_platform_pci has no effect: there are no Xen interfaces"},
    {"spice = 1", "spice has no effect: the screen is shown by VNC (vnc = 1)"},
    {"device_model_args = ['-x']", "device_model_args has no effect"},
    {"device_model_args_hvm = ['-x']", "device_model_args_hvm has no effect"},
    {"viridian = 1", "viridian has no effect on an emulated CPU"},
    {"viridian = ['all']", "viridian has no effect on an emulated CPU"},
    {"viridian = 0\ntimer_mode = 1", NULL},
    {"timer_mode = 0", NULL},
    {"timer_mode = 'one_missed_tick_pending'", "timer_mode has no effect on an emulated CPU"},
};

/* What an option asks for and does not get is said, with the place; and nothing else is. */
static void test_hvm_without_effect(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(without_effect); i++) {
        struct config *c = NULL;
        struct err err = {0};
        json_t *doc = NULL;
        char text[500];

        snprintf(text, sizeof(text), HVM "hvm_emulation = 'always'\n%s\n", without_effect[i].text);
        if (make(text, &doc, &c, &err) < 0)
            fail_msg("<%s>: %s", without_effect[i].text, err.msg);
        /* The first is about the emulation. */
        assert_int_equal(config_warning_count(c), without_effect[i].warning ? 2 : 1);
        if (without_effect[i].warning)
            for (size_t k = 0; k < 2; k++)
                if (!strstr(config_warning(c, k), "emulated and runs") &&
                    (strncmp(config_warning(c, k), "dir/file:3: ", 12) != 0 ||
                     !strstr(config_warning(c, k), without_effect[i].warning)))
                    fail_msg("<%s>: %s", without_effect[i].text, config_warning(c, k));
        json_decref(doc);
        config_free(c);
    }
}

/* A kernel that is no firmware is started directly. */
static void test_hvm_kernel(void **state)
{
    json_t *doc = NULL;

    assert_int_equal(make(HVM KERNEL "root = '/dev/sda1'\nextra = 'ro'", &doc, NULL, NULL), 0);
    assert_int_equal(json_get_string(doc, "kernel", "")[0], '/');
    assert_string_equal(json_get_string(doc, "cmdline", ""), "root=/dev/sda1 ro");
    json_decref(doc);
}

/* The lost indentation of a copied file gets a line number and a reason. */
static void test_lost_indentation(void **state)
{
    struct err err = {0};
    json_t *doc = NULL;

    assert_int_not_equal(make("import os, re\nif re.search('64', 'x64'):\narch_libdir = 'lib64'\n"
                              "else:\narch_libdir = 'lib'\n",
                              &doc, NULL, &err),
                         0);
    assert_string_equal(err.msg, "dir/file:3: expected an indented block after 'if'; put blanks "
                                 "before this line");
}

static void test_devices_warn(void **state)
{
    struct config *c = NULL;
    json_t *doc = NULL;

    assert_int_equal(make(KERNEL "pci = ['01:00.0']\nvfb = []\nvnc = 0\n", &doc, &c, NULL), 0);
    assert_int_equal(config_warning_count(c), 1);
    assert_string_equal(config_warning(c, 0),
                        "dir/file:2: pci is not available yet and is ignored");
    json_decref(doc);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_cmdline),
        cmocka_unit_test(test_loaders),
        cmocka_unit_test(test_no_loader),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_displays),
        cmocka_unit_test(test_files_of_the_field),
        cmocka_unit_test(test_lost_indentation),
        cmocka_unit_test(test_devices_warn),
        cmocka_unit_test(test_vcpus),
        cmocka_unit_test(test_hvm_defaults),
        cmocka_unit_test(test_hvm_options),
        cmocka_unit_test(test_hvm_without_effect),
        cmocka_unit_test(test_hvm_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
