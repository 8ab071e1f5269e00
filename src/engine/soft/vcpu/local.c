/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * local.c - see local.h.
 *
 * Address spaces: what local_tlb and the jump table hold of one carries its number, `asid`. A
 * space keeps a list of the pages that it has looked up; when the guest flushes, or comes back to
 * the space, they are compared with its page tables, and if any differs the space gets another
 * number. When the numbers are used up all is forgotten.
 *
 * Code: translations belong to a frame and a pc. Frames with translations are watched, so that
 * stores to them are seen, and the domain process tells what it writes (engine_frame_written()).
 */
#include "engine/soft/vcpu/local.h"

#include "cpu/creg.h"
#include "cpu/pv/abi.h"
#include "cpu/pv/pv.h"
#include "cpu/pv/segment.h"
#include "engine/soft/layout.h"
#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/emulate.h"
#include "engine/soft/vcpu/execute.h"
#include "engine/soft/vcpu/local_translate.h"
#include "engine/soft/vcpu/loop.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/stub/stub_layout.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/translate.h"
#include "engine/soft/vcpu/walk.h"

#define MAX_ASID 4095 /* below the page size, and 16 bits over an address */
#define SPACES 32
#define PAGES 64                                                 /* that a space keeps a list of */
#define BUDGET 2000                                              /* jumps */
#define COST 500                                                 /* of a translation */
#define COST_EMULATED 20                                         /* of such an instruction */
#define RIGHTS (PTE_P | PTE_RW | PTE_NX | 0x000ffffffffff000ull) /* and the frame */
#define HOST_CS64 0x33                                           /* where the guest's is, too */

struct page {
    gva_t va;
    uint64_t pte;
    bool writable; /* local_tlb allows stores */
    bool exec;     /* code was fetched from it */
};

struct local_space {
    mfn_t root; /* INVALID_MFN = free */
    uint32_t asid;
    uint32_t nr_pages; /* > PAGES: more than there is room for */
    uint64_t used;
    struct page pages[PAGES];
};

struct soft_tlb_entry local_tlb[256];
uint64_t local_jump_tag[LOCAL_JUMPS];
uint32_t local_jump_host[LOCAL_JUMPS];

static struct local_space local_spaces[SPACES];
static struct local_space *current;
static uint32_t next_asid = 1;
static uint64_t entries, generation = ~0ull;

/* ---- address spaces ---- */

static void forget_everything(void)
{
    for (unsigned int i = 0; i < LOCAL_JUMPS; i++)
        local_jump_tag[i] = i; /* of asid 0, which is nobody's; entry.S says why it is not ~0 */
    for (unsigned int i = 0; i < ARRAY_SIZE(local_tlb); i++)
        local_tlb[i].tag_read = local_tlb[i].tag_write = ~0ull;
    for (unsigned int i = 0; i < SPACES; i++)
        local_spaces[i].root = INVALID_MFN;
    current = NULL;
    next_asid = 1;
    generation = cache_generation();
}

/* Its entries are to be found from now on. */
static void space_select(struct local_space *s)
{
    current = s;
    soft.asid = s->asid;
    soft.minus_tag = 0ull - ((uint64_t)s->asid << 48);
}

/* What was looked up for the space is no longer to be found. */
static void space_renew(struct local_space *s)
{
    bool was_current = current == s;
    mfn_t root = s->root;

    if (next_asid > MAX_ASID) {
        forget_everything();
        s->root = root;
    }
    s->asid = next_asid++;
    s->nr_pages = 0;
    if (was_current)
        space_select(s);
}

static struct local_space *space_find(mfn_t root)
{
    for (unsigned int i = 0; i < SPACES; i++)
        if (local_spaces[i].root == root)
            return &local_spaces[i];
    return NULL;
}

static struct local_space *space_new(mfn_t root)
{
    struct local_space *s = local_spaces;

    for (unsigned int i = 0; i < SPACES && s->root != INVALID_MFN; i++)
        if (local_spaces[i].root == INVALID_MFN || local_spaces[i].used < s->used)
            s = &local_spaces[i];
    s->root = root;
    space_renew(s);
    return s;
}

/* As user_tlb.c: rights and frame, and A and D where they were cleared. *region: walk_series(). */
static bool page_is_current(const struct local_space *s, const struct page *p, struct walk *w,
                            gva_t *region)
{
    if (walk_series(s->root, p->va, w, region))
        return false;
    if (((w->pte ^ p->pte) & RIGHTS) || (p->writable && !w->writable) || (p->exec && !w->exec))
        return false;
    return !(p->pte & ~w->pte & (PTE_A | (p->writable ? PTE_D : 0)));
}

