/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * script.h - run one hotplug or network script: its environment, its time limit, its words.
 * docs/internals/hotplug.md has the contract.
 */
#pragma once

#include "base/err.h"
#include "base/paths.h"
#include "base/types.h"

#define SCRIPT_MAX_WORDS 32
#define SCRIPT_LINE_MAX 512

/* A script and its arguments, cut from a text such as "vif-bridge bridge=br1". */
struct script {
    char path[PATHS_MAX];
    char text[SCRIPT_LINE_MAX];         /* what the arguments point into */
    const char *args[SCRIPT_MAX_WORDS]; /* after the command word */
    unsigned int nr_args;
};

/* Find the script that `line` begins with: a path, or a name in XENOLITH_SCRIPTS_DIR, beside
 * our programs (build tree), or in /etc/xen/scripts. 0, or -errno (-ENOENT) with a sentence.
 * *s must not be copied. */
int script_find(struct script *s, const char *line, struct err *err) MUST_CHECK;

/* Run it with `command` as its first argument, and with the variables of `environment` (NAME=VALUE,
 * ends with NULL) besides the usual ones. What it says goes to xen-hotplug.log. 0; -ETIMEDOUT: it
 * was killed after timeout_s; -EIO: it failed, err has the last line that it said, or "". */
int script_run(const struct script *s, const char *command, const char *const *environment,
               unsigned int timeout_s, struct err *err) MUST_CHECK;

/* Where they write to: a new descriptor, or -1. */
int script_open_log(void);
