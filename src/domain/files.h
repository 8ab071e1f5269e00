/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * files.h - which files of the host a domain's process needs for as long as it lives, and what it
 * leaves at the end. In its jail it cannot open any: base/hostfile.h does, those of this list.
 */
#pragma once

#include "base/err.h"
#include "base/paths.h"
#include "domain/options.h"

/* Before the launcher is made: the domain's kernel, ramdisk and symbols, its sockets, lock, record
 * and status, the boot loader's copies, the console's log, cores. *o is kept. 0 or -errno. */
int files_fix(const struct domain_options *o, struct err *err) MUST_CHECK;

/* The console's socket, which lies beside the control socket: N.console beside N.sock. "" if there
 * is no such file. */
void files_console_socket(char to[static PATHS_MAX], const struct domain_options *o);

/* At the end: how the domain ended, one line. 0 or -errno. */
int files_write_status(const struct domain_options *o, const char *line);
/* At the end: what says that there is a domain goes. */
void files_remove(const struct domain_options *o);