static void space_revalidate(struct local_space *s)
{
    bool same = s->nr_pages <= PAGES;
    gva_t region = WALK_NO_REGION;
    struct walk w;

    for (uint32_t i = 0; same && i < s->nr_pages; i++)
        same = page_is_current(s, &s->pages[i], &w, &region);
    if (!same)
        space_renew(s);
}

static struct page *page_find(struct local_space *s, gva_t va)
{
    for (uint32_t i = 0; i < s->nr_pages && i < PAGES; i++)
        if (s->pages[i].va == (va & PAGE_MASK))
            return &s->pages[i];
    return NULL;
}

/* The page is about to be found as *w says. If it is found otherwise, the guest has changed its
 * entry and not flushed yet: when it does, that other one must be gone. */
static void note_page(struct local_space *s, gva_t va, const struct walk *w, bool writable,
                      bool exec)
{
    struct page *p = page_find(s, va);

    va &= PAGE_MASK;
    if (p && ((p->pte ^ w->pte) & RIGHTS)) {
        space_renew(s);
        p = NULL;
    }
    if (p) {
        *p = (struct page){va, w->pte, writable || p->writable, exec || p->exec};
        return;
    }
    if (s->nr_pages < PAGES)
        s->pages[s->nr_pages] = (struct page){va, w->pte, writable, exec};
    if (s->nr_pages <= PAGES)
        s->nr_pages++;
}

static void space_enter(struct vcpu *v)
{
    struct local_space *s;

    if (generation != cache_generation())
        forget_everything();
    s = current;
    if (!s || s->root != v->cr3_user) {
        s = space_find(v->cr3_user);
        if (s)
            space_revalidate(s);
        else
            s = space_new(v->cr3_user);
    }
    s->used = ++entries;
    space_select(s);
}

void local_flush(mfn_t root)
{
    if (!current || current->root != root)
        return; /* it is compared when it is entered */
    space_revalidate(current);
}

void local_invlpg(mfn_t root, gva_t va)
{
    gva_t region = WALK_NO_REGION;
    const struct page *p;
    struct walk w;

    if (!current || current->root != root)
        return;
    p = page_find(current, va);
    if (p ? !page_is_current(current, p, &w, &region) : current->nr_pages > PAGES)
        space_renew(current);
}

void local_set_root(mfn_t root)
{
    /* Its entries may change while it is not loaded, without a flush: compare when it is back. */
    if (current && current->root != root)
        current = NULL;
}

void local_release(mfn_t root)
{
    struct local_space *s = space_find(root);

    if (!s)
        return;
    if (current == s)
        current = NULL;
    s->root = INVALID_MFN;
}

void local_forget_writable(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(local_tlb); i++)
        local_tlb[i].tag_write = ~0ull;
}

/* ---- data ---- */

static int resolve_fault(struct vcpu *v, uint8_t vector, uint32_t error, gva_t cr2)
{
    soft.fault = (struct fault){.vector = vector, .has_error = true, .error = error, .cr2 = cr2};
    v->rflags |= EFLAGS_RF;
    soft.reason = SOFT_FAULT;
    return 0;
}

static int not_canonical(struct vcpu *v)
{
    uint8_t bytes[INSN_MAX], vector = VEC_GP;
    struct fault ignored;
    struct insn in;

    if (fetch_decode(v, v->rip, &in, bytes, &ignored) > 0)
        vector = (uint8_t)emulate_address_fault(v, &in);
    return resolve_fault(v, vector, 0, 0);
}

static void fill_tlb(gva_t va, const struct walk *w)
{
    struct soft_tlb_entry *t = &local_tlb[va >> PAGE_SHIFT & (ARRAY_SIZE(local_tlb) - 1)];
    mfn_t mfn = PTE_FRAME(w->pte);
    bool rw = w->writable && (w->pte & PTE_D) && !vtlb_is_excepted(mfn);

    note_page(current, va, w, rw, false);
    t->tag_read = (va & PAGE_MASK) | soft.asid;
    t->tag_write = rw ? t->tag_read : ~0ull;
    t->delta = V_RAM + (mfn << PAGE_SHIFT) - (va & PAGE_MASK);
}

int local_resolve(void)
{
    struct vcpu *v = &vcpu;
    gva_t ea = soft.ea, last = ea + (soft.ea_info & 0xffff);
    bool write = soft.ea_info >> 16;
    uint32_t error, deaths = cache_deaths();
    struct cache_pos pos;
    struct walk w;

    if (!cache_find(soft.ea_ret, &pos))
        env_domain_crash(v, "engine fault: an access of no instruction");
    v->rip = pos.pc;
    if (!emulate_canonical(ea, (unsigned int)(last - ea) + 1))
        return not_canonical(v);
    if ((ea ^ last) & PAGE_MASK) {
        soft.reason = SOFT_EMULATE;
        return 0;
    }
    if (walk_access(v->cr3_user, ea, write ? ACCESS_WRITE : ACCESS_READ, &w, &error))
        return resolve_fault(v, VEC_PF, error | PF_U, ea);
    if (write)
        vtlb_frame_written(PTE_FRAME(w.pte));
    fill_tlb(ea, &w);
    soft.ea_host = V_RAM + (PTE_FRAME(w.pte) << PAGE_SHIFT) + (ea & ~PAGE_MASK);
    if (cache_deaths() != deaths)
        cache_leave_behind(soft.ea_ret);
    return 1;
}

