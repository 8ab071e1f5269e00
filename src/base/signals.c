/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * signals.c - see signals.h.
 */
#define _GNU_SOURCE
#include "base/signals.h"

#include <signal.h>
#include <stddef.h>

void signals_reset(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
