/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_xsave.c - xsave, xrstor, fxsave, fxrstor of the guest kernel, and access to single
 * vector and mask registers for emulate_gather.c.
 *
 * The vCPU's FPU state is fetched into this process's registers, then the instruction is
 * executed natively, limited to the guest's XCR0. What is to be restored is copied and checked
 * first, so that the native instruction cannot fault.
 */
#include "engine/soft/vcpu/emulate_xsave.h"

#include "cpu/cpuid.h"
#include "cpu/creg.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/user.h"

#define FXSAVE_SIZE 512
#define MXCSR_OFFSET 24
#define MXCSR_MASK_OFFSET 28
#define MXCSR_MASK_DEFAULT 0xffbfu
#define HEADER_OFFSET 512
#define HEADER_END 576
#define XSTATE_MASKS 5  /* component of k0..k7 */
#define XSTATE_MXCSR 6u /* components that bring MXCSR along: SSE, AVX */

static uint8_t area[PAGE_SIZE] __attribute__((aligned(64)));

static void native_xsave(uint8_t *to, uint64_t mask, bool wide)
{
    uint32_t lo = (uint32_t)mask, hi = mask >> 32;

    if (wide)
        __asm__ volatile("xsave64 %0" : "+m"(*to) : "a"(lo), "d"(hi) : "memory");
    else
        __asm__ volatile("xsave %0" : "+m"(*to) : "a"(lo), "d"(hi) : "memory");
}

static void native_xrstor(uint64_t mask, bool wide)
{
    uint32_t lo = (uint32_t)mask, hi = mask >> 32;

    if (wide)
        __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(lo), "d"(hi) : "memory");
    else
        __asm__ volatile("xrstor %0" : : "m"(area), "a"(lo), "d"(hi) : "memory");
}

static void native_fxsave(uint8_t *to, bool wide)
{
    if (wide)
        __asm__ volatile("fxsave64 %0" : "+m"(*to) : : "memory");
    else
        __asm__ volatile("fxsave %0" : "+m"(*to) : : "memory");
}

static void native_fxrstor(bool wide)
{
    if (wide)
        __asm__ volatile("fxrstor64 %0" : : "m"(area) : "memory");
    else
        __asm__ volatile("fxrstor %0" : : "m"(area) : "memory");
}

static uint64_t get64(unsigned int offset)
{
    uint64_t v;

    __builtin_memcpy(&v, area + offset, 8);
    return v;
}

static uint32_t get32(unsigned int offset)
{
    uint32_t v;

    __builtin_memcpy(&v, area + offset, 4);
    return v;
}

/* MXCSR bits that this CPU knows; fxsave tells (0 = the architecture's default). */
static uint32_t mxcsr_mask(void)
{
    static uint32_t mask;

    if (!mask) {
        native_fxsave(area, true);
        mask = get32(MXCSR_MASK_OFFSET);
        if (!mask)
            mask = MXCSR_MASK_DEFAULT;
    }
    return mask;
}

static enum emu_result write_area(struct emu *e, uint32_t size)
{
    return env_write(e->v, e->ea, area, size, e->f) ? EMU_FAULT : EMU_OK;
}

static enum emu_result read_area(struct emu *e, uint32_t from, uint32_t to)
{
    return env_read(e->v, e->ea + from, area + from, to - from, e->f) ? EMU_FAULT : EMU_OK;
}

/* *whole: where it is, if its pages are neighbours in memory. */
static enum emu_result find_area(struct emu *e, uint32_t size, uint8_t **whole)
{
    gva_t next = (e->ea | ~PAGE_MASK) + 1;
    uint8_t *second;

    *whole = env_translate(e->v, e->ea, ACCESS_WRITE, e->f);
    if (!*whole)
        return EMU_FAULT;
    if (next - e->ea >= size)
        return EMU_OK;
    second = env_translate(e->v, next, ACCESS_WRITE, e->f);
    if (!second)
        return EMU_FAULT;
    if (second != *whole + (next - e->ea))
        *whole = NULL;
    return EMU_OK;
}

static enum emu_result do_fxrstor(struct emu *e, bool wide)
{
    uint32_t known = mxcsr_mask();

    if (read_area(e, 0, FXSAVE_SIZE))
        return EMU_FAULT;
    if (get32(MXCSR_OFFSET) & ~known)
        return emu_gp(e, 0);
    native_fxrstor(wide);
    return EMU_OK;
}

/* cpuid_xsave_size() of the components that were asked for last. */
static uint32_t size_of(uint64_t components)
{
    static uint64_t known = ~0ull;
    static uint32_t size;

    if (components != known)
        size = cpuid_xsave_size(components);
    known = components;
    return size;
}

/* fxsave, or with a mask of components xsave. An area in pieces is read first, so that what the
 * instruction leaves alone stays. */
static enum emu_result do_save(struct emu *e, bool fx, uint64_t mask, bool wide)
{
    uint32_t size = fx ? FXSAVE_SIZE : size_of(mask);
    uint8_t *guest, *to;

