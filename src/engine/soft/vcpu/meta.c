/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * meta.c - see meta.h.
 */
#include "engine/soft/vcpu/meta.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "engine/soft/layout.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/start.h"

static uint64_t next = V_META;

void meta_map(uint64_t addr, uint64_t size, bool exec)
{
    long r = sys_call6(__NR_mmap, (long)addr, (long)size,
                       PROT_READ | PROT_WRITE | (exec ? PROT_EXEC : 0),
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

    if ((uint64_t)r != addr)
        start_fail("cannot map the vCPU's tables", r);
}

void *meta_alloc(uint64_t size)
{
    uint64_t at = next;

    size = (size + PAGE_SIZE - 1) & PAGE_MASK;
    if (at + size > V_META + V_META_SIZE)
        start_fail("the vCPU's tables do not fit their region", 0);
    next = at + size;
    meta_map(at, size, false);
    return (void *)at;
}
