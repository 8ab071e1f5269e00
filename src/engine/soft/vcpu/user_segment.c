/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_segment.c - see user_segment.h. A stub has only the host's flat segments. Since FS and GS
 * bases can be set apart from the selectors, a flat selector with the guest's base does for any
 * data segment but for its limit, which is not enforced.
 */
#include "engine/soft/vcpu/user_segment.h"

#include "cpu/pv/segment.h"

#define OP_MOV_SREG 0x8e
#define PREFIX_OPSIZE 0x66
#define REX_B 1

enum { SREG_ES, SREG_CS, SREG_SS, SREG_DS, SREG_FS, SREG_GS };

/* `mov sreg, reg` at v->rip: the only form compilers and libraries use. Returns its length, 0 if
 * it is something else. */
static unsigned int decode(struct vcpu *v, unsigned int *ret_sreg, unsigned int *ret_gpr)
{
    uint8_t bytes[4], rex = 0;
    unsigned int at = 0;
    struct fault f;

    if (env_read(v, v->rip, bytes, sizeof(bytes), &f))
        return 0;
    if (bytes[at] == PREFIX_OPSIZE)
        at++;
    if (v->cs != 0x23 && (bytes[at] & 0xf0) == 0x40)
        rex = bytes[at++];
    if (bytes[at] != OP_MOV_SREG || bytes[at + 1] < 0xc0)
        return 0;
    *ret_sreg = bytes[at + 1] >> 3 & 7;
    *ret_gpr = (bytes[at + 1] & 7u) | (rex & REX_B) << 3;
    return at + 2;
}

uint8_t user_segment_load(struct vcpu *v, uint32_t error)
{
    unsigned int sreg, gpr, len, vector;
    uint64_t desc;
    uint16_t sel;

    if (!(error & 0xfffc) || (error & 3) || !(len = decode(v, &sreg, &gpr)))
        return VEC_GP;
    sel = (uint16_t)v->gpr[gpr];
    if ((sel & 0xfffc) != error)
        return VEC_GP;
    vector = segment_data_fault(v, sel, &desc);
    if (vector)
        return (uint8_t)vector;
    switch (sreg) {
    case SREG_ES:
        v->es = sel;
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
