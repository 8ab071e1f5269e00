/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-args.c - from a machine to the device model's command line, option by option.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hvm/args.h"

struct fixture {
    struct hvm_spec s;
    struct hvm_machine m;
    struct words w;
    char line[WORDS_TEXT_MAX]; /* the words with a blank between */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    json_t *none = json_object();

    assert_non_null(f);
    assert_int_equal(hvm_spec_parse(&f->s, none, NULL), 0);
    json_decref(none);
    f->m = (struct hvm_machine){
        .name = "guest",
        .uuid = {0x25, 0xa4, 0x7c},
        .memory_mib = 1024,
        .vcpus = 1,
        .maxvcpus = 1,
        .now = 1000000000, /* 2001-09-09 01:46:40 UTC */
        .local_offset = 7200,
        .qmp_fd = 3,
        .serial_fd = {4, -1, -1, -1},
        .kernel_fd = -1,
        .ramdisk_fd = -1,
    };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static const char *make(struct fixture *f)
{
    memset(&f->w, 0, sizeof(f->w));
    assert_int_equal(hvm_args_make(&f->w, &f->s, &f->m, NULL), 0);
    memcpy(f->line, f->w.text, f->w.len);
    for (size_t i = 0; i + 1 < f->w.len; i++)
        if (f->line[i] == '\0')
            f->line[i] = ' ';
    return f->line;
}

static void expect(struct fixture *f, const char *part)
{
    const char *line = make(f);

    if (!strstr(line, part))
        fail_msg("'%s' is not in: %s", part, line);
}

static void expect_not(struct fixture *f, const char *part)
{
    const char *line = make(f);

    if (strstr(line, part))
        fail_msg("'%s' is in: %s", part, line);
}

static struct hvm_drive_args *add_drive(struct fixture *f, const char *name)
{
    struct hvm_drive_args *d = &f->m.drives[f->m.nr_drives++];

