/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * builtins.c - see builtins.h: finds functions in the tables and checks their arguments.
 */
#define _GNU_SOURCE
#include "config/builtins.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "config/builtin.h"
#include "config/operators.h"

#define MAX_ARGS 4 /* of a function that takes keywords */

static const struct builtin *const tables[] = {builtin_data, builtin_text, builtin_host,
                                               builtin_match};

static const char *const modules[] = {"os",     "os.path", "re",   "sys",
                                      "string", "socket",  "time", "random"};

int call_return_text(const struct call *c, const char *text, const struct value **ret)
{
    size_t len = strlen(text);
    int rc = scope_check_size(c->scope, c->line, len, c->err);

    if (rc == 0)
        *ret = value_string(c->scope->arena, text, len);
    return rc;
}

static const struct builtin *find(const char *name)
{
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
        for (const struct builtin *b = tables[t]; b->name; b++)
            if (strcmp(b->name, name) == 0)
                return b;
    return NULL;
}

static const struct value *find_function(struct arena *a, const char *name,
                                         const struct value *self)
{
    const struct builtin *b = find(name);
    struct value *v;

    if (!b)
        return NULL;
    v = arena_alloc(a, sizeof(*v));
    v->kind = VALUE_BUILTIN;
    v->string.text = b->name;
    v->string.len = strlen(b->name);
    v->self = self;
    return v;
}

static const struct value *find_module(struct arena *a, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
        if (strcmp(modules[i], name) == 0)
            return value_named(a, VALUE_MODULE, name);
    return NULL;
}

const struct value *builtins_find(struct arena *a, const char *name)
{
    static const char *const exceptions[] = {
        "Exception",  "StandardError", "ValueError",    "TypeError", "KeyError",
        "IndexError", "NameError",     "IOError",       "OSError",   "RuntimeError",
        "Warning",    "ImportError",   "AttributeError"};

    if (strchr(name, '.'))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++)
        if (strcmp(exceptions[i], name) == 0)
            return value_named(a, VALUE_EXCEPTION, name);
    if (strcmp(name, "xm_vars") == 0)
        return value_named(a, VALUE_MODULE, name);
    return find_function(a, name, NULL);
}

int builtins_import(struct scope *s, unsigned int line, const char *name, const struct value **ret,
                    struct err *err)
{
    *ret = find_module(s->arena, name);
    if (*ret)
        return 0;
    return scope_fail(s, line, err,
                      "module '%s' is not available in config files; os, os.path, re, sys, string, "
                      "socket, time and random are",
                      name);
}

/* os.environ as a dict. */
static int environment(struct scope *s, unsigned int line, const struct value **ret,
                       struct err *err)
{
    const struct value *dict = value_list(s->arena, VALUE_DICT, NULL, 0);
    int rc = 0;

    for (char **e = environ; *e && rc == 0; e++) {
        const char *equals = strchrnul(*e, '=');

        rc = scope_charge(s, line, strlen(*e) / 16 + 1, err);
        value_append(s->arena, dict, value_string(s->arena, *e, (size_t)(equals - *e)));
        value_append(
            s->arena, dict,
            value_string(s->arena, equals + (*equals != 0), strlen(equals + (*equals != 0))));
    }
    *ret = dict;
    return rc;
}

/* MODULE.NAME; *ret stays NULL if there is no such thing. */
static int module_attribute(struct scope *s, unsigned int line, const struct value *module,
                            const char *name, const struct value **ret, struct err *err)
{
    const char *full = arena_printf(s->arena, "%s.%s", module->string.text, name);
    const struct value *xm = value_string(s->arena, "xm", 2);

    if (strcmp(full, "os.environ") == 0)
        return environment(s, line, ret, err);
    if (strcmp(full, "sys.argv") == 0)
        *ret = value_list(s->arena, VALUE_LIST, &xm, 1);
    else if (strcmp(full, "sys.platform") == 0)
        *ret = value_string(s->arena, "linux2", 6);
    else
        *ret = find_module(s->arena, full);
    if (!*ret && strcmp(module->string.text, "string") == 0)
        *ret = find_function(s->arena, arena_printf(s->arena, "str.%s", name), NULL);
    if (!*ret)
        *ret = find_function(s->arena, full, NULL);
    if (*ret)
        return 0;
    return scope_fail(s, line, err, "%s is not available in config files%s", full,
                      strcmp(module->string.text, "os") == 0
                          ? ": nothing that a config says is run on this host"
                          : "");
}

