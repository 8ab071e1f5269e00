/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * detail.c - see detail.h.
 */
#include "toolstack/detail.h"

#include <string.h>

#include "toolstack/registry.h"

/* The elements before (image), in the order of xend 4.1. An element comes from what is known of
 * the running domain, else from its config, else it has xend's default; NULL: left out. */
static const struct {
    const char *element, *member, *otherwise;
} elements[] = {
    {"domid", "domid", NULL},
    {"cpu_weight", NULL, "256"},
    {"cpu_cap", NULL, "0"},
    {"bootloader", NULL, ""},
    {"on_crash", NULL, "restart"},
    {"uuid", "uuid", NULL},
    {"bootloader_args", NULL, ""},
    {"vcpus", NULL, "1"},
    {"vcpu_avail", NULL, NULL},
    {"name", "name", NULL},
    {"on_poweroff", NULL, "destroy"},
    {"on_reboot", NULL, "restart"},
    {"cpus", NULL, ""},
    {"description", NULL, ""},
    {"pool_name", NULL, "Pool-0"},
    {"maxmem", "maxmem", NULL},
    {"memory", "memory", NULL},
    {"shadow_memory", NULL, "0"},
    {"features", NULL, ""},
    {"on_xend_start", NULL, "ignore"},
    {"on_xend_stop", NULL, "ignore"},
    {"localtime", NULL, NULL},
    {"nomigrate", NULL, NULL},
    {"start_time", "start_time", NULL},
    {"cpu_time", "cpu_time", NULL},
    {"online_vcpus", "online_vcpus", NULL},
};

/* xend's numbers of what a domain is doing. */
static const char *status_of(const json_t *info)
{
    const char *state = json_get_string(info, "state", "");

    if (!state[0])
        return json_get_bool(info, "suspended", false) ? "3" : "0";
    if (strchr(state, 'p'))
        return "1";
    if (strchr(state, 'c'))
        return "5";
    return strchr(state, 's') ? "4" : "2";
}

static const char *member_text(struct arena *a, const json_t *info, const char *member)
{
    const json_t *value = json_object_get(info, member);

    if (json_is_integer(value))
        return arena_printf(a, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value))
        return arena_printf(a, "%.3f", json_real_value(value));
    return json_string_value(value);
}

/* A copy that can be appended elsewhere. */
static struct sxp *copy(struct arena *a, const struct sxp *from)
{
    struct sxp *to = sxp_list(a, NULL);

    if (from->atom) {
        to->atom = from->atom;
        return to;
    }
    for (const struct sxp *item = from->first; item; item = item->next)
        sxp_append(to, copy(a, item));
    return to;
}

static void append_elements(struct arena *a, struct sxp *domain, const json_t *info,
                            const struct sxp *vm)
{
    for (size_t i = 0; i < ARRAY_SIZE(elements); i++) {
        const char *text = elements[i].member ? member_text(a, info, elements[i].member) : NULL;
        const struct sxp *known = vm ? sxp_find(vm, elements[i].element) : NULL;

        if (text)
            sxp_append_pair(a, domain, elements[i].element, text);
        else if (known)
            sxp_append(domain, copy(a, known));
        else if (elements[i].otherwise)
            sxp_append_pair(a, domain, elements[i].element, elements[i].otherwise);
    }
}

/* (DEV) as a running domain's is shown: with its type, and with the mark of the boot disk. */
static struct sxp *disk_device(struct arena *a, const struct sxp *disk, bool first)
{
    struct sxp *to = sxp_list(a, NULL);

    for (const struct sxp *item = disk->first; item; item = item->next) {
        const char *dev =
            !item->atom && strcmp(sxp_name(item), "dev") == 0 ? sxp_value(item) : NULL;

        if (dev && !strchr(dev, ':'))
            sxp_append_pair(a, to, "dev", arena_printf(a, "%s:disk", dev));
        else
            sxp_append(to, copy(a, item));
    }
    if (!sxp_find(disk, "bootable"))
        sxp_append_pair(a, to, "bootable", first ? "1" : "0");
    return to;
}

static bool is_disk(const char *class)
{
    return strcmp(class, "vbd") == 0 || strcmp(class, "tap") == 0 || strcmp(class, "tap2") == 0;
}

static void append_devices(struct arena *a, struct sxp *domain, const struct sxp *vm)
{
    bool first = true;

    for (const struct sxp *item = vm ? vm->first : NULL; item; item = item->next) {
        const struct sxp *inner = item->atom ? NULL : item->first->next;
        struct sxp *device;

        if (!inner || inner->atom || strcmp(sxp_name(item), "device") != 0)
            continue;
        device = sxp_list(a, "device");
        if (is_disk(sxp_name(inner))) {
            sxp_append(device, disk_device(a, inner, first));
            first = false;
        } else {
            sxp_append(device, copy(a, inner));
        }
        sxp_append(domain, device);
    }
}

static void append_console(struct arena *a, struct sxp *domain)
{
    struct sxp *device = sxp_list(a, "device"), *console = sxp_list(a, "console");

    sxp_append_pair(a, console, "protocol", "vt100");
    sxp_append_pair(a, console, "location", "2");
    sxp_append(device, console);
    sxp_append(domain, device);
}

static const struct sxp *parse_vm(struct arena *a, const char *text)
{
    struct sxp *all;
    const struct sxp *vm;

    if (!text[0] || sxp_parse(a, "config", text, strlen(text), &all, NULL) < 0)
        return NULL;
    vm = sxp_find(all, "vm");
    return vm ? vm : sxp_find(all, "domain");
}

struct sxp *detail_make(struct arena *a, const json_t *info)
{
    json_int_t domid = json_get_int(info, "domid", -1);
    json_t *record = domid > 0 ? registry_record((domid_t)domid) : NULL;
    const char *text = json_get_string(info, "sxp", json_get_string(record, "sxp", ""));
    const struct sxp *vm = parse_vm(a, arena_printf(a, "%s", text));
    const struct sxp *image = vm ? sxp_find(vm, "image") : NULL;
    struct sxp *domain = sxp_list(a, "domain");
    json_t *known = json_copy((json_t *)info);

    if (record)
        json_object_set_new(known, "start_time", json_integer(json_get_int(record, "created", 0)));
    append_elements(a, domain, known, vm);
    if (image)
        sxp_append(domain, copy(a, image));
    sxp_append_pair(a, domain, "status", status_of(info));
    if (domid >= 0)
        sxp_append_pair(a, domain, "state", json_get_string(info, "state", ""));
    append_devices(a, domain, vm);
    if (domid > 0)
        append_console(a, domain);
    json_decref(known);
    json_decref(record);
    return domain;
}
