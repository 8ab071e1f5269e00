/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-user.c - guest user mode as the guest kernel sees it: system calls, exceptions, page
 * faults, TLB duties, kicks, patched sites, FPU state across address spaces.
 */
#include "harness.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define G(name) extern const uint8_t name[]

G(g_syscall);
G(g_loop_a);
G(g_loop_b);
G(g_restart_a);
G(g_restart_a_insn);
G(g_spin);
G(g_load);
G(g_store);
G(g_jmp);
G(g_ud2);
G(g_int3);
G(g_div);
G(g_tf);
G(g_hlt);
G(g_ac);
G(g_int80);
G(g_intn);
G(g_vsyscall);
G(g_noncanonical);
G(g_xmm_set);
G(g_xmm_get);
G(g_flags);
G(g_compat);
G(g_compat_tls);
G(g_fsgs);

static bool is_fault(enum user_stop stop, uint8_t vector, int64_t error)
{
    return stop == USER_FAULT && fault.vector == vector &&
           (error < 0 ? !fault.has_error : fault.has_error && fault.error == (uint64_t)error);
}

static bool is_page_fault(enum user_stop stop, gva_t va, uint32_t error)
{
    return is_fault(stop, VEC_PF, error) && fault.cr2 == va;
}

static void test_syscall(void)
{
    bool same = true;
    enum user_stop stop;

    for (unsigned int i = 0; i < 16; i++)
        vcpu.gpr[i] = 0x111111111111111 * i;
    stop = go(AT(g_syscall));
    ok(stop == USER_SYSCALL && vcpu.rip == AT(g_syscall) + 2, "syscall stops after it");
    ok(vcpu.gpr[RCX] == vcpu.rip && vcpu.gpr[R11] == vcpu.rflags, "rcx and r11 as on a CPU");
    for (unsigned int i = 0; i < 16; i++)
        if (i != RCX && i != R11 && i != RSP)
            same &= vcpu.gpr[i] == 0x111111111111111 * i;
    ok(same && vcpu.gpr[RSP] == GUEST_STACK, "all other registers unchanged");
    stop = resume();
    ok(is_fault(stop, VEC_GP, 0) && vcpu.rip == AT(g_syscall) + 2, "hlt after it is #GP");
}

static void test_exceptions(void)
{
    enum user_stop stop = go(AT(g_ud2));

    ok(is_fault(stop, VEC_UD, -1) && vcpu.rip == AT(g_ud2), "ud2 is #UD at it");
    stop = go(AT(g_int3));
    ok(is_fault(stop, VEC_BP, -1) && vcpu.rip == AT(g_int3) + 1, "int3 is #BP after it");
    stop = go(AT(g_div));
    ok(is_fault(stop, VEC_DE, -1), "division by zero is #DE");
    stop = go(AT(g_tf));
    ok(is_fault(stop, VEC_DB, -1) && vcpu.rflags & EFLAGS_TF, "TF is #DB");
    stop = resume();
    ok(is_fault(stop, VEC_DB, -1), "and again after the next instruction");
    stop = go(AT(g_hlt));
    ok(is_fault(stop, VEC_GP, 0) && vcpu.rip == AT(g_hlt), "hlt is #GP(0)");
    vcpu.gpr[RDI] = GUEST_DATA;
    stop = go(AT(g_ac));
    ok(is_fault(stop, VEC_AC, 0), "misaligned access with AC is #AC");
    stop = go(AT(g_int80));
    ok(is_fault(stop, 0x80, -1) && vcpu.rip == AT(g_int80) + 2, "int 0x80 is vector 0x80 after it");
    stop = go(AT(g_intn));
    ok(is_fault(stop, VEC_GP, 0x82 * 8 + 2), "int 0x82 is #GP with its IDT index");
    stop = go(AT(g_vsyscall));
    ok(is_page_fault(stop, 0xffffffffff600400, PF_U | PF_I) && vcpu.rip == fault.cr2 &&
           *(uint64_t *)data(vcpu.gpr[RSP]) == AT(g_vsyscall) + 11,
       "a call into the vsyscall page is a #PF there (%d %u %x %lx)", stop, fault.vector,
       fault.error, vcpu.rip);
    stop = go(AT(g_noncanonical));
    ok(is_fault(stop, VEC_GP, 0), "non-canonical address is #GP");
    vcpu.gpr[RBP] = 0x8000000000000000;
    stop = go(AT(g_jmp));
    ok(is_fault(stop, VEC_GP, 0), "jump to a non-canonical address is #GP");
    vcpu.gpr[RBP] = 0xffffffff81000000;
    stop = go(AT(g_jmp));
    ok(is_page_fault(stop, 0xffffffff81000000, PF_U | PF_I), "jump into the kernel is #PF");
    vcpu.gpr[RDI] = 0xffffffff81000000;
    stop = go(AT(g_load));
    ok(is_page_fault(stop, 0xffffffff81000000, PF_U), "load from the kernel is #PF");
    vcpu.rip = 0xffff800000001000;
    stop = resume();
    ok(is_page_fault(stop, 0xffff800000001000, PF_U | PF_I), "return to a kernel address is #PF");
    vcpu.rip = 0x8000000000000000;
    stop = resume();
    ok(is_fault(stop, VEC_GP, 0), "return to a non-canonical address is #GP");
}

