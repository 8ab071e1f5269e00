/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * native.h - runs one instruction on the host CPU with given general registers (rsp too) and
 * flags. The caller sees to it that it does not fault or branch.
 */
#pragma once

#include "base/types.h"

struct native_regs {
    uint64_t gpr[16];
    uint64_t rflags;
};

/* Map the code buffer. 0 or -1. */
int native_init(void);
/* Build code around the instruction; the result may be called until the next build. */
void (*native_build(const uint8_t *insn, unsigned int len))(void);
extern struct native_regs *native_regs;
