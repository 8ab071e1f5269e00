/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * seal.h - sees to it that changes of the guest kernel's page tables are counted, so that a flush
 * need not compare what nobody has changed. docs/internals/smp.md ("Tables") has the protocol.
 *
 * A table that is sealed is mapped writable by no vCPU: what changes it are hypercalls, which say
 * so (seal_written()), and stores that fault first (seal_open()). Versions are of groups of frames.
 */
#pragma once

#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/walk.h"

/* Is every change of it counted from now on? Ask before the table is read. upper: also by
 * seal_uppers(). */
static inline bool seal_holds(mfn_t table, bool upper)
{
    unsigned int want = FRAMES_SEALED | FRAMES_TOLD | (upper ? FRAMES_UPPER : 0);

    return (__atomic_load_n(&shared_frames[table], __ATOMIC_SEQ_CST) & want) == want;
}

/* How often tables of its group, and tables above level 1, have changed. */
static inline uint32_t seal_version(mfn_t table)
{
    return __atomic_load_n(&shared->tables[table % TABLE_GROUPS].version, __ATOMIC_SEQ_CST);
}

static inline uint32_t seal_uppers(void)
{
    return __atomic_load_n(&shared->uppers_version, __ATOMIC_SEQ_CST);
}

/* Somebody has written to the frame through V's linear map, and not through a mapping. */
void seal_written(mfn_t mfn);
/* Somebody is about to write to it in any way: it is sealed no longer. */
void seal_open(mfn_t mfn);

/* Wish for a table to be sealed; a few wishes are kept, and none for what is opened all the time.
 */
void seal_want(mfn_t table, bool upper);
/* Seal what was wished for. Waits for other vCPUs as a guard does (peers_guard_frames()): only
 * between two guest instructions. */
void seal_wanted(void);
bool seal_has_wishes(void);
