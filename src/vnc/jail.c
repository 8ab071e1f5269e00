/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail.c - see jail.h.
 */
#define _GNU_SOURCE
#include "vnc/jail.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sanitizer.h"
#include "base/seccomp.h"
#include "vnc/jail_policy.h"

#define NOBODY 65534
#define MEMORY_MAX (1ul << 30)

/* Started by root it need not be root, nor anybody whose files there are. The root of a user
 * namespace may be unable to become somebody else: then it is not the host's root either, and the
 * filter has to do. */
static int become_nobody(void)
{
    if (geteuid() != 0)
        return 0;
    if (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
        setresuid(NOBODY, NOBODY, NOBODY) == 0)
        return 0;
    if (errno != EPERM && errno != EINVAL)
        return -errno;
    log_msg(LOG_WARN, "vnc", "cannot become nobody: %s", strerror(errno));
    return 0;
}

int jail_enter(struct err *err)
{
    struct rlimit memory = {MEMORY_MAX, MEMORY_MAX}, none = {0, 0};
    int rc = 0;

    if (HAS_SANITIZER)
        return 0;
    if (setrlimit(RLIMIT_AS, &memory) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        rc = -errno;
    if (rc == 0)
        rc = become_nobody();
    if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        rc = -errno;
    if (rc == 0)
        rc = seccomp_enter(vnc_jail_policy, ARRAY_SIZE(vnc_jail_policy), SECCOMP_RET_ERRNO | EPERM);
    return rc < 0 ? err_set(err, -rc, "xenolith-vnc cannot enter its jail: %s", strerror(-rc)) : 0;
}