    if (find_area(e, size, &guest))
        return EMU_FAULT;
    if (!guest && read_area(e, 0, size))
        return EMU_FAULT;
    to = guest ? guest : area;
    if (fx)
        native_fxsave(to, wide);
    else
        native_xsave(to, mask, wide);
    return guest ? EMU_OK : write_area(e, size);
}

static enum emu_result do_xrstor(struct emu *e, uint64_t mask, bool wide)
{
    uint32_t known = mxcsr_mask(), size;

    if (read_area(e, 0, HEADER_END))
        return EMU_FAULT;
    if (get64(HEADER_OFFSET) & ~e->v->xcr0)
        return emu_gp(e, 0);
    for (unsigned int i = HEADER_OFFSET + 8; i < HEADER_END; i += 8)
        if (get64(i)) /* no compacted format, nothing reserved */
            return emu_gp(e, 0);
    if ((mask & XSTATE_MXCSR) && (get32(MXCSR_OFFSET) & ~known))
        return emu_gp(e, 0);
    size = size_of(mask & get64(HEADER_OFFSET));
    if (size > HEADER_END && read_area(e, HEADER_END, size))
        return EMU_FAULT;
    native_xrstor(mask, wide);
    return EMU_OK;
}

enum emu_result emulate_xsave(struct emu *e)
{
    const struct insn *in = e->in;
    struct vcpu *v = e->v;
    unsigned int reg = in->reg & 7;
    bool wide = in->rex & 8;
    uint64_t mask = (v->gpr[RDX] << 32 | (uint32_t)v->gpr[RAX]) & v->xcr0;

    if (reg >= 4 && !(v->cr4 & CR4_OSXSAVE))
        return emu_fault(e, VEC_UD);
    if (v->cr0_ts)
        return emu_fault(e, VEC_NM);
    if (e->ea & (reg >= 4 ? 63 : 15))
        return emu_gp(e, 0);
    user_fpu_import();
    switch (reg) {
    case 0:
        return do_save(e, true, 0, wide);
    case 1:
        return do_fxrstor(e, wide);
    case 4:
        return do_save(e, false, mask, wide);
    case 5:
        return do_xrstor(e, mask, wide);
    default:
        return EMU_UNKNOWN;
    }
}

/* Where the parts of vector registers are in the save area. */
static const struct {
    uint8_t component;
    uint8_t first, last; /* registers */
    uint8_t from, size;  /* bytes of the register */
} parts[] = {
    {2, 0, 15, 16, 16}, /* upper halves of ymm */
    {6, 0, 15, 32, 32}, /* upper halves of zmm */
    {7, 16, 31, 0, 64},
};

static void copy_parts(unsigned int n, uint8_t *value, bool set)
{
    uint32_t offset, size;

    if (n < 16) {
        uint8_t *xmm = area + 160 + n * 16;

        memcpy(set ? xmm : value, set ? value : xmm, 16);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
        uint8_t *at;

        if (n < parts[i].first || n > parts[i].last ||
            cpuid_xsave_component(parts[i].component, &offset, &size))
            continue;
        at = area + offset + (n - parts[i].first) * parts[i].size;
        memcpy(set ? at : value + parts[i].from, set ? value + parts[i].from : at, parts[i].size);
    }
}

/* Everything but x87. */
static uint64_t vector_components(void)
{
    return cpuid_xcr0_max() & ~1ull;
}

static void save_vectors(void)
{
    memset(area, 0, sizeof(area));
    if (vector_components())
        native_xsave(area, vector_components(), true);
    else
        native_fxsave(area, true);
}

void vector_get(unsigned int n, uint8_t value[VECTOR_MAX])
{
    memset(value, 0, VECTOR_MAX);
    save_vectors();
    copy_parts(n, value, false);
}

/* Load what save_vectors() stored and somebody changed. */
static void restore_vectors(void)
{
    uint64_t components = vector_components();

    if (components) {
        memset(area + HEADER_OFFSET, 0, HEADER_END - HEADER_OFFSET);
        __builtin_memcpy(area + HEADER_OFFSET, &components, 8);
        native_xrstor(components, true);
    } else {
        native_fxrstor(true);
    }
}

void vector_set(unsigned int n, const uint8_t value[VECTOR_MAX])
{
    uint8_t copy[VECTOR_MAX];

    memcpy(copy, value, sizeof(copy));
    save_vectors();
    copy_parts(n, copy, true);
    restore_vectors();
}

/* The place of a mask register in the save area. */
static uint8_t *mask_at(unsigned int n)
{
    uint32_t offset = 0, size;

    save_vectors();
    return cpuid_xsave_component(XSTATE_MASKS, &offset, &size) ? NULL : area + offset + n * 8;
}

uint64_t mask_get(unsigned int n)
{
    const uint8_t *at = mask_at(n);
    uint64_t value = 0;

    if (at)
        __builtin_memcpy(&value, at, 8);
    return value;
}

void mask_set(unsigned int n, uint64_t value)
{
    uint8_t *at = mask_at(n);

    if (!at)
        return;
    __builtin_memcpy(at, &value, 8);
    restore_vectors();
}
