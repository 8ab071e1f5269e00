/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * device.c - see device.h.
 */
#include "device.h"

#define TABLE 0x7f0000000ul
#define FIRST_REF 8 /* those below are reserved */

static uint32_t next_ref = FIRST_REF;

volatile grant_entry_v1_t *grant_table(void)
{
    static uint64_t list[1];
    static bool mapped;
    struct gnttab_setup_table arg = {.dom = DOMID_SELF, .nr_frames = 1};

    if (!mapped) {
        set_xen_guest_handle(arg.frame_list, list);
        if (grant_table_op(GNTTABOP_setup_table, &arg, 1) || arg.status ||
            map(TABLE, list[0], PTE_P | PTE_RW)) {
            error("no grant table");
            finish();
        }
        mapped = true;
    }
    return (volatile grant_entry_v1_t *)TABLE;
}

static void fill(uint32_t ref, const void *page, uint16_t flags)
{
    volatile grant_entry_v1_t *e = &grant_table()[ref];

    e->domid = 0;
    e->frame = (uint32_t)va_to_mfn(page);
    barrier();
    e->flags = flags;
}

uint32_t grant_page(const void *page, bool readonly)
{
    if (next_ref == PAGE_SIZE / sizeof(grant_entry_v1_t)) {
        error("out of grants");
        finish();
    }
    fill(next_ref, page, readonly ? GTF_permit_access | GTF_readonly : GTF_permit_access);
    return next_ref++;
}

void grant_again(uint32_t ref, const void *page)
{
    fill(ref, page, GTF_permit_access);
}

bool grant_is_idle(uint32_t ref)
{
    return !(grant_table()[ref].flags & (GTF_reading | GTF_writing));
}

struct gnttab_map_grant_ref grant_map(uint32_t ref, uint32_t flags, uint64_t at, domid_t dom)
{
    struct gnttab_map_grant_ref op = {
        .host_addr = at, .flags = flags, .ref = ref, .dom = dom, .status = 99};

    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0, "map_grant_ref");
    return op;
}

int16_t grant_unmap(grant_handle_t handle, uint64_t at, uint64_t bus)
{
    struct gnttab_unmap_grant_ref op = {
        .host_addr = at, .dev_bus_addr = bus, .handle = handle, .status = 99};

    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1), 0, "unmap_grant_ref");
    return op.status;
}

long alloc_port(void)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = 0};
    long rc = event_channel_op(EVTCHNOP_alloc_unbound, &alloc);

    return rc ? rc : (long)alloc.port;
}

static void append(char *to, const char *text)
{
    memcpy(to + strlen(to), text, strlen(text) + 1);
}

bool device_find(struct device *d, const char *type, unsigned int index)
{
    const char *name = xs_reply;

    *d = (struct device){.front = "device/"};
    append(d->front, type);
    if (xs_request(XS_DIRECTORY, XS_NO_TX, d->front, (uint32_t)strlen(d->front) + 1) !=
        XS_DIRECTORY)
        return false;
    for (; index && name < xs_reply + xs_reply_size; index--)
        name += strlen(name) + 1;
    if (name >= xs_reply + xs_reply_size || strlen(name) > 10)
        return false;
    append(d->front, "/");
    d->id = d->front + strlen(d->front);
    append(d->front, name);
    if (!xs_read(d->front, "backend") || xs_reply_size >= sizeof(d->back))
        return false;
    append(d->back, xs_reply);
    return true;
}

bool device_state(const struct device *d, long ours, long theirs)
{
    return xs_write_number(d->front, "state", (unsigned long)ours) &&
           xs_wait_number(d->back, "state", theirs);
}
