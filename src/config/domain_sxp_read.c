/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domain_sxp_read.c - see domain_sxp.h: the reader. Elements become options again, as if a
 * config file had set them; everything that is checked there is checked here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/domain_sxp.h"
#include "config/domain_sxp_places.h"
#include "config/options.h"

#define DEVICE_MAX 4096 /* characters of one device's description */

/* What a running domain has besides, of no meaning for a new one. */
static const char *const of_running[] = {"domid",        "cpu_time",    "online_vcpus",
                                         "start_time",   "status",      "state",
                                         "store_mfn",    "console_mfn", "change_home_server",
                                         "security",     "backend",     "notes",
                                         "vcpus_params", "hvm",         "linux",
                                         "platform"};

static bool is_of_running(const char *element)
{
    for (size_t i = 0; i < ARRAY_SIZE(of_running); i++)
        if (strcmp(of_running[i], element) == 0)
            return true;
    return false;
}

static int set_text(struct config *c, const char *option, const char *text, const char *place,
                    struct err *err)
{
    return config_set(c, option, value_string(config_arena(c), text, strlen(text)), place, err);
}

/* One more of a list; unlike set_text() also one that is empty. */
static int add_item(struct config *c, const char *option, const char *text, const char *place,
                    struct err *err)
{
    struct arena *a = config_arena(c);

    return config_set(
        c, option,
        value_list(a, VALUE_LIST, (const struct value *[]){value_string(a, text, strlen(text))}, 1),
        place, err);
}

static const struct sxp_place *find_place(const struct sxp_place *places, const char *element)
{
    for (; places->option; places++)
        if (strcmp(places->element, element) == 0)
            return places;
    return NULL;
}

/* (ELEMENT VALUE), (ELEMENT (VALUE ...)): the latter is a list of strings, or nothing at all
 * as in `(cpus (()))`. */
static int take_place(struct config *c, const struct sxp_place *place, const struct sxp *element,
                      const char *where, struct err *err)
{
    const char *text = sxp_value(element);
    const struct value *list = value_list(config_arena(c), VALUE_LIST, NULL, 0);

    if (text)
        return text[0] || option_find(place->option)->type == OPTION_STRING
                   ? set_text(c, place->option, text, where, err)
                   : 0;
    for (const struct sxp *item = element->first->next->first; item; item = item->next)
        if (item->atom)
            value_append(config_arena(c), list,
                         value_string(config_arena(c), item->atom, strlen(item->atom)));
    return list->items->count ? config_set(c, place->option, list, where, err) : 0;
}

/* A foreign image leaves out what is 0: xend's default, not that of config files. */
static int take_missing(struct config *c, const struct sxp *image, const char *where,
                        struct err *err)
{
    int rc = 0;

    for (const struct sxp_place *p = sxp_places_hvm; p->option && rc == 0; p++)
        if (p->always && option_find(p->option)->type == OPTION_BOOL &&
            !sxp_find(image, p->element))
            rc = set_text(c, p->option, "0", where, err);
    return rc;
}

/* (linux (kernel K) ...), (hvm ...) */
static int take_image(struct config *c, const struct sxp *image, const char *where, struct err *err)
{
    bool hvm = strcmp(sxp_name(image), "hvm") == 0;
    const struct sxp *ip = sxp_find(image, "ip"), *args = sxp_find(image, "args");
    const struct sxp *root = sxp_find(image, "root");
    const char *extra = args && sxp_value(args) ? sxp_value(args) : "";
    int rc = set_text(c, "builder", hvm ? "hvm" : "linux", where, err);

    for (const struct sxp *item = image->first; item && rc == 0; item = item->next) {
        const struct sxp_place *place =
            item->atom ? NULL : find_place(hvm ? sxp_places_hvm : sxp_places_linux, sxp_name(item));

        /* (vcpus) of the domain counts. */
        if (place && strcmp(place->option, "vcpus") != 0)
            rc = take_place(c, place, item, where, err);
    }
    if (rc == 0 && hvm)
        rc = take_missing(c, image, where, err);
    if (rc == 0 && root && sxp_value(root))
        rc = set_text(c, "root", sxp_value(root), where, err);
    if (ip && sxp_value(ip) && sxp_value(ip)[0])
        extra =
            arena_printf(config_arena(c), "ip=%s%s%s", sxp_value(ip), extra[0] ? " " : "", extra);
    return rc < 0 ? rc : set_text(c, "extra", extra, where, err);
}

static const char *value_of(const struct sxp *list, const char *name)
{
    const struct sxp *element = sxp_find(list, name);
    const char *text = element ? sxp_value(element) : NULL;

    return text ? text : "";
}

static int take_disk(struct config *c, const struct sxp *disk, const char *where, struct err *err)
{
    struct arena *a = config_arena(c);
    const char *backend = value_of(disk, "backend"), *dev = value_of(disk, "dev");
    size_t plain = strlen(dev);

    if (sxp_find(disk, "spec"))
        return add_item(c, "disk", value_of(disk, "spec"), where, err);
    /* A running domain's says "xvda:disk". */
    if (plain > 5 && strcmp(dev + plain - 5, ":disk") == 0)
        plain -= 5;
    return set_text(c, "disk",
                    arena_printf(a, "%s,%.*s,%s%s%s", value_of(disk, "uname"), (int)plain, dev,
                                 value_of(disk, "mode"),
                                 backend[0] && strcmp(backend, "0") != 0 ? "," : "",
                                 strcmp(backend, "0") != 0 ? backend : ""),
                    where, err);
}

