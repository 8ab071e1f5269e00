/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * shares.h - a domain's share of the host's CPU time: Xen's weight and cap, by a control group
 * where the host lets us have one, else the weight by nice values. It holds for all processes of
 * the domain, those of later lives included.
 */
#pragma once

#include "base/types.h"
#include "domain/cgroup.h"

#define SHARES_WEIGHT 256u /* everybody's */

struct shares {
    unsigned int weight, cap;
    struct cgroup group;
    int nice;  /* where there is no group: beyond `first` */
    int first; /* the nice value that the domain was started with */
};

/* 0, or -errno with a sentence: then nothing has changed. `name` is the domain's on this host. */
int shares_set(struct shares *s, const char *name, unsigned int weight, unsigned int cap,
               struct err *err) MUST_CHECK;
/* The same for the process of domain `domid`, which may be in its jail: *s is set to what is then.
 */
int shares_ask(struct shares *s, domid_t domid, unsigned int weight, unsigned int cap,
               struct err *err) MUST_CHECK;
/* launcher_service: sets the shares of its own domain. */
struct launcher_request;
struct launcher_reply;
int shares_service(const struct launcher_request *request, struct launcher_reply *reply);
/* "control group PATH", "nice value N", or "" while nothing was ever set. */
const char *shares_how(const struct shares *s, char *buf, size_t size);
/* The nice value that makes about `weight` of 256. */
int shares_nice(unsigned int weight);
