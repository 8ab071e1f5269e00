/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * spec.c - see spec.h. The device model's options are lists with commas, so only text of plain
 * letters gets in.
 */
#include "hvm/spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_DISPLAY 59635
#define MAX_VIDEORAM 256

static bool is_plain(const char *text, const char *also)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    for (; *text; text++)
        if (!strchr(letters, *text) && !strchr(also, *text))
            return false;
    return true;
}

/* A text member of letters and those in `also`. */
static int take_text(const json_t *from, const char *key, const char *also, char *to, size_t size,
                     struct err *err)
{
    const char *text = json_get_string(from, key, "");

    if (strlen(text) >= size || !is_plain(text, also))
        return err_set(err, EINVAL, "hvm: %s: '%.60s' cannot be used", key, text);
    memcpy(to, text, strlen(text) + 1);
    return 0;
}

static void take_switches(struct hvm_spec *s, const json_t *object)
{
    const struct {
        const char *key;
        bool *to, otherwise;
    } switches[] = {
        {"acpi", &s->acpi, true},
        {"acpi_s3", &s->acpi_s3, true},
        {"acpi_s4", &s->acpi_s4, true},
        {"apic", &s->apic, true},
        {"pae", &s->pae, true},
        {"nx", &s->nx, true},
        {"nestedhvm", &s->nestedhvm, false},
        {"hpet", &s->hpet, false},
        {"viridian", &s->viridian, false},
        {"usb", &s->usb, false},
        {"localtime", &s->localtime, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
        *switches[i].to = json_get_bool(object, switches[i].key, switches[i].otherwise);
}

static int take_serial(struct hvm_spec *s, const char *text, struct err *err)
{
    char *to = s->serial_text[s->nr_serials];
    enum hvm_serial *kind = &s->serial[s->nr_serials++];

    if (strcmp(text, "pty") == 0) {
        *kind = HVM_SERIAL_CONSOLE;
        for (unsigned int i = 0; i + 1 < s->nr_serials; i++)
            if (s->serial[i] == HVM_SERIAL_CONSOLE)
                return err_set(err, EINVAL, "serial: only one port can be the console (pty)");
    } else if (strcmp(text, "none") == 0 || strcmp(text, "null") == 0) {
        *kind = HVM_SERIAL_NONE;
    } else if (strncmp(text, "file:/", 6) == 0 && strlen(text + 5) < PATHS_MAX) {
        *kind = HVM_SERIAL_FILE;
        memcpy(to, text + 5, strlen(text + 5) + 1);
    } else if (strncmp(text, "tcp:", 4) == 0 && strlen(text) < PATHS_MAX &&
               is_plain(text, ":,[]=")) {
        *kind = HVM_SERIAL_TCP;
        memcpy(to, text, strlen(text) + 1);
    } else {
        return err_set(err, EINVAL, "serial: '%.60s' is none of pty, none, file:/PATH, tcp:...",
                       text);
    }
    return 0;
}

static int take_serials(struct hvm_spec *s, const json_t *list, struct err *err)
{
    int rc = 0;

    if (json_array_size(list) > HVM_MAX_SERIALS)
        return err_set(err, EINVAL, "serial: more than %d ports", HVM_MAX_SERIALS);
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        rc = take_serial(s, text ? text : "", err);
    }
    if (rc == 0 && s->nr_serials == 0)
        s->serial[s->nr_serials++] = HVM_SERIAL_CONSOLE;
    return rc;
}

static int take_usb(struct hvm_spec *s, const json_t *list, struct err *err)
{
    if (json_array_size(list) > HVM_MAX_USB)
        return err_set(err, EINVAL, "usbdevice: more than %d devices", HVM_MAX_USB);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (!text || (strcmp(text, "tablet") != 0 && strcmp(text, "mouse") != 0 &&
                      strcmp(text, "keyboard") != 0))
            return err_set(err, EINVAL, "usbdevice: none of tablet, mouse, keyboard");
        snprintf(s->usb_device[s->nr_usb++], sizeof(s->usb_device[0]), "%s", text);
    }
    s->usb |= s->nr_usb > 0;
    return 0;
}

