/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crash-give-away - a guest that gives its console, its page tables and its root back: it is
 * ended with a reason, and with nothing else.
 */
#include "guest.h"

static void give(uint64_t frame)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, &frame);
    memory_op(XENMEM_decrease_reservation, &r);
}

static void flush(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};

    mmuext_op(&op, 1, NULL);
}

void test_main(void)
{
    uint64_t tables = va_to_mfn((void *)start_info->pt_base);
    uint64_t *page = page_alloc();

    print("expecting a crash\n");
    console_drain();
    give(start_info->console.domU.mfn);
    for (unsigned int i = 0; i < 100; i++)
        print("to nobody\n");
    give(va_to_mfn(shared_info));
    for (uint64_t i = start_info->nr_pt_frames; i-- > 0;) {
        give(tables + i);
        flush();
        page[0] = i;
    }
    shutdown(SHUTDOWN_crash);
}