static void test_compat(void)
{
    enum user_stop stop;

    vcpu.gpr[RDI] = GUEST_DATA;
    *(uint32_t *)data(GUEST_DATA) = 0x5678;
    stop = go(AT(g_compat));
    ok(is_fault(stop, 0x80, -1) && vcpu.cs == 0x23 && vcpu.gpr[RAX] == 20 &&
           vcpu.gpr[RBX] == 0x1234 && vcpu.gpr[RCX] == 0x5678,
       "32-bit code runs and makes a system call (%d %u cs %x)", stop, fault.vector, vcpu.cs);
    stop = resume();
    ok(is_fault(stop, VEC_GP, 0) && vcpu.cs == 0x23, "and goes on in 32-bit mode");
    vcpu.cs = 0x33;
    *(uint32_t *)data(TLS_BASE + 4) = 0x1111;
    *(uint32_t *)data(TLS_BASE + 8) = 0x2222;
    stop = go(AT(g_compat_tls));
    ok(is_fault(stop, 0x80, -1) && vcpu.gpr[RCX] == 0x1111 && vcpu.gs == TLS_SELECTOR,
       "32-bit thread-local storage through the guest's GDT");
    stop = resume();
    ok(is_fault(stop, 0x80, -1) && vcpu.gpr[RCX] == 0x2222 && vcpu.gpr[RDX] == 0x2b,
       "and after a system call");
    vcpu.cs = 0x33;
    vcpu.ds = vcpu.gs = 0;
    vcpu.gs_base = 0;
}

static void test_flags(void)
{
    uint64_t odd = 0x202 | EFLAGS_NT | EFLAGS_AC | EFLAGS_DF | 0x200000;
    enum user_stop stop;

    vcpu.gpr[RDI] = odd;
    stop = go(AT(g_flags));
    ok(stop == USER_SYSCALL && vcpu.rflags == odd, "NT AC DF ID reach the kernel (%lx)",
       vcpu.rflags);
    stop = resume();
    ok(stop == USER_SYSCALL && vcpu.gpr[RBX] == odd, "and come back (%lx)", vcpu.gpr[RBX]);
    vcpu.gpr[RDI] = 0x3202;
    stop = go(AT(g_flags));
    ok(stop == USER_SYSCALL && !(vcpu.rflags & EFLAGS_IOPL), "IOPL stays 0");
    vcpu.gpr[RDI] = 0x123456789000;
    vcpu.gpr[RSI] = 0xffff888000001000;
    stop = go(AT(g_fsgs));
    ok(stop == USER_SYSCALL && vcpu.fs_base == 0x123456789000 && vcpu.gs_base == 0xffff888000001000,
       "segment bases set by the program are seen");
    vcpu.fs_base = 0x1000;
    vcpu.gs_base = 0x2000;
    stop = resume();
    ok(stop == USER_SYSCALL && vcpu.gpr[RAX] == 0x1000 && vcpu.gpr[RBX] == 0x2000,
       "and those that the kernel sets are used");
    vcpu.fs_base = vcpu.gs_base = 0;
}

