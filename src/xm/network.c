/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * network.c - xm network-list, network-attach and network-detach.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/net/passt.h"
#include "backend/net/vif_open.h"
#include "base/cleanup.h"
#include "config/vif_fallback.h"
#include "config/vif_spec.h"
#include "toolstack/amend.h"
#include "toolstack/client.h"
#include "xm/devices.h"
#include "toolstack/domains.h"
#include "toolstack/hotplug.h"
#include "toolstack/scope.h"

#define TIMEOUT_MS 5000
#define NO_DEVID 255u /* none that an interface has */

#define XM_HEADING "Idx BE     MAC Addr.     handle state evt-ch tx-/rx-ring-ref BE-path"
#define XL_HEADING                                                                                 \
    "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path                   "    \
    "    "

static void print_vif(struct xs_client *xs, const struct device_row *row)
{
    printf(verb_is_xl()
               ? "%-3lld %-2lld %-17s %6lld %5lld %6lld %5lld/%-11lld %-30s\n"
               : "%-3lld %-3lld%-17s    %-3lld   %-3lld    %-3lld   %-5lld/%-5lld   %-30s  \n",
           row->id, row->backend_id, row->mac, row->handle, row->state, row->evtchn,
           store_number(xs, "%s/tx-ring-ref", row->path),
           store_number(xs, "%s/rx-ring-ref", row->path), row->backend);
}

static int run_list(const struct verb *self, int argc, char **argv)
{
    return devices_run_list(self, argc, argv, "vif", verb_is_xl() ? XL_HEADING : XM_HEADING,
                            print_vif);
}

/* The lowest number that no interface of the domain has. */
static int free_devid(domid_t domid, unsigned int *ret, struct err *err)
{
    json_t *answer = NULL, *vif;
    bool taken = true;
    size_t i;
    int rc =
        client_call(domid, json_pack("{s:s}", "verb", "network-list"), TIMEOUT_MS, &answer, err);

    for (*ret = 0; rc == 0 && taken; *ret += taken) {
        taken = false;
        json_array_foreach(json_object_get(answer, "vifs"), i, vif)
        {
            taken |= json_get_int(vif, "devid", -1) == *ret;
        }
    }
    json_decref(answer);
    return rc;
}

#define SPEC_MAX 2048

/* KEY=VALUE arguments are one entry of vif=[...]. */
static void make_spec(char spec[static SPEC_MAX], int argc, char **argv)
{
    spec[0] = '\0';
    for (int i = 2; i < argc; i++)
        snprintf(spec + strlen(spec), SPEC_MAX - strlen(spec), "%s%s", i > 2 ? "," : "", argv[i]);
}

/* What an administrator typed is an argument to him. */
static void name_argument(struct err *err)
{
    static const char front[] = "Invalid vif option: ";
    char key[sizeof(err->msg)];

    if (strncmp(err->msg, front, strlen(front)) != 0)
        return;
    snprintf(key, sizeof(key), "%s", err->msg + strlen(front));
    err_set(err, EINVAL, "Invalid argument: %s", key);
}

static int make_vif(const struct amend_target *t, const char *spec, json_t **ret, struct err *err)
{
    const struct vif_identity identity = {t->entry.name, t->uuid};
    const char *unused = NULL;
    unsigned int devid = NO_DEVID;
    int rc = t->entry.domid ? free_devid(t->entry.domid, &devid, err) : 0;

    if (rc == 0)
        rc = vif_spec_parse(spec, devid, &identity, ret, &unused, err);
    if (rc < 0)
        name_argument(err);
    if (rc == 0 && unused)
        fprintf(stderr, "Warning: %s has no effect\n", unused);
    if (rc == 0 && hotplug_is_for(*ret) && !vif_may_tap(json_get_string(*ret, "ifname", ""))) {
        vif_fall_back(*ret);
        fprintf(stderr, "Warning: " VIF_FALLBACK_SENTENCE "\n");
    }
    return rc;
}

/* What the interface is connected to, opened with our rights: the domain process has none. */
static int open_on_host(domid_t domid, const json_t *vif, struct err *err)
{
    struct vif_config config;
    bool local = false;
    int rc = vif_config_parse(&config, vif, err);

    if (rc < 0)
        return rc;
    rc = vif_open(&config, domid, &local, err);
    if (rc >= 0 && local)
        fprintf(stderr, "Warning: " PASST_LOCAL_SENTENCE "\n");
    vif_config_done(&config);
    return rc;
}

/* Takes vif. The verb's exit status. */
static int plug_in(domid_t domid, json_t *vif)
{
    struct err err = {0};
    CLEANUP_CLOSE int fd = open_on_host(domid, vif, &err);
    char number[16];

    if (fd < 0) {
        json_decref(vif);
        return verb_error(&err);
    }
    snprintf(number, sizeof(number), "%u", domid);
    return devices_request_with_fd(
        number, json_pack("{s:s, s:o}", "verb", "network-attach", "vif", vif), fd);
}

