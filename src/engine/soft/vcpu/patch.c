/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * patch.c - see patch.h. Trampolines, pointer table and copies are frames of the engine's
 * private part of guest memory: nothing that the guest can name, mapped into stubs read-only. All
 * programs of a vCPU have the same trampolines and table, so these say nothing of any: they are
 * written once, and only tell V which slot it was.
 *
 * A copy is compared with its frame each time that a stub maps it: frames are reused, and nobody
 * tells of stores to one that is not watched. While it is mapped the frame is (FRAME_PATCHED).
 *
 * Besides there are a few sequences of Linux' vDSO that are made to trap before they are first
 * executed, for the CPU would give them what is the host's. Frames are searched for them once.
 */
#include "engine/soft/vcpu/patch.h"

#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/vtlb.h"
#include "engine/soft/vcpu/walk.h"

#define NR_SLOTS (PATCH_TABLE_SIZE / 8)
#define SLOT_SIZE (PATCH_TRAMP_SIZE / NR_SLOTS)
#define TRAMP_FRAMES (PATCH_TRAMP_SIZE / PAGE_SIZE)
#define TABLE_FRAMES (PATCH_TABLE_SIZE / PAGE_SIZE)
#define MAX_COPIES 1024
#define KEPT_COPIES 4 /* for what is replaced in place */
#define NR_HITS 1024
#define INDEX_SIZE 2048 /* more than copies, more than slots */
#define PATCH_AFTER 2   /* traps of a site */

#define MOV_SIZE 5    /* b8 imm32 */
#define FORM_A_SIZE 7 /* mov, syscall */
#define FORM_B_SIZE 8 /* syscall, cmp rax, imm32 */
#define KNOWN_SIZE 8

_Static_assert(SLOT_SIZE == 16, "a trampoline fits");

enum form { FORM_NONE, FORM_A, FORM_B, FORM_IN_PLACE };

struct slot {
    gva_t site;
    uint8_t form, size;
    uint8_t original[FORM_B_SIZE];
    uint16_t copy; /* that it is in */
    uint16_t next; /* of the same copy; slot numbers + 1, 0 = none */
};

struct copy {
    mfn_t frame;
    gva_t va;
    uint32_t refs;  /* spaces that have it mapped */
    uint16_t slots; /* as slot.next */
    bool used;
};

static struct slot slots[NR_SLOTS];
static struct copy copies[MAX_COPIES];
static unsigned int nr_copies; /* that there are frames for; 0 = no patching */
static mfn_t tramp_frame, table_frame, copy_frame;
static unsigned int form_b_in_use;

/* Open hash tables over copies (by frame and address) and form B slots (by return address);
 * entries are numbers + 1. Made anew when something was added or removed, which is rare. */
static uint16_t copy_index[INDEX_SIZE], return_index[INDEX_SIZE];
static bool index_stale;

static struct {
    gva_t rip;
    int16_t count;
} hits[NR_HITS];

static uint8_t *put(uint8_t *p, const void *bytes, size_t n)
{
    memcpy(p, bytes, n);
    return p + n;
}

/* "mov ecx, number; jmp fast_entry", and the table's pointers to them. */
static void trampolines_write(void)
{
    for (uint32_t n = 0; n < NR_SLOTS; n++) {
        uint8_t *p = (uint8_t *)ram_linear(tramp_frame) + n * SLOT_SIZE;
        uint64_t at = PATCH_TRAMP + n * SLOT_SIZE;
        int32_t rel = (int32_t)(STUB_FAST_ENTRY - (int64_t)(at + 10));

        memset(p, 0xcc, SLOT_SIZE);
        p = put(p, "\xb9", 1);
        p = put(p, &n, 4);
        p = put(p, "\xe9", 1);
        put(p, &rel, 4);
        ((uint64_t *)ram_linear(table_frame))[n] = at;
    }
}