    *d = (struct hvm_drive_args){
        .name = name, .source = HVM_SOURCE_FILE, .fd = 10 + (int)f->m.nr_drives, .discard = true};
    assert_int_equal(hvm_args_slot(name, &d->bus, &d->unit, NULL), 0);
    return d;
}

static void test_always(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(strncmp(make(f), "qemu-system-x86_64 -name guest ", 31), 0);
    expect(f, " -uuid 25a47c00-0000-0000-0000-000000000000 ");
    expect(f, " -nodefaults ");
    expect(f, " -no-user-config ");
    expect(f, " -m 1024 -smp 1,maxcpus=1,sockets=1,cores=1,threads=1 -S ");
    expect(f, " -action reboot=shutdown,shutdown=pause,panic=pause ");
    expect(f, " -chardev socket,id=qmp,fd=3 -mon chardev=qmp,mode=control ");
    expect(f, " -display none");
    expect_not(f, "-vnc");
    expect_not(f, "-kernel");
}

static void test_cpu(void **state)
{
    struct fixture *f = *state;

    expect(f, " -machine pc,accel=tcg,acpi=on,hpet=off,usb=off,");
    expect(f, " -cpu qemu64,ssse3=on,sse4.1=on,sse4.2=on,popcnt=on,svm=off,vmx=off -d cpu_reset ");
    f->s.pae = f->s.apic = false;
    expect(f, ",popcnt=on,pae=off,lm=off,nx=off,apic=off,svm=off,vmx=off ");
    f->s.kvm = f->s.viridian = f->s.pae = f->s.nestedhvm = f->s.apic = true;
    f->s.nx = false;
    expect(f, " -cpu host,nx=off,hv-relaxed,");
    f->s.nx = true;
    f->s.timer_mode = 2;
    expect(f, "accel=kvm,");
    expect(f, " -cpu host,hv-relaxed,");
    expect(f, " -global kvm-pit.lost_tick_policy=discard ");
    expect_not(f, "cpu_reset");
    f->m.vcpus = 2;
    f->m.maxvcpus = 4;
    expect(f, " -smp 2,maxcpus=4,sockets=4,cores=1,threads=1 ");
}

static void test_hardware(void **state)
{
    struct fixture *f = *state;

    f->s.acpi = false;
    f->s.hpet = f->s.usb = true;
    expect(f, ",acpi=off,hpet=on,usb=on,");
    expect_not(f, "PIIX4_PM");
    f->s.acpi_s3 = f->s.acpi_s4 = false;
    expect(f, " -global PIIX4_PM.disable_s3=1 -global PIIX4_PM.disable_s4=1 ");
    f->s.nr_usb = 2;
    strcpy(f->s.usb_device[0], "tablet");
    strcpy(f->s.usb_device[1], "keyboard");
    expect(f, " -device usb-tablet -device usb-kbd ");
    strcpy(f->s.soundhw, "sb16");
    expect(f, " -audiodev none,id=sound -device sb16,audiodev=sound ");
    strcpy(f->s.soundhw, "gus,ac97");
    expect(f, " -device gus,audiodev=sound -device AC97,audiodev=sound ");
    expect_not(f, "sb16");
    strcpy(f->s.soundhw, "all");
    expect(f, " -device AC97,audiodev=sound -device intel-hda -device hda-duplex,audiodev=sound ");
}

static void test_clock(void **state)
{
    struct fixture *f = *state;

    expect(f, " -rtc base=utc ");
    f->s.localtime = true;
    expect(f, " -rtc base=localtime ");
    f->s.rtc_timeoffset = 60;
    expect(f, " -rtc base=2001-09-09T03:47:40 ");
    f->s.localtime = false;
    f->s.timer_mode = 0;
    expect(f, " -rtc base=2001-09-09T01:47:40,driftfix=slew ");
}

static void test_screen(void **state)
{
    struct fixture *f = *state;

    expect(f, " -device cirrus-vga,vgamem_mb=4 ");
    strcpy(f->s.vga, "stdvga");
    f->s.videoram = 9;
    expect(f, " -device VGA,vgamem_mb=16 ");
    strcpy(f->s.vga, "none");
    expect_not(f, "vga");
    strcpy(f->s.keymap, "de");
    expect(f, " -k de ");
    f->s.has_vnc = true;
    strcpy(f->s.vnc.listen, "0.0.0.0");
    f->s.vnc.display = 1;
    expect(f, " -vnc 0.0.0.0:1 ");
    f->s.vnc.unused = true;
    strcpy(f->s.vnc.password, "geheim");
    expect(f, " -vnc 0.0.0.0:1,to=1000,password=on ");
    expect_not(f, "geheim");
}

static void test_serial(void **state)
{
    struct fixture *f = *state;

    expect(f, " -chardev socket,id=serial0,fd=4 -serial chardev:serial0 ");
    f->s.nr_serials = 3;
    f->s.serial[0] = HVM_SERIAL_NONE;
    f->s.serial[1] = HVM_SERIAL_FILE;
    f->m.serial_fd[1] = 7;
    f->s.serial[2] = HVM_SERIAL_TCP;
    strcpy(f->s.serial_text[2], "tcp:localhost:4000,server");
    expect(f, " -serial none -add-fd fd=7,set=7 "
              "-chardev file,id=serial1,append=on,path=/dev/fdset/7 -serial chardev:serial1 "
              "-serial tcp:localhost:4000,server,nowait ");
}

static void test_kernel(void **state)
{
    struct fixture *f = *state;

    f->m.kernel_fd = 8;
    f->m.cmdline = "console=ttyS0 a=b,c";
    expect(f, " -kernel /proc/self/fd/8 -append console=ttyS0 a=b,c ");
    f->m.ramdisk_fd = 9;
    add_drive(f, "hda");
    strcpy(f->s.boot, "c");
    expect_not(f, "bootindex");
    expect(f, " -kernel /proc/self/fd/8 -initrd /proc/self/fd/9 -append ");
}

/* The four drives of an IDE controller, and the boot order. */
static void test_ide(void **state)
{
    struct fixture *f = *state;
    struct hvm_drive_args *cd;

    add_drive(f, "hda");
    add_drive(f, "xvdb");
    add_drive(f, "hdc")->read_only = true;
    cd = add_drive(f, "hdd");
    cd->cdrom = cd->read_only = true;
    strcpy(f->s.boot, "dc");
    expect(f, " -add-fd fd=11,set=11 -blockdev {\"driver\":\"raw\",\"node-name\":\"hda\","
              "\"read-only\":false,\"discard\":\"unmap\",\"file\":{\"driver\":\"file\","
              "\"filename\":\"/dev/fdset/11\",\"locking\":\"off\",\"discard\":\"unmap\"}} "
              "-device ide-hd,id=dev-hda,bus=ide.0,unit=0,drive=hda,bootindex=100 ");
    expect(f, " -device ide-hd,id=dev-xvdb,bus=ide.0,unit=1,drive=xvdb,bootindex=101 ");
    expect(f, "\"node-name\":\"hdc\",\"read-only\":true,\"discard\":\"ignore\",");
    expect(f, " -device ide-hd,id=dev-hdc,bus=ide.1,unit=0,drive=hdc,bootindex=102 ");
    expect(f, " -device ide-cd,id=dev-hdd,bus=ide.1,unit=1,drive=hdd,bootindex=0 ");
    cd->source = HVM_SOURCE_EMPTY;
    expect(f, " -device ide-cd,id=dev-hdd,bus=ide.1,unit=1,bootindex=0 ");
    strcpy(f->s.boot, "n");
    expect_not(f, "bootindex");
}

static void test_other_drives(void **state)
{
    struct fixture *f = *state;

    add_drive(f, "sda")->source = HVM_SOURCE_DEVICE;
    add_drive(f, "sdc")->source = HVM_SOURCE_NBD;
    add_drive(f, "xvde");
    add_drive(f, "fda");
    strcpy(f->s.boot, "a");
    expect(f, " -device lsi53c895a,id=scsi0 -add-fd fd=11,set=11 -blockdev ");
    expect(f, "{\"driver\":\"host_device\",\"filename\":\"/dev/fdset/11\",");
    expect(f, " -device scsi-hd,id=dev-sda,bus=scsi0.0,scsi-id=0,drive=sda ");
    expect(f, "\"file\":{\"driver\":\"nbd\",\"server\":{\"type\":\"fd\",\"str\":\"12\"},"
              "\"export\":\"disk\"}} -device scsi-hd,id=dev-sdc,bus=scsi0.0,scsi-id=2,drive=sdc ");
    expect_not(f, "fd=12,set=12");
    expect(f, " -device virtio-blk-pci,id=dev-xvde,drive=xvde ");
    expect(f, " -device floppy,id=dev-fda,unit=0,drive=fda -global isa-fdc.bootindexA=0 ");
}

static void test_slots(void **state)
{
    static const char *const refused[] = {"hde", "hda1", "sdh", "xvdu", "xvdaa",
                                          "d0",  "",     "hd",  "xvd",  "vda"};
    enum hvm_bus bus;
    unsigned int unit;

    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        if (hvm_args_slot(refused[i], &bus, &unit, NULL) != -EINVAL)
            fail_msg("'%s' is taken", refused[i]);
    assert_int_equal(hvm_args_slot("xvdt", &bus, &unit, NULL), 0);
    assert_int_equal(bus, HVM_BUS_VIRTIO);
    assert_int_equal(unit, 15);
}

static void test_nics(void **state)
{
    struct fixture *f = *state;

    f->m.nr_nics = 2;
    f->m.nics[0] = (struct hvm_nic_args){
        .model = "rtl8139", .mac = "00:16:3e:40:16:60", .tap = true, .fd = 20};
    f->m.nics[1] =
        (struct hvm_nic_args){.devid = 3, .model = "virtio", .mac = "00:16:3e:00:00:01", .fd = 21};
    expect(f, " -netdev tap,id=net0,fd=20,vhost=off "
              "-device rtl8139,id=vif0,netdev=net0,mac=00:16:3e:40:16:60,romfile= ");
    expect(f, " -netdev stream,id=net3,server=off,addr.type=fd,addr.str=21 "
              "-device virtio-net-pci,id=vif3,netdev=net3,mac=00:16:3e:00:00:01,romfile= ");
    strcpy(f->s.boot, "cn");
    expect(f, "mac=00:16:3e:40:16:60,bootindex=100 ");
    expect_not(f, "romfile");
}

static void test_too_long(void **state)
{
    struct fixture *f = *state;
    char *cmdline = malloc(WORDS_TEXT_MAX + 1);

    memset(cmdline, 'x', WORDS_TEXT_MAX);
    cmdline[WORDS_TEXT_MAX] = '\0';
    f->m.kernel_fd = 8;
    f->m.cmdline = cmdline;
    assert_int_equal(hvm_args_make(&f->w, &f->s, &f->m, NULL), -E2BIG);
    free(cmdline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_always, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cpu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hardware, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_screen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serial, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kernel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ide, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_drives, setup, teardown),
        cmocka_unit_test(test_slots),
        cmocka_unit_test_setup_teardown(test_nics, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
