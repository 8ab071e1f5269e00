/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * paths.c - see paths.h.
 */
#define _GNU_SOURCE
#include "base/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef XENOLITH_LIBEXECDIR
#define XENOLITH_LIBEXECDIR "/usr/local/libexec/xenolith"
#define XENOLITH_BINDIR "/usr/local/bin"
#define XENOLITH_SBINDIR "/usr/local/sbin"
#endif

#define SYSTEM_SCRIPTS "/etc/xen/scripts"
#ifndef XENOLITH_SCRIPTSDIR
#define XENOLITH_SCRIPTSDIR SYSTEM_SCRIPTS
#endif
#define BUILD_SCRIPTS "hotplug" /* beside the programs */

static int fill(char buf[static PATHS_MAX], struct err *err, const char *dir, const char *tail)
{
    int n = snprintf(buf, PATHS_MAX, "%s%s", dir, tail);

    if (n < 0 || n >= PATHS_MAX)
        return err_set(err, ENAMETOOLONG, "path too long: %s%s", dir, tail);
    return 0;
}

/* mkdir -p; only the last component matters for the mode. */
static int make_dirs(const char *path, struct err *err)
{
    char part[PATHS_MAX];
    size_t len = strlen(path);

    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return err_set(err, errno, "cannot create directory %s: %s", part, strerror(errno));
    }
    return 0;
}

static int user_state_dir(char buf[static PATHS_MAX], struct err *err)
{
    const char *dir = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    const struct passwd *pw;

    if (dir && dir[0] == '/')
        return fill(buf, err, dir, "/xenolith");
    if (!home || home[0] != '/') {
        pw = getpwuid(getuid());
        home = pw ? pw->pw_dir : NULL;
    }
    if (!home)
        return err_set(err, ENOENT, "no home directory; set HOME or XENOLITH_RUN_DIR");
    return fill(buf, err, home, "/.local/state/xenolith");
}

static int choose_dir(char buf[static PATHS_MAX], const char *override, const char *system,
                      const char *tail, struct err *err)
{
    char state[PATHS_MAX];
    int rc;

    if (override && override[0] && override[0] != '/')
        return err_set(err, EINVAL, "%s is no absolute path; XENOLITH_RUN_DIR and its like must be",
                       override);
    if (override && override[0])
        return fill(buf, err, override, "");
    if (geteuid() == 0)
        return fill(buf, err, system, "");
    rc = user_state_dir(state, err);
    return rc < 0 ? rc : fill(buf, err, state, tail);
}

int paths_run_dir(char buf[static PATHS_MAX], struct err *err)
{
    const char *override = getenv("XENOLITH_RUN_DIR");
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    int rc;

    if (!override && geteuid() != 0 && xdg && xdg[0] == '/' && access(xdg, W_OK) == 0)
        rc = fill(buf, err, xdg, "/xenolith");
    else
        rc = choose_dir(buf, override, "/run/xenolith", "/run", err);
    if (rc == 0)
        rc = make_dirs(buf, err);
    if (rc < 0)
        return rc;
    /* Whoever owns this directory can pose as our domains. */
    if (lstat(buf, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return err_set(err, EPERM,
                       "%s is not a directory of yours; remove it or set "
                       "XENOLITH_RUN_DIR",
                       buf);
    if (st.st_mode & S_IWOTH)
        return err_set(err, EPERM, "everybody may write to %s; chmod o-w it", buf);
    return 0;
}

int paths_log_dir(char buf[static PATHS_MAX], struct err *err)
{
    int rc = choose_dir(buf, getenv("XENOLITH_LOG_DIR"), "/var/log/xenolith", "/log", err);

    return rc < 0 ? rc : make_dirs(buf, err);
}

int paths_state_dir(char buf[static PATHS_MAX], struct err *err)
{
    const char *override = getenv("XENOLITH_STATE_DIR"), *run = getenv("XENOLITH_RUN_DIR");
    int rc;

    if (!(override && override[0]) && run && run[0] == '/')
        rc = fill(buf, err, run, "/state");
    else
        rc = choose_dir(buf, override, "/var/lib/xend", "", err);
    return rc < 0 ? rc : make_dirs(buf, err);
}

int paths_config_dir(char buf[static PATHS_MAX], struct err *err)
{
    const char *named = getenv("XENOLITH_CONFIG_DIR"), *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    if (named && named[0] == '/')
        return fill(buf, err, named, "");
    if (geteuid() == 0)
        return fill(buf, err, "/etc/xen", "");
    if (xdg && xdg[0] == '/')
        return fill(buf, err, xdg, "/xenolith");
    return fill(buf, err, home && home[0] == '/' ? home : "/nonexistent", "/.config/xenolith");
}

int paths_dump_dir(char buf[static PATHS_MAX], struct err *err)
{
    char state[PATHS_MAX];
    int rc = paths_state_dir(state, err);

    if (rc < 0)
        return rc;
    if (strcmp(state, "/var/lib/xend") == 0)
        rc = fill(buf, err, "/var/xen", "/dump");
    else
        rc = fill(buf, err, state, "/dump");
    return rc < 0 ? rc : make_dirs(buf, err);
}

/* `dir`/`program` if that can be run. */
static bool try_helper(char buf[static PATHS_MAX], const char *dir, const char *program)
{
    int len = snprintf(buf, PATHS_MAX, "%s/%s", dir, program);

    return len > 0 && len < PATHS_MAX && access(buf, X_OK) == 0;
}

void paths_own_dir(char buf[static PATHS_MAX])
{
    ssize_t n = readlink("/proc/self/exe", buf, PATHS_MAX - 1);
    char *slash;

    buf[n > 0 ? n : 0] = '\0';
    slash = strrchr(buf, '/');
    buf[slash ? slash - buf + 1 : 0] = '\0';
}

static bool can_run(char buf[static PATHS_MAX], const char *dir, const char *name)
{
    int n = snprintf(buf, PATHS_MAX, "%s/%s", dir, name);

    return n > 0 && n < PATHS_MAX && access(buf, X_OK) == 0;
}

int paths_script(char buf[static PATHS_MAX], const char *name, struct err *err)
{
    const char *given = getenv("XENOLITH_SCRIPTS_DIR");
    char own[PATHS_MAX];

    if (given && can_run(buf, given, name))
        return 0;
    paths_own_dir(own);
    if (own[0] && strlen(own) + sizeof(BUILD_SCRIPTS) < PATHS_MAX) {
        memcpy(own + strlen(own), BUILD_SCRIPTS, sizeof(BUILD_SCRIPTS));
        if (can_run(buf, own, name))
            return 0;
    }
    if (can_run(buf, XENOLITH_SCRIPTSDIR, name) || can_run(buf, SYSTEM_SCRIPTS, name))
        return 0;
    return err_set(err, ENOENT, "there is no script %s in " SYSTEM_SCRIPTS, name);
}

int paths_helper(char buf[static PATHS_MAX], const char *program, struct err *err)
{
    static const char *const dirs[] = {XENOLITH_LIBEXECDIR, XENOLITH_BINDIR, XENOLITH_SBINDIR};
    char self[PATHS_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (n > 0) {
        self[n] = '\0';
        slash = strrchr(self, '/');
        if (slash) {
            *slash = '\0';
            if (try_helper(buf, self, program))
                return 0;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        if (try_helper(buf, dirs[i], program))
            return 0;
    return err_set(err, ENOENT,
                   "program %s is neither beside this one nor in %s; the installation is "
                   "incomplete",
                   program, XENOLITH_LIBEXECDIR);
}
