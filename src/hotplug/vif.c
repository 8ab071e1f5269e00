/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif.c - see vif.h. While a domain process runs, the keys are its own (backend/xenbus.h); here
 * they are made for the time before and after, because scripts read their parameters there.
 */
#define _GNU_SOURCE
#include "hotplug/vif.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "hotplug/script.h"
#include "hotplug/tap.h"
#include "toolstack/xend_config.h"

#define WORDS_MAX 2048 /* of hostfwd */

struct names {
    char path[64]; /* XENBUS_PATH, relative as Xen has it */
    char full[96];
    unsigned int devid;
};

static void make_names(struct names *n, domid_t domid, const json_t *vif)
{
    n->devid = (unsigned int)json_get_int(vif, "devid", 0);
    snprintf(n->path, sizeof(n->path), "backend/vif/%u/%u", domid, n->devid);
    snprintf(n->full, sizeof(n->full), "/local/domain/0/%s", n->path);
}

bool vif_is_host(const json_t *vif)
{
    return strcmp(json_get_string(vif, "type", ""), "tap") == 0;
}

/* --- xenstore --------------------------------------------------------------------------- */

static int PRINTF_FMT(4, 5)
    put(struct xs_client *store, const struct names *n, const char *key, const char *fmt, ...)
{
    char path[160], value[WORDS_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    snprintf(path, sizeof(path), "%s/%s", n->full, key);
    return xs_write(store, XS_NO_TX, path, value, strlen(value));
}

/* "tcp:127.0.0.1:8080:80 udp:*:53:53" */
static void forwards_text(const json_t *vif, char text[static WORDS_MAX])
{
    const json_t *item;
    size_t i, len = 0;

    text[0] = '\0';
    json_array_foreach(json_object_get(vif, "hostfwd"), i, item)
    {
        const char *address = json_get_string(item, "address", "");
        int n = snprintf(text + len, WORDS_MAX - len, "%s%s:%s:%d:%d", len ? " " : "",
                         json_get_string(item, "protocol", "tcp"), address[0] ? address : "*",
                         (int)json_get_int(item, "host_port", 0),
                         (int)json_get_int(item, "guest_port", 0));

        if (n < 0 || (size_t)n >= WORDS_MAX - len) {
            text[len] = '\0';
            return;
        }
        len += (size_t)n;
    }
}

static int put_keys(struct xs_client *store, domid_t domid, const struct names *n,
                    const json_t *vif)
{
    static const char *const texts[] = {"mac", "bridge", "ip", "script", "gatewaydev"};
    char forwards[WORDS_MAX];
    int rc = put(store, n, "frontend", "/local/domain/%u/device/vif/%u", domid, n->devid);

    if (rc == 0)
        rc = put(store, n, "frontend-id", "%u", domid);
    if (rc == 0)
        rc = put(store, n, "domain", "%s", json_get_string(vif, "name", ""));
    if (rc == 0)
        rc = put(store, n, "handle", "%u", n->devid);
    if (rc == 0)
        rc = put(store, n, "vifname", "%s", json_get_string(vif, "ifname", ""));
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(texts); i++) {
        const char *value = json_get_string(vif, texts[i], "");

        if (value[0])
            rc = put(store, n, texts[i], "%s", value);
    }
    forwards_text(vif, forwards);
    if (rc == 0 && forwards[0])
        rc = put(store, n, "hostfwd", "%s", forwards);
    if (rc == 0)
        rc = put(store, n, "online", "1");
    return rc == 0 ? put(store, n, "state", "1") : rc;
}

static void remove_keys(struct xs_client *store, domid_t domid, const struct names *n)
{
    char **children = NULL, above[64];
    size_t count = 0;

    (void)xs_rm(store, XS_NO_TX, n->full);
    snprintf(above, sizeof(above), "/local/domain/0/backend/vif/%u", domid);
    if (xs_directory(store, XS_NO_TX, above, &children, &count) == 0 && count == 0)
        (void)xs_rm(store, XS_NO_TX, above);
    free(children);
}

static char *read_key(struct xs_client *store, const struct names *n, const char *key)
{
    char path[160], *value = NULL;

    snprintf(path, sizeof(path), "%s/%s", n->full, key);
    return xs_read(store, XS_NO_TX, path, &value, NULL) == 0 ? value : NULL;
}

/* --- scripts ---------------------------------------------------------------------------- */

