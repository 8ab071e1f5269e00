/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * verbs.h - the commands of xm. Each has a file of its name with a function that gets its
 * arguments (argv[0] is the verb) and returns the exit status.
 */
#pragma once

#include <stdio.h>

#include "base/err.h"
#include "base/types.h"

enum {
    XM_OK = 0,
    XM_FAILED = 1,
    XM_NO_DOMAIN = 3, /* the domain named does not exist */
};

struct verb {
    const char *name;
    const char *arguments; /* for usage */
    const char *summary;   /* one line */
    const char *details;   /* option lines, "" = none */
    int (*run)(const struct verb *self, int argc, char **argv);
};

/* A command of Xen's tools that is not here. */
struct refused_verb {
    const char *name, *reason;
};

extern const struct refused_verb refused_verbs[]; /* ends with a NULL name */
const struct refused_verb *refused_find(const char *name);
/* Tell why; returns the exit status. */
int refused_run(const struct refused_verb *r);

/* The name that we were called by: "xm" or "xl". */
const char *verb_program(void);
bool verb_is_xl(void);
/* xl's -N: show what would be done, and do nothing. */
bool verb_is_dry_run(void);
/* The list of commands, with their arguments if `in_full`. */
void verbs_print(FILE *stream, bool in_full);

extern const struct verb verb_block_attach, verb_block_configure, verb_block_detach,
    verb_block_list, verb_cd_eject, verb_cd_insert, verb_console, verb_create, verb_delete,
    verb_destroy, verb_dmesg, verb_domid, verb_domname, verb_domstate, verb_dump_core, verb_help,
    verb_info, verb_install, verb_list, verb_log, verb_mem_max, verb_mem_set, verb_network_attach,
    verb_network_detach, verb_network_list, verb_new, verb_pause, verb_reboot, verb_rename,
    verb_reset, verb_restore, verb_resume, verb_save, verb_sched_credit, verb_shutdown, verb_start,
    verb_suspend, verb_sysrq, verb_trigger, verb_top, verb_unpause, verb_uptime, verb_vm_list,
    verb_vcpu_list, verb_vcpu_pin, verb_vcpu_set;
extern const struct verb verb_migrate, verb_migrate_receive, verb_screenshot, verb_shell,
    verb_vncviewer;

/* All of them in the order of the help text, NULL at the end. */
extern const struct verb *const verbs[];

/* The name that a command has now, with a word about it if that is another one. */
const char *verbs_current_name(const char *name);

/* By name or unique prefix; NULL and a sentence if there is none. */
const struct verb *verbs_find(const char *name, struct err *err);

/* The i-th old name of a command and its name now; false behind the last. */
bool verbs_renamed(size_t i, const char **old, const char **now);

void verb_print_usage(const struct verb *v);
/* "Error: ..." on standard error; returns the exit status that fits. */
int verb_error(const struct err *err);
/* An error of usage: also prints how to call the verb. */
int verb_usage_error(const struct verb *v, const char *fmt, ...) PRINTF_FMT(2, 3);
/* Handle -h and the number of arguments: returns -1 to go on, else the exit status. */
int verb_check_arguments(const struct verb *v, int argc, char **argv, int min, int max);
