/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpuid.c - see cpuid.h. Features are allowed one by one: what a mask below does not name is
 * hidden, so new host CPUs bring nothing that was not thought about.
 */
#include "cpu/cpuid.h"

#include "cpu/creg.h"
#include "cpu/env.h"
#include "cpu/pv/abi.h"

#define MAX_BASIC 0xd
#define MAX_EXTENDED 0x80000021u
#define LAST_COPIED_EXTENDED 8 /* 0x80000009 to 0x80000020 stay zero */
#define MAX_CACHES 8
#define XEN_BASE 0x40000000u
#define XEN_LEAVES 5
#define MAX_MACHINE_WIDTH 44u /* 32-bit frame numbers */

#define BIT(n) (1u << (n))

/* Leaf 1 */
#define ECX1_XSAVE BIT(26)
#define ECX1_OSXSAVE BIT(27)
#define ECX1_AVX BIT(28)
#define ECX1_HYPERVISOR BIT(31)
/* SSE3 PCLMUL SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
#define ECX1_ALLOWED                                                                               \
    (BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) | BIT(23) |        \
     BIT(25) | ECX1_XSAVE | ECX1_AVX | BIT(29) | BIT(30))
/* FPU DE TSC MSR PAE CX8 APIC SEP CMOV PAT CLFLUSH MMX FXSR SSE SSE2 SS. Machine checks are
 * hidden altogether, so that their MSRs need not exist. */
#define EDX1_ALLOWED                                                                               \
    (BIT(0) | BIT(2) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(9) | BIT(11) | BIT(15) | BIT(16) |  \
     BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26) | BIT(27))

/* Leaf 7: FSGSBASE BMI1 AVX2 FDP BMI2 ERMS FCS AVX512{F,DQ} RDSEED ADX IFMA CLFLUSHOPT CLWB
 * AVX512{PF,ER,CD} SHA AVX512{BW,VL} */
#define EBX7_FSGSBASE BIT(0)
#define EBX7_AVX512 (BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31))
#define EBX7_ALLOWED                                                                               \
    (EBX7_FSGSBASE | BIT(3) | BIT(5) | BIT(6) | BIT(8) | BIT(9) | BIT(13) | BIT(18) | BIT(19) |    \
     BIT(23) | BIT(24) | BIT(29) | EBX7_AVX512)
/* VBMI VBMI2 GFNI VAES VPCLMUL VNNI BITALG VPOPCNTDQ RDPID */
#define ECX7_AVX512 (BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14))
#define ECX7_ALLOWED (BIT(8) | BIT(9) | BIT(10) | BIT(22) | ECX7_AVX512)
/* 4VNNIW 4FMAPS FSRM VP2INTERSECT MD_CLEAR SERIALIZE FP16 */
#define EDX7_AVX512 (BIT(2) | BIT(3) | BIT(8) | BIT(23))
#define EDX7_ALLOWED (BIT(4) | BIT(10) | BIT(14) | EDX7_AVX512)
/* Leaf 7.1: AVX-VNNI AVX512-BF16 FZRM FSRS FSRC AVX-IFMA; edx: AVX-VNNI-INT8 AVX-NE-CONVERT */
#define EAX71_AVX512 BIT(5)
#define EAX71_ALLOWED (BIT(4) | BIT(10) | BIT(11) | BIT(12) | BIT(23) | EAX71_AVX512)
#define EDX71_ALLOWED (BIT(4) | BIT(5))

/* Leaf 0x80000001: LAHF ABM SSE4A MISALIGNSSE PREFETCHW; SYSCALL NX MMXEXT RDTSCP LM, and
 * AMD's copies of leaf 1. */
#define ECXE1_ALLOWED (BIT(0) | BIT(5) | BIT(6) | BIT(7) | BIT(8))
#define EDXE1_COPIES 0x0183f3ffu
#define EDXE1_ALLOWED (BIT(11) | BIT(20) | BIT(22) | BIT(27) | BIT(29))
/* Leaf 0x80000008 ebx: CLZERO, XSAVEERPTR, SSB_NO, BTC_NO */
#define EBXE8_ALLOWED (BIT(0) | BIT(2) | BIT(26) | BIT(29))

/* Leaf 0x80000021, of AMD's: what they say of their speculation. A guest kernel's returns and
 * indirect jumps are never executed as such: they are translated, and its detours around them
 * (return thunks, retpolines, VERW) protect nothing and cost a tenth of each system call. So the
 * virtual CPU says that it needs none. What keeps programs from steering the translated jumps is
 * the host's own barrier between two processes (docs/security.md). */
