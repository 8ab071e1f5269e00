/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user.c - guest user mode (see user.h): picks the stub of an address space, runs it, and turns
 * what stopped it into what a CPU would have reported to the guest kernel.
 */
#include "engine/soft/vcpu/user.h"

#include <asm/unistd.h>

#include "cpu/pv/pv.h"
#include "cpu/pv/segment.h"
#include "engine/soft/vcpu/patch.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/stubs.h"
#include "engine/soft/vcpu/user_fpu.h"
#include "engine/soft/vcpu/user_regs.h"
#include "engine/soft/vcpu/user_segment.h"
#include "engine/soft/vcpu/user_tlb.h"

/* Host signal numbers, as X.why claims them. */
enum {
    SIG_ILL = 4,
    SIG_TRAP = 5,
    SIG_BUS = 7,
    SIG_FPE = 8,
    SIG_USR1 = 10,
    SIG_SEGV = 11,
    SIG_SYS = 31
};

#define VSYSCALL_PAGE 0xffffffffff600000ull
#define ARCH_I386 0x40000003u
#define SELECTOR_LDT 4u
#define INT_GP_ERROR 2 /* the low bits of a #GP for a gate; its number is above them */

struct user_stats user_stats;

static struct space *current;
static uint64_t run_count;

/* The last #PF that was delivered: when its handler returns to the same instruction the page is
 * mapped before the program faults again. */
static struct {
    bool valid;
    mfn_t root;
    gva_t va, rip;
    enum access access;
} last_fault;

/* ---- spaces ---- */

static struct space *space_find(mfn_t root)
{
    if (root == INVALID_MFN)
        return NULL;
    for (unsigned int i = 0; i < STUB_MAX; i++)
        if (spaces[i].root == root)
            return &spaces[i];
    return NULL;
}

/* Give the space up without ceremony: its stub is beyond control. */
static void space_drop(struct space *sp)
{
    user_fpu_rescue(sp->stub);
    user_tlb_forget(sp);
    stub_kill(sp->stub);
    sp->root = INVALID_MFN;
    if (current == sp)
        current = NULL;
}

/* Nothing of the space runs after this. false: it had to be dropped. */
static bool space_leave(struct space *sp)
{
    if (current == sp)
        current = NULL;
    if (!stub_park(sp->stub))
        return true;
    space_drop(sp);
    return false;
}

static void space_release(struct space *sp)
{
    if (!space_leave(sp))
        return;
    user_fpu_rescue(sp->stub);
    user_tlb_forget(sp);
    stub_put(sp->stub);
    sp->root = INVALID_MFN;
}

static void space_evict(void)
{
    struct space *oldest = NULL;

    for (unsigned int i = 0; i < STUB_MAX; i++) {
        struct space *sp = &spaces[i];

        if (sp->root != INVALID_MFN && sp->stub && (!oldest || sp->used < oldest->used))
            oldest = sp;
    }
    if (oldest)
        space_release(oldest);
}

static struct stub *stub_or_crash(struct vcpu *v, uint8_t kind)
{
    struct stub *s = stub_get(kind);

    if (!s) {
        space_evict();
        s = stub_get(kind);
    }
    if (!s)
        env_domain_crash(v, "no stub process for a guest program: the stub maker has failed");
    return s;
}

/* The stub is dead or its memory is in an unknown state: go on with another, empty one. */
static void space_rebuild(struct vcpu *v, struct space *sp)
{
    uint8_t kind = sp->stub->kind;

    user_fpu_rescue(sp->stub);
    user_tlb_forget(sp);
    sp->windows = false;
    stub_kill(sp->stub);
    sp->stub = NULL;
    sp->stub = stub_or_crash(v, kind);
}

static struct space *space_new(struct vcpu *v, uint8_t kind)
{
    struct stub *s = stub_or_crash(v, kind);
    struct space *sp = spaces;

    while (sp->root != INVALID_MFN)
        sp++; /* there are as many as stubs */
    *sp = (struct space){.root = v->cr3_user, .stub = s};
    return sp;
}

/* A program that begins wants its code and its stack: spare it two faults. */
static void prefetch(const struct vcpu *v, struct space *sp)
{
    uint32_t ignored;

    if (v->rip < STUB_USER_END && !stub_is_at(sp->stub->kind, v->rip))
        user_tlb_fill(sp, v->rip, ACCESS_EXEC, &ignored);
    if (v->gpr[RSP] < STUB_USER_END && !stub_is_at(sp->stub->kind, v->gpr[RSP]))
        user_tlb_fill(sp, v->gpr[RSP], ACCESS_READ, &ignored);
}

