/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * builtins.c - see builtins.h. One table names every function with the kinds of its
 * arguments; methods of strings and lists are in it as "str.NAME" and "list.NAME".
 */
#define _GNU_SOURCE
#include "config/builtins.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

struct call {
    const struct scope *scope;
    unsigned int line;
    const struct value *self; /* methods */
    const struct value **args;
    size_t nr_args;
    struct err *err;
};

typedef int builtin_fn(const struct call *c, const struct value **ret);

static int string_result(const struct call *c, const char *text, const struct value **ret)
{
    *ret = value_string(c->scope->arena, text, strlen(text));
    return 0;
}

static const char *text_of(const struct call *c, size_t i)
{
    return c->args[i]->string.text;
}

static int fn_len(const struct call *c, const struct value **ret)
{
    const struct value *v = c->args[0];

    if (v->kind != VALUE_STRING && v->kind != VALUE_LIST && v->kind != VALUE_TUPLE)
        return eval_fail(c->scope, c->line, c->err, "%s has no length", value_kind_name(v));
    *ret = value_int(c->scope->arena,
                     (int64_t)(v->kind == VALUE_STRING ? v->string.len : v->list.count));
    return 0;
}

static int fn_str(const struct call *c, const struct value **ret)
{
    return string_result(c, value_to_text(c->scope->arena, c->args[0]), ret);
}

static int fn_int(const struct call *c, const struct value **ret)
{
    const struct value *v = c->args[0];
    int64_t n = v->integer;

    if (v->kind == VALUE_STRING && !value_parse_int(v->string.text, &n))
        return eval_fail(c->scope, c->line, c->err, "int(): '%s' is no number", v->string.text);
    if (v->kind != VALUE_STRING && v->kind != VALUE_INT && v->kind != VALUE_BOOL)
        return eval_fail(c->scope, c->line, c->err, "int() does not work on %s",
                         value_kind_name(v));
    *ret = value_int(c->scope->arena, n);
    return 0;
}

static int fn_hex(const struct call *c, const struct value **ret)
{
    return string_result(
        c, arena_printf(c->scope->arena, "0x%llx", (unsigned long long)c->args[0]->integer), ret);
}

static int fn_uname(const struct call *c, const struct value **ret)
{
    struct arena *a = c->scope->arena;
    const struct value *items[5];
    struct utsname u;

    if (uname(&u) < 0)
        return eval_fail(c->scope, c->line, c->err, "uname: %s", strerror(errno));
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
    const char *value = getenv(text_of(c, 0));

    if (value)
        return string_result(c, value, ret);
    *ret = c->nr_args > 1 ? c->args[1] : value_none();
    return 0;
}

static int fn_getcwd(const struct call *c, const struct value **ret)
{
    char *cwd = getcwd(NULL, 0);
    int rc = string_result(c, cwd ? cwd : ".", ret);

    free(cwd);
    return rc;
}

static int fn_gethostname(const struct call *c, const struct value **ret)
{
    char name[256] = "";

    gethostname(name, sizeof(name) - 1);
    return string_result(c, name, ret);
}

static int fn_exists(const struct call *c, const struct value **ret)
{
    *ret = value_bool(access(text_of(c, 0), F_OK) == 0);
    return 0;
}

static int fn_isfile(const struct call *c, const struct value **ret)
{
    struct stat st;

    *ret = value_bool(stat(text_of(c, 0), &st) == 0 && S_ISREG(st.st_mode));
    return 0;
}

static int fn_isdir(const struct call *c, const struct value **ret)
{
    struct stat st;

    *ret = value_bool(stat(text_of(c, 0), &st) == 0 && S_ISDIR(st.st_mode));
    return 0;
}

static int fn_basename(const struct call *c, const struct value **ret)
{
    const char *slash = strrchr(text_of(c, 0), '/');

    return string_result(c, slash ? slash + 1 : text_of(c, 0), ret);
}

static int fn_dirname(const struct call *c, const struct value **ret)
{
    const char *text = text_of(c, 0);
    const char *slash = strrchr(text, '/');
    size_t n = slash == text ? 1 : slash ? (size_t)(slash - text) : 0;

    *ret = value_string(c->scope->arena, text, n);
    return 0;
}

static int fn_join_path(const struct call *c, const struct value **ret)
{
    const char *path = text_of(c, 0);

    for (size_t i = 1; i < c->nr_args; i++) {
        const char *next = c->args[i]->kind == VALUE_STRING ? text_of(c, i) : "";
        size_t n = strlen(path);

        path = next[0] == '/' ? next
                              : arena_printf(c->scope->arena, "%s%s%s", path,
                                             n && path[n - 1] != '/' ? "/" : "", next);
    }
    return string_result(c, path, ret);
}

