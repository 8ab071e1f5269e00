/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * link_tap.c - a tap device as a link. Each frame is one read or write, with a
 * virtio_net_hdr in front that tells what the checksum and segmentation state is. What the
 * host's kernel puts there is checked like everything else: it may come from another guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "backend/net/link.h"
#include "base/cleanup.h"
#include "base/log.h"

static int tap_send(struct net_link *l, const struct net_frame *f)
{
    struct virtio_net_hdr hdr = {0};
    struct iovec iov[2] = {{&hdr, sizeof(hdr)}, {f->data, f->len}};

    if (f->partial) {
        hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        hdr.csum_start = f->csum_start;
        hdr.csum_offset = f->csum_offset;
    } else if (f->validated) {
        hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;
    }
    if (f->gso) {
        hdr.gso_type =
            f->gso == NET_GSO_TCPV4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
        hdr.gso_size = f->gso_size;
        hdr.hdr_len = f->header_len;
    }
    if (writev(l->fd, iov, 2) >= 0)
        return 0;
    if (errno == EAGAIN) {
        l->blocked = true;
        return -EAGAIN;
    }
    if (errno == EBADFD)
        l->lost = true;
    return -EIO; /* the interface is down */
}

/* False: a frame that cannot be described to a guest. */
static bool read_header(const struct virtio_net_hdr *hdr, struct net_frame *f)
{
    f->partial = (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
    f->validated = f->partial || (hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID);
    f->csum_start = hdr->csum_start;
    f->csum_offset = hdr->csum_offset;
    f->header_len = hdr->hdr_len;
    f->gso_size = hdr->gso_size;
    switch (hdr->gso_type) {
    case VIRTIO_NET_HDR_GSO_NONE:
        f->gso = NET_GSO_NONE;
        break;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        f->gso = NET_GSO_TCPV4;
        break;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        f->gso = NET_GSO_TCPV6;
        break;
    default:
        return false;
    }
    return f->len >= NET_FRAME_MIN && (!f->gso || (f->partial && f->gso_size)) &&
           (!f->partial || (size_t)f->csum_start + f->csum_offset + 2 <= f->len);
}

static int tap_receive(struct net_link *l, uint8_t *buf, struct net_frame *f)
{
    struct virtio_net_hdr hdr;
    struct iovec iov[2] = {{&hdr, sizeof(hdr)}, {buf, NET_FRAME_MAX}};
    ssize_t n = readv(l->fd, iov, 2);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    if (n < 0) {
        l->lost = true;
        return -EAGAIN;
    }
    if ((size_t)n < sizeof(hdr))
        return -EIO;
    *f = (struct net_frame){.data = buf, .len = (size_t)n - sizeof(hdr)};
    return read_header(&hdr, f) ? 0 : -EIO;
}

static void tap_set_offload(struct net_link *l, bool partial, bool tso4, bool tso6)
{
    unsigned long flags = 0;

    /* Not TUN_F_TSO_ECN: netif has no words for it, so the host cuts those itself. */
    if (partial)
        flags |= TUN_F_CSUM;
    if (partial && tso4)
        flags |= TUN_F_TSO4;
    if (partial && tso6)
        flags |= TUN_F_TSO6;
    if (ioctl(l->fd, TUNSETOFFLOAD, flags) < 0)
        log_msg(LOG_WARN, "backend", "%s: offload cannot be set: %s", l->name, strerror(errno));
}

static void tap_destroy(struct net_link *l)
{
    close(l->fd);
    free(l);
}

static const struct net_link_ops tap_ops = {.send = tap_send,
                                            .receive = tap_receive,
                                            .set_offload = tap_set_offload,
                                            .destroy = tap_destroy};

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

int link_tap_open(struct net_link **ret, const char *name, struct err *err)
{
    CLEANUP_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int header_size = (int)sizeof(struct virtio_net_hdr);
    struct net_link *l;
    int rc = fd < 0 ? -errno : 0;

    if (!name[0] || strlen(name) >= IFNAMSIZ)
        return err_set(err, EINVAL, "'%s': a device name has 1 to %d characters", name,
                       IFNAMSIZ - 1);
    if (rc == 0)
        rc = attach(fd, name);
    if (rc == 0 && ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0)
        rc = -errno;
    if (rc < 0)
        return explain(rc, name, err);
    l = calloc(1, sizeof(*l));
    if (!l)
        return err_set(err, ENOMEM, "out of memory");
    l->ops = &tap_ops;
    l->fd = STEAL_FD(fd);
    l->finishes = true;
    snprintf(l->name, sizeof(l->name), "%s", name);
    tap_set_offload(l, false, false, false);
    *ret = l;
    return 0;
}
