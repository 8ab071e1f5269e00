/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-system.c - emulated system instructions, and the CPUID, MSR, port and control-register
 * policy behind them (ABI 5.3, 5.4, 5.6, 6). The XSAVE family is compared with the CPU.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "cpu/cpuid.h"
#include "cpu/creg.h"
#include "cpu/msr.h"
#include "cpu/pv/abi.h"
#include "fake_env.h"
#include "native.h"

#define KERNEL_RIP (ARENA + 64)
#define STACK (ARENA + 2 * PAGE_SIZE)
#define DATA_AT (ARENA + 3 * PAGE_SIZE)

static struct vcpu v;
static struct fault f;
static uint8_t *const arena = (uint8_t *)ARENA;

/* Emulate the instruction made of these bytes. */
#define RUN(...) run((const uint8_t[16]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static enum emulate_result run(const uint8_t *bytes, unsigned int len)
{
    static uint8_t copy[32];
    struct insn in;

    memset(copy, 0x90, sizeof(copy));
    memcpy(copy, bytes, len);
    memcpy(fake_page(0) + (KERNEL_RIP & ~PAGE_MASK), copy, sizeof(copy));
    v.rip = KERNEL_RIP;
    f = (struct fault){0};
    assert_true(insn_decode(copy, INSN_MAX, &in) > 0);
    return emulate(&v, &in, copy, &f);
}

static void assert_fault(enum emulate_result r, unsigned int vector, uint32_t error)
{
    assert_int_equal(r, EMULATE_FAULT);
    assert_int_equal(f.vector, vector);
    if (vector == VEC_GP) {
        assert_true(f.has_error);
        assert_int_equal(f.error, error);
    }
}

#define ASSERT_GP(r) assert_fault(r, VEC_GP, 0)

static void assert_done(enum emulate_result r, unsigned int len)
{
    assert_int_equal(r, EMULATE_DONE);
    assert_int_equal(v.rip, KERNEL_RIP + len);
}

static int setup(void **state)
{
    memset(&v, 0, sizeof(v));
    v.rflags = 0x202;
    v.gpr[RSP] = STACK;
    v.cs = FLAT_RING3_CS64;
    v.ss = FLAT_RING3_SS64;
    v.xcr0 = 1;
    v.cr3_kernel = 1;
    v.pv.iopl = 1;
    v.pv.gdt_frames[0] = 2;
    v.pv.gdt_entries = 16;
    v.pv.traps[VEC_GP].address = 0xffffffff81000000;
    for (unsigned int i = 0; i < FAKE_FRAMES; i++)
        memset(fake_frames[i], 0, PAGE_SIZE);
    fake_reset();
    return 0;
}

static void poke(gva_t va, uint64_t value)
{
    assert_int_equal(env_write(&v, va, &value, 8, &f), 0);
}

static uint64_t peek(gva_t va)
{
    uint64_t value;

    assert_int_equal(env_read(&v, va, &value, 8, &f), 0);
    return value;
}

static void test_cpuid_forms(void **state)
{
    /* forced: ud2, "xen", cpuid */
    v.gpr[RAX] = 0xffffffff00000000 | 1;
    assert_done(RUN(0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2), 7);
    assert_true(v.gpr[RCX] & 1u << 31); /* hypervisor */
    if (cpuid_xcr0_max())
        assert_true(v.gpr[RCX] & 1u << 27); /* osxsave */
    assert_int_equal(v.gpr[RBX] >> 24, 0);
    assert_int_equal(v.gpr[RDX] & (1u << 12 | 1u << 7 | 1u << 3), 0); /* mtrr mce pse */
    assert_int_equal(v.gpr[RAX] >> 32, 0);

    /* native: osxsave mirrors cr4 */
    v.gpr[RAX] = 1;
    assert_done(RUN(0x0f, 0xa2), 2);
    assert_false(v.gpr[RCX] & 1u << 27);
    v.cr4 = CR4_OSXSAVE;
    v.gpr[RAX] = 1;
    assert_done(RUN(0x0f, 0xa2), 2);
    if (cpuid_xcr0_max())
        assert_true(v.gpr[RCX] & 1u << 27);

    v.gpr[RAX] = 0x40000000;
    assert_done(RUN(0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2), 7);
    assert_int_equal(v.gpr[RBX], 0x566e6558);
    assert_int_equal(v.gpr[RAX], 0x40000005);

    /* anything else is a ud2 */
    assert_fault(RUN(0x0f, 0x0b, 0x78, 0x65, 0x6f, 0x0f, 0xa2), VEC_UD, 0);
    assert_fault(RUN(0x0f, 0x0b), VEC_UD, 0);
    assert_int_equal(v.rip, KERNEL_RIP);
    assert_fault(RUN(0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0x01, 0xd1), VEC_UD, 0);
}

