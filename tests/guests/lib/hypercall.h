/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hypercall.h - hypercalls of a 64-bit PV guest: number in eax, arguments in rdi, rsi, rdx,
 * r10, r8, result in rax. hypercall5() executes a bare `syscall` as Linux does today;
 * hypercall5_page() calls the page that the domain builder filled, as older guests do.
 */
#pragma once

#include <stdint.h>

#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/errno.h>

extern uint8_t hypercall_page[4096];

static inline long hypercall5(unsigned long nr, unsigned long a1, unsigned long a2,
                              unsigned long a3, unsigned long a4, unsigned long a5)
{
    register unsigned long r10 asm("r10") = a4;
    register unsigned long r8 asm("r8") = a5;
    long ret;

    asm volatile("syscall"
                 : "=a"(ret), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                 : "0"(nr)
                 : "rcx", "r11", "memory");
    return ret;
}

static inline long hypercall5_page(unsigned long nr, unsigned long a1, unsigned long a2,
                                   unsigned long a3, unsigned long a4, unsigned long a5)
{
    register unsigned long r10 asm("r10") = a4;
    register unsigned long r8 asm("r8") = a5;
    long ret;

    asm volatile("call *%[slot]"
                 : "=a"(ret), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                 : [slot] "r"(hypercall_page + nr * 32)
                 : "rcx", "r11", "memory");
    return ret;
}

#define HC(x) ((unsigned long)(x))
#define hypercall0(nr) hypercall5(nr, 0, 0, 0, 0, 0)
#define hypercall1(nr, a) hypercall5(nr, HC(a), 0, 0, 0, 0)
#define hypercall2(nr, a, b) hypercall5(nr, HC(a), HC(b), 0, 0, 0)
#define hypercall3(nr, a, b, c) hypercall5(nr, HC(a), HC(b), HC(c), 0, 0)
#define hypercall4(nr, a, b, c, d) hypercall5(nr, HC(a), HC(b), HC(c), HC(d), 0)

static inline long set_trap_table(const struct trap_info *traps)
{
    return hypercall1(__HYPERVISOR_set_trap_table, traps);
}

static inline long mmu_update(const mmu_update_t *req, unsigned int count, unsigned int *done)
{
    return hypercall4(__HYPERVISOR_mmu_update, req, count, done, DOMID_SELF);
}

static inline long mmuext_op(const struct mmuext_op *op, unsigned int count, unsigned int *done)
{
    return hypercall4(__HYPERVISOR_mmuext_op, op, count, done, DOMID_SELF);
}

static inline long update_va_mapping(unsigned long va, uint64_t pte, unsigned long flags)
{
    return hypercall3(__HYPERVISOR_update_va_mapping, va, pte, flags);
}

static inline long sched_op(unsigned int cmd, void *arg)
{
    return hypercall2(__HYPERVISOR_sched_op, cmd, arg);
}

static inline long event_channel_op(unsigned int cmd, void *arg)
{
    return hypercall2(__HYPERVISOR_event_channel_op, cmd, arg);
}

static inline long vcpu_op(unsigned int cmd, unsigned int vcpu, void *arg)
{
    return hypercall3(__HYPERVISOR_vcpu_op, cmd, vcpu, arg);
}

static inline long memory_op(unsigned int cmd, void *arg)
{
    return hypercall2(__HYPERVISOR_memory_op, cmd, arg);
}

static inline long grant_table_op(unsigned int cmd, void *arg, unsigned int count)
{
    return hypercall3(__HYPERVISOR_grant_table_op, cmd, arg, count);
}

static inline long physdev_op(unsigned int cmd, void *arg)
{
    return hypercall2(__HYPERVISOR_physdev_op, cmd, arg);
}

static inline long xen_version(unsigned int cmd, void *arg)
{
    return hypercall2(__HYPERVISOR_xen_version, cmd, arg);
}
