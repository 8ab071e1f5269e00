/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-evtchn.c - EVTCHNOP_*, and delivery by both ABIs against a model guest that consumes
 * events as Linux does.
 */
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/pv/evtchn.h"

#include <xen/xen.h>
#include <xen/event_channel.h>

#define OP(cmd, argp) CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_##cmd, argp)
#define HIGHEST 1023u
#define ARRAY_FRAME 30u
#define CONTROL_FRAME 40u
#define CONTROL_STRIDE 128u

static struct shared_info *si(void)
{
    return frame(fix->d.ram.shared_info);
}

static void yield(void)
{
    (void)sched_yield();
}

static struct evtchn_ctx ctx(void)
{
    return (struct evtchn_ctx){.sh = &fix->shared.evtchn,
                               .ram = fix->d.ram.base,
                               .nr_frames = fix->d.ram.nr_frames,
                               .nr_vcpus = fix->d.nr_vcpus,
                               .relax = yield};
}

static unsigned int all_kicks(void)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < DOMAIN_MAX_VCPUS; i++)
        n += fix->kicks[i];
    return n;
}

static bool pending_2l(port_t port)
{
    return si()->evtchn_pending[port / 64] >> (port % 64) & 1;
}

static port_t bind_ipi(unsigned int vcpu)
{
    struct evtchn_bind_ipi op = {.vcpu = vcpu};

    assert_int_equal(OP(bind_ipi, &op), 0);
    return op.port;
}

static int64_t send(port_t port)
{
    struct evtchn_send op = {.port = port};

    return OP(send, &op);
}

static int64_t close_port(port_t port)
{
    struct evtchn_close op = {.port = port};

    return OP(close, &op);
}

static struct evtchn_status status_of(port_t port)
{
    struct evtchn_status op = {.dom = DOMID_SELF, .port = port};

    assert_int_equal(OP(status, &op), 0);
    return op;
}

/* --- operations ------------------------------------------------------------------------- */

static void test_initial_ports(void **state)
{
    assert_int_equal(fix->d.store_port, EVTCHN_PORT_STORE);
    assert_int_equal(fix->d.console_port, EVTCHN_PORT_CONSOLE);
    for (port_t port = 1; port <= 2; port++) {
        assert_int_equal(status_of(port).status, EVTCHNSTAT_interdomain);
        assert_int_equal(status_of(port).u.interdomain.dom, 0);
        assert_int_equal(fix->shared.evtchn.port[port].kind, EVTCHN_INTERDOMAIN);
    }
    assert_int_equal(status_of(3).status, EVTCHNSTAT_closed);
    assert_int_equal(si()->vcpu_info[0].evtchn_upcall_mask, 1);
    assert_int_equal(si()->vcpu_info[31].evtchn_upcall_mask, 1);
}

static void test_unknown_and_bad_pointers(void **state)
{
    struct evtchn_send op = {.port = 1};

    put_arg(&op, sizeof(op));
    assert_int_equal(call(32, 14, ARG, 0), -ENOSYS);
    assert_int_equal(call(32, 99, ARG, 0), -ENOSYS);
    assert_int_equal(call(32, 0xffffffff, ARG, 0), -ENOSYS);
    for (unsigned int cmd = 0; cmd <= EVTCHNOP_set_priority; cmd++) {
        if (cmd != EVTCHNOP_bind_pirq)
            assert_int_equal(call(32, cmd, BAD_VA, 0), -EFAULT);
    }
    /* A result that cannot be written: the port exists, as in Xen. */
    set_mapping(FRAME_ARG, true, false);
    assert_int_equal(call(32, EVTCHNOP_bind_ipi, ARG, 0), -EFAULT);
    set_mapping(FRAME_ARG, true, true);
    assert_int_equal(status_of(3).status, EVTCHNSTAT_ipi);
}