static void test_cpuid_policy(void **state)
{
    uint32_t r[4], size, offset;
    uint64_t max = cpuid_xcr0_max();

    assert_int_equal(max & ~0xe7ull, 0);
    cpuid_query(&v, 7, 0, false, r);
    assert_int_equal(r[1] & (1u << 7 | 1u << 10 | 1u << 20), 0);             /* smep.. */
    assert_int_equal(r[2] & (1u << 3 | 1u << 4), 0);                         /* pku */
    assert_int_equal(r[3] & (1u << 22 | 1u << 24 | 1u << 26 | 1u << 27), 0); /* amx, ibrs */
    cpuid_query(&v, 0xd, 1, false, r);
    assert_int_equal(r[0], 0);
    if (max) {
        v.xcr0 = max;
        cpuid_query(&v, 0xd, 0, false, r);
        assert_int_equal(r[0], max);
        assert_int_equal(r[1], r[2]);
        assert_int_equal(r[2], cpuid_xsave_size(max));
        v.xcr0 = 3;
        cpuid_query(&v, 0xd, 0, false, r);
        assert_int_equal(r[1], 576);
    }
    if (max & 4) {
        assert_int_equal(cpuid_xsave_component(2, &offset, &size), 0);
        assert_int_equal(size, 256);
    }
    assert_int_equal(cpuid_xsave_component(9, &offset, &size), -1);
    /* beyond the last leaf: zeros */
    memset(r, 0xff, sizeof(r));
    cpuid_query(&v, 0x20, 0, false, r);
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
    cpuid_query(&v, 0x8000ffff, 0, false, r);
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
    cpuid_query(&v, 0xa, 0, false, r);
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
    /* the fake's time record is 2 GHz */
    cpuid_query(&v, 0x40000003, 0, false, r);
    assert_int_equal(r[2], 2000000);
}

/* The virtual CPU needs no detours around returns and indirect jumps, and says so in AMD's way. */
static void test_speculation(void **state)
{
    uint64_t efer, back;
    uint32_t r[4];

    cpuid_query(&v, 0x80000021, 0, false, r);
    assert_int_equal(r[0] & 1u << 8, cpuid_has_automatic_ibrs() ? 1u << 8 : 0);
    assert_int_equal(!!(r[0] & 1u << 29), cpuid_has_automatic_ibrs());
    assert_int_equal(r[0] & ~(1u << 6 | 1u << 8 | 1u << 29), 0);
    cpuid_query(&v, 0x8000001f, 0, false, r); /* memory encryption */
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
    assert_int_equal(msr_read(&v, 0xc0000080, &efer), 0);
    assert_int_equal(msr_write(&v, 0xc0000080, efer | 1u << 21),
                     cpuid_has_automatic_ibrs() ? 0 : -1);
    assert_int_equal(msr_read(&v, 0xc0000080, &back), 0);
    assert_int_equal(back, cpuid_has_automatic_ibrs() ? efer | 1u << 21 : efer);
    assert_int_equal(msr_write(&v, 0xc0000080, efer | 1u << 20), -1);
    assert_int_equal(msr_write(&v, 0xc0000080, efer), 0);
}

static void test_xcr0(void **state)
{
    uint64_t max = cpuid_xcr0_max();
    uint32_t r[4];

    v.gpr[RCX] = 0;
    assert_done(RUN(0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0x01, 0xd0), 8);
    assert_int_equal(v.gpr[RAX], 1);
    assert_fault(RUN(0x0f, 0x01, 0xd0), VEC_UD, 0); /* CR4.OSXSAVE is clear */
    assert_int_equal(creg_write(&v, 4, CR4_OSXSAVE | CR4_FSGSBASE | 0x80), 0);
    cpuid_query(&v, 7, 0, false, r);
    assert_int_equal(v.cr4, (max ? CR4_OSXSAVE : 0) | (r[1] & 1 ? CR4_FSGSBASE : 0));
    if (!max)
        skip();
    v.gpr[RAX] = 2; /* x87 can't be switched off */
    v.gpr[RDX] = 0;
    ASSERT_GP(RUN(0x0f, 0x01, 0xd1));
    v.gpr[RAX] = max | 0x200;
    ASSERT_GP(RUN(0x0f, 0x01, 0xd1));
    v.gpr[RAX] = max;
    assert_done(RUN(0x0f, 0x01, 0xd1), 3);
    v.gpr[RAX] = v.gpr[RDX] = 77;
    assert_done(RUN(0x0f, 0x01, 0xd0), 3);
    assert_int_equal(v.gpr[RAX], max);
    assert_int_equal(v.gpr[RDX], 0);
    v.gpr[RCX] = 1;
    ASSERT_GP(RUN(0x0f, 0x01, 0xd0));
    assert_int_equal(creg_xsetbv(&v, 0, 0x27), -1); /* part of AVX-512 */
    assert_int_equal(creg_xsetbv(&v, 0, 5), -1);    /* AVX without SSE */
}

