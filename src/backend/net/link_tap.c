/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * link_tap.c - a tap device as a link. Each frame is one read or write, with a
 * virtio_net_hdr in front that tells what the checksum and segmentation state is. What the
 * host's kernel puts there is checked like everything else: it may come from another guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "backend/net/link.h"
#include "base/io.h"
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

int link_tap_create(struct net_link **ret, int fd, const char *name, struct err *err)
{
    struct net_link *l = calloc(1, sizeof(*l));
    int rc = l ? 0 : err_set(err, ENOMEM, "out of memory");

    if (rc == 0 && (ioctl(fd, TUNSETOFFLOAD, 0) < 0 || io_set_nonblock(fd, true) < 0))
        rc = err_set(err, EINVAL, "the descriptor for %s is no tap device's", name);
    if (rc < 0) {
        free(l);
        close(fd);
        return rc;
    }
    l->ops = &tap_ops;
    l->fd = fd;
    l->finishes = true;
    snprintf(l->name, sizeof(l->name), "%s", name);
    *ret = l;
    return 0;
}
