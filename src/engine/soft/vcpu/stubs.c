/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stubs.c - the slots for stubs (see stubs.h): how they come from the zygote, are cleaned for
 * the next program, and end.
 */
#include "engine/soft/vcpu/stubs.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "engine/soft/layout.h"
#include "engine/soft/stub/message.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/user.h"

#define EAGAIN 11
#define EPIPE 32
#define SO_RCVTIMEO 20
#define MSG_DONTWAIT 0x40
#define MSG_NOSIGNAL 0x4000

#define POOL_START 6 /* stubs made ahead */
#define ANSWER_SECONDS 10
#define REFUSAL_NS 1000000ull
#define MAX_REFUSALS (ANSWER_SECONDS * 1000)

struct stub stubs[STUB_MAX];

static uint64_t ldts[STUB_MAX][STUB_LDT_ENTRIES];
static unsigned int requested[2]; /* asked for and not yet here, by kind */

static void fd_close(int fd)
{
    sys_call(__NR_close, fd, 0, 0, 0);
}

static struct stub *find_absent(void)
{
    for (unsigned int i = 0; i < STUB_MAX; i++)
        if (stubs[i].state == STUB_ABSENT)
            return &stubs[i];
    return NULL;
}

static struct stub *find(enum stub_state state, uint8_t kind)
{
    for (unsigned int i = 0; i < STUB_MAX; i++)
        if (stubs[i].state == state && stubs[i].kind == kind)
            return &stubs[i];
    return NULL;
}

static uint64_t slot_address(const struct stub *s)
{
    return V_STUBS + (uint64_t)(s - stubs) * STUB_SLOT_SIZE;
}

/* Put a stub that the zygote has made into a slot. fds: Q, R, X, its pidfd. */
static int adopt(struct stub *s, const struct stub_hello *hello, const int32_t *fds)
{
    uint64_t at = slot_address(s);
    int r = sys_map(at, PAGE_SIZE, PROT_READ | PROT_WRITE, fds[0], 0);

    if (!r)
        r = sys_map(at + PAGE_SIZE, PAGE_SIZE, PROT_READ, fds[1], 0);
    if (!r)
        r = sys_map(at + 2 * PAGE_SIZE, STUB_X_SIZE, PROT_READ | PROT_WRITE, fds[2], 0);
    for (int i = 0; i < 3; i++)
        fd_close(fds[i]);
    if (r) {
        stub_signal(fds[3], STUB_SIGKILL);
        fd_close(fds[3]);
        return r;
    }
    *s = (struct stub){.q = (struct stub_q *)at,
                       .r = (const volatile uint64_t *)(at + PAGE_SIZE),
                       .x = (struct stub_x *)(at + 2 * PAGE_SIZE),
                       .state = STUB_CLEAN,
                       .kind = hello->want == STUB_WANT_ASIDE,
                       .ldt = ldts[s - stubs],
                       .fd = fds[3],
                       .pid = hello->pid};
    user_stats.spawns++;
    return 0;
}

/* Take one answer of the zygote. 0, -EAGAIN (none yet, or it had to refuse), other -errno: it
 * is gone or talks nonsense. */
static int receive(int flags)
{
    struct stub *s = find_absent();
    struct stub_hello hello = {0};
    unsigned int *asked;
    struct iovec_raw iov = {&hello, sizeof(hello)};
    struct fds_message fds = {0};
    struct msghdr_raw msg = {0, 0, 0, &iov, 1, &fds, sizeof(fds), 0, 0};
    long r;

    if (!s)
        return -EAGAIN;
    do {
        r = sys_call(__NR_recvmsg, V_FD_ZYGOTE, &msg, flags, 0);
    } while (r == -4 /* EINTR */);
    if (r == -EAGAIN)
        return flags & MSG_DONTWAIT ? -EAGAIN : -EPIPE;
    if (r != sizeof(hello))
        return -EPIPE;
    asked = &requested[hello.want == STUB_WANT_ASIDE];
    *asked -= *asked > 0;
    if (!hello.pid)
        return -EAGAIN;
    if (fds.len != sizeof(fds) || fds.level != SOL_SOCKET || fds.type != SCM_RIGHTS)
        return -EPIPE;
    return adopt(s, &hello, fds.fds);
}

