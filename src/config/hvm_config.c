/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hvm_config.c - see hvm_config.h. Values are checked here, where the place is known; what
 * becomes of them is src/hvm/args.c.
 */
#define _GNU_SOURCE
#include "config/hvm_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/virt.h"

#define MAX_VIDEORAM 256
#define MAX_TIMEOFFSET (200ll * 366 * 86400)
#define MAX_LIST 8
#define MAX_SOUND 64
#define VNC_PASSWORD_MAX 8

static const struct {
    const char *name;
    bool otherwise;
} switches[] = {
    {"acpi", true}, {"acpi_s3", true},    {"acpi_s4", true}, {"apic", true},       {"pae", true},
    {"nx", true},   {"nestedhvm", false}, {"hpet", false},   {"localtime", false}, {"usb", false},
};

/* What some config may count on, and does not get. */
static const struct {
    const char *option, *unless, *text;
} without_effect[] = {
    {"hdtype", "ide", "the disks are behind an IDE controller"},
    {"parallel", "none", "there are no parallel ports"},
    {"monitor", "0", "the domain process alone talks to the device model"},
    {"isa", "0", "the machine has a PCI bus"},
    {"mmio_hole", "", "the machine has its usual hole"},
    {"gfx_passthru", "0", "no device of the host is passed through"},
    {"xen_platform_pci", "0",
     "there are no Xen interfaces for such guests; virtio disks (xvde) and cards (model=virtio) "
     "are the quick ones"},
    {"spice", "0", "the screen is shown by VNC (vnc = 1)"},
    {"device_model_args", "", "the device model gets no other arguments"},
    {"device_model_args_hvm", "", "the device model gets no other arguments"},
};

/* A word that goes into a list of the device model, where a comma separates. */
static bool is_plain(const char *text, const char *also)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    for (; *text; text++)
        if (!strchr(letters, *text) && !strchr(also, *text))
            return false;
    return true;
}

static int complain(const struct config *c, const char *option, const char *value, const char *what,
                    struct err *err)
{
    return err_set(err, EINVAL, "%s: %s = '%s': %s", config_place(c, option), option, value, what);
}

static int add_text(json_t *to, const char *key, const char *text, struct err *err)
{
    return json_object_set_new(to, key, json_string(text)) < 0
               ? err_set(err, EINVAL, "%s: not valid UTF-8 text", key)
               : 0;
}

static int add_switches(const struct config *c, json_t *hvm)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
        rc |= json_object_set_new(
            hvm, switches[i].name,
            json_boolean(config_int(c, switches[i].name, switches[i].otherwise) != 0));
    return rc;
}

static int add_boot(const struct config *c, json_t *hvm, struct err *err)
{
    const char *boot = config_string(c, "boot", "c");

    for (const char *p = boot; *p; p++)
        if (!strchr("acdn", *p) || strchr(p + 1, *p))
            return complain(c, "boot", boot,
                            "letters of a (floppy), c (disk), d (CD), n (network) are needed, each "
                            "once",
                            err);
    return add_text(hvm, "boot", boot, err);
}

/* Strings of an option that is one string or a list of them. */
static int add_words(const struct config *c, json_t *hvm, const char *option, struct err *err)
{
    const struct value *v = config_value(c, option);
    json_t *list = json_array();
    bool sequence = v && value_is_sequence(v);
    size_t count = sequence ? v->items->count : v && v->kind != VALUE_NONE;

    if (!list || json_object_set_new(hvm, option, list) < 0)
        return err_set(err, ENOMEM, "out of memory");
    if (count > MAX_LIST)
        return err_set(err, EINVAL, "%s: %s: more than %d entries", config_place(c, option), option,
                       MAX_LIST);
    for (size_t i = 0; i < count; i++) {
        const struct value *item = sequence ? v->items->at[i] : v;

        if (item->kind != VALUE_STRING)
            return err_set(err, EINVAL, "%s: %s: a string is needed, not %s",
                           config_place(c, option), option, value_kind_name(item));
        if (item->string.len > 0 && json_array_append_new(list, json_string(item->string.text)) < 0)
            return complain(c, option, item->string.text, "not valid UTF-8 text", err);
    }
    return 0;
}

