/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * msr-list - claim: each MSR that a PV guest can expect reads as it should, takes the writes it
 * should and refuses others with #GP(0) at the instruction; all else is #GP; both halves of the
 * value go through the low halves of rax and rdx; TSC_AUX is what rdtscp gives, the base registers
 * are what segments use; while there is no #GP handler a bad rdmsr reads 0.
 *
 * Blind spots: values that depend on the host (microcode, MISC_ENABLE).
 */
#include "guest.h"

static bool rdmsr(uint32_t msr, uint64_t *value)
{
    uint64_t low = ~0ul, high = ~0ul;

    trap_reset();
    asm volatile(EX_TRY("rdmsr") : "+a"(low), "+d"(high) : "c"(msr));
    if (last_trap.vector == -1)
        CHECK_EQ((low | high) >> 32, 0, "upper halves after rdmsr of 0x%x", msr);
    *value = high << 32 | low;
    return last_trap.vector == -1;
}

static bool wrmsr(uint32_t msr, uint64_t value)
{
    trap_reset();
    asm volatile(EX_TRY("wrmsr")
                 :
                 : "a"(value | 0xabcdul << 32), "d"(value >> 32 | 0xabcdul << 32),
                   "c"((uint64_t)msr | 0xabcdul << 32));
    return last_trap.vector == -1;
}

/* Is it #GP(0) at the instruction itself? */
static bool was_gp(void)
{
    const uint8_t *insn = (const uint8_t *)last_trap.rip;

    return last_trap.vector == 13 && last_trap.error == 0 && insn[0] == 0x0f &&
           (insn[1] == 0x30 || insn[1] == 0x32);
}

static void check_values(void)
{
    static const struct {
        uint32_t msr;
        uint64_t value, mask;
        const char *name;
    } known[] = {
        {0x1b, 0xfee00900, ~0ul, "APIC_BASE"},
        {0xc0000080, 0xd01, 0xfff, "EFER"},
        {0x277, 0x050100070406, ~0ul, "PAT"},
        {0x345, 0, ~0ul, "PERF_CAPABILITIES"},
        {0x198, 0, ~0ul, "PERF_STATUS"},
        {0x199, 0, ~0ul, "PERF_CTL"},
        {0x19c, 0, ~0ul, "THERM_STATUS"},
        {0xc0010015, 0, ~0ul, "HWCR"},
        {0xc001001f, 0, ~0ul, "NB_CFG"},
        {0xc0011029, 2, 2, "DE_CFG"},
        {0x8b, 0, 0, "UCODE_REV"},
        {0xce, 0, 0, "PLATFORM_INFO"},
        {0x140, 0, 0, "MISC_FEATURES_ENABLES"},
        {0xc0000100, 0, 0, "FS_BASE"},
        {0xc0000103, 0, 0xffffffff00000000, "TSC_AUX"},
    };
    uint64_t value, tsc = rdtsc();

    for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
        CHECK(rdmsr(known[i].msr, &value), "%s: #GP", known[i].name);
        CHECK_EQ(value & known[i].mask, known[i].value, "%s", known[i].name);
    }
    CHECK(rdmsr(0x10, &value) && value >= tsc && value <= rdtsc(), "TSC 0x%lx", value);
}

static void check_writes(void)
{
    uint64_t efer, value, tsc;

    rdmsr(0xc0000080, &efer);
    CHECK(wrmsr(0xc0000080, efer), "EFER, same value: #GP");
    CHECK(!wrmsr(0xc0000080, efer ^ 1) && was_gp(), "EFER without SCE");
    CHECK(!wrmsr(0xc0000080, efer ^ 0x800) && was_gp(), "EFER without NXE");
    CHECK(!wrmsr(0xc0000080, efer | 0x1000) && was_gp(), "EFER with SVME");
    CHECK(!wrmsr(0xc0000080, efer | 1ul << 63) && was_gp(), "EFER with bit 63");
    CHECK(rdmsr(0xc0000080, &value) && value == efer, "EFER after these");
    rdmsr(0x277, &value);
    CHECK(!wrmsr(0x277, value) && was_gp(), "PAT can be written");
    tsc = rdtsc();
    CHECK(wrmsr(0x10, 5), "TSC: #GP");
    CHECK(rdtsc() > tsc, "the TSC was set");
    CHECK(wrmsr(0x199, 0x1000), "PERF_CTL: #GP");
    CHECK(!wrmsr(0x1b, 0xfee00000) && was_gp(), "APIC_BASE can be written");
    CHECK(!wrmsr(0x345, 1) && was_gp(), "PERF_CAPABILITIES can be written");
}

static void check_none(void)
{
    static const uint32_t none[] = {
        0x0,        0x17,       0x3a,       0x48,       0x49,       0x174,      0x175,
        0x176,      0x1d9,      0x200,      0x2ff,      0x38f,      0x480,      0x6e0,
        0x802,      0xda0,      0x40000001, 0x40000200, 0x4b564d00, 0xc0000081, 0xc0000082,
        0xc0000083, 0xc0000084, 0xc0000104, 0xc0010010, 0xc0010114, 0xc0010117, 0xffffffff,
    };
    uint64_t value;

    for (unsigned int i = 0; i < ARRAY_SIZE(none); i++) {
        CHECK(!rdmsr(none[i], &value) && was_gp(), "MSR 0x%x can be read", none[i]);
        CHECK(!wrmsr(none[i], 0) && was_gp(), "MSR 0x%x can be written", none[i]);
    }
    CHECK(!rdmsr(0x40000000, &value) || value == 0, "the hypercall page's MSR reads 0x%lx", value);
    CHECK(!wrmsr(0x40000000, 0xffffffffff000) && was_gp(), "a hypercall page in no frame");
    CHECK(!wrmsr(0x40000000, (va_to_mfn(page_alloc()) << PAGE_SHIFT) + 1) && was_gp(),
          "page 1 of one page");
}

