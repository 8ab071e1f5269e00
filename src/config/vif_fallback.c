/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif_fallback.c - see vif_fallback.h.
 */
#define _GNU_SOURCE
#include "config/vif_fallback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/types.h"

#include <linux/capability.h>

#define STATUS_MAX 65536

static bool has_net_admin(void)
{
    CLEANUP_FREE char *text = NULL;
    const char *line;
    size_t len;

    if (io_read_file("/proc/self/status", STATUS_MAX, &text, &len, NULL) < 0)
        return geteuid() == 0;
    line = strstr(text, "\nCapEff:");
    return line && (strtoull(line + strlen("\nCapEff:"), NULL, 16) >> CAP_NET_ADMIN & 1);
}

/* A tap that root has made for this user. */
static bool is_own_tap(const char *ifname)
{
    CLEANUP_FREE char *text = NULL;
    char path[64], *end;
    size_t len;
    unsigned long owner;

    snprintf(path, sizeof(path), "/sys/class/net/%.15s/owner", ifname);
    if (!ifname[0] || io_read_file(path, 64, &text, &len, NULL) < 0)
        return false;
    owner = strtoul(text, &end, 10);
    return end != text && owner == geteuid();
}

bool vif_may_tap(const char *ifname)
{
    return has_net_admin() || is_own_tap(ifname);
}

void vif_fall_back(json_t *vif)
{
    static const char *const tap_only[] = {"bridge", "script", "ip", "gatewaydev", "ifname"};

    json_object_set_new(vif, "type", json_string("user"));
    for (size_t i = 0; i < ARRAY_SIZE(tap_only); i++)
        json_object_del(vif, tap_only[i]);
}
