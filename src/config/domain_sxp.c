/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domain_sxp.c - see domain_sxp.h: the writer, and the tables that the reader shares.
 */
#define _GNU_SOURCE
#include "config/domain_sxp.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/cmdline.h"
#include "config/domain_config.h"
#include "config/domain_sxp_places.h"
#include "config/options.h"

/* Between (name) and (uuid), in xm's order. */
const struct sxp_place sxp_places_domain[] = {
    {"memory", "memory", true},
    {"maxmem", "maxmem", false},
    {"shadow_memory", "shadow_memory", false},
    {"description", "description", false},
    {"features", "features", false},
    {"on_xend_start", "on_xend_start", false},
    {"on_xend_stop", "on_xend_stop", false},
    {"target", "target", false},
    {"machine_address_size", "machine_address_size", false},
    {"suppress_spurious_page_faults", "suppress_spurious_page_faults", false},
    {"cpu", "cpu", false},
    {"cpus", "cpus", false},
    {"cpu_cap", "cpu_cap", false},
    {"cap", "cpu_cap", false},
    {"cpu_weight", "cpu_weight", false},
    {"pool", "pool_name", false},
    {"nomigrate", "nomigrate", false},
    {"localtime", "localtime", false},
    {0},
};

const struct sxp_place sxp_places_linux[] = {
    {"kernel", "kernel", false},
    {"ramdisk", "ramdisk", false},
    {"superpages", "superpages", false},
    {"tsc_mode", "tsc_mode", false},
    {"videoram", "videoram", false},
    {"rtc_timeoffset", "rtc_timeoffset", false},
    {"vncviewer", "vncviewer", false},
    {"program_translation", "program_translation", false},
    {0},
};

const struct sxp_place sxp_places_hvm[] = {
    {"kernel", "kernel", false},
    {"ramdisk", "ramdisk", false},
    {"loader", "loader", false},
    {"device_model", "device_model", false},
    {"pae", "pae", true},
    {"vcpus", "vcpus", true},
    {"boot", "boot", true},
    {"fda", "fda", false},
    {"fdb", "fdb", false},
    {"timer_mode", "timer_mode", false},
    {"localtime", "localtime", false},
    {"serial", "serial", false},
    {"parallel", "parallel", false},
    {"stdvga", "stdvga", false},
    {"videoram", "videoram", false},
    {"isa", "isa", false},
    {"nographic", "nographic", false},
    {"soundhw", "soundhw", false},
    {"vnc", "vnc", false},
    {"vncdisplay", "vncdisplay", false},
    {"vncunused", "vncunused", false},
    {"vnclisten", "vnclisten", false},
    {"vncpasswd", "vncpasswd", false},
    {"sdl", "sdl", false},
    {"display", "display", false},
    {"opengl", "opengl", false},
    {"xauthority", "xauthority", false},
    {"rtc_timeoffset", "rtc_timeoffset", false},
    {"monitor", "monitor", false},
    {"acpi", "acpi", true},
    {"apic", "apic", true},
    {"usb", "usb", false},
    {"usbdevice", "usbdevice", false},
    {"keymap", "keymap", false},
    {"hpet", "hpet", false},
    {"hap", "hap", false},
    {"oos", "oos", false},
    {"viridian", "viridian", false},
    {"tsc_mode", "tsc_mode", false},
    {"vpt_align", "vpt_align", false},
    {"nestedhvm", "nestedhvm", false},
    {"xen_platform_pci", "xen_platform_pci", false},
    {"gfx_passthru", "gfx_passthru", false},
    {"memory_sharing", "memory_sharing", false},
    {"nx", "nx", false},
    {"vga", "vga", false},
    {"hvm_emulation", "hvm_emulation", false},
    {0},
};

const struct sxp_place sxp_places_devices[] = {
    {"vif", "vif", false},
    {"vfb", "vfb", false},
    {"vtpm", "vtpm", false},
    {"vusb", "vusb", false},
    {"channel", "channel", false},
    {"p9", "p9", false},
    {"pvcalls", "pvcalls", false},
    {"virtio", "virtio", false},
    {"vsnd", "vsnd", false},
    {"vdispl", "vdispl", false},
    {"usbctrl", "usbctrl", false},
    {"usbdev", "usbdev", false},
    {0},
};

/* A value's text; several (a list) are atoms side by side. */
static void append_value(struct config *c, struct sxp *pair, const struct value *value)
{
    const char *text;

    if (value_is_sequence(value)) {
        struct sxp *list = sxp_list(config_arena(c), NULL);

        for (size_t i = 0; i < value->items->count; i++)
            sxp_append_atom(config_arena(c), list,
                            value_to_text(config_arena(c), value->items->at[i]));
        sxp_append(pair, list);
        return;
    }
    text = value_to_text(config_arena(c), value);
    if (text[0])
        sxp_append_atom(config_arena(c), pair, text);
}

