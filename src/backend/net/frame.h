/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * frame.h - an Ethernet frame with what is still to be done to it: a checksum that is left to
 * whoever can do it cheapest, a TCP segment that is to be cut into smaller ones. Guests,
 * taps and passt each describe this in their own way; here is the common form.
 *
 * Frames lie in this process's own memory. Their content is whatever a guest or the network
 * sent, so every length in a header is checked against the frame's.
 */
#pragma once

#include "base/types.h"

#define NET_FRAME_MIN 14u /* an Ethernet header */
#define NET_FRAME_MAX 65535u

enum net_gso { NET_GSO_NONE, NET_GSO_TCPV4, NET_GSO_TCPV6 };

struct net_frame {
    uint8_t *data;
    size_t len;
    bool partial;         /* the TCP or UDP checksum field holds the pseudo header's sum only */
    bool validated;       /* that checksum is known to be right (or is partial) */
    enum net_gso gso;     /* to be cut; then partial is set, too */
    uint16_t gso_size;    /* payload of each piece */
    uint16_t csum_start;  /* with partial: where the TCP or UDP header starts */
    uint16_t csum_offset; /* with partial: the checksum field, from there */
    uint16_t header_len;  /* with gso: all headers */
};

/* Where the headers of a frame are. */
struct net_headers {
    unsigned int version; /* of IP: 4 or 6; 0 = not IP, or not whole */
    uint8_t protocol;     /* IPPROTO_TCP or IPPROTO_UDP; 0 = other, or a fragment */
    size_t ip, transport; /* offsets */
    size_t transport_len; /* header and payload, as IP tells it */
    size_t header_len;    /* up to the payload of TCP or UDP */
};

void net_headers_find(const uint8_t *data, size_t len, struct net_headers *ret);

/* A guest says that the checksum is left to us: find it, write the pseudo header's sum there,
 * set partial, csum_start, csum_offset and header_len. With f->gso set the frame must be of
 * that protocol. -EINVAL: it is no such frame. */
int net_frame_make_partial(struct net_frame *f) MUST_CHECK;
/* A partial checksum becomes a real one. */
void net_frame_complete(struct net_frame *f);
/* A TCP reset gets the flag that its acknowledgement number counts. */
void net_frame_acknowledge_reset(struct net_frame *f);
/* Does it carry data of TCP or UDP? */
bool net_frame_has_payload(const struct net_frame *f);
/* A number that is equal for frames of one flow. */
uint32_t net_frame_flow(const struct net_frame *f);
