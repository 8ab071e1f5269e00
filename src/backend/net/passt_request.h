/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * passt_request.h - what a passt is asked to be, in numbers: who asks may have been taken over by
 * a guest, and passt has options that write files, so the words of its command line are made by
 * who executes it (passt.h), from what is checked here. Nothing here allocates or keeps anything;
 * all of it may be called in a process that was forked from one with threads.
 */
#pragma once

#include "backend/net/vif_config.h"

/* A port of the host that leads to a port of the guest. */
struct passt_forward {
    uint8_t udp;         /* 0 or 1 */
    uint8_t family;      /* of the address: 0 (all of them), 4 or 6 */
    uint8_t address[16]; /* of the host, in network order; the rest is 0 */
    uint16_t host_port, guest_port;
};

/* Without padding, so that two can be compared as bytes. */
struct passt_request {
    uint32_t local; /* 1: a network that ends at this host; else 0 */
    uint32_t mtu;   /* 0 = passt's own */
    uint32_t nr_forwards;
    struct passt_forward forward[VIF_MAX_FORWARDS];
};

#define PASST_FD 3 /* where passt finds its end of the socket */
#define PASST_MAX_WORDS (20 + 2 * VIF_MAX_FORWARDS)

struct passt_arguments {
    char *word[PASST_MAX_WORDS + 1]; /* the last is NULL; some point into the following */
    unsigned int count;
    char number[12], mtu[12];
    char forward[VIF_MAX_FORWARDS][80];
};

/* What an interface of type VIF_USER needs. */
void passt_request_make(struct passt_request *r, const struct vif_config *c, bool local);
/* Is it one that passt_request_make() could have made? */
bool passt_request_is_valid(const struct passt_request *r);
/* Do they ask for the same, whether their networks end at this host or not? Both are valid. */
bool passt_request_is_same(const struct passt_request *a, const struct passt_request *b);
/* passt's command line. *r is valid; *a must stay where it is. */
void passt_request_arguments(const struct passt_request *r, struct passt_arguments *a);
