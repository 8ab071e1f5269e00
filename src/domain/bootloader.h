/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * bootloader.h - before each life of a domain whose kernel lies on its own disk, a program on the
 * host finds it there: pygrub, or any other with its contract. The program runs on a terminal
 * that is the domain's console meanwhile, so that people at the console see its menu.
 */
#pragma once

#include "base/err.h"
#include "base/hostfile.h"
#include "base/launcher.h"
#include "domain/options.h"

struct bootloader;
struct process;

/* Before the launcher is made and before the jail: keeps what will be run, opens the terminal.
 * *ret is NULL when the domain has no boot loader. */
int bootloader_prepare(struct bootloader **ret, const struct domain_options *o,
                       struct err *err) MUST_CHECK;
void bootloader_destroy(struct bootloader *b); /* NULL is fine */

/* One of the launcher's programs: becomes the boot loader that was prepared, no other. */
launcher_fn bootloader_exec;

/* hostfile_rule (base/hostfile.h): the files that the boot loader leaves. */
hostfile_rule bootloader_may;
/* launcher_service: empties the directory of its copies. */
launcher_service bootloader_clean_service;

/* Will it wait for somebody to choose? */
bool bootloader_is_interactive(const struct bootloader *b);

/* Run it while p's loop runs on, and set kernel, ramdisk and cmdline of p's options to what it
 * found. Main thread. -ECANCELED when the end of the domain is asked for meanwhile. */
int bootloader_run(struct bootloader *b, struct process *p, struct err *err) MUST_CHECK;
/* Remove the files that it left, once they are loaded. */
void bootloader_clean(struct bootloader *b);
