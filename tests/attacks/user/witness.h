/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * witness.h - a process that has nothing to do with an attack: it counts, and looks at its memory
 * and registers. And how to wait for those that have.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KILL_MS 1000 /* for the kernel to end a process */

uint64_t now_ms(void);
/* True: it has ended, by *status. */
bool await(pid_t pid, int *status, unsigned int ms);

void witness_start(void);
/* NULL, or what has become of it. */
const char *witness_complaint(void);
void witness_end(void);
