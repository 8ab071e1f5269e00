/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * amend.c - see amend.h.
 */
#define _GNU_SOURCE
#include "toolstack/amend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "config/disk_spec.h"
#include "config/domain_sxp.h"
#include "config/vdev.h"
#include "toolstack/domains.h"
#include "toolstack/managed.h"

int amend_find(const char *domain, struct amend_target *ret, struct err *err)
{
    json_t *known;

    memset(ret, 0, sizeof(*ret));
    if (domains_find(domain, &ret->entry, err) == 0) {
        known = registry_record(ret->entry.domid);
    } else {
        known = managed_find(domain);
        if (!known)
            return -ESRCH;
        ret->entry.domid = 0;
        snprintf(ret->entry.name, sizeof(ret->entry.name), "%s",
                 json_get_string(known, "name", ""));
    }
    snprintf(ret->uuid, sizeof(ret->uuid), "%s", json_get_string(known, "uuid", ""));
    json_decref(known);
    return 0;
}

/* --- the configs ------------------------------------------------------------------------- */

static int amend_record(domid_t domid, amend_fn *fn, const void *arg, struct err *err)
{
    CLEANUP_CLOSE int lock = registry_lock(err);
    json_t *record = lock < 0 ? NULL : registry_record(domid);
    const char *text = json_get_string(record, "sxp", "");
    CLEANUP_FREE char *changed = NULL;
    int rc = lock < 0 ? lock : 0;

    if (rc == 0 && text[0])
        rc = managed_edit_text(text, fn, arg, &changed, err);
    if (rc == 0 && changed) {
        json_object_set_new(record, "sxp", json_string(changed));
        rc = registry_set_record(domid, record, err);
    }
    json_decref(record);
    return rc;
}

int amend_apply(const struct amend_target *t, amend_fn *fn, const void *arg, struct err *err)
{
    json_t *managed = t->uuid[0] ? managed_find(t->uuid) : NULL;
    int rc = 0;

    if (t->entry.domid)
        rc = amend_record(t->entry.domid, fn, arg, err);
    if (rc == 0 && managed)
        rc = managed_edit(t->uuid, fn, arg, err);
    json_decref(managed);
    return rc;
}

void amend_after(const struct amend_target *t, amend_fn *fn, const void *arg)
{
    struct err err = {0};

    if (amend_apply(t, fn, arg, &err) < 0)
        fprintf(stderr, "Warning: this is not written into the config of %s: %s\n", t->entry.name,
                err.msg);
}

/* --- elements ---------------------------------------------------------------------------- */

/* Take one out of a list, or put another (if not NULL) in its place. */
static void replace(struct sxp *list, const struct sxp *old, struct sxp *by)
{
    struct sxp **p = &list->first, *last = NULL;

    while (*p != old) {
        last = *p;
        p = &last->next;
    }
    if (by) {
        by->next = old->next;
        *p = last = by;
    } else {
        *p = old->next;
    }
    if (list->last == old)
        list->last = last;
}

void amend_put(struct sxp *vm, struct sxp *element)
{
    const struct sxp *old = sxp_find(vm, sxp_name(element));

    if (old)
        replace(vm, old, element);
    else
        sxp_append(vm, element);
}

void amend_set(struct arena *a, struct sxp *vm, const char *element, const char *value)
{
    const struct sxp *old = sxp_find(vm, element);
    struct sxp *pair = sxp_list(a, arena_printf(a, "%s", element));

    if (value) {
        sxp_append_atom(a, pair, arena_printf(a, "%s", value));
        amend_put(vm, pair);
    } else if (old) {
        replace(vm, old, NULL);
    }
}

long long amend_number(const struct sxp *vm, const char *element, long long otherwise)
{
    const struct sxp *item = sxp_find(vm, element);
    const char *text = item ? sxp_value(item) : NULL;

    return text && text[0] ? atoll(text) : otherwise;
}

/* --- devices ----------------------------------------------------------------------------- */

/* (CLASS ...) of a (device (CLASS ...)) if it is one of a config option; NULL otherwise. */
static const struct sxp *device_of(const struct sxp *item, const char *option)
{
    static const char *const disks[] = {"vbd", "tap", "tap2"};
    const struct sxp *inner = item->atom || !item->first ? NULL : item->first->next;

    if (!inner || inner->atom || strcmp(sxp_name(item), "device") != 0)
        return NULL;
    if (strcmp(option, "disk") != 0)
        return strcmp(sxp_name(inner), option) == 0 ? inner : NULL;
    for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
        if (strcmp(sxp_name(inner), disks[i]) == 0)
            return inner;
    return NULL;
}

