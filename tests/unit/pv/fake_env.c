/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fake_env.c - see fake_env.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_env.h"

#include "cpu/pv/hypercall.h"
#include "cpu/pv/pv.h"

struct fake fake;
struct vcpu vcpu;
unsigned int fake_continued;

#define P 1ull
#define RW 2ull

static uint64_t *entry(mfn_t table, unsigned int slot)
{
    return (uint64_t *)fake.ram[table] + slot;
}

static void build_tables(void)
{
    unsigned int i;

    *entry(FRAME_L4, 511) = FRAME_L3 * PAGE_SIZE | P | RW;
    *entry(FRAME_L3, 510) = FRAME_L2 * PAGE_SIZE | P | RW;
    *entry(FRAME_L2, 0) = FRAME_L1 * PAGE_SIZE | P | RW;
    for (i = 0; i < NR_FRAMES; i++)
        *entry(FRAME_L1, i) = i * PAGE_SIZE | P | (i == FRAME_RO ? 0 : RW);
    *entry(FRAME_L1, FRAME_HOLE) = 0;
}

int fake_setup(void **state)
{
    memset(&fake, 0, sizeof(fake));
    memset(&vcpu, 0, sizeof(vcpu));
    build_tables();
    fake.now = 1000000000;
    fake.sh.vcpu_info[0] = FRAME_INFO * PAGE_SIZE + 64;

    vcpu.pv.vcpu_info = FRAME_INFO * PAGE_SIZE + 64;
    vcpu.gpr[RSP] = KVA(FRAME_STACK) + 0x800;
    vcpu.rip = TEXT;
    vcpu.rflags = EFLAGS_IF | 2;
    vcpu.cs = FLAT_KERNEL_CS;
    vcpu.ss = FLAT_KERNEL_SS;
    vcpu.gs_base = 0x1111;
    vcpu.gs_base_other = 0x2222;
    vcpu.cr3_kernel = FRAME_L4;
    vcpu.cr3_user = FRAME_USER_L4;
    vcpu.pv.kernel_sp = KVA(FRAME_USTACK) + 0x400;
    pv_init(&vcpu);
    return 0;
}

void fake_enter_user(void)
{
    uint64_t base = vcpu.gs_base;

    vcpu.gs_base = vcpu.gs_base_other;
    vcpu.gs_base_other = base;
    vcpu.user_mode = true;
    vcpu.rip = USER_TEXT;
    vcpu.cs = 0x33;
    vcpu.ss = 0x2b;
    vcpu.gpr[RSP] = 0x7ffd12345678;
}

void *fake_at(gva_t va)
{
    assert_true(va >= KBASE && va < KVA(NR_FRAMES));
    return (uint8_t *)fake.ram + (va - KBASE);
}

uint64_t fake_word(gva_t va)
{
    uint64_t w;

    memcpy(&w, fake_at(va), sizeof(w));
    return w;
}

struct vcpu_info *fake_info(void)
{
    return env_frame(FRAME_INFO) + 64;
}

int64_t fake_hypercall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    fake_continued = 0;
    vcpu.gpr[RAX] = nr;
    vcpu.gpr[RDI] = a;
    vcpu.gpr[RSI] = b;
    vcpu.gpr[RDX] = c;
    vcpu.gpr[R10] = d;
    vcpu.gpr[R8] = e;
    vcpu.rip = TEXT + 2;
    pv_hypercall(&vcpu);
    while (vcpu.rip == TEXT) {
        fake_continued++;
        assert_int_equal(vcpu.gpr[RAX], nr);
        assert_true(fake_continued < 1000);
        vcpu.rip = TEXT + 2;
        pv_hypercall(&vcpu);
    }
    return (int64_t)vcpu.gpr[RAX];
}

/* env.h */

static uint8_t *walk(gva_t va, bool write)
{
    mfn_t table = vcpu.cr3_kernel;
    int shift;

    for (shift = 39; shift >= 12; shift -= 9) {
        uint64_t e;

        if (table >= NR_FRAMES)
            return NULL;
        e = *entry(table, va >> shift & 511);
        if (!(e & P) || (write && !(e & RW)))
            return NULL;
        table = (e & 0x000ffffffffff000) >> PAGE_SHIFT;
    }
    return table < NR_FRAMES ? fake.ram[table] + (va & ~PAGE_MASK) : NULL;
}

static int copy(gva_t va, void *buf, size_t size, bool write, struct fault *f)
{
    uint8_t *p = buf;

    for (; size; size--, va++, p++) {
        uint8_t *at = pv_canonical(va) ? walk(va, write) : NULL;

        if (!at) {
            *f = (struct fault){.vector = VEC_PF, .has_error = true, .cr2 = va};
            return -1;
        }
        if (write)
            *at = *p;
        else
            *p = *at;
    }
    return 0;
}