/* re.search, re.match: the result is only good for its truth, which is what files use. */
static int match(const struct call *c, bool anchored, const struct value **ret)
{
    regmatch_t m;
    regex_t re;
    int r = regcomp(&re, text_of(c, 0), REG_EXTENDED);

    if (r != 0) {
        char text[128];

        regerror(r, &re, text, sizeof(text));
        return eval_fail(c->scope, c->line, c->err, "regular expression '%s': %s", text_of(c, 0),
                         text);
    }
    r = regexec(&re, text_of(c, 1), 1, &m, 0);
    regfree(&re);
    if (r == 0 && (!anchored || m.rm_so == 0))
        *ret = value_bool(true);
    else
        *ret = value_none();
    return 0;
}

static int fn_search(const struct call *c, const struct value **ret)
{
    return match(c, false, ret);
}

static int fn_match(const struct call *c, const struct value **ret)
{
    return match(c, true, ret);
}

static int fn_strip(const struct call *c, const struct value **ret)
{
    const char *text = c->self->string.text;
    size_t n = c->self->string.len;

    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    while (n > 0 && isspace((unsigned char)*text)) {
        text++;
        n--;
    }
    *ret = value_string(c->scope->arena, text, n);
    return 0;
}

static int change_case(const struct call *c, int (*fn)(int), const struct value **ret)
{
    char *text = arena_strndup(c->scope->arena, c->self->string.text, c->self->string.len);

    for (char *p = text; *p; p++)
        *p = (char)fn((unsigned char)*p);
    return string_result(c, text, ret);
}

static int fn_lower(const struct call *c, const struct value **ret)
{
    return change_case(c, tolower, ret);
}

static int fn_upper(const struct call *c, const struct value **ret)
{
    return change_case(c, toupper, ret);
}

static int fn_startswith(const struct call *c, const struct value **ret)
{
    *ret = value_bool(strncmp(c->self->string.text, text_of(c, 0), c->args[0]->string.len) == 0);
    return 0;
}

static int fn_endswith(const struct call *c, const struct value **ret)
{
    size_t n = c->self->string.len, tail = c->args[0]->string.len;

    *ret = value_bool(tail <= n && strcmp(c->self->string.text + n - tail, text_of(c, 0)) == 0);
    return 0;
}

static int fn_join(const struct call *c, const struct value **ret)
{
    const struct value *list = c->args[0];
    char *text = arena_strndup(c->scope->arena, "", 0);

    if (list->kind != VALUE_LIST && list->kind != VALUE_TUPLE)
        return eval_fail(c->scope, c->line, c->err, "join() needs a list");
    for (size_t i = 0; i < list->list.count; i++) {
        const struct value *item = list->list.items[i];
        int rc;

        if (item->kind != VALUE_STRING)
            return eval_fail(c->scope, c->line, c->err, "join() needs a list of strings");
        rc = eval_check_size(c->scope, c->line, strlen(text) + item->string.len, c->err);
        if (rc < 0)
            return rc;
        text = arena_printf(c->scope->arena, "%s%s%s", text, i ? c->self->string.text : "",
                            item->string.text);
    }
    return string_result(c, text, ret);
}

static const char *next_separator(const char *text, const char *separator, size_t *len)
{
    const char *found;

    if (separator) {
        found = strstr(text, separator);
        *len = strlen(separator);
        return found ? found : text + strlen(text);
    }
    found = text + strcspn(text, " \t\r\n");
    *len = strspn(found, " \t\r\n");
    return found;
}

static int fn_split(const struct call *c, const struct value **ret)
{
    const char *separator = c->nr_args ? text_of(c, 0) : NULL;
    const char *p = c->self->string.text;
    const struct value **items;
    size_t count = 0;

    if (separator && !separator[0])
        return eval_fail(c->scope, c->line, c->err, "split() needs a separator of some length");
    items = arena_alloc(c->scope->arena, (c->self->string.len + 1) * sizeof(*items));
    if (!separator)
        p += strspn(p, " \t\r\n");
    for (;;) {
        size_t len = 0;
        const char *end = next_separator(p, separator, &len);

        if (separator || end > p)
            items[count++] = value_string(c->scope->arena, p, (size_t)(end - p));
        if (!*end)
            break;
        p = end + len;
    }
    *ret = value_list(c->scope->arena, VALUE_LIST, items, count);
    return 0;
}

static int fn_replace(const struct call *c, const struct value **ret)
{
    const char *from = text_of(c, 0), *to = text_of(c, 1);
    const char *p = c->self->string.text;
    char *out = arena_strndup(c->scope->arena, "", 0);
    int rc = 0;

    if (!from[0])
        return eval_fail(c->scope, c->line, c->err, "replace() needs something to look for");
    while (rc == 0 && *p) {
        const char *found = strstr(p, from);
        const char *end = found ? found : p + strlen(p);

        rc = eval_check_size(c->scope, c->line, strlen(out) + (size_t)(end - p) + strlen(to),
                             c->err);
        if (rc == 0)
            out =
                arena_printf(c->scope->arena, "%s%.*s%s", out, (int)(end - p), p, found ? to : "");
        p = found ? end + strlen(from) : end;
    }
    return rc < 0 ? rc : string_result(c, out, ret);
}

