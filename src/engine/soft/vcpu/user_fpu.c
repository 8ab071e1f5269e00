/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_fpu.c - see user_fpu.h. The only code of the vCPU process that touches FPU registers;
 * the rest is compiled without.
 */
#include "engine/soft/vcpu/user_fpu.h"

#include "engine/soft/run.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/user.h"

/* Offsets in the legacy area and header of an XSAVE image. */
#define FX_FCW 0
#define FX_MXCSR 24
#define FX_LEGACY_SIZE 512
#define XH_BV 512
#define XH_COMP_BV 520
#define XH_SIZE 64

#define FCW_INIT 0x37f
#define MXCSR_INIT 0x1f80
#define MXCSR_MASK 0xffffu

uint32_t user_fpu_here;

static struct stub *owner; /* has the state while user_fpu_here is 0 */
static uint8_t image[STUB_FPU_SIZE] __attribute__((aligned(64)));
static uint64_t xcr0;

_Static_assert(sizeof(image) == RUN_FPU_SIZE, "run.h");

static void xsave(uint8_t *to)
{
    __asm__ volatile("xsave64 (%0)" : : "r"(to), "a"(STUB_XFEATURES), "d"(0) : "memory");
}

static void xrstor(const uint8_t *from)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(from), "a"(STUB_XFEATURES), "d"(0) : "memory");
}

/* Make `image` one that XRSTOR does not fault on, and the hardware's own rules hold for. */
static void image_sanitise(void)
{
    uint64_t bv;
    uint32_t mxcsr;

    memcpy(&bv, image + XH_BV, sizeof(bv));
    memcpy(&mxcsr, image + FX_MXCSR, sizeof(mxcsr));
    bv &= STUB_XFEATURES & xcr0;
    mxcsr &= MXCSR_MASK;
    memset(image + XH_BV, 0, XH_SIZE);
    memcpy(image + XH_BV, &bv, sizeof(bv));
    memcpy(image + FX_MXCSR, &mxcsr, sizeof(mxcsr));
}

static void image_init(void)
{
    uint16_t fcw = FCW_INIT;
    uint32_t mxcsr = MXCSR_INIT;

    memset(image, 0, sizeof(image));
    memcpy(image + FX_FCW, &fcw, sizeof(fcw));
    memcpy(image + FX_MXCSR, &mxcsr, sizeof(mxcsr));
}

/* Fetch the owner's image into `image`, checked. */
static void image_fetch(void)
{
    uint64_t at;

    if (!owner) {
        image_init();
        return;
    }
    at = __atomic_load_n(&owner->x->fpu_at, __ATOMIC_RELAXED) - stub_by(owner);
    if (at < STUB_X || at > STUB_X + STUB_X_SIZE - STUB_FPU_SIZE)
        at = STUB_FPU;
    memcpy(image, (const uint8_t *)owner->x + (at - STUB_X), sizeof(image));
    image_sanitise();
}

void user_fpu_init(void)
{
    uint32_t lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    xcr0 = (uint64_t)hi << 32 | lo;
    image_init();
    xrstor(image);
    user_fpu_here = 1;
    owner = NULL;
}

void user_fpu_import(void)
{
    if (user_fpu_here)
        return;
    image_fetch();
    xrstor(image);
    user_fpu_here = 1;
    owner = NULL;
}

void user_fpu_save(uint8_t *to)
{
    user_fpu_import();
    image_init();
    xsave(image);
    memcpy(to, image, sizeof(image));
}

void user_fpu_load(const uint8_t *from)
{
    memcpy(image, from, sizeof(image));
    image_sanitise();
    xrstor(image);
    user_fpu_here = 1;
    owner = NULL;
}

void user_fpu_give(struct stub *s)
{
    if (!user_fpu_here && owner == s)
        return;
    if (user_fpu_here) {
        memset(s->x->fpu + XH_BV, 0, XH_SIZE);
        xsave(s->x->fpu);
    } else {
        image_fetch();
        memcpy(s->x->fpu, image, sizeof(image));
    }
    s->x->fpu_at = STUB_FPU + stub_by(s);
    s->x->live = 0;
    user_fpu_here = 0;
    owner = s;
}

void user_fpu_rescue(struct stub *s)
{
    if (!user_fpu_here && owner == s)
        user_fpu_import();
}
