/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * guest.h - a frontend without a kernel: rings, grants and ports in the memory of a domain
 * fixture, and a link that remembers what went out and hands in what a test puts there.
 */
#pragma once

#include "../domain/harness.h"
#include "backend/net/netif.h"
#include "backend/net/ring.h"

#include <xen/io/netif.h>

#define GUEST_QUEUES 2
/* Frames for packet data, one grant each: grant reference = frame number. */
#define DATA_FIRST 20u
#define DATA_COUNT 60u

struct fake_link {
    struct net_link link;
    struct net_frame sent[64];
    unsigned int nr_sent;
    bool refuse; /* send() says -EAGAIN */
    struct net_frame in[64];
    unsigned int nr_in, next_in;
    void (*when_empty)(void); /* called when receive() finds nothing more */
    bool partial, tso4, tso6; /* as set_offload() was told */
};

struct guest {
    struct netif *n;
    struct netif_config config;
    struct fake_link link;
    netif_tx_sring_t *tx[GUEST_QUEUES];
    netif_rx_sring_t *rx[GUEST_QUEUES];
    uint32_t tx_prod[GUEST_QUEUES], rx_prod[GUEST_QUEUES];
    uint32_t tx_cons[GUEST_QUEUES], rx_cons[GUEST_QUEUES]; /* responses that were read */
    char failed[256];
};

extern struct guest *guest;

/* A connected interface with every feature, without a worker: tests call netif_work(). */
int guest_setup(void **state);
int guest_setup_two_queues(void **state);
int guest_teardown(void **state);
/* Connect anew after guest->config was changed. */
void guest_reconnect(void);

/* Bytes of a data frame. */
uint8_t *guest_page(uint32_t ref);
void guest_grant(uint32_t ref, uint16_t flags);
bool guest_grant_in_use(uint32_t ref);
/* Put requests on ring 0 without publishing them. */
void guest_tx(uint32_t ref, unsigned int offset, unsigned int size, unsigned int flags);
void guest_tx_extra(struct netif_extra_info extra);
void guest_rx(unsigned int queue, uint32_t ref);
void guest_publish(void);
/* The next response of ring 0; fails the test when there is none. */
struct netif_tx_response guest_tx_response(void);
struct netif_rx_response guest_rx_response(unsigned int queue);
bool guest_has_tx_response(void);
bool guest_has_rx_response(unsigned int queue);
/* Is the port of a queue pending? Clears it. */
bool guest_event(port_t port);

/* Let the link have a frame for the guest. The bytes are copied. */
void guest_link_put(struct net_frame f);

/* Frames to play with: an Ethernet header with these payloads; returns the length. */
size_t make_tcp4(uint8_t *to, size_t payload);
size_t make_tcp6(uint8_t *to, size_t payload);
size_t make_udp4(uint8_t *to, size_t payload);
/* Is the TCP or UDP checksum of a whole frame right? By a plain sum of 16-bit words. */
bool checksum_is_right(const uint8_t *frame, size_t len);