static const char *value_of(const struct sxp *device, const char *name)
{
    const struct sxp *element = sxp_find(device, name);
    const char *text = element ? sxp_value(element) : NULL;

    return text ? text : "";
}

static bool is_disk(const struct sxp *device, unsigned int devid)
{
    const char *dev = value_of(device, "dev"), *spec = value_of(device, "spec");
    unsigned int number = 0;
    json_t *disk = NULL;
    char name[32];

    if (spec[0]) { /* xl's form */
        if (disk_spec_parse(spec, &disk, NULL) == 0)
            number = (unsigned int)json_get_int(disk, "devid", 0);
        json_decref(disk);
        return number == devid;
    }
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(dev, ":"), dev);
    return vdev_number(name, &number, NULL) == 0 && number == devid;
}

/* `index`: its place among the vifs, which is its number unless others went. */
static bool is_vif(const struct sxp *device, const struct amend_device *d, unsigned int index)
{
    const char *mac = value_of(device, "mac");

    return mac[0] && d->mac ? strcasecmp(mac, d->mac) == 0 : index == d->devid;
}

static const struct sxp *find_device(const struct sxp *vm, const struct amend_device *d)
{
    unsigned int index = 0;

    for (const struct sxp *item = vm->first; item; item = item->next) {
        const struct sxp *device = device_of(item, d->option);

        if (!device)
            continue;
        if (strcmp(d->option, "disk") == 0 ? is_disk(device, d->devid) : is_vif(device, d, index))
            return item;
        index++;
    }
    return NULL;
}

/* (device ...) of a specification, as `xm create` would write it. */
static int make_device(struct config *c, const struct amend_device *d, const struct sxp **ret,
                       struct err *err)
{
    struct arena *a = config_arena(c);
    const char *text = d->spec;
    struct sxp *vm = NULL;
    int rc;

    if (d->mac && !strcasestr(text, "mac="))
        text = arena_printf(a, "mac=%s%s%s", d->mac, text[0] ? "," : "", text);
    rc = config_set(
        c, d->option,
        value_list(a, VALUE_LIST, (const struct value *[]){value_string(a, text, strlen(text))}, 1),
        d->option, err);
    if (rc == 0)
        rc = domain_sxp_make(c, "", "", false, &vm, err);
    *ret = rc == 0 ? sxp_find(vm, "device") : NULL;
    return rc == 0 && !*ret ? err_set(err, EINVAL, "no device in '%s'", text) : rc;
}

/* Into another arena. */
static struct sxp *copy(struct arena *a, const struct sxp *from)
{
    struct sxp *to = sxp_list(a, NULL);

    to->atom = from->atom ? arena_printf(a, "%s", from->atom) : NULL;
    for (const struct sxp *item = from->first; item; item = item->next)
        sxp_append(to, copy(a, item));
    return to;
}

int amend_device(struct arena *a, struct sxp *vm, const void *arg, struct err *err)
{
    const struct amend_device *d = arg;
    const struct sxp *old = find_device(vm, d), *made = NULL;
    struct config *c;
    int rc;

    if (!d->spec) {
        if (old)
            replace(vm, old, NULL);
        return 0;
    }
    c = config_new();
    rc = make_device(c, d, &made, err);
    if (rc == 0 && old)
        replace(vm, old, copy(a, made));
    else if (rc == 0)
        sxp_append(vm, copy(a, made));
    config_free(c);
    return rc;
}

static int look_for(struct arena *a, struct sxp *vm, const void *arg, struct err *err)
{
    return find_device(vm, arg) ? 0 : -ENOENT;
}

bool amend_has_device(const struct amend_target *t, const struct amend_device *d)
{
    CLEANUP_FREE char *unused = NULL;
    json_t *domain = managed_find(t->uuid);
    bool found = domain && managed_edit_text(json_get_string(domain, "sxp", ""), look_for, d,
                                             &unused, NULL) == 0;

    json_decref(domain);
    return found;
}
