/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_life.c - see xenstore_life.h. Should this process be killed, xenstored sees the
 * ring's connection close and does the same as for a release.
 */
#include "domain/xenstore_life.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/console.h"
#include "backend/fb/fb.h"
#include "base/json.h"
#include "base/log.h"
#include "domain/devices.h"
#include "domain/xenstore_ring.h"
#include "xenstore/client.h"

#define KIB_PER_PAGE 4
#define PAGES_PER_MIB 256
#define CONSOLE_LIMIT 1048576 /* bytes that the console backend keeps */
#define TRIES 100             /* of a transaction */
#define CONFIG_TEXT_MAX 2048  /* bytes of one option that is shown */

/* Writes nodes of the domain and collects failures, so that a list of keys reads as a list. */
struct seed {
    struct xs_client *store;
    const struct domain *d;
    xs_tx_t tx;
    int rc;
};

static const char *full_path(char buf[static 128], const struct seed *s, const char *path)
{
    if (path[0] == '/')
        return path;
    snprintf(buf, 128, "/local/domain/%u%s%s", s->d->domid, path[0] ? "/" : "", path);
    return buf;
}

static void PRINTF_FMT(3, 4) put(struct seed *s, const char *path, const char *fmt, ...)
{
    char value[128], full[128];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    if (s->rc == 0)
        s->rc = xs_write(s->store, s->tx, full_path(full, s, path), value, strlen(value));
}

/* New nodes inherit permissions: the tops of trees are what needs them. */
static void put_for_reading(struct seed *s, const char *path, const char *value)
{
    const struct xs_perm perms[] = {{.id = 0, .mode = 'n'}, {.id = s->d->domid, .mode = 'r'}};
    char full[128];

    put(s, path, "%s", value);
    if (s->rc == 0)
        s->rc = xs_set_perms(s->store, s->tx, full_path(full, s, path), perms, ARRAY_SIZE(perms));
}

static void put_for_writing(struct seed *s, const char *path)
{
    const struct xs_perm perms = {.id = s->d->domid, .mode = 'n'};
    char full[128];

    put(s, path, "%s", "");
    if (s->rc == 0)
        s->rc = xs_set_perms(s->store, s->tx, full_path(full, s, path), &perms, 1);
}

#define VM_PATH 64

/* "/vm/UUID" */
static const char *vm_path(const struct domain *d, char buf[static VM_PATH])
{
    const uint8_t *u = d->uuid;

    snprintf(buf, VM_PATH,
             "/vm/%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    return buf;
}

static void put_identity(struct seed *s)
{
    const struct domain *d = s->d;
    char vm[VM_PATH], path[80];

    vm_path(d, vm);
    put_for_reading(s, "", "");
    put_for_reading(s, vm, "");
    put(s, "vm", "%s", vm);
    snprintf(path, sizeof(path), "%s/uuid", vm);
    put(s, path, "%s", vm + strlen("/vm/"));
    snprintf(path, sizeof(path), "%s/name", vm);
    put(s, path, "%s", d->name);
    put(s, "name", "%s", d->name);
    put(s, "domid", "%u", d->domid);
}

static void put_vm(struct seed *s, const char *name, uint64_t value)
{
    char vm[VM_PATH], path[80];

    snprintf(path, sizeof(path), "%s/%s", vm_path(s->d, vm), name);
    put(s, path, "%" PRIu64, value);
}

/* The host's paths are nothing to the guest. */
static void put_config_node(struct seed *s, const char *name, const char *text)
{
    static const struct xs_perm host_only = {.id = 0, .mode = 'n'};
    char vm[VM_PATH], path[128];

    snprintf(path, sizeof(path), "%s/%s", vm_path(s->d, vm), name);
    if (s->rc == 0)
        s->rc = xs_write(s->store, s->tx, path, text, strlen(text));
    if (s->rc == 0 && strcmp(name, "image/cmdline") != 0)
        s->rc = xs_set_perms(s->store, s->tx, path, &host_only, 1);
}

/* What xend had of the domain's config and of its past. */
static void put_config(struct seed *s)
{
    const struct domain *d = s->d;
    char text[32];
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)d->vm, key, value)
    {
        if (json_is_string(value) && json_string_length(value) <= CONFIG_TEXT_MAX)
            put_config_node(s, key, json_string_value(value));
    }
    snprintf(text, sizeof(text), "%lld", (long long)time(NULL));
    put_config_node(s, "start_time", text);
    snprintf(text, sizeof(text), "%u", d->vcpu_avail);
    put_config_node(s, "vcpu_avail", text);
    snprintf(text, sizeof(text), "%u", d->restarts);
    put_config_node(s, "xend/restart_count", text);
    if (d->restarts)
        put_config_node(s, "xend/last_shutdown_reason", domain_reason_name(d->last_reason));
    put(s, "description", "%s", json_get_string(d->vm, "description", ""));
}

