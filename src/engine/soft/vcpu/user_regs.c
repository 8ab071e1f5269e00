/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_regs.c - see user_regs.h.
 *
 * Selectors: the guest's flat ring-3 segments exist on the host under the same numbers (0x33,
 * 0x2b, compat 0x23) or are Xen's (0xe033, 0xe02b, 0xe023), which the host has not. Data
 * selectors that the host does not know are replaced by a flat one and shown unchanged;
 * thread-local ones of 32-bit programs and those of the LDT are known to it (user_segment.c).
 */
#include "engine/soft/vcpu/user_regs.h"

#include "cpu/creg.h"
#include "cpu/pv/pv.h"
#include "cpu/pv/segment.h"
#include "engine/soft/vcpu/patch.h"
#include "engine/soft/vcpu/user_segment.h"

#define HOST_CS64 0x33
#define HOST_CS32 0x23
#define HOST_DS 0x2b
#define XEN_CS64 0xe033
#define XEN_CS32 0xe023
#define XEN_DS 0xe02b
#define SELECTOR_LDT 4u

/* The stub's code segment of the same mode; the guest has others in its tables. */
static uint16_t host_cs(struct vcpu *v, const struct stub *s)
{
    uint64_t desc;

    if (user_segment_is_mirrored_code(s, v->cs))
        return v->cs;
    switch (v->cs) {
    case HOST_CS64:
    case XEN_CS64:
        return HOST_CS64;
    case XEN_CS32:
        return HOST_CS32;
    default:
        return pv_descriptor_read(v, v->cs, &desc) || (desc & DESC_L) ? HOST_CS64 : HOST_CS32;
    }
}

static uint16_t host_data(const struct stub *s, uint16_t guest)
{
    if (guest <= 3 || guest == HOST_DS || guest == HOST_CS32 || guest == HOST_CS64)
        return guest;
    return user_segment_is_mirrored(s, guest) ? guest : HOST_DS;
}

static uint64_t canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16);
}

static bool rip_is_possible(gva_t rip, const struct space *sp, struct fault *f)
{
    bool in_stub = stub_is_at(sp->stub->kind, rip);

    if (rip < STUB_USER_END && !in_stub)
        return true;
    if (rip != canonical(rip) || (in_stub && user_tlb_maps(sp->root, rip)))
        *f = (struct fault){.vector = VEC_GP, .has_error = true};
    else
        *f = (struct fault){.vector = VEC_PF, .has_error = true, .error = PF_U | PF_I, .cr2 = rip};
    return false;
}

bool user_regs_store(struct vcpu *v, const struct space *sp, struct fault *f)
{
    struct stub_x *x = sp->stub->x;
    struct stub_regs *r = &x->regs;
    uint16_t ds, es, fs, gs, cs;
    uint64_t rflags = (v->rflags & EFLAGS_USER) | EFLAGS_IF | 2;
    uint32_t mode = 0;

    if (!rip_is_possible(v->rip, sp, f))
        return false;
    user_segment_mirror_ldt(v, sp->stub);
    cs = host_cs(v, sp->stub);
    user_segment_mirror(v, sp->stub, cs != HOST_CS64);
    sp->stub->tsc_traps = v->cr4 & CR4_TSD;
    ds = host_data(sp->stub, v->ds);
    es = host_data(sp->stub, v->es);
    fs = host_data(sp->stub, v->fs);
    gs = host_data(sp->stub, v->gs);
    for (int i = 0; i < 16; i++)
        r->gpr[i] = v->gpr[i];
    r->rip = patch_rip_enter(v, sp, &rflags);
    r->rsp = v->gpr[RSP];
    r->cs = cs;
    r->ss = v->ss & SELECTOR_LDT ? host_data(sp->stub, v->ss) : HOST_DS;
    r->rflags = rflags;
    r->fs_base = canonical(v->fs_base);
    r->gs_base = canonical(v->gs_base);
    if (cs != HOST_CS64 || r->ss != HOST_DS || (v->rflags & (EFLAGS_TF | EFLAGS_RF)))
        mode |= STUB_MODE_IRET;
    if (cs != HOST_CS64) {
        ds = ds <= 3 ? HOST_DS : ds;
        es = es <= 3 ? HOST_DS : es;
    }
    if (r->ds != ds || r->es != es || r->fs != fs || r->gs != gs || sp->stub->rolled_back) {
        mode |= STUB_MODE_SEGS;
        r->ds = ds;
        r->es = es;
        r->fs = fs;
        r->gs = gs;
    }
    x->mode = mode;
    return true;
}

/* What the guest sees: its own number, unless the program has loaded another. `flat`: a null one
 * was made flat, see user_regs_store(). */
static uint16_t guest_data(const struct stub *s, uint16_t guest, uint16_t host, bool flat)
{
    return host_data(s, guest) == host || (flat && guest <= 3 && host == HOST_DS) ? guest : host;
}

void user_regs_load(struct vcpu *v, const struct space *sp)
{
    struct stub_regs r = sp->stub->x->regs;
    uint16_t cs = (uint16_t)r.cs;
    bool flat = host_cs(v, sp->stub) != HOST_CS64;

    for (int i = 0; i < 16; i++)
        v->gpr[i] = r.gpr[i];
    v->gpr[RSP] = r.rsp;
    v->rip = patch_rip_leave(sp, r.rip);
    v->rflags = (r.rflags & EFLAGS_USER) | EFLAGS_IF | 2;
    v->fs_base = canonical(r.fs_base);
    v->gs_base = canonical(r.gs_base);
    if (host_cs(v, sp->stub) != cs)
        v->cs = cs == HOST_CS32 || user_segment_is_mirrored_code(sp->stub, cs) ? cs : HOST_CS64;
    if ((r.ss & SELECTOR_LDT) && user_segment_is_mirrored(sp->stub, (uint16_t)r.ss))
        v->ss = (uint16_t)r.ss;
    else if (v->ss != HOST_DS && v->ss != XEN_DS)
        v->ss = HOST_DS;
    v->ds = guest_data(sp->stub, v->ds, r.ds, flat);
    v->es = guest_data(sp->stub, v->es, r.es, flat);
    v->fs = guest_data(sp->stub, v->fs, r.fs, false);
    v->gs = guest_data(sp->stub, v->gs, r.gs, false);
}