/* ---- code ---- */

/* Does the space know that it has code from there? */
static bool page_is_noted(struct local_space *s, gva_t va, mfn_t mfn)
{
    const struct page *p = page_find(s, va);

    return p && p->exec && PTE_FRAME(p->pte) == mfn;
}

/* The header of the translation at pc, made if need be; NULL with *f. */
static void *code_at(struct vcpu *v, gva_t pc, mfn_t *ret_frame, struct fault *f)
{
    uint8_t *header;
    uint32_t error;
    struct walk w;
    mfn_t mfn;

    if (walk_access(v->cr3_user, pc, ACCESS_EXEC, &w, &error)) {
        *f = (struct fault){.vector = VEC_PF, .has_error = true, .error = error | PF_U, .cr2 = pc};
        v->rflags |= EFLAGS_RF;
        return NULL;
    }
    mfn = PTE_FRAME(w.pte);
    if (!page_is_noted(current, pc, mfn))
        note_page(current, pc, &w, false, true);
    header = cache_lookup_local(pc, mfn);
    while (!header) {
        (void)vtlb_watch_frame(mfn, FRAME_CODE);
        local_translate(pc, mfn);
        soft.budget = soft.budget > COST ? soft.budget - COST : 1;
        run->stats[STAT_TRANSLATIONS]++;
        if (generation != cache_generation()) { /* all others went */
            space_enter(v);
            note_page(current, pc, &w, false, true);
        }
        header = cache_lookup_local(pc, mfn);
    }
    *ret_frame = mfn;
    local_jump_tag[pc & (LOCAL_JUMPS - 1)] = pc - soft.minus_tag;
    local_jump_host[pc & (LOCAL_JUMPS - 1)] = (uint32_t)(uintptr_t)header;
    return header + CACHE_LOCAL_HEADER;
}

static void *code_at_rip(struct vcpu *v, struct fault *f)
{
    uint32_t i = v->rip & (LOCAL_JUMPS - 1);
    mfn_t ignored;

    if (local_jump_tag[i] == v->rip - soft.minus_tag)
        return (uint8_t *)(uintptr_t)local_jump_host[i] + CACHE_LOCAL_HEADER;
    return code_at(v, v->rip, &ignored, f);
}

static void on_chain(struct vcpu *v)
{
    uint64_t record = soft.arg, before = cache_generation();
    struct fault ignored;
    mfn_t frame;
    void *host;

    v->rip = cache_chain_pc(record);
    host = code_at(v, v->rip, &frame, &ignored);
    if (host && before == cache_generation() && cache_chain_frame(record) == frame)
        cache_chain_link(record, host);
}

/* ---- running ---- */

static bool is_cpuid(const struct insn *in)
{
    return in->cls == INSN_EMULATE && in->map == 1 && in->opcode == 0xa2;
}

/* A stub has the host's own, where it cannot be made to fault: so has a program here. */
static enum emulate_result host_cpuid(struct vcpu *v, const struct insn *in)
{
    uint32_t a = (uint32_t)v->gpr[RAX], b, c = (uint32_t)v->gpr[RCX], d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    v->gpr[RAX] = a;
    v->gpr[RBX] = b;
    v->gpr[RCX] = c;
    v->gpr[RDX] = d;
    v->rip += in->len;
    return EMULATE_DONE;
}

static bool is_xgetbv(const struct insn *in)
{
    return in->cls == INSN_EMULATE && in->map == 1 && in->opcode == 0x01 && !in->mem &&
           (in->reg & 7) == 2 && !(in->rm & 7);
}

/* The register that rcx = 0 names; others may fault. */
static enum emulate_result host_xgetbv(struct vcpu *v, const struct insn *in)
{
    uint32_t a, d;

    if ((uint32_t)v->gpr[RCX])
        return EMULATE_UNKNOWN;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    v->gpr[RAX] = a;
    v->gpr[RDX] = d;
    v->rip += in->len;
    return EMULATE_DONE;
}

