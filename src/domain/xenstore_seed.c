/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_seed.c - first content of a domain's store: what xl writes before a PV domU
 * starts, and nothing that promises a device.
 */
#include "domain/xenstore_seed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "domain/xenstore_mini.h"
#include "domain/xenstore_tree.h"

#define KIB_PER_PAGE 4
#define CONSOLE_LIMIT 1048576 /* bytes that the console backend keeps */

/* Collects failures, so that a list of keys reads as a list. */
struct seed {
    struct domain *d;
    int rc;
};

static void PRINTF_FMT(4, 5)
    put(struct seed *s, domid_t owner, const char *path, const char *fmt, ...)
{
    char value[128];
    va_list ap;
    int rc;

    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    rc = xsmini_write_owned(s->d, path, value, owner);
    if (rc < 0)
        s->rc = rc;
}

static void put_identity(struct seed *s)
{
    const struct domain *d = s->d;
    const uint8_t *u = d->uuid;
    char uuid[40], path[64];

    snprintf(uuid, sizeof(uuid),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    snprintf(path, sizeof(path), "/local/domain/%u", d->domid);
    put(s, XS_PRIVILEGED, path, "%s", "");
    snprintf(path, sizeof(path), "/vm/%s", uuid);
    put(s, XS_PRIVILEGED, path, "%s", "");
    put(s, XS_PRIVILEGED, "vm", "%s", path);
    snprintf(path, sizeof(path), "/vm/%s/uuid", uuid);
    put(s, XS_PRIVILEGED, path, "%s", uuid);
    snprintf(path, sizeof(path), "/vm/%s/name", uuid);
    put(s, XS_PRIVILEGED, path, "%s", d->name);
    put(s, XS_PRIVILEGED, "name", "%s", d->name);
    put(s, XS_PRIVILEGED, "domid", "%u", d->domid);
}

static void put_resources(struct seed *s)
{
    const struct domain *d = s->d;
    char path[64];

    put(s, XS_PRIVILEGED, "cpu", "%s", "");
    for (unsigned int i = 0; i < d->nr_vcpus; i++) {
        snprintf(path, sizeof(path), "cpu/%u", i);
        put(s, XS_PRIVILEGED, path, "%s", "");
        snprintf(path, sizeof(path), "cpu/%u/availability", i);
        put(s, XS_PRIVILEGED, path, "%s", "online");
    }
    put(s, XS_PRIVILEGED, "memory", "%s", "");
    put(s, XS_PRIVILEGED, "memory/static-max", "%" PRIu64, d->ram.max_pages * KIB_PER_PAGE);
    put(s, XS_PRIVILEGED, "memory/target", "%" PRIu64, d->ram.nr_pages * KIB_PER_PAGE);
    put(s, XS_PRIVILEGED, "memory/videoram", "%d", 0);
}

static void put_rings(struct seed *s)
{
    const struct domain *d = s->d;

    put(s, XS_PRIVILEGED, "console", "%s", "");
    put(s, XS_PRIVILEGED, "console/ring-ref", "%" PRIu64, d->console_mfn);
    put(s, XS_PRIVILEGED, "console/port", "%u", d->console_port);
    put(s, XS_PRIVILEGED, "console/type", "%s", "xenconsoled");
    put(s, XS_PRIVILEGED, "console/limit", "%d", CONSOLE_LIMIT);
    put(s, XS_PRIVILEGED, "console/output", "%s", "pty");
    put(s, XS_PRIVILEGED, "console/tty", "%s", "");
    put(s, XS_PRIVILEGED, "store", "%s", "");
    put(s, XS_PRIVILEGED, "store/ring-ref", "%" PRIu64, d->store_mfn);
    put(s, XS_PRIVILEGED, "store/port", "%u", d->store_port);
}

/* What the guest may write, and the directories of the host it finds it in. */
static void put_guest_areas(struct seed *s)
{
    static const char *const host[] = {"device", "control"};
    static const char *const guest[] = {
        "control/shutdown",
        "control/feature-poweroff",
        "control/feature-reboot",
        "control/feature-suspend",
        "control/feature-s3",
        "control/feature-s4",
        "control/sysrq",
        "device/suspend",
        "device/suspend/event-channel",
        "data",
        "drivers",
        "feature",
        "attr",
        "error",
    };

    for (size_t i = 0; i < ARRAY_SIZE(host); i++)
        put(s, XS_PRIVILEGED, host[i], "%s", "");
    for (size_t i = 0; i < ARRAY_SIZE(guest); i++)
        put(s, s->d->domid, guest[i], "%s", "");
    put(s, XS_PRIVILEGED, "control/platform-feature-multiprocessor-suspend", "%d", 1);
    put(s, XS_PRIVILEGED, "control/platform-feature-xs_reset_watches", "%d", 1);
}

int xsmini_seed(struct domain *d)
{
    struct seed s = {.d = d};

    put_identity(&s);
    put_resources(&s);
    put_rings(&s);
    put_guest_areas(&s);
    return s.rc;
}