/* The console's backend, which nobody negotiates with. */
static void put_console_backend(struct seed *s)
{
    const struct domain *d = s->d;
    char frontend[40], domid[8], dir[64], path[96];
    const struct {
        const char *key, *value;
    } nodes[] = {{"frontend", frontend}, {"frontend-id", domid}, {"domain", d->name},
                 {"online", "1"},        {"state", "4"},         {"protocol", "vt100"}};

    snprintf(frontend, sizeof(frontend), "/local/domain/%u/console", d->domid);
    snprintf(domid, sizeof(domid), "%u", d->domid);
    snprintf(dir, sizeof(dir), "/local/domain/0/backend/console/%u/0", d->domid);
    put_for_reading(s, dir, "");
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, nodes[i].key);
        put(s, path, "%s", nodes[i].value);
    }
}

static void put_availability(struct seed *s)
{
    char path[64];

    for (unsigned int i = 0; i < s->d->nr_vcpus; i++) {
        snprintf(path, sizeof(path), "cpu/%u/availability", i);
        put(s, path, "%s", s->d->vcpu_avail >> i & 1 ? "online" : "offline");
    }
}

static void put_resources(struct seed *s)
{
    const struct domain *d = s->d;

    put_availability(s);
    put(s, "memory/static-max", "%" PRIu64, d->ram.max_pages * KIB_PER_PAGE);
    put(s, "memory/target", "%" PRIu64, d->ram.nr_pages * KIB_PER_PAGE);
    put(s, "memory/videoram", "%d", 0);
    put_vm(s, "memory", d->ram.nr_pages / PAGES_PER_MIB);
    put_vm(s, "maxmem", d->ram.max_pages / PAGES_PER_MIB);
    put_vm(s, "vcpus", d->nr_vcpus);
}

static void put_rings(struct seed *s)
{
    const struct domain *d = s->d;
    unsigned int vnc_port = devices_fb(d->devices) ? fb_port(devices_fb(d->devices)) : 0;

    put(s, "console/ring-ref", "%" PRIu64, d->console_mfn);
    put(s, "console/port", "%u", d->console_port);
    put(s, "console/type", "%s", "xenconsoled");
    put(s, "console/limit", "%d", CONSOLE_LIMIT);
    put(s, "console/output", "%s", "pty");
    put(s, "console/tty", "%s", console_tty(d->console));
    if (vnc_port)
        put(s, "console/vnc-port", "%u", vnc_port);
    put(s, "store/ring-ref", "%" PRIu64, d->store_mfn);
    put(s, "store/port", "%u", d->store_port);
}

/* What the guest may write, and the directories of the host it finds it in. */
static void put_guest_areas(struct seed *s)
{
    static const char *const areas[] = {
        "control/shutdown",
        "control/feature-poweroff",
        "control/feature-reboot",
        "control/feature-suspend",
        "control/feature-s3",
        "control/feature-s4",
        "control/sysrq",
        "device/suspend/event-channel",
        "data",
        "drivers",
        "feature",
        "attr",
        "guest",
        "hvmpv",
        "error",
    };

    for (size_t i = 0; i < ARRAY_SIZE(areas); i++)
        put_for_writing(s, areas[i]);
    put(s, "control/platform-feature-multiprocessor-suspend", "%d", 1);
    put(s, "control/platform-feature-xs_reset_watches", "%d", 1);
}

