/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fake_env.c - see fake_env.h.
 */
#include "fake_env.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/pv/evtchn.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/user.h"

bool fake_present[ARENA_PAGES], fake_writable[ARENA_PAGES];
uint8_t fake_frames[FAKE_FRAMES][PAGE_SIZE] __attribute__((aligned(4096)));
unsigned int fake_logs;

static uint8_t pages[ARENA_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static const uint8_t order[ARENA_PAGES] = {5, 2, 7, 0, 6, 1, 4, 3};

uint32_t user_fpu_here = 1;

void user_fpu_import(void)
{
}

/* Instead of the C library's, which use vector registers. */
void *memcpy(void *to, const void *from, size_t n)
{
    void *ret = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return ret;
}

void *memset(void *to, int c, size_t n)
{
    void *ret = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return ret;
}

uint8_t *fake_page(unsigned int i)
{
    return pages[order[i]];
}

void fake_reset(void)
{
    for (unsigned int i = 0; i < ARENA_PAGES; i++)
        fake_present[i] = fake_writable[i] = true;
}

void fake_set(const uint8_t *from)
{
    for (unsigned int i = 0; i < ARENA_PAGES; i++)
        memcpy(fake_page(i), from + i * PAGE_SIZE, PAGE_SIZE);
}

void fake_get(uint8_t *to)
{
    for (unsigned int i = 0; i < ARENA_PAGES; i++)
        memcpy(to + i * PAGE_SIZE, fake_page(i), PAGE_SIZE);
}

void *env_translate(struct vcpu *v, gva_t va, enum access access, struct fault *f)
{
    uint64_t i = (va - ARENA) / PAGE_SIZE;
    bool write = access == ACCESS_WRITE;

    if ((uint64_t)((int64_t)(va << 16) >> 16) != va) {
        *f = (struct fault){.vector = VEC_GP, .has_error = true};
        return NULL;
    }
    if (va < ARENA || i >= ARENA_PAGES || !fake_present[i] || (write && !fake_writable[i])) {
        bool present = va >= ARENA && i < ARENA_PAGES && fake_present[i];

        *f = (struct fault){VEC_PF, true, (write ? PF_W : 0) | (present ? PF_P : 0), va};
        return NULL;
    }
    return fake_page(i) + (va & ~PAGE_MASK);
}

static int transfer(struct vcpu *v, gva_t va, uint8_t *buf, size_t size, bool write,
                    struct fault *f)
{
    while (size) {
        size_t room = PAGE_SIZE - (va & ~PAGE_MASK), n = size < room ? size : room;
        uint8_t *p = env_translate(v, va, write ? ACCESS_WRITE : ACCESS_READ, f);

        if (!p)
            return -1;
        memcpy(write ? p : buf, write ? buf : p, n);
        buf += n;
        va += n;
        size -= n;
    }
    return 0;
}

int env_read(struct vcpu *v, gva_t va, void *buf, size_t size, struct fault *f)
{
    return transfer(v, va, buf, size, false, f);
}

int env_write(struct vcpu *v, gva_t va, const void *buf, size_t size, struct fault *f)
{
    return transfer(v, va, (uint8_t *)(uintptr_t)buf, size, true, f);
}

int env_read_kernel(struct vcpu *v, gva_t va, void *buf, size_t size, struct fault *f)
{
    return transfer(v, va, buf, size, false, f);
}

int env_write_kernel(struct vcpu *v, gva_t va, const void *buf, size_t size, struct fault *f)
{
    return transfer(v, va, (uint8_t *)(uintptr_t)buf, size, true, f);
}

void *env_frame(mfn_t mfn)
{
    return mfn < FAKE_FRAMES ? fake_frames[mfn] : NULL;
}

void env_frame_written(mfn_t mfn)
{
}

void env_set_cr3(struct vcpu *v, mfn_t root)
{
    v->cr3_kernel = root;
}

void env_time_params(uint64_t *tsc_stamp, uint64_t *system_ns, uint32_t *mul, int8_t *shift)
{
    *tsc_stamp = *system_ns = 0;
    *mul = 0x80000000; /* 2 GHz */
    *shift = 0;
}

void env_log(const char *fmt, ...)
{
    fake_logs++;
}

void env_domain_crash(struct vcpu *v, const char *fmt, ...)
{
    abort();
}

enum emulate_result fake_emulate_fpu(struct vcpu *v, const struct insn *in, const uint8_t *bytes,
                                     struct fault *f, void *area, uint64_t mask)
{
    uint32_t lo = (uint32_t)mask, hi = mask >> 32;
    enum emulate_result r;

    __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(lo), "d"(hi) : "memory");
    r = emulate(v, in, bytes, f);
    __asm__ volatile("xsave64 (%0); fninit" : : "r"(area), "a"(lo), "d"(hi) : "memory");
    return r;
}

void fake_native_fpu(void (*code)(void), void *area, uint64_t mask)
{
    uint32_t lo = (uint32_t)mask, hi = mask >> 32;

    __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(lo), "d"(hi) : "memory");
    code();
    __asm__ volatile("xsave64 (%0); fninit" : : "r"(area), "a"(lo), "d"(hi) : "memory");
}

/* The rest of the interface is for hypercalls, which these tests make none of. */
int64_t env_domain_hypercall(struct vcpu *v, uint64_t nr, const uint64_t args[5])
{
    abort();
}

uint64_t *env_l1_entry(struct vcpu *v, gva_t va, mfn_t *ret_table)
{
    return NULL;
}

uint64_t *env_m2p(void)
{
    return NULL;
}

mfn_t env_nr_frames(void)
{
    return FAKE_FRAMES;
}

uint64_t env_now(void)
{
    return 0;
}

const struct evtchn_ctx *env_evtchn(void)
{
    abort();
}

unsigned int env_pin_level(mfn_t mfn)
{
    return 0;
}

bool env_kicked(void)
{
    return false;
}

void env_pin_table(struct vcpu *v, mfn_t mfn, unsigned int level, bool pin)
{
}

void env_raise_timer(struct vcpu *v)
{
}

void env_relax(struct vcpu *v)
{
}

void env_set_timer(struct vcpu *v, uint64_t deadline)
{
}

void env_set_user_cr3(struct vcpu *v, mfn_t root)
{
}

void env_tlb_flush(struct vcpu *v)
{
}

void env_tlb_invlpg(struct vcpu *v, gva_t va)
{
}

void env_wait(struct vcpu *v, uint64_t deadline)
{
}
