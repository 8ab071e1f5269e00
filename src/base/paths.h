/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * paths.h - where things are on the host. Two instances exist side by side: the system's
 * (root) and one per user.
 *
 *                 root                 user
 *   run dir       /run/xenolith        $XDG_RUNTIME_DIR/xenolith, else <state>/run
 *   log dir       /var/log/xenolith    <state>/log
 *   state dir     /var/lib/xend        <state>
 *   config dir    /etc/xen             ${XDG_CONFIG_HOME:-~/.config}/xenolith
 *   <state>       -                    ${XDG_STATE_HOME:-~/.local/state}/xenolith
 *
 * XENOLITH_RUN_DIR, XENOLITH_LOG_DIR, XENOLITH_STATE_DIR and XENOLITH_CONFIG_DIR, absolute
 * paths, override them
 * (tests, several instances). An instance with a run directory of its own keeps its state in
 * there, unless told otherwise: it must not meddle with another's.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

#define PATHS_MAX 512

/* Each fills buf with a directory that exists afterwards (created 0700, parents included).
 * The run directory is refused when somebody else owns it. 0 or -errno. */
int paths_run_dir(char buf[static PATHS_MAX], struct err *err) MUST_CHECK;
int paths_log_dir(char buf[static PATHS_MAX], struct err *err) MUST_CHECK;
int paths_state_dir(char buf[static PATHS_MAX], struct err *err) MUST_CHECK;
/* Where guests' configs are; it need not exist. */
int paths_config_dir(char buf[static PATHS_MAX], struct err *err) MUST_CHECK;
/* For core files: /var/xen/dump for root, else in the state directory. */
int paths_dump_dir(char buf[static PATHS_MAX], struct err *err) MUST_CHECK;

/* Find one of our own helper programs: beside the running binary (build tree), else in the
 * libexec directory of the installation. -ENOENT with a sentence. */
int paths_helper(char buf[static PATHS_MAX], const char *program, struct err *err) MUST_CHECK;

/* Find a hotplug script: in XENOLITH_SCRIPTS_DIR, in hotplug/ beside the running binary (build
 * tree), where they are installed, else in /etc/xen/scripts. -ENOENT with a sentence. */
int paths_script(char buf[static PATHS_MAX], const char *name, struct err *err) MUST_CHECK;
/* The directory of the running binary, with its slash; "" if that is not known. */
void paths_own_dir(char buf[static PATHS_MAX]);
