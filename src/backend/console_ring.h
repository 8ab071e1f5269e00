/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_ring.h - the PV console's shared page (struct xencons_interface), seen from the
 * backend. Pure functions on a page that the guest may write at any time: each index is
 * read once, and an impossible one costs the guest its own text, nothing else.
 */
#pragma once

#include "base/types.h"

#define CONSOLE_RING_IN 1024u
#define CONSOLE_RING_OUT 2048u

/* Bytes waiting in the guest's output, at most CONSOLE_RING_OUT; -EPROTO when the indices
 * are impossible. */
int console_ring_pending(const void *page);

/* Take up to size bytes of the guest's output. Returns their number. -EPROTO when the
 * indices were impossible: the ring was emptied. */
int console_ring_take(void *page, void *buf, size_t size);

/* Give the guest up to n bytes of input. Returns how many there was room for; -EPROTO when
 * the indices are impossible (nothing was written). */
int console_ring_put(void *page, const void *buf, size_t n);

/* Tell the guest that a backend is there (the `connection` field of newer ABIs). */
void console_ring_connect(void *page);
