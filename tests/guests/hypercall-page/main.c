/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hypercall-page - claim: the builder fills the hypercall page; calls through it and bare
 * `syscall` give the same results; a hypercall leaves all registers but rax, rcx and r11
 * alone; unknown numbers give -ENOSYS, toolstack calls are refused.
 *
 * Blind spots: slots above the known calls; the iret slot's bytes only.
 */
#include "guest.h"

static void check_bytes(void)
{
    static const uint8_t head[4] = {0x51, 0x41, 0x53, 0xb8}; /* push rcx; push r11; mov eax */
    static const uint8_t tail[6] = {0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};
    static const uint8_t iret[5] = {0x51, 0x41, 0x53, 0x50, 0xb8};

    for (unsigned int nr = 0; nr < 64; nr++) {
        const uint8_t *slot = hypercall_page + nr * 32;

        if (nr == __HYPERVISOR_iret) {
            CHECK(!memcmp(slot, iret, sizeof(iret)), "bytes of the iret slot");
            continue;
        }
        CHECK(!memcmp(slot, head, sizeof(head)), "first bytes of slot %u", nr);
        CHECK_EQ(*(const uint32_t *)(slot + 4), nr, "number in slot %u", nr);
        CHECK(!memcmp(slot + 8, tail, sizeof(tail)), "last bytes of slot %u", nr);
    }
}

/* Load a pattern, ask for the version, store what is in the registers afterwards. */
void register_probe(uint64_t out[14]);
asm(".text\n"
    "register_probe:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
    "mov $0x1111111111111111, %rbx; mov $0x2222222222222222, %rbp\n"
    "mov $0x3333333333333333, %r9; mov $0x4444444444444444, %r12\n"
    "mov $0x5555555555555555, %r13; mov $0x6666666666666666, %r14\n"
    "mov $0x7777777777777777, %r15; mov $0x8888888888888888, %rdx\n"
    "mov $0x9999999999999999, %r10; mov $0xaaaaaaaaaaaaaaaa, %r8\n"
    "xor %edi, %edi; xor %esi, %esi; mov $17, %eax\n"
    "stc; std\n"
    "syscall\n"
    "pushfq; cld; push %rdi; mov 16(%rsp), %rdi\n"
    "mov %rbx, (%rdi); mov %rbp, 8(%rdi); mov %r9, 16(%rdi); mov %r12, 24(%rdi)\n"
    "mov %r13, 32(%rdi); mov %r14, 40(%rdi); mov %r15, 48(%rdi); mov %rdx, 56(%rdi)\n"
    "mov %r10, 64(%rdi); mov %r8, 72(%rdi); mov %rsi, 80(%rdi); mov %rax, 104(%rdi)\n"
    "pop 88(%rdi); pop 96(%rdi)\n"
    "pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n");

static void check_registers(void)
{
    static const char *const names[] = {"rbx", "rbp", "r9",  "r12", "r13",
                                        "r14", "r15", "rdx", "r10", "r8"};
    uint64_t out[14];

    register_probe(out);
    for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
        CHECK_EQ(out[i], (i + 1) * 0x1111111111111111ul, "%s", names[i]);
    CHECK_EQ(out[10], 0, "rsi");
    CHECK_EQ(out[11], 0, "rdi");
    CHECK_EQ(out[12] & 0x401, 0x401, "carry and direction flags");
    CHECK_EQ(out[13], xen_version(XENVER_version, NULL), "rax");
}

static void check_results(void)
{
    xen_extraversion_t a, b;

    memset(a, 0, sizeof(a));
    memset(b, 1, sizeof(b));
    CHECK_EQ(hypercall5(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0),
             hypercall5_page(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0), "version");
    CHECK_EQ(hypercall5(__HYPERVISOR_xen_version, XENVER_extraversion, HC(a), 0, 0, 0), 0, "bare");
    CHECK_EQ(hypercall5_page(__HYPERVISOR_xen_version, XENVER_extraversion, HC(b), 0, 0, 0), 0,
             "page");
    CHECK(!memcmp(a, b, sizeof(a)), "the two ways give different strings");
}

static void check_unknown(void)
{
    static const unsigned int unknown[] = {11,  47,  56,   63,         64,          100,
                                           127, 128, 1000, 0x7fffffff, 0x80000000u, 0xffffffffu};

    for (unsigned int i = 0; i < ARRAY_SIZE(unknown); i++)
        CHECK_EQ(hypercall0(unknown[i]), -XEN_ENOSYS, "hypercall %u", unknown[i]);
    /* -EPERM, or -EFAULT where the argument is looked at first. */
    CHECK(hypercall1(__HYPERVISOR_sysctl, 0) < 0, "sysctl");
    CHECK(hypercall1(__HYPERVISOR_domctl, 0) < 0, "domctl");
    CHECK(hypercall1(__HYPERVISOR_platform_op, 0) < 0, "platform_op");
}

void test_main(void)
{
    check_bytes();
    check_results();
    check_registers();
    check_unknown();
}