static void append_places(struct config *c, struct sxp *to, const struct sxp_place *places)
{
    for (const struct sxp_place *p = places; p->option; p++) {
        const struct value *value = config_value(c, p->option);
        struct sxp *pair;

        if (!value && p->always)
            sxp_append_pair(config_arena(c), to, p->element, option_find(p->option)->otherwise);
        if (!value || value->kind == VALUE_DICT)
            continue;
        pair = sxp_list(config_arena(c), p->element);
        append_value(c, pair, value);
        sxp_append(to, pair);
    }
}

static void append_int(struct config *c, struct sxp *to, const char *name, int64_t n)
{
    sxp_append_pair(config_arena(c), to, name, arena_printf(config_arena(c), "%lld", (long long)n));
}

/* xm: as many as maxvcpus, of which the first `vcpus` are online. */
static void append_vcpus(struct config *c, struct sxp *to)
{
    int64_t vcpus = config_int(c, "vcpus", 1);
    int64_t most = config_int(c, "maxvcpus", vcpus);

    append_int(c, to, "vcpus", most);
    if (config_is_set(c, "vcpu_avail"))
        append_int(c, to, "vcpu_avail", config_int(c, "vcpu_avail", 0));
    else if (most > vcpus)
        append_int(c, to, "vcpu_avail", ((int64_t)1 << vcpus) - 1);
}

static void append_bootloader(struct config *c, struct sxp *to, bool console)
{
    const char *bootloader = config_string(c, "bootloader", "");
    const char *args = config_string(c, "bootargs", console ? "" : "-q");
    const struct value *xl = config_value(c, "bootloader_args");
    struct sxp *pair;

    if (!bootloader[0])
        return;
    sxp_append_pair(config_arena(c), to, "bootloader", bootloader);
    if (!xl || value_is_number(xl)) {
        sxp_append_pair(config_arena(c), to, "bootloader_args", args);
        return;
    }
    args = xl->kind == VALUE_STRING ? xl->string.text : "";
    for (size_t i = 0; value_is_sequence(xl) && i < xl->items->count; i++)
        args = arena_printf(config_arena(c), "%s%s%s", args, i ? " " : "",
                            value_to_text(config_arena(c), xl->items->at[i]));
    pair = sxp_list(config_arena(c), "bootloader_args");
    if (args[0])
        sxp_append_atom(config_arena(c), pair, args);
    sxp_append(to, pair);
}

/* (image (linux|hvm ...)) */
static int append_image(struct config *c, struct sxp *to, struct err *err)
{
    struct arena *a = config_arena(c);
    bool hvm = domain_config_is_hvm(c);
    struct sxp *image = sxp_list(a, "image"), *inner = sxp_list(a, hvm ? "hvm" : "linux");
    const char *root = cmdline_root(c), *ip = cmdline_ip(c), *extra;
    int rc = cmdline_extra(c, &extra, err);

    if (rc < 0)
        return rc;
    append_places(c, inner, hvm ? sxp_places_hvm : sxp_places_linux);
    if (ip[0])
        sxp_append_pair(a, inner, "ip", ip);
    if (root[0])
        sxp_append_pair(a, inner, "root", root);
    if (extra[0])
        sxp_append_pair(a, inner, "args", extra);
    sxp_append(image, inner);
    sxp_append(to, image);
    return 0;
}

static void append_device(struct config *c, struct sxp *to, struct sxp *device)
{
    struct sxp *outer = sxp_list(config_arena(c), "device");

    sxp_append(outer, device);
    sxp_append(to, outer);
}

