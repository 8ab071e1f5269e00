/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * env.c - what src/cpu needs from its engine (cpu/env.h): guest memory through the software
 * TLB, page-table duties, time, and calls to the domain process through the run page.
 */
#include "cpu/env.h"

#include <asm/unistd.h>

#include "cpu/pv/abi.h"
#include "cpu/pv/evtchn.h"
#include "cpu/pv/pv.h"
#include "engine/soft/layout.h"
#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/exits.h"
#include "engine/soft/vcpu/low_wish.h"
#include "engine/soft/vcpu/peers.h"
#include "engine/soft/vcpu/ptwr.h"
#include "engine/soft/vcpu/program.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/vtlb.h"

#include <xen/vcpu.h>

static void *user_ptr(struct vcpu *v, gva_t va, enum access access, struct fault *f)
{
    const void *m2p;
    struct walk w;
    uint32_t error;

    if (!pv_canonical(va)) {
        *f = (struct fault){.vector = VEC_GP, .has_error = true};
        return NULL;
    }
    if (walk_access(v->cr3_user, va, access, &w, &error)) {
        m2p = vtlb_user_m2p(v, va);
        if (m2p && access == ACCESS_READ)
            return (void *)m2p;
        error |= m2p ? PF_P : 0;
        *f = (struct fault){.vector = VEC_PF, .has_error = true, .error = error | PF_U, .cr2 = va};
        return NULL;
    }
    if (access == ACCESS_WRITE)
        vtlb_frame_written(PTE_FRAME(w.pte));
    return (uint8_t *)ram_linear(PTE_FRAME(w.pte)) + (va & ~PAGE_MASK);
}

void *env_translate(struct vcpu *v, gva_t va, enum access access, struct fault *f)
{
    return v->user_mode ? user_ptr(v, va, access, f) : vtlb_kernel_ptr(v, va, access, f);
}

typedef void *(*translate_fn)(struct vcpu *v, gva_t va, enum access access, struct fault *f);

static void copy(void *to, const void *from, size_t n)
{
    if (n == 8)
        __builtin_memcpy(to, from, 8);
    else
        memcpy(to, from, n);
}

static int transfer(struct vcpu *v, translate_fn translate, gva_t va, uint8_t *buf, size_t size,
                    bool write, struct fault *f)
{
    while (size) {
        size_t room = PAGE_SIZE - (va & ~PAGE_MASK);
        size_t n = size < room ? size : room;
        void *p = translate(v, va, write ? ACCESS_WRITE : ACCESS_READ, f);

        if (!p)
            return -1;
        if (write)
            copy(p, buf, n);
        else
            copy(buf, p, n);
        buf += n;
        va += n;
        size -= n;
    }
    return 0;
}

int env_read(struct vcpu *v, gva_t va, void *buf, size_t size, struct fault *f)
{
    return transfer(v, env_translate, va, buf, size, false, f);
}

int env_write(struct vcpu *v, gva_t va, const void *buf, size_t size, struct fault *f)
{
    return transfer(v, env_translate, va, (uint8_t *)(uintptr_t)buf, size, true, f);
}

int env_read_kernel(struct vcpu *v, gva_t va, void *buf, size_t size, struct fault *f)
{
    return transfer(v, vtlb_kernel_ptr, va, buf, size, false, f);
}

int env_write_kernel(struct vcpu *v, gva_t va, const void *buf, size_t size, struct fault *f)
{
    return transfer(v, vtlb_kernel_ptr, va, (uint8_t *)(uintptr_t)buf, size, true, f);
}

void *env_frame(mfn_t mfn)
{
    return frame_exists(mfn) ? ram_linear(mfn) : NULL;
}

void env_frame_written(mfn_t mfn)
{
    vtlb_linear_written(mfn);
}

uint64_t *env_m2p(void)
{
    return (uint64_t *)V_M2P_WRITE;
}

mfn_t env_nr_frames(void)
{
    return shared->nr_frames;
}

uint64_t *env_l1_entry(struct vcpu *v, gva_t va, mfn_t *ret_table)
{
    mfn_t table = v->cr3_kernel;

    for (int shift = 39; table < shared->nr_frames; shift -= 9) {
        uint64_t *entry = (uint64_t *)ram_linear(table) + (va >> shift & 511);
        uint64_t e = *entry;

        if (shift == PAGE_SHIFT) {
            if (ret_table)
                *ret_table = table;
            return entry;
        }
        if (!(e & PTE_P) || (e & PTE_PS))
            return NULL;
        table = PTE_FRAME(e);
    }
    return NULL;
}