static uint8_t kind_of_stub(enum stub_place place)
{
    return place == PLACE_ASIDE || place == PLACE_ASIDE_PARTLY ? STUB_WANT_ASIDE : STUB_WANT_LOW;
}

bool user_has_place(const struct vcpu *v)
{
    enum stub_place place = user_tlb_place(v->cr3_user);

    return place == PLACE_LOW || place == PLACE_ASIDE;
}

bool user_can_begin(const struct vcpu *v)
{
    return !stub_is_at(kind_of_stub(user_tlb_place(v->cr3_user)), v->rip);
}

/* The space of v's user mode, up to date. */
static struct space *space_enter(struct vcpu *v)
{
    uint8_t kind = kind_of_stub(user_tlb_place(v->cr3_user));
    struct space *sp = current;

    if (!sp || sp->root != v->cr3_user || sp->stub->kind != kind) {
        if (current)
            space_leave(current);
        sp = space_find(v->cr3_user);
        if (sp && sp->stub->kind != kind) {
            space_release(sp);
            sp = NULL;
        }
        if (sp) {
            sp->stale = true;
        } else {
            sp = space_new(v, kind);
            prefetch(v, sp);
        }
        current = sp;
    }
    if (sp->stale) {
        sp->stale = false;
        user_tlb_revalidate(sp); /* carried out before it runs */
    }
    sp->used = ++run_count;
    return sp;
}

/* The host refused a mapping (too many of them): start again from nothing. */
static void space_restart(struct space *sp)
{
    user_tlb_forget(sp);
    sp->windows = false;
    stub_unmap_all(sp->stub);
}

int user_init(void)
{
    for (unsigned int i = 0; i < STUB_MAX; i++)
        spaces[i].root = INVALID_MFN;
    stub_run_init();
    user_fpu_init();
    return stubs_init();
}

/* ---- why it stopped ---- */

static enum user_stop fault_stop(struct fault *f, uint8_t vector, bool has_error, uint32_t error)
{
    *f = (struct fault){.vector = vector, .has_error = has_error, .error = error};
    return USER_FAULT;
}

static enum user_stop page_fault_stop(struct fault *f, gva_t va, uint32_t error)
{
    *f = (struct fault){.vector = VEC_PF, .has_error = true, .error = error | PF_U, .cr2 = va};
    return USER_FAULT;
}

static enum user_stop on_syscall(struct vcpu *v)
{
    v->gpr[RCX] = v->rip;
    v->gpr[R11] = v->rflags;
    return USER_SYSCALL;
}

/* The host emulates calls into its vsyscall page and asks seccomp first; by then it has undone
 * the call. The guest has a page of its own there, or not: let it have the fault. */
static enum user_stop on_vsyscall(struct vcpu *v, gva_t va, struct fault *f)
{
    v->rip = va;
    v->gpr[RSP] -= 8;
    return page_fault_stop(f, va, PF_I);
}

/* The linear address of v->rip: code of the LDT may have a base. */
static gva_t linear_rip(struct vcpu *v)
{
    uint64_t desc;

    if (!(v->cs & SELECTOR_LDT) || pv_descriptor_read(v, v->cs, &desc) || (desc & DESC_L))
        return v->rip;
    return (uint32_t)(v->rip + segment_base(desc));
}

/* `int n` with rip at it: a trap, or #GP where its gate is not for programs. */
static enum user_stop on_software_int(struct vcpu *v, uint8_t n, struct fault *f)
{
    pv_software_int(v, n, 2, f);
    return USER_FAULT;
}

/* A 32-bit system call. The stub has `int 0x80` where the guest's vDSO has `syscall` or `sysenter`
 * (patch.c). The CPU's own are #UD, as where it lacks them: rip behind them is not to be had. */
static enum user_stop on_i386(struct vcpu *v, struct fault *f)
{
    uint16_t op;
    struct fault ignored;

    if (env_read(v, linear_rip(v) - 2, &op, 2, &ignored))
        op = 0;
    switch (op) {
    case 0x050f:
        return USER_SYSCALL32;
    case 0x340f:
        return USER_SYSENTER;
    case 0x80cd:
        v->rip -= 2;
        return on_software_int(v, 0x80, f);
    default:
        return fault_stop(f, VEC_UD, false, 0);
    }
}

static enum user_stop on_sigsys(struct vcpu *v, struct space *sp, uint64_t addr, uint32_t arch,
                                struct fault *f)
{
    if ((addr & PAGE_MASK) == VSYSCALL_PAGE)
        return on_vsyscall(v, addr, f);
    if (arch == ARCH_I386)
        return on_i386(v, f);
    user_stats.syscalls_trap++;
    patch_note_trap(sp, v->rip, v->gpr[RAX]);
    return on_syscall(v);
}

