/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * memory.h - memory of the two machines; between machine.c and run.c.
 */
#pragma once

#include "machine.h"

void memory_init(void);
void memory_write(bool guest, const struct start *s);
void memory_read(bool guest, struct result *r);
void memory_flush_tlb(void);
/* Whether the translator takes every instruction of the window for one that a fault marked. */
void memory_set_marks(bool marked);
/* What ends a sequence: a system call, or an instruction that programs leave to a stub. */
void memory_set_exit(bool program);
