/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * refused-insns - claim: what is for ring 0, or for features that a PV guest is not shown, is
 * refused as a processor in ring 3 does, in the kernel and in a program: #GP(0) for what needs
 * ring 0, #UD for what is not there, at the instruction and with nothing changed. sldt and str
 * are neither. xbegin agrees with CPUID.
 *
 * Blind spots: what a program's CPUID cannot hide from it on the host (RDPKRU, TSX), and what a
 * hypervisor under the host answers it (vmcall).
 */
#include "guest.h"

#define CODE 0x400000ul
#define GP (1u << 13)
#define UD (1u << 6)
#define NONE (1u << 31)
#define ANY (GP | UD | NONE)

/* name, bytes, what the kernel gets, what a program gets. rax: a zeroed page; rcx, rdx: 0. */
#define INSNS(X)                                                                                   \
    X(hlt, "0xf4", GP, GP)                                                                         \
    X(lmsw, "0x0f,0x01,0xf1", GP, GP)                                                              \
    X(lgdt, "0x0f,0x01,0x10", GP, GP)                                                              \
    X(lidt, "0x0f,0x01,0x18", GP, GP)                                                              \
    X(invlpg, "0x0f,0x01,0x38", GP, GP)                                                            \
    X(swapgs, "0x0f,0x01,0xf8", GP, GP)                                                            \
    X(lldt, "0x0f,0x00,0xd1", GP, GP)                                                              \
    X(ltr, "0x0f,0x00,0xd9", GP, GP)                                                               \
    X(sysretq, "0x48,0x0f,0x07", GP, GP)                                                           \
    X(sysexitq, "0x48,0x0f,0x35", GP | UD, GP | UD)                                                \
    X(invd, "0x0f,0x08", GP, GP)                                                                   \
    X(wbinvd, "0x0f,0x09", NONE, GP)                                                               \
    X(rdpmc, "0x0f,0x33", GP, GP)                                                                  \
    X(vmcall, "0x0f,0x01,0xc1", GP | UD, ANY)                                                      \
    X(vmmcall, "0x0f,0x01,0xd9", GP | UD, ANY)                                                     \
    X(vmrun, "0x0f,0x01,0xd8", GP | UD, GP | UD)                                                   \
    X(vmxon, "0xf3,0x0f,0xc7,0x30", GP | UD, GP | UD)                                              \
    X(vmread, "0x0f,0x78,0xc1", GP | UD, GP | UD)                                                  \
    X(invept, "0x66,0x0f,0x38,0x80,0x08", GP | UD, GP | UD)                                        \
    X(invpcid, "0x66,0x0f,0x38,0x82,0x08", GP | UD, GP | UD)                                       \
    X(xsaves, "0x0f,0xc7,0x28", GP | UD, GP | UD)                                                  \
    X(monitor, "0x0f,0x01,0xc8", UD, UD)                                                           \
    X(mwait, "0x0f,0x01,0xc9", UD, UD)                                                             \
    X(clac, "0x0f,0x01,0xca", UD, UD)                                                              \
    X(stac, "0x0f,0x01,0xcb", UD, UD)                                                              \
    X(encls, "0x0f,0x01,0xcf", UD, UD)                                                             \
    X(rsm, "0x0f,0xaa", UD, UD)                                                                    \
    X(getsec, "0x0f,0x37", UD | GP, UD | GP)                                                       \
    X(mov_tr, "0x0f,0x24,0xc0", UD, UD)                                                            \
    X(ud1, "0x0f,0xb9,0xc0", UD, UD)                                                               \
    X(salc, "0xd6", UD, UD)                                                                        \
    X(pusha, "0x60", UD, UD)                                                                       \
    X(lcall, "0x9a", UD, UD)                                                                       \
    X(ljmp, "0xea", UD, UD)                                                                        \
    X(str, "0x0f,0x00,0xc9", NONE, ANY)                                                            \
    X(sldt, "0x0f,0x00,0xc1", NONE, ANY)