static void test_bind_virq(void **state)
{
    struct evtchn_bind_virq op = {.virq = VIRQ_TIMER, .vcpu = 2};

    const struct {
        uint32_t virq, vcpu;
        int rc;
    } bad[] = {{24, 0, -EINVAL},          {VIRQ_TIMER, 4, -ENOENT},   {VIRQ_CONSOLE, 1, -EINVAL},
               {VIRQ_CONSOLE, 0, -EBUSY}, {VIRQ_DOM_EXC, 0, -EBUSY},  {VIRQ_TIMER, 2, -EEXIST},
               {~0u, 0, -EINVAL},         {VIRQ_TIMER, ~0u, -ENOENT}, {VIRQ_ARGO, 1, -EINVAL}};

    assert_int_equal(OP(bind_virq, &op), 0);
    assert_int_equal(op.port, 3);
    assert_int_equal(fix->shared.evtchn.virq_timer[2], 3);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct evtchn_bind_virq b = {.virq = bad[i].virq, .vcpu = bad[i].vcpu};

        assert_int_equal(OP(bind_virq, &b), bad[i].rc);
    }
    assert_int_equal(status_of(3).vcpu, 2);
    assert_int_equal(status_of(3).u.virq, VIRQ_TIMER);

    evtchn_raise_virq(&fix->d, 2, VIRQ_TIMER);
    assert_true(pending_2l(3));
    assert_int_equal(fix->kicks[2], 1);
    assert_int_equal(si()->vcpu_info[2].evtchn_upcall_pending, 1);
    evtchn_raise_virq(&fix->d, 1, VIRQ_TIMER); /* not bound */
    evtchn_raise_virq(&fix->d, 99, VIRQ_TIMER);
    evtchn_raise_virq(&fix->d, 0, 99);
    assert_int_equal(all_kicks(), 1);

    assert_int_equal(close_port(3), 0);
    assert_false(pending_2l(3));
    assert_int_equal(fix->shared.evtchn.virq_timer[2], 0);
    evtchn_raise_virq(&fix->d, 2, VIRQ_TIMER);
    assert_false(pending_2l(3));
    assert_int_equal(OP(bind_virq, &op), 0);
}

static void test_global_virq_moves(void **state)
{
    struct evtchn_bind_virq op = {.virq = VIRQ_ARGO};
    struct evtchn_bind_vcpu move = {.vcpu = 3};

    assert_int_equal(OP(bind_virq, &op), 0);
    move.port = op.port;
    assert_int_equal(OP(bind_vcpu, &move), 0);
    assert_int_equal(status_of(op.port).vcpu, 3);
    assert_int_equal(close_port(op.port), 0);
    assert_int_equal(OP(bind_virq, &op), 0); /* the slot is free again */
}

static void test_bind_ipi(void **state)
{
    struct evtchn_bind_ipi op = {.vcpu = 4};
    port_t port;

    assert_int_equal(OP(bind_ipi, &op), -ENOENT);
    port = bind_ipi(3);
    assert_int_equal(send(port), 0);
    assert_true(pending_2l(port));
    assert_int_equal(fix->kicks[3], 1);
    assert_int_equal(fix->shared.evtchn.port[port].kind, EVTCHN_IPI);
    assert_int_equal(fix->shared.evtchn.port[port].vcpu, 3);
}

static void test_limit(void **state)
{
    struct evtchn_bind_ipi op = {.vcpu = 0};
    struct evtchn_alloc_unbound au = {.dom = DOMID_SELF};
    struct evtchn_bind_virq bv = {.virq = VIRQ_TIMER};

    for (port_t port = 3; port <= HIGHEST; port++)
        assert_int_equal(bind_ipi(0), port);
    assert_int_equal(OP(bind_ipi, &op), -ENOSPC);
    assert_int_equal(OP(alloc_unbound, &au), -ENOSPC);
    assert_int_equal(OP(bind_virq, &bv), -ENOSPC);
    assert_int_equal(close_port(500), 0);
    assert_int_equal(bind_ipi(0), 500);
    assert_int_equal(send(HIGHEST), 0);
    assert_int_equal(send(HIGHEST + 1), -EINVAL);
}

static void test_close_errors(void **state)
{
    assert_int_equal(close_port(0), -EINVAL);
    assert_int_equal(close_port(3), -EINVAL);
    assert_int_equal(close_port(HIGHEST + 1), -EINVAL);
    assert_int_equal(close_port(~0u), -EINVAL);
    assert_int_equal(send(0), -EINVAL);
    assert_int_equal(send(3), -EINVAL);
    assert_int_equal(send(~0u), -EINVAL);
}

