/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * attach.h - the user's terminal (or whatever standard input and output are) and a domain's
 * console, joined.
 */
#pragma once

#include "base/types.h"

enum attach_end {
    ATTACH_ENDED,     /* the domain closed its console */
    ATTACH_LEFT,      /* the user typed the escape character */
    ATTACH_NO_OUTPUT, /* standard output is gone */
};

/* What leaves the console: "^X" for Ctrl-X, or one character. It is Ctrl-] until this is called.
 * 0, or -EINVAL if it is neither. */
int attach_set_escape(const char *text) MUST_CHECK;

/* Copy both ways until one of these. The end of input is not the end: output goes on. fd is
 * borrowed. */
enum attach_end attach_console(int fd);

/* How to leave, on standard error, if a user is there to read it. */
void attach_hint(const char *name);