/* lar lsl verr verw rdpid: a stub would tell of the host's descriptors and CPU. */
static bool is_about_segments(const struct insn *in)
{
    if (in->cls != INSN_EMULATE || in->map != 1)
        return false;
    return in->opcode == 0x02 || in->opcode == 0x03 || in->opcode == 0xc7 ||
           (in->opcode == 0x00 && (in->reg & 6) == 4);
}

static enum emulate_result do_here(struct vcpu *v, const struct insn *in, const uint8_t *bytes,
                                   struct fault *f)
{
    if (is_cpuid(in) && !shared->cpuid_faults)
        return host_cpuid(v, in);
    if (is_xgetbv(in))
        return host_xgetbv(v, in);
    return execute(v, in, bytes, f);
}

/* Instructions that are emulated here, or run on a copy of their operand; others are the stub's. */
static bool is_done_here(const struct insn *in)
{
    switch (in->cls) {
    case INSN_COPY:
    case INSN_MASKMOV:
    case INSN_JMP:
    case INSN_JCC:
    case INSN_LOOP:
    case INSN_CALL:
    case INSN_JMP_IND:
    case INSN_CALL_IND:
    case INSN_RET:
    case INSN_PUSH:
    case INSN_POP:
    case INSN_PUSHF:
    case INSN_POPF:
    case INSN_LEAVE:
    case INSN_ENTER:
    case INSN_STRING:
    case INSN_XLAT:
    case INSN_LEA:
    case INSN_NOP:
    case INSN_INT:
        return true;
    case INSN_EMULATE:
        return is_cpuid(in) || is_xgetbv(in) || is_about_segments(in);
    default:
        return false;
    }
}

static int on_syscall(struct vcpu *v)
{
    v->gpr[RCX] = v->rip;
    v->gpr[R11] = v->rflags;
    return USER_SYSCALL;
}

/* USER_EVENT: go on. */
static int on_emulate(struct vcpu *v, struct fault *f)
{
    uint64_t start = v->rip;
    uint8_t bytes[INSN_MAX];
    struct insn in;
    int len = fetch_decode(v, v->rip, &in, bytes, f);

    if (!len) {
        if (f->vector == VEC_PF)
            f->error |= PF_U;
        v->rflags |= EFLAGS_RF;
        return USER_FAULT;
    }
    if (len > 0 && in.cls == INSN_SYSCALL) {
        v->rip += in.len;
        return on_syscall(v);
    }
    if (len < 0 || !is_done_here(&in) || soft.budget <= COST_EMULATED)
        return LOCAL_NOT_HERE;
    soft.budget -= COST_EMULATED;
    run->stats[STAT_EMULATED]++;
    v->rflags &= ~(uint64_t)EFLAGS_RF;
    switch (do_here(v, &in, bytes, f)) {
    case EMULATE_DONE:
        return v->rflags & EFLAGS_TF ? LOCAL_NOT_HERE : USER_EVENT;
    case EMULATE_FAULT:
        if (v->rip == start)
            v->rflags |= EFLAGS_RF;
        return USER_FAULT;
    default:
        return LOCAL_NOT_HERE;
    }
}

/* USER_EVENT: go on, if nothing has to be looked at. */
static int on_exit(struct vcpu *v, struct fault *f)
{
    switch (soft.reason) {
    case SOFT_CHAIN:
        on_chain(v);
        return USER_EVENT;
    case SOFT_SYSCALL:
        return on_syscall(v);
    case SOFT_FAULT:
        *f = soft.fault;
        return USER_FAULT;
    case SOFT_EMULATE:
        return on_emulate(v, f);
    case SOFT_FPU:
        user_fpu_import();
        return USER_EVENT;
    case SOFT_TIRED:
        return LOCAL_NOT_HERE;
    default:
        return USER_EVENT;
    }
}

bool local_can_run(struct vcpu *v)
{
    uint64_t desc;

    if ((v->rflags & (EFLAGS_TF | EFLAGS_AC)) || (v->cr4 & CR4_TSD))
        return false;
    if (v->cr3_user == INVALID_MFN || v->rip >= STUB_USER_END)
        return false;
    return v->cs == HOST_CS64 || (!pv_descriptor_read(v, v->cs, &desc) && (desc & DESC_L));
}

int local_run(struct vcpu *v, struct fault *f)
{
    int stop = USER_EVENT;
    void *host;

    space_enter(v);
    soft.budget = BUDGET;
    while (stop == USER_EVENT) {
        if (soft.kicked)
            return USER_EVENT;
        if (generation != cache_generation())
            space_enter(v);
        if (soft.budget <= 1)
            return LOCAL_COLD;
        if (v->rip >= STUB_USER_END)
            return LOCAL_NOT_HERE;
        host = code_at_rip(v, f);
        if (!host)
            return USER_FAULT;
        loop_enter_program(v, host);
        stop = on_exit(v, f);
    }
    return stop;
}