int builtins_attribute(struct scope *s, unsigned int line, const struct value *object,
                       const char *name, const struct value **ret, struct err *err)
{
    const char *of = object->kind == VALUE_STRING  ? "str"
                     : object->kind == VALUE_LIST  ? "list"
                     : object->kind == VALUE_DICT  ? "dict"
                     : object->kind == VALUE_MATCH ? "match"
                                                   : NULL;

    *ret = NULL;
    if (object->kind == VALUE_MODULE)
        return module_attribute(s, line, object, name, ret, err);
    if (of)
        *ret = find_function(s->arena, arena_printf(s->arena, "%s.%s", of, name), object);
    if (*ret)
        return 0;
    return scope_fail(s, line, err, "%s has no '.%s'", value_kind_name(object), name);
}

static bool fits(int kind, const struct value *v)
{
    switch (kind) {
    case 's':
        return v->kind == VALUE_STRING;
    case 'i':
        return value_is_number(v);
    case 'n':
        return value_is_number(v) || v->kind == VALUE_FLOAT;
    case 'f':
        return v->kind == VALUE_FUNCTION;
    default:
        return true;
    }
}

static int check_arguments(const struct builtin *b, const struct call *c)
{
    static const char *const what[] = {
        ['s'] = "a string", ['i'] = "an integer", ['n'] = "a number", ['f'] = "a function"};
    size_t i = 0;

    for (const char *kind = b->args; *kind && *kind != '.'; kind++, i++) {
        int lower = tolower((unsigned char)*kind);

        if (i >= c->nr_args && isupper((unsigned char)*kind))
            break;
        if (i >= c->nr_args)
            return CALL_FAIL(c, "%s() needs more arguments", b->name);
        if (isupper((unsigned char)*kind) && c->args[i]->kind == VALUE_NONE)
            continue;
        if (!fits(lower, c->args[i]))
            return CALL_FAIL(c, "%s(): argument %zu must be %s, not %s", b->name, i + 1,
                             what[lower], value_kind_name(c->args[i]));
    }
    if (i < c->nr_args && !strchr(b->args, '.'))
        return CALL_FAIL(c, "%s() takes %zu argument%s", b->name, strlen(b->args),
                         strlen(b->args) == 1 ? "" : "s");
    for (i = 0; i < c->nr_args; i++) {
        int rc = scope_charge_value(c->scope, c->line, c->args[i], c->err);

        if (rc < 0)
            return rc;
    }
    return c->self ? scope_charge_value(c->scope, c->line, c->self, c->err) : 0;
}

/* Position of the argument called `name`, or MAX_ARGS. */
static size_t position(const struct builtin *b, const char *name)
{
    const char *p = b->names ? b->names : "";
    size_t n = strlen(name);

    for (size_t i = 0; *p; i++) {
        if (strncmp(p, name, n) == 0 && (p[n] == ' ' || !p[n]))
            return i;
        p += strcspn(p, " ");
        p += *p == ' ';
    }
    return MAX_ARGS;
}

/* Put keyword arguments where they belong; what is left out between them is None. */
static int place_keywords(const struct builtin *b, struct call *c, const char *const *names,
                          const struct value *placed[static MAX_ARGS])
{
    size_t count = 0;

    for (size_t i = 0; i < MAX_ARGS; i++)
        placed[i] = value_none();
    for (size_t i = 0; i < c->nr_args; i++) {
        size_t at = names[i] ? position(b, names[i]) : i;

        if (at >= MAX_ARGS)
            return CALL_FAIL(c, "%s() has no argument '%s'", b->name, names[i] ? names[i] : "");
        placed[at] = c->args[i];
        count = at + 1 > count ? at + 1 : count;
    }
    c->args = placed;
    c->nr_args = count;
    return 0;
}

int builtins_call(struct scope *s, unsigned int line, const struct value *fn,
                  const struct value *args, const char *const *names, const struct value **ret,
                  struct err *err)
{
    struct call call = {s, line, fn->self, args->items->at, args->items->count, err};
    const struct builtin *b = find(fn->string.text);
    const struct value *placed[MAX_ARGS];
    int rc = 0;

    if (!b)
        return scope_fail(s, line, err, "%s cannot be called", fn->string.text);
    if (!fn->self && strncmp(b->name, "str.", 4) == 0) {
        /* string.NAME(text, ...) is text.NAME(...) */
        if (call.nr_args == 0 || call.args[0]->kind != VALUE_STRING)
            return scope_fail(s, line, err, "string%s() needs a string first", b->name + 3);
        call.self = *call.args++;
        call.nr_args--;
        names = NULL;
    }
    if (names)
        rc = place_keywords(b, &call, names, placed);
    if (rc == 0)
        rc = check_arguments(b, &call);
    return rc < 0 ? rc : b->fn(&call, ret);
}