static int check_serial(const struct config *c, const json_t *hvm, struct err *err)
{
    static const char *const known[] = {"pty", "none", "null", "file:/", "tcp:"};
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(hvm, "serial"), i, item)
    {
        const char *text = json_string_value(item);
        bool good = false;

        for (size_t k = 0; k < ARRAY_SIZE(known); k++) {
            size_t n = strlen(known[k]);

            good |= strncmp(text, known[k], n) == 0 && (k >= 3 || text[n] == '\0');
        }
        if (!good || i > 3)
            return complain(c, "serial", text,
                            "up to four of pty, none, null, file:/PATH and "
                            "tcp:HOST:PORT[,server,nowait] are possible",
                            err);
    }
    return 0;
}

static int check_usbdevice(const struct config *c, const json_t *hvm, struct err *err)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(hvm, "usbdevice"), i, item)
    {
        const char *text = json_string_value(item);

        if (strcmp(text, "tablet") != 0 && strcmp(text, "mouse") != 0 &&
            strcmp(text, "keyboard") != 0)
            return complain(c, "usbdevice", text, "only tablet, mouse and keyboard are available",
                            err);
    }
    return 0;
}

static bool is_sound_card(const char *word, size_t len)
{
    static const char *const cards[] = {"sb16", "es1370",  "ac97", "hda",
                                        "gus",  "cs4231a", "all",  "adlib"};

    for (size_t i = 0; i < ARRAY_SIZE(cards); i++)
        if (strlen(cards[i]) == len && strncmp(word, cards[i], len) == 0)
            return true;
    return false;
}

/* One card, or several with commas between. */
static int add_sound(struct config *c, json_t *hvm, struct err *err)
{
    const char *cards = config_string(c, "soundhw", config_int(c, "enable_audio", 0) ? "sb16" : "");
    bool good = strlen(cards) < MAX_SOUND;

    for (const char *at = cards; good && *at; at += *at == ',') {
        size_t len = strcspn(at, ",");

        good = is_sound_card(at, len);
        at += len;
    }
    if (!good)
        return complain(c, "soundhw", cards,
                        "none of sb16, es1370, ac97, hda, adlib, gus, cs4231a, all", err);
    return add_text(hvm, "soundhw", cards, err);
}

static int add_video(const struct config *c, json_t *hvm, struct err *err)
{
    static const char *const cards[] = {"none", "stdvga", "cirrus", "qxl"};
    const char *card = config_int(c, "stdvga", 0) ? "stdvga" : "cirrus";
    int64_t ram = config_int(c, "videoram", 0);
    bool known = false;

    card = config_int(c, "nographic", 0) ? "none" : config_string(c, "vga", card);
    for (size_t i = 0; i < ARRAY_SIZE(cards); i++)
        known |= strcmp(card, cards[i]) == 0;
    if (!known)
        return complain(c, "vga", card, "none of none, stdvga, cirrus, qxl", err);
    if (ram < 0 || ram > MAX_VIDEORAM)
        return err_set(err, EINVAL, "%s: videoram = %lld is not within 0..%d",
                       config_place(c, "videoram"), (long long)ram, MAX_VIDEORAM);
    json_object_set_new(hvm, "videoram", json_integer(ram));
    return add_text(hvm, "vga", card, err);
}

static int add_keymap(const struct config *c, json_t *hvm, struct err *err)
{
    const char *keymap = config_string(c, "keymap", "");

    if (!is_plain(keymap, "") || strlen(keymap) > 32 || keymap[0] == '.')
        return complain(c, "keymap", keymap, "no keyboard layout", err);
    return add_text(hvm, "keymap", keymap, err);
}

/* VNC, also in place of an SDL window: a domain process has no screen of its own. */
static int add_vnc(struct config *c, json_t *hvm, struct err *err)
{
    bool sdl = config_int(c, "sdl", 0) != 0;
    const char *listen = config_string(c, "vnclisten", "127.0.0.1");
    const char *colon = strrchr(listen, ':');
    int64_t display = config_int(c, "vncdisplay", 0);
    CLEANUP_FREE char *address = NULL;
    json_t *vnc;

    if (!config_int(c, "vnc", 0) && !sdl)
        return 0;
    if (sdl && !config_int(c, "vnc", 0))
        config_warn(c, "%s: sdl: the guest's screen is shown by VNC on %s instead",
                    config_place(c, "sdl"), listen);
    if (colon && strspn(colon + 1, "0123456789") == strlen(colon + 1) && colon[1] &&
        memchr(listen, ':', (size_t)(colon - listen)) == NULL) {
        display = strtol(colon + 1, NULL, 10);
        address = strndup(listen, (size_t)(colon - listen));
    } else {
        address = strdup(listen);
    }
    if (!address)
        return err_set(err, ENOMEM, "out of memory");
    if (!is_plain(address, ":[]"))
        return complain(c, "vnclisten", listen, "no address", err);
    if (display < 0 || display > 59635)
        return err_set(err, EINVAL, "%s: vncdisplay = %lld is not within 0..59635",
                       config_place(c, "vncdisplay"), (long long)display);
    if (strlen(config_string(c, "vncpasswd", "")) > VNC_PASSWORD_MAX)
        config_warn(c, "%s: vncpasswd: VNC knows the first %d characters only",
                    config_place(c, "vncpasswd"), VNC_PASSWORD_MAX);
    vnc = json_pack("{s:s, s:I, s:b, s:s}", "listen", address, "display", (json_int_t)display,
                    "unused", config_int(c, "vncunused", 1) != 0, "password",
                    config_string(c, "vncpasswd", ""));
    if (json_object_set_new(hvm, "vnc", vnc) < 0)
        return complain(c, "vncpasswd", "...", "not valid UTF-8 text", err);
    return 0;
}

