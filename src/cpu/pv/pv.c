/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv.c - start of a PV vCPU. What the domain process set (registers, trap table, callbacks,
 * descriptor tables of an initialised secondary vCPU) stays; what it leaves zero and must
 * not be zero gets its reset value here.
 */
#include "cpu/pv/pv.h"

#include "cpu/env.h"
#include "cpu/pv/abi.h"
#include "cpu/pv/evtchn.h"
#include <xen/vcpu.h>

#define PERIODIC_AT_START 10000000ull /* ns: 100 Hz until the guest stops it, ABI section 8 */

__attribute__((weak)) unsigned int env_pin_level(mfn_t mfn)
{
    return 0;
}

__attribute__((weak)) void env_note_looked(mfn_t mfn, enum looked what)
{
}

__attribute__((weak)) enum looked env_looked(mfn_t mfn)
{
    return LOOKED_NEVER;
}

__attribute__((weak)) bool env_frame_is_writable(struct vcpu *v, mfn_t mfn)
{
    return false;
}

__attribute__((weak)) const struct evtchn_ctx *env_evtchn(void)
{
    return NULL;
}

__attribute__((weak)) bool env_ring(uint32_t port)
{
    return false;
}

__attribute__((weak)) bool env_kicked(void)
{
    return false;
}

__attribute__((weak)) void env_kick_vcpu(unsigned int id)
{
}

__attribute__((weak)) void env_tlb_flush_others(struct vcpu *v, uint64_t mask)
{
}

__attribute__((weak)) void env_tlb_invlpg_others(struct vcpu *v, uint64_t mask, gva_t va)
{
}

__attribute__((weak)) void env_runstate_changed(const struct vcpu *v)
{
}

/* What VCPUOP_initialise was given, where it is allowed. */
static void init_debug_registers(struct vcpu *v)
{
    static const struct {
        uint8_t reg;
        uint32_t reset;
    } regs[] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {6, 0xffff0ff0}, {7, 0x400}};
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(regs); i++) {
        uint64_t given = v->dr[regs[i].reg];

        v->dr[regs[i].reg] = regs[i].reset;
        if (given)
            (void)pv_debugreg_set(v, regs[i].reg, given); /* a bad one is left out */
    }
}

void pv_init(struct vcpu *v)
{
    struct pv_vcpu *pv = &v->pv;
    uint64_t now = env_now();
    unsigned int i;

    if (!pv->kernel_sp)
        pv->kernel_sp = v->gpr[RSP];
    for (i = (pv->gdt_entries + 511) / 512; i < PV_MAX_GDT_FRAMES; i++)
        pv->gdt_frames[i] = INVALID_MFN;
    init_debug_registers(v);

    pv->runstate_va = pv->time_va = 0;
    pv->runstate_pa = pv->time_pa = ~0ull;
    pv->time_va_stale = false;
    pv->runstate = RUNSTATE_running;
    pv->runstate_entry = now;
    __builtin_memset(pv->runstate_time, 0, sizeof(pv->runstate_time));
    /* The sum of the times is system time, from the first moment on. */
    pv->runstate_time[RUNSTATE_offline] = now;
    env_runstate_changed(v);

    /* After a restore nothing is armed, ABI section 17. */
    pv->singleshot_ns = 0;
    pv->periodic_ns = v->resumed ? 0 : PERIODIC_AT_START;
    pv->periodic_next = now + PERIODIC_AT_START;
    env_set_timer(v, pv_next_deadline(v));
    pv_time_update(v);
}