/* To a running domain. Takes vif. */
static int attach(const struct amend_target *t, const char *spec, json_t *vif)
{
    const domid_t domid = t->entry.domid;
    bool on_host = hotplug_is_for(vif);
    struct amend_device amendment = {
        .option = "vif", .spec = spec, .devid = (unsigned int)json_get_int(vif, "devid", 0)};
    struct err err = {0};
    char mac[32];
    int rc;

    snprintf(mac, sizeof(mac), "%s", json_get_string(vif, "mac", ""));
    amendment.mac = mac;
    if (on_host && hotplug_attach(&t->entry, vif, &err) < 0) {
        json_decref(vif);
        return verb_error(&err);
    }
    if (!on_host) /* passt, which is to live as long as the domain does */
        scope_leave_session(t->entry.name);
    rc = plug_in(domid, vif);
    if (rc == XM_OK)
        hotplug_print_warnings(domid, (int)amendment.devid);
    if (rc == XM_OK)
        amend_after(t, amend_device, &amendment);
    else if (on_host && hotplug_detach(domid, "vif", amendment.devid, &err) < 0)
        fprintf(stderr, "Warning: %s\n", err.msg);
    return rc;
}

/* Only written down: there is no guest that could have it. */
static int add_to_config(const struct amend_target *t, const char *spec, const json_t *vif,
                         struct err *err)
{
    /* Without an address of its own it gets one at the start, by its number. */
    const char *mac = strstr(spec, "mac=") ? json_get_string(vif, "mac", "") : NULL;
    const struct amend_device amendment = {
        .option = "vif", .spec = spec, .mac = mac, .devid = NO_DEVID};

    if (mac && amend_has_device(t, &amendment))
        return err_set(err, EEXIST, "an interface with the address %s is there already", mac);
    return amend_apply(t, amend_device, &amendment, err);
}

static int run_attach(const struct verb *self, int argc, char **argv)
{
    struct amend_target target;
    struct err err = {0};
    json_t *vif = NULL;
    char spec[SPEC_MAX];
    int rc = verb_check_arguments(self, argc, argv, 1, 20);

    if (rc >= 0)
        return rc;
    for (int i = 2; i < argc; i++)
        if (!strchr(argv[i], '='))
            return verb_usage_error(self, "Invalid argument: %s", argv[i]);
    make_spec(spec, argc, argv);
    rc = amend_find(argv[1], &target, &err);
    if (rc == 0)
        rc = make_vif(&target, spec, &vif, &err);
    if (rc == 0 && target.entry.domid)
        return attach(&target, spec, vif);
    if (rc == 0)
        rc = add_to_config(&target, spec, vif, &err);
    json_decref(vif);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

/* From a running domain. */
static int detach(const struct amend_target *t, const char *device, bool force)
{
    const domid_t domid = t->entry.domid;
    json_t *vif = devices_find(domid, "vif", device);
    const struct amend_device amendment = {.option = "vif",
                                           .mac = json_get_string(vif, "mac", ""),
                                           .devid = (unsigned int)json_get_int(vif, "devid", 0)};
    bool on_host = hotplug_is_for(vif);
    char number[16];
    int rc;

    snprintf(number, sizeof(number), "%u", domid);
    rc = devices_request(number, json_pack("{s:s, s:s, s:b}", "verb", "network-detach", "device",
                                           device, "force", force));
    if (rc == XM_OK && vif)
        amend_after(t, amend_device, &amendment);
    if (rc == XM_OK && on_host)
        rc = devices_finish_detach(domid, "vif", amendment.devid);
    json_decref(vif);
    return rc;
}

static int remove_from_config(const struct amend_target *t, const char *device)
{
    bool is_mac = strchr(device, ':');
    const struct amend_device amendment = {
        .option = "vif",
        .mac = is_mac ? device : NULL,
        .devid = is_mac ? NO_DEVID : (unsigned int)strtoul(device, NULL, 10)};
    struct err err = {0};
    int rc = amend_has_device(t, &amendment)
                 ? amend_apply(t, amend_device, &amendment, &err)
                 : err_set(&err, ENOENT, "Cannot find device %s", device);

    return rc < 0 ? verb_error(&err) : XM_OK;
}

static int run_detach(const struct verb *self, int argc, char **argv)
{
    bool force = argc > 3 && (strcmp(argv[3], "-f") == 0 || strcmp(argv[3], "--force") == 0);
    int rc = verb_check_arguments(self, argc, argv, 2, 2 + force);
    struct amend_target target;
    struct err err = {0};

    if (rc >= 0)
        return rc;
    if (amend_find(argv[1], &target, &err) < 0)
        return verb_error(&err);
    if (!target.entry.domid)
        return remove_from_config(&target, argv[2]);
    return detach(&target, argv[2], force);
}

const struct verb verb_network_list = {
    .name = "network-list",
    .arguments = "[-l] <Domain>",
    .summary = "List a domain's network interfaces.",
    .details = "  -l, --long   all that xenstore has of them\n",
    .run = run_list,
};

const struct verb verb_network_attach = {
    .name = "network-attach",
    .arguments = "<Domain> [KEY=VALUE]...",
    .summary = "Give a running domain one more network interface.",
    .details = "KEY=VALUE are those of vif=[...]: mac=... bridge=... type=user\n"
               "The script of its vif connects it to the host's network first.\n",
    .run = run_attach,
};

const struct verb verb_network_detach = {
    .name = "network-detach",
    .arguments = "<Domain> <DevId> [-f]",
    .summary = "Take a network interface away from a domain.",
    .details = "DevId is its number or MAC address.\n"
               "  -f, --force   also when the guest does not let go\n",
    .run = run_detach,
};
