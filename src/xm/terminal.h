/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * terminal.h - the user's terminal in raw mode, and back: restored at exit, on signals that
 * end the program, and around being stopped. One terminal per program.
 */
#pragma once

#include "base/types.h"

/* Put standard input into raw mode. Does nothing when it is no terminal or another program's
 * (we are in the background). */
void terminal_raw(void);
/* As it was before. May be called at any time. */
void terminal_restore(void);