static void test_control_registers(void **state)
{
    assert_done(RUN(0x0f, 0x20, 0xc3), 3); /* mov rbx, cr0 */
    assert_int_equal(v.gpr[RBX], 0x80050033);
    v.gpr[RBX] |= CR0_TS;
    assert_done(RUN(0x0f, 0x22, 0xc3), 3);
    assert_true(v.cr0_ts);
    assert_done(RUN(0x0f, 0x20, 0xc3), 3);
    assert_int_equal(v.gpr[RBX], 0x8005003b);
    assert_done(RUN(0x0f, 0x06), 2); /* clts */
    assert_false(v.cr0_ts);
    v.gpr[RBX] = 0x80050033 & ~1u;
    ASSERT_GP(RUN(0x0f, 0x22, 0xc3));
    v.cr2 = 0x1234;
    assert_done(RUN(0x0f, 0x20, 0xd1), 3); /* mov rcx, cr2 */
    assert_int_equal(v.gpr[RCX], 0x1234);
    v.gpr[RCX] = 3 << 12;
    assert_done(RUN(0x0f, 0x22, 0xd9), 3); /* mov cr3, rcx */
    assert_int_equal(v.cr3_kernel, 3);
    v.gpr[RCX] = 99 << 12;
    ASSERT_GP(RUN(0x0f, 0x22, 0xd9));
    assert_done(RUN(0x0f, 0x20, 0xe1), 3); /* mov rcx, cr4 */
    assert_int_equal(v.gpr[RCX], 0x660);
    ASSERT_GP(RUN(0x44, 0x0f, 0x20, 0xc0)); /* cr8 */
    assert_done(RUN(0x0f, 0x01, 0xe0), 3);  /* smsw eax */
    assert_int_equal(v.gpr[RAX], 0x80050033);
    v.dr[7] = 0x400;
    assert_done(RUN(0x0f, 0x21, 0xf8), 3); /* mov rax, dr7 */
    assert_int_equal(v.gpr[RAX], 0x400);
    v.gpr[RAX] = 1ull << 40;
    ASSERT_GP(RUN(0x0f, 0x23, 0xf8));
}

static void test_msrs(void **state)
{
    uint64_t value;

    v.gpr[RCX] = 0xffffffff00000000 | 0xc0000101;
    v.gpr[RAX] = 0x81234567;
    v.gpr[RDX] = 0xffffffff;
    assert_done(RUN(0x0f, 0x30), 2);
    assert_int_equal(v.gs_base, 0xffffffff81234567);
    v.gpr[RDX] = 0x12345678; /* not canonical */
    ASSERT_GP(RUN(0x0f, 0x30));
    v.gpr[RAX] = v.gpr[RDX] = 0;
    assert_done(RUN(0x0f, 0x32), 2);
    assert_int_equal(v.gpr[RAX], 0x81234567);
    assert_int_equal(v.gpr[RDX], 0xffffffff);
    assert_int_equal(msr_read(&v, 0x1a0, &value), 0);
    assert_int_equal(value & 1, 1);
    assert_int_equal(msr_read(&v, 0xc0000080, &value), 0);
    assert_int_equal(value, 0xd01);
    assert_int_equal(msr_write(&v, 0xc0000080, 0xd00), -1);
    assert_int_equal(msr_write(&v, 0x277, 0), -1);
    v.gpr[RCX] = 0x12345;
    ASSERT_GP(RUN(0x0f, 0x32));
    v.pv.traps[VEC_GP].address = 0; /* early boot */
    v.gpr[RAX] = 5;
    assert_done(RUN(0x0f, 0x32), 2);
    assert_int_equal(v.gpr[RAX], 0);
    /* hypercall page in frame 3 */
    assert_int_equal(msr_write(&v, 0x40000000, 3 << 12), 0);
    assert_memory_equal(fake_frames[3] + 23 * 32, "\x51\x41\x53\x50\xb8\x17\0\0\0\x0f\x05\xcc", 12);
    assert_memory_equal(fake_frames[3] + 32, "\x51\x41\x53\xb8\x01\0\0\0\x0f\x05\x41\x5b\x59\xc3",
                        14);
    assert_int_equal(msr_write(&v, 0x40000000, 99ull << 12), -1);
}