static int request(uint8_t kind)
{
    long r = sys_call6(__NR_sendto, V_FD_ZYGOTE, (long)&kind, 1, MSG_NOSIGNAL, 0, 0);

    if (r != 1)
        return r < 0 ? (int)r : -EPIPE;
    requested[kind]++;
    return 0;
}

int stubs_init(void)
{
    struct {
        int64_t sec, usec;
    } timeout = {ANSWER_SECONDS, 0};

    int r = 0;

    sys_call6(__NR_setsockopt, V_FD_ZYGOTE, SOL_SOCKET, SO_RCVTIMEO, (long)&timeout,
              sizeof(timeout), 0);
    for (int i = 0; i < POOL_START && !r; i++)
        r = request(STUB_WANT_LOW);
    return r ? r : receive(0);
}

static void receive_all(void)
{
    while ((requested[STUB_WANT_LOW] || requested[STUB_WANT_ASIDE]) && !receive(MSG_DONTWAIT))
        continue;
}

static struct stub *find_oldest_dirty(uint8_t kind)
{
    struct stub *oldest = NULL;

    for (unsigned int i = 0; i < STUB_MAX; i++)
        if (stubs[i].state == STUB_DIRTY && stubs[i].kind == kind &&
            (!oldest || stubs[i].dirty_since < oldest->dirty_since))
            oldest = &stubs[i];
    return oldest;
}

static bool clean(struct stub *s)
{
    bool ok = s->cleaning ? !stub_park(s) && s->x->why != STUB_WHY_FAILED : !stub_sync(s, true);

    if (ok) {
        s->state = STUB_CLEAN;
        user_stats.recycles++;
        return true;
    }
    stub_kill(s);
    return false;
}

/* A new one may still be on its way to its first stop. */
static struct stub *bind(struct stub *s)
{
    if (stub_signal(s->fd, 0) || stub_park(s)) {
        stub_kill(s);
        return NULL;
    }
    memset(&s->x->regs, 0, sizeof(s->x->regs));
    s->state = STUB_BOUND;
    return s;
}

/* A stub that was killed counts as alive, to the zygote, until the host has taken it apart. */
static void wait_for_the_dying(void)
{
    static uint32_t word;

    sys_futex_wait(&word, 0, REFUSAL_NS);
}

/* A slot for a new one, if need be that of one of the other kind which nobody uses. */
static bool make_room(uint8_t kind)
{
    struct stub *s;

    if (find_absent())
        return true;
    s = find(STUB_DIRTY, !kind);
    if (!s)
        s = find(STUB_CLEAN, !kind);
    if (s)
        stub_kill(s);
    return s;
}

struct stub *stub_get(uint8_t kind)
{
    unsigned int refusals = 0;
    struct stub *s;

    for (unsigned int tries = 0; tries < 2 * STUB_MAX + refusals; tries++) {
        int r;

        receive_all();
        if (!find(STUB_CLEAN, kind) && (s = find_oldest_dirty(kind)))
            clean(s);
        s = find(STUB_CLEAN, kind);
        if (s && (s = bind(s))) {
            if (!find(STUB_CLEAN, kind) && !find(STUB_DIRTY, kind) && !requested[kind] &&
                find_absent())
                request(kind);
            return s;
        }
        if (find(STUB_DIRTY, kind))
            continue;
        if (!make_room(kind) || (!requested[kind] && request(kind)))
            return NULL;
        r = receive(0);
        if (r == -EPIPE || (r == -EAGAIN && ++refusals == MAX_REFUSALS))
            return NULL;
        if (r == -EAGAIN)
            wait_for_the_dying();
    }
    return NULL;
}

void stub_put(struct stub *s)
{
    static uint64_t order;

    if (s->ldt_entries) {
        stub_kill(s);
        return;
    }
    s->state = STUB_DIRTY;
    s->dirty_since = ++order;
    stub_unmap_all(s);
    s->cleaning = stub_is_parked(s);
    if (s->cleaning)
        stub_sync_begin(s, true);
}

void stub_kill(struct stub *s)
{
    if (s->state == STUB_ABSENT)
        return;
    stub_run_forget(s);
    stub_signal(s->fd, STUB_SIGKILL);
    fd_close(s->fd);
    sys_unmap(slot_address(s), STUB_SLOT_SIZE);
    s->state = STUB_ABSENT;
}
