/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virt.h - the CPU of a fully virtualized guest: the host's, by hardware virtualization, or an
 * emulated one. The only place that chooses.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

enum virt_cpu {
    VIRT_KVM,     /* the host's: VT-x or AMD-V through /dev/kvm */
    VIRT_EMULATED /* translated by the device model */
};

/* Does the text of /proc/cpuinfo show VT-x or AMD-V? */
bool virt_flags_have_hvm(const char *cpuinfo);

/* Has this host hardware virtualization that this process may use? */
bool virt_has_kvm(void);

/* The CPU for a guest. `policy` is the option hvm_emulation: "auto" (emulated where there is
 * nothing better), "never" (then -ENOTSUP), "always". 0, or -errno with a sentence. */
int virt_choose(const char *policy, enum virt_cpu *ret, struct err *err) MUST_CHECK;

/* "kvm" or "tcg", the device model's word for it. */
const char *virt_cpu_name(enum virt_cpu cpu);
