/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-hostile.c - random hypercalls with random arguments: nothing but an answer, a fault to
 * the guest or the end of the domain may come of it. Worth most under sanitizers.
 */
#include <stdlib.h>
#include <string.h>

#include "fake_env.h"

#include "cpu/pv/hypercall.h"
#include "cpu/pv/pv.h"

#define ROUNDS 2000
#define CALLS_A_ROUND 50

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Numbers that mean something somewhere. */
static uint64_t rnd_arg(void)
{
    switch (rnd() % 10) {
    case 0:
        return rnd();
    case 1:
        return 0;
    case 2:
        return ~0ull;
    case 3:
        return rnd() % 40;
    case 4:
        return KVA(rnd() % NR_FRAMES) + rnd() % PAGE_SIZE;
    case 5:
        return (rnd() % (NR_FRAMES + 4)) << PAGE_SHIFT | rnd() % PAGE_SIZE;
    case 6:
        return DOMID_SELF;
    case 7:
        return 1ull << rnd() % 64;
    case 8:
        return rnd() % NR_FRAMES;
    default:
        return ARGS + rnd() % 64 * 8;
    }
}

static void fill_args(void)
{
    unsigned int i;

    for (i = 0; i < 1024; i++) {
        uint64_t w = rnd_arg();

        memcpy(fake_at(ARGS + 8 * i), &w, sizeof(w));
    }
}

static void one_call(void)
{
    unsigned int i, steps;

    vcpu.gpr[RAX] = rnd() % 52;
    vcpu.gpr[RDI] = rnd_arg();
    vcpu.gpr[RSI] = rnd_arg();
    vcpu.gpr[RDX] = rnd_arg();
    vcpu.gpr[R10] = rnd() % 2 ? DOMID_SELF : rnd_arg();
    vcpu.gpr[R8] = rnd_arg();
    for (steps = 0; steps < 20; steps++) {
        vcpu.rip = TEXT + 2;
        pv_hypercall(&vcpu);
        if (vcpu.rip != TEXT)
            break;
    }
    pv_timers_run(&vcpu);
    for (i = 0; i < 4 && pv_event_due(&vcpu); i++)
        pv_deliver_event(&vcpu);
    vcpu.user_mode = false;
}

/* Every sleep ends with an event. */
static void wake(struct vcpu *v)
{
    fake_info()->evtchn_upcall_pending = 1;
    fake_info()->evtchn_upcall_mask = 0;
}

static void test_random_hypercalls(void **state)
{
    /* They live across longjmp. */
    static unsigned int round, call, crashes;

    for (round = 0; round < ROUNDS; round++) {
        fake_setup(NULL);
        fake.have_evtchn = rnd() % 2;
        fake.on_wait = wake;
        fill_args();
        fake.crash_expected = true;
        if (setjmp(fake.crash)) {
            crashes++;
            continue;
        }
        for (call = 0; call < CALLS_A_ROUND; call++)
            one_call();
    }
    assert_true(crashes < ROUNDS); /* some rounds end without one */
}

/* The list of the domain's hypercalls and the dispatcher agree. */
static void test_every_number(void **state)
{
    uint64_t nr;

    fake.domain_ret = 4711;
    for (nr = 0; nr < 100; nr++) {
        bool known = hypercall_exists(nr);

        if (nr == __HYPERVISOR_iret)
            continue;
        if (!known)
            assert_int_equal(fake_hypercall(nr, 0, 0, 0, 0, 0), -XEN_ENOSYS);
        else
            assert_int_not_equal(fake_hypercall(nr, 0, 0, 0, DOMID_SELF, 0), -XEN_ENOSYS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_every_number, fake_setup),
        cmocka_unit_test_setup(test_random_hypercalls, fake_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