static void test_page_faults(void)
{
    const gva_t va = 0x20000000;
    mfn_t root = vcpu.cr3_user;
    enum user_stop stop;

    vcpu.gpr[RDI] = va;
    vcpu.gpr[RSI] = 77;
    stop = go(AT(g_load));
    ok(is_page_fault(stop, va, PF_U) && vcpu.rip == AT(g_load), "load from nowhere");
    stop = go(AT(g_store));
    ok(is_page_fault(stop, va, PF_U | PF_W), "store to nowhere");
    page_map(root, va, FRAME_DATA_0 + 40, MAP_RO);
    stop = go(AT(g_load));
    ok(is_fault(stop, VEC_GP, 0), "load after mapping it");
    ok((*page_entry(root, va) & (PTE_A | PTE_D)) == PTE_A, "A is set, D is not");
    stop = go(AT(g_store));
    ok(is_page_fault(stop, va, PF_U | PF_W | PF_P), "store to a read-only page");
    vcpu.gpr[RBP] = va;
    stop = go(AT(g_jmp));
    ok(is_page_fault(stop, va, PF_U | PF_I | PF_P), "jump to a no-execute page");
    page_map(root, va, FRAME_DATA_0 + 40, MAP_RW);
    stop = go(AT(g_store));
    ok(is_fault(stop, VEC_GP, 0) && *(uint64_t *)ram_linear(FRAME_DATA_0 + 40) == 77,
       "store to a writable page");
    ok(*page_entry(root, va) & PTE_D, "D is set");
    *page_entry(root, va) &= ~PTE_D;
    user_invlpg(root, va);
    go(AT(g_store));
    ok(*page_entry(root, va) & PTE_D, "D is set again after it was cleared and flushed");
    page_map(root, va, FRAME_DATA_0 + 41, MAP_RW);
    user_invlpg(root, va);
    vcpu.gpr[RSI] = 78;
    go(AT(g_store));
    ok(*(uint64_t *)ram_linear(FRAME_DATA_0 + 41) == 78 &&
           *(uint64_t *)ram_linear(FRAME_DATA_0 + 40) == 77,
       "another frame after invlpg");
    page_unmap(root, va);
    user_flush(root);
    stop = go(AT(g_load));
    ok(is_page_fault(stop, va, PF_U), "nothing there after flush");
    page_map(root, va, 0x7fffffff, MAP_RW);
    stop = go(AT(g_load));
    ok(is_page_fault(stop, va, PF_U), "a frame that does not exist faults");
    page_unmap(root, va);
    vcpu.gpr[RDI] = STUB_Q;
    stop = go(AT(g_load));
    ok(stop == USER_FAULT, "the stub's own area is not the guest's");
}

