/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * msr.c - see msr.h.
 */
#include "cpu/msr.h"

#include "cpu/cpuid.h"
#include "cpu/env.h"
#include "cpu/pv/abi.h"

#define MSR_TSC 0x10
#define MSR_APIC_BASE 0x1b
#define MSR_UCODE_REV 0x8b
#define MSR_PLATFORM_INFO 0xce
#define MSR_MISC_FEATURES 0x140
#define MSR_PERF_STATUS 0x198
#define MSR_PERF_CTL 0x199
#define MSR_THERM_STATUS 0x19c
#define MSR_MISC_ENABLE 0x1a0
#define MSR_PAT 0x277
#define MSR_PERF_CAPABILITIES 0x345
#define MSR_EFER 0xc0000080
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_TSC_AUX 0xc0000103
#define MSR_K8_HWCR 0xc0010015
#define MSR_AMD64_NB_CFG 0xc001001f
#define MSR_AMD64_DE_CFG 0xc0011029
#define MSR_XEN_HYPERCALL_PAGE 0x40000000

#define APIC_BASE_ENABLED 0xfee00800ull
#define APIC_BASE_BSP 0x100ull
#define MISC_ENABLE_FAST_STRING 1ull /* without it Linux patches ERMS out but not FSRM */
#define PAT_XEN 0x0000050100070406ull
#define EFER_LONG_MODE 0xd01ull /* SCE LME LMA NXE */
#define EFER_AUTOMATIC_IBRS (1ull << 21)
#define DE_CFG_LFENCE_SERIALIZE 2ull

#define HYPERCALL_SLOTS 128
#define HYPERCALL_IRET 23

static uint64_t read_tsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* No handler for #GP yet: early code probes without a net. */
static bool has_gp_handler(const struct vcpu *v)
{
    return v->pv.traps[VEC_GP].address != 0;
}

static int write_efer(struct vcpu *v, uint64_t value)
{
    bool ibrs = value & EFER_AUTOMATIC_IBRS;

    if ((value & ~EFER_AUTOMATIC_IBRS) != EFER_LONG_MODE || (ibrs && !cpuid_has_automatic_ibrs()))
        return -1;
    v->automatic_ibrs = ibrs;
    return 0;
}

int msr_read(struct vcpu *v, uint32_t nr, uint64_t *ret)
{
    *ret = 0;
    switch (nr) {
    case MSR_TSC:
        *ret = read_tsc();
        return 0;
    case MSR_APIC_BASE:
        *ret = APIC_BASE_ENABLED | (v->id == 0 ? APIC_BASE_BSP : 0);
        return 0;
    case MSR_MISC_ENABLE:
        *ret = MISC_ENABLE_FAST_STRING;
        return 0;
    case MSR_PAT:
        *ret = PAT_XEN;
        return 0;
    case MSR_EFER:
        *ret = EFER_LONG_MODE | (v->automatic_ibrs ? EFER_AUTOMATIC_IBRS : 0);
        return 0;
    case MSR_FS_BASE:
        *ret = v->fs_base;
        return 0;
    case MSR_GS_BASE:
        *ret = v->gs_base;
        return 0;
    case MSR_KERNEL_GS_BASE:
        *ret = v->gs_base_other;
        return 0;
    case MSR_TSC_AUX:
        *ret = v->tsc_aux;
        return 0;
    case MSR_AMD64_DE_CFG:
        *ret = DE_CFG_LFENCE_SERIALIZE;
        return 0;
    case MSR_UCODE_REV:
    case MSR_PLATFORM_INFO:
    case MSR_MISC_FEATURES:
    case MSR_PERF_STATUS:
    case MSR_PERF_CTL:
    case MSR_THERM_STATUS:
    case MSR_PERF_CAPABILITIES:
    case MSR_K8_HWCR:
    case MSR_AMD64_NB_CFG:
        return 0;
    default:
        return has_gp_handler(v) ? -1 : 0;
    }
}

static int write_base(uint64_t *base, uint64_t value)
{
    if (!pv_canonical(value))
        return -1;
    *base = value;
    return 0;
}

/* Slot n at n * 32: load n into eax, syscall. iret does not come back (ABI 1). */
static int fill_hypercall_page(uint64_t value)
{
    mfn_t mfn = value >> PAGE_SHIFT;
    uint8_t *page = env_frame(mfn);

    if (!page || (value & ~PAGE_MASK))
        return -1;
    for (unsigned int i = 0; i < PAGE_SIZE; i++)
        page[i] = 0xcc;
    for (unsigned int nr = 0; nr < HYPERCALL_SLOTS; nr++) {
        uint8_t *p = page + nr * 32;

        *p++ = 0x51; /* push rcx */
        *p++ = 0x41; /* push r11 */
        *p++ = 0x53;
        if (nr == HYPERCALL_IRET)
            *p++ = 0x50; /* push rax */
        *p++ = 0xb8;     /* mov eax, nr */
        *p++ = (uint8_t)nr;
        *p++ = 0;
        *p++ = 0;
        *p++ = 0;
        *p++ = 0x0f; /* syscall */
        *p++ = 0x05;
        if (nr == HYPERCALL_IRET)
            continue;
        *p++ = 0x41; /* pop r11 */
        *p++ = 0x5b;
        *p++ = 0x59; /* pop rcx */
        *p++ = 0xc3; /* ret */
    }
    env_frame_written(mfn);
    return 0;
}

int msr_write(struct vcpu *v, uint32_t nr, uint64_t value)
{
    switch (nr) {
    case MSR_FS_BASE:
        return write_base(&v->fs_base, value);
    case MSR_GS_BASE:
        return write_base(&v->gs_base, value);
    case MSR_KERNEL_GS_BASE:
        return write_base(&v->gs_base_other, value);
    case MSR_TSC_AUX:
        if (value >> 32)
            return -1;
        v->tsc_aux = (uint32_t)value;
        return 0;
    case MSR_EFER:
        return write_efer(v, value);
    case MSR_XEN_HYPERCALL_PAGE:
        return fill_hypercall_page(value);
    case MSR_TSC:
    case MSR_UCODE_REV:
    case MSR_PERF_STATUS:
    case MSR_PERF_CTL:
    case MSR_K8_HWCR:
    case MSR_AMD64_DE_CFG:
        return 0;
    default:
        return has_gp_handler(v) ? -1 : 0;
    }
}
