/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * smp.c - starting further vCPUs. Each has a stack, a function to run, and its number at gs:0.
 */
#include "guest.h"

#define STACK_PAGES 4

static struct {
    uint32_t id;
} self[MAX_VCPUS];

static bool started;
static void (*functions[MAX_VCPUS])(unsigned int id);

unsigned int vcpu_self(void)
{
    uint32_t id = 0;

    if (started)
        asm volatile("movl %%gs:0, %0" : "=r"(id));
    return id;
}

vcpu_info_t *own_vcpu(void)
{
    return &shared_info->vcpu_info[vcpu_self()];
}

void own_events_on(void)
{
    own_vcpu()->evtchn_upcall_mask = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (own_vcpu()->evtchn_upcall_pending)
        xen_version(XENVER_version, NULL);
}

static _Noreturn void first_function(unsigned int id)
{
    for (;;) {
        own_events_on();
        functions[id](id);
        vcpu_op(VCPUOP_down, id, NULL);
    }
}

void vcpu_resume(unsigned int id, void (*function)(unsigned int id))
{
    functions[id] = function;
    if (vcpu_op(VCPUOP_up, id, NULL))
        error("vcpu %u cannot be brought up again", id);
}

long vcpu_initialise(unsigned int id, void (*function)(unsigned int id))
{
    static vcpu_guest_context_t context;
    uint8_t *stack = NULL;

    if (!started &&
        hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, (unsigned long)&self[0]))
        error("set_segment_base failed");
    started = true;
    self[id].id = id;
    functions[id] = function;
    for (unsigned int i = 0; i < STACK_PAGES; i++) /* one after the other */
        stack = page_alloc();
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    for (unsigned int i = 0; i < 32; i++) {
        context.trap_ctxt[i].vector = (uint8_t)i;
        context.trap_ctxt[i].cs = FLAT_KERNEL_CS;
        context.trap_ctxt[i].address = trap_entries[i];
    }
    context.user_regs.rip = (unsigned long)first_function;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.rsp = (unsigned long)stack + PAGE_SIZE - 8;
    context.user_regs.rdi = id;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = (unsigned long)page_alloc() + PAGE_SIZE;
    context.ctrlreg[3] = va_to_maddr((void *)start_info->pt_base);
    context.event_callback_eip = (unsigned long)event_entry;
    context.failsafe_callback_eip = (unsigned long)failsafe_entry;
    context.syscall_callback_eip = (unsigned long)syscall_entry;
    context.gs_base_kernel = (unsigned long)&self[id];
    return vcpu_op(VCPUOP_initialise, id, &context);
}

void vcpu_start(unsigned int id, void (*function)(unsigned int id))
{
    long rc = vcpu_initialise(id, function);

    if (rc == 0)
        rc = vcpu_op(VCPUOP_up, id, NULL);
    if (rc)
        error("vcpu %u cannot be started: %ld", id, rc);
}

unsigned int count_vcpus(void)
{
    unsigned int n = 0;

    while (n < MAX_VCPUS && vcpu_op(VCPUOP_is_up, n, NULL) >= 0)
        n++;
    return n;
}

bool wait_for(const volatile unsigned long *word, unsigned long least, uint64_t ns)
{
    uint64_t end = now() + ns;

    while (*word < least) {
        if (now() > end)
            return false;
        sched_op(SCHEDOP_yield, NULL);
    }
    return true;
}

long bind_ipi_to(unsigned int id)
{
    struct evtchn_bind_ipi bind = {.vcpu = id};
    long rc = event_channel_op(EVTCHNOP_bind_ipi, &bind);

    if (rc)
        return rc;
    event_unmask(bind.port);
    return bind.port;
}

void vcpu_wait_down(unsigned int id)
{
    for (int i = 0; i < 2000 && vcpu_op(VCPUOP_is_up, id, NULL) == 1; i++)
        spin_ns(SECOND / 1000);
}
