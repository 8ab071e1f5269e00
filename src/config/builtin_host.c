/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * builtin_host.c - functions that look at the host: os, socket, sys, time, random; and
 * xm_vars, by which a file declares what it wants from the command line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "config/builtin.h"
#include "config/exec.h"

static int fn_uname(const struct call *c, const struct value **ret)
{
    struct arena *a = c->scope->arena;
    const struct value *items[5];
    struct utsname u;

    if (uname(&u) < 0)
        return CALL_FAIL(c, "uname: %s", strerror(errno));
    items[0] = value_string(a, u.sysname, strlen(u.sysname));
    items[1] = value_string(a, u.nodename, strlen(u.nodename));
    items[2] = value_string(a, u.release, strlen(u.release));
    items[3] = value_string(a, u.version, strlen(u.version));
    items[4] = value_string(a, u.machine, strlen(u.machine));
    *ret = value_list(a, VALUE_TUPLE, items, 5);
    return 0;
}

static int fn_getenv(const struct call *c, const struct value **ret)
{
    const char *value = getenv(call_text(c, 0));

    if (value)
        return call_return_text(c, value, ret);
    *ret = c->nr_args > 1 ? c->args[1] : value_none();
    return 0;
}

static int fn_getcwd(const struct call *c, const struct value **ret)
{
    char *cwd = getcwd(NULL, 0);
    int rc = call_return_text(c, cwd ? cwd : ".", ret);

    free(cwd);
    return rc;
}

static int fn_gethostname(const struct call *c, const struct value **ret)
{
    char name[256] = "";

    gethostname(name, sizeof(name) - 1);
    return call_return_text(c, name, ret);
}

/* A look at the file system costs more than a step. */
static int look(const struct call *c, mode_t *ret)
{
    struct stat st;

    *ret = stat(call_text(c, 0), &st) == 0 ? st.st_mode : 0;
    return scope_charge(c->scope, c->line, 20, c->err);
}

static int fn_exists(const struct call *c, const struct value **ret)
{
    mode_t mode;
    int rc = look(c, &mode);

    *ret = value_bool(mode != 0);
    return rc;
}

static int fn_isfile(const struct call *c, const struct value **ret)
{
    mode_t mode;
    int rc = look(c, &mode);

    *ret = value_bool(S_ISREG(mode));
    return rc;
}

static int fn_isdir(const struct call *c, const struct value **ret)
{
    mode_t mode;
    int rc = look(c, &mode);

    *ret = value_bool(S_ISDIR(mode));
    return rc;
}

static int fn_basename(const struct call *c, const struct value **ret)
{
    const char *slash = strrchr(call_text(c, 0), '/');

    return call_return_text(c, slash ? slash + 1 : call_text(c, 0), ret);
}

static int fn_dirname(const struct call *c, const struct value **ret)
{
    const char *text = call_text(c, 0);
    const char *slash = strrchr(text, '/');
    size_t n = slash == text ? 1 : slash ? (size_t)(slash - text) : 0;

    *ret = value_string(c->scope->arena, text, n);
    return 0;
}

static int fn_join_path(const struct call *c, const struct value **ret)
{
    const char *path = call_text(c, 0);

    for (size_t i = 1; i < c->nr_args; i++) {
        const char *next;
        size_t n = strlen(path);
        int rc;

        if (c->args[i]->kind != VALUE_STRING)
            return CALL_FAIL(c, "os.path.join(): argument %zu must be a string, not %s", i + 1,
                             value_kind_name(c->args[i]));
        next = call_text(c, i);
        rc = scope_check_size(c->scope, c->line, n + strlen(next), c->err);
        if (rc < 0)
            return rc;
        path = next[0] == '/' ? next
                              : arena_printf(c->scope->arena, "%s%s%s", path,
                                             n && path[n - 1] != '/' ? "/" : "", next);
    }
    return call_return_text(c, path, ret);
}

