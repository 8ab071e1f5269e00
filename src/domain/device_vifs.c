/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * device_vifs.c - see device_vifs.h.
 */
#include "domain/device_vifs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend/net/passt.h"
#include "backend/net/vif.h"
#include "backend/net/vif_open.h"
#include "base/cleanup.h"
#include "base/log.h"

struct device_vif {
    struct device_vif *next;
    struct vif *vif;
};

struct device_vifs {
    struct loop *loop;
    domid_t domid;
    struct device_vif *first;
};

static void forget(void *arg, struct vif *v)
{
    struct device_vifs *all = arg;
    struct device_vif **p = &all->first;
    struct device_vif *gone;

    while ((*p)->vif != v)
        p = &(*p)->next;
    gone = *p;
    *p = gone->next;
    log_msg(LOG_INFO, "domain", "network interface %u is gone", vif_config(v)->devid);
    vif_destroy(v);
    free(gone);
}

static struct device_vif *find(const struct device_vifs *all, const char *name)
{
    for (struct device_vif *i = all->first; i; i = i->next) {
        char number[16];

        snprintf(number, sizeof(number), "%u", vif_config(i->vif)->devid);
        if (strcmp(name, number) == 0 || strcasecmp(name, vif_config(i->vif)->mac) == 0)
            return i;
    }
    return NULL;
}

/* What one of the document is connected to; before the jail only. */
static int open_on_host(const struct device_vifs *all, const struct vif_config *config,
                        struct err *err)
{
    bool local;
    int fd = vif_open(config, all->domid, &local, err);

    if (fd >= 0 && local)
        log_msg(LOG_WARN, "backend", PASST_LOCAL_SENTENCE);
    return fd;
}

/* Make one and put it at the end of the list. Takes fd, also on failure; -1: open what it is
 * connected to. */
static int make_one(struct device_vifs *all, const json_t *object, int fd, struct device_vif **ret,
                    struct err *err)
{
    struct device_vif **p = &all->first, *one = calloc(1, sizeof(*one));
    CLEANUP_CLOSE int link = fd;
    struct vif_config config;
    int rc = one ? vif_config_parse(&config, object, err) : err_set(err, ENOMEM, "out of memory");

    if (rc < 0) {
        free(one);
        return rc;
    }
    for (; *p && rc == 0; p = &(*p)->next)
        if (vif_config((*p)->vif)->devid == config.devid)
            rc = err_set(err, EEXIST, "network interface %u is there already", config.devid);
    if (rc == 0 && link < 0)
        link = rc = open_on_host(all, &config, err);
    if (rc >= 0)
        rc = vif_create(&one->vif, all->loop, all->domid, &config, STEAL_FD(link), err);
    if (rc < 0) {
        vif_config_done(&config);
        free(one);
        return rc;
    }
    *p = *ret = one;
    return 0;
}

int device_vifs_create(struct device_vifs **ret, struct loop *loop, domid_t domid,
                       const json_t *array, struct err *err)
{
    struct device_vifs *all = calloc(1, sizeof(*all));
    struct device_vif *one;
    const json_t *object;
    size_t i;

    if (!all)
        return err_set(err, ENOMEM, "out of memory");
    all->loop = loop;
    all->domid = domid;
    json_array_foreach(array, i, object)
    {
        int rc = make_one(all, object, -1, &one, err);

        if (rc < 0) {
            device_vifs_destroy(all);
            return rc;
        }
    }
    *ret = all;
    return 0;
}

void device_vifs_destroy(struct device_vifs *all)
{
    if (!all)
        return;
    while (all->first) {
        struct device_vif *one = all->first;

        all->first = one->next;
        vif_destroy(one->vif);
        free(one);
    }
    free(all);
}

bool device_vifs_any(const struct device_vifs *all)
{
    return all->first != NULL;
}

int device_vifs_attach(struct device_vifs *all, struct xenbus *bus, struct err *err)
{
    int rc = 0;

    for (struct device_vif *i = all->first; rc == 0 && i; i = i->next)
        rc = vif_attach(i->vif, bus, forget, all, err);
    return rc;
}

void device_vifs_detached(struct device_vifs *all)
{
    for (struct device_vif *i = all->first; i; i = i->next)
        vif_detached(i->vif);
}

int device_vifs_add(struct device_vifs *all, struct xenbus *bus, const json_t *object, int fd,
                    struct err *err)
{
    struct device_vif *one;
    int rc;

    if (fd < 0)
        return err_set(err, EINVAL,
                       "vif: its tap device or socket has to come with the request, open");
    rc = make_one(all, object, fd, &one, err);
    if (rc < 0 || !bus)
        return rc;
    rc = vif_attach(one->vif, bus, forget, all, err);
    if (rc < 0)
        forget(all, one->vif);
    return rc;
}

int device_vifs_remove(struct device_vifs *all, const char *name, bool force, struct err *err)
{
    struct device_vif *one = find(all, name);

    if (!one)
        return err_set(err, ENODEV, "Cannot find device %.60s", name);
    if (vif_device(one->vif))
        vif_unplug(one->vif, force);
    else
        forget(all, one->vif);
    return 0;
}

static json_t *describe(const struct vif *v)
{
    const struct vif_config *c = vif_config(v);
    const struct xenbus_device *dev = vif_device(v);

    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:i}", "devid", (int)c->devid, "mac", c->mac,
                     "type", vif_type_text(c->type), "link", vif_link_name(v), "bridge", c->bridge,
                     "ip", c->ip, "state", (int)(dev ? xenbus_state(dev) : XenbusStateUnknown));
}

json_t *device_vifs_list(const struct device_vifs *all)
{
    json_t *list = json_array();

    for (const struct device_vif *i = all->first; list && i; i = i->next)
        (void)json_array_append_new(list, describe(i->vif));
    return list;
}
