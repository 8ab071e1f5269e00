/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * evtchn.c - the table of event-channel ports and the operations on it (ABI section 9).
 *
 * The table here, in this process's own memory, is what decides; d->shared->evtchn is a
 * mirror of what the vCPU processes need, written here and never read back. Delivery itself
 * is cpu/pv/evtchn.c. Domain 0 stands for the host: a port bound to it ends in a handler.
 */
#include "domain/evtchn.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/pv/evtchn.h"
#include "domain/hypercall.h"

#include <xen/xen.h>
#include <xen/event_channel.h>

/* xl's default limit: the highest port a domain may have. */
#define MAX_PORT 1023
/* Ports come into being in groups of this size, as in Xen; higher numbers are no ports yet. */
#define PORT_GROUP 64
#define HOST_DOMID 0
#define NR_GUEST_VIRQS 24
/* What the FIFO ABI has words for: 131072 ports. */
#define MAX_ARRAY_PAGES 128
/* Queue locks that we take by force before we call it sabotage; each costs a fraction of a
 * second under the domain's lock. */
#define MAX_FORCED_LOCKS 8

struct evtchn_port {
    enum evtchn_kind kind;
    unsigned int vcpu;
    unsigned int virq;
    domid_t remote;     /* unbound, interdomain */
    port_t remote_port; /* interdomain with ourselves */
    evtchn_handler *handler;
    void *handler_arg;
};

struct evtchn_table {
    struct evtchn_port port[MAX_PORT + 1];
    port_t nr_ports;                               /* of those that there are, port 0 too */
    port_t virq[DOMAIN_MAX_VCPUS][NR_GUEST_VIRQS]; /* 0 = not bound */
    bool fifo;
    unsigned int nr_array_pages;
    bool has_control[DOMAIN_MAX_VCPUS];
    unsigned int forced_locks;
};

static void yield(void)
{
    (void)sched_yield();
}

static struct evtchn_ctx context(const struct domain *d)
{
    return (struct evtchn_ctx){.sh = &d->shared->evtchn,
                               .ram = d->ram.base,
                               .nr_frames = d->ram.nr_frames,
                               .nr_vcpus = d->nr_vcpus,
                               .relax = yield,
                               .forced = &d->evtchn->forced_locks};
}

static struct evtchn_port *get_port(struct domain *d, port_t port)
{
    return port > 0 && port < d->evtchn->nr_ports ? &d->evtchn->port[port] : NULL;
}

/* Bring the mirror of one port up to date. The queue an event was last on outlives the
 * binding, because a closed port may still be linked there. */
static void mirror(struct domain *d, port_t port)
{
    const struct evtchn_port *p = &d->evtchn->port[port];

    d->shared->evtchn.port[port].kind = (uint8_t)p->kind;
    d->shared->evtchn.port[port].vcpu = (uint8_t)p->vcpu;
    d->shared->evtchn.port[port].host = p->kind == EVTCHN_INTERDOMAIN && p->handler;
}

static void kick_pollers(struct domain *d, port_t port)
{
    struct evtchn_ctx c = context(d);
    uint64_t polling = evtchn_wake_pollers(&c, port);

    for (unsigned int vcpu = 0; polling && vcpu < d->nr_vcpus; vcpu++) {
        if (polling >> vcpu & 1)
            engine_vcpu_kick(d->engine, vcpu);
    }
}

/* Raise or unmask, and tell the vCPU. */
static void deliver(struct domain *d, port_t port,
                    int (*how)(const struct evtchn_ctx *c, port_t port))
{
    struct evtchn_ctx c = context(d);
    int vcpu;

    if (d->evtchn->forced_locks > MAX_FORCED_LOCKS)
        return;
    vcpu = how(&c, port);
    if (vcpu >= 0)
        engine_vcpu_kick(d->engine, (unsigned int)vcpu);
    kick_pollers(d, port);
    if (d->evtchn->forced_locks > MAX_FORCED_LOCKS)
        domain_crash(d, "the guest keeps the locks of its event queues");
}

