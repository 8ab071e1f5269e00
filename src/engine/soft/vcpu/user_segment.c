/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_segment.c - see user_segment.h. A stub has the host's flat segments, and the host's three
 * thread-local ones, whose numbers are those of Linux in the guest: for 32-bit programs they
 * mirror the guest's descriptors, so that selectors are what the program loaded. Any other data
 * segment is a flat one: FS and GS bases can be set apart from the selectors, and limits are not
 * enforced.
 */
#include "engine/soft/vcpu/user_segment.h"

#include "cpu/pv/pv.h"
#include "cpu/pv/segment.h"

#define OP_MOV_SREG 0x8e
#define PREFIX_OPSIZE 0x66
#define REX_B 1
#define HOST_CS32 0x23

enum { SREG_ES, SREG_CS, SREG_SS, SREG_DS, SREG_FS, SREG_GS };

/* struct user_desc's flags */
#define UD_32BIT 1u
#define UD_EXPAND_DOWN 2u
#define UD_READ_ONLY 8u
#define UD_PAGES 0x10u
#define UD_ABSENT 0x20u
#define UD_USEABLE 0x40u
#define DESC_AVL (1ull << 52)
#define DESC_DB (1ull << 54)
#define DESC_G (1ull << 55)
#define TYPE_EXPAND_DOWN 4u

bool user_segment_host_has_tls;

/* Would the host take it for a thread-local segment? Data, 32-bit, present. */
static bool can_mirror(uint64_t desc)
{
    return (desc & DESC_P) && (desc & DESC_S) && !(DESC_TYPE(desc) & DESC_CODE) && (desc & DESC_DB);
}

static uint32_t user_desc_flags(uint64_t desc)
{
    if (!can_mirror(desc))
        return UD_READ_ONLY | UD_ABSENT; /* "empty" */
    return UD_32BIT | (DESC_TYPE(desc) & TYPE_EXPAND_DOWN ? UD_EXPAND_DOWN : 0) |
           (DESC_TYPE(desc) & DESC_READABLE ? 0 : UD_READ_ONLY) | (desc & DESC_G ? UD_PAGES : 0) |
           (desc & DESC_AVL ? UD_USEABLE : 0);
}

static void mirror_one(struct stub *s, unsigned int i, uint64_t desc)
{
    uint64_t used = can_mirror(desc) ? desc : 0;
    uint64_t limit = (used & 0xffff) | (used >> 32 & 0xf0000);

    stub_tls(s, (STUB_TLS_FIRST + i) | (uint64_t)segment_base(used) << 32,
             limit | (uint64_t)user_desc_flags(used) << 32);
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
        mirror_one(s, i, desc);
        s->tls[i] = desc;
    }
}

bool user_segment_is_mirrored(const struct stub *s, uint16_t sel)
{
    unsigned int i = (sel >> 3) - STUB_TLS_FIRST;

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
