/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hypercall.h - handlers of the hypercalls that are answered next to the CPU; the list with
 * numbers is hypercalls.def, each handler is in the file named after its area.
 *
 * A handler gets its five arguments in an array that is its own to change and returns what
 * the guest finds in rax. Long calls return HYPERCALL_CONTINUE after a bounded amount of
 * work, with args[] set so that executing the same call again does the rest: the dispatcher
 * rewinds rip, so that events and requests are looked at in between.
 */
#pragma once

#include "cpu/pv/abi.h"
#include "cpu/vcpu.h"

/* No handler result or guest value can be this one (it is not a canonical address). */
#define HYPERCALL_CONTINUE INT64_MIN
/* iret: the caller's context is gone, all registers are as they should be. Its rax can be any
 * value, so it must not go through the result. */
#define HYPERCALL_LEFT (INT64_MIN + 1)

/* Elements of a guest array that are copied at a time. */
#define HYPERCALL_CHUNK 32

/* Elements of a guest array that one call handles before it is continued. */
#define HYPERCALL_BATCH 4096

/* Should a long call return HYPERCALL_CONTINUE now? An event is due, or the engine is asked for. */
bool hypercall_preempted(const struct vcpu *v);

/* Run hypercall `nr` here or in the domain process. Result as for handlers. */
int64_t hypercall_run(struct vcpu *v, uint64_t nr, uint64_t args[5]);

/* Does nr exist (used by multicall)? -ENOSYS is the answer otherwise. */
bool hypercall_exists(uint64_t nr);

#define VCPU(name) int64_t pv_do_##name(struct vcpu *v, uint64_t args[5]);
#define BOTH(name) VCPU(name)
#define DOMAIN(name)
#define HYPERCALL(nr, name, where, text) where(name)
#include "cpu/pv/hypercalls.def"
#undef HYPERCALL
#undef DOMAIN
#undef BOTH
#undef VCPU

/* Copy a structure of type *to from / to kernel address va: 0 or -XEN_EFAULT. */
int hypercall_copy_from(struct vcpu *v, void *to, gva_t va, size_t size) MUST_CHECK;
int hypercall_copy_to(struct vcpu *v, gva_t va, const void *from, size_t size) MUST_CHECK;