static int seed_once(struct seed *s)
{
    int rc = xs_transaction_start(s->store, &s->tx);

    if (rc < 0)
        return rc;
    s->rc = 0;
    put_identity(s);
    put_resources(s);
    put_config(s);
    put_console_backend(s);
    if (s->d->ram.base) /* else nobody in there knows of rings */
        put_rings(s);
    put_guest_areas(s);
    rc = xs_transaction_end(s->store, s->tx, s->rc == 0);
    return s->rc < 0 ? s->rc : rc;
}

static int introduce(struct xs_client *store, const struct domain *d, struct err *err)
{
    struct seed s = {.store = store, .d = d};
    int rc = -EAGAIN;

    for (unsigned int i = 0; rc == -EAGAIN && i < TRIES; i++)
        rc = seed_once(&s);
    if (rc == 0)
        rc = xs_introduce(store, d->domid, d->store_mfn, d->store_port);
    return rc < 0 ? err_set(err, -rc, "cannot introduce the domain to xenstored: %s", strerror(-rc))
                  : 0;
}

int xenstore_introduce(const struct domain *d, struct err *err)
{
    struct xs_client *store;
    int rc = xs_connect(&store, d->store_socket, err), fd;

    if (rc)
        return rc;
    fd = xs_connect_domain(d->store_socket, d->domid, err);
    rc = fd < 0 ? fd : introduce(store, d, err);
    xs_close(store);
    if (rc < 0 && fd >= 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

int xenstore_attach(struct domain *d, struct loop *loop, struct err *err)
{
    int fd = xenstore_introduce(d, err);

    d->in_store = fd >= 0;
    return fd < 0 ? fd : xenstore_ring_create(d, loop, fd, err);
}

int xenstore_put(const struct domain *d, const char *path, const char *value, struct err *err)
{
    struct seed s = {.d = d, .tx = XS_NO_TX};
    int rc;

    if (!d->in_store)
        return 0;
    rc = xs_connect(&s.store, d->store_socket, err);
    if (rc < 0)
        return rc;
    put(&s, path, "%s", value);
    xs_close(s.store);
    return s.rc < 0 ? err_set(err, -s.rc, "cannot write %s to xenstore: %s", path, strerror(-s.rc))
                    : 0;
}

int xenstore_put_vm(const struct domain *d, const char *name, const char *value, struct err *err)
{
    char vm[VM_PATH], path[128];

    snprintf(path, sizeof(path), "%s/%s", vm_path(d, vm), name);
    return xenstore_put(d, path, value, err);
}

int xenstore_put_vcpus(const struct domain *d, struct err *err)
{
    struct seed s = {.d = d, .tx = XS_NO_TX};
    int rc;

    if (!d->in_store)
        return 0;
    rc = xs_connect(&s.store, d->store_socket, err);
    if (rc < 0)
        return rc;
    put_availability(&s);
    xs_close(s.store);
    return s.rc < 0 ? err_set(err, -s.rc, "cannot write to xenstore: %s", strerror(-s.rc)) : 0;
}

void xenstore_detach(struct domain *d)
{
    struct xs_client *store;
    struct err err = {0};
    int rc;

    d->in_store = false;
    if (!d->store)
        return;
    rc = xs_connect(&store, d->store_socket, &err);
    if (rc == 0) {
        rc = xs_release(store, d->domid);
        err_set(&err, -rc, "cannot release the domain: %s", strerror(-rc));
        xs_close(store);
    }
    if (rc < 0)
        log_msg(LOG_WARN, "domain", "xenstore: %s", err.msg);
    xenstore_ring_destroy(d);
}
