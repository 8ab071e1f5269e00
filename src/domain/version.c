/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * version.c - xen_version: what the guest is told about its hypervisor (ABI section 3.9).
 *
 * Fixed-size answers are zero to their end. The same texts are offered once more in buffers
 * of the caller's size.
 */
#include "domain/hypercall.h"
#include "domain/version.h"

#include <errno.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/features.h>
#include <xen/version.h>

/* Newer than the installed headers: the varbuf forms of 1, 3, 4 and 9. */
#define XENVER_VARBUF_EXTRAVERSION 11
#define XENVER_VARBUF_CAPABILITIES 12
#define XENVER_VARBUF_CHANGESET 13
#define XENVER_VARBUF_COMMANDLINE 14

/* The same of the feature bits. */
#define FEATURE_RUNSTATE_PHYS_AREA 18
#define FEATURE_VCPU_TIME_PHYS_AREA 19
#define FEATURE_DM_MSIX_ALL_WRITES 20

static const char extraversion[] = VERSION_EXTRA;
static const char capabilities[] = VERSION_CAPABILITIES;
static const char changeset[] = VERSION_CHANGESET;
static const char commandline[] = "";
static const uint8_t build_id[20] = "xenolith";

/* A text in a field of `size` bytes, zero-filled. */
static int64_t put_text(const struct hypercall *h, const char *text, size_t size)
{
    char buf[1024] = {0};

    strncpy(buf, text, size - 1);
    return hypercall_write(h, h->args[1], buf, size);
}

/* { u32 len; u8 buf[len] }: returns the size of the answer; NULL only asks for it. */
static int64_t put_varbuf(const struct hypercall *h, const void *data, size_t size)
{
    uint32_t room;

    if (!h->args[1])
        return (int64_t)size;
    if (hypercall_read(h, &room, h->args[1], sizeof(room)) < 0)
        return -EFAULT;
    if (room == 0)
        return -EINVAL;
    if (size > room)
        return -ENOBUFS;
    if (hypercall_write(h, h->args[1] + sizeof(room), data, size) < 0)
        return -EFAULT;
    return (int64_t)size;
}

static int64_t put_varbuf_text(const struct hypercall *h, const char *text)
{
    return put_varbuf(h, text, strlen(text));
}

static int64_t get_features(const struct hypercall *h)
{
    struct xen_feature_info fi;

    if (hypercall_read(h, &fi, h->args[1], sizeof(fi)) < 0)
        return -EFAULT;
    if (fi.submap_idx != 0)
        return -EINVAL;
    fi.submap = 1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist |
                1u << XENFEAT_gnttab_map_avail_bits | 1u << XENFEAT_memory_op_vnode_supported |
                1u << XENFEAT_direct_mapped | 1u << FEATURE_RUNSTATE_PHYS_AREA |
                1u << FEATURE_VCPU_TIME_PHYS_AREA | 1u << FEATURE_DM_MSIX_ALL_WRITES;
    if (h->d->vm_assist >> VMASST_TYPE_pae_extended_cr3 & 1)
        fi.submap |= 1u << XENFEAT_pae_pgdir_above_4gb;
    return hypercall_write(h, h->args[1], &fi, sizeof(fi));
}

static int64_t compile_info(const struct hypercall *h)
{
    const struct xen_compile_info ci = {.compiler = VERSION_COMPILER,
                                        .compile_by = VERSION_COMPILE_BY};

    return hypercall_write(h, h->args[1], &ci, sizeof(ci));
}

int64_t do_xen_version(const struct hypercall *h)
{
    const xen_platform_parameters_t platform = {.virt_start = HYPERVISOR_VIRT_START};

    switch ((uint32_t)h->args[0]) {
    case XENVER_version:
        return VERSION_MAJOR << 16 | VERSION_MINOR;
    case XENVER_extraversion:
        return put_text(h, extraversion, sizeof(xen_extraversion_t));
    case XENVER_compile_info:
        return compile_info(h);
    case XENVER_capabilities:
        return put_text(h, capabilities, sizeof(xen_capabilities_info_t));
    case XENVER_changeset:
        return put_text(h, changeset, sizeof(xen_changeset_info_t));
    case XENVER_platform_parameters:
        return hypercall_write(h, h->args[1], &platform, sizeof(platform));
    case XENVER_get_features:
        return get_features(h);
    case XENVER_pagesize:
        return h->args[1] ? -EINVAL : (int64_t)PAGE_SIZE;
    case XENVER_guest_handle:
        return hypercall_write(h, h->args[1], h->d->uuid, sizeof(h->d->uuid));
    case XENVER_commandline:
        return put_text(h, commandline, sizeof(xen_commandline_t));
    case XENVER_build_id:
        return put_varbuf(h, build_id, sizeof(build_id));
    case XENVER_VARBUF_EXTRAVERSION:
        return put_varbuf_text(h, extraversion);
    case XENVER_VARBUF_CAPABILITIES:
        return put_varbuf_text(h, capabilities);
    case XENVER_VARBUF_CHANGESET:
        return put_varbuf_text(h, changeset);
    case XENVER_VARBUF_COMMANDLINE:
        return put_varbuf_text(h, commandline);
    default:
        return -ENOSYS;
    }
}