static void test_ports(void **state)
{
    uint64_t bitmap = ~(1ull << 8); /* port 8 of the first 64 */

    v.gpr[RAX] = 0x1111111111111111;
    assert_done(RUN(0xe4, 0x80), 2);
    assert_int_equal(v.gpr[RAX], 0x11111111111111ff);
    v.gpr[RDX] = 0xcf8;
    v.gpr[RAX] = 0x80001234;
    assert_done(RUN(0xef), 1);
    v.gpr[RAX] = 0;
    assert_done(RUN(0xed), 1);
    assert_int_equal(v.gpr[RAX], 0x80001234);
    assert_done(RUN(0xfa), 1); /* cli */
    assert_done(RUN(0xfb), 1);
    assert_int_equal(v.rflags, 0x202);
    /* rep insb over a page boundary */
    v.gpr[RDX] = 0x300;
    v.gpr[RCX] = 4;
    v.gpr[RDI] = DATA_AT + PAGE_SIZE - 2;
    assert_done(RUN(0xf3, 0x6c), 2);
    assert_int_equal((uint32_t)peek(DATA_AT + PAGE_SIZE - 2), 0xffffffff);
    assert_int_equal(v.gpr[RCX], 0);

    v.pv.iopl = 0;
    ASSERT_GP(RUN(0xe4, 0x80));
    ASSERT_GP(RUN(0xfa));
    v.pv.iobitmap = DATA_AT;
    v.pv.iobitmap_ports = 32;
    poke(DATA_AT, bitmap);
    assert_done(RUN(0xe4, 0x08), 2);
    ASSERT_GP(RUN(0xe5, 0x08)); /* reaches port 9 */
    ASSERT_GP(RUN(0xe4, 0x09));
    v.pv.iobitmap_ports = 8;
    ASSERT_GP(RUN(0xe4, 0x08));
}

static void test_refused(void **state)
{
    ASSERT_GP(RUN(0xf4));                                 /* hlt */
    ASSERT_GP(RUN(0x0f, 0x01, 0x10));                     /* lgdt [rax] */
    ASSERT_GP(RUN(0x0f, 0x01, 0x38));                     /* invlpg */
    ASSERT_GP(RUN(0x0f, 0x01, 0xf8));                     /* swapgs */
    ASSERT_GP(RUN(0x0f, 0x00, 0xd0));                     /* lldt */
    ASSERT_GP(RUN(0x0f, 0x08));                           /* invd */
    ASSERT_GP(RUN(0x48, 0x0f, 0x07));                     /* sysret */
    ASSERT_GP(RUN(0x0f, 0x33));                           /* rdpmc */
    assert_done(RUN(0x0f, 0x09), 2);                      /* wbinvd */
    assert_fault(RUN(0x0f, 0x01, 0xc1), VEC_UD, 0);       /* vmcall */
    assert_fault(RUN(0x0f, 0x34), VEC_UD, 0);             /* sysenter */
    assert_fault(RUN(0xf3, 0x0f, 0xae, 0xc0), VEC_UD, 0); /* rdfsbase */
    assert_fault(RUN(0x0f, 0x01, 0xee), VEC_UD, 0);       /* rdpkru */
    assert_int_equal(v.rip, KERNEL_RIP);
}

static void test_interrupts(void **state)
{
    v.pv.traps[0x81].flags = 1;
    v.pv.traps[0x81].address = 1;
    assert_fault(RUN(0xcc), VEC_BP, 0);
    assert_int_equal(v.rip, KERNEL_RIP + 1);
    assert_fault(RUN(0xf1), VEC_DB, 0);
    assert_int_equal(v.rip, KERNEL_RIP + 1);
    assert_fault(RUN(0xcd, 0x81), 0x81, 0);
    assert_int_equal(v.rip, KERNEL_RIP + 2);
    assert_fault(RUN(0xcd, 0x82), VEC_GP, 0x82 * 8 + 2);
    assert_int_equal(v.rip, KERNEL_RIP);
}

static void frame(uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp, uint64_t ss)
{
    uint64_t w[5] = {rip, cs, flags, rsp, ss};

    v.gpr[RSP] = STACK;
    assert_int_equal(env_write(&v, STACK, w, sizeof(w), &f), 0);
}

static void test_iret(void **state)
{
    frame(0xffffffff81000010, FLAT_RING3_CS64, 0x8d5 | 0x3000 | 0x20000, 0x1234, FLAT_RING3_SS64);
    assert_int_equal(RUN(0x48, 0xcf), EMULATE_DONE);
    assert_int_equal(v.rip, 0xffffffff81000010);
    assert_int_equal(v.gpr[RSP], 0x1234);
    assert_int_equal(v.rflags, 0x8d5 | 0x202); /* neither IOPL nor VM nor IF */
    assert_false(v.user_mode);

    frame(0xffffffff81000010, 0x10, 0x202, 0x1234, FLAT_RING3_SS64);
    assert_fault(RUN(0x48, 0xcf), VEC_GP, 0x10);
    frame(0xffffffff81000010, FLAT_RING3_CS32, 0x202, 0x1234, FLAT_RING3_SS64);
    assert_fault(RUN(0x48, 0xcf), VEC_GP, FLAT_RING3_CS32 & ~3);
    frame(0xffffffff81000010, FLAT_RING3_CS64, 0x202, 0x1234, 0);
    ASSERT_GP(RUN(0x48, 0xcf));
    frame(0x1234567812345678, FLAT_RING3_CS64, 0x202, 0x1234, FLAT_RING3_SS64);
    ASSERT_GP(RUN(0x48, 0xcf));
    assert_int_equal(v.gpr[RSP], STACK);
    /* a frame that can't be read */
    frame(0xffffffff81000010, FLAT_RING3_CS64, 0x202, 0x1234, FLAT_RING3_SS64);
    fake_present[2] = false;
    assert_fault(RUN(0x48, 0xcf), VEC_PF, 0);
    assert_int_equal(f.cr2, STACK);

    fake_reset();
    frame(0xffffffff81000020, FLAT_RING3_CS64, 0, 0, 0);
    assert_int_equal(RUN(0x48, 0xcb), EMULATE_DONE); /* lretq */
    assert_int_equal(v.rip, 0xffffffff81000020);
    assert_int_equal(v.gpr[RSP], STACK + 16);
}

