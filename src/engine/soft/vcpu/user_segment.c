/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_segment.c - see user_segment.h. A stub has the host's flat segments, and the host's three
 * thread-local ones, whose numbers are those of Linux in the guest: for 32-bit programs they
 * mirror the guest's descriptors, so that selectors are what the program loaded. It has an LDT,
 * which mirrors the guest's. Any other data segment is a flat one: FS and GS bases can be set apart
 * from the selectors, and limits are not enforced.
 */
#include "engine/soft/vcpu/user_segment.h"

#include "cpu/pv/pv.h"
#include "cpu/pv/segment.h"
#include "engine/soft/vcpu/rt.h"

#define OP_MOV_SREG 0x8e
#define PREFIX_OPSIZE 0x66
#define REX_B 1
#define HOST_CS32 0x23
#define LDT_SELECTOR 7 /* its low bits, of a program */
#define LDT_CHUNK 512  /* entries that are read at once */

enum { SREG_ES, SREG_CS, SREG_SS, SREG_DS, SREG_FS, SREG_GS };

/* struct user_desc's flags */
#define UD_32BIT 1u
#define UD_EXPAND_DOWN 2u /* of code: conforming */
#define UD_CODE 4u
#define UD_READ_ONLY 8u
#define UD_PAGES 0x10u
#define UD_ABSENT 0x20u
#define UD_USEABLE 0x40u
#define DESC_AVL (1ull << 52)
#define DESC_DB (1ull << 54)
#define DESC_G (1ull << 55)
#define TYPE_EXPAND_DOWN 4u

bool user_segment_host_has_tls, user_segment_host_has_ldt;

/* Would the host take it for a thread-local segment? Data, 32-bit, present. */
static bool can_mirror(uint64_t desc)
{
    return (desc & DESC_P) && (desc & DESC_S) && !(DESC_TYPE(desc) & DESC_CODE) && (desc & DESC_DB);
}

/* Would it take it in an LDT? Not what is for the system, 64-bit code, or conforming code. */
static bool can_be_in_ldt(uint64_t desc)
{
    bool code = DESC_TYPE(desc) & DESC_CODE;

    return (desc & DESC_S) && !(code && (desc & DESC_L)) &&
           !(code && (desc & DESC_P) && (DESC_TYPE(desc) & TYPE_EXPAND_DOWN));
}

static uint32_t user_desc_flags(uint64_t desc)
{
    if (!desc)
        return UD_READ_ONLY | UD_ABSENT; /* "empty" */
    return (desc & DESC_DB ? UD_32BIT : 0) | (DESC_TYPE(desc) & DESC_CODE ? UD_CODE : 0) |
           (DESC_TYPE(desc) & TYPE_EXPAND_DOWN ? UD_EXPAND_DOWN : 0) |
           (DESC_TYPE(desc) & DESC_READABLE ? 0 : UD_READ_ONLY) | (desc & DESC_G ? UD_PAGES : 0) |
           (desc & DESC_P ? 0 : UD_ABSENT) | (desc & DESC_AVL ? UD_USEABLE : 0);
}

/* desc 0: none. */
static void mirror_one(struct stub *s, uint32_t op, unsigned int number, uint64_t desc)
{
    uint64_t limit = (desc & 0xffff) | (desc >> 32 & 0xf0000);

    stub_segment(s, op, number | (uint64_t)segment_base(desc) << 32,
                 limit | (uint64_t)user_desc_flags(desc) << 32);
}

void user_segment_mirror(struct vcpu *v, struct stub *s, bool wanted)
{
    for (unsigned int i = 0; user_segment_host_has_tls && i < STUB_TLS_ENTRIES; i++) {
        uint16_t sel = (uint16_t)((STUB_TLS_FIRST + i) << 3 | 3);
        uint64_t desc = 0;

        if (!wanted && !s->tls[i])
            continue;
        if (wanted && (pv_descriptor_read(v, sel, &desc) || !can_mirror(desc)))
            desc = 0;
        if (desc == s->tls[i])
            continue;
        mirror_one(s, STUB_OP_TLS, STUB_TLS_FIRST + i, desc);
        s->tls[i] = desc;
    }
}

/* What the guest's LDT has from entry `first` on, as the stub is to have it. Missing: all 0. */
static void read_ldt(struct vcpu *v, unsigned int first, unsigned int n, uint64_t *ret)
{
    struct fault ignored;

    if (env_read_kernel(v, v->pv.ldt_base + first * 8u, ret, n * sizeof(*ret), &ignored))
        memset(ret, 0, n * sizeof(*ret));
    for (unsigned int i = 0; i < n; i++) {
        if (!can_be_in_ldt(ret[i]))
            ret[i] = 0;
        if (ret[i] & DESC_P)
            ret[i] |= 3ull << 45; /* as pv_descriptor_read() has it */
    }
}