void env_tlb_flush(struct vcpu *v)
{
    vtlb_flush(v);
    if (v->cr3_user != INVALID_MFN)
        program_flush(v->cr3_user);
}

void env_tlb_invlpg(struct vcpu *v, gva_t va)
{
    vtlb_invlpg(v, va);
    if ((int64_t)va >= 0 && v->cr3_user != INVALID_MFN)
        program_invlpg(v->cr3_user, va);
}

void env_tlb_flush_others(struct vcpu *v, uint64_t mask)
{
    peers_flush(mask);
}

void env_tlb_invlpg_others(struct vcpu *v, uint64_t mask, gva_t va)
{
    peers_invlpg(mask, va);
}

/* Kernel halves are usually the same tables under every root: then the kernel's entries
 * stay, as global pages do on a CPU. */
static bool same_kernel_half(mfn_t a, mfn_t b)
{
    const uint64_t *x, *y;
    uint64_t differ = 0;

    if (a >= shared->nr_frames || b >= shared->nr_frames)
        return false;
    x = ram_linear(a);
    y = ram_linear(b);
    for (unsigned int i = 272; i < 512; i += 4)
        differ |=
            (x[i] ^ y[i]) | (x[i + 1] ^ y[i + 1]) | (x[i + 2] ^ y[i + 2]) | (x[i + 3] ^ y[i + 3]);
    return !(differ & ~(PTE_A | PTE_D));
}

void env_set_cr3(struct vcpu *v, mfn_t root)
{
    bool same = same_kernel_half(v->cr3_kernel, root);

    v->cr3_kernel = root;
    ptwr_forget();
    vtlb_forget_user_half();
    if (!same)
        cache_unmix();
    if (same)
        soft_tlb_clear();
    else
        vtlb_flush(v);
}

void env_set_user_cr3(struct vcpu *v, mfn_t root)
{
    program_set_root(root);
    if (root == v->cr3_user && root != INVALID_MFN)
        program_flush(root); /* as loading CR3 again does */
    v->cr3_user = root;
    ptwr_forget();
    soft_tlb_clear();
}

static unsigned int level_code(mfn_t mfn)
{
    return (__atomic_load_n(&shared_frames[mfn], __ATOMIC_RELAXED) & FRAMES_LEVEL_MASK) >>
           FRAMES_LEVEL_SHIFT;
}