static void test_far_branches(void **state)
{
    frame(0xffffffff81000020, FLAT_RING3_CS64 & ~3u, 0, 0, 0);
    v.gpr[RBX] = STACK;
    assert_int_equal(RUN(0x48, 0xff, 0x2b), EMULATE_DONE); /* jmp far [rbx] */
    assert_int_equal(v.rip, 0xffffffff81000020);
    assert_int_equal(v.cs, FLAT_RING3_CS64);
    frame(0xffffffff81000020, FLAT_RING3_CS64, 0, 0, 0);
    v.gpr[RSP] = STACK + 64;
    assert_int_equal(RUN(0x48, 0xff, 0x1b), EMULATE_DONE); /* call far [rbx] */
    assert_int_equal(v.gpr[RSP], STACK + 48);
    assert_int_equal(v.rip, 0xffffffff81000020);
    assert_int_equal(RUN(0x48, 0xcb), EMULATE_DONE); /* and back */
    assert_int_equal(v.rip, KERNEL_RIP + 3);
    assert_int_equal(v.gpr[RSP], STACK + 64);
    frame(0xffffffff81000020, 0x10, 0, 0, 0);
    assert_fault(RUN(0x48, 0xff, 0x2b), VEC_GP, 0x10);
    frame(0x8000000000000000, FLAT_RING3_CS64, 0, 0, 0);
    ASSERT_GP(RUN(0x48, 0xff, 0x1b));
    assert_int_equal(v.gpr[RSP], STACK);
    v.gpr[RBX] = 0;
    assert_fault(RUN(0x48, 0xff, 0x2b), VEC_PF, 0);
}

/* What the program may ask of TSC_AUX is the guest's. */
static void test_tsc_aux(void **state)
{
    uint64_t before = v.gpr[RDX];

    v.tsc_aux = 0x1234;
    v.gpr[RCX] = ~0ull;
    assert_done(RUN(0x0f, 0x01, 0xf9), 3); /* rdtscp */
    assert_int_equal(v.gpr[RCX], 0x1234);
    assert_true(v.gpr[RDX] != before || v.gpr[RAX]);
}

/* The stack segment's own exception: operands by rsp and rbp, and implicit ones. */
static void test_stack_fault(void **state)
{
    v.gpr[RBP] = v.gpr[RBX] = v.gpr[RSP] = 0x800000000008;
    assert_fault(RUN(0x48, 0x8b, 0x45, 0x00), VEC_SS, 0); /* mov rax, [rbp] */
    assert_true(f.has_error);
    assert_fault(RUN(0x48, 0x8b, 0x04, 0x24), VEC_SS, 0); /* mov rax, [rsp] */
    assert_fault(RUN(0x48, 0x8b, 0x03), VEC_GP, 0);       /* mov rax, [rbx] */
    assert_fault(RUN(0x64, 0x48, 0x8b, 0x45, 0x00), VEC_GP, 0);
    assert_fault(RUN(0x50), VEC_SS, 0);
    assert_fault(RUN(0x58), VEC_SS, 0);
    assert_fault(RUN(0xc3), VEC_SS, 0);
    assert_fault(RUN(0xc9), VEC_SS, 0);
    assert_fault(RUN(0xc8, 0, 0, 0), VEC_SS, 0);
    assert_fault(RUN(0x48, 0xcf), VEC_SS, 0);
    assert_fault(RUN(0x0f, 0xa0), VEC_SS, 0); /* push fs */
    v.gpr[RBP] = 0x7ffffffffffc;
    assert_fault(RUN(0x48, 0x8b, 0x45, 0x00), VEC_SS, 0); /* its second half */
    v.gpr[RSP] = STACK;
    v.gpr[RBX] = 0x8000000000000000;
    assert_fault(RUN(0xff, 0x33), VEC_GP, 0); /* push [rbx] */
    assert_fault(RUN(0x8f, 0x03), VEC_GP, 0); /* pop [rbx] */
}