static void test_patched(void)
{
    mfn_t root = vcpu.cr3_user;
    uint64_t fast = user_stats.syscalls_fast;
    bool good = true;

    vcpu.cr3_user = space_make(); /* the other one was single-stepped */
    for (int i = 0; i < 20; i++) {
        enum user_stop stop = i ? resume() : go(AT(g_loop_a));

        good &= stop == USER_SYSCALL && vcpu.rip == AT(g_loop_a) + 7 && vcpu.gpr[RAX] == 39 &&
                vcpu.gpr[RCX] == vcpu.rip && vcpu.gpr[R11] == vcpu.rflags;
        vcpu.gpr[RAX] = (uint64_t)i;
    }
    ok(good, "mov, syscall: every stop looks the same");
    ok(PATCHED(user_stats.syscalls_fast > fast + 10), "and it was patched");
    for (int i = 0; i < 10; i++)
        go(AT(g_restart_a));
    vcpu.gpr[RAX] = 12345;
    ok(go(AT(g_restart_a_insn)) == USER_SYSCALL && vcpu.gpr[RAX] == 12345 &&
           vcpu.rip == AT(g_restart_a_insn) + 2,
       "the syscall instruction of a patched site can be jumped to");
    fast = user_stats.syscalls_fast;
    good = true;
    for (uint64_t i = 0; i < 20; i++) {
        enum user_stop stop;

        vcpu.gpr[RAX] = i & 1 ? (uint64_t)-5 : i;
        stop = i ? resume() : go(AT(g_loop_b));
        good &= stop == USER_SYSCALL && vcpu.rip == AT(g_loop_b) + 2;
        if (i)
            good &= vcpu.gpr[R8] == (i & 1 ? 0 : ~0ull);
    }
    ok(PATCHED(user_stats.syscalls_fast > fast + 10), "syscall, cmp: patched");
    ok(good, "syscall, cmp: the compare is executed on the way back");
    ok(memcmp(ram_linear(FRAME_CODE_0), guest_start, PAGE_SIZE) == 0,
       "the guest's memory is as it was");
    fast = user_stats.syscalls_fast;
    env_frame_written(FRAME_CODE_0);
    go(AT(g_loop_a));
    ok(user_stats.syscalls_fast == fast, "a write to the frame drops the patched copy");
    user_release(vcpu.cr3_user);
    vcpu.cr3_user = space_make();
    for (int i = 0; i < 20; i++)
        if (i)
            resume();
        else
            go(AT(g_loop_a));
    page_map(vcpu.cr3_user, PATCH_TABLE, FRAME_DATA_0 + 3, MAP_RW);
    vcpu.gpr[RDI] = PATCH_TABLE;
    vcpu.gpr[RSI] = 99;
    ok(is_fault(go(AT(g_store)), VEC_GP, 0) && *(uint64_t *)ram_linear(FRAME_DATA_0 + 3) == 99,
       "a program that uses the address of the pointer table gets it");
    fast = user_stats.syscalls_fast;
    for (int i = 0; i < 20; i++)
        if (i)
            resume();
        else
            go(AT(g_loop_a));
    ok(user_stats.syscalls_fast == fast, "and is not patched any more");
    user_release(vcpu.cr3_user);
    vcpu.cr3_user = root;
}

static void test_kick(void)
{
    unsigned int events = 0;
    uint64_t before = 0, worst = 0;
    bool forward = true;

    vcpu.rip = AT(g_spin);
    vcpu.gpr[RAX] = 0;
    vcpu.rflags = 0x202;
    for (int i = 0; i < 200; i++) {
        uint64_t t = now_us();

        kick_after(100);
        events += resume_once() == USER_EVENT;
        t = now_us() - t;
        worst = t > worst ? t : worst;
        forward &= vcpu.gpr[RAX] >= before && vcpu.rip >= AT(g_spin) && vcpu.rip < AT(g_spin) + 8;
        before = vcpu.gpr[RAX];
    }
    ok(events == 200 && forward && before > 1000,
       "200 kicks stop a spinning program (worst %lu us)", worst);
}

