/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * evtchn.c - event delivery into guest memory (ABI section 9).
 *
 * Several processes and the guest itself change the same words, so every step is one
 * lock-prefixed operation and the order of steps is the ABI's. The queue locks of the FIFO
 * ABI live in memory that the guest kernel may overwrite, so waiting for one has an end:
 * after LOCK_CYCLES, far longer than any holder that is merely preempted needs, the lock is
 * taken by force. What that can spoil is the guest's own queues.
 */
#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif
#include "cpu/pv/evtchn.h"

#include <xen/xen.h>
#include <xen/event_channel.h>

#define LOCK_CYCLES (1ull << 30)
#define LOCK_SPINS 200 /* between two looks at the clock */
#define LINK_TRIES 4

#define WORD_PENDING (1u << EVTCHN_FIFO_PENDING)
#define WORD_MASKED (1u << EVTCHN_FIFO_MASKED)
#define WORD_LINKED (1u << EVTCHN_FIFO_LINKED)
#define WORD_BUSY (1u << EVTCHN_FIFO_BUSY)
#define WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))

/* Where an event is, or is to be, queued. */
struct queue {
    unsigned int vcpu, priority;
};

static uint64_t load64(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static uint32_t load32(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static unsigned int load8(const uint8_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* Both return what the bit was before. */
static bool test_and_set(uint64_t *word, unsigned int bit)
{
    return __atomic_fetch_or(word, 1ull << bit, __ATOMIC_SEQ_CST) >> bit & 1;
}

static bool test_and_clear(uint64_t *word, unsigned int bit)
{
    return __atomic_fetch_and(word, ~(1ull << bit), __ATOMIC_SEQ_CST) >> bit & 1;
}

/* Host address of `size` bytes of guest memory that must be 8-aligned and in one page. */
static void *guest_area(const struct evtchn_ctx *c, maddr_t where, size_t size)
{
    if (where >> PAGE_SHIFT >= c->nr_frames || (where & 7) ||
        (where & (PAGE_SIZE - 1)) > PAGE_SIZE - size)
        return NULL;
    return c->ram + where;
}

static struct shared_info *shared_info(const struct evtchn_ctx *c)
{
    mfn_t mfn = load64(&c->sh->shared_info);

    return mfn < c->nr_frames ? (struct shared_info *)(c->ram + (mfn << PAGE_SHIFT)) : NULL;
}

struct vcpu_info *evtchn_vcpu_info(const struct evtchn_ctx *c, unsigned int vcpu)
{
    if (vcpu >= c->nr_vcpus || vcpu >= EVTCHN_MAX_VCPUS)
        return NULL;
    return guest_area(c, load64(&c->sh->vcpu_info[vcpu]), sizeof(struct vcpu_info));
}

/* Numbers from shared memory, forced into range. */
static unsigned int valid_vcpu(const struct evtchn_ctx *c, unsigned int vcpu)
{
    return vcpu < c->nr_vcpus && vcpu < EVTCHN_MAX_VCPUS ? vcpu : 0;
}

static unsigned int valid_priority(unsigned int priority)
{
    return priority < EVTCHN_PRIORITIES ? priority : EVTCHN_PRIORITIES - 1;
}

static unsigned int notify_vcpu(const struct evtchn_ctx *c, port_t port)
{
    return valid_vcpu(c, load8(&c->sh->port[port].vcpu));
}

/* An upcall is due; tells which vCPU has to know, -1 if it was told before. */
static int mark_upcall(const struct evtchn_ctx *c, unsigned int vcpu)
{
    struct vcpu_info *info = evtchn_vcpu_info(c, vcpu);

    if (!info || __atomic_exchange_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
        return -1;
    return (int)vcpu;
}

/* --- 2-level ABI ------------------------------------------------------------------------ */

/* Step 2 of a raise: the event is pending and, as far as we know, not masked. */
static int select_2l(const struct evtchn_ctx *c, port_t port)
{
    unsigned int vcpu = notify_vcpu(c, port);
    struct vcpu_info *info = evtchn_vcpu_info(c, vcpu);

    if (!info || test_and_set(&info->evtchn_pending_sel, port / 64))
        return -1;
    return mark_upcall(c, vcpu);
}

static int raise_2l(const struct evtchn_ctx *c, port_t port)
{
    struct shared_info *si = shared_info(c);

    if (!si || test_and_set(&si->evtchn_pending[port / 64], port % 64))
        return -1;
    if (load64(&si->evtchn_mask[port / 64]) >> (port % 64) & 1)
        return -1;
    return select_2l(c, port);
}

static int unmask_2l(const struct evtchn_ctx *c, port_t port)
{
    struct shared_info *si = shared_info(c);

    if (!si || !test_and_clear(&si->evtchn_mask[port / 64], port % 64))
        return -1;
    if (!(load64(&si->evtchn_pending[port / 64]) >> (port % 64) & 1))
        return -1;
    return select_2l(c, port);
}

/* --- FIFO ABI --------------------------------------------------------------------------- */

/* The event word of a port, NULL while the guest has not supplied its page. */
static uint32_t *fifo_word(const struct evtchn_ctx *c, port_t port)
{
    mfn_t mfn;

    if (port >= EVTCHN_MAX_PORTS || port / WORDS_PER_PAGE >= EVTCHN_FIFO_PAGES)
        return NULL;
    mfn = load64(&c->sh->fifo_array[port / WORDS_PER_PAGE]);
    if (mfn >= c->nr_frames)
        return NULL;
    return (uint32_t *)(c->ram + (mfn << PAGE_SHIFT)) + port % WORDS_PER_PAGE;
}

static struct evtchn_fifo_control_block *fifo_control(const struct evtchn_ctx *c, unsigned int vcpu)
{
    maddr_t where = load64(&c->sh->fifo_vcpu[vcpu].control);

    return where ? guest_area(c, where, sizeof(struct evtchn_fifo_control_block)) : NULL;
}

static void queue_lock(const struct evtchn_ctx *c, struct queue q)
{
    uint32_t *lock = &c->sh->fifo_vcpu[q.vcpu].lock[q.priority];
    uint64_t start = __builtin_ia32_rdtsc();

    do {
        for (unsigned int spins = 0; spins < LOCK_SPINS; spins++) {
            if (!load32(lock) && !__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
                return;
            __builtin_ia32_pause();
        }
        if (c->relax)
            c->relax();
    } while (__builtin_ia32_rdtsc() - start < LOCK_CYCLES);
    __atomic_store_n(lock, 1, __ATOMIC_SEQ_CST);
    if (c->forced)
        ++*c->forced;
}

static void queue_unlock(const struct evtchn_ctx *c, struct queue q)
{
    __atomic_store_n(&c->sh->fifo_vcpu[q.vcpu].lock[q.priority], 0, __ATOMIC_RELEASE);
}

static bool queue_equal(struct queue a, struct queue b)
{
    return a.vcpu == b.vcpu && a.priority == b.priority;
}

static bool queue_before(struct queue a, struct queue b)
{
    return a.vcpu != b.vcpu ? a.vcpu < b.vcpu : a.priority < b.priority;
}

/* Lock one or two queues, in one order for everybody. */
static void queues_lock(const struct evtchn_ctx *c, struct queue a, struct queue b)
{
    if (queue_before(b, a)) {
        queue_lock(c, b);
        queue_lock(c, a);
    } else {
        queue_lock(c, a);
        if (!queue_equal(a, b))
            queue_lock(c, b);
    }
}

static void queues_unlock(const struct evtchn_ctx *c, struct queue a, struct queue b)
{
    queue_unlock(c, a);
    if (!queue_equal(a, b))
        queue_unlock(c, b);
}

static struct queue queue_new(const struct evtchn_ctx *c, port_t port)
{
    return (struct queue){.vcpu = notify_vcpu(c, port),
                          .priority = valid_priority(load8(&c->sh->port[port].priority))};
}

static struct queue queue_last(const struct evtchn_ctx *c, port_t port)
{
    return (struct queue){.vcpu = valid_vcpu(c, load8(&c->sh->port[port].last_vcpu)),
                          .priority = valid_priority(load8(&c->sh->port[port].last_priority))};
}

/* Make the tail's LINK field name `port`, if the tail is still on the queue. 1 = done, 0 =
 * the guest has consumed the tail, -1 = the word changed meanwhile. */
static int try_set_link(uint32_t *tail, uint32_t port)
{
    uint32_t old = load32(tail);

    if (!(old & WORD_LINKED))
        return 0;
    return __atomic_compare_exchange_n(
               tail, &old, (old & ~(WORD_BUSY | (uint32_t)EVTCHN_FIFO_LINK_MASK)) | port, false,
               __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
               ? 1
               : -1;
}

static bool set_link(uint32_t *tail, uint32_t port)
{
    int linked = try_set_link(tail, port);

    if (linked >= 0)
        return linked;
    /* BUSY keeps an honest guest from changing the mask bit while we try again. */
    __atomic_fetch_or(tail, WORD_BUSY, __ATOMIC_SEQ_CST);
    for (int i = 0; i < LINK_TRIES && linked < 0; i++)
        linked = try_set_link(tail, port);
    if (linked != 1)
        __atomic_fetch_and(tail, ~WORD_BUSY, __ATOMIC_SEQ_CST);
    /* A guest that never holds still loses its place in the queue, not the event: the new
     * head leads to it. */
    return linked == 1;
}

/* Append to `to`, both queues locked. `from` is where the event was last. */
static int append(const struct evtchn_ctx *c, port_t port, uint32_t *word, struct queue from,
                  struct queue to)
{
    struct evtchn_fifo_control_block *control = fifo_control(c, to.vcpu);
    uint32_t *tail = c->sh->fifo_vcpu[to.vcpu].tail;
    uint32_t *tail_word;
    bool linked = false;

    /* Without a control block the guest cannot have unmasked anything. */
    if (!control || __atomic_fetch_or(word, WORD_LINKED, __ATOMIC_SEQ_CST) & WORD_LINKED)
        return -1;

    /* If this event was the tail, that queue is empty now; appending to the stale tail
     * would mix two queues. */
    if (c->sh->fifo_vcpu[from.vcpu].tail[from.priority] == port)
        c->sh->fifo_vcpu[from.vcpu].tail[from.priority] = 0;
    c->sh->port[port].last_vcpu = (uint8_t)to.vcpu;
    c->sh->port[port].last_priority = (uint8_t)to.priority;

    tail_word = tail[to.priority] ? fifo_word(c, load32(&tail[to.priority])) : NULL;
    if (tail_word)
        linked = set_link(tail_word, port);
    if (!linked)
        __atomic_store_n(&control->head[to.priority], port, __ATOMIC_SEQ_CST);
    tail[to.priority] = port;

    if (linked ||
        __atomic_fetch_or(&control->ready, 1u << to.priority, __ATOMIC_SEQ_CST) >> to.priority & 1)
        return -1;
    return mark_upcall(c, to.vcpu);
}

static int raise_fifo(const struct evtchn_ctx *c, port_t port)
{
    uint32_t *word = fifo_word(c, port);
    struct queue from, to;
    uint32_t old;
    int vcpu;

    if (!word) {
        c->sh->port[port].pending = 1;
        return -1;
    }
    old = __atomic_fetch_or(word, WORD_PENDING, __ATOMIC_SEQ_CST);
    if (old & (WORD_MASKED | WORD_LINKED))
        return -1;
    from = queue_last(c, port);
    to = queue_new(c, port);
    queues_lock(c, from, to);
    vcpu = append(c, port, word, from, to);
    queues_unlock(c, from, to);
    return vcpu;
}

static int unmask_fifo(const struct evtchn_ctx *c, port_t port)
{
    uint32_t *word = fifo_word(c, port);

    if (!word)
        return -1;
    if (!(__atomic_fetch_and(word, ~WORD_MASKED, __ATOMIC_SEQ_CST) & WORD_PENDING))
        return -1;
    return raise_fifo(c, port);
}

/* --- both ------------------------------------------------------------------------------- */

int evtchn_raise(const struct evtchn_ctx *c, port_t port)
{
    if (port == 0 || port >= EVTCHN_MAX_PORTS)
        return -1;
    return load32(&c->sh->fifo) ? raise_fifo(c, port) : raise_2l(c, port);
}

int evtchn_unmask(const struct evtchn_ctx *c, port_t port)
{
    if (port == 0 || port >= EVTCHN_MAX_PORTS)
        return -1;
    return load32(&c->sh->fifo) ? unmask_fifo(c, port) : unmask_2l(c, port);
}

uint64_t evtchn_wake_pollers(const struct evtchn_ctx *c, port_t port)
{
    uint64_t pollers = __atomic_load_n(&c->sh->polling, __ATOMIC_SEQ_CST), all = pollers;

    for (unsigned int vcpu = 0; all && vcpu < EVTCHN_MAX_VCPUS; vcpu++, all >>= 1) {
        uint32_t wanted = load32(&c->sh->poll_port[vcpu]);

        if ((all & 1) && wanted && wanted != port)
            pollers &= ~(1ull << vcpu);
    }
    if (pollers)
        __atomic_fetch_and(&c->sh->polling, ~pollers, __ATOMIC_SEQ_CST);
    return pollers;
}

bool evtchn_is_pending(const struct evtchn_ctx *c, port_t port)
{
    struct shared_info *si;

    if (port == 0 || port >= EVTCHN_MAX_PORTS)
        return false;
    if (load32(&c->sh->fifo)) {
        uint32_t *word = fifo_word(c, port);

        return word ? load32(word) & WORD_PENDING : c->sh->port[port].pending;
    }
    si = shared_info(c);
    return si && (load64(&si->evtchn_pending[port / 64]) >> (port % 64) & 1);
}

void evtchn_clear_pending(const struct evtchn_ctx *c, port_t port)
{
    struct shared_info *si = shared_info(c);

    if (port >= EVTCHN_MAX_PORTS)
        return;
    if (load32(&c->sh->fifo)) {
        uint32_t *word = fifo_word(c, port);

        c->sh->port[port].pending = 0;
        if (word)
            __atomic_fetch_and(word, ~WORD_PENDING, __ATOMIC_SEQ_CST);
    } else if (si) {
        (void)test_and_clear(&si->evtchn_pending[port / 64], port % 64);
    }
}