static void test_loopback(void **state)
{
    struct evtchn_alloc_unbound au = {.dom = DOMID, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain bi = {.remote_dom = DOMID_SELF};
    port_t a, b;

    assert_int_equal(OP(alloc_unbound, &au), 0);
    a = au.port;
    assert_int_equal(status_of(a).status, EVTCHNSTAT_unbound);
    assert_int_equal(status_of(a).u.unbound.dom, DOMID);
    assert_int_equal(send(a), 0); /* nobody there */
    assert_false(pending_2l(a));
    bi.remote_port = a;
    assert_int_equal(OP(bind_interdomain, &bi), 0);
    b = bi.local_port;
    assert_true(pending_2l(b)); /* the local end starts pending */
    assert_false(pending_2l(a));
    assert_int_equal(OP(bind_interdomain, &bi), -EINVAL); /* taken */
    assert_int_equal(send(b), 0);
    assert_true(pending_2l(a));
    assert_int_equal(status_of(b).u.interdomain.dom, DOMID);
    assert_int_equal(status_of(b).u.interdomain.port, a);
    assert_int_equal(status_of(a).u.interdomain.port, b);

    assert_int_equal(close_port(b), 0);
    assert_int_equal(status_of(a).status, EVTCHNSTAT_unbound);
    bi.remote_port = a;
    assert_int_equal(OP(bind_interdomain, &bi), 0);
    assert_int_equal(bi.local_port, b);
}

static void test_interdomain_errors(void **state)
{
    struct evtchn_alloc_unbound au = {.dom = 0};
    struct evtchn_bind_interdomain bi = {.remote_dom = DOMID_SELF, .remote_port = 0};
    struct evtchn_status st = {.dom = 55, .port = 1};
    struct evtchn_bind_pirq bp = {0};
    struct evtchn_reset re = {.dom = 0};

    assert_int_equal(OP(alloc_unbound, &au), -EPERM);
    au.dom = 55;
    assert_int_equal(OP(alloc_unbound, &au), -ESRCH);
    assert_int_equal(OP(bind_interdomain, &bi), -EINVAL);
    bi.remote_port = ~0u;
    assert_int_equal(OP(bind_interdomain, &bi), -EINVAL);
    bi.remote_port = EVTCHN_PORT_CONSOLE; /* interdomain, not unbound */
    assert_int_equal(OP(bind_interdomain, &bi), -EINVAL);
    bi.remote_dom = 55;
    assert_int_equal(OP(bind_interdomain, &bi), -ESRCH);
    assert_int_equal(OP(status, &st), -ESRCH);
    st.dom = 0;
    assert_int_equal(OP(status, &st), -EPERM);
    st = (struct evtchn_status){.dom = DOMID_SELF, .port = 0};
    assert_int_equal(OP(status, &st), -EINVAL);
    st.port = ~0u;
    assert_int_equal(OP(status, &st), -EINVAL);
    assert_int_equal(OP(bind_pirq, &bp), -EPERM);
    assert_int_equal(OP(reset, &re), -EPERM);
    /* Bound for somebody else, so not for us. */
    au = (struct evtchn_alloc_unbound){.dom = DOMID_SELF, .remote_dom = 0};
    assert_int_equal(OP(alloc_unbound, &au), 0);
    bi = (struct evtchn_bind_interdomain){.remote_dom = DOMID_SELF, .remote_port = au.port};
    assert_int_equal(OP(bind_interdomain, &bi), -EINVAL);
}

static unsigned int handled;

static void handler(struct domain *d, void *arg)
{
    assert_ptr_equal(d, &fix->d);
    assert_ptr_equal(arg, &handled);
    handled++;
}

static void test_backend(void **state)
{
    struct evtchn_alloc_unbound au = {.dom = DOMID_SELF, .remote_dom = 0};
    port_t ipi = bind_ipi(0);

    handled = 0;
    assert_int_equal(OP(alloc_unbound, &au), 0);
    evtchn_notify(&fix->d, au.port); /* not connected yet */
    assert_false(pending_2l(au.port));
    assert_int_equal(evtchn_set_handler(&fix->d, au.port, handler, &handled), 0);
    assert_int_equal(status_of(au.port).status, EVTCHNSTAT_interdomain);
    assert_int_equal(send(au.port), 0);
    assert_int_equal(handled, 1);
    evtchn_notify(&fix->d, au.port);
    assert_true(pending_2l(au.port));
    assert_int_equal(all_kicks(), 1);

    assert_int_equal(close_port(au.port), 0);
    evtchn_notify(&fix->d, au.port);
    assert_false(pending_2l(au.port));
    assert_int_equal(evtchn_set_handler(&fix->d, au.port, handler, &handled), -EINVAL);
    assert_int_equal(evtchn_set_handler(&fix->d, ipi, handler, &handled), -EINVAL);
    assert_int_equal(evtchn_set_handler(&fix->d, 0, handler, &handled), -EINVAL);
    assert_int_equal(evtchn_set_handler(&fix->d, ~0u, handler, &handled), -EINVAL);
    evtchn_notify(&fix->d, ~0u);
    evtchn_notify(&fix->d, ipi);
    assert_false(pending_2l(ipi));
}

static void test_bind_vcpu(void **state)
{
    struct evtchn_bind_vcpu op = {.port = EVTCHN_PORT_CONSOLE, .vcpu = 2};
    struct evtchn_bind_virq bv = {.virq = VIRQ_DEBUG, .vcpu = 1};
    port_t ipi = bind_ipi(1);

    assert_int_equal(OP(bind_vcpu, &op), 0);
    evtchn_notify(&fix->d, EVTCHN_PORT_CONSOLE);
    assert_int_equal(fix->kicks[2], 1);
    op.vcpu = 4;
    assert_int_equal(OP(bind_vcpu, &op), -ENOENT);
    op = (struct evtchn_bind_vcpu){.port = ipi, .vcpu = 0};
    assert_int_equal(OP(bind_vcpu, &op), -EINVAL);
    assert_int_equal(OP(bind_virq, &bv), 0);
    op.port = bv.port;
    assert_int_equal(OP(bind_vcpu, &op), -EINVAL);
    op.port = 77;
    assert_int_equal(OP(bind_vcpu, &op), -EINVAL);
    op.port = ~0u;
    assert_int_equal(OP(bind_vcpu, &op), -EINVAL);
}

static void test_compat(void **state)
{
    struct evtchn_op op = {.cmd = EVTCHNOP_bind_ipi, .u.bind_ipi = {.vcpu = 1}};

    put_arg(&op, sizeof(op));
    assert_int_equal(call(__HYPERVISOR_event_channel_op_compat, ARG, 0, 0), 0);
    get_arg(&op, sizeof(op));
    assert_int_equal(op.u.bind_ipi.port, 3);
    op.cmd = EVTCHNOP_expand_array;
    put_arg(&op, sizeof(op));
    assert_int_equal(call(__HYPERVISOR_event_channel_op_compat, ARG, 0, 0), -ENOSYS);
    assert_int_equal(call(__HYPERVISOR_event_channel_op_compat, BAD_VA, 0, 0), -EFAULT);
}

/* Ports come in groups of 64: a port of a group that nobody has needed yet is none. */
static void test_groups(void **state)
{
    struct evtchn_status st = {.dom = DOMID_SELF, .port = 64};
    struct evtchn_unmask unmask = {.port = 64};

    assert_int_equal(fix->shared.evtchn.nr_ports, 64);
    assert_int_equal(status_of(63).status, EVTCHNSTAT_closed);
    assert_int_equal(OP(status, &st), -EINVAL);
    assert_int_equal(OP(unmask, &unmask), -EINVAL);
    while (bind_ipi(0) != 64)
        ;
    assert_int_equal(fix->shared.evtchn.nr_ports, 128);
    assert_int_equal(status_of(64).status, EVTCHNSTAT_ipi);
    assert_int_equal(status_of(127).status, EVTCHNSTAT_closed);
    close_port(64);
    assert_int_equal(status_of(64).status, EVTCHNSTAT_closed);
    assert_int_equal(OP(unmask, &unmask), 0);
}

static void test_reset(void **state)
{
    struct evtchn_reset op = {.dom = DOMID_SELF};

    bind_ipi(2);
    assert_int_equal(OP(reset, &op), 0);
    for (port_t port = 1; port < 10; port++) {
        assert_int_equal(status_of(port).status, EVTCHNSTAT_closed);
        assert_int_equal(fix->shared.evtchn.port[port].kind, EVTCHN_FREE);
    }
    assert_int_equal(bind_ipi(0), 1);
}

/* --- 2-level delivery ------------------------------------------------------------------- */

static void test_2l_order(void **state)
{
    port_t port = bind_ipi(1);
    struct vcpu_info *vi = &si()->vcpu_info[1];
    struct evtchn_unmask op = {.port = port};

    /* Masked: pending, nothing else. */
    si()->evtchn_mask[0] |= 1ull << port;
    send(port);
    assert_true(pending_2l(port));
    assert_int_equal(vi->evtchn_pending_sel, 0);
    assert_int_equal(all_kicks(), 0);
    /* Unmask runs step 2. */
    assert_int_equal(OP(unmask, &op), 0);
    assert_int_equal(si()->evtchn_mask[0], 0);
    assert_int_equal(vi->evtchn_pending_sel, 1);
    assert_int_equal(vi->evtchn_upcall_pending, 1);
    assert_int_equal(fix->kicks[1], 1);
    /* Already pending: a second raise, and unmasking what is not masked, do nothing. */
    vi->evtchn_upcall_pending = 0;
    vi->evtchn_pending_sel = 0;
    send(port);
    OP(unmask, &op);
    assert_int_equal(vi->evtchn_pending_sel, 0);
    assert_int_equal(all_kicks(), 1);
    /* Selector already set: no second upcall. */
    si()->evtchn_pending[0] = 0;
    vi->evtchn_pending_sel = 1;
    send(port);
    assert_int_equal(vi->evtchn_upcall_pending, 0);
    op.port = EVTCHN_MAX_PORTS;
    assert_int_equal(OP(unmask, &op), -EINVAL);
    op.port = 0;
    assert_int_equal(OP(unmask, &op), 0);
}

static void test_pollers(void **state)
{
    port_t port = bind_ipi(0);

    si()->evtchn_mask[0] = ~0ull;
    fix->shared.evtchn.polling = 1 << 3 | 1ull << 63;
    send(port);
    assert_int_equal(fix->kicks[3], 1);
    assert_int_equal(all_kicks(), 1);
    fix->shared.evtchn.poll_port[3] = port + 1; /* waits for another one */
    send(port);
    assert_int_equal(all_kicks(), 1);
}

/* --- a guest that speaks FIFO ----------------------------------------------------------- */

struct fifo_guest {
    struct evtchn_fifo_control_block *control[4];
    uint32_t *words;
    uint32_t head[4][EVTCHN_FIFO_MAX_QUEUES];
    unsigned int seen[HIGHEST + 1];
    unsigned int seen_on[HIGHEST + 1]; /* vcpu */
};

static struct fifo_guest guest;

static void fifo_start(void)
{
    struct evtchn_expand_array ea = {.array_gfn = ARRAY_FRAME};

    memset(&guest, 0, sizeof(guest));
    guest.words = frame(ARRAY_FRAME);
    for (unsigned int v = 0; v < fix->d.nr_vcpus; v++) {
        struct evtchn_init_control ic = {
            .control_gfn = CONTROL_FRAME, .offset = v * CONTROL_STRIDE, .vcpu = v};

        assert_int_equal(OP(init_control, &ic), 0);
        assert_int_equal(ic.link_bits, EVTCHN_FIFO_LINK_BITS);
        guest.control[v] = (void *)((char *)frame(CONTROL_FRAME) + v * CONTROL_STRIDE);
    }
    assert_int_equal(OP(expand_array, &ea), 0);
}

/* Take the first event off a queue, as Linux's consume_one_event(). */
static void consume_one(unsigned int v, unsigned int q, uint32_t *ready)
{
    uint32_t port = guest.head[v][q], old, new;
    uint32_t *word;

    if (!port) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        port = __atomic_load_n(&guest.control[v]->head[q], __ATOMIC_SEQ_CST);
    }
    assert_in_range(port, 1, HIGHEST);
    word = &guest.words[port];
    old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    do {
        new = old & ~((1u << EVTCHN_FIFO_LINKED) | (uint32_t)EVTCHN_FIFO_LINK_MASK);
    } while (
        !__atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    guest.head[v][q] = old & EVTCHN_FIFO_LINK_MASK;
    if (!guest.head[v][q])
        *ready &= ~(1u << q);
    if ((old >> EVTCHN_FIFO_PENDING & 1) && !(old >> EVTCHN_FIFO_MASKED & 1)) {
        __atomic_fetch_and(word, ~(1u << EVTCHN_FIFO_PENDING), __ATOMIC_SEQ_CST);
        guest.seen[port]++;
        guest.seen_on[port] = v;
    }
}

/* The upcall. Returns the priority of the first event, -1 if there was none. */
static int fifo_upcall(unsigned int v)
{
    struct vcpu_info *vi = &si()->vcpu_info[v];
    int first = -1;
    uint32_t ready;

    __atomic_store_n(&vi->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
    ready = __atomic_exchange_n(&guest.control[v]->ready, 0, __ATOMIC_SEQ_CST);
    for (unsigned int steps = 0; ready; steps++) {
        unsigned int q = (unsigned int)__builtin_ctz(ready);

        assert_true(steps < 1u << 20); /* a loop in the queue */
        if (first < 0)
            first = (int)q;
        consume_one(v, q, &ready);
        ready |= __atomic_exchange_n(&guest.control[v]->ready, 0, __ATOMIC_SEQ_CST);
    }
    return first;
}

static void test_fifo_init_errors(void **state)
{
    struct evtchn_init_control ic = {.control_gfn = CONTROL_FRAME, .vcpu = 4};
    struct evtchn_expand_array ea = {.array_gfn = ARRAY_FRAME};
    struct evtchn_set_priority sp = {.port = 1, .priority = 3};

    assert_int_equal(OP(expand_array, &ea), -EOPNOTSUPP);
    assert_int_equal(OP(set_priority, &sp), -ENOSYS);
    assert_int_equal(OP(init_control, &ic), -ENOENT);
    ic.vcpu = 0;
    ic.offset = PAGE_SIZE - 71;
    assert_int_equal(OP(init_control, &ic), -EINVAL);
    ic.offset = 4;
    assert_int_equal(OP(init_control, &ic), -EINVAL);
    ic.offset = 0;
    ic.control_gfn = MAX_PAGES - 1;
    assert_int_equal(OP(init_control, &ic), -EINVAL);
    ic.control_gfn = fix->d.ram.patch_first;
    assert_int_equal(OP(init_control, &ic), -EINVAL);
    ic.control_gfn = ~0ull;
    assert_int_equal(OP(init_control, &ic), -EINVAL);
    assert_int_equal(fix->shared.evtchn.fifo, 0); /* none of these switched */
    fifo_start();
    assert_int_equal(fix->shared.evtchn.fifo, 1);
    ic.control_gfn = CONTROL_FRAME;
    assert_int_equal(OP(init_control, &ic), -EINVAL); /* twice */
    ea.array_gfn = ~0ull;
    assert_int_equal(OP(expand_array, &ea), -EINVAL);
    ea.array_gfn = ARRAY_FRAME + 1;
    for (unsigned int i = 1; i < 128; i++)
        assert_int_equal(OP(expand_array, &ea), 0);
    assert_int_equal(OP(expand_array, &ea), -ENOSPC);
    assert_int_equal(OP(set_priority, &sp), 0);
    sp.priority = 16;
    assert_int_equal(OP(set_priority, &sp), -EINVAL);
    sp = (struct evtchn_set_priority){.port = ~0u, .priority = 1};
    assert_int_equal(OP(set_priority, &sp), -EINVAL);
}

static void test_fifo_pending_carried_over(void **state)
{
    port_t a = bind_ipi(0), b = bind_ipi(0), c = bind_ipi(0);

    send(a); /* in the 2-level bitmap */
    fifo_start();
    fifo_upcall(0);
    assert_int_equal(guest.seen[a], 1);
    assert_int_equal(guest.seen[b] + guest.seen[c], 0);
}

static void test_fifo_raise_before_array(void **state)
{
    port_t port = bind_ipi(1);
    struct evtchn_expand_array ea = {.array_gfn = ARRAY_FRAME};
    struct evtchn_init_control ic = {
        .control_gfn = CONTROL_FRAME, .offset = CONTROL_STRIDE, .vcpu = 1};

    memset(&guest, 0, sizeof(guest));
    guest.words = frame(ARRAY_FRAME);
    guest.control[1] = (void *)((char *)frame(CONTROL_FRAME) + CONTROL_STRIDE);
    assert_int_equal(OP(init_control, &ic), 0);
    send(port);
    assert_int_equal(all_kicks(), 0);
    assert_int_equal(OP(expand_array, &ea), 0);
    assert_int_equal(fix->kicks[1], 1);
    fifo_upcall(1);
    assert_int_equal(guest.seen[port], 1);
}

static void test_fifo_masked(void **state)
{
    port_t port = bind_ipi(0);
    struct evtchn_unmask op = {.port = port};

    fifo_start();
    guest.words[port] |= 1u << EVTCHN_FIFO_MASKED;
    send(port);
    assert_int_equal(guest.words[port] >> 29, 6); /* PENDING, MASKED, not LINKED */
    assert_int_equal(all_kicks(), 0);
    OP(unmask, &op);
    assert_int_equal(fix->kicks[0], 1);
    OP(unmask, &op); /* once more: it is linked already */
    assert_int_equal(all_kicks(), 1);
    fifo_upcall(0);
    assert_int_equal(guest.seen[port], 1);
    assert_int_equal(guest.words[port], 0);
}

static void test_fifo_priorities(void **state)
{
    port_t low = bind_ipi(0), high = bind_ipi(0);
    struct evtchn_set_priority sp = {.port = high, .priority = 0};

    fifo_start();
    assert_int_equal(OP(set_priority, &sp), 0);
    send(low);
    send(high);
    assert_int_equal(guest.control[0]->ready, 1 << 0 | 1 << EVTCHN_FIFO_PRIORITY_DEFAULT);
    assert_int_equal(fifo_upcall(0), 0);
    assert_int_equal(guest.seen[low] + guest.seen[high], 2);
}

static void test_fifo_order(void **state)
{
    port_t p[8];
    uint32_t port;

    for (unsigned int i = 0; i < 8; i++)
        p[i] = bind_ipi(0);
    fifo_start();
    for (unsigned int i = 0; i < 8; i++)
        send(p[7 - i]);
    assert_int_equal(all_kicks(), 1); /* one queue, one upcall */
    port = guest.control[0]->head[EVTCHN_FIFO_PRIORITY_DEFAULT];
    for (unsigned int i = 0; i < 8; i++) {
        assert_int_equal(port, p[7 - i]);
        port = guest.words[port] & EVTCHN_FIFO_LINK_MASK;
    }
    assert_int_equal(port, 0);
}

/* The tail of a queue moves to another queue: the old one must not be appended to it. */
static void test_fifo_tail_moves(void **state)
{
    port_t a = bind_ipi(0), b = bind_ipi(0);
    struct evtchn_set_priority sp = {.port = a, .priority = 2};

    fifo_start();
    send(a);
    fifo_upcall(0); /* a stays the remembered tail of queue 7 */
    OP(set_priority, &sp);
    send(a); /* linked on queue 2 now */
    send(b); /* queue 7: must become its head, not a's successor */
    assert_int_equal(guest.control[0]->head[7], b);
    assert_int_equal(guest.words[a] & EVTCHN_FIFO_LINK_MASK, 0);
    fifo_upcall(0);
    assert_int_equal(guest.seen[a], 2);
    assert_int_equal(guest.seen[b], 1);
}

static void test_fifo_close_while_linked(void **state)
{
    port_t a = bind_ipi(0), b = bind_ipi(0);

    fifo_start();
    send(a);
    send(b);
    assert_int_equal(close_port(a), 0);
    assert_int_equal(bind_ipi(0), a); /* used again while still linked */
    fifo_upcall(0);
    assert_int_equal(guest.seen[a], 0);
    assert_int_equal(guest.seen[b], 1);
    send(a);
    fifo_upcall(0);
    assert_int_equal(guest.seen[a], 1);
}

/* Random operations; the model is: an event raised since it was last seen, and not masked,
 * is seen by the next upcall, once; nothing else is. */
static void test_fifo_random(void **state)
{
    enum { N = 40 };

    bool raised[N] = {false}, masked[N] = {false};
    unsigned int expected[N] = {0}, vcpu[N];
    port_t port[N];

    srand(1);
    for (unsigned int i = 0; i < N; i++) {
        struct evtchn_alloc_unbound au = {.dom = DOMID_SELF, .remote_dom = 0};

        assert_int_equal(OP(alloc_unbound, &au), 0);
        port[i] = au.port;
        vcpu[i] = 0;
        assert_int_equal(evtchn_set_handler(&fix->d, au.port, handler, &handled), 0);
    }
    fifo_start();
    for (unsigned int step = 0; step < 200000; step++) {
        unsigned int i = (unsigned int)rand() % N;
        struct evtchn_bind_vcpu bv = {.port = port[i], .vcpu = (unsigned int)rand() % 4};
        struct evtchn_set_priority sp = {.port = port[i], .priority = (unsigned int)rand() % 16};
        struct evtchn_unmask um = {.port = port[i]};

        switch (rand() % 8) {
        case 0:
            OP(bind_vcpu, &bv);
            vcpu[i] = bv.vcpu;
            break;
        case 1:
            OP(set_priority, &sp);
            break;
        case 2:
            __atomic_fetch_or(&guest.words[port[i]], 1u << EVTCHN_FIFO_MASKED, __ATOMIC_SEQ_CST);
            masked[i] = true;
            break;
        case 3:
            OP(unmask, &um);
            masked[i] = false;
            break;
        case 4:
            for (unsigned int v = 0; v < 4; v++)
                fifo_upcall(v);
            for (unsigned int k = 0; k < N; k++) {
                if (raised[k] && !masked[k]) {
                    expected[k]++;
                    raised[k] = false;
                }
                assert_int_equal(guest.seen[port[k]], expected[k]);
            }
            break;
        default:
            evtchn_notify(&fix->d, port[i]);
            raised[i] = true;
            break;
        }
    }
    (void)vcpu;
}

/* --- concurrency ------------------------------------------------------------------------ */

enum { RACE_PORTS = 24, RACE_THREADS = 3, RACE_ROUNDS = 20000 };

static unsigned int race_running;

static void *raise_many(void *arg)
{
    struct evtchn_ctx c = ctx();
    unsigned int seed = (unsigned int)(uintptr_t)arg;

    for (unsigned int i = 0; i < RACE_ROUNDS; i++)
        (void)evtchn_raise(&c, 3 + (port_t)(rand_r(&seed) % RACE_PORTS));
    __atomic_fetch_sub(&race_running, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Raisers against a consumer; afterwards everything pending has been consumed, that is, no
 * event was left behind outside the queues. */
static void test_fifo_race(void **state)
{
    pthread_t thread[RACE_THREADS];

    for (unsigned int i = 0; i < RACE_PORTS; i++)
        bind_ipi(0);
    fifo_start();
    race_running = RACE_THREADS;
    for (uintptr_t i = 0; i < RACE_THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, raise_many, (void *)(i + 1)), 0);
    while (__atomic_load_n(&race_running, __ATOMIC_SEQ_CST))
        fifo_upcall(0);
    for (unsigned int i = 0; i < RACE_THREADS; i++)
        pthread_join(thread[i], NULL);
    fifo_upcall(0);
    for (port_t port = 3; port < 3 + RACE_PORTS; port++) {
        assert_int_equal(guest.words[port], 0);
        assert_true(guest.seen[port] > 0);
    }
}

/* --- hostile shared memory -------------------------------------------------------------- */

static void fill_random(void *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)p)[i] = (uint8_t)rand();
}

/* Whatever is in shared memory and guest memory, a raise ends, and touches nothing that the
 * guest cannot touch (the sanitizer and the guard below see to it). */
static void test_garbage(void **state)
{
    struct evtchn_ctx c = ctx();
    struct evtchn_shared *sh = &fix->shared.evtchn;
    const uint8_t *guard = fix->d.ram.base + (fix->d.ram.patch_first << PAGE_SHIFT);

    srand(2);
    for (unsigned int i = 0; i < 3000; i++) {
        fill_random(sh, sizeof(*sh));
        for (unsigned int v = 0; v < EVTCHN_MAX_VCPUS; v++) /* the next test is about these */
            memset(sh->fifo_vcpu[v].lock, 0, sizeof(sh->fifo_vcpu[v].lock));
        sh->fifo = (uint32_t)rand() & 1;
        if (rand() & 1)
            sh->shared_info = fix->d.ram.shared_info;
        for (unsigned int k = 0; k < EVTCHN_FIFO_PAGES; k++) {
            if (rand() & 1)
                sh->fifo_array[k] = (mfn_t)rand() % (fix->d.ram.nr_frames + 2);
        }
        for (unsigned int v = 0; v < 4; v++) {
            sh->fifo_vcpu[v].control = (uint64_t)rand() % (fix->d.ram.nr_frames << PAGE_SHIFT);
            sh->vcpu_info[v] = (uint64_t)rand() % ((fix->d.ram.nr_frames + 1) << PAGE_SHIFT);
        }
        for (unsigned int k = 0; k < 10; k++) {
            int vcpu = evtchn_raise(&c, (port_t)rand() % 5000);

            assert_in_range(vcpu + 1, 0, 4);
            vcpu = evtchn_unmask(&c, (port_t)rand() % 5000);
            assert_in_range(vcpu + 1, 0, 4);
            (void)evtchn_is_pending(&c, (port_t)rand() % 5000);
            evtchn_clear_pending(&c, (port_t)rand() % 5000);
        }
    }
    for (size_t i = 0; i < RAM_PATCH_FRAMES * PAGE_SIZE; i++)
        assert_int_equal(guard[i], 0);
}

/* A lock that nobody will ever release. */
static void test_dead_lock_holder(void **state)
{
    port_t port = bind_ipi(0);

    fifo_start();
    fix->shared.evtchn.fifo_vcpu[0].lock[EVTCHN_FIFO_PRIORITY_DEFAULT] = 1;
    send(port);
    fifo_upcall(0);
    assert_int_equal(guest.seen[port], 1);
}

/* A vCPU process that takes every lock again and again ends the domain, not our time. */
static void test_sabotaged_locks(void **state)
{
    port_t port = bind_ipi(0);

    fifo_start();
    for (unsigned int i = 0; i < 20; i++) {
        fix->shared.evtchn.fifo_vcpu[0].lock[EVTCHN_FIFO_PRIORITY_DEFAULT] = 1;
        send(port);
        fifo_upcall(0);
    }
    assert_int_equal(fix->d.reason, SHUTDOWN_CRASH);
    assert_in_range(guest.seen[port], 9, 9);
}

/* Table and mirror agree after random binds and closes. */
static void test_mirror(void **state)
{
    srand(3);
    for (unsigned int i = 0; i < 20000; i++) {
        struct evtchn_bind_ipi ipi = {.vcpu = (unsigned int)rand() % 5};
        struct evtchn_bind_virq virq = {.virq = (unsigned int)rand() % 25,
                                        .vcpu = (unsigned int)rand() % 5};
        struct evtchn_alloc_unbound au = {.dom = DOMID_SELF,
                                          .remote_dom = rand() & 1 ? DOMID_SELF : 0};
        struct evtchn_bind_interdomain bi = {.remote_dom = DOMID_SELF,
                                             .remote_port = (port_t)rand() % 64};

        switch (rand() % 6) {
        case 0:
            OP(bind_ipi, &ipi);
            break;
        case 1:
            OP(bind_virq, &virq);
            break;
        case 2:
            OP(alloc_unbound, &au);
            break;
        case 3:
            OP(bind_interdomain, &bi);
            break;
        default:
            close_port((port_t)rand() % 64);
            break;
        }
        if (i % 500 == 0) {
            static const uint8_t kinds[] = {EVTCHN_FREE, EVTCHN_UNBOUND, EVTCHN_INTERDOMAIN,
                                            EVTCHN_PIRQ, EVTCHN_VIRQ,    EVTCHN_IPI};

            for (port_t port = 1; port < fix->shared.evtchn.nr_ports; port++) {
                struct evtchn_status st = status_of(port);

                assert_int_equal(kinds[st.status], fix->shared.evtchn.port[port].kind);
                assert_int_equal(st.vcpu, fix->shared.evtchn.port[port].vcpu);
                if (st.status == EVTCHNSTAT_interdomain && st.u.interdomain.dom == DOMID)
                    assert_int_equal(status_of(st.u.interdomain.port).u.interdomain.port, port);
            }
        }
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_four_vcpus, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_initial_ports),
        T(test_unknown_and_bad_pointers),
        T(test_bind_virq),
        T(test_global_virq_moves),
        T(test_bind_ipi),
        T(test_limit),
        T(test_close_errors),
        T(test_loopback),
        T(test_interdomain_errors),
        T(test_backend),
        T(test_bind_vcpu),
        T(test_compat),
        T(test_groups),
        T(test_reset),
        T(test_2l_order),
        T(test_pollers),
        T(test_fifo_init_errors),
        T(test_fifo_pending_carried_over),
        T(test_fifo_raise_before_array),
        T(test_fifo_masked),
        T(test_fifo_priorities),
        T(test_fifo_order),
        T(test_fifo_tail_moves),
        T(test_fifo_close_while_linked),
        T(test_fifo_random),
        T(test_fifo_race),
        T(test_garbage),
        T(test_dead_lock_holder),
        T(test_sabotaged_locks),
        T(test_mirror),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
