/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tap.c - see tap.h.
 */
#define _GNU_SOURCE
#include "hotplug/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>

#include "base/cleanup.h"

/* What is called so: a tap, something else, or nothing. */
enum kind { KIND_NONE, KIND_TAP, KIND_OTHER };

/* Not by /sys, which shows the network namespace that it was mounted in. */
static enum kind look(const char *name)
{
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq ifr = {.ifr_data = (void *)&info};

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    if (fd < 0 || if_nametoindex(name) == 0)
        return KIND_NONE;
    return ioctl(fd, SIOCETHTOOL, &ifr) == 0 && strcmp(info.driver, "tun") == 0 &&
                   strcmp(info.bus_info, "tap") == 0
               ? KIND_TAP
               : KIND_OTHER;
}

/* Attach to a tap, which makes it if it is not there. The descriptor or -errno: -EINVAL for one
 * of many queues, which the domain process can use, too. */
static int attach(const char *name)
{
    CLEANUP_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};

    memcpy(ifr.ifr_name, name, strlen(name) + 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
        return -errno;
    return STEAL_FD(fd);
}

bool tap_exists(const char *name)
{
    return look(name) == KIND_TAP;
}

int tap_check(const char *name, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    enum kind kind;

    if (!name[0] || strlen(name) >= IFNAMSIZ)
        return err_set(err, EINVAL, "'%s': a device name has 1 to %d characters", name,
                       IFNAMSIZ - 1);
    kind = look(name);
    if (kind == KIND_OTHER)
        return err_set(err, EEXIST, "%s exists and is no tap device", name);
    if (kind == KIND_NONE)
        return 0;
    fd = attach(name);
    return fd == -EBUSY ? err_set(err, EBUSY, "the tap device %s is in use", name) : 0;
}

int tap_make(const char *name, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (look(name) == KIND_TAP)
        return 0;
    fd = attach(name);
    if (fd < 0)
        return err_set(err, -fd, "cannot make the tap device %s: %s", name, strerror(-fd));
    if (ioctl(fd, TUNSETPERSIST, 1) < 0)
        return err_set(err, errno, "cannot keep the tap device %s: %s", name, strerror(errno));
    return 0;
}

int tap_delete(const char *name, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (look(name) != KIND_TAP)
        return 0;
    fd = attach(name);
    if (fd < 0)
        return err_set(err, -fd, "cannot remove the tap device %s: %s", name, strerror(-fd));
    if (ioctl(fd, TUNSETPERSIST, 0) < 0)
        return err_set(err, errno, "cannot remove the tap device %s: %s", name, strerror(errno));
    return 0;
}