static void check_bases(void)
{
    static const uint32_t bases[] = {0xc0000100, 0xc0000101, 0xc0000102};
    static uint64_t words[2] = {111, 222};
    uint64_t value;

    for (unsigned int i = 0; i < ARRAY_SIZE(bases); i++) {
        CHECK(wrmsr(bases[i], (uintptr_t)words), "base 0x%x: #GP", bases[i]);
        CHECK(rdmsr(bases[i], &value) && value == (uintptr_t)words, "it reads 0x%lx", value);
        CHECK(!wrmsr(bases[i], 0x800000000000) && was_gp(), "non-canonical base 0x%x", bases[i]);
        CHECK(!wrmsr(bases[i], 0xffff7ffffffffff8) && was_gp(), "the last of them");
        CHECK(rdmsr(bases[i], &value) && value == (uintptr_t)words, "then it reads 0x%lx", value);
        CHECK(wrmsr(bases[i], 0x7ffffffffff8) && wrmsr(bases[i], 0xffff800000000000),
              "canonical ends");
        wrmsr(bases[i], (uintptr_t)words);
    }
    asm volatile("mov %%fs:8, %0" : "=r"(value));
    CHECK_EQ(value, 222, "through fs");
    asm volatile("mov %%gs:0, %0" : "=r"(value));
    CHECK_EQ(value, 111, "through gs");
}

#define FAR 0x700000000000ul

/* A base in the user half, as far up as programs have theirs. */
static void check_far_base(void)
{
    uint64_t value = 0, *page = page_alloc();

    page[2] = 333;
    wrmsr(0xc0000101, FAR);
    trap_reset();
    asm volatile(EX_TRY("mov %%gs:16, %0") : "+r"(value));
    CHECK_EQ(last_trap.vector, 14, "through gs, not mapped: vector");
    CHECK_EQ(last_trap.cr2, FAR + 16, "its address");
    CHECK_EQ(map(FAR, va_to_mfn(page), PTE_P | PTE_RW), 0, "map");
    trap_reset();
    asm volatile(EX_TRY("mov %%gs:16, %0") : "+r"(value));
    CHECK_EQ(last_trap.vector, -1, "through gs, mapped: vector");
    CHECK_EQ(value, 333, "what was read");
    wrmsr(0xc0000101, 0x7ffffffffff8);
    trap_reset();
    asm volatile(EX_TRY("mov %%gs:8, %0") : "+r"(value));
    CHECK_EQ(last_trap.vector, 13, "through gs, not canonical: vector");
}

static void check_tsc_aux(void)
{
    uint32_t r[4], aux = 0;
    uint64_t value;

    CHECK(wrmsr(0xc0000103, 0x12345678), "TSC_AUX: #GP");
    CHECK(rdmsr(0xc0000103, &value) && value == 0x12345678, "TSC_AUX 0x%lx", value);
    CHECK(!wrmsr(0xc0000103, 1ul << 32) && was_gp(), "more than 32 bits");
    cpuid_forced(0x80000001, 0, r);
    if (r[3] >> 27 & 1) {
        asm volatile("rdtscp" : "=c"(aux) : : "eax", "edx");
        CHECK_EQ(aux, 0x12345678, "what rdtscp gives");
    }
    cpuid_forced(7, 0, r);
    if (r[2] >> 22 & 1) {
        asm volatile(".byte 0xf3, 0x0f, 0xc7, 0xf8" : "=a"(value)); /* rdpid rax */
        CHECK_EQ(value, 0x12345678, "what rdpid gives");
    }
}

/* An empty table, as at the start. */
static void check_early(void)
{
    uint64_t low = 1, high = 1;

    CHECK_EQ(set_trap_table(NULL), 0, "no trap table");
    asm volatile("rdmsr" : "+a"(low), "+d"(high) : "c"(0x12345678));
    trap_init();
    CHECK_EQ(low | high, 0, "an MSR that is not there, without a #GP handler");
    CHECK(!rdmsr(0x12345678, &low) && was_gp(), "the same with one");
}

#define CODE 0x400000ul

asm(".section .user, \"ax\"\n"
    "user_rdmsr: rdmsr\n"
    ".text\n");
extern char user_rdmsr[];

static void check_user(void)
{
    struct trap_frame f = {.cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rsp = 0x500000,
                           .rflags = 0x202,
                           .rip = CODE + (uintptr_t)user_rdmsr % PAGE_SIZE,
                           .rcx = 0xc0000100};

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_rdmsr & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    run_user(&f);
    CHECK_EQ(f.vector, 13, "rdmsr in user mode: vector");
    CHECK_EQ(f.error, 0, "its error code");
    CHECK_EQ(f.rip, CODE + (uintptr_t)user_rdmsr % PAGE_SIZE, "its rip");
}

void test_main(void)
{
    check_values();
    check_writes();
    check_none();
    check_bases();
    check_far_base();
    check_tsc_aux();
    check_early();
    check_user();
}
