/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * detail.c - see detail.h.
 */
#include "toolstack/detail.h"

#include <string.h>

#include "toolstack/client.h"
#include "toolstack/registry.h"

#define TIMEOUT_MS 2000

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
    {"vcpus", "vcpus", "1"},
    {"vcpu_avail", NULL, NULL},
    {"name", "name", NULL},
    {"on_poweroff", NULL, "destroy"},
    {"on_reboot", NULL, "restart"},
    {"cpus", NULL, NULL}, /* see append_cpus() */
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

/* (cpus (() ())): each virtual CPU may use all. */
static void append_cpus(struct arena *a, struct sxp *domain, const json_t *info,
                        const struct sxp *vm)
{
    const struct sxp *known = vm ? sxp_find(vm, "cpus") : NULL;
    struct sxp *element = sxp_list(a, "cpus"), *each = sxp_list(a, NULL);

    for (json_int_t i = json_get_int(info, "vcpus", 1); i > 0; i--)
        sxp_append(each, sxp_list(a, NULL));
    sxp_append(element, each);
    sxp_append(domain, known ? copy(a, known) : element);
}

static void append_elements(struct arena *a, struct sxp *domain, const json_t *info,
                            const struct sxp *vm)
{
    for (size_t i = 0; i < ARRAY_SIZE(elements); i++) {
        const char *text = elements[i].member ? member_text(a, info, elements[i].member) : NULL;
        const struct sxp *known = vm ? sxp_find(vm, elements[i].element) : NULL;

        if (strcmp(elements[i].element, "cpus") == 0)
            append_cpus(a, domain, info, vm);
        else if (text)
            sxp_append_pair(a, domain, elements[i].element, text);
        else if (known)
            sxp_append(domain, copy(a, known));
        else if (elements[i].otherwise)
            sxp_append_pair(a, domain, elements[i].element, elements[i].otherwise);
    }
}

/* --- devices ------------------------------------------------------------------------------ */

/* xend gave each device a uuid. Nobody has to keep ours: it follows from the domain's. */
static void append_uuid(struct arena *a, struct sxp *device, const json_t *info, const char *class,
                        unsigned int number)
{
    const char *text =
        arena_printf(a, "%s/%s/%u", json_get_string(info, "uuid", ""), class, number);
    uint64_t h[2] = {0xcbf29ce484222325ull, 0x84222325cbf29ce4ull};

    if (sxp_find(device, "uuid"))
        return;
    for (const char *p = text; *p; p++)
        for (size_t k = 0; k < ARRAY_SIZE(h); k++)
            h[k] = (h[k] ^ (unsigned char)*p) * 0x100000001b3ull;
    sxp_append_pair(a, device, "uuid",
                    arena_printf(a, "%08x-%04x-8%03x-%04x-%012llx", (unsigned int)(h[0] >> 32),
                                 (unsigned int)(h[0] >> 16 & 0xffff), (unsigned int)(h[0] & 0xfff),
                                 (unsigned int)(h[1] >> 48 & 0x3fff) | 0x8000,
                                 (unsigned long long)(h[1] & 0xffffffffffffull)));
}

static void append_missing(struct arena *a, struct sxp *device, const char *key, const char *value)
{
    if (value && value[0] && !sxp_find(device, key))
        sxp_append_pair(a, device, key, value);
}

/* (DEV) as a running domain's is shown: with its type, and with the mark of the boot disk. */
static struct sxp *disk_device(struct arena *a, const struct sxp *disk, const json_t *info,
                               unsigned int number)
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
    append_missing(a, to, "bootable", number == 0 ? "1" : "0");
    append_uuid(a, to, info, "vbd", number);
    if (!sxp_find(to, "VDI"))
        sxp_append_pair(a, to, "VDI", "");
    return to;
}

/* With the address that it has, also if nobody chose one; `vifs`: as the domain's process has them,
 * NULL if it does not run. */
