/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cmdline.c - see cmdline.h.
 */
#include "config/cmdline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CMDLINE_MAX 1023 /* what start_info carries */

static bool is_whole(const struct config *c)
{
    return config_is_set(c, "cmdline");
}

const char *cmdline_root(const struct config *c)
{
    const char *root = config_string(c, "root", "");

    if (is_whole(c) || strstr(config_string(c, "extra", ""), "root="))
        return "";
    return strncmp(root, "root=", 5) == 0 ? root + 5 : root;
}

const char *cmdline_ip(struct config *c)
{
    const char *ip = config_string(c, "ip", "");
    const char *dhcp = config_string(c, "dhcp", "off");
    const char *server = config_string(c, "nfs_server", "");

    if (strcmp(dhcp, "yes") == 0 || strcmp(dhcp, "1") == 0)
        dhcp = "dhcp";
    if (is_whole(c) || (!ip[0] && strcmp(dhcp, "dhcp") != 0))
        return "";
    return arena_printf(config_arena(c), "%s:%s:%s:%s:%s:%s:%s", ip,
                        server[0] ? server : "127.0.255.255", config_string(c, "gateway", ""),
                        config_string(c, "netmask", ""), config_string(c, "hostname", ""),
                        config_string(c, "interface", "eth0"), dhcp);
}

int cmdline_extra(struct config *c, const char **ret, struct err *err)
{
    const char *nfs_root = config_string(c, "nfs_root", "");
    const char *server = config_string(c, "nfs_server", "");

    *ret = is_whole(c) ? config_string(c, "cmdline", "") : config_string(c, "extra", "");
    if (is_whole(c) || !nfs_root[0])
        return 0;
    if (!server[0])
        return err_set(err, EINVAL, "%s: nfs_root needs nfs_server", config_place(c, "nfs_root"));
    *ret = arena_printf(config_arena(c), "nfsroot=%s:%s%s%s", server, nfs_root,
                        (*ret)[0] ? " " : "", *ret);
    return 0;
}

int cmdline_make(struct config *c, const char **ret, struct err *err)
{
    const char *root = cmdline_root(c), *ip = cmdline_ip(c), *extra;
    size_t n;
    char *line;
    int rc = cmdline_extra(c, &extra, err);

    if (rc < 0)
        return rc;
    if (is_whole(c) && (config_is_set(c, "root") || config_is_set(c, "extra")))
        config_warn(c, "%s: cmdline is given, so root and extra are ignored",
                    config_place(c, "cmdline"));
    line = arena_printf(config_arena(c), "%s%s%s%s%s%s%s", root[0] ? "root=" : "", root,
                        root[0] ? " " : "", ip[0] ? "ip=" : "", ip, ip[0] ? " " : "", extra);
    n = strlen(line);
    while (n > 0 && line[n - 1] == ' ')
        line[--n] = '\0';
    if (n > CMDLINE_MAX)
        return err_set(err, EINVAL,
                       "%s: the kernel's command line has %zu characters, more than the %d that a "
                       "guest can be given",
                       config_path(c), n, CMDLINE_MAX);
    *ret = line;
    return 0;
}
