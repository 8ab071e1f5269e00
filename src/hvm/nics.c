/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nics.c - the network cards of a machine. A tap device is opened once, before the jail, and kept
 * over reboots, so that it stays in its bridge; passt is started anew with each life, since the
 * old device model may have left half a frame in the socket. The launcher has to know before the
 * jail for which cards.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/net/passt.h"
#include "backend/net/tap.h"
#include "backend/net/vif_open.h"
#include "base/log.h"
#include "hvm/hvm_priv.h"

static int take_model(struct hvm_nic *n, const json_t *object, struct err *err)
{
    static const char *const models[] = {"rtl8139", "e1000",     "e1000e",  "ne2k_pci",
                                         "pcnet",   "i82551",    "i82557b", "i82559er",
                                         "virtio",  "virtio-net"};
    const char *model = json_get_string(object, "model", "rtl8139");

    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        if (strcmp(model, models[i]) == 0) {
            snprintf(n->model, sizeof(n->model), "%s", model);
            return 0;
        }
    }
    return err_set(err, EINVAL, "vif %u: model '%.40s' is unknown", n->config.devid, model);
}

int hvm_nics_prepare(const json_t *vifs, struct err *err)
{
    struct vif_config config;
    const json_t *object;
    size_t i;
    int rc = 0;

    json_array_foreach(vifs, i, object)
    {
        rc = vif_config_parse(&config, object, err);
        if (rc < 0)
            return rc;
        if (config.type == VIF_USER)
            rc = passt_permit(&config, err);
        vif_config_done(&config);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int open_nic(struct hvm *h, const json_t *object, struct err *err)
{
    struct hvm_nic *n = &h->nics[h->nr_nics];
    int rc;

    if (h->nr_nics == HVM_MAX_NICS)
        return err_set(err, EINVAL, "a fully virtualized guest has up to %d network cards",
                       HVM_MAX_NICS);
    memset(n, 0, sizeof(*n));
    n->tap_fd = -1;
    rc = vif_config_parse(&n->config, object, err);
    if (rc < 0)
        return rc;
    rc = take_model(n, object, err);
    vif_tap_name(&n->config, h->o->domid, n->tap);
    if (rc == 0 && n->config.type == VIF_TAP)
        n->tap_fd = rc = tap_open(n->tap, err);
    if (rc < 0)
        vif_config_done(&n->config);
    else
        h->nr_nics++;
    return rc < 0 ? rc : 0;
}

int hvm_nics_open(struct hvm *h, const json_t *vifs, struct err *err)
{
    const json_t *object;
    size_t i;
    int rc = 0;

    json_array_foreach(vifs, i, object)
    {
        if (rc == 0)
            rc = open_nic(h, object, err);
    }
    return rc;
}

void hvm_nics_close(struct hvm *h)
{
    for (unsigned int i = 0; i < h->nr_nics; i++) {
        if (h->nics[i].tap_fd >= 0)
            close(h->nics[i].tap_fd);
        vif_config_done(&h->nics[i].config);
    }
    h->nr_nics = 0;
}

/* The descriptor for the device model, new. */
static int nic_fd(const struct hvm_nic *n, struct err *err)
{
    bool local = false;
    int fd;

    if (n->tap_fd >= 0)
        return fcntl(n->tap_fd, F_DUPFD_CLOEXEC, 3);
    fd = passt_start(&n->config, &local, err);
    if (fd >= 0 && local)
        log_msg(LOG_WARN, "backend", PASST_LOCAL_SENTENCE);
    return fd;
}

int hvm_nics_describe(struct hvm *h, struct hvm_machine *m, struct hvm_fds *fds, struct err *err)
{
    for (unsigned int i = 0; i < h->nr_nics; i++) {
        const struct hvm_nic *n = &h->nics[i];
        int fd = nic_fd(n, err);

        if (fd < 0)
            return err->code ? -err->code
                             : err_set(err, EMFILE, "vif %u: out of descriptors", n->config.devid);
        m->nics[i] = (struct hvm_nic_args){
            .devid = n->config.devid,
            .model = n->model,
            .mac = n->config.mac,
            .tap = n->tap_fd >= 0,
            .fd = hvm_fds_add(fds, fd),
        };
    }
    m->nr_nics = h->nr_nics;
    return 0;
}

json_t *hvm_nics_list(const struct hvm *h)
{
    json_t *list = json_array();

    for (unsigned int i = 0; list && i < h->nr_nics; i++) {
        const struct hvm_nic *n = &h->nics[i];

        (void)json_array_append_new(
            list, json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "devid",
                            (int)n->config.devid, "mac", n->config.mac, "type",
                            vif_type_text(n->config.type), "model", n->model, "link",
                            n->tap_fd >= 0 ? n->tap : "passt", "bridge", n->config.bridge, "ip",
                            n->config.ip, "state", h->model ? 4 : 0)); /* connected */
    }
    return list;
}