void patch_init(uint32_t vcpu_id)
{
    static bool done;
    uint64_t share = shared->patch_count / (shared->nr_vcpus ? shared->nr_vcpus : 1);

    if (done)
        return;
    done = true;
    if (share < TRAMP_FRAMES + TABLE_FRAMES + KEPT_COPIES + 1 || vcpu_id >= shared->nr_vcpus)
        return;
    tramp_frame = shared->patch_first + vcpu_id * share;
    table_frame = tramp_frame + TRAMP_FRAMES;
    copy_frame = table_frame + TABLE_FRAMES;
    nr_copies = (unsigned int)(share - TRAMP_FRAMES - TABLE_FRAMES);
    if (nr_copies > MAX_COPIES)
        nr_copies = MAX_COPIES;
    trampolines_write();
}

uint64_t patch_tramp_offset(void)
{
    return tramp_frame << PAGE_SHIFT;
}

uint64_t patch_table_offset(void)
{
    return table_frame << PAGE_SHIFT;
}

static uint8_t *copy_bytes(const struct copy *c)
{
    return ram_linear(copy_frame + (mfn_t)(c - copies));
}

/* ---- index ---- */

static unsigned int hash(uint64_t a, uint64_t b)
{
    return (unsigned int)((a * 31 + b) * 0x9e3779b97f4a7c15ull >> 32) % INDEX_SIZE;
}

static void index_add(uint16_t *index, unsigned int at, unsigned int number)
{
    while (index[at])
        at = (at + 1) % INDEX_SIZE;
    index[at] = (uint16_t)(number + 1);
}

static void index_refresh(void)
{
    if (!index_stale)
        return;
    index_stale = false;
    memset(copy_index, 0, sizeof(copy_index));
    memset(return_index, 0, sizeof(return_index));
    for (unsigned int i = 0; i < nr_copies; i++)
        if (copies[i].used)
            index_add(copy_index, hash(copies[i].va, copies[i].frame), i);
    for (unsigned int i = 0; i < NR_SLOTS; i++)
        if (slots[i].form == FORM_B)
            index_add(return_index, hash(slots[i].site + 2, 0), i);
}

static struct copy *copy_find(mfn_t frame, gva_t va)
{
    index_refresh();
    for (unsigned int at = hash(va, frame); copy_index[at]; at = (at + 1) % INDEX_SIZE) {
        struct copy *c = &copies[copy_index[at] - 1];

        if (c->frame == frame && c->va == va)
            return c;
    }
    return NULL;
}

static const struct slot *slot_returning_to(gva_t rip)
{
    index_refresh();
    for (unsigned int at = hash(rip, 0); return_index[at]; at = (at + 1) % INDEX_SIZE) {
        const struct slot *s = &slots[return_index[at] - 1];

        if (s->site + 2 == rip)
            return s;
    }
    return NULL;
}

/* ---- copies ---- */

static void copy_free(struct copy *c)
{
    for (unsigned int i = c->slots; i;) {
        struct slot *s = &slots[i - 1];

        i = s->next;
        form_b_in_use -= s->form == FORM_B;
        s->form = FORM_NONE;
    }
    c->slots = 0;
    c->used = false;
    index_stale = true;
}

/* Its sites are of one kind: those in place, or those that need trampolines. */
static bool is_in_place(const struct copy *c)
{
    return c->slots && slots[c->slots - 1].form == FORM_IN_PLACE;
}

/* Differences are allowed where a site was patched and the frame still has what it had. */
static bool differs_only_by_patch(const struct copy *c, const uint8_t *frame, unsigned int at)
{
    gva_t va = c->va + at;

    for (unsigned int i = c->slots; i; i = slots[i - 1].next) {
        const struct slot *s = &slots[i - 1];

        if (va >= s->site && va < s->site + s->size)
            return frame[at] == s->original[va - s->site];
    }
    return false;
}

static bool copy_matches(const struct copy *c)
{
    const uint8_t *ours = copy_bytes(c), *frame = ram_linear(c->frame);

    for (unsigned int at = 0; at < PAGE_SIZE; at += 8) {
        if (*(const uint64_t *)(ours + at) == *(const uint64_t *)(frame + at))
            continue;
        for (unsigned int i = at; i < at + 8; i++)
            if (ours[i] != frame[i] && !differs_only_by_patch(c, frame, i))
                return false;
    }
    return true;
}