#define EAXE21_NULL_SELECTOR_CLEARS_BASE BIT(6) /* that is how we emulate it */
#define EAXE21_AUTOMATIC_IBRS BIT(8)
#define EAXE21_SRSO_NO BIT(29)
#define ECXE21_TSA_NO (BIT(1) | BIT(2)) /* store queue, L1 */

#define EAXD1_XSAVES BIT(3)
#define XCR0_MAX 0xe7u /* x87 SSE AVX and the three of AVX-512 */
#define XCR0_AVX 0x04u
#define XCR0_AVX512 0xe0u
#define XSAVE_HEADER_END 576

struct leaf {
    uint32_t r[4];
};

enum { EAX, EBX, ECX, EDX };

static struct leaf basic[MAX_BASIC + 1], caches[MAX_CACHES], leaf7[2], xstate[64];
static struct leaf extended[LAST_COPIED_EXTENDED + 1], more_extended;
static uint64_t xcr0_max;

static struct leaf native(uint32_t leaf, uint32_t sub)
{
    struct leaf l;

    __asm__ volatile("cpuid"
                     : "=a"(l.r[EAX]), "=b"(l.r[EBX]), "=c"(l.r[ECX]), "=d"(l.r[EDX])
                     : "a"(leaf), "c"(sub));
    return l;
}

static uint64_t native_xcr0(void)
{
    uint32_t lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static void init_leaf1(void)
{
    struct leaf l = native(1, 0);

    xcr0_max = 0;
    if ((l.r[ECX] & ECX1_XSAVE) && (l.r[ECX] & ECX1_OSXSAVE)) {
        xcr0_max = native_xcr0() & XCR0_MAX;
        if ((xcr0_max & XCR0_AVX512) != XCR0_AVX512)
            xcr0_max &= ~(uint64_t)XCR0_AVX512;
    }
    l.r[EBX] = (l.r[EBX] & 0xffff) | 1u << 16; /* one logical CPU, APIC id 0 */
    l.r[ECX] &= ECX1_ALLOWED;
    l.r[EDX] &= EDX1_ALLOWED;
    if (!xcr0_max)
        l.r[ECX] &= ~ECX1_XSAVE;
    if (!(xcr0_max & XCR0_AVX))
        l.r[ECX] &= ~(ECX1_AVX | BIT(12) | BIT(29));
    l.r[ECX] |= ECX1_HYPERVISOR;
    basic[1] = l;
}

static void init_leaf7(void)
{
    for (uint32_t sub = 0; sub < ARRAY_SIZE(leaf7); sub++)
        leaf7[sub] = (struct leaf){{0}};
    if (basic[0].r[EAX] < 7)
        return;
    leaf7[0] = native(7, 0);
    if (leaf7[0].r[EAX] >= 1) {
        leaf7[0].r[EAX] = 1;
        leaf7[1] = native(7, 1);
    }
    leaf7[0].r[EBX] &= EBX7_ALLOWED;
    leaf7[0].r[ECX] &= ECX7_ALLOWED;
    leaf7[0].r[EDX] &= EDX7_ALLOWED;
    leaf7[1].r[EAX] &= EAX71_ALLOWED;
    leaf7[1].r[EBX] = leaf7[1].r[ECX] = 0;
    leaf7[1].r[EDX] &= EDX71_ALLOWED;
    if (!(xcr0_max & XCR0_AVX512)) {
        leaf7[0].r[EBX] &= ~EBX7_AVX512;
        leaf7[0].r[ECX] &= ~ECX7_AVX512;
        leaf7[0].r[EDX] &= ~EDX7_AVX512;
        leaf7[1].r[EAX] &= ~EAX71_AVX512;
    }
    if (!(xcr0_max & XCR0_AVX)) {
        leaf7[0].r[EBX] &= ~BIT(5);
        leaf7[0].r[ECX] &= ~(BIT(9) | BIT(10));
        leaf7[1].r[EAX] = leaf7[1].r[EDX] = 0;
    }
}

/* Leaf 0xd: the components' places are the host's; nothing optimised, compacted or
 * supervisor-only is offered (subleaf 1 is zero). */
static void init_xstate(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(xstate); i++)
        xstate[i] = (struct leaf){{0}};
    if (!xcr0_max || basic[0].r[EAX] < 0xd)
        return;
    for (unsigned int i = 2; i < 63; i++) {
        if (!(xcr0_max >> i & 1))
            continue;
        xstate[i] = native(0xd, i);
        xstate[i].r[ECX] = xstate[i].r[EDX] = 0;
    }
    xstate[0].r[EAX] = (uint32_t)xcr0_max;
    xstate[0].r[EDX] = xcr0_max >> 32;
    xstate[0].r[ECX] = cpuid_xsave_size(xcr0_max);
}

