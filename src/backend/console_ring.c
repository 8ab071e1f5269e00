/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_ring.c - see console_ring.h. Indices run freely and are masked by the ring sizes,
 * which are powers of two.
 */
#include "backend/console_ring.h"

#include <errno.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/console.h>

/* Newer than Debian's header: u8 at 0xc10, 0 = connected, 1 = disconnected. */
#define CONNECTION_OFFSET 0xc10

_Static_assert(offsetof(struct xencons_interface, out) == CONSOLE_RING_IN, "ABI");
_Static_assert(offsetof(struct xencons_interface, in_cons) == CONSOLE_RING_IN + CONSOLE_RING_OUT,
               "ABI");

static uint32_t load(const uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

int console_ring_pending(const void *page)
{
    const struct xencons_interface *ring = page;
    uint32_t n = load(&ring->out_prod) - load(&ring->out_cons);

    return n > CONSOLE_RING_OUT ? -EPROTO : (int)n;
}

int console_ring_take(void *page, void *buf, size_t size)
{
    struct xencons_interface *ring = page;
    uint32_t prod = load(&ring->out_prod);
    uint32_t cons = load(&ring->out_cons);
    uint32_t n = prod - cons;
    uint32_t at, first;

    if (n > CONSOLE_RING_OUT) {
        __atomic_store_n(&ring->out_cons, prod, __ATOMIC_RELEASE);
        return -EPROTO;
    }
    if (n > size)
        n = (uint32_t)size;
    at = cons & (CONSOLE_RING_OUT - 1);
    first = n < CONSOLE_RING_OUT - at ? n : CONSOLE_RING_OUT - at;
    memcpy(buf, ring->out + at, first);
    memcpy((char *)buf + first, ring->out, n - first);
    __atomic_store_n(&ring->out_cons, cons + n, __ATOMIC_SEQ_CST);
    return (int)n;
}

int console_ring_put(void *page, const void *buf, size_t n)
{
    struct xencons_interface *ring = page;
    uint32_t prod = load(&ring->in_prod);
    uint32_t used = prod - load(&ring->in_cons);
    uint32_t at, first;

    if (used > CONSOLE_RING_IN)
        return -EPROTO;
    if (n > CONSOLE_RING_IN - used)
        n = CONSOLE_RING_IN - used;
    at = prod & (CONSOLE_RING_IN - 1);
    first = n < CONSOLE_RING_IN - at ? (uint32_t)n : CONSOLE_RING_IN - at;
    memcpy(ring->in + at, buf, first);
    memcpy(ring->in, (const char *)buf + first, n - first);
    __atomic_store_n(&ring->in_prod, prod + (uint32_t)n, __ATOMIC_SEQ_CST);
    return (int)n;
}

void console_ring_connect(void *page)
{
    __atomic_store_n((uint8_t *)page + CONNECTION_OFFSET, 0, __ATOMIC_RELEASE);
}
