/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * list_xl.c - see list_xl.h. The config has libxl's names; of each object there is what scripts
 * look for: what the domain is, what it has, what becomes of it.
 */
#include "xm/list_xl.h"

#include <stdio.h>
#include <string.h>

#include "config/domain_config.h"
#include "config/domain_sxp.h"
#include "toolstack/client.h"
#include "toolstack/registry.h"

#define TIMEOUT_MS 2000

static void set_text(json_t *object, const char *key, const char *value)
{
    if (value && value[0])
        json_object_set_new(object, key, json_string(value));
}

static json_t *make_c_info(const json_t *info, bool is_hvm)
{
    json_t *c = json_pack("{s:s}", "type", is_hvm ? "hvm" : "pv");

    set_text(c, "name", json_get_string(info, "name", NULL));
    set_text(c, "uuid", json_get_string(info, "uuid", NULL));
    return c;
}

static json_t *make_b_info(const json_t *info, const struct config *c, const json_t *doc)
{
    static const char *const same[] = {"kernel", "ramdisk", "bootloader"};
    json_t *b = json_pack("{s:I, s:I, s:I}", "max_vcpus", json_get_int(info, "vcpus", 1),
                          "max_memkb", json_get_int(info, "maxmem", 0) * 1024, "target_memkb",
                          json_get_int(info, "target", json_get_int(info, "memory", 0)) * 1024);

    for (size_t i = 0; i < ARRAY_SIZE(same); i++)
        set_text(b, same[i], config_string(c, same[i], NULL));
    set_text(b, "cmdline", json_get_string(doc, "cmdline", NULL));
    return b;
}

static json_t *make_disk(const json_t *disk)
{
    bool writable = json_get_string(disk, "mode", "r")[0] == 'w';
    json_t *to = json_object();

    set_text(to, "pdev_path", json_get_string(disk, "path", NULL));
    set_text(to, "vdev", json_get_string(disk, "name", NULL));
    set_text(to, "format", json_get_string(disk, "format", NULL));
    json_object_set_new(to, "readwrite", json_integer(writable));
    json_object_set_new(to, "is_cdrom", json_integer(json_get_bool(disk, "cdrom", false)));
    return to;
}

static json_t *make_nic(const json_t *vif)
{
    static const char *const same[] = {"mac", "bridge", "ip", "script"};
    json_t *to = json_pack("{s:I}", "devid", json_get_int(vif, "devid", -1));

    for (size_t i = 0; i < ARRAY_SIZE(same); i++)
        set_text(to, same[i], json_get_string(vif, same[i], NULL));
    return to;
}

static json_t *make_all(const json_t *from, json_t *(*make)(const json_t *))
{
    json_t *to = json_array(), *device;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)from, i, device)
    {
        json_array_append_new(to, make(device));
    }
    return to;
}

/* As a running domain has them, with the addresses that nobody chose; else as its config. */
static json_t *make_nics(json_int_t domid, const json_t *doc)
{
    json_t *answer = NULL, *nics;

    if (domid > 0 && client_call((domid_t)domid, json_pack("{s:s}", "verb", "network-list"),
                                 TIMEOUT_MS, &answer, NULL) < 0)
        answer = NULL;
    nics = make_all(json_object_get(answer ? answer : doc, "vifs"), make_nic);
    json_decref(answer);
    return nics;
}

/* The config that a domain was started from, and its document; NULL: it is not known. Without
 * the disks if these are not there any more. */
static json_t *read_config(const json_t *info, struct config *c)
{
    json_int_t domid = json_get_int(info, "domid", -1);
    json_t *record = domid > 0 ? registry_record((domid_t)domid) : NULL, *doc = NULL;
    const char *sxp = json_get_string(info, "sxp", json_get_string(record, "sxp", ""));

    if (domid == 0 || domain_sxp_load_text(c, "record", sxp, strlen(sxp), NULL) < 0 ||
        (domain_config_make(c, true, &doc, NULL) < 0 && domain_config_check(c, &doc, NULL) < 0))
        doc = NULL;
    json_decref(record);
    return doc;
}

static json_t *make_config(const json_t *info)
{
    static const char *const actions[] = {"on_poweroff", "on_reboot", "on_crash", "on_watchdog"};
    json_int_t domid = json_get_int(info, "domid", -1);
    struct config *c = config_new();
    json_t *config = json_object(), *doc = read_config(info, c);

    json_object_set_new(config, "c_info", make_c_info(info, doc && domain_config_is_hvm(c)));
    json_object_set_new(config, "b_info", make_b_info(info, c, doc));
    if (doc) {
        json_object_set_new(config, "disks", make_all(json_object_get(doc, "disks"), make_disk));
        json_object_set_new(config, "nics", make_nics(domid, doc));
    }
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        set_text(config, actions[i], json_get_string(doc, actions[i], NULL));
    json_decref(doc);
    config_free(c);
    return config;
}

void list_xl_print(const json_t *list)
{
    json_t *all = json_array(), *info;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)list, i, info)
    {
        json_array_append_new(all, json_pack("{s:I, s:o}", "domid", json_get_int(info, "domid", -1),
                                             "config", make_config(info)));
    }
    json_dumpf(all, stdout, JSON_INDENT(4));
    putchar('\n');
    json_decref(all);
}
