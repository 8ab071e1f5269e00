/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail.c - see jail.h. A filter of system calls, and Landlock for the one that takes a path.
 */
#define _GNU_SOURCE
#include "xenstore/jail.h"

#include <errno.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sanitizer.h"
#include "base/seccomp.h"
#include "xenstore/jail_policy.h"

/* All rights of Landlock's first version, Linux 5.13. */
#define ALL_RIGHTS ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* Files can only be removed, and only in that directory. */
static int keep_to(int dir_fd)
{
    const struct landlock_ruleset_attr all = {.handled_access_fs = ALL_RIGHTS};
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE,
        .parent_fd = dir_fd,
    };
    CLEANUP_CLOSE int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);

    if (rules < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
        log_msg(LOG_WARN, "xenstore", "this kernel has no Landlock: the jail has one wall less");
        return 0;
    }
    if (rules < 0 ||
        syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        return -errno;
    return 0;
}

int jail_enter(int dir_fd, struct err *err)
{
    int rc;

    if (HAS_SANITIZER) {
        log_msg(LOG_WARN, "xenstore", "built with a sanitizer: no jail");
        return 0;
    }
    rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : keep_to(dir_fd);
    if (rc == 0)
        rc = seccomp_enter(xenstored_jail_policy, ARRAY_SIZE(xenstored_jail_policy),
                           SECCOMP_RET_ERRNO | EPERM);
    return rc < 0 ? err_set(err, -rc, "xenstored cannot enter its jail: %s", strerror(-rc)) : 0;
}
