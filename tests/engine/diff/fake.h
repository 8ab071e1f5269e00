/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fake.h - see fake.c.
 */
#pragma once

#include "base/types.h"

void fake_print(const char *fmt, ...) PRINTF_FMT(1, 2);
/* The vCPU process gives up: does not return; machine.c's. */
_Noreturn void fake_crash(const char *why);

extern uint8_t *fake_marks; /* cache.c: bit per pc */
extern bool fake_logged;    /* something was logged; text in run->message */
void __wrap_env_log(const char *fmt, ...) PRINTF_FMT(1, 2);
