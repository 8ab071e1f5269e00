/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * segment.c - descriptor tables and segment bases (ABI 3.2, 3.3, 3.5).
 *
 * The tables stay in guest memory and are read when a selector is loaded, as hardware does;
 * nothing is cached, so updates need no action here.
 */
#include "cpu/pv/segment.h"

#include "cpu/env.h"
#include "cpu/pv/hypercall.h"
#include "cpu/pv/pv.h"

#define ENTRIES_PER_FRAME (PAGE_SIZE / 8)

/* Xen's part of every GDT that ring 3 can use: entries 7172, 7173, 7174. */
static const uint64_t flat_descriptors[] = {
    0x00cffb000000ffff, /* 0xe023: 32-bit code */
    0x00cff3000000ffff, /* 0xe02b: data */
    0x00affb000000ffff, /* 0xe033: 64-bit code */
};

#define FIRST_FLAT_ENTRY (FLAT_RING3_CS32 >> 3)

static int read_gdt(struct vcpu *v, unsigned int index, uint64_t *desc)
{
    const uint64_t *frame;

    if (index >= PV_FIRST_RESERVED_GDT_ENTRY) {
        index -= FIRST_FLAT_ENTRY;
        if (index >= ARRAY_SIZE(flat_descriptors))
            return -1;
        *desc = flat_descriptors[index];
        return 0;
    }
    if (index >= v->pv.gdt_entries || index < 1)
        return -1;
    frame = env_frame(v->pv.gdt_frames[index / ENTRIES_PER_FRAME]);
    if (!frame)
        return -1;
    *desc = __atomic_load_n(&frame[index % ENTRIES_PER_FRAME], __ATOMIC_RELAXED);
    return 0;
}

int pv_descriptor_read(struct vcpu *v, uint16_t sel, uint64_t desc[1])
{
    unsigned int index = sel >> 3;
    struct fault f;
    int rc;

    if (!(sel & 4))
        rc = read_gdt(v, index, desc);
    else if (index >= v->pv.ldt_entries)
        rc = -1;
    else
        rc = env_read_kernel(v, v->pv.ldt_base + index * 8u, desc, 8, &f);
    /* Xen gives code and data DPL 3 when a table comes into use. */
    if (!rc && (*desc & DESC_P) && (*desc & DESC_S))
        *desc |= 3ull << 45;
    return rc;
}

unsigned int segment_code_fault(struct vcpu *v, uint16_t sel, uint64_t *desc)
{
    *desc = 0;
    if (pv_descriptor_read(v, sel, desc) || !(*desc & DESC_S) || !(DESC_TYPE(*desc) & DESC_CODE))
        return VEC_GP;
    return *desc & DESC_P ? 0 : VEC_NP;
}

bool segment_is_64bit_code(struct vcpu *v)
{
    uint64_t desc;

    return pv_descriptor_read(v, v->cs, &desc) || (desc & DESC_L);
}

unsigned int segment_stack_fault(struct vcpu *v, uint16_t sel)
{
    uint64_t d;

    if (pv_descriptor_read(v, sel, &d) || !(d & DESC_S) || (DESC_TYPE(d) & DESC_CODE) ||
        !(DESC_TYPE(d) & DESC_READABLE) || (sel & 3) != 3)
        return VEC_GP;
    return d & DESC_P ? 0 : VEC_SS;
}

unsigned int segment_data_fault(struct vcpu *v, uint16_t sel, uint64_t *desc)
{
    *desc = 0;
    if (!(sel & ~3u))
        return 0;
    if (pv_descriptor_read(v, sel, desc) || !(*desc & DESC_S) ||
        ((DESC_TYPE(*desc) & DESC_CODE) && !(DESC_TYPE(*desc) & DESC_READABLE)))
        return VEC_GP;
    return *desc & DESC_P ? 0 : VEC_NP;
}

int64_t pv_do_set_gdt(struct vcpu *v, uint64_t args[5])
{
    uint64_t frames[PV_MAX_GDT_FRAMES];
    uint32_t entries = (uint32_t)args[1];
    unsigned int i, nr;

    if (entries > PV_FIRST_RESERVED_GDT_ENTRY)
        return -XEN_EINVAL;
    nr = (entries + ENTRIES_PER_FRAME - 1) / ENTRIES_PER_FRAME;
    if (hypercall_copy_from(v, frames, args[0], nr * sizeof(frames[0])))
        return -XEN_EFAULT;
    for (i = 0; i < nr; i++)
        if (!env_frame(frames[i]) || env_frame_is_writable(v, frames[i]))
            return -XEN_EINVAL;

    for (i = 0; i < PV_MAX_GDT_FRAMES; i++)
        v->pv.gdt_frames[i] = i < nr ? frames[i] : INVALID_MFN;
    v->pv.gdt_entries = entries;
    return 0;
}

/* Make a descriptor harmless in Xen's way, or refuse it. */
static bool fix_descriptor(uint64_t *desc)
{
    uint64_t d = *desc;

    if (!(d & DESC_P) || (!(d & DESC_S) && DESC_TYPE(d) == 0))
        return true; /* faults on use */
    if (d & DESC_S) {
        *desc = d | 3ull << 45;
        return true;
    }
    if (DESC_TYPE(d) != 12 || (d >> 32 & 0xe0))
        return false;
    /* A call gate: DPL 0, so that using it faults and can be emulated; to a selector of ring 3. */
    *desc = (d & ~(3ull << 45)) | 3ull << 16;
    return true;
}

int64_t pv_do_update_descriptor(struct vcpu *v, uint64_t args[5])
{
    mfn_t mfn = args[0] >> PAGE_SHIFT;
    uint8_t *frame = env_frame(mfn);
    uint64_t desc = args[1];

    if (!frame || (args[0] & 7) || !fix_descriptor(&desc))
        return -XEN_EINVAL;
    __atomic_store_n((uint64_t *)(frame + (args[0] & ~PAGE_MASK)), desc, __ATOMIC_RELEASE);
    env_frame_written(mfn);
    return 0;
}

int64_t pv_do_stack_switch(struct vcpu *v, uint64_t args[5])
{
    v->pv.kernel_ss = (uint16_t)args[0];
    v->pv.kernel_sp = args[1];
    return 0;
}

/* Load the user's %gs from the kernel. Linux takes a failure for a bug, so a bad selector
 * becomes the null one. */
static void load_user_gs(struct vcpu *v, uint16_t sel)
{
    uint64_t desc;

    if (segment_data_fault(v, sel, &desc)) {
        sel = 0;
        desc = 0;
    }
    v->gs = sel;
    v->gs_base_other = segment_base(desc);
}

int64_t pv_do_set_segment_base(struct vcpu *v, uint64_t args[5])
{
    if ((uint32_t)args[0] == SEGBASE_GS_USER_SEL) {
        load_user_gs(v, (uint16_t)args[1]);
        return 0;
    }
    if (!pv_canonical(args[1]))
        return -XEN_EINVAL;
    switch ((uint32_t)args[0]) {
    case SEGBASE_FS:
        v->fs_base = args[1];
        return 0;
    case SEGBASE_GS_USER:
        v->gs_base_other = args[1];
        return 0;
    case SEGBASE_GS_KERNEL:
        v->gs_base = args[1];
        return 0;
    default:
        return -XEN_EINVAL;
    }
}