/* One of the first `limit`. */
static struct copy *copy_new(mfn_t frame, gva_t va, unsigned int limit)
{
    struct copy *c = NULL;

    for (unsigned int i = 0; i < limit && !c; i++)
        if (!copies[i].used)
            c = &copies[i];
    for (unsigned int i = 0; i < limit && !c; i++)
        if (!copies[i].refs)
            c = &copies[i];
    if (!c)
        return NULL;
    copy_free(c);
    vtlb_watch_frame(frame, FRAME_PATCHED);
    *c = (struct copy){.frame = frame, .va = va, .used = true};
    index_stale = true;
    memcpy(copy_bytes(c), ram_linear(frame), PAGE_SIZE);
    return c;
}

bool patch_wants_windows(mfn_t frame, gva_t va)
{
    const struct copy *c = copy_find(frame, va & PAGE_MASK);

    return !c || !is_in_place(c);
}

bool patch_ref(mfn_t frame, gva_t va, uint64_t *ret_offset)
{
    struct copy *c = copy_find(frame, va & PAGE_MASK);

    if (!c)
        return false;
    if (!copy_matches(c)) {
        if (!c->refs)
            copy_free(c);
        return false;
    }
    c->refs++;
    *ret_offset = (copy_frame + (mfn_t)(c - copies)) << PAGE_SHIFT;
    return true;
}

void patch_unref(mfn_t frame, gva_t va)
{
    struct copy *c = copy_find(frame, va & PAGE_MASK);

    if (c && c->refs)
        c->refs--;
}

void patch_drop_frame(mfn_t frame)
{
    for (unsigned int i = 0; i < nr_copies; i++) {
        if (!copies[i].used || copies[i].frame != frame)
            continue;
        user_tlb_drop_patched(copies[i].va, frame);
        copy_free(&copies[i]);
        copies[i].refs = 0;
    }
    vcpu_frame_flags[frame] &= (uint8_t)~FRAME_PATCHED;
}

/* ---- sites ---- */

static struct slot *slot_new(void)
{
    for (unsigned int i = 0; i < NR_SLOTS; i++)
        if (slots[i].form == FORM_NONE)
            return &slots[i];
    for (unsigned int i = 0; i < nr_copies; i++) {
        if (copies[i].used && !copies[i].refs && copies[i].slots) {
            struct slot *s = &slots[copies[i].slots - 1];

            copy_free(&copies[i]);
            return s;
        }
    }
    return NULL;
}

static void site_write(const struct copy *c, const struct slot *s)
{
    uint8_t jump[FORM_B_SIZE] = {0xff, 0x24, 0x25, 0, 0, 0, 0, 0x90}; /* jmp [abs32]; nop */
    uint32_t pointer = (uint32_t)(PATCH_TABLE + (s - slots) * 8);

    memcpy(jump + 3, &pointer, 4);
    memcpy(copy_bytes(c) + (s->site - c->va), jump, s->size);
}

/* Which form is there around the syscall instruction at page[at]; *ret_start where it starts. */
static enum form form_at(const uint8_t *page, unsigned int at, uint64_t nr, unsigned int *ret_start)
{
    uint32_t imm;

    if (page[at] != 0x0f || page[at + 1] != 0x05)
        return FORM_NONE;
    if (at >= MOV_SIZE && page[at - MOV_SIZE] == 0xb8) {
        memcpy(&imm, page + at - 4, 4);
        /* 41 b8 would be mov r8d */
        if (imm == nr && (at == MOV_SIZE || (page[at - MOV_SIZE - 1] & 0xf9) != 0x41)) {
            *ret_start = at - MOV_SIZE;
            return FORM_A;
        }
    }
    if (at + FORM_B_SIZE <= PAGE_SIZE && page[at + 2] == 0x48 && page[at + 3] == 0x3d) {
        *ret_start = at;
        return FORM_B;
    }
    return FORM_NONE;
}

static bool overlaps(const struct copy *c, gva_t site, unsigned int size)
{
    for (unsigned int i = c->slots; i; i = slots[i - 1].next)
        if (site < slots[i - 1].site + slots[i - 1].size && slots[i - 1].site < site + size)
            return true;
    return false;
}