static int fn_exit(const struct call *c, const struct value **ret)
{
    const char *text = c->nr_args ? value_to_text(c->scope->arena, c->args[0]) : "";

    return CALL_FAIL(c, "the file ends itself: sys.exit(%.200s)", text);
}

static int fn_time(const struct call *c, const struct value **ret)
{
    *ret = value_float(c->scope->arena, (double)time(NULL));
    return 0;
}

static int fn_randint(const struct call *c, const struct value **ret)
{
    int64_t from = c->args[0]->integer, to = c->args[1]->integer;
    uint64_t n = 0;

    if (to < from)
        return CALL_FAIL(c, "random.randint(): there is nothing between %lld and %lld",
                         (long long)from, (long long)to);
    if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
        return CALL_FAIL(c, "no random numbers");
    n = (uint64_t)to - (uint64_t)from == UINT64_MAX ? n : n % ((uint64_t)to - (uint64_t)from + 1);
    *ret = value_int(c->scope->arena, (int64_t)((uint64_t)from + n));
    return 0;
}

/* xm_vars.var(name, use, check) */
static int fn_var(const struct call *c, const struct value **ret)
{
    struct declared *d = arena_alloc(c->scope->arena, sizeof(*d));
    struct declared **end = &c->scope->declared;

    d->name = call_text(c, 0);
    d->use = c->nr_args > 1 && c->args[1]->kind == VALUE_STRING ? call_text(c, 1) : "";
    d->check = c->nr_args > 2 && c->args[2]->kind == VALUE_FUNCTION ? c->args[2] : NULL;
    while (*end)
        end = &(*end)->next;
    *end = d;
    *ret = value_none();
    return scope_charge(c->scope, c->line, 10, c->err);
}

/* xm_vars.check(): every declared variable is there, and its function has passed it. */
static int fn_check(const struct call *c, const struct value **ret)
{
    struct scope *s = c->scope;
    int rc = 0;

    *ret = value_none();
    for (const struct declared *d = s->declared; d && rc == 0; d = d->next) {
        struct variable *v = scope_find(s, d->name);
        const struct value *pair[2], *value;

        if (!v)
            return CALL_FAIL(c, "this file needs %s=VALUE on the command line%s%.200s", d->name,
                             d->use[0] ? ": " : "", d->use);
        v->used = true;
        if (!d->check)
            continue;
        pair[0] = value_string(s->arena, d->name, strlen(d->name));
        pair[1] = v->value;
        rc = exec_call(s, c->line, d->check->function, value_list(s->arena, VALUE_TUPLE, pair, 2),
                       NULL, &value, c->err);
        if (rc < 0 && !s->exhausted)
            return CALL_FAIL(c, "%s=%.100s is refused by this file%s%.200s (%s)", d->name,
                             value_to_text(s->arena, pair[1]), d->use[0] ? ": " : "", d->use,
                             s->raised ? s->raised : "error");
        if (rc == 0)
            v->value = value;
    }
    return rc;
}

const struct builtin builtin_host[] = {
    {"os.uname", "", fn_uname, NULL},           {"os.getenv", "sA", fn_getenv, NULL},
    {"os.getcwd", "", fn_getcwd, NULL},         {"os.path.exists", "s", fn_exists, NULL},
    {"os.path.isfile", "s", fn_isfile, NULL},   {"os.path.isdir", "s", fn_isdir, NULL},
    {"os.path.join", "s.", fn_join_path, NULL}, {"os.path.basename", "s", fn_basename, NULL},
    {"os.path.dirname", "s", fn_dirname, NULL}, {"socket.gethostname", "", fn_gethostname, NULL},
    {"sys.exit", "A", fn_exit, NULL},           {"time.time", "", fn_time, NULL},
    {"random.randint", "ii", fn_randint, NULL}, {"xm_vars.var", "sSF", fn_var, "name use check"},
    {"xm_vars.check", "", fn_check, NULL},      {0},
};
