/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpuid.h - what CPUID says to a PV guest kernel. Freestanding.
 *
 * The host's answers are read once (CPUID may cost microseconds under an outer hypervisor),
 * filtered by an allow-list of features (ABI 6.3) and kept in tables. User programs run CPUID
 * natively, so everything that is state of theirs (AVX, AVX-512) must be shown to the kernel,
 * which saves it; XSAVE is offered only in the forms that are emulated.
 */
#pragma once

#include "cpu/vcpu.h"

/* Fill the tables. Once, before any other function here. */
void cpuid_init(void);

/* Leaf `leaf`, subleaf `sub`, as eax ebx ecx edx. forced: the kernel asked with the Xen
 * prefix, which shows OSXSAVE whatever CR4 says. */
void cpuid_query(const struct vcpu *v, uint32_t leaf, uint32_t sub, bool forced, uint32_t out[4]);

/* State components that the guest may enable; 0 without XSAVE. */
uint64_t cpuid_xcr0_max(void);
/* Size in bytes of a standard-format XSAVE area with these components, at least 576; and
 * where one component (2..) is: 0, or -1 if there is no such component. */
uint32_t cpuid_xsave_size(uint64_t components);
int cpuid_xsave_component(unsigned int component, uint32_t *offset, uint32_t *size);
bool cpuid_is_amd(void);
/* May the guest switch on AMD's automatic IBRS (a bit of EFER)? */
bool cpuid_has_automatic_ibrs(void);
/* Has the CPU xsaves and xrstors? Guests may not use them: in ring 3 they raise #GP, else #UD. */
bool cpuid_host_has_xsaves(void);
/* CR4 bits that the guest may set. */
uint64_t cpuid_cr4_mask(void);