static bool site_patch(struct space *sp, gva_t page, unsigned int at, uint64_t nr)
{
    unsigned int start = 0;
    struct slot *s;
    struct copy *c;
    enum form form;
    mfn_t frame;
    bool patched;

    if (!nr_copies || sp->no_patch || at + 2 > PAGE_SIZE ||
        !user_tlb_lookup(sp, page, &frame, &patched))
        return false;
    form = form_at(ram_linear(frame), at, nr, &start);
    s = form == FORM_NONE ? NULL : slot_new(); /* may free copies, so it goes first */
    if (!s)
        return false;
    c = copy_find(frame, page);
    if (c ? is_in_place(c) || overlaps(c, page + start, FORM_B_SIZE)
          : user_tlb_frame_is_writable(frame))
        return false;
    if (!c && !(c = copy_new(frame, page, nr_copies - KEPT_COPIES)))
        return false;
    s->site = page + start;
    s->copy = (uint16_t)(c - copies);
    s->form = (uint8_t)form;
    s->size = form == FORM_A ? FORM_A_SIZE : FORM_B_SIZE;
    memcpy(s->original, (const uint8_t *)ram_linear(frame) + start, s->size);
    form_b_in_use += form == FORM_B;
    s->next = c->slots;
    c->slots = (uint16_t)(s - slots + 1);
    index_stale = true;
    site_write(c, s);
    user_stats.patches++;
    return true;
}

void patch_note_trap(struct space *sp, gva_t rip, uint64_t nr)
{
    gva_t site = rip - 2;
    unsigned int i = (unsigned int)((site ^ site >> 12) & (NR_HITS - 1));
    uint32_t error;

    if (hits[i].rip != rip) {
        hits[i].rip = rip;
        hits[i].count = 0;
    }
    if (++hits[i].count != PATCH_AFTER) {
        if (hits[i].count > PATCH_AFTER * 64)
            hits[i].count = 0; /* what stood in the way may be gone */
        return;
    }
    if (!site_patch(sp, site & PAGE_MASK, (unsigned int)(site & ~PAGE_MASK), nr))
        return;
    hits[i].rip = 0;
    user_tlb_drop_page(sp, site);
    user_tlb_fill(sp, site, ACCESS_EXEC, &error);
}

/* ---- what is replaced in place ---- */

/* Two bytes each, which trap; user.c sees what is there in truth. Of Linux: selector 0x7b, whose
 * limit tells the CPU's number. */
static const struct known_site {
    uint8_t skip; /* what is replaced begins there */
    uint8_t trap[2];
    uint8_t bytes[KNOWN_SIZE];
} known_sites[] = {
    /* mov eax, 0x7b; lsl eax, eax */
    {5, {0x0f, 0x0b}, {0xb8, 0x7b, 0, 0, 0, 0x0f, 0x03, 0xc0}},
    /* the same; rdpid rax, of which the last byte is a prefix of what follows then */
    {5, {0x0f, 0x0b}, {0xb8, 0x7b, 0, 0, 0, 0xf3, 0x0f, 0xc7}},
    /* 32-bit code: push ecx; push edx; push ebp; mov ebp, ecx; syscall; int 0x80 */
    {5, {0xcd, 0x80}, {0x51, 0x52, 0x55, 0x89, 0xcd, 0x0f, 0x05, 0xcd}},
    /* ... mov ebp, esp; sysenter; int 0x80 */
    {5, {0xcd, 0x80}, {0x51, 0x52, 0x55, 0x89, 0xe5, 0x0f, 0x34, 0xcd}},
};

static const struct known_site *known_at(const uint8_t *p)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(known_sites); i++) {
        const uint8_t *bytes = known_sites[i].bytes;
        unsigned int n = 0;

        while (n < KNOWN_SIZE && p[n] == bytes[n])
            n++;
        if (n == KNOWN_SIZE)
            return &known_sites[i];
    }
    return NULL;
}

