/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * verbs.c - see verbs.h.
 */
#include "xm/verbs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

const struct verb *const verbs[] = {
    &verb_create,
    &verb_install,
    &verb_new,
    &verb_start,
    &verb_delete,
    &verb_list,
    &verb_console,
    &verb_vncviewer,
    &verb_screenshot,
    &verb_shutdown,
    &verb_reboot,
    &verb_destroy,
    &verb_reset,
    &verb_rename,
    &verb_mem_set,
    &verb_mem_max,
    &verb_sched_credit,
    &verb_trigger,
    &verb_dump_core,
    &verb_save,
    &verb_restore,
    &verb_migrate,
    &verb_migrate_receive,
    &verb_suspend,
    &verb_resume,
    &verb_vcpu_list,
    &verb_vcpu_pin,
    &verb_vcpu_set,
    &verb_pause,
    &verb_unpause,
    &verb_info,
    &verb_top,
    &verb_log,
    &verb_uptime,
    &verb_domid,
    &verb_domname,
    &verb_domstate,
    &verb_vm_list,
    &verb_sysrq,
    &verb_dmesg,
    &verb_block_list,
    &verb_block_attach,
    &verb_block_detach,
    &verb_block_configure,
    &verb_cd_insert,
    &verb_cd_eject,
    &verb_network_list,
    &verb_network_attach,
    &verb_network_detach,
    &verb_shell,
    &verb_help,
    NULL,
};

/* Names of older versions; two of xl. */
static const struct {
    const char *old, *now;
} renamed[] = {
    {"balloon", "mem-set"},
    {"set-vcpus", "vcpu-set"},
    {"vif-list", "network-list"},
    {"vbd-list", "block-list"},
    {"vbd-create", "block-attach"},
    {"vbd-destroy", "block-detach"},
    {"button-press", "trigger"},
    {"pool-create", "cpupool-create"},
    {"pool-new", "cpupool-new"},
    {"pool-start", "cpupool-start"},
    {"pool-list", "cpupool-list"},
    {"pool-destroy", "cpupool-destroy"},
    {"pool-delete", "cpupool-delete"},
    {"pool-cpu-add", "cpupool-cpu-add"},
    {"pool-cpu-remove", "cpupool-cpu-remove"},
    {"pool-migrate", "cpupool-migrate"},
};

const char *verbs_current_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(renamed); i++) {
        if (strcmp(renamed[i].old, name) != 0)
            continue;
        fprintf(stderr, "Command %s is deprecated. Please use %s %s instead.\n", name,
                verb_program(), renamed[i].now);
        return renamed[i].now;
    }
    return name;
}

bool verbs_renamed(size_t i, const char **old, const char **now)
{
    if (i >= ARRAY_SIZE(renamed))
        return false;
    *old = renamed[i].old;
    *now = renamed[i].now;
    return true;
}

const struct verb *verbs_find(const char *name, struct err *err)
{
    const struct verb *found = NULL;
    size_t len = strlen(name);

    for (size_t i = 0; verbs[i]; i++) {
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
        if (len < 2 || strncmp(verbs[i]->name, name, len) != 0)
            continue;
        if (found) {
            err_set(err, EINVAL, "Subcommand %s is ambiguous: %s or %s?", name, found->name,
                    verbs[i]->name);
            return NULL;
        }
        found = verbs[i];
    }
    if (!found)
        err_set(err, EINVAL, "Subcommand %s not found!", name);
    return found;
}

void verb_print_usage(const struct verb *v)
{
    printf("Usage: %s %s %s\n\n%s\n", verb_program(), v->name, v->arguments, v->summary);
    if (v->details[0])
        printf("\n%s", v->details);
}

/* xl's words for "Domain 'X' does not exist."; false: it is another sentence. */
static bool print_xl_error(const char *sentence)
{
    static const char front[] = "Domain '", back[] = "' does not exist.";
    const char *name = sentence + strlen(front);
    size_t n = strlen(sentence);

    if (strncmp(sentence, front, strlen(front)) != 0 || n < strlen(front) + strlen(back) ||
        strcmp(sentence + n - strlen(back), back) != 0)
        return false;
    fprintf(stderr, "%.*s is an invalid domain identifier (rc=-6)\n",
            (int)(n - strlen(front) - strlen(back)), name);
    return true;
}

int verb_error(const struct err *err)
{
    struct err shown = *err;

    log_clean(shown.msg); /* the words of a guest or of its device model may be in it */
    if (!verb_is_xl() || !print_xl_error(shown.msg))
        fprintf(stderr, "Error: %s\n", shown.msg);
    return err->code == ESRCH && !verb_is_xl() ? XM_NO_DOMAIN : XM_FAILED;
}

int verb_usage_error(const struct verb *v, const char *fmt, ...)
{
    va_list ap;

    fputs("Error: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nUsage: %s %s %s\n", verb_program(), v->name, v->arguments);
    return XM_FAILED;
}

int verb_check_arguments(const struct verb *v, int argc, char **argv, int min, int max)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            verb_print_usage(v);
            return XM_OK;
        }
    }
    if (argc - 1 >= min && argc - 1 <= max)
        return -1;
    bool few = argc - 1 < min;
    const char *bound = min == max ? "requires" : few ? "requires at least" : "takes at most";
    int wanted = few ? min : max;
    return verb_usage_error(v, "'%s %s' %s %d argument%s.", verb_program(), v->name, bound, wanted,
                            wanted == 1 ? "" : "s");
}
