/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * device.h - what frontends share: grants, ports, a device's directories.
 */
#pragma once

#include "xenstore.h"

/* The grant table's first frame, version 1; mapped at the first call. */
volatile grant_entry_v1_t *grant_table(void);
uint32_t grant_page(const void *page, bool readonly); /* to domain 0; the reference */
void grant_again(uint32_t ref, const void *page);     /* an entry that was made before */
/* Has domain 0 let go of it? */
bool grant_is_idle(uint32_t ref);
/* Map what domain `dom` grants, and unmap it; handle and status are in the answer. */
struct gnttab_map_grant_ref grant_map(uint32_t ref, uint32_t flags, uint64_t at, domid_t dom);
int16_t grant_unmap(grant_handle_t handle, uint64_t at, uint64_t bus);
long alloc_port(void); /* for domain 0; masked. -errno */

struct device {
    char front[32]; /* "device/vbd/51712" */
    char back[64];  /* its backend's directory */
    const char *id; /* in front */
};

/* The device of that type that is number `index` in its directory. False: there is none. */
bool device_find(struct device *d, const char *type, unsigned int index);
/* Write our state, and wait for the backend's. False: it does not come. */
bool device_state(const struct device *d, long ours, long theirs);