static int run_script(const json_t *vif, const struct names *n, const char *command,
                      const char *timeout_option, struct err *err)
{
    const struct xend_config *config = xend_config_own();
    const char *line = json_get_string(vif, "script", ""), *gatewaydev;
    char text[SCRIPT_LINE_MAX], env[6][PATHS_MAX + 32];
    const char *environment[8] = {0};
    struct script s;
    unsigned int count = 0;
    int rc;

    snprintf(text, sizeof(text), "%s type_if=vif", line);
    rc = script_find(&s, text, err);
    if (rc < 0)
        return rc;
    snprintf(env[0], sizeof(env[0]), "XENBUS_PATH=%s", n->path);
    snprintf(env[1], sizeof(env[1]), "vif=%s", json_get_string(vif, "ifname", ""));
    snprintf(env[2], sizeof(env[2]), "script=%s", s.path);
    snprintf(env[3], sizeof(env[3]), "ACTION=%s", command);
    for (; count < 4; count++)
        environment[count] = env[count];
    environment[count++] = "XENBUS_TYPE=vif";
    environment[count++] = "XENBUS_BASE_PATH=backend";
    gatewaydev = json_get_string(vif, "gatewaydev", "");
    if (gatewaydev[0]) {
        snprintf(env[4], sizeof(env[4]), "netdev=%.200s", gatewaydev);
        environment[count++] = env[4];
    }
    return script_run(&s, command, environment,
                      (unsigned int)xend_config_int(config, timeout_option), err);
}

/* The script's sentence, if it left one in the store (NULL: it has not run), else what it said
 * last. */
static void explain(struct xs_client *store, const struct names *n, int rc, struct err *err)
{
    CLEANUP_FREE char *text = store ? read_key(store, n, "hotplug-error") : NULL;
    char said[sizeof(err->msg)];

    if (text && text[0])
        snprintf(said, sizeof(said), "%s", text);
    else if (rc == -EIO && !err->msg[0])
        snprintf(said, sizeof(said), "Hotplug scripts not working.");
    else
        memcpy(said, err->msg, sizeof(said));
    err_set(err, -rc, "Device %u (vif) could not be connected. %.900s", n->devid, said);
}

/* A script may fail by its status, or by what it wrote. */
static int check_status(struct xs_client *store, const struct names *n, struct err *err)
{
    CLEANUP_FREE char *status = read_key(store, n, "hotplug-status");

    if (!status || (strcmp(status, "error") != 0 && strcmp(status, "busy") != 0))
        return 0;
    return err_set(err, EIO, "%s", "");
}

static int bring_online(struct xs_client *store, domid_t domid, const struct names *n,
                        const json_t *vif, struct err *err)
{
    int rc;

    (void)xs_rm(store, XS_NO_TX, n->full);
    rc = put_keys(store, domid, n, vif);
    if (rc < 0)
        return err_set(err, -rc, "cannot write %s to xenstore: %s", n->full, strerror(-rc));
    rc = run_script(vif, n, "online", "device-create-timeout", err);
    if (rc == 0)
        rc = check_status(store, n, err);
    if (rc < 0)
        explain(store, n, rc, err);
    return rc;
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
    json_object_set_new(entry, "script", json_string(script));
    json_object_set_new(entry, "name", json_string(domain_name));
    json_object_set_new(entry, "made",
                        json_boolean(!tap_exists(json_get_string(entry, "ifname", ""))));
    return entry;
}

/* Before it is written down, because then it would be undone: others' are left alone. */
static int check_tap(const struct names *n, const char *ifname, struct err *err)
{
    domid_t owner = undo_owner(ifname);
    int rc = owner ? err_set(err, EBUSY, "%s is an interface of domain %u", ifname, owner)
                   : tap_check(ifname, err);

    if (rc < 0)
        explain(NULL, n, rc, err);
    return rc;
}

int vif_online(struct undo_list *u, struct xs_client *store, const json_t *vif,
               const char *domain_name, struct err *err)
{
    json_t *entry = make_entry(u->domid, vif, domain_name);
    const char *ifname = json_get_string(entry, "ifname", "");
    struct names n;
    int rc;

    if (!entry)
        return err_set(err, ENOMEM, "out of memory");
    make_names(&n, u->domid, entry);
    rc = check_tap(&n, ifname, err);
    if (rc < 0) {
        json_decref(entry);
        return rc;
    }
    if (json_array_append_new(undo_vifs(u), entry) < 0)
        return err_set(err, ENOMEM, "out of memory");
    rc = undo_save(u, err);
    if (rc == 0)
        rc = tap_make(ifname, err);
    return rc < 0 ? rc : bring_online(store, u->domid, &n, entry, err);
}

void vif_offline(struct undo_list *u, struct xs_client *store, size_t index)
{
    const json_t *vif = json_array_get(undo_vifs(u), index);
    struct err err = {0};
    struct names n;

    make_names(&n, u->domid, vif);
    (void)xs_rm(store, XS_NO_TX, n.full);
    (void)put_keys(store, u->domid, &n, vif);
    if (run_script(vif, &n, "offline", "device-destroy-timeout", &err) < 0)
        fprintf(stderr, "%s: offline: %s\n", n.path, err.msg);
    if (json_get_bool(vif, "made", false) &&
        tap_delete(json_get_string(vif, "ifname", ""), &err) < 0)
        fprintf(stderr, "%s: %s\n", n.path, err.msg);
    remove_keys(store, u->domid, &n);
    json_array_remove(undo_vifs(u), index);
    if (undo_save(u, &err) < 0)
        fprintf(stderr, "%s: %s\n", n.path, err.msg);
}