static int add_clock(const struct config *c, json_t *hvm, struct err *err)
{
    int64_t offset = config_int(c, "rtc_timeoffset", 0);

    if (offset < -MAX_TIMEOFFSET || offset > MAX_TIMEOFFSET)
        return err_set(err, EINVAL, "%s: rtc_timeoffset = %lld is more than 200 years",
                       config_place(c, "rtc_timeoffset"), (long long)offset);
    json_object_set_new(hvm, "rtc_timeoffset", json_integer(offset));
    return 0;
}

/* A number or one of xl's words. */
static int add_timer_mode(const struct config *c, json_t *hvm, struct err *err)
{
    static const char *const words[] = {"delay_for_missed_ticks", "no_delay_for_missed_ticks",
                                        "no_missed_ticks_pending", "one_missed_tick_pending"};
    const struct value *v = config_value(c, "timer_mode");
    int64_t mode = v && v->kind != VALUE_STRING ? v->integer : 1;

    if (v && v->kind == VALUE_STRING && !value_parse_int(v->string.text, &mode)) {
        for (mode = 0; mode < 4 && strcmp(v->string.text, words[mode]) != 0; mode++)
            continue;
    }
    if (mode < 0 || mode > 3)
        return err_set(err, EINVAL,
                       "%s: timer_mode: a number from 0 to 3 or one of xl's words is "
                       "needed",
                       config_place(c, "timer_mode"));
    json_object_set_new(hvm, "timer_mode", json_integer(mode));
    return 0;
}

/* A list names single enlightenments; all or none are what there is. */
static void add_viridian(const struct config *c, json_t *hvm)
{
    const struct value *v = config_value(c, "viridian");

    json_object_set_new(
        hvm, "viridian",
        json_boolean(v && value_truth(v) &&
                     !(v->kind == VALUE_STRING && strcmp(v->string.text, "0") == 0)));
}

/* The absolute path of a file of the host. */
static int add_path(const struct config *c, json_t *to, const char *key, const char *option,
                    struct err *err)
{
    const char *path = config_string(c, option, "");
    CLEANUP_FREE char *full = path[0] ? realpath(path, NULL) : NULL;
    struct stat st;

    if (!path[0])
        return 0;
    if (!full || stat(full, &st) < 0 || S_ISDIR(st.st_mode))
        return err_set(err, ENOENT, "%s: %s: there is no file %s", config_place(c, option), option,
                       path);
    return add_text(to, key, full, err);
}

static bool is_firmware(const char *kernel)
{
    const char *slash = strrchr(kernel, '/');

    return !kernel[0] || strcmp(slash ? slash + 1 : kernel, "hvmloader") == 0;
}

static int add_files(const struct config *c, json_t *doc, json_t *hvm, struct err *err)
{
    int rc = add_path(c, hvm, "fda", "fda", err);

    if (rc == 0)
        rc = add_path(c, hvm, "fdb", "fdb", err);
    if (rc == 0 && !is_firmware(config_string(c, "kernel", ""))) {
        rc = add_path(c, doc, "kernel", "kernel", err);
        if (rc == 0)
            rc = add_path(c, doc, "ramdisk", "ramdisk", err);
    }
    return rc;
}

