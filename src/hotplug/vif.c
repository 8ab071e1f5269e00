/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif.c - see vif.h.
 */
#define _GNU_SOURCE
#include "hotplug/vif.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "hotplug/device.h"
#include "hotplug/tap.h"
#include "toolstack/xend_config.h"

#define FORWARDS_MAX 2048

bool vif_is_host(const json_t *vif)
{
    return strcmp(json_get_string(vif, "type", ""), "tap") == 0;
}

/* "tcp:127.0.0.1:8080:80 udp:*:53:53" */
static void forwards_text(const json_t *vif, char text[static FORWARDS_MAX])
{
    const json_t *item;
    size_t i, len = 0;

    text[0] = '\0';
    json_array_foreach(json_object_get(vif, "hostfwd"), i, item)
    {
        const char *address = json_get_string(item, "address", "");
        int n = snprintf(text + len, FORWARDS_MAX - len, "%s%s:%s:%d:%d", len ? " " : "",
                         json_get_string(item, "protocol", "tcp"), address[0] ? address : "*",
                         (int)json_get_int(item, "host_port", 0),
                         (int)json_get_int(item, "guest_port", 0));

        if (n < 0 || (size_t)n >= FORWARDS_MAX - len) {
            text[len] = '\0';
            return;
        }
        len += (size_t)n;
    }
}

static int put_keys(struct xs_client *store, const struct device *d, const json_t *vif)
{
    static const char *const keys[] = {"mac", "bridge", "ip", "script", "gatewaydev", NULL};
    int mtu = (int)json_get_int(vif, "mtu", 0);
    char forwards[FORWARDS_MAX];
    int rc = device_put(store, d, "handle", "%u", d->devid);

    if (rc == 0 && mtu)
        rc = device_put(store, d, "mtu", "%d", mtu);
    if (rc == 0)
        rc = device_put(store, d, "vifname", "%s", json_get_string(vif, "ifname", ""));
    forwards_text(vif, forwards);
    if (rc == 0 && forwards[0])
        rc = device_put(store, d, "hostfwd", "%s", forwards);
    return rc == 0 ? device_put_keys(store, d, vif, keys) : rc;
}

static int run_script(const struct device *d, const json_t *vif, const char *command,
                      const char *timeout_option, struct err *err)
{
    const char *gatewaydev = json_get_string(vif, "gatewaydev", "");
    char name[32], netdev[64];
    const char *more[] = {name, gatewaydev[0] ? netdev : NULL, NULL};

    snprintf(name, sizeof(name), "vif=%s", json_get_string(vif, "ifname", ""));
    snprintf(netdev, sizeof(netdev), "netdev=%.50s", gatewaydev);
    return device_run(d, vif, command, more, timeout_option, err);
}

static int bring_online(struct xs_client *store, const struct device *d, const json_t *vif,
                        struct err *err)
{
    int rc;

    device_begin(store, d);
    rc = put_keys(store, d, vif);
    if (rc < 0)
        return err_set(err, -rc, "cannot write %s to xenstore: %s", d->full, strerror(-rc));
    rc = run_script(d, vif, "online", "device-create-timeout", err);
    return device_answer(store, d, rc, err);
}

/* What the script had to say although it did its work; for xm to tell. */
static int keep_warning(struct undo_list *u, struct xs_client *store, const struct device *d,
                        json_t *entry, struct err *err)
{
    CLEANUP_FREE char *text = device_read(store, d, "hotplug-warning");

    if (!text || !text[0])
        return 0;
    json_object_set_new(entry, "warning", json_string(text));
    return undo_save(u, err);
}

/* What is written down of one before anything is done. New; NULL when out of memory. */
static json_t *make_entry(domid_t domid, const json_t *vif, const char *domain_name)
{
    json_t *entry = json_deep_copy(vif);
    const char *script = json_get_string(vif, "script", "");

    if (!entry)
        return NULL;
    if (!json_get_string(vif, "ifname", "")[0])
        json_object_set_new(entry, "ifname",
                            json_sprintf("vif%u.%d", domid, (int)json_get_int(vif, "devid", 0)));
    if (!script[0])
        script = xend_config_string(xend_config_own(), "vif-script");
    json_object_set_new(entry, "script", json_sprintf("%s type_if=vif", script));
    json_object_set_new(entry, "class", json_string("vif"));
    json_object_set_new(entry, "name", json_string(domain_name));
    json_object_set_new(entry, "made",
                        json_boolean(!tap_exists(json_get_string(entry, "ifname", ""))));
    return entry;
}

/* Before it is written down, because then it would be undone: others' are left alone. */
static int check_tap(const struct device *d, const char *ifname, struct err *err)
{
    domid_t owner = undo_owner("ifname", ifname);
    int rc = owner ? err_set(err, EBUSY, "%s is an interface of domain %u", ifname, owner)
                   : tap_check(ifname, err);

    return rc < 0 ? device_refuse(d, err) : 0;
}

int vif_online(struct undo_list *u, struct xs_client *store, const json_t *vif,
               const char *domain_name, struct err *err)
{
    json_t *entry = make_entry(u->domid, vif, domain_name);
    const char *ifname = json_get_string(entry, "ifname", "");
    struct device d;
    int rc;

    if (!entry)
        return err_set(err, ENOMEM, "out of memory");
    device_init(&d, "vif", u->domid, entry);
    rc = check_tap(&d, ifname, err);
    if (rc < 0) {
        json_decref(entry);
        return rc;
    }
    if (json_array_append_new(undo_devices(u), entry) < 0)
        return err_set(err, ENOMEM, "out of memory");
    rc = undo_save(u, err);
    if (rc == 0)
        rc = tap_make(ifname, err);
    if (rc == 0)
        rc = bring_online(store, &d, entry, err);
    return rc < 0 ? rc : keep_warning(u, store, &d, entry, err);
}

void vif_offline(struct xs_client *store, domid_t domid, const json_t *vif)
{
    struct err err = {0};
    struct device d;

    device_init(&d, "vif", domid, vif);
    device_begin(store, &d);
    (void)put_keys(store, &d, vif);
    if (run_script(&d, vif, "offline", "device-destroy-timeout", &err) < 0)
        fprintf(stderr, "%s: offline: %s\n", d.path, err.msg);
    if (json_get_bool(vif, "made", false) &&
        tap_delete(json_get_string(vif, "ifname", ""), &err) < 0)
        fprintf(stderr, "%s: %s\n", d.path, err.msg);
    device_remove_keys(store, &d);
}
