/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * frame.c - see frame.h.
 */
#include "backend/net/frame.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define ETH_TYPE 12
#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8
#define MAX_VLAN_TAGS 2
#define MAX_IPV6_OPTIONS 8
#define TCP_CHECKSUM 16
#define UDP_CHECKSUM 6
#define TCP_MIN 20u
#define TCP_FLAGS 13
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define UDP_LEN 8u
#define IPV4_MIN 20u
#define IPV6_LEN 40u

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* --- finding headers -------------------------------------------------------------------- */

static void find_ipv4(const uint8_t *data, size_t len, size_t ip, struct net_headers *h)
{
    size_t header, total;

    if (len - ip < IPV4_MIN || data[ip] >> 4 != 4)
        return;
    header = (size_t)(data[ip] & 15) * 4;
    total = get16(data + ip + 2);
    if (header < IPV4_MIN || total < header || total > len - ip)
        return;
    h->version = 4;
    h->transport = ip + header;
    h->transport_len = total - header;
    /* Not in a fragment: there is no whole payload to sum over. */
    if (!(get16(data + ip + 6) & 0x3fff))
        h->protocol = data[ip + 9];
}

/* Step over options in front of the transport header. */
static void find_ipv6(const uint8_t *data, size_t len, size_t ip, struct net_headers *h)
{
    size_t at = ip + IPV6_LEN, end;
    uint8_t next;

    if (len - ip < IPV6_LEN || data[ip] >> 4 != 6)
        return;
    end = at + get16(data + ip + 4);
    next = data[ip + 6];
    if (end > len)
        return;
    for (int i = 0; i < MAX_IPV6_OPTIONS; i++) {
        size_t option;

        if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
            break;
        if (end - at < 8)
            return;
        option = ((size_t)data[at + 1] + 1) * 8;
        if (end - at < option)
            return;
        next = data[at];
        at += option;
    }
    h->version = 6;
    h->protocol = next;
    h->transport = at;
    h->transport_len = end - at;
}

void net_headers_find(const uint8_t *data, size_t len, struct net_headers *h)
{
    size_t at = ETH_TYPE;
    uint16_t type;

    memset(h, 0, sizeof(*h));
    if (len < NET_FRAME_MIN)
        return;
    type = get16(data + at);
    at += 2;
    for (int i = 0; i < MAX_VLAN_TAGS && (type == TYPE_VLAN || type == TYPE_QINQ); i++) {
        if (len - at < 4)
            return;
        type = get16(data + at + 2);
        at += 4;
    }
    h->ip = at;
    if (type == TYPE_IPV4)
        find_ipv4(data, len, at, h);
    else if (type == TYPE_IPV6)
        find_ipv6(data, len, at, h);
    if (h->protocol == IPPROTO_TCP && h->transport_len >= TCP_MIN) {
        size_t tcp = (size_t)(data[h->transport + 12] >> 4) * 4;

        h->header_len = h->transport + tcp;
        if (tcp < TCP_MIN || tcp > h->transport_len)
            h->protocol = 0;
    } else if (h->protocol == IPPROTO_UDP && h->transport_len >= UDP_LEN) {
        h->header_len = h->transport + UDP_LEN;
    } else {
        h->protocol = 0;
    }
}

/* --- checksums -------------------------------------------------------------------------- */

/* One's-complement sum in memory order, not folded: eight bytes a step. */
static uint64_t sum_bytes(const uint8_t *p, size_t n, uint64_t sum)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;

        memcpy(&word, p, 8);
        sum += word;
        sum += sum < word;
    }
    if (n > 0) {
        uint64_t word = 0;

        memcpy(&word, p, n);
        sum += word;
        sum += sum < word;
    }
    return sum;
}

/* Still in memory order, as it is stored. */
static uint16_t fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}

static uint16_t pseudo_sum(const uint8_t *data, const struct net_headers *h)
{
    const uint8_t *ip = data + h->ip;
    uint8_t tail[8] = {
        0, 0, (uint8_t)(h->transport_len >> 8), (uint8_t)h->transport_len, 0, 0, 0, h->protocol};
    uint64_t sum = sum_bytes(tail, sizeof(tail), 0);

    return fold(h->version == 4 ? sum_bytes(ip + 12, 8, sum) : sum_bytes(ip + 8, 32, sum));
}

int net_frame_make_partial(struct net_frame *f)
{
    struct net_headers h;
    uint16_t sum;

    net_headers_find(f->data, f->len, &h);
    if (!h.protocol)
        return -EINVAL;
    if (f->gso && (h.protocol != IPPROTO_TCP || h.version != (f->gso == NET_GSO_TCPV4 ? 4 : 6) ||
                   !f->gso_size))
        return -EINVAL;
    /* Nothing to cut: an ordinary frame. */
    if (f->gso && f->len - h.header_len <= f->gso_size)
        f->gso = NET_GSO_NONE;
    sum = pseudo_sum(f->data, &h);
    f->partial = true;
    f->validated = true;
    f->csum_start = (uint16_t)h.transport;
    f->csum_offset = h.protocol == IPPROTO_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
    f->header_len = (uint16_t)h.header_len;
    memcpy(f->data + f->csum_start + f->csum_offset, &sum, sizeof(sum));
    return 0;
}

void net_frame_complete(struct net_frame *f)
{
    size_t end = f->len;
    struct net_headers h;
    uint16_t sum;

    if (!f->partial)
        return;
    f->partial = false;
    if ((size_t)f->csum_start + f->csum_offset + sizeof(sum) > f->len)
        return;
    /* Padding of a short frame is not part of it. */
    net_headers_find(f->data, f->len, &h);
    if (h.protocol && h.transport == f->csum_start)
        end = h.transport + h.transport_len;
    sum = (uint16_t)~fold(sum_bytes(f->data + f->csum_start, end - f->csum_start, 0));
    /* In UDP zero means that there is no checksum. */
    if (sum == 0 && f->csum_offset == UDP_CHECKSUM)
        sum = 0xffff;
    memcpy(f->data + f->csum_start + f->csum_offset, &sum, sizeof(sum));
}

void net_frame_acknowledge_reset(struct net_frame *f)
{
    struct net_headers h;
    uint8_t *flags;

    net_headers_find(f->data, f->len, &h);
    flags = f->data + h.transport + TCP_FLAGS;
    if (h.protocol != IPPROTO_TCP || (*flags & (TCP_RST | TCP_ACK)) != TCP_RST)
        return;
    *flags |= TCP_ACK;
    if (net_frame_make_partial(f) == 0)
        net_frame_complete(f);
}

bool net_frame_has_payload(const struct net_frame *f)
{
    struct net_headers h;

    net_headers_find(f->data, f->len, &h);
    return h.protocol && h.header_len < h.transport + h.transport_len;
}

uint32_t net_frame_flow(const struct net_frame *f)
{
    struct net_headers h;
    uint64_t sum = 0;

    net_headers_find(f->data, f->len, &h);
    if (!h.version)
        return 0;
    sum = h.version == 4 ? sum_bytes(f->data + h.ip + 12, 8, h.protocol)
                         : sum_bytes(f->data + h.ip + 8, 32, h.protocol);
    if (h.protocol)
        sum = sum_bytes(f->data + h.transport, 4, sum);
    return (uint32_t)((sum * 0x9e3779b97f4a7c15ull) >> 32);
}
