/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * attach.h - the user's terminal (or whatever standard input and output are) and a domain's
 * console, joined.
 */
#pragma once

#include "base/types.h"

#define ATTACH_ESCAPE 0x1d /* Ctrl-] */

enum attach_end {
    ATTACH_ENDED,     /* the domain closed its console */
    ATTACH_LEFT,      /* the user typed Ctrl-] */
    ATTACH_NO_OUTPUT, /* standard output is gone */
};

/* Copy both ways until one of these. The end of input is not the end: output goes on. fd is
 * borrowed. */
enum attach_end attach_console(int fd);

/* "Ctrl-] leaves" on standard error, if a user is there to read it. */
void attach_hint(const char *name);