static struct sxp *vif_device(struct arena *a, const struct sxp *vif, const json_t *info,
                              const json_t *vifs, unsigned int number)
{
    const json_t *known = json_array_get(vifs, number);
    struct sxp *to = copy(a, vif);

    append_missing(a, to, "mac", json_get_string(known, "mac", NULL));
    append_missing(a, to, "bridge", json_get_string(known, "bridge", NULL));
    append_uuid(a, to, info, "vif", number);
    append_missing(a, to, "backend", "0");
    return to;
}

static bool is_disk(const char *class)
{
    return strcmp(class, "vbd") == 0 || strcmp(class, "tap") == 0 || strcmp(class, "tap2") == 0;
}

static void append_devices(struct arena *a, struct sxp *domain, const json_t *info,
                           const json_t *vifs, const struct sxp *vm)
{
    unsigned int disks = 0, nr_vifs = 0;

    for (const struct sxp *item = vm ? vm->first : NULL; item; item = item->next) {
        const struct sxp *inner = item->atom ? NULL : item->first->next;
        struct sxp *device;

        if (!inner || inner->atom || strcmp(sxp_name(item), "device") != 0)
            continue;
        device = sxp_list(a, "device");
        if (is_disk(sxp_name(inner)))
            sxp_append(device, disk_device(a, inner, info, disks++));
        else if (strcmp(sxp_name(inner), "vif") == 0)
            sxp_append(device, vif_device(a, inner, info, vifs, nr_vifs++));
        else
            sxp_append(device, copy(a, inner));
        sxp_append(domain, device);
    }
}

static void append_console(struct arena *a, struct sxp *domain, const json_t *info)
{
    struct sxp *device = sxp_list(a, "device"), *console = sxp_list(a, "console");

    sxp_append_pair(a, console, "protocol", "vt100");
    sxp_append_pair(a, console, "location", "2");
    append_uuid(a, console, info, "console", 0);
    sxp_append(device, console);
    sxp_append(domain, device);
}

/* The interfaces of a running domain, a new reference; NULL if there is nobody to ask. */
static json_t *ask_vifs(domid_t domid)
{
    json_t *answer = NULL, *vifs;

    if (client_call(domid, json_pack("{s:s}", "verb", "network-list"), TIMEOUT_MS, &answer, NULL) <
        0)
        return NULL;
    vifs = json_incref(json_object_get(answer, "vifs"));
    json_decref(answer);
    return vifs;
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

/* Between two lives, and in fully virtualized guests, there are none. */
static void append_rings(struct arena *a, struct sxp *domain, const json_t *info)
{
    static const char *const members[] = {"store_mfn", "console_mfn"};

    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (json_get_int(info, members[i], 0) > 0)
            sxp_append_pair(a, domain, members[i], member_text(a, info, members[i]));
}

struct sxp *detail_make(struct arena *a, const json_t *info)
{
    json_int_t domid = json_get_int(info, "domid", -1);
    json_t *record = domid > 0 ? registry_record((domid_t)domid) : NULL;
    const char *text = json_get_string(info, "sxp", json_get_string(record, "sxp", ""));
    const struct sxp *vm = parse_vm(a, arena_printf(a, "%s", text));
    const struct sxp *image = vm ? sxp_find(vm, "image") : NULL;
    struct sxp *domain = sxp_list(a, "domain");
    json_t *known = json_copy((json_t *)info), *vifs = domid > 0 ? ask_vifs((domid_t)domid) : NULL;

    if (record)
        json_object_set_new(known, "start_time", json_integer(json_get_int(record, "created", 0)));
    append_elements(a, domain, known, vm);
    if (image)
        sxp_append(domain, copy(a, image));
    sxp_append_pair(a, domain, "status", status_of(info));
    if (domid >= 0)
        sxp_append_pair(a, domain, "state", json_get_string(info, "state", ""));
    append_rings(a, domain, info);
    append_devices(a, domain, info, vifs, vm);
    if (domid > 0)
        append_console(a, domain, info);
    json_decref(vifs);
    json_decref(known);
    json_decref(record);
    return domain;
}
