/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * network.c - xm network-list, network-attach and network-detach.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "config/vif_fallback.h"
#include "config/vif_spec.h"
#include "toolstack/client.h"
#include "xm/devices.h"
#include "toolstack/domains.h"
#include "toolstack/hotplug.h"

#define TIMEOUT_MS 5000

static void print_vif(struct xs_client *xs, const struct device_row *row)
{
    printf("%-3lld %-3lld%-17s    %-3lld   %-3lld    %-3lld   %-5lld/%-5lld   %-30s  \n", row->id,
           row->backend_id, row->mac, row->handle, row->state, row->evtchn,
           store_number(xs, "%s/tx-ring-ref", row->path),
           store_number(xs, "%s/rx-ring-ref", row->path), row->backend);
}

static int run_list(const struct verb *self, int argc, char **argv)
{
    return devices_run_list(self, argc, argv, "vif",
                            "Idx BE     MAC Addr.     handle state evt-ch tx-/rx-ring-ref BE-path",
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

/* KEY=VALUE arguments are one entry of vif=[...]. */
static int make_vif(const struct registry_entry *entry, int argc, char **argv, json_t **ret,
                    struct err *err)
{
    struct vif_identity identity = {entry->name, ""};
    json_t *info = domains_info(entry);
    const char *unused = NULL;
    char spec[2048] = "";
    unsigned int devid;
    int rc = free_devid(entry->domid, &devid, err);

    for (int i = 2; i < argc; i++)
        snprintf(spec + strlen(spec), sizeof(spec) - strlen(spec), "%s%s", i > 2 ? "," : "",
                 argv[i]);
    identity.uuid = json_get_string(info, "uuid", "");
    if (rc == 0)
        rc = vif_spec_parse(spec, devid, &identity, ret, &unused, err);
    if (rc == 0 && unused)
        fprintf(stderr, "Warning: %s has no effect\n", unused);
    if (rc == 0 && hotplug_is_for(*ret) && !vif_may_tap(json_get_string(*ret, "ifname", ""))) {
        vif_fall_back(*ret);
        fprintf(stderr, "Warning: " VIF_FALLBACK_SENTENCE "\n");
    }
    json_decref(info);
    return rc;
}

static int run_attach(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry;
    struct err err = {0};
    json_t *vif = NULL;
    int rc = verb_check_arguments(self, argc, argv, 1, 20);
    unsigned int devid;
    bool on_host;

    if (rc >= 0)
        return rc;
    for (int i = 2; i < argc; i++)
        if (!strchr(argv[i], '='))
            return verb_usage_error(self, "Invalid argument: %s", argv[i]);
    rc = domains_find(argv[1], &entry, &err);
    if (rc == 0)
        rc = make_vif(&entry, argc, argv, &vif, &err);
    on_host = rc == 0 && hotplug_is_for(vif);
    devid = (unsigned int)json_get_int(vif, "devid", 0);
    if (on_host)
        rc = hotplug_attach(&entry, vif, &err);
    if (rc < 0) {
        json_decref(vif);
        return verb_error(&err);
    }
    rc = devices_request(argv[1], json_pack("{s:s, s:o}", "verb", "network-attach", "vif", vif));
    if (rc != XM_OK && on_host && hotplug_detach(entry.domid, "vif", devid, &err) < 0)
        fprintf(stderr, "Warning: %s\n", err.msg);
    return rc;
}

static int run_detach(const struct verb *self, int argc, char **argv)
{
    bool force = argc > 3 && (strcmp(argv[3], "-f") == 0 || strcmp(argv[3], "--force") == 0);
    int rc = verb_check_arguments(self, argc, argv, 2, 2 + force);
    struct registry_entry entry;
    struct err err = {0};
    bool on_host;
    json_t *vif;

    if (rc >= 0)
        return rc;
    if (domains_find(argv[1], &entry, &err) < 0)
        return verb_error(&err);
    vif = devices_find(entry.domid, "vif", argv[2]);
    on_host = hotplug_is_for(vif);
    rc = devices_request(argv[1], json_pack("{s:s, s:s, s:b}", "verb", "network-detach", "device",
                                            argv[2], "force", force));
    if (rc == XM_OK && on_host)
        rc = devices_finish_detach(entry.domid, "vif", (unsigned int)json_get_int(vif, "devid", 0));
    json_decref(vif);
    return rc;
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
