/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * lifetime.c - see lifetime.h. The order of locks: a domain's list first, then its lock file.
 */
#define _GNU_SOURCE
#include "hotplug/lifetime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/signals.h"
#include "hotplug/device.h"
#include "hotplug/disk.h"
#include "hotplug/network.h"
#include "hotplug/script.h"
#include "hotplug/undo.h"
#include "hotplug/vif.h"
#include "xenstore/start.h"

enum { FD_LOCK = 3, FD_WAIT, NR_FDS }; /* in the process that waits */

/* --- the end ---------------------------------------------------------------------------- */

static void undo_one(struct undo_list *u, struct xs_client *store, size_t index)
{
    const json_t *entry = json_array_get(undo_devices(u), index);
    struct err err = {0};

    if (strcmp(json_get_string(entry, "class", ""), "vbd") == 0)
        disk_remove(store, u->domid, entry);
    else
        vif_offline(store, u->domid, entry);
    json_array_remove(undo_devices(u), index);
    if (undo_save(u, &err) < 0)
        fprintf(stderr, "domain %u: %s\n", u->domid, err.msg);
}

static void undo_all(struct undo_list *u)
{
    struct xs_client *store = NULL;
    struct err err = {0};

    if (json_array_size(undo_devices(u)) == 0)
        return;
    if (xs_connect_or_start(&store, &err) < 0) {
        fprintf(stderr, "domain %u: its networks and disks stay: %s\n", u->domid, err.msg);
        return;
    }
    while (json_array_size(undo_devices(u)) > 0)
        undo_one(u, store, json_array_size(undo_devices(u)) - 1);
    xs_close(store);
}

int lifetime_wait(domid_t domid, struct err *err)
{
    struct undo_list u;
    int rc;

    prctl(PR_SET_NAME, "xenolith-undo");
    while (flock(FD_LOCK, LOCK_SH) < 0)
        if (errno != EINTR)
            return err_set(err, errno, "domain %u: cannot wait for its end: %s", domid,
                           strerror(errno));
    rc = undo_open(&u, domid, true, err);
    if (rc < 0)
        return err_wrap(err, "domain %u: its networks and disks stay", domid);
    undo_all(&u);
    undo_end_wait(&u);
    undo_close(&u);
    return 0;
}

/* In the new process: nobody's child, with no other descriptors, and an image of its own, so that
 * a list of processes tells it from the domain's. */
static _Noreturn void become_waiter(int lock_fd, int wait_fd, domid_t domid)
{
    int log_fd = script_open_log(), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* First above the targets, so that none is overwritten. */
    int lock = fcntl(lock_fd, F_DUPFD_CLOEXEC, NR_FDS);
    int wait = fcntl(wait_fd, F_DUPFD_CLOEXEC, NR_FDS);
    char number[8];

    setsid();
    if (fork() != 0)
        _exit(0);
    signals_reset();
    (void)dup2(null, 0);
    (void)dup2(null, 1);
    (void)dup2(log_fd >= 0 ? log_fd : null, 2);
    if (dup2(lock, FD_LOCK) < 0 || dup2(wait, FD_WAIT) < 0 || chdir("/") < 0)
        _exit(1);
    syscall(SYS_close_range, NR_FDS, ~0u, 0);
    snprintf(number, sizeof(number), "%u", domid);
    execl("/proc/self/exe", "xenolith-undo", "wait", number, (char *)NULL);
    _exit(1);
}

/* Unless somebody waits already. */
static int start_waiter(const struct undo_list *u, const char *lock_path, struct err *err)
{
    CLEANUP_CLOSE int lock_fd = open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    CLEANUP_CLOSE int wait_fd = -1;
    pid_t child;

    if (lock_fd < 0)
        return err_set(err, errno, "cannot open %s: %s", lock_path, strerror(errno));
    wait_fd = undo_claim_wait(u, err);
    if (wait_fd == -EAGAIN)
        return 0;
    if (wait_fd < 0)
        return wait_fd;
    child = fork();
    if (child < 0)
        return err_set(err, errno, "cannot fork: %s", strerror(errno));
    if (child == 0)
        become_waiter(lock_fd, wait_fd, u->domid);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    return 0;
}

/* True: nobody holds the lock, or there is no lock. */
static bool is_dead(const char *lock_path)
{
    CLEANUP_CLOSE int fd = open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? errno == ENOENT : flock(fd, LOCK_SH | LOCK_NB) == 0;
}

void lifetime_sweep(void)
{
    size_t count;
    CLEANUP_FREE domid_t *domains = undo_domains(&count);

    for (size_t i = 0; i < count; i++) {
        struct undo_list u;

        /* Somebody else's at this moment: a start, or the end that is waited for. */
        if (undo_open(&u, domains[i], false, NULL) < 0)
            continue;
        if (is_dead(undo_domain_lock(&u)))
            undo_all(&u);
        undo_close(&u);
    }
}

/* --- the beginning ---------------------------------------------------------------------- */

static size_t count_host_vifs(const json_t *doc)
{
    const json_t *vif;
    size_t i, count = 0;

    json_array_foreach(json_object_get(doc, "vifs"), i, vif)
    {
        count += vif_is_host(vif);
    }
    return count;
}