/* Deterministic cache parameters without their sharing counts: there is one CPU. */
static void init_caches(void)
{
    for (uint32_t i = 0; i < MAX_CACHES; i++) {
        caches[i] = (struct leaf){{0}};
        if (basic[0].r[EAX] < 4)
            continue;
        caches[i] = native(4, i);
        if (!(caches[i].r[EAX] & 0x1f)) {
            caches[i] = (struct leaf){{0}};
            return;
        }
        caches[i].r[EAX] &= 0x3fff;
    }
}

bool cpuid_is_amd(void)
{
    const uint32_t *r = basic[0].r;

    return r[EBX] == 0x68747541 && r[EDX] == 0x69746e65 && r[ECX] == 0x444d4163;
}

static void init_extended(void)
{
    uint32_t max = native(0x80000000u, 0).r[EAX], last = LAST_COPIED_EXTENDED;

    for (uint32_t i = 0; i < ARRAY_SIZE(extended); i++)
        extended[i] = (struct leaf){{0}};
    more_extended = (struct leaf){{0}};
    if (max < 0x80000001u || max >> 16 != 0x8000)
        return;
    if ((max & 0xffff) < last)
        last = max & 0xffff;
    for (uint32_t i = 0; i <= last; i++)
        extended[i] = native(0x80000000u + i, 0);
    max = 0x80000000u + last;
    if (cpuid_is_amd()) {
        max = MAX_EXTENDED;
        more_extended.r[EAX] =
            EAXE21_NULL_SELECTOR_CLEARS_BASE | EAXE21_AUTOMATIC_IBRS | EAXE21_SRSO_NO;
        more_extended.r[ECX] = ECXE21_TSA_NO;
    }
    extended[0].r[EAX] = max;
    extended[1].r[ECX] &= ECXE1_ALLOWED;
    extended[1].r[EDX] &= EDXE1_ALLOWED | (EDXE1_COPIES & basic[1].r[EDX]);
    extended[7] = (struct leaf){{0}}; /* no invariant TSC: the clock is Xen's */
    extended[8].r[EAX] &= 0xffff;
    extended[8].r[EBX] &= EBXE8_ALLOWED;
    extended[8].r[ECX] = extended[8].r[EDX] = 0;
}

void cpuid_init(void)
{
    basic[0] = native(0, 0);
    if (basic[0].r[EAX] > MAX_BASIC)
        basic[0].r[EAX] = MAX_BASIC;
    init_leaf1();
    /* 5 and 6 (power), 9 to 0xc (PMU, topology, DCA) stay zero; 2 is cache descriptors. */
    if (basic[0].r[EAX] >= 2)
        basic[2] = native(2, 0);
    init_leaf7();
    init_xstate();
    init_caches();
    init_extended();
}

bool cpuid_host_has_xsaves(void)
{
    return basic[0].r[EAX] >= 0xd && (native(0xd, 1).r[EAX] & EAXD1_XSAVES);
}

bool cpuid_has_automatic_ibrs(void)
{
    return more_extended.r[EAX] & EAXE21_AUTOMATIC_IBRS;
}

uint64_t cpuid_xcr0_max(void)
{
    return xcr0_max;
}

int cpuid_xsave_component(unsigned int component, uint32_t *offset, uint32_t *size)
{
    if (component < 2 || component > 62 || !(xcr0_max >> component & 1))
        return -1;
    *offset = xstate[component].r[EBX];
    *size = xstate[component].r[EAX];
    return 0;
}

uint32_t cpuid_xsave_size(uint64_t components)
{
    uint32_t total = XSAVE_HEADER_END, offset, size;

    for (unsigned int i = 2; i < 63; i++)
        if ((components >> i & 1) && !cpuid_xsave_component(i, &offset, &size) &&
            offset + size > total)
            total = offset + size;
    return total;
}