/* Kinds of arguments: s string, i integer, * anything; upper case S: optional string,
 * '.': any number more. */
static const struct builtin {
    const char *name;
    const char *args;
    builtin_fn *fn;
} builtins[] = {
    {"len", "*", fn_len},
    {"str", "*", fn_str},
    {"int", "*", fn_int},
    {"hex", "i", fn_hex},
    {"os.uname", "", fn_uname},
    {"os.getenv", "sS", fn_getenv},
    {"os.getcwd", "", fn_getcwd},
    {"os.path.exists", "s", fn_exists},
    {"os.path.isfile", "s", fn_isfile},
    {"os.path.isdir", "s", fn_isdir},
    {"os.path.join", "s.", fn_join_path},
    {"os.path.basename", "s", fn_basename},
    {"os.path.dirname", "s", fn_dirname},
    {"re.search", "ss", fn_search},
    {"re.match", "ss", fn_match},
    {"socket.gethostname", "", fn_gethostname},
    {"str.strip", "", fn_strip},
    {"str.lower", "", fn_lower},
    {"str.upper", "", fn_upper},
    {"str.startswith", "s", fn_startswith},
    {"str.endswith", "s", fn_endswith},
    {"str.join", "*", fn_join},
    {"str.split", "S", fn_split},
    {"str.replace", "ss", fn_replace},
};

static const char *const modules[] = {"os", "os.path", "re", "sys", "string", "socket"};

static const struct value *make(struct arena *a, enum value_kind kind, const char *name,
                                const struct value *self)
{
    struct value *v = arena_alloc(a, sizeof(*v));

    v->kind = kind;
    v->string.text = name;
    v->string.len = strlen(name);
    v->self = self;
    return v;
}

static const struct value *find_function(struct arena *a, const char *name,
                                         const struct value *self)
{
    for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
        if (strcmp(builtins[i].name, name) == 0)
            return make(a, VALUE_FUNCTION, builtins[i].name, self);
    return NULL;
}

static const struct value *find_module(struct arena *a, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
        if (strcmp(modules[i], name) == 0)
            return make(a, VALUE_MODULE, modules[i], NULL);
    return NULL;
}

const struct value *builtins_find(struct arena *a, const char *name)
{
    return find_function(a, name, NULL);
}

int builtins_import(const struct scope *s, unsigned int line, const char *name,
                    const struct value **ret, struct err *err)
{
    *ret = find_module(s->arena, name);
    if (*ret)
        return 0;
    return eval_fail(s, line, err,
                     "module '%s' is not available in config files; os, os.path, "
                     "re, sys, string and socket are",
                     name);
}

int builtins_attribute(const struct scope *s, unsigned int line, const struct value *object,
                       const char *name, const struct value **ret, struct err *err)
{
    const char *of = object->kind == VALUE_MODULE   ? object->string.text
                     : object->kind == VALUE_STRING ? "str"
                                                    : NULL;
    char *full;

    if (!of)
        return eval_fail(s, line, err, "%s has no '.%s'", value_kind_name(object), name);
    full = arena_printf(s->arena, "%s.%s", of, name);
    *ret = object->kind == VALUE_MODULE ? find_module(s->arena, full) : NULL;
    if (!*ret)
        *ret = find_function(s->arena, full, object);
    if (*ret)
        return 0;
    return eval_fail(s, line, err, "%s is not available in config files", full);
}

static bool fits(char kind, const struct value *v)
{
    if (kind == 's' || kind == 'S')
        return v->kind == VALUE_STRING;
    return kind == '*' || v->kind == VALUE_INT || v->kind == VALUE_BOOL;
}

int builtins_call(const struct scope *s, unsigned int line, const struct value *fn,
                  const struct value *args, const struct value **ret, struct err *err)
{
    const struct call call = {s, line, fn->self, args->list.items, args->list.count, err};
    const struct builtin *b = NULL;
    size_t i = 0;

    for (size_t k = 0; k < ARRAY_SIZE(builtins) && !b; k++)
        if (strcmp(builtins[k].name, fn->string.text) == 0)
            b = &builtins[k];
    if (!b)
        return eval_fail(s, line, err, "%s cannot be called", fn->string.text);
    for (const char *kind = b->args; *kind && *kind != '.'; kind++, i++) {
        if (i >= call.nr_args && isupper((unsigned char)*kind))
            break;
        if (i >= call.nr_args)
            return eval_fail(s, line, err, "%s() needs more arguments", b->name);
        if (!fits(*kind, call.args[i]))
            return eval_fail(s, line, err, "%s(): argument %zu must be %s, not %s", b->name, i + 1,
                             *kind == 'i' ? "an integer" : "a string",
                             value_kind_name(call.args[i]));
    }
    if (i < call.nr_args && !strchr(b->args, '.'))
        return eval_fail(s, line, err, "%s() takes %zu argument%s", b->name, strlen(b->args),
                         strlen(b->args) == 1 ? "" : "s");
    return b->fn(&call, ret);
}