static void test_segments(void **state)
{
    uint64_t *gdt = (uint64_t *)fake_frames[2];

    gdt[5] = 0x12c3f3004567ffff | 0x34ull << 32; /* data, DPL 3, base 0x12344567, 4G */
    gdt[6] = 0x0000890000000067;                 /* a TSS */
    gdt[7] = 0x00cf730000000000;                 /* data, not present */
    gdt[8] = 0x00cf930000000000;                 /* data, DPL 0: Xen makes that 3 */
    v.gpr[RAX] = 0x2b;
    assert_done(RUN(0x8e, 0xd8), 2); /* mov ds, eax */
    assert_int_equal(v.ds, 0x2b);
    assert_done(RUN(0x8e, 0xe0), 2); /* mov fs, eax */
    assert_int_equal(v.fs, 0x2b);
    assert_int_equal(v.fs_base, 0x12344567);
    v.gpr[RBX] = ~0ull;
    assert_done(RUN(0x8c, 0xe3), 2); /* mov ebx, fs */
    assert_int_equal(v.gpr[RBX], 0x2b);
    v.gpr[RAX] = 0x33;
    assert_fault(RUN(0x8e, 0xe8), VEC_GP, 0x30);
    v.gpr[RAX] = 0x3b;
    assert_fault(RUN(0x8e, 0xe8), VEC_NP, 0x38);
    assert_int_equal(f.error, 0x38);
    assert_fault(RUN(0x8e, 0xd0), VEC_SS, 0x38); /* mov ss, eax */
    assert_int_equal(f.error, 0x38);
    assert_int_equal(v.gs, 0);
    v.gpr[RAX] = 0x43;
    assert_done(RUN(0x8e, 0xe8), 2);
    assert_int_equal(v.gs, 0x43);
    v.gpr[RAX] = 3; /* null */
    assert_done(RUN(0x8e, 0xe0), 2);
    assert_int_equal(v.fs, 3);
    assert_int_equal(v.fs_base, 0);
    ASSERT_GP(RUN(0x8e, 0xd0)); /* mov ss, null */

    poke(STACK, 0x2b);
    assert_done(RUN(0x0f, 0xa9), 2); /* pop gs */
    assert_int_equal(v.gs_base, 0x12344567);
    assert_int_equal(v.gpr[RSP], STACK + 8);
    assert_done(RUN(0x0f, 0xa8), 2); /* push gs */
    assert_int_equal(v.gpr[RSP], STACK);
    assert_int_equal(peek(STACK), 0x2b);

    assert_done(RUN(0x48, 0x8c, 0xcb), 3); /* mov rbx, cs */
    assert_int_equal(v.gpr[RBX], 0xe033);
    assert_done(RUN(0x48, 0x8c, 0xd3), 3); /* mov rbx, ss */
    assert_int_equal(v.gpr[RBX], 0xe02b);

    v.gpr[RAX] = 0x2b;
    assert_done(RUN(0x0f, 0x03, 0xc8), 3); /* lsl ecx, eax */
    assert_int_equal(v.gpr[RCX], 0x3ffff << 12 | 0xfff);
    assert_true(v.rflags & 0x40);
    assert_done(RUN(0x0f, 0x02, 0xc8), 3); /* lar ecx, eax */
    assert_int_equal(v.gpr[RCX], 0xc0f300);
    assert_done(RUN(0x0f, 0x00, 0xe8), 3); /* verw ax */
    assert_true(v.rflags & 0x40);
    v.gpr[RAX] = 0x33;
    assert_done(RUN(0x0f, 0x03, 0xc8), 3);
    assert_false(v.rflags & 0x40);
    v.gpr[RAX] = FLAT_RING3_CS64;
    assert_done(RUN(0x0f, 0x00, 0xe0), 3); /* verr ax */
    assert_true(v.rflags & 0x40);
    assert_done(RUN(0x0f, 0x00, 0xe8), 3); /* code is not writable */
    assert_false(v.rflags & 0x40);
}

