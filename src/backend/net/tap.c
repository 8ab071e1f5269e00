/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tap.c - see tap.h.
 */
#define _GNU_SOURCE
#include "backend/net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "base/cleanup.h"

/* Attach to the device. One that was made for many queues is used with one. */
static int attach(int fd, const char *name)
{
    const short flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    struct ifreq ifr = {.ifr_flags = flags};

    memcpy(ifr.ifr_name, name, strlen(name) + 1);
    if (ioctl(fd, TUNSETIFF, &ifr) == 0)
        return 0;
    if (errno != EINVAL)
        return -errno;
    ifr.ifr_flags = (short)(flags | IFF_MULTI_QUEUE);
    return ioctl(fd, TUNSETIFF, &ifr) == 0 ? 0 : -errno;
}

static int explain(int rc, const char *name, struct err *err)
{
    if (rc == -EPERM || rc == -EACCES)
        return err_set(err, EPERM,
                       "the tap device %s may not be opened or made by this user; run as root, or "
                       "use the network that needs no privilege: vif = ['type=user']",
                       name);
    if (rc == -EBUSY)
        return err_set(err, EBUSY, "the tap device %s is in use", name);
    if (rc == -EINVAL)
        return err_set(err, EINVAL, "%s exists and is no tap device", name);
    if (rc == -ENOENT || rc == -ENODEV)
        return err_set(err, ENODEV, "no tap devices here: /dev/net/tun: %s", strerror(-rc));
    return err_set(err, -rc, "tap device %s: %s", name, strerror(-rc));
}

int tap_open(const char *name, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    int header_size = (int)sizeof(struct virtio_net_hdr), rc;

    if (!name[0] || strlen(name) >= IFNAMSIZ)
        return err_set(err, EINVAL, "'%s': a device name has 1 to %d characters", name,
                       IFNAMSIZ - 1);
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    rc = fd < 0 ? -errno : attach(fd, name);
    if (rc == 0 && ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0)
        rc = -errno;
    return rc < 0 ? explain(rc, name, err) : STEAL_FD(fd);
}
