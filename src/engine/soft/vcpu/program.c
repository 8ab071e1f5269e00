/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * program.c - see program.h. Each address space has a choice (choice.h) of its own, but for those
 * that no stub can run.
 */
#include "engine/soft/vcpu/program.h"

#include "engine/soft/vcpu/choice.h"
#include "engine/soft/vcpu/local.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/step.h"
#include "engine/soft/vcpu/stubs.h"
#include "engine/soft/vcpu/user_tlb.h"

#define CHOOSERS 64

static struct chooser {
    mfn_t root;
    uint64_t used; /* 0 = free */
    struct choice choice;
} choosers[CHOOSERS];

static struct chooser *last = choosers;
static uint64_t runs;

/* The one that ran before an address space that is new is likely to have made it. */
static struct choice *choice_of(mfn_t root)
{
    struct chooser *c = choosers;

    runs++;
    if (last->root != root || !last->used) {
        for (unsigned int i = 0; i < CHOOSERS && (c->root != root || !c->used); i++)
            if ((choosers[i].root == root && choosers[i].used) || choosers[i].used < c->used)
                c = &choosers[i];
        if (c->root != root || !c->used) {
            c->root = root;
            choice_init(&c->choice, &last->choice, shared->tsc_khz);
        }
        last = c;
    }
    last->used = runs;
    return &last->choice;
}

static int run_translated(struct vcpu *v, struct fault *ret_fault)
{
    user_leave();
    run->stats[STAT_LOCAL_RUNS]++;
    return local_run(v, ret_fault);
}

/* Here, as far as that goes. */
static enum user_stop run_here(struct vcpu *v, struct fault *ret_fault, enum choice_end *ret_end)
{
    int stop = run_translated(v, ret_fault);

    *ret_end = stop == LOCAL_NOT_HERE ? CHOICE_COMPUTES
               : stop == LOCAL_COLD   ? CHOICE_IS_COLD
                                      : CHOICE_STOPPED;
    if (*ret_end == CHOICE_STOPPED)
        return (enum user_stop)stop;
    run->stats[STAT_LOCAL_ENDS]++;
    return user_run(v, ret_fault);
}

/* The CPU itself does only what nobody else can: 32-bit code, and see is_for_stub() in step.c. */
static enum user_stop run_apart(struct vcpu *v, struct fault *ret_fault)
{
    bool translate = shared->programs != PROGRAMS_IN_STUBS;
    int stop = LOCAL_NOT_HERE;

    if (translate && local_can_run(v))
        stop = run_translated(v, ret_fault);
    if (stop != LOCAL_NOT_HERE && stop != LOCAL_COLD)
        return (enum user_stop)stop;
    if (step_user_apart(v, translate ? 1 : STEP_MAX))
        return USER_EVENT;
    return user_run(v, ret_fault);
}

enum user_stop program_run(struct vcpu *v, struct fault *ret_fault)
{
    uint64_t start = rt_rdtsc(), now;
    enum choice_end end = CHOICE_STOPPED;
    enum user_stop stop;
    struct choice *c;

    if (!user_has_place(v))
        return run_apart(v, ret_fault);
    if (shared->programs == PROGRAMS_IN_STUBS || !local_can_run(v))
        return user_run(v, ret_fault);
    if (shared->programs == PROGRAMS_TRANSLATED)
        return run_here(v, ret_fault, &end);
    c = choice_of(v->cr3_user);
    if (choice_now(c) == WAY_LOCAL)
        stop = run_here(v, ret_fault, &end);
    else
        stop = user_run(v, ret_fault);
    now = rt_rdtsc();
    choice_result(c, now, now - start, end);
    return stop;
}

void program_flush(mfn_t root)
{
    local_flush(root);
    user_flush(root);
}

void program_invlpg(mfn_t root, gva_t va)
{
    local_invlpg(root, va);
    user_invlpg(root, va);
}

void program_set_root(mfn_t root)
{
    local_set_root(root);
    user_set_root(root);
}

void program_release(mfn_t root)
{
    for (unsigned int i = 0; i < CHOOSERS; i++)
        if (choosers[i].root == root)
            choosers[i].used = 0;
    local_release(root);
    user_release(root);
}