/* Is that the engine's own page, which the program may access so? */
static bool in_patch_windows(const struct space *sp, gva_t va, enum access access)
{
    if (!sp->windows || access == ACCESS_WRITE)
        return false;
    return (va >= PATCH_TRAMP && va < PATCH_TRAMP + PATCH_TRAMP_SIZE) ||
           (va >= PATCH_TABLE && va < PATCH_TABLE + PATCH_TABLE_SIZE && access == ACCESS_READ);
}

/* ---- accesses that somebody wants to see ---- */

static struct {
    unsigned int pages, seen;
    gva_t page[USER_WATCH_MAX];
    struct user_access access[USER_WATCH_MAX];
} watch;

void user_watch(struct vcpu *v, gva_t va)
{
    if (watch.pages == USER_WATCH_MAX || va >= STUB_USER_END)
        return;
    user_tlb_drop_page(space_enter(v), va & PAGE_MASK);
    watch.page[watch.pages++] = va & PAGE_MASK;
}

unsigned int user_watch_end(struct user_access ret[USER_WATCH_MAX])
{
    unsigned int n = watch.seen;

    memcpy(ret, watch.access, sizeof(watch.access));
    watch.pages = watch.seen = 0;
    return n;
}

static void note_watched(gva_t va, enum access access)
{
    for (unsigned int i = 0; i < watch.pages; i++)
        if (watch.page[i] == (va & PAGE_MASK) && watch.seen < USER_WATCH_MAX) {
            watch.access[watch.seen++] = (struct user_access){va, access == ACCESS_WRITE};
            return;
        }
}

/* Programs that have something where the stub is do not come here (program.c), but for 32-bit code
 * without a place for one. */
static enum user_stop stub_place_stop(const struct space *sp, gva_t va, uint32_t claim,
                                      struct fault *f)
{
    if (user_tlb_maps(sp->root, va))
        return fault_stop(f, VEC_GP, true, 0);
    return page_fault_stop(f, va, claim & (PF_W | PF_I));
}

/* Returns USER_EVENT when the page is mapped now. */
static enum user_stop on_page_fault(struct vcpu *v, struct space *sp, gva_t va, uint32_t claim,
                                    struct fault *f)
{
    enum access access = claim & PF_W ? ACCESS_WRITE : claim & PF_I ? ACCESS_EXEC : ACCESS_READ;
    uint32_t error;

    user_stats.faults++;
    if (va >= STUB_USER_END) {
        if ((int64_t)va > 0 && va >> 47)
            return fault_stop(f, VEC_GP, true, 0);
        return page_fault_stop(f, va, claim & (PF_W | PF_I));
    }
    if (stub_is_at(sp->stub->kind, va))
        return stub_place_stop(sp, va, claim, f);
    if (in_patch_windows(sp, va, access)) {
        space_restart(sp); /* it has unmapped them, which is its own loss */
        return USER_EVENT;
    }
    note_watched(va, access);
    if (user_tlb_fill(sp, va, access, &error))
        return USER_EVENT;
    last_fault.valid = true;
    last_fault.root = sp->root;
    last_fault.va = va;
    last_fault.rip = v->rip;
    last_fault.access = access;
    return page_fault_stop(f, va, error);
}

/* SIGSEGV and SIGBUS that are not page faults. USER_EVENT: emulated. */
static enum user_stop on_protection(struct vcpu *v, uint32_t trapno, uint64_t err, struct fault *f)
{
    uint8_t op[2], vector;
    struct fault ignored;

    switch (trapno) {
    case VEC_AC:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
        return fault_stop(f, (uint8_t)trapno, true, (uint16_t)err);
    case VEC_OF:
    case VEC_BR:
        return fault_stop(f, (uint8_t)trapno, false, 0);
    default:
        break;
    }
    /* The host's gates are closed; for 0x80 only where it has no 32-bit emulation. */
    if ((err & 7) == INT_GP_ERROR && !env_read(v, linear_rip(v), op, 2, &ignored) &&
        op[0] == 0xcd && op[1] == err >> 3)
        return on_software_int(v, op[1], f);
    vector = user_segment_load(v, (uint16_t)err);
    if (vector)
        return fault_stop(f, vector, true, (uint16_t)err);
    return v->rflags & EFLAGS_TF ? fault_stop(f, VEC_DB, false, 0) : USER_EVENT;
}

static enum user_stop on_fpe(uint32_t trapno, struct fault *f)
{
    if (trapno == VEC_MF || trapno == VEC_XM)
        return fault_stop(f, (uint8_t)trapno, false, 0);
    return fault_stop(f, VEC_DE, false, 0);
}