/* Offset of the first one from `at` on, or PAGE_SIZE. */
static unsigned int known_find(const uint8_t *page, unsigned int at)
{
    for (; at + KNOWN_SIZE <= PAGE_SIZE; at++)
        if ((page[at] == 0xb8 || page[at] == 0x51) && known_at(page + at))
            return at;
    return PAGE_SIZE;
}

static void known_replace(struct copy *c, unsigned int at, struct slot *s)
{
    uint8_t *code = copy_bytes(c) + at;
    const struct known_site *k = known_at(code);

    *s = (struct slot){.site = c->va + at + k->skip,
                       .form = FORM_IN_PLACE,
                       .size = 2,
                       .copy = (uint16_t)(c - copies),
                       .next = c->slots};
    memcpy(s->original, code + k->skip, s->size);
    c->slots = (uint16_t)(s - slots + 1);
    memcpy(code + k->skip, k->trap, s->size);
}

void patch_look_at(mfn_t frame, gva_t va)
{
    const uint8_t *page = ram_linear(frame);
    unsigned int at = known_find(page, 0);
    struct slot *s;
    struct copy *c;

    if (at == PAGE_SIZE) {
        vcpu_frame_flags[frame] |= FRAME_LOOKED_AT;
        return;
    }
    if (!nr_copies || copy_find(frame, va & PAGE_MASK) || user_tlb_frame_is_writable(frame))
        return;
    c = copy_new(frame, va & PAGE_MASK, nr_copies);
    for (; c && at < PAGE_SIZE && (s = slot_new()); at = known_find(copy_bytes(c), at + 1))
        known_replace(c, at, s);
}

/* ---- on the way in and out ---- */

/* The slot of that number, if it is a site in a page that the space executes. A program can jump to
 * any trampoline, and must not learn by that where other programs have their sites. */
static const struct slot *slot_of(const struct space *sp, uint64_t number)
{
    const struct slot *s = number < NR_SLOTS ? &slots[number] : NULL;
    bool patched;
    mfn_t frame;

    if (!s || (s->form != FORM_A && s->form != FORM_B))
        return NULL;
    if (!user_tlb_lookup(sp, s->site, &frame, &patched) || !patched)
        return NULL;
    return copies[s->copy].frame == frame && copies[s->copy].va == (s->site & PAGE_MASK) ? s : NULL;
}

bool patch_arrive(struct vcpu *v, const struct space *sp)
{
    const struct slot *s = slot_of(sp, v->gpr[RCX]);
    uint32_t nr;

    if (!s)
        return false;
    if (s->form == FORM_A) {
        memcpy(&nr, s->original + 1, sizeof(nr));
        v->gpr[RAX] = nr;
    }
    v->rip = s->site + (s->form == FORM_A ? FORM_A_SIZE : 2);
    return true;
}

static uint64_t compare_flags(uint64_t value, int32_t with)
{
    uint64_t flags;

    __asm__("cmpq %2, %1; pushfq; popq %0" : "=r"(flags) : "r"(value), "r"((int64_t)with) : "cc");
    return flags & EFLAGS_ARITH;
}

gva_t patch_rip_enter(const struct vcpu *v, const struct space *sp, uint64_t *rflags)
{
    const struct slot *s;
    bool patched;
    mfn_t frame;
    int32_t with;

    if (!form_b_in_use || !sp->windows || !user_tlb_lookup(sp, v->rip, &frame, &patched) ||
        !patched)
        return v->rip;
    s = slot_returning_to(v->rip);
    if (!s)
        return v->rip;
    memcpy(&with, s->original + 4, sizeof(with));
    *rflags = (*rflags & ~(uint64_t)(EFLAGS_ARITH | EFLAGS_RF)) | compare_flags(v->gpr[RAX], with);
    return s->site + FORM_B_SIZE;
}

gva_t patch_rip_leave(const struct space *sp, gva_t rip)
{
    const struct slot *s;

    if (!sp->windows || rip < PATCH_TRAMP || rip >= PATCH_TRAMP + PATCH_TRAMP_SIZE)
        return rip;
    /* rcx may be lost already: `syscall`, which comes next, overwrites it anyway. */
    s = slot_of(sp, (rip - PATCH_TRAMP) / SLOT_SIZE);
    return s ? s->site : rip;
}
