/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * device.h - what frontends share: grants to domain 0, ports, a device's directories.
 */
#pragma once

#include "xenstore.h"

/* The grant table's first frame, version 1; mapped at the first call. */
volatile grant_entry_v1_t *grant_table(void);
uint32_t grant_page(const void *page, bool readonly); /* to domain 0; the reference */
void grant_again(uint32_t ref, const void *page);     /* an entry that was made before */
/* Has domain 0 let go of it? */
bool grant_is_idle(uint32_t ref);
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
