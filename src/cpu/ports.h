/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ports.h - port I/O of a PV guest that owns no hardware (ABI 6.1). Freestanding.
 */
#pragma once

#include "cpu/vcpu.h"

/* May the current mode access `size` (1, 2, 4) bytes at port: by virtual IOPL, else by the
 * vCPU's I/O bitmap. If not, the instruction raises #GP(0). */
bool ports_allowed(struct vcpu *v, uint16_t port, unsigned int size);

/* cli and sti, too, ask the virtual IOPL. */
bool ports_iopl_allows(const struct vcpu *v);

/* The access itself. What is not there reads as ones and ignores writes. */
uint32_t ports_read(struct vcpu *v, uint16_t port, unsigned int size);
void ports_write(struct vcpu *v, uint16_t port, unsigned int size, uint32_t value);