static size_t count_script_disks(const json_t *doc)
{
    const json_t *disk;
    size_t i, count = 0;

    json_array_foreach(json_object_get(doc, "disks"), i, disk)
    {
        count += disk_has_script(disk);
    }
    return count;
}

/* What the config names may be the domain's before, whose end is just being seen to: the same
 * guest again. */
static void wait_for_end_of_other(const json_t *device, const char *key)
{
    const char *value = json_get_string(device, key, "");
    domid_t owner = value[0] ? undo_owner(key, value) : 0;
    struct undo_list u;

    if (!owner || undo_open(&u, owner, true, NULL) < 0)
        return;
    if (is_dead(undo_domain_lock(&u)))
        undo_all(&u);
    undo_close(&u);
}

static void wait_for_ends_of_others(const json_t *doc)
{
    const json_t *device;
    size_t i;

    json_array_foreach(json_object_get(doc, "vifs"), i, device)
    {
        wait_for_end_of_other(device, "ifname");
    }
    json_array_foreach(json_object_get(doc, "disks"), i, device)
    {
        if (disk_has_script(device))
            wait_for_end_of_other(device, "params");
    }
}

/* A bootloader looks into the first disk, whose path was not known before. */
static void tell_bootloader(json_t *doc)
{
    json_t *bootloader = json_object_get(doc, "bootloader");
    const json_t *disk;
    size_t i;

    if (!bootloader || json_get_string(bootloader, "disk", "")[0])
        return;
    json_array_foreach(json_object_get(doc, "disks"), i, disk)
    {
        if (!json_get_bool(disk, "cdrom", false)) {
            json_object_set_new(bootloader, "disk", json_string(json_get_string(disk, "path", "")));
            return;
        }
    }
}

static int bring_all_online(struct undo_list *u, struct xs_client *store, json_t *doc,
                            struct err *err)
{
    const char *name = json_get_string(doc, "name", "");
    json_t *device;
    size_t i;
    int rc = count_host_vifs(doc) ? network_start(err) : 0;

    json_array_foreach(json_object_get(doc, "disks"), i, device)
    {
        if (rc == 0 && disk_has_script(device))
            rc = disk_add(u, store, device, name, err);
    }
    tell_bootloader(doc);
    json_array_foreach(json_object_get(doc, "vifs"), i, device)
    {
        if (rc == 0 && vif_is_host(device))
            rc = vif_online(u, store, device, name, err);
    }
    return rc;
}

int lifetime_begin(json_t *doc, struct err *err)
{
    domid_t domid = (domid_t)json_get_int(doc, "domid", 0);
    const char *lock = json_get_string(doc, "lock", "");
    struct xs_client *store = NULL;
    struct undo_list u;
    int rc;

    if (count_host_vifs(doc) + count_script_disks(doc) == 0)
        return 0;
    lifetime_sweep();
    wait_for_ends_of_others(doc);
    rc = undo_open(&u, domid, true, err);
    if (rc < 0)
        return rc;
    undo_all(&u); /* of a dead domain that had our number */
    undo_set_domain_lock(&u, lock);
    rc = xs_connect_or_start(&store, err);
    if (rc == 0)
        rc = bring_all_online(&u, store, doc, err);
    if (store)
        device_end(store);
    if (rc == 0)
        rc = start_waiter(&u, lock, err);
    if (rc < 0)
        undo_all(&u);
    xs_close(store);
    undo_close(&u);
    return rc;
}

int lifetime_attach(domid_t domid, const char *domain_name, const char *lock_path, json_t *device,
                    struct err *err)
{
    struct xs_client *store = NULL;
    struct undo_list u;
    size_t before;
    bool is_disk = json_object_get(device, "path") != NULL;
    int rc;

    wait_for_end_of_other(device, is_disk ? "params" : "ifname");
    rc = undo_open(&u, domid, true, err);
    if (rc < 0)
        return rc;
    before = json_array_size(undo_devices(&u));
    undo_set_domain_lock(&u, lock_path);
    rc = xs_connect_or_start(&store, err);
    if (rc == 0 && is_disk)
        rc = disk_add(&u, store, device, domain_name, err);
    else if (rc == 0)
        rc = network_start(err);
    if (rc == 0 && !is_disk)
        rc = vif_online(&u, store, device, domain_name, err);
    if (store)
        device_end(store); /* now: who waits has this connection, too, for a moment */
    if (rc == 0)
        rc = start_waiter(&u, lock_path, err);
    if (rc < 0 && json_array_size(undo_devices(&u)) > before)
        undo_one(&u, store, before);
    xs_close(store);
    undo_close(&u);
    return rc;
}

int lifetime_detach(domid_t domid, const char *class, unsigned int devid, struct err *err)
{
    struct xs_client *store = NULL;
    struct undo_list u;
    int rc = undo_open(&u, domid, true, err);
    const json_t *device;
    size_t i;

    if (rc < 0)
        return rc;
    rc = xs_connect_or_start(&store, err);
    json_array_foreach(undo_devices(&u), i, device)
    {
        if (rc == 0 && strcmp(json_get_string(device, "class", ""), class) == 0 &&
            json_get_int(device, "devid", -1) == devid) {
            undo_one(&u, store, i);
            break;
        }
    }
    xs_close(store);
    undo_close(&u);
    return rc;
}