static void test_stack(void **state)
{
    v.gpr[RBP] = 0x5555;
    assert_done(RUN(0xc8, 0x20, 0x00, 0x00), 4); /* enter 32, 0 */
    assert_int_equal(v.gpr[RBP], STACK - 8);
    assert_int_equal(v.gpr[RSP], STACK - 8 - 32);
    assert_done(RUN(0xc9), 1);
    assert_int_equal(v.gpr[RBP], 0x5555);
    assert_int_equal(v.gpr[RSP], STACK);
    assert_done(RUN(0x54), 1); /* push rsp */
    assert_int_equal(peek(STACK - 8), STACK);
    assert_done(RUN(0x5c), 1); /* pop rsp */
    assert_int_equal(v.gpr[RSP], STACK);
    assert_int_equal(RUN(0xe8, 0x10, 0x00, 0x00, 0x00), EMULATE_DONE); /* call */
    assert_int_equal(v.rip, KERNEL_RIP + 0x15);
    assert_int_equal(peek(v.gpr[RSP]), KERNEL_RIP + 5);
    assert_int_equal(RUN(0xc2, 0x08, 0x00), EMULATE_DONE); /* ret 8 */
    assert_int_equal(v.rip, KERNEL_RIP + 5);
    assert_int_equal(v.gpr[RSP], STACK + 8);
    v.rflags = 0x202 | EFLAGS_DF;
    assert_done(RUN(0x9c), 1);
    assert_int_equal(peek(v.gpr[RSP]), 0x602);
    poke(v.gpr[RSP], 0x3000 | 1); /* IOPL and IF are not for us */
    assert_done(RUN(0x9d), 1);
    assert_int_equal(v.rflags, 0x203);
    /* a call whose push fails leaves rsp and rip */
    fake_writable[2] = fake_writable[1] = false;
    v.gpr[RSP] = STACK;
    assert_fault(RUN(0xe8, 0x10, 0x00, 0x00, 0x00), VEC_PF, 0);
    assert_int_equal(v.gpr[RSP], STACK);
    assert_int_equal(v.rip, KERNEL_RIP);
    fake_reset();
    /* pop [rsp] addresses the new top */
    poke(STACK, 0x99);
    v.gpr[RSP] = STACK;
    assert_done(RUN(0x8f, 0x04, 0x24), 3);
    assert_int_equal(peek(STACK + 8), 0x99);

    v.gpr[RBX] = DATA_AT;
    v.gpr[RAX] = 0x7707;
    poke(DATA_AT, 0x1122334455667788);
    assert_done(RUN(0xd7), 1); /* xlat */
    assert_int_equal(v.gpr[RAX], 0x7711);
    assert_done(RUN(0x48, 0xa1, 0x00, 0x30, 0x00, 0x70, 0, 0, 0, 0), 10); /* mov rax, moffs */
    assert_int_equal(v.gpr[RAX], 0x1122334455667788);
    v.rflags |= 1;
    assert_int_equal(RUN(0x72, 0x10), EMULATE_DONE);
    assert_int_equal(v.rip, KERNEL_RIP + 0x12);
    assert_done(RUN(0x73, 0x10), 2);
}

static uint8_t area[PAGE_SIZE] __attribute__((aligned(64)));
static uint8_t area_native[PAGE_SIZE] __attribute__((aligned(64)));

static void fill_area(uint64_t components)
{
    uint32_t mxcsr = 0x1fa0;

    memset(area, 0, sizeof(area));
    for (unsigned int i = 160; i < cpuid_xsave_size(components); i++)
        if (i < 416 || i >= 576)
            area[i] = (uint8_t)(i * 7 + 3);
    area[0] = 0x7e; /* an unmasked exception is pending: then AMD saves pointers, too */
    area[1] = 3;
    area[2] = 0x81;
    area[3] = 0x80;
    for (unsigned int i = 8; i < 22; i++) /* instruction and data pointers */
        area[i] = (uint8_t)(i == 14 || i == 15 ? 0 : i);
    memcpy(area + 24, &mxcsr, 4);
    memcpy(area + 512, &components, 8);
}

/* The same instruction on [rbx] natively and emulated, starting from the same FPU state and
 * memory; states and memory must be equal afterwards. */
static void both_ways(const uint8_t *bytes, unsigned int len, const uint8_t *memory)
{
    uint64_t max = cpuid_xcr0_max();
    uint8_t copy[16] = {0}, got[PAGE_SIZE];
    struct insn in;

    memcpy(copy, bytes, len);
    assert_int_equal(insn_decode(copy, 15, &in), len);
    v.gpr[RBX] = DATA_AT;
    memcpy(arena + (DATA_AT - ARENA), memory, PAGE_SIZE);
    memcpy(fake_page(3), memory, PAGE_SIZE);
    memcpy(area_native, area, sizeof(area));
    memcpy(native_regs->gpr, v.gpr, sizeof(v.gpr));
    native_regs->gpr[RSP] = STACK;
    native_regs->rflags = 0x202;
    v.rip = KERNEL_RIP;
    assert_int_equal(fake_emulate_fpu(&v, &in, copy, &f, area, max), EMULATE_DONE);
    fake_native_fpu(native_build(copy, len), area_native, max);
    memcpy(got, fake_page(3), PAGE_SIZE);
    assert_memory_equal(got, arena + (DATA_AT - ARENA), PAGE_SIZE);
    assert_memory_equal(area, area_native, sizeof(area));
}

static void test_xsave(void **state)
{
    static const uint8_t insns[][5] = {
        {0x0f, 0xae, 0x23},       /* xsave */
        {0x48, 0x0f, 0xae, 0x23}, /* xsave64 */
        {0x0f, 0xae, 0x2b},       /* xrstor */
        {0x48, 0x0f, 0xae, 0x2b}, /* xrstor64 */
        {0x0f, 0xae, 0x03},       /* fxsave */
        {0x48, 0x0f, 0xae, 0x03}, /* fxsave64 */
        {0x0f, 0xae, 0x0b},       /* fxrstor */
        {0x48, 0x0f, 0xae, 0x0b}, /* fxrstor64 */
    };
    uint64_t max = cpuid_xcr0_max();
    uint8_t memory[PAGE_SIZE];

    if (!max)
        skip();
    v.cr4 = CR4_OSXSAVE;
    v.xcr0 = max;
    for (unsigned int i = 0; i < ARRAY_SIZE(insns); i++)
        for (uint64_t mask = 0; mask < 8; mask++)
            for (uint64_t bv = 0; bv < 4; bv++) {
                uint64_t in_memory = (bv & 1 ? max : 0) | (bv & 2 ? 1 : 0);

                fill_area(max);
                for (unsigned int j = 0; j < PAGE_SIZE; j++)
                    memory[j] = (uint8_t)(j * 5 + 1);
                memset(memory, 0, 32);
                memset(memory + 512, 0, 64);
                memory[0] = 0x7e;
                memory[1] = 2;
                memory[2] = 0x81;
                memory[3] = 0x80;
                memory[9] = memory[13] = memory[18] = 0x11;
                memory[25] = 0x1f;
                memcpy(memory + 512, &in_memory, 8);
                v.gpr[RAX] = mask == 7 ? ~0u : mask;
                v.gpr[RDX] = 0;
                /* native code has the host's XCR0: keep to the guest's components */
                v.gpr[RAX] &= max;
                both_ways(insns[i], insns[i][0] == 0x48 ? 4 : 3, memory);
            }
}