/* "KEY=VALUE,KEY=VALUE" of (ELEMENT (KEY VALUE) ...). */
static int take_keyed(struct config *c, const char *option, const struct sxp *device,
                      const char *where, struct err *err)
{
    const char *text = "";

    for (const struct sxp *item = device->first; item; item = item->next) {
        if (item->atom || !sxp_value(item))
            continue;
        text = arena_printf(config_arena(c), "%s%s%s=%s", text, text[0] ? "," : "", sxp_name(item),
                            sxp_value(item));
        if (strlen(text) > DEVICE_MAX)
            return err_set(err, EINVAL, "%s: this device's description is too long", where);
    }
    return add_item(c, option, text, where, err);
}

static int take_pci(struct config *c, const struct sxp *pci, const char *where, struct err *err)
{
    int rc = 0;

    for (const struct sxp *dev = pci->first; dev && rc == 0; dev = dev->next) {
        unsigned int n[4] = {0};

        if (dev->atom || strcmp(sxp_name(dev), "dev") != 0)
            continue;
        sscanf(value_of(dev, "domain"), "%x", &n[0]);
        sscanf(value_of(dev, "bus"), "%x", &n[1]);
        sscanf(value_of(dev, "slot"), "%x", &n[2]);
        sscanf(value_of(dev, "func"), "%x", &n[3]);
        rc = set_text(c, "pci",
                      arena_printf(config_arena(c), "%04x:%02x:%02x.%x", n[0], n[1], n[2], n[3]),
                      where, err);
    }
    return rc;
}

/* (device (CLASS ...)) */
static int take_device(struct config *c, const struct sxp *device, const char *where,
                       struct err *err)
{
    static const char *const disks[] = {"vbd", "tap", "tap2"};
    const char *class = sxp_name(device);
    const struct sxp_place *place = find_place(sxp_places_devices, class);

    for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
        if (strcmp(class, disks[i]) == 0)
            return take_disk(c, device, where, err);
    if (place)
        return take_keyed(c, place->option, device, where, err);
    if (strcmp(class, "pci") == 0)
        return take_pci(c, device, where, err);
    if (strcmp(class, "ioports") == 0)
        return set_text(c, "ioports",
                        arena_printf(config_arena(c), "%s-%s", value_of(device, "from"),
                                     value_of(device, "to")),
                        where, err);
    if (strcmp(class, "irq") == 0)
        return set_text(c, "irq", value_of(device, "irq"), where, err);
    /* A vfb brings its own keyboard, every domain its console. */
    if (strcmp(class, "vkbd") != 0 && strcmp(class, "console") != 0)
        config_warn(c, "%s: a device '%s' is not understood and is ignored", where, class);
    return 0;
}

static int take_element(struct config *c, const struct sxp *element, struct err *err)
{
    static const char *const same[] = {"name",       "uuid",       "on_poweroff",
                                       "on_reboot",  "on_crash",   "vcpus",
                                       "vcpu_avail", "bootloader", "s3_integrity"};
    const char *name = sxp_name(element), *text = sxp_value(element);
    const struct sxp *inner = text ? NULL : element->first->next;
    const struct sxp_place *place = find_place(sxp_places_domain, name);
    const char *where = arena_printf(config_arena(c), "%s: (%.40s ...)", config_path(c), name);

    for (size_t i = 0; i < ARRAY_SIZE(same); i++)
        if (strcmp(name, same[i]) == 0)
            return text && text[0] ? set_text(c, name, text, where, err) : 0;
    if (strcmp(name, "bootloader_args") == 0)
        return set_text(c, "bootargs", text ? text : "", where, err);
    if (strcmp(name, "image") == 0 && inner)
        return take_image(c, inner, where, err);
    if (strcmp(name, "device") == 0 && inner)
        return take_device(c, inner, where, err);
    if (place)
        return take_place(c, place, element, where, err);
    if (!is_of_running(name))
        config_warn(c, "%s is not understood and is ignored", where);
    return 0;
}

int domain_sxp_load_text(struct config *c, const char *name, const char *text, size_t len,
                         struct err *err)
{
    struct sxp *all;
    const struct sxp *vm;
    int rc;

    config_set_path(c, name);
    rc = sxp_parse(config_arena(c), config_path(c), text, len, &all, err);
    if (rc < 0)
        return rc;
    vm = sxp_find(all, "vm");
    if (!vm)
        vm = sxp_find(all, "domain");
    if (!vm)
        return err_set(err, EINVAL,
                       "%s: no (vm ...) or (domain ...) in it; a config file of the usual kind is "
                       "named without -F",
                       config_path(c));
    for (const struct sxp *element = vm->first; element && rc == 0; element = element->next)
        if (!element->atom)
            rc = take_element(c, element, err);
    return rc;
}

int domain_sxp_load(struct config *c, const char *path, struct err *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t len;
    int rc = config_read_file(path, &text, &len, err);

    return rc < 0 ? rc : domain_sxp_load_text(c, path, text, len, err);
}