static void test_spaces(void)
{
    mfn_t first = vcpu.cr3_user, roots[80];
    uint64_t fast;
    bool good = true;

    for (unsigned int i = 0; i < ARRAY_SIZE(roots); i++)
        roots[i] = space_make();
    for (unsigned int round = 0; round < 3; round++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(roots); i++) {
            vcpu.cr3_user = roots[i];
            vcpu.gpr[RDI] = 1000 + i + round;
            good &= go(AT(g_xmm_set)) == USER_SYSCALL;
            vcpu.cr3_user = roots[(i + 1) % ARRAY_SIZE(roots)];
            good &= go(AT(g_xmm_get)) == USER_SYSCALL && vcpu.gpr[RDI] == 1000 + i + round &&
                    vcpu.gpr[RSI] == 1000 + i + round;
        }
    }
    ok(good, "80 address spaces, FPU state follows the vCPU");
    for (unsigned int i = 0; i < ARRAY_SIZE(roots); i++)
        user_release(roots[i]);
    vcpu.cr3_user = first;
    vcpu.gpr[RDI] = 4711;
    go(AT(g_xmm_set));
    user_fpu_import();
    ok(user_fpu_here == 1, "FPU state imported");
    go(AT(g_xmm_get));
    ok(vcpu.gpr[RDI] == 4711 && !user_fpu_here, "and given back");
    vcpu.cr3_user = space_make();
    fast = user_stats.syscalls_fast;
    for (int i = 0; i < 10; i++)
        go(AT(g_loop_a));
    good = PATCHED(user_stats.syscalls_fast > fast);
    user_release(vcpu.cr3_user);
    vcpu.cr3_user = first;
    go(AT(g_xmm_get));
    ok(good && vcpu.gpr[RDI] == 4711 && vcpu.gpr[RSI] == 4711,
       "it follows from a patched call too");
}

static void kill_and_wait(int pidfd)
{
    stub_signal(pidfd, STUB_SIGKILL);
    while (!stub_signal(pidfd, 0))
        usleep(100);
}

static volatile bool killing;

static void *kill_now_and_then(void *arg)
{
    while (killing) {
        usleep(50000);
        for (unsigned int i = 0; i < STUB_MAX; i++)
            if (stubs[i].state == STUB_BOUND)
                stub_signal(stubs[i].fd, STUB_SIGKILL);
    }
    return NULL;
}

/* Somebody on the host kills processes of a guest. */
static void test_deaths(void)
{
    mfn_t root = space_make(), other;
    unsigned int idle = 0;
    pthread_t thread;

    vcpu.cr3_user = root;
    ok(go(AT(g_syscall)) == USER_SYSCALL, "a program");
    for (unsigned int i = 0; i < STUB_MAX; i++)
        if (stubs[i].state == STUB_BOUND)
            kill_and_wait(stubs[i].fd);
    ok(go(AT(g_syscall)) == USER_SYSCALL, "its stub dies between two runs: it goes on in another");
    killing = true;
    pthread_create(&thread, NULL, kill_now_and_then, NULL);
    ok(is_fault(go(AT(g_spin)), VEC_GP, 0), "its stub dies under it: #GP");
    killing = false;
    pthread_join(thread, NULL);
    ok(go(AT(g_syscall)) == USER_SYSCALL, "and then there is another stub");
    for (unsigned int i = 0; i < STUB_MAX; i++)
        if (stubs[i].state == STUB_CLEAN || stubs[i].state == STUB_DIRTY) {
            kill_and_wait(stubs[i].fd);
            idle++;
        }
    other = space_make();
    vcpu.cr3_user = other;
    ok(idle && go(AT(g_syscall)) == USER_SYSCALL, "%u stubs die that nobody uses: no program dies",
       idle);
    user_release(root);
    user_release(other);
}

/* The zygote counts a dying stub: no reason to give up. */
static void test_all_stubs_at_once(void)
{
    mfn_t roots[STUB_MAX], first = vcpu.cr3_user;
    bool good = true;

    for (unsigned int i = 0; i < STUB_MAX; i++)
        roots[i] = space_make();
    for (int round = 0; round < 3; round++) {
        for (unsigned int i = 0; i < STUB_MAX; i++) {
            vcpu.cr3_user = roots[i];
            good &= go(AT(g_syscall)) == USER_SYSCALL;
        }
        for (unsigned int i = 0; i < STUB_MAX; i++)
            user_release(roots[i]);
        for (unsigned int i = 0; i < STUB_MAX; i++)
            stub_kill(&stubs[i]);
    }
    ok(good, "all stubs die and are needed again at once");
    vcpu.cr3_user = first;
}

int main(void)
{
    harness_init();
    test_syscall();
    test_exceptions();
    test_compat();
    test_flags();
    test_page_faults();
    test_patched();
    test_kick();
    test_deaths();
    test_spaces();
    test_all_stubs_at_once();
    return finish();
}