static void raise_port(struct domain *d, port_t port)
{
    deliver(d, port, evtchn_raise);
}

/* Take the lowest free port. Returns its number, or -ENOSPC. */
static int alloc_port(struct domain *d, enum evtchn_kind kind, unsigned int vcpu)
{
    for (port_t port = 1; port <= MAX_PORT; port++) {
        struct evtchn_port *p = &d->evtchn->port[port];

        if (p->kind != EVTCHN_FREE)
            continue;
        *p = (struct evtchn_port){.kind = kind, .vcpu = vcpu};
        d->shared->evtchn.port[port].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
        mirror(d, port);
        if (port >= d->evtchn->nr_ports) {
            d->evtchn->nr_ports = port / PORT_GROUP * PORT_GROUP + PORT_GROUP;
            __atomic_store_n(&d->shared->evtchn.nr_ports, d->evtchn->nr_ports, __ATOMIC_SEQ_CST);
        }
        return (int)port;
    }
    return -ENOSPC;
}

static bool virq_is_per_vcpu(unsigned int virq)
{
    return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

static void close_port(struct domain *d, port_t port)
{
    struct evtchn_table *t = d->evtchn;
    struct evtchn_port *p = &t->port[port];
    struct evtchn_ctx c = context(d);

    if (p->kind == EVTCHN_INTERDOMAIN && p->remote == d->domid) {
        struct evtchn_port *peer = &t->port[p->remote_port];

        peer->kind = EVTCHN_UNBOUND;
        peer->remote = d->domid;
        mirror(d, p->remote_port);
    }
    if (p->kind == EVTCHN_VIRQ) {
        t->virq[virq_is_per_vcpu(p->virq) ? p->vcpu : 0][p->virq] = 0;
        if (p->virq == VIRQ_TIMER)
            d->shared->evtchn.virq_timer[p->vcpu] = 0;
    }
    evtchn_clear_pending(&c, port);
    *p = (struct evtchn_port){.kind = EVTCHN_FREE};
    mirror(d, port);
}

static void reset_shared(struct domain *d)
{
    struct evtchn_shared *sh = &d->shared->evtchn;

    d->evtchn->fifo = false;
    d->evtchn->nr_array_pages = 0;
    memset(d->evtchn->has_control, 0, sizeof(d->evtchn->has_control));
    sh->fifo = 0;
    memset(sh->fifo_vcpu, 0, sizeof(sh->fifo_vcpu));
    memset(sh->port, 0, sizeof(sh->port));
    for (unsigned int i = 0; i < EVTCHN_FIFO_PAGES; i++)
        sh->fifo_array[i] = INVALID_MFN;
}

int evtchn_init(struct domain *d, struct err *err)
{
    struct evtchn_shared *sh = &d->shared->evtchn;

    d->evtchn = calloc(1, sizeof(*d->evtchn));
    if (!d->evtchn)
        return err_set(err, ENOMEM, "event channels: out of memory");
    memset(sh, 0, sizeof(*sh));
    sh->shared_info = d->ram.shared_info;
    for (unsigned int vcpu = 0; vcpu < d->nr_vcpus; vcpu++)
        evtchn_vcpu_info_moved(d, vcpu);
    reset_shared(d);

    /* In xl's order, so that the numbers are the usual ones. */
    d->store_port = (port_t)alloc_port(d, EVTCHN_INTERDOMAIN, 0);
    d->console_port = (port_t)alloc_port(d, EVTCHN_INTERDOMAIN, 0);
    d->evtchn->port[d->store_port].remote = HOST_DOMID;
    d->evtchn->port[d->console_port].remote = HOST_DOMID;
    return 0;
}

void evtchn_done(struct domain *d)
{
    free(d->evtchn);
    d->evtchn = NULL;
}

int evtchn_set_handler(struct domain *d, port_t port, evtchn_handler *fn, void *arg)
{
    struct evtchn_port *p = get_port(d, port);

    if (!p || (p->kind != EVTCHN_UNBOUND && p->kind != EVTCHN_INTERDOMAIN) ||
        p->remote != HOST_DOMID)
        return -EINVAL;
    p->kind = fn ? EVTCHN_INTERDOMAIN : EVTCHN_UNBOUND;
    p->handler = fn;
    p->handler_arg = arg;
    mirror(d, port);
    return 0;
}

void evtchn_notify(struct domain *d, port_t port)
{
    const struct evtchn_port *p = get_port(d, port);

    if (p && p->kind == EVTCHN_INTERDOMAIN && p->remote == HOST_DOMID)
        raise_port(d, port);
}

bool evtchn_is_awaited(const struct domain *d, port_t port)
{
    return port <= MAX_PORT && engine_vcpu_sleeps(d->engine, d->evtchn->port[port].vcpu);
}

void evtchn_raise_virq(struct domain *d, unsigned int vcpu, unsigned int virq)
{
    if (vcpu < d->nr_vcpus && virq < NR_GUEST_VIRQS && d->evtchn->virq[vcpu][virq])
        raise_port(d, d->evtchn->virq[vcpu][virq]);
}

void evtchn_vcpu_info_moved(struct domain *d, unsigned int vcpu)
{
    __atomic_store_n(&d->shared->evtchn.vcpu_info[vcpu], d->vcpus[vcpu].info, __ATOMIC_SEQ_CST);
}

void evtchn_mark_upcall(struct domain *d, unsigned int vcpu)
{
    struct evtchn_ctx c = context(d);
    struct vcpu_info *info = evtchn_vcpu_info(&c, vcpu);

    if (!info)
        return;
    __atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
    engine_vcpu_kick(d->engine, vcpu);
}

/* --- EVTCHNOP_* ------------------------------------------------------------------------- */

/* Arguments of any operation; each handler works on a private copy. */
union evtchn_args {
    struct evtchn_bind_interdomain bind_interdomain;
    struct evtchn_bind_virq bind_virq;
    struct evtchn_close close;
    struct evtchn_send send;
    struct evtchn_status status;
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_unmask unmask;
    struct evtchn_reset reset;
    struct evtchn_init_control init_control;
    struct evtchn_expand_array expand_array;
    struct evtchn_set_priority set_priority;
};

static int op_bind_interdomain(const struct hypercall *h, union evtchn_args *u)
{
    struct domain *d = h->d;
    struct evtchn_port *remote;
    domid_t domid = u->bind_interdomain.remote_dom;
    int port;

    if (domid == DOMID_SELF)
        domid = d->domid;
    if (domid != d->domid)
        return domid == HOST_DOMID ? -EINVAL : -ESRCH;
    remote = get_port(d, u->bind_interdomain.remote_port);
    if (!remote || remote->kind != EVTCHN_UNBOUND || remote->remote != d->domid)
        return -EINVAL;
    port = alloc_port(d, EVTCHN_INTERDOMAIN, 0);
    if (port < 0)
        return port;
    d->evtchn->port[port].remote = d->domid;
    d->evtchn->port[port].remote_port = u->bind_interdomain.remote_port;
    remote->kind = EVTCHN_INTERDOMAIN;
    remote->remote_port = (port_t)port;
    mirror(d, u->bind_interdomain.remote_port);
    u->bind_interdomain.local_port = (port_t)port;
    /* What the other end sent before there was a peer is not lost. */
    raise_port(d, (port_t)port);
    return 0;
}

static int op_bind_virq(const struct hypercall *h, union evtchn_args *u)
{
    struct domain *d = h->d;
    unsigned int virq = u->bind_virq.virq, vcpu = u->bind_virq.vcpu;
    int port;

    if (virq >= NR_GUEST_VIRQS || (!virq_is_per_vcpu(virq) && vcpu))
        return -EINVAL;
    if (vcpu >= d->nr_vcpus)
        return -ENOENT;
    if (!virq_is_per_vcpu(virq) && virq != VIRQ_ARGO)
        return -EBUSY; /* the host's */
    if (d->evtchn->virq[vcpu][virq])
        return -EEXIST;
    port = alloc_port(d, EVTCHN_VIRQ, vcpu);
    if (port < 0)
        return port;
    d->evtchn->port[port].virq = virq;
    d->evtchn->virq[vcpu][virq] = (port_t)port;
    if (virq == VIRQ_TIMER)
        d->shared->evtchn.virq_timer[vcpu] = (port_t)port;
    u->bind_virq.port = (port_t)port;
    return 0;
}

static int op_bind_pirq(const struct hypercall *h, union evtchn_args *u)
{
    return -EPERM;
}

static int op_close(const struct hypercall *h, union evtchn_args *u)
{
    const struct evtchn_port *p = get_port(h->d, u->close.port);

    if (!p || p->kind == EVTCHN_FREE || p->kind == EVTCHN_RESERVED)
        return -EINVAL;
    close_port(h->d, u->close.port);
    return 0;
}

static int send_event(struct domain *d, port_t port)
{
    const struct evtchn_port *p = get_port(d, port);

    if (!p)
        return -EINVAL;
    switch (p->kind) {
    case EVTCHN_INTERDOMAIN:
        if (p->remote == d->domid)
            raise_port(d, p->remote_port);
        else if (p->handler)
            p->handler(d, p->handler_arg);
        return 0;
    case EVTCHN_IPI:
        raise_port(d, port);
        return 0;
    case EVTCHN_UNBOUND:
        return 0;
    default:
        return -EINVAL;
    }
}

static int op_send(const struct hypercall *h, union evtchn_args *u)
{
    return send_event(h->d, u->send.port);
}

void evtchn_answer_rings(struct domain *d, struct run *run)
{
    if (!__atomic_exchange_n(&run->rang, 0, __ATOMIC_SEQ_CST))
        return;
    for (port_t base = 0; base < EVTCHN_MAX_PORTS; base += 64) {
        uint64_t bits = __atomic_load_n(&run->rung[base / 64], __ATOMIC_RELAXED);

        if (bits)
            bits = __atomic_exchange_n(&run->rung[base / 64], 0, __ATOMIC_SEQ_CST);
        for (; bits; bits &= bits - 1)
            (void)send_event(d, base + (port_t)__builtin_ctzll(bits)); /* closed since: nobody's */
    }
}

static int op_status(const struct hypercall *h, union evtchn_args *u)
{
    struct evtchn_status *st = &u->status;
    const struct evtchn_port *p;
    int rc = hypercall_check_self(h, st->dom);

    if (rc < 0)
        return rc;
    p = get_port(h->d, st->port);
    if (!p)
        return -EINVAL;
    switch (p->kind) {
    case EVTCHN_UNBOUND:
        st->status = EVTCHNSTAT_unbound;
        st->u.unbound.dom = p->remote;
        break;
    case EVTCHN_INTERDOMAIN:
        st->status = EVTCHNSTAT_interdomain;
        st->u.interdomain.dom = p->remote;
        st->u.interdomain.port = p->remote == h->d->domid ? p->remote_port : st->port;
        break;
    case EVTCHN_VIRQ:
        st->status = EVTCHNSTAT_virq;
        st->u.virq = p->virq;
        break;
    case EVTCHN_IPI:
        st->status = EVTCHNSTAT_ipi;
        break;
    default:
        st->status = EVTCHNSTAT_closed;
        break;
    }
    st->vcpu = p->vcpu;
    return 0;
}

static int op_alloc_unbound(const struct hypercall *h, union evtchn_args *u)
{
    struct domain *d = h->d;
    domid_t remote = u->alloc_unbound.remote_dom;
    int rc = hypercall_check_self(h, u->alloc_unbound.dom);

    if (rc < 0)
        return rc;
    rc = alloc_port(d, EVTCHN_UNBOUND, 0);
    if (rc < 0)
        return rc;
    d->evtchn->port[rc].remote = remote == DOMID_SELF ? d->domid : remote;
    u->alloc_unbound.port = (port_t)rc;
    return 0;
}

static int op_bind_ipi(const struct hypercall *h, union evtchn_args *u)
{
    int port;

    if (u->bind_ipi.vcpu >= h->d->nr_vcpus)
        return -ENOENT;
    port = alloc_port(h->d, EVTCHN_IPI, u->bind_ipi.vcpu);
    if (port < 0)
        return port;
    u->bind_ipi.port = (port_t)port;
    return 0;
}

static int op_bind_vcpu(const struct hypercall *h, union evtchn_args *u)
{
    struct evtchn_port *p = get_port(h->d, u->bind_vcpu.port);

    if (u->bind_vcpu.vcpu >= h->d->nr_vcpus)
        return -ENOENT;
    if (!p)
        return -EINVAL;
    if (p->kind != EVTCHN_UNBOUND && p->kind != EVTCHN_INTERDOMAIN &&
        !(p->kind == EVTCHN_VIRQ && !virq_is_per_vcpu(p->virq)))
        return -EINVAL;
    p->vcpu = u->bind_vcpu.vcpu;
    mirror(h->d, u->bind_vcpu.port);
    return 0;
}

static int op_unmask(const struct hypercall *h, union evtchn_args *u)
{
    if (u->unmask.port >= h->d->evtchn->nr_ports)
        return -EINVAL;
    deliver(h->d, u->unmask.port, evtchn_unmask);
    return 0;
}

static int op_reset(const struct hypercall *h, union evtchn_args *u)
{
    int rc = hypercall_check_self(h, u->reset.dom);

    if (rc < 0)
        return rc;
    for (port_t port = 1; port <= MAX_PORT; port++) {
        if (h->d->evtchn->port[port].kind != EVTCHN_FREE)
            close_port(h->d, port);
    }
    reset_shared(h->d);
    return 0;
}

/* First control block: leave the 2-level ABI. What is pending there is raised again when
 * the port's array page arrives. */
static void switch_to_fifo(struct domain *d)
{
    struct evtchn_ctx c = context(d);
    struct evtchn_shared *sh = &d->shared->evtchn;

    for (port_t port = 1; port <= MAX_PORT; port++) {
        sh->port[port].pending =
            d->evtchn->port[port].kind != EVTCHN_FREE && evtchn_is_pending(&c, port);
        sh->port[port].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    }
    d->evtchn->fifo = true;
    __atomic_store_n(&sh->fifo, 1, __ATOMIC_SEQ_CST);
}

static int op_init_control(const struct hypercall *h, union evtchn_args *u)
{
    struct evtchn_init_control *ic = &u->init_control;
    struct domain *d = h->d;
    maddr_t where;

    ic->link_bits = EVTCHN_FIFO_LINK_BITS;
    if (ic->vcpu >= d->nr_vcpus)
        return -ENOENT;
    if (ic->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || (ic->offset & 7))
        return -EINVAL;
    if (!ram_is_allocated(&d->ram, ic->control_gfn) || d->evtchn->has_control[ic->vcpu])
        return -EINVAL;
    where = ic->control_gfn << PAGE_SHIFT | ic->offset;
    /* 0 means "none" in shared memory; no kernel keeps it in the first page's first bytes. */
    if (!where)
        return -EINVAL;
    __atomic_store_n(&d->shared->evtchn.fifo_vcpu[ic->vcpu].control, where, __ATOMIC_SEQ_CST);
    d->evtchn->has_control[ic->vcpu] = true;
    if (!d->evtchn->fifo)
        switch_to_fifo(d);
    return 0;
}

static int op_expand_array(const struct hypercall *h, union evtchn_args *u)
{
    struct domain *d = h->d;
    struct evtchn_shared *sh = &d->shared->evtchn;
    const port_t per_page = PAGE_SIZE / sizeof(event_word_t);
    unsigned int page = d->evtchn->nr_array_pages;

    if (!d->evtchn->fifo)
        return -EOPNOTSUPP;
    if (page >= MAX_ARRAY_PAGES)
        return -ENOSPC;
    if (!ram_is_allocated(&d->ram, u->expand_array.array_gfn))
        return -EINVAL;
    d->evtchn->nr_array_pages++;
    if (page >= EVTCHN_FIFO_PAGES)
        return 0; /* for ports that there will never be */

    __atomic_store_n(&sh->fifo_array[page], u->expand_array.array_gfn, __ATOMIC_SEQ_CST);
    for (port_t port = page * per_page; port < (page + 1) * per_page; port++) {
        if (__atomic_exchange_n(&sh->port[port].pending, 0, __ATOMIC_SEQ_CST))
            raise_port(d, port);
    }
    return 0;
}

static int op_set_priority(const struct hypercall *h, union evtchn_args *u)
{
    const struct evtchn_port *p = get_port(h->d, u->set_priority.port);

    if (!p)
        return -EINVAL;
    if (!h->d->evtchn->fifo)
        return -ENOSYS;
    if (u->set_priority.priority > EVTCHN_FIFO_PRIORITY_MIN || p->kind == EVTCHN_FREE)
        return -EINVAL;
    h->d->shared->evtchn.port[u->set_priority.port].priority = (uint8_t)u->set_priority.priority;
    return 0;
}

#define ARGS(field) sizeof(((union evtchn_args *)0)->field)

/* Indexed by EVTCHNOP_*. */
static const struct {
    int (*fn)(const struct hypercall *h, union evtchn_args *u);
    size_t size;
    bool has_output;
} evtchn_ops[] = {
    [EVTCHNOP_bind_interdomain] = {op_bind_interdomain, ARGS(bind_interdomain), true},
    [EVTCHNOP_bind_virq] = {op_bind_virq, ARGS(bind_virq), true},
    [EVTCHNOP_bind_pirq] = {op_bind_pirq, 0, false},
    [EVTCHNOP_close] = {op_close, ARGS(close), false},
    [EVTCHNOP_send] = {op_send, ARGS(send), false},
    [EVTCHNOP_status] = {op_status, ARGS(status), true},
    [EVTCHNOP_alloc_unbound] = {op_alloc_unbound, ARGS(alloc_unbound), true},
    [EVTCHNOP_bind_ipi] = {op_bind_ipi, ARGS(bind_ipi), true},
    [EVTCHNOP_bind_vcpu] = {op_bind_vcpu, ARGS(bind_vcpu), false},
    [EVTCHNOP_unmask] = {op_unmask, ARGS(unmask), false},
    [EVTCHNOP_reset] = {op_reset, ARGS(reset), false},
    [EVTCHNOP_init_control] = {op_init_control, ARGS(init_control), true},
    [EVTCHNOP_expand_array] = {op_expand_array, ARGS(expand_array), false},
    [EVTCHNOP_set_priority] = {op_set_priority, ARGS(set_priority), false},
};

static int64_t run_op(const struct hypercall *h, uint64_t cmd, gva_t arg)
{
    union evtchn_args u;
    int rc;

    if (cmd >= ARRAY_SIZE(evtchn_ops) || !evtchn_ops[cmd].fn)
        return -ENOSYS;
    memset(&u, 0, sizeof(u));
    if (hypercall_read(h, &u, arg, evtchn_ops[cmd].size) < 0)
        return -EFAULT;
    rc = evtchn_ops[cmd].fn(h, &u);
    if (rc == 0 && evtchn_ops[cmd].has_output &&
        hypercall_write(h, arg, &u, evtchn_ops[cmd].size) < 0)
        rc = -EFAULT; /* what was bound stays bound, as in Xen */
    return rc;
}

int64_t do_event_channel_op(const struct hypercall *h)
{
    return run_op(h, (uint32_t)h->args[0], h->args[1]);
}

int64_t do_event_channel_op_compat(const struct hypercall *h)
{
    uint32_t cmd;

    if (hypercall_read(h, &cmd, h->args[0], sizeof(cmd)) < 0)
        return -EFAULT;
    if (cmd > EVTCHNOP_unmask)
        return -ENOSYS;
    return run_op(h, cmd, h->args[0] + offsetof(struct evtchn_op, u));
}