int env_read_kernel(struct vcpu *v, gva_t va, void *buf, size_t size, struct fault *f)
{
    return copy(va, buf, size, false, f);
}

int env_write_kernel(struct vcpu *v, gva_t va, const void *buf, size_t size, struct fault *f)
{
    return copy(va, (void *)buf, size, true, f);
}

void *env_frame(mfn_t mfn)
{
    fake.frames_named++;
    return mfn < NR_FRAMES ? fake.ram[mfn] : NULL;
}

void env_frame_written(mfn_t mfn)
{
    assert_true(mfn < NR_FRAMES);
    fake.written[mfn]++;
}

uint64_t *env_m2p(void)
{
    return fake.m2p;
}

mfn_t env_nr_frames(void)
{
    return NR_FRAMES;
}

uint64_t *env_l1_entry(struct vcpu *v, gva_t va, mfn_t *ret_table)
{
    if (va < KBASE || va >= KBASE + 512 * PAGE_SIZE)
        return NULL;
    *ret_table = FRAME_L1;
    return entry(FRAME_L1, va >> PAGE_SHIFT & 511);
}

void env_tlb_flush(struct vcpu *v)
{
    fake.flushes++;
}

void env_tlb_invlpg(struct vcpu *v, gva_t va)
{
    fake.invlpgs++;
    fake.last_invlpg = va;
}

void env_set_cr3(struct vcpu *v, mfn_t root)
{
    fake.cr3 = root;
}

void env_set_user_cr3(struct vcpu *v, mfn_t root)
{
    fake.user_cr3 = root;
}

void env_pin_table(struct vcpu *v, mfn_t mfn, unsigned int level, bool pin)
{
    assert_true(mfn < NR_FRAMES);
    fake.pin_level[mfn] = pin ? level : 0;
    fake.looked[mfn] = pin ? LOOKED_NEVER : LOOKED_NO_TABLE;
    if (pin)
        fake.pins++;
    else
        fake.unpins++;
}

unsigned int env_pin_level(mfn_t mfn)
{
    return mfn < NR_FRAMES ? fake.pin_level[mfn] : 0;
}

void env_note_looked(mfn_t mfn, enum looked what)
{
    if (mfn < NR_FRAMES)
        fake.looked[mfn] = what;
}

enum looked env_looked(mfn_t mfn)
{
    return mfn < NR_FRAMES ? fake.looked[mfn] : LOOKED_NEVER;
}

const struct evtchn_ctx *env_evtchn(void)
{
    static struct evtchn_ctx c;

    c = (struct evtchn_ctx){
        .sh = &fake.sh, .ram = fake.ram[0], .nr_frames = NR_FRAMES, .nr_vcpus = 2};
    return fake.have_evtchn ? &c : NULL;
}

int64_t env_domain_hypercall(struct vcpu *v, uint64_t nr, const uint64_t args[5])
{
    fake.domain_calls++;
    fake.domain_nr = nr;
    memcpy(fake.domain_args, args, sizeof(fake.domain_args));
    return fake.domain_ret;
}

uint64_t env_now(void)
{
    return fake.now;
}

void env_time_params(uint64_t *tsc_stamp, uint64_t *system_ns, uint32_t *mul, int8_t *shift)
{
    *tsc_stamp = 0x123456789a;
    *system_ns = 77;
    *mul = 0x80000001;
    *shift = -1;
}

void env_set_timer(struct vcpu *v, uint64_t deadline)
{
    fake.timer = deadline;
}

void env_raise_timer(struct vcpu *v)
{
    fake.timer_raises++;
    if (fake.on_raise)
        fake.on_raise(v);
}

void env_wait(struct vcpu *v, uint64_t deadline)
{
    fake.waits++;
    fake.wait_deadline = deadline;
    if (fake.on_wait)
        fake.on_wait(v);
    else if (deadline)
        fake.now = deadline;
}

bool env_kicked(void)
{
    return fake.kicked;
}

void env_kick_vcpu(unsigned int id)
{
    if (id < ARRAY_SIZE(fake.kicks))
        fake.kicks[id]++;
}

void env_tlb_flush_others(struct vcpu *v, uint64_t mask)
{
    fake.flushed_others = mask;
}

void env_tlb_invlpg_others(struct vcpu *v, uint64_t mask, gva_t va)
{
    fake.invlpg_others = mask;
}

void env_relax(struct vcpu *v)
{
    fake.relaxes++;
}

void env_domain_crash(struct vcpu *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(fake.crash_text, sizeof(fake.crash_text), fmt, ap);
    va_end(ap);
    if (!fake.crash_expected) {
        fail_msg("domain crash: %s", fake.crash_text);
        abort();
    }
    longjmp(fake.crash, 1);
}

void env_log(const char *fmt, ...)
{
    fake.logs++;
}
