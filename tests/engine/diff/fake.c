/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fake.c - what the vCPU's sources need and the test does not have: the domain process, the
 * stubs that run user code, main.c's variables. Takes the place of main.c, exits.c, meta.c
 * and the user side.
 */
#include "fake.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "engine/soft/layout.h"
#include "engine/soft/vcpu/exits.h"
#include "engine/soft/vcpu/local.h"
#include "engine/soft/vcpu/meta.h"
#include "engine/soft/vcpu/program.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/start.h"
#include "engine/soft/vcpu/user.h"

struct vcpu vcpu;
struct soft soft;
struct run *const run = (struct run *)V_RUN;
struct dom_shared *const shared = (struct dom_shared *)V_SHARED;
uint32_t user_fpu_here = 1;
uint8_t start_stack[64 * 1024] __attribute__((aligned(64)));
uint8_t *fake_marks;

void fake_print(const char *fmt, ...)
{
    static char line[1024];
    va_list ap;
    long n, done = 0;

    va_start(ap, fmt);
    n = rt_vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    n = n < (long)sizeof(line) ? n : (long)sizeof(line) - 1;
    while (done < n) {
        long r = sys_call(__NR_write, 1, line + done, n - done, 0);

        if (r > 0)
            done += r;
        else if (r != -4 && r != -11) /* EINTR, EAGAIN */
            return;
    }
}

_Noreturn void start_fail(const char *what, long error)
{
    fake_print("Bail out! %s (error %ld)\n", what, -error);
    sys_exit(1);
}

/* V's tables; the marks of cache.c are recognised by their size. */
void meta_map(uint64_t addr, uint64_t size, bool exec)
{
    long r = sys_call6(__NR_mmap, (long)addr, (long)size,
                       PROT_READ | PROT_WRITE | (exec ? PROT_EXEC : 0),
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

    if ((uint64_t)r != addr)
        start_fail("cannot map the vCPU's tables", r);
}

void *meta_alloc(uint64_t size)
{
    static uint64_t next = V_META;
    uint64_t at = next;

    next += (size + PAGE_SIZE - 1) & PAGE_MASK;
    meta_map(at, next - at, false);
    if (size == 1ul << 28)
        fake_marks = (uint8_t *)at;
    return (void *)at;
}

void exit_to_domain(enum exit_reason reason)
{
    fake_crash(reason == EXIT_CRASH ? run->message : "a call to the domain process");
}

void exit_to_domain_away(enum exit_reason reason)
{
    exit_to_domain(reason);
}

void exit_note_kicks(void)
{
}

void exit_wait_kick(uint64_t deadline)
{
}

void exit_set_deadline(uint64_t deadline)
{
}

bool exit_deadline_passed(void)
{
    return false;
}

void exit_arm_timer(void)
{
}

void exit_timer_fired(void)
{
}

void program_flush(mfn_t root)
{
    local_flush(root);
}

void program_invlpg(mfn_t root, gva_t va)
{
    local_invlpg(root, va);
}

void program_release(mfn_t root)
{
    local_release(root);
}

void program_set_root(mfn_t root)
{
    local_set_root(root);
}

void user_frame_written(mfn_t mfn)
{
}

void user_guard_frame(mfn_t mfn)
{
}

void user_watch(struct vcpu *v, gva_t va)
{
}

unsigned int user_watch_end(struct user_access ret[USER_WATCH_MAX])
{
    return 0;
}

bool user_can_begin(const struct vcpu *v)
{
    return true;
}

bool user_kick(void)
{
    return false;
}

enum user_stop user_run(struct vcpu *v, struct fault *ret_fault)
{
    return USER_EVENT;
}

void user_fpu_import(void)
{
    user_fpu_here = 1;
}

/* Replaces env_log() at link time: the emulator logs what it does not know. */
void __wrap_env_log(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    rt_vsnprintf(run->message, sizeof(run->message), fmt, ap);
    va_end(ap);
    fake_logged = true;
}

bool fake_logged;