/* Act on a stop. USER_EVENT: nothing to deliver. */
static enum user_stop on_stop(struct vcpu *v, struct space *sp, struct fault *f)
{
    const volatile struct stub_x *x = sp->stub->x;
    uint32_t why = x->why, trapno = x->trapno, arch = x->arch;
    uint64_t err = x->err, addr = x->addr;

    user_regs_load(v, sp);
    sp->stub->rolled_back = why == SIG_USR1 || why == STUB_WHY_FAILED;
    switch (why) {
    case STUB_WHY_FAST:
        user_stats.syscalls_fast++;
        return patch_arrive(v, sp) ? on_syscall(v) : fault_stop(f, VEC_GP, true, 0);
    case SIG_SYS:
        return on_sigsys(v, sp, addr, arch, f);
    case SIG_USR1:
    case STUB_WHY_START:
        return USER_EVENT;
    case STUB_WHY_FAILED:
        space_restart(sp);
        return USER_EVENT;
    case SIG_SEGV:
        if (trapno == VEC_PF)
            return on_page_fault(v, sp, addr, (uint32_t)err, f);
        return on_protection(v, trapno, err, f);
    case SIG_BUS:
        return on_protection(v, trapno, err, f);
    case SIG_ILL:
        return fault_stop(f, VEC_UD, false, 0);
    case SIG_TRAP:
        return fault_stop(f, trapno == VEC_BP ? VEC_BP : VEC_DB, false, 0);
    case SIG_FPE:
        return on_fpe(trapno, f);
    default:
        return fault_stop(f, VEC_GP, true, 0);
    }
}

static void map_last_fault(const struct vcpu *v, struct space *sp)
{
    uint32_t error;

    if (!last_fault.valid)
        return;
    last_fault.valid = false;
    if (last_fault.root == sp->root && last_fault.rip == v->rip)
        user_tlb_fill(sp, last_fault.va, last_fault.access, &error);
}

/* Run the space's stub until there is something to act on. */
static enum user_stop run_stub(struct vcpu *v, struct space *sp, struct fault *ret_fault)
{
    user_fpu_give(sp->stub);
    switch (stub_run(sp->stub)) {
    case STUB_HAS_STOPPED:
        return on_stop(v, sp, ret_fault);
    case STUB_DIED_BEFORE: /* v has all of the program's registers: in another stub it goes on */
        space_rebuild(v, sp);
        return USER_EVENT;
    default:
        space_rebuild(v, sp);
        return fault_stop(ret_fault, VEC_GP, true, 0);
    }
}

enum user_stop user_run(struct vcpu *v, struct fault *ret_fault)
{
    struct space *sp;
    enum user_stop stop;

    if (stubs_kick_pending()) {
        stubs_kick_clear();
        return USER_EVENT;
    }
    user_stats.runs++;
    patch_init(v->id);
    sp = space_enter(v);
    map_last_fault(v, sp);
    if (v->rflags & EFLAGS_TF)
        user_tlb_give_up_patching(sp);
    do {
        if (sp->stub->failed)
            space_restart(sp);
        if (!user_regs_store(v, sp, ret_fault))
            return USER_FAULT;
        stop = run_stub(v, sp, ret_fault);
    } while (stop == USER_EVENT && !stubs_kick_pending());
    if (stop == USER_EVENT)
        stubs_kick_clear();
    return stop;
}

/* ---- TLB duties ---- */

/* Operations that take rights away are queued: the stub must not run before they are done. */
static void revoke(struct space *sp)
{
    if (stub_park(sp->stub))
        space_drop(sp);
}

void user_flush(mfn_t root)
{
    struct space *sp = space_find(root);

    if (!sp)
        return;
    if (sp != current && stub_is_parked(sp->stub)) {
        sp->stale = true;
        return;
    }
    if (user_tlb_revalidate(sp))
        revoke(sp);
}

void user_invlpg(mfn_t root, gva_t va)
{
    struct space *sp = space_find(root);

    if (sp && va < STUB_USER_END && user_tlb_revalidate_page(sp, va))
        revoke(sp);
}

void user_set_root(mfn_t root)
{
    if (current && current->root != root)
        space_leave(current);
}

void user_leave(void)
{
    if (current)
        space_leave(current);
    stub_run_rest();
}

void user_release(mfn_t root)
{
    struct space *sp = space_find(root);

    if (sp)
        space_release(sp);
}

void user_frame_written(mfn_t mfn)
{
    patch_drop_frame(mfn);
}

void user_guard_frame(mfn_t mfn)
{
    user_tlb_drop_writable(mfn);
}

bool user_kick(void)
{
    return stubs_kick();
}