void user_segment_mirror_ldt(struct vcpu *v, struct stub *s)
{
    static uint64_t chunk[LDT_CHUNK];
    unsigned int entries = v->pv.ldt_entries, known = s->ldt_entries;
    unsigned int n = entries > known ? entries : known;

    for (unsigned int i = 0; user_segment_host_has_ldt && i < n; i++) {
        unsigned int at = i % LDT_CHUNK, left = entries > i ? entries - i : 0;
        uint64_t was = i < known ? s->ldt[i] : 0;

        if (!at)
            read_ldt(v, i, left < LDT_CHUNK ? left : LDT_CHUNK, chunk);
        s->ldt[i] = left ? chunk[at] : 0;
        if (s->ldt[i] == was)
            continue;
        mirror_one(s, STUB_OP_LDT, i, s->ldt[i]);
        s->ldt_entries = n;
    }
}

/* What the stub has of its LDT by that selector; 0: nothing that can be loaded. */
static uint64_t ldt_descriptor(const struct stub *s, uint16_t sel)
{
    uint64_t desc = sel >> 3 < s->ldt_entries ? s->ldt[sel >> 3] : 0;

    return (sel & LDT_SELECTOR) == LDT_SELECTOR && ~desc && (desc & DESC_P) ? desc : 0;
}

bool user_segment_is_mirrored_code(const struct stub *s, uint16_t sel)
{
    return DESC_TYPE(ldt_descriptor(s, sel)) & DESC_CODE;
}

bool user_segment_is_mirrored(const struct stub *s, uint16_t sel)
{
    unsigned int i = (sel >> 3) - STUB_TLS_FIRST;
    uint64_t desc = ldt_descriptor(s, sel);

    if (desc)
        return !(DESC_TYPE(desc) & DESC_CODE) || (DESC_TYPE(desc) & DESC_READABLE);
    return i < STUB_TLS_ENTRIES && (sel & 7) == 3 && s->tls[i] && ~s->tls[i];
}

/* `mov sreg, reg` or `mov sreg, [reg]` at v->rip: the forms that there are in practice. Returns its
 * length, 0 if it is something else. */
static unsigned int decode(struct vcpu *v, unsigned int *ret_sreg, uint16_t *ret_sel)
{
    bool is_64bit = v->cs != HOST_CS32 && segment_is_64bit_code(v);
    unsigned int gpr;
    gva_t va;
    uint8_t bytes[4], rex = 0;
    unsigned int at = 0;
    struct fault f;

    if (env_read(v, v->rip, bytes, sizeof(bytes), &f))
        return 0;
    if (bytes[at] == PREFIX_OPSIZE)
        at++;
    if (is_64bit && (bytes[at] & 0xf0) == 0x40)
        rex = bytes[at++];
    if (bytes[at] != OP_MOV_SREG)
        return 0;
    *ret_sreg = bytes[at + 1] >> 3 & 7;
    gpr = (bytes[at + 1] & 7u) | (rex & REX_B) << 3;
    *ret_sel = (uint16_t)v->gpr[gpr];
    if (bytes[at + 1] >= 0xc0)
        return at + 2;
    va = is_64bit ? v->gpr[gpr] : (uint32_t)v->gpr[gpr];
    if (bytes[at + 1] >= 0x40 || (gpr & 7) == RSP || (gpr & 7) == RBP ||
        env_read(v, va, ret_sel, sizeof(*ret_sel), &f))
        return 0;
    return at + 2;
}

uint8_t user_segment_load(struct vcpu *v, uint32_t error)
{
    unsigned int sreg, len, vector;
    uint64_t desc = 0;
    uint16_t sel;

    if (!(error & 0xfffc) || (error & 3) || !(len = decode(v, &sreg, &sel)) ||
        (sel & 0xfffc) != error)
        return VEC_GP;
    vector = sreg == SREG_SS ? segment_stack_fault(v, sel) : segment_data_fault(v, sel, &desc);
    if (vector)
        return (uint8_t)vector;
    switch (sreg) {
    case SREG_ES:
        v->es = sel;
        break;
    case SREG_SS:
        v->ss = sel;
        break;
    case SREG_DS:
        v->ds = sel;
        break;
    case SREG_FS:
        v->fs = sel;
        v->fs_base = segment_base(desc);
        break;
    case SREG_GS:
        v->gs = sel;
        v->gs_base = segment_base(desc);
        break;
    default:
        return VEC_GP;
    }
    v->rip += len;
    return 0;
}
