/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * seal.c - see seal.h. One vCPU seals at a time. It sets SEALED, has everybody take away their
 * writable mappings, counts a change, for there may have been some, then sets TOLD, unless the
 * seal was opened meanwhile. So who finds both flags, and after them the version that it knows,
 * knows the table.
 */
#include "engine/soft/vcpu/seal.h"

#include "engine/soft/vcpu/peers.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/vtlb.h"

#define WISHES (MAIL_MAX / 2) /* they have to fit into a box of mail */
#define OPENED_MAX 8          /* sealing costs more than comparing what is opened so often */

static struct {
    mfn_t table;
    bool upper;
} wishes[WISHES];
static unsigned int nr_wishes;

static struct table_group *group_of(mfn_t table)
{
    return &shared->tables[table % TABLE_GROUPS];
}

static void count(mfn_t table, bool upper)
{
    __atomic_fetch_add(&group_of(table)->version, 1, __ATOMIC_SEQ_CST);
    if (upper)
        __atomic_fetch_add(&shared->uppers_version, 1, __ATOMIC_SEQ_CST);
}

void seal_written(mfn_t mfn)
{
    uint16_t flags = __atomic_load_n(&shared_frames[mfn], __ATOMIC_SEQ_CST);

    if (flags & FRAMES_SEALED)
        count(mfn, flags & FRAMES_UPPER);
}

void seal_open(mfn_t mfn)
{
    uint16_t was;

    if (!(__atomic_load_n(&shared_frames[mfn], __ATOMIC_SEQ_CST) & FRAMES_SEALED))
        return;
    was = __atomic_fetch_and(&shared_frames[mfn],
                             (uint16_t) ~(FRAMES_SEALED | FRAMES_TOLD | FRAMES_UPPER),
                             __ATOMIC_SEQ_CST);
    count(mfn, was & FRAMES_UPPER);
    if (group_of(mfn)->opened < OPENED_MAX)
        __atomic_fetch_add(&group_of(mfn)->opened, 1, __ATOMIC_RELAXED);
}

void seal_want(mfn_t table, bool upper)
{
    if (group_of(table)->opened >= OPENED_MAX)
        return;
    for (unsigned int i = 0; i < nr_wishes; i++)
        if (wishes[i].table == table) {
            wishes[i].upper |= upper;
            return;
        }
    if (nr_wishes == WISHES)
        return;
    wishes[nr_wishes].table = table;
    wishes[nr_wishes++].upper = upper;
}

bool seal_has_wishes(void)
{
    return nr_wishes;
}

/* Everybody has been told. */
static void complete(mfn_t table, bool upper)
{
    uint16_t flags = __atomic_load_n(&shared_frames[table], __ATOMIC_SEQ_CST);

    count(table, upper);
    while ((flags & FRAMES_SEALED) &&
           !__atomic_compare_exchange_n(&shared_frames[table], &flags,
                                        (uint16_t)(flags | FRAMES_TOLD), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
        continue;
}

void seal_wanted(void)
{
    unsigned int n = nr_wishes;
    mfn_t tables[WISHES];

    nr_wishes = 0;
    if (__atomic_exchange_n(&shared->sealing, 1, __ATOMIC_SEQ_CST))
        return; /* another vCPU does; the next flush will wish again */
    for (unsigned int i = 0; i < n; i++) {
        uint16_t flags = FRAMES_SEALED | (wishes[i].upper ? FRAMES_UPPER : 0);

        tables[i] = wishes[i].table;
        __atomic_fetch_or(&shared_frames[tables[i]], flags, __ATOMIC_SEQ_CST);
        vtlb_protect_frame(tables[i]);
    }
    peers_seal_frames(tables, n);
    for (unsigned int i = 0; i < n; i++)
        complete(tables[i], wishes[i].upper);
    __atomic_store_n(&shared->sealing, 0, __ATOMIC_SEQ_CST);
}
