/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * format.c - see format.h. Flags, widths and precisions are limited to what is harmless before
 * they reach printf.
 */
#define _GNU_SOURCE
#include "config/format.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config/operators.h"

#define MAX_SPEC 16 /* "%-+0 123.456d" and NUL */

struct format {
    struct scope *scope;
    unsigned int line;
    const struct value *args;
    size_t used; /* of the tuple's items */
    struct err *err;
};

/* The directive at p (behind '%' and a name): copies "%..X" to spec; its length, or 0 if it is
 * none that we know. */
static size_t take_directive(const char *p, char spec[static MAX_SPEC])
{
    size_t n = 0;

    while (p[n] && strchr("-+ 0#", p[n]) && n < 4)
        n++;
    for (size_t digits = 0; isdigit((unsigned char)p[n]) && digits < 3; digits++)
        n++;
    if (p[n] == '.')
        n++;
    for (size_t digits = 0; isdigit((unsigned char)p[n]) && digits < 3; digits++)
        n++;
    if (!p[n] || !strchr("sdiurxXofge", p[n]))
        return 0;
    n++;
    snprintf(spec, MAX_SPEC, "%%%.*s", (int)n, p);
    return n;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
/* One directive with its argument. */
static int format_one(const struct format *f, const char *spec, const struct value *arg, char **ret)
{
    size_t n = strlen(spec) - 1;
    char type = spec[n];
    bool number = value_is_number(arg) || arg->kind == VALUE_FLOAT;
    char edited[MAX_SPEC + 4];
    const char *text;

    if (strchr("diuxXo", type)) {
        long long i = arg->kind == VALUE_FLOAT ? (long long)arg->real : arg->integer;

        if (!number)
            return scope_fail(f->scope, f->line, f->err, "%%%c needs an integer, not %s", type,
                              value_kind_name(arg));
        snprintf(edited, sizeof(edited), "%.*sll%c", (int)n, spec, type == 'u' ? 'd' : type);
        *ret = arena_printf(f->scope->arena, edited, i);
        return 0;
    }
    if (strchr("feg", type)) {
        if (!number)
            return scope_fail(f->scope, f->line, f->err, "%%%c needs a number, not %s", type,
                              value_kind_name(arg));
        *ret = arena_printf(f->scope->arena, spec, value_real(arg));
        return 0;
    }
    text = type == 'r' ? value_to_repr(f->scope->arena, arg) : value_to_text(f->scope->arena, arg);
    snprintf(edited, sizeof(edited), "%.*ss", (int)n, spec);
    *ret = arena_printf(f->scope->arena, edited, text);
    return 0;
}
#pragma GCC diagnostic pop

/* The value for the next directive; *p is behind its '%' and moves over "(name)". */
static int next_argument(struct format *f, const char **p, const struct value **ret)
{
    const char *close = **p == '(' ? strchr(*p, ')') : NULL;

    if (close) {
        const struct value *key = value_string(f->scope->arena, *p + 1, (size_t)(close - *p - 1));

        *p = close + 1;
        if (f->args->kind != VALUE_DICT)
            return scope_fail(f->scope, f->line, f->err, "%%(%s) needs a dictionary, not %s",
                              key->string.text, value_kind_name(f->args));
        return operators_index(f->scope, f->line, f->args, key, ret, f->err);
    }
    if (f->args->kind != VALUE_TUPLE) {
        *ret = f->args;
        if (f->used++ == 0)
            return 0;
    } else if (f->used < f->args->items->count) {
        *ret = f->args->items->at[f->used++];
        return 0;
    }
    return scope_fail(f->scope, f->line, f->err, "more %%-directives than values");
}

/* From a '%' at *p on. */
static int format_directive(struct format *f, const char **p, char **ret)
{
    const struct value *arg;
    char spec[MAX_SPEC];
    size_t n;
    int rc;

    ++*p;
    if (**p == '%') {
        ++*p;
        *ret = arena_printf(f->scope->arena, "%%");
        return 0;
    }
    n = **p == '(' ? 1 : take_directive(*p, spec);
    if (n == 0)
        return scope_fail(f->scope, f->line, f->err, "'%%%c' is no format that is known here",
                          **p ? **p : ' ');
    rc = next_argument(f, p, &arg);
    if (rc != 0)
        return rc;
    n = take_directive(*p, spec);
    if (n == 0)
        return scope_fail(f->scope, f->line, f->err, "'%%%c' is no format that is known here",
                          **p ? **p : ' ');
    *p += n;
    return format_one(f, spec, arg, ret);
}

int format_string(struct scope *s, unsigned int line, const struct value *format,
                  const struct value *args, const struct value **ret, struct err *err)
{
    struct format f = {s, line, args, 0, err};
    const char *p = format->string.text;
    char *out = arena_strndup(s->arena, "", 0);

    while (*p) {
        const char *percent = strchrnul(p, '%');
        char *text = NULL;
        int rc;

        if (percent > p) {
            text = arena_strndup(s->arena, p, (size_t)(percent - p));
            p = percent;
        } else {
            rc = format_directive(&f, &p, &text);
            if (rc != 0)
                return rc;
        }
        rc = scope_check_size(s, line, strlen(out) + strlen(text), err);
        if (rc < 0)
            return rc;
        out = arena_printf(s->arena, "%s%s", out, text);
    }
    if (args->kind == VALUE_TUPLE && f.used < args->items->count)
        return scope_fail(s, line, err, "more values than %%-directives");
    *ret = value_string(s->arena, out, strlen(out));
    return 0;
}
