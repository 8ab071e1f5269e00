/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif_config.h - a network interface as the domain's document has it
 * (docs/internals/domain-config.md, "vifs").
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/types.h"

#define VIF_MAX_FORWARDS 32
#define VIF_MIN_MTU 68
#define VIF_MAX_MTU 65521

enum vif_type {
    VIF_TAP, /* a tap device of the host, for bridges and routes */
    VIF_USER /* passt: no privilege, no device */
};

/* A port of the host that leads to a port of the guest. */
struct vif_forward {
    bool udp;
    char address[48]; /* of the host; "" = all */
    uint16_t host_port, guest_port;
};

struct vif_config {
    unsigned int devid;
    enum vif_type type;
    char mac[18];
    char ifname[16];              /* of the tap; "" = vifDOMID.DEVID */
    char *bridge, *script, *ip;   /* "" = not given; for hotplug scripts, shown in the store */
    uint64_t rate_bytes, rate_us; /* what the guest may send; bytes 0 = no limit */
    unsigned int mtu;             /* 0 = not given */
    struct vif_forward forward[VIF_MAX_FORWARDS];
    unsigned int nr_forwards;
};

/* Read and check an object. 0, or -EINVAL; then *c needs no vif_config_done(). */
int vif_config_parse(struct vif_config *c, const json_t *object, struct err *err) MUST_CHECK;
void vif_config_done(struct vif_config *c);
const char *vif_type_text(enum vif_type type);
