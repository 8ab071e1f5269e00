/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-kick.c - kicks at the worst moments. A program counts its system calls in a general and
 * in a vector register; whatever is kicked, wherever, each call must advance both by exactly
 * one, and no kick may get lost; the same when stubs die. Kicks come from a thread that signals
 * this one at random, and directly after the release, where the stub is on its way to the program.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/soft/vcpu/user_fpu.h"
#include "engine/soft/vcpu/user_regs.h"

extern const uint8_t g_count_init[], g_count[], g_count_a[], g_count_b[], g_spin[];

#define ENOUGH_STUBS 100u
#define PATIENCE_US 60000000ul

static unsigned int seconds_x10 = 10; /* per variant, in tenths */
static volatile bool stop_storm;
static pid_t main_tid;

static uint32_t rnd(void)
{
    static uint32_t x = 12345;

    x = x * 1664525 + 1013904223;
    return x >> 8;
}

static void *storm(void *arg)
{
    unsigned int seed = 1;

    while (!stop_storm) {
        uint64_t end = now_us() + (unsigned int)rand_r(&seed) % 60;

        while (now_us() < end)
            continue;
        syscall(SYS_tgkill, getpid(), main_tid, SIGALRM);
    }
    return NULL;
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static struct space *space_of(mfn_t root)
{
    for (unsigned int i = 0; i < STUB_MAX; i++)
        if (spaces[i].root == root)
            return &spaces[i];
    return NULL;
}

struct tally {
    uint64_t calls, events, wrong;
    uint64_t last;
};

static void check(struct tally *t, enum user_stop stop)
{
    uint64_t count = vcpu.gpr[RBX];

    if (stop == USER_SYSCALL) {
        t->calls++;
        t->wrong += count != t->last + 1 || vcpu.gpr[R14] != count;
        t->last = count;
    } else {
        t->events++;
        t->wrong += stop != USER_EVENT || count < t->last || count > t->last + 1;
    }
}

static void start(struct tally *t, const uint8_t *program)
{
    *t = (struct tally){0};
    for (int i = 0; i < 16; i++)
        vcpu.gpr[i] = 0;
    go(AT(g_count_init));
    vcpu.rip = AT(program);
    vcpu.gpr[R13] = 20;
}

/* For the time asked for, and until there was enough: on a busy host that may take a while. */
static bool goes_on(uint64_t start, bool enough)
{
    uint64_t us = now_us() - start;

    return us < seconds_x10 * 100000ul || (!enough && us < PATIENCE_US);
}

static bool saw_enough(const struct tally *t)
{
    return t->calls > 100 && t->events > 10;
}

/* user_run under a storm of signals. */
static void stormed(const char *name, const uint8_t *program)
{
    uint64_t since = now_us();
    struct tally t;
    pthread_t thread;

    start(&t, program);
    stop_storm = false;
    pthread_create(&thread, NULL, storm, NULL);
    while (goes_on(since, saw_enough(&t)))
        check(&t, resume_once());
    stop_storm = true;
    pthread_join(thread, NULL);
    stubs_kick_clear();
    ok(!t.wrong && saw_enough(&t), "%s, kicked at random: %lu calls, %lu events, %lu wrong", name,
       t.calls, t.events, t.wrong);
}

/* One run of the stub with a kick that follows the release at once. */
static enum user_stop run_kicked(struct space *sp)
{
    struct stub *s = sp->stub;
    struct fault f;

    user_regs_store(&vcpu, sp, &f);
    user_fpu_give(s);
    stubs_kick();
    if (stub_run(s) != STUB_HAS_STOPPED) {
        ok(false, "the stub died");
        exit(finish());
    }
    stubs_kick_clear();
    user_regs_load(&vcpu, sp);
    switch (s->x->why) {
    case STUB_SIGUSR1:
        return USER_EVENT;
    case STUB_WHY_FAST:
    case 31:
        return USER_SYSCALL;
    default:
        return USER_FAULT;
    }
}

static void released(const char *name, const uint8_t *program)
{
    struct space *sp;
    uint64_t since, worst = 0;
    struct tally t;

    start(&t, program);
    for (int i = 0; i < 10; i++)
        check(&t, resume_once()); /* patched and mapped now */
    sp = space_of(vcpu.cr3_user);
    since = now_us();
    while (goes_on(since, saw_enough(&t))) {
        uint64_t now = now_us();
        bool kick = rnd() & 1;

        check(&t, kick ? run_kicked(sp) : resume_once());
        if (kick && now_us() - now > worst)
            worst = now_us() - now;
    }
    ok(!t.wrong && saw_enough(&t),
       "%s, kicked when released: %lu calls, %lu events, %lu wrong, slowest %lu us", name, t.calls,
       t.events, t.wrong, worst);
}

/* A program that has to be mapped again and again, under a storm of signals: kicks arrive while
 * a stub carries out operations. */
static void renewed(const char *name, const uint8_t *program)
{
    unsigned int rounds = 0;
    pthread_t thread;
    struct tally t;
    uint64_t since = now_us();

    start(&t, program);
    stop_storm = false;
    pthread_create(&thread, NULL, storm, NULL);
    while (goes_on(since, rounds > ENOUGH_STUBS)) {
        user_release(vcpu.cr3_user);
        for (int i = 0; i < 10; i++)
            check(&t, resume_once());
        rounds++;
    }
    stop_storm = true;
    pthread_join(thread, NULL);
    stubs_kick_clear();
    ok(!t.wrong && rounds > ENOUGH_STUBS,
       "%s, new stub every few calls, kicked at random: %u stubs, %lu wrong", name, rounds,
       t.wrong);
}

static void *let_go_on(void *arg)
{
    usleep(100000);
    stub_signal(((struct stub *)arg)->fd, SIGCONT);
    return NULL;
}

/* A stub that gets no CPU has its kick before it still: more of them would fill its signal stack.
 */
static void held(const char *name, const uint8_t *program)
{
    uint64_t before = user_stats.kicks;
    struct stub *s;
    pthread_t thread;
    struct tally t;

    start(&t, program);
    check(&t, resume_once());
    s = space_of(vcpu.cr3_user)->stub;
    stub_signal(s->fd, SIGSTOP);
    pthread_create(&thread, NULL, let_go_on, s);
    kick_after(1000);
    check(&t, resume_once());
    pthread_join(thread, NULL);
    stubs_kick_clear();
    ok(!t.wrong && user_stats.kicks - before <= 2,
       "%s, kicked while it gets no CPU: %lu kicks, %lu wrong", name, user_stats.kicks - before,
       t.wrong);
}

/* A stub that dies between two runs of its program, with orders waiting for it or without: the
 * program goes on in another one and loses nothing. */
static void died(const char *name, const uint8_t *program)
{
    uint64_t lost = user_stats.lost;
    unsigned int deaths = 0;
    struct tally t;

    start(&t, program);
    for (; deaths < 40; deaths++) {
        const gva_t page = GUEST_DATA + 0x3000;

        for (int i = 0; i < 5; i++)
            check(&t, resume_once());
        if (deaths & 1)
            stub_unmap(space_of(vcpu.cr3_user)->stub, page, PAGE_SIZE);
        stub_signal(space_of(vcpu.cr3_user)->stub->fd, STUB_SIGKILL);
    }
    check(&t, resume_once());
    ok(!t.wrong && !t.events && user_stats.lost >= lost + deaths,
       "%s, stubs die while they wait: %lu calls, %lu wrong, %lu events", name, t.calls, t.wrong,
       t.events);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seconds_x10 = (unsigned int)atoi(argv[1]);
    main_tid = (pid_t)syscall(SYS_gettid);
    if (argc > 2)
        pin(0); /* stubs inherit it: all on one CPU */
    harness_init();
    released("trapped call", g_count);
    released("patched mov, syscall", g_count_a);
    held("trapped call", g_count);
    held("patched mov, syscall", g_count_a);
    died("trapped call", g_count);
    died("patched mov, syscall", g_count_a);
    released("patched syscall, cmp", g_count_b);
    stormed("trapped call", g_count);
    stormed("patched mov, syscall", g_count_a);
    stormed("patched syscall, cmp", g_count_b);
    renewed("trapped call", g_count);
    renewed("patched mov, syscall", g_count_a);
    renewed("patched syscall, cmp", g_count_b);
    ok(PATCHED(user_stats.patches >= 2), "sites were patched");
    return finish();
}