static void test_xsave_refused(void **state)
{
    uint64_t max = cpuid_xcr0_max();

    if (!max)
        skip();
    v.gpr[RBX] = DATA_AT;
    v.gpr[RAX] = v.gpr[RDX] = ~0u;
    assert_fault(RUN(0x0f, 0xae, 0x23), VEC_UD, 0); /* CR4.OSXSAVE is clear */
    v.cr4 = CR4_OSXSAVE;
    v.xcr0 = 3;
    v.cr0_ts = true;
    assert_fault(RUN(0x0f, 0xae, 0x23), VEC_NM, 0);
    v.cr0_ts = false;
    memset(fake_page(3), 0, PAGE_SIZE);
    v.gpr[RBX] = DATA_AT + 16;
    ASSERT_GP(RUN(0x0f, 0xae, 0x23));
    v.gpr[RBX] = DATA_AT + 8;
    ASSERT_GP(RUN(0x0f, 0xae, 0x03));
    v.gpr[RBX] = DATA_AT;
    poke(DATA_AT + 512, 4); /* a component that XCR0 does not have */
    ASSERT_GP(RUN(0x0f, 0xae, 0x2b));
    poke(DATA_AT + 512, 0);
    poke(DATA_AT + 520, 1ull << 63); /* compacted */
    ASSERT_GP(RUN(0x0f, 0xae, 0x2b));
    poke(DATA_AT + 520, 0);
    poke(DATA_AT + 24, 0xffff0000);
    ASSERT_GP(RUN(0x0f, 0xae, 0x2b));
    ASSERT_GP(RUN(0x0f, 0xae, 0x0b));
    poke(DATA_AT + 24, 0x1f80);
    fake_present[3] = false;
    assert_fault(RUN(0x0f, 0xae, 0x23), VEC_PF, 0);
    assert_fault(RUN(0x0f, 0xae, 0x2b), VEC_PF, 0);
    fake_reset();
    fake_writable[3] = false;
    assert_fault(RUN(0x0f, 0xae, 0x03), VEC_PF, 0);
    /* xsaveopt, xsavec, xrstors are not offered */
    assert_fault(RUN(0x0f, 0xae, 0x33), VEC_UD, 0);
    assert_fault(RUN(0x0f, 0xc7, 0x23), VEC_UD, 0);
    assert_fault(RUN(0x0f, 0xc7, 0x1b), cpuid_host_has_xsaves() ? VEC_GP : VEC_UD, 0);
}

static void test_unknown(void **state)
{
    unsigned int before = fake_logs;

    v.gpr[RBX] = DATA_AT;
    assert_int_equal(RUN(0x66, 0x0f, 0xfe, 0x03), EMULATE_UNKNOWN); /* paddd xmm0, [rbx] */
    assert_int_equal(v.rip, KERNEL_RIP);
    assert_int_equal(fake_logs, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_cpuid_forms, setup),
        cmocka_unit_test_setup(test_cpuid_policy, setup),
        cmocka_unit_test_setup(test_speculation, setup),
        cmocka_unit_test_setup(test_xcr0, setup),
        cmocka_unit_test_setup(test_control_registers, setup),
        cmocka_unit_test_setup(test_msrs, setup),
        cmocka_unit_test_setup(test_ports, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_interrupts, setup),
        cmocka_unit_test_setup(test_iret, setup),
        cmocka_unit_test_setup(test_far_branches, setup),
        cmocka_unit_test_setup(test_tsc_aux, setup),
        cmocka_unit_test_setup(test_stack_fault, setup),
        cmocka_unit_test_setup(test_segments, setup),
        cmocka_unit_test_setup(test_stack, setup),
        cmocka_unit_test_setup(test_xsave, setup),
        cmocka_unit_test_setup(test_xsave_refused, setup),
        cmocka_unit_test_setup(test_unknown, setup),
    };

    if (native_init() || mmap(arena, ARENA_SIZE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != arena)
        return 99;
    cpuid_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