/* `weak`: not of a frame that is pinned, perhaps by another vCPU just now. */
static void set_level_code(mfn_t mfn, unsigned int code, bool weak)
{
    uint16_t was = __atomic_load_n(&shared_frames[mfn], __ATOMIC_RELAXED), by;
    unsigned int level;

    do {
        level = (was & FRAMES_LEVEL_MASK) >> FRAMES_LEVEL_SHIFT;
        if (weak && level > 0 && level <= FRAMES_LOOKED_AT)
            return;
        by = (uint16_t)((was & ~FRAMES_LEVEL_MASK) | code << FRAMES_LEVEL_SHIFT);
    } while (!__atomic_compare_exchange_n(&shared_frames[mfn], &was, by, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
}

void env_pin_table(struct vcpu *v, mfn_t mfn, unsigned int level, bool pin)
{
    if (mfn >= shared->nr_frames)
        return;
    ptwr_forget();
    if (pin && level == 4 && v->cr3_user != INVALID_MFN)
        low_wish_inherit(mfn, v->cr3_user);
    set_level_code(mfn, pin ? level : FRAMES_LOOKED_AT + LOOKED_NO_TABLE, false);
    if (!pin) {
        low_wish_release(mfn);
        program_release(mfn);
        peers_release(mfn);
    }
}

bool env_frame_is_writable(struct vcpu *v, mfn_t mfn)
{
    gva_t base = shared->image_base, va;
    uint32_t error;
    struct walk w;

    for (unsigned int i = 0; i < MAX_GRANTED; i++)
        if (shared->granted[i] == mfn + 1)
            return true;
    va = base + (env_m2p()[mfn] << PAGE_SHIFT);
    if (base == ~0ull || va < base || !pv_canonical(va))
        return false;
    return !walk(v->cr3_kernel, va, ACCESS_WRITE, &w, &error) && PTE_FRAME(w.pte) == mfn;
}

unsigned int env_pin_level(mfn_t mfn)
{
    unsigned int code = mfn < shared->nr_frames ? level_code(mfn) : 0;

    return code > FRAMES_LOOKED_AT ? 0 : code;
}

void env_note_looked(mfn_t mfn, enum looked what)
{
    if (mfn < shared->nr_frames)
        set_level_code(mfn, what == LOOKED_NEVER ? 0 : FRAMES_LOOKED_AT + what, true);
}

enum looked env_looked(mfn_t mfn)
{
    unsigned int code = mfn < shared->nr_frames ? level_code(mfn) : 0;

    return code > FRAMES_LOOKED_AT ? code - FRAMES_LOOKED_AT : LOOKED_NEVER;
}

static void yield(void)
{
    sys_call(__NR_sched_yield, 0, 0, 0, 0);
}

const struct evtchn_ctx *env_evtchn(void)
{
    static struct evtchn_ctx c;

    c = (struct evtchn_ctx){.sh = &shared->evtchn,
                            .ram = (uint8_t *)V_RAM,
                            .nr_frames = shared->nr_frames,
                            .nr_vcpus = shared->nr_vcpus,
                            .relax = yield};
    return &c;
}

int64_t env_domain_hypercall(struct vcpu *v, uint64_t nr, const uint64_t args[5])
{
    bool goes_down = nr == __HYPERVISOR_vcpu_op && args[0] == VCPUOP_down && args[1] == v->id;
    int64_t ret;

    run->nr = nr;
    for (int i = 0; i < 5; i++)
        run->args[i] = args[i];
    run->cr3 = v->cr3_kernel;
    if (nr == __HYPERVISOR_sched_op || goes_down) /* maybe the last call: D dumps its state then */
        run->state = *v;
    if (goes_down)
        exit_to_domain_away(EXIT_HYPERCALL);
    else
        exit_to_domain(EXIT_HYPERCALL);
    ret = run->ret;
    if (run->vcpu_info && !(run->vcpu_info & 7))
        v->pv.vcpu_info = run->vcpu_info;
    return ret;
}

bool env_ring(uint32_t port)
{
    __atomic_fetch_or(&run->rung[port / 64], 1ull << port % 64, __ATOMIC_SEQ_CST);
    if (!__atomic_exchange_n(&run->rang, 1, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_add(&run->turn, TURN_RING, __ATOMIC_SEQ_CST);
        sys_futex_wake(&run->turn, 1);
    }
    return true;
}

uint64_t env_now(void)
{
    uint64_t delta = rt_rdtsc() - shared->tsc_stamp;

    delta = shared->tsc_shift >= 0 ? delta << shared->tsc_shift : delta >> -shared->tsc_shift;
    return (uint64_t)((unsigned __int128)delta * shared->tsc_mul >> 32);
}

void env_time_params(uint64_t *tsc_stamp, uint64_t *system_ns, uint32_t *mul, int8_t *shift)
{
    *tsc_stamp = shared->tsc_stamp;
    *system_ns = 0;
    *mul = shared->tsc_mul;
    *shift = shared->tsc_shift;
}

void env_set_timer(struct vcpu *v, uint64_t deadline)
{
    exit_set_deadline(deadline);
}

void env_raise_timer(struct vcpu *v)
{
    uint32_t port = shared->evtchn.virq_timer[v->id < EVTCHN_MAX_VCPUS ? v->id : 0];

    if (port)
        evtchn_raise(env_evtchn(), port);
}

void env_runstate_changed(const struct vcpu *v)
{
    uint32_t version = run->runstate.version | 1;

    __atomic_store_n(&run->runstate.version, version, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    run->runstate.state = v->pv.runstate;
    run->runstate.entry = v->pv.runstate_entry;
    memcpy(run->runstate.time, v->pv.runstate_time, sizeof(run->runstate.time));
    __atomic_store_n(&run->runstate.version, version + 1, __ATOMIC_RELEASE);
}

bool env_kicked(void)
{
    return soft.kicked;
}

void env_kick_vcpu(unsigned int id)
{
    if (id < shared->nr_vcpus && id != vcpu.id)
        peers_kick(id);
}

void env_wait(struct vcpu *v, uint64_t deadline)
{
    exit_wait_kick(deadline);
}

void env_relax(struct vcpu *v)
{
    yield();
}

void env_domain_crash(struct vcpu *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    rt_vsnprintf(run->message, sizeof(run->message), fmt, ap);
    va_end(ap);
    run->state = *v;
    for (;;)
        exit_to_domain(EXIT_CRASH);
}

void env_log(const char *fmt, ...)
{
    char line[256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = rt_vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    n = n < (int)sizeof(line) - 1 ? n : (int)sizeof(line) - 2;
    line[n++] = '\n';
    sys_call(__NR_write, V_FD_LOG, line, n, 0);
}