static int take_vnc(struct hvm_spec *s, const json_t *vnc, struct err *err)
{
    const char *password = json_get_string(vnc, "password", "");
    json_int_t display = 0;
    int rc;

    if (!vnc)
        return 0;
    s->has_vnc = true;
    s->vnc.unused = json_get_bool(vnc, "unused", true);
    rc = take_text(vnc, "listen", ":[]", s->vnc.listen, sizeof(s->vnc.listen), err);
    if (rc == 0)
        rc = json_need_int(vnc, "display", 0, MAX_DISPLAY, &display, err);
    s->vnc.display = (unsigned int)display;
    if (rc == 0 && strlen(password) >= sizeof(s->vnc.password))
        rc = err_set(err, EINVAL, "vnc: the password is too long");
    if (rc == 0)
        memcpy(s->vnc.password, password, strlen(password) + 1);
    return rc;
}

static int take_boot(struct hvm_spec *s, const json_t *object, struct err *err)
{
    int rc = take_text(object, "boot", "", s->boot, sizeof(s->boot), err);

    if (rc == 0 && strspn(s->boot, "acdn") != strlen(s->boot))
        rc = err_set(err, EINVAL, "boot: '%s' has other letters than a, c, d, n", s->boot);
    return rc;
}

static int take_choice(const json_t *object, const char *key, const char *otherwise,
                       const char *const *words, size_t count, char to[static 16], struct err *err)
{
    const char *text = json_get_string(object, key, otherwise);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            snprintf(to, 16, "%s", text);
            return 0;
        }
    }
    return err_set(err, EINVAL, "hvm: %s: '%.60s' is unknown", key, text);
}

static int take_cards(struct hvm_spec *s, const json_t *object, struct err *err)
{
    static const char *const vga[] = {"none", "stdvga", "cirrus", "qxl"};
    json_int_t videoram = json_get_int(object, "videoram", 0);
    int rc = take_choice(object, "vga", "cirrus", vga, ARRAY_SIZE(vga), s->vga, err);

    if (rc == 0)
        rc = take_text(object, "soundhw", ",", s->soundhw, sizeof(s->soundhw), err);
    if (rc == 0 && (videoram < 0 || videoram > MAX_VIDEORAM))
        rc = err_set(err, EINVAL, "videoram: more than %d MiB", MAX_VIDEORAM);
    s->videoram = (unsigned int)videoram;
    return rc < 0 ? rc : take_text(object, "keymap", "", s->keymap, sizeof(s->keymap), err);
}

static int take_floppies(struct hvm_spec *s, const json_t *object, struct err *err)
{
    static const char *const keys[] = {"fda", "fdb"};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *path = json_get_string(object, keys[i], "");

        if (strlen(path) >= PATHS_MAX)
            return err_set(err, EINVAL, "%s: the path is too long", keys[i]);
        memcpy(s->floppy[i], path, strlen(path) + 1);
    }
    return 0;
}

static int take_clock(struct hvm_spec *s, const json_t *object, struct err *err)
{
    json_int_t mode = json_get_int(object, "timer_mode", 1);

    if (mode < 0 || mode > 3)
        return err_set(err, EINVAL, "hvm: timer_mode: a number from 0 to 3 is needed");
    s->timer_mode = (int)mode;
    s->rtc_timeoffset = json_get_int(object, "rtc_timeoffset", 0);
    return 0;
}

int hvm_spec_parse(struct hvm_spec *s, const json_t *object, struct err *err)
{
    int rc;

    memset(s, 0, sizeof(*s));
    if (!json_is_object(object))
        return err_set(err, EINVAL, "hvm: an object is needed");
    s->kvm = strcmp(json_get_string(object, "cpu", ""), "kvm") == 0;
    take_switches(s, object);
    rc = take_clock(s, object, err);
    if (rc == 0)
        rc = take_boot(s, object, err);
    if (rc == 0)
        rc = take_cards(s, object, err);
    if (rc == 0)
        rc = take_vnc(s, json_object_get(object, "vnc"), err);
    if (rc == 0)
        rc = take_serials(s, json_object_get(object, "serial"), err);
    if (rc == 0)
        rc = take_usb(s, json_object_get(object, "usbdevice"), err);
    return rc < 0 ? rc : take_floppies(s, object, err);
}