static int add_cpu(struct config *c, json_t *hvm, struct err *err)
{
    enum virt_cpu cpu;
    int64_t most = config_int(c, "maxvcpus", config_int(c, "vcpus", 1));
    int rc = virt_choose(config_string(c, "hvm_emulation", "auto"), &cpu, err);

    if (rc < 0)
        return err_wrap(err, "%s", config_place(c, "hvm_emulation"));
    if (cpu == VIRT_EMULATED)
        config_warn(c,
                    "no hardware virtualization is used: the guest's CPU is emulated and runs two "
                    "to twenty times slower than the host's (a paravirtualized guest runs at full "
                    "speed here)");
    if (config_int(c, "apic", 1) == 0 && most > 1)
        return err_set(err, EINVAL, "%s: apic = 0: a guest with more than one CPU needs its APIC",
                       config_place(c, "apic"));
    return add_text(hvm, "cpu", virt_cpu_name(cpu), err);
}

static int add_consoles(const struct config *c, json_t *hvm, struct err *err)
{
    int rc = add_words(c, hvm, "serial", err);

    if (rc == 0)
        rc = check_serial(c, hvm, err);
    if (rc == 0)
        rc = add_words(c, hvm, "usbdevice", err);
    return rc < 0 ? rc : check_usbdevice(c, hvm, err);
}

/* Has the option a value that asks for something else than `unless`? */
static bool asks(const struct config *c, const char *option, const char *unless)
{
    const struct value *v = config_is_set(c, option) ? config_value(c, option) : NULL;

    if (!v || !value_truth(v))
        return false;
    return v->kind != VALUE_STRING ||
           (strcmp(v->string.text, unless) != 0 && strcmp(v->string.text, "0") != 0);
}

static void warn_without_effect(struct config *c, const json_t *hvm)
{
    bool emulated = strcmp(json_get_string(hvm, "cpu", ""), virt_cpu_name(VIRT_EMULATED)) == 0;

    if (!is_firmware(config_string(c, "loader", "")))
        config_warn(c, "%s: loader has no effect: the firmware is SeaBIOS",
                    config_place(c, "loader"));
    for (size_t i = 0; i < ARRAY_SIZE(without_effect); i++) {
        const char *option = without_effect[i].option;

        if (asks(c, option, without_effect[i].unless))
            config_warn(c, "%s: %s has no effect: %s", config_place(c, option), option,
                        without_effect[i].text);
    }
    if (emulated && asks(c, "viridian", "0"))
        config_warn(c, "%s: viridian has no effect on an emulated CPU",
                    config_place(c, "viridian"));
    if (emulated && json_get_int(hvm, "timer_mode", 0) >= 2)
        config_warn(c, "%s: timer_mode has no effect on an emulated CPU but for 0 and 1",
                    config_place(c, "timer_mode"));
}

int hvm_config_add(struct config *c, json_t *doc, struct err *err)
{
    json_t *hvm = json_object();
    int rc = hvm && json_object_set_new(doc, "hvm", hvm) == 0 && add_switches(c, hvm) == 0
                 ? add_text(doc, "type", "hvm", err)
                 : err_set(err, ENOMEM, "out of memory");

    add_viridian(c, hvm);
    if (rc == 0)
        rc = add_cpu(c, hvm, err);
    if (rc == 0)
        rc = add_boot(c, hvm, err);
    if (rc == 0)
        rc = add_files(c, doc, hvm, err);
    if (rc == 0)
        rc = add_consoles(c, hvm, err);
    if (rc == 0)
        rc = add_video(c, hvm, err);
    if (rc == 0)
        rc = add_keymap(c, hvm, err);
    if (rc == 0)
        rc = add_vnc(c, hvm, err);
    if (rc == 0)
        rc = add_sound(c, hvm, err);
    if (rc == 0)
        rc = add_clock(c, hvm, err);
    if (rc == 0)
        rc = add_timer_mode(c, hvm, err);
    if (rc == 0)
        warn_without_effect(c, hvm);
    return rc;
}

bool hvm_config_uses(const struct config *c, const char *option)
{
    static const char *const seabios[] = {"", "bios", "seabios", "rombios"};
    static const char *const options[] = {"vnc",       "vncdisplay",     "vncunused",
                                          "vnclisten", "vncpasswd",      "sdl",
                                          "keymap",    "rtc_timeoffset", "maxvcpus"};

    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (strcmp(option, options[i]) == 0)
            return true;
    if (strcmp(option, "bios") != 0 && strcmp(option, "firmware") != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(seabios); i++)
        if (strcmp(config_string(c, option, ""), seabios[i]) == 0)
            return true;
    return false;
}