#define KERNEL(name, bytes, kernel, user)                                                          \
    "k_" #name ": .byte " bytes "\n ret\n"                                                         \
    "k_" #name "_end:\n"
#define USER(name, bytes, kernel, user) "u_" #name ": .byte " bytes "\n int $0x80\n"
#define DECLARE(name, bytes, kernel, user) extern char k_##name[], k_##name##_end[], u_##name[];
#define ENTRY(name, bytes, kernel, user) {#name, k_##name, k_##name##_end, u_##name, kernel, user},

asm(".text\n" INSNS(KERNEL) ".section .user, \"ax\"\n" INSNS(USER) ".text\n");
INSNS(DECLARE)

static const struct insn {
    const char *name, *kernel, *kernel_end, *user;
    unsigned int kernel_gets, user_gets; /* bits of vectors */
} insns[] = {INSNS(ENTRY)};

static uint8_t *page;
static struct trap_frame seen;
static const struct insn *now_testing;
static unsigned long seen_count;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector == TRAP_EVENT)
        return false;
    seen = *frame;
    seen_count++;
    frame->rip = (uintptr_t)now_testing->kernel_end - 1;
    return true;
}

static void check(const struct insn *insn, const char *mode, unsigned long vector, uint64_t error,
                  uint64_t rip, uint64_t want_rip, unsigned int gets)
{
    if (vector == ~0ul) {
        CHECK(gets & NONE, "%s, %s: no exception", mode, insn->name);
        return;
    }
    CHECK(vector < 31 && gets >> vector & 1, "%s, %s: vector %lu", mode, insn->name, vector);
    CHECK_EQ(rip, want_rip, "%s, %s: rip", mode, insn->name);
    if (vector == 13)
        CHECK_EQ(error, 0, "%s, %s: error code", mode, insn->name);
}

static void check_kernel(const struct insn *insn)
{
    uint64_t rax = (uintptr_t)page, rcx = 0, rdx = 0;

    now_testing = insn;
    seen_count = 0;
    trap_hook = hook;
    asm volatile("call *%[f]"
                 : "+a"(rax), "+c"(rcx), "+d"(rdx)
                 : [f] "r"(insn->kernel)
                 : "rdi", "rsi", "r11", "memory", "cc");
    trap_hook = NULL;
    check(insn, "kernel", seen_count ? seen.vector : ~0ul, seen.error, seen.rip,
          (uintptr_t)insn->kernel, insn->kernel_gets);
    if (seen_count)
        CHECK(rax == (uintptr_t)page && seen.rax == rax && !rcx && !rdx, "kernel, %s: registers",
              insn->name);
}

static void check_user(const struct insn *insn)
{
    uint64_t rip = CODE + (uintptr_t)insn->user % PAGE_SIZE;
    struct trap_frame f = program_frame(rip, 0x600800);

    f.rax = 0x600000;
    run_user(&f);
    check(insn, "program", f.vector == 0x80 ? ~0ul : f.vector, f.error, f.rip, rip,
          insn->user_gets);
}

/* What CPUID does not offer is not there. */
static void check_xbegin(void)
{
    uint32_t leaf[4];

    cpuid_forced(7, 0, leaf);
    if (leaf[1] >> 11 & 1)
        return;
    trap_reset();
    asm volatile(EX_TRY(".byte 0xc7, 0xf8, 0, 0, 0, 0") : : : "rax", "memory");
    CHECK_EQ(last_trap.vector, 6, "xbegin without RTM: vector");
    trap_reset();
    asm volatile(EX_TRY(".byte 0x0f, 0x01, 0xd6") : : : "cc");
    CHECK_EQ(last_trap.vector, 6, "xtest without RTM: vector");
}

void test_main(void)
{
    page = page_alloc();
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)u_hlt & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(0x600000, va_to_mfn(page), PTE_P | PTE_RW | PTE_U);
    for (unsigned int i = 0; i < ARRAY_SIZE(insns); i++) {
        check_kernel(&insns[i]);
        check_user(&insns[i]);
    }
    check_xbegin();
}