uint64_t cpuid_cr4_mask(void)
{
    return CR4_TSD | CR4_DE | (xcr0_max ? CR4_OSXSAVE : 0) |
           (leaf7[0].r[EBX] & EBX7_FSGSBASE ? CR4_FSGSBASE : 0);
}

/* Frequency that the scale factor of the time record stands for. */
static uint32_t tsc_khz(uint32_t mul, int8_t shift)
{
    uint64_t khz = (1000000ull << 32) / (mul ? mul : 1);

    return (uint32_t)(shift < 0 ? khz << -shift : khz >> shift);
}

static uint64_t scale_tsc(uint64_t tsc, uint32_t mul, int8_t shift)
{
    tsc = shift < 0 ? tsc >> -shift : tsc << shift;
    return (uint64_t)((unsigned __int128)tsc * mul >> 32);
}

static struct leaf xen_time_leaf(uint32_t sub)
{
    uint64_t stamp, system, offset;
    uint32_t mul;
    int8_t shift;

    env_time_params(&stamp, &system, &mul, &shift);
    offset = scale_tsc(stamp, mul, shift) - system;
    switch (sub) {
    case 0: /* host TSC reliable, rdtscp available; mode "never emulate" */
        return (struct leaf){{BIT(1) | BIT(2), 2, tsc_khz(mul, shift), 0}};
    case 1:
        return (struct leaf){{(uint32_t)offset, (uint32_t)(offset >> 32), mul, (uint8_t)shift}};
    case 2:
        return (struct leaf){{tsc_khz(mul, shift), 0, 0, 0}};
    default:
        return (struct leaf){{0}};
    }
}

/* Linux chooses grant table version 2, which is slower, where frame numbers may have more than
 * 32 bits. Ours never have. */
static uint32_t machine_width(void)
{
    uint32_t width = extended[8].r[EAX] & 0xff;

    return width < MAX_MACHINE_WIDTH ? width : MAX_MACHINE_WIDTH;
}

static struct leaf xen_leaf(uint32_t leaf, uint32_t sub)
{
    switch (leaf - XEN_BASE) {
    case 0: /* "XenVMMXenVMM" */
        return (struct leaf){{XEN_BASE + XEN_LEAVES, 0x566e6558, 0x65584d4d, 0x4d4d566e}};
    case 1:
        return (struct leaf){{PV_XEN_VERSION, 0, 0, 0}};
    case 2: /* one hypercall page, its MSR; MMU_PT_UPDATE_PRESERVE_AD is there */
        return (struct leaf){{1, 0x40000000, BIT(0), 0}};
    case 3:
        return xen_time_leaf(sub);
    case 5: /* PV: width of machine addresses */
        return (struct leaf){{0, machine_width(), 0, 0}};
    default:
        return (struct leaf){{0}};
    }
}

static struct leaf basic_leaf(const struct vcpu *v, uint32_t leaf, uint32_t sub, bool forced)
{
    struct leaf l = {{0}};

    if (leaf > basic[0].r[EAX])
        return l;
    switch (leaf) {
    case 1:
        l = basic[1];
        if ((l.r[ECX] & ECX1_XSAVE) && (forced || (v->cr4 & CR4_OSXSAVE)))
            l.r[ECX] |= ECX1_OSXSAVE;
        return l;
    case 4:
        return sub < MAX_CACHES ? caches[sub] : l;
    case 7:
        return sub < ARRAY_SIZE(leaf7) ? leaf7[sub] : l;
    case 0xd:
        if (sub >= ARRAY_SIZE(xstate))
            return l;
        l = xstate[sub];
        if (sub == 0 && xcr0_max)
            l.r[EBX] = cpuid_xsave_size(v->xcr0);
        return l;
    default:
        return basic[leaf];
    }
}

void cpuid_query(const struct vcpu *v, uint32_t leaf, uint32_t sub, bool forced, uint32_t out[4])
{
    struct leaf l = {{0}};

    if (leaf <= MAX_BASIC)
        l = basic_leaf(v, leaf, sub, forced);
    else if (leaf >= XEN_BASE && leaf <= XEN_BASE + XEN_LEAVES)
        l = xen_leaf(leaf, sub);
    else if (leaf >= 0x80000000u && leaf <= 0x80000000u + LAST_COPIED_EXTENDED)
        l = extended[leaf & 0xffff];
    else if (leaf == MAX_EXTENDED)
        l = more_extended;
    for (int i = 0; i < 4; i++)
        out[i] = l.r[i];
}
