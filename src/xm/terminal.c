/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * terminal.c - see terminal.h.
 */
#define _GNU_SOURCE
#include "xm/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static volatile sig_atomic_t is_raw;

void terminal_restore(void)
{
    if (!is_raw)
        return;
    is_raw = 0;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

static void set_raw(void)
{
    struct termios raw = before;

    cfmakeraw(&raw);
    is_raw = 1;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* tcsetattr, signal and raise may be called in a handler. */
static void on_fatal(int sig)
{
    int saved = errno;

    terminal_restore();
    signal(sig, SIG_DFL);
    raise(sig);
    errno = saved;
}

static void on_stop(int sig)
{
    int saved = errno;
    sigset_t set;

    if (is_raw) {
        terminal_restore();
        signal(sig, SIG_DFL);
        sigemptyset(&set);
        sigaddset(&set, sig);
        raise(sig);
        sigprocmask(SIG_UNBLOCK, &set, NULL); /* stops here */
        signal(sig, on_stop);
        if (tcgetpgrp(STDIN_FILENO) == getpgrp())
            set_raw();
    }
    errno = saved;
}

void terminal_raw(void)
{
    static const int fatal[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV};
    static bool prepared;

    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
        (!prepared && tcgetattr(STDIN_FILENO, &before) < 0))
        return;
    if (!prepared) {
        prepared = true;
        atexit(terminal_restore);
        for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
            signal(fatal[i], on_fatal);
        signal(SIGTSTP, on_stop);
    }
    set_raw();
}