static const char *trimmed(struct arena *a, const char *text, size_t n)
{
    while (n > 0 && isspace((unsigned char)*text)) {
        text++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    return arena_strndup(a, text, n);
}

/* (ELEMENT (KEY VALUE) ...) of "KEY=VALUE, KEY=VALUE"; blanks around both do not count. */
static struct sxp *keyed_device(struct arena *a, const char *element, const char *text)
{
    struct sxp *device = sxp_list(a, element);

    while (*text) {
        size_t n = strcspn(text, ",");
        const char *equals = memchr(text, '=', n);
        size_t key = equals ? (size_t)(equals - text) : n;

        if (trimmed(a, text, n)[0])
            sxp_append_pair(a, device, trimmed(a, text, key),
                            equals ? trimmed(a, equals + 1, n - key - 1) : "");
        text += n + (text[n] == ',');
    }
    return device;
}

static void append_keyed(struct config *c, struct sxp *to)
{
    for (const struct sxp_place *p = sxp_places_devices; p->option; p++) {
        for (size_t i = 0; i < config_list_count(c, p->option); i++) {
            if (strcmp(p->option, "vfb") == 0)
                append_device(c, to, sxp_list(config_arena(c), "vkbd"));
            append_device(
                c, to,
                keyed_device(config_arena(c), p->element, config_list_item(c, p->option, i)));
        }
    }
}

/* The n-th comma-separated field of a text, "" behind the last. */
static const char *field(struct arena *a, const char *text, size_t n)
{
    for (; n > 0; n--) {
        text += strcspn(text, ",");
        text += *text == ',';
    }
    return arena_strndup(a, text, strcspn(text, ","));
}

static size_t count_fields(const char *text)
{
    size_t n = 1;

    for (; *text; text++)
        n += *text == ',';
    return n;
}

/* xm's UNAME,VDEV,MODE[,BACKEND[,PROTOCOL]]: what names the device class. */
static struct sxp *xm_disk(struct arena *a, const char *text, size_t fields)
{
    const char *uname = field(a, text, 0);
    const char *class = strncmp(uname, "tap2:", 5) == 0  ? "tap2"
                        : strncmp(uname, "tap:", 4) == 0 ? "tap"
                                                         : "vbd";
    struct sxp *disk = sxp_list(a, class);

    sxp_append_pair(a, disk, "uname", uname);
    sxp_append_pair(a, disk, "dev", field(a, text, 1));
    sxp_append_pair(a, disk, "mode", field(a, text, 2));
    if (fields > 3 && field(a, text, 3)[0])
        sxp_append_pair(a, disk, "backend", field(a, text, 3));
    if (fields > 4 && field(a, text, 4)[0])
        sxp_append_pair(a, disk, "protocol", field(a, text, 4));
    return disk;
}

static bool is_xm_disk(struct arena *a, const char *text, size_t fields)
{
    static const char *const modes[] = {"r", "w", "w!", "ro", "rw", "rw!"};

    if (fields < 3 || fields > 5 || strchr(field(a, text, 0), '='))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        if (strcmp(field(a, text, 2), modes[i]) == 0)
            return true;
    return false;
}

/* xl's form has no S-expression of its own: its text is kept whole. */
static void append_disks(struct config *c, struct sxp *to)
{
    struct arena *a = config_arena(c);

    for (size_t i = 0; i < config_list_count(c, "disk"); i++) {
        const char *text = config_list_item(c, "disk", i);
        size_t fields = count_fields(text);
        struct sxp *disk;

        if (is_xm_disk(a, text, fields)) {
            disk = xm_disk(a, text, fields);
        } else {
            disk = sxp_list(a, "vbd");
            sxp_append_pair(a, disk, "spec", text);
        }
        append_device(c, to, disk);
    }
}

/* (device (pci (dev (domain 0x0) (bus 0x1) (slot 0x2) (func 0x3)))) */
static int append_pci(struct config *c, struct sxp *to, struct err *err)
{
    static const char *const names[] = {"domain", "bus", "slot", "func"};
    struct arena *a = config_arena(c);

    for (size_t i = 0; i < config_list_count(c, "pci"); i++) {
        const char *text = config_list_item(c, "pci", i);
        struct sxp *pci = sxp_list(a, "pci"), *dev = sxp_list(a, "dev");
        unsigned int n[4] = {0};

        if (sscanf(text, "%4x:%2x:%2x.%1x", &n[0], &n[1], &n[2], &n[3]) != 4) {
            n[0] = 0;
            if (sscanf(text, "%2x:%2x.%1x", &n[1], &n[2], &n[3]) != 3)
                return err_set(err, EINVAL, "%s: pci '%s' is not of the form [DDDD:]BB:SS.F",
                               config_place(c, "pci"), text);
        }
        for (size_t k = 0; k < ARRAY_SIZE(names); k++)
            sxp_append_pair(a, dev, names[k], arena_printf(a, "0x%x", n[k]));
        sxp_append(pci, dev);
        append_device(c, to, pci);
    }
    return 0;
}

/* ioports "FROM-TO", irq "N" */
static void append_resources(struct config *c, struct sxp *to)
{
    struct arena *a = config_arena(c);

    for (size_t i = 0; i < config_list_count(c, "ioports"); i++) {
        const char *text = config_list_item(c, "ioports", i);
        size_t n = strcspn(text, "-");
        struct sxp *ports = sxp_list(a, "ioports");

        sxp_append_pair(a, ports, "from", arena_strndup(a, text, n));
        sxp_append_pair(a, ports, "to", text[n] ? text + n + 1 : arena_strndup(a, text, n));
        append_device(c, to, ports);
    }
    for (size_t i = 0; i < config_list_count(c, "irq"); i++) {
        struct sxp *irq = sxp_list(a, "irq");

        sxp_append_pair(a, irq, "irq", config_list_item(c, "irq", i));
        append_device(c, to, irq);
    }
}

int domain_sxp_make(struct config *c, const char *name, const char *uuid, bool console,
                    struct sxp **ret, struct err *err)
{
    static const char *const actions[] = {"on_poweroff", "on_reboot", "on_crash"};
    struct arena *a = config_arena(c);
    struct sxp *vm = sxp_list(a, "vm");
    int rc;

    sxp_append_pair(a, vm, "name", name);
    append_places(c, vm, sxp_places_domain);
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        sxp_append_pair(a, vm, actions[i], domain_config_action(c, actions[i]));
    append_vcpus(c, vm);
    sxp_append_pair(a, vm, "uuid", uuid);
    append_bootloader(c, vm, console);
    rc = append_image(c, vm, err);
    append_int(c, vm, "s3_integrity", config_int(c, "s3_integrity", 1));
    append_disks(c, vm);
    append_keyed(c, vm);
    append_resources(c, vm);
    if (rc == 0)
        rc = append_pci(c, vm, err);
    *ret = vm;
    return rc;
}
