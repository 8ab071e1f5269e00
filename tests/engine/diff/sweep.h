/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sweep.h - every opcode, with every prefix that may belong to it, natively and in the engine:
 * both give the same result or the same exception, and nothing is left unhandled.
 */
#pragma once

/* Speaks TAP. */
void sweep(void);
