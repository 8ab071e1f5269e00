/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vbd_change.c - a virtual disk that becomes another while a guest has it: a drive gets another
 * medium or none, an image has got another size.
 *
 * For a medium the disk's thread ends what is under way and goes; the image is exchanged, and a
 * new thread goes on with the same rings. The guest learns of the size as it does from Linux's
 * backend: the properties are written, then the state, which has not changed, once more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "backend/block/vbd_priv.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "domain/evtchn.h"

static void hold(struct vbd *v)
{
    pthread_mutex_lock(&v->d->lock);
    for (unsigned int i = 0; i < v->nr_queues; i++)
        (void)evtchn_set_handler(v->d, v->queue[i].port, NULL, NULL);
    pthread_mutex_unlock(&v->d->lock);
    vbd_serve_stop(v);
}

/* What was asked in the meantime had no handler: look at each ring. */
static int go_on(struct vbd *v, struct err *err)
{
    int rc = vbd_serve_start(v, err);

    if (rc < 0)
        return rc;
    pthread_mutex_lock(&v->d->lock);
    for (unsigned int i = 0; rc == 0 && i < v->nr_queues; i++) {
        rc = evtchn_set_handler(v->d, v->queue[i].port, vbd_on_event, &v->queue[i]);
        if (rc == 0)
            vbd_serve_event(&v->queue[i]);
    }
    pthread_mutex_unlock(&v->d->lock);
    return rc < 0 ? err_set(err, -rc, "the frontend's event channels are gone") : 0;
}

static void tell_guest(struct vbd *v)
{
    struct err err = {0};

    if (!v->dev)
        return;
    (void)xenbus_printf(v->dev, "type", "%s", v->config.type);
    (void)xenbus_printf(v->dev, "params", "%s", v->config.params);
    if (!v->connected)
        return; /* written when it connects */
    if (vbd_publish(v->dev, v, &err) < 0)
        log_guest(LOG_WARN, "backend", "disk %s: %s", v->config.name, err.msg);
    else
        xenbus_announce(v->dev);
}

static int change_medium(struct vbd *v, struct disk_config *config, int image, struct err *err)
{
    struct disk_config old_config = v->config;
    struct disk disk, old = v->disk;
    int rc;

    config->cdrom = true;
    config->mode = DISK_READ;
    rc = disk_open(&disk, config, image, err);
    if (rc < 0)
        return rc;
    if (v->connected)
        hold(v);
    v->disk = disk;
    v->config = *config;
    *config = old_config;
    if (v->connected)
        rc = go_on(v, err);
    disk_close(&old);
    if (rc < 0)
        xenbus_fatal(v->dev, "%s", err->msg);
    return rc;
}

/* The image itself has changed, on the host: nothing is opened again. */
static int resize(struct vbd *v, const struct disk_config *config, struct err *err)
{
    struct disk disk = v->disk;
    int rc;

    if (strcmp(v->config.path, config->path) != 0)
        return err_set(err, EINVAL,
                       "disk %s is no drive: its image stays %s; only a cdrom's can be exchanged",
                       v->config.name, v->config.path);
    rc = disk_measure(&disk, &v->config, err);
    if (rc < 0)
        return rc;
    if (v->d)
        pthread_mutex_lock(&v->d->lock);
    v->disk.limits.sectors = disk.limits.sectors;
    if (v->d)
        pthread_mutex_unlock(&v->d->lock);
    return 0;
}

int vbd_change(struct vbd *v, struct disk_config *config, int image, struct err *err)
{
    CLEANUP_CLOSE int fd = image;
    int rc = v->config.cdrom ? change_medium(v, config, STEAL_FD(fd), err) : resize(v, config, err);

    if (rc < 0)
        return rc;
    tell_guest(v);
    log_guest(LOG_INFO, "backend", "disk %s: %s, %llu sectors", v->config.name,
              v->config.path[0] ? v->config.path : "no medium",
              (unsigned long long)v->disk.limits.sectors);
    return 0;
}
