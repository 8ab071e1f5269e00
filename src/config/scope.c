/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * scope.c - see scope.h.
 */
#include "config/scope.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_VARIABLES 2000
#define BYTES_A_STEP 32 /* of a string that is read */

static unsigned int hash(const char *name)
{
    unsigned int h = 5381;

    for (; *name; name++)
        h = h * 33 + (unsigned char)*name;
    return h % SCOPE_BUCKETS;
}

static struct variable *find(const struct variables *in, const char *name)
{
    for (struct variable *v = in->buckets[hash(name)]; v; v = v->next_in_bucket)
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

struct variable *scope_find(const struct scope *s, const char *name)
{
    struct variable *v = s->locals ? find(s->locals, name) : NULL;

    if (!v || !v->value)
        v = find(&s->globals, name);
    return v && v->value ? v : NULL;
}

int scope_set(struct scope *s, const char *name, const struct value *value, unsigned int line,
              struct err *err)
{
    struct variables *in = s->locals ? s->locals : &s->globals;
    struct variable *v = find(in, name);
    unsigned int bucket = hash(name);

    if (!v) {
        if (in->count++ == MAX_VARIABLES) {
            s->exhausted = true;
            return scope_fail(s, line, err, "more than %d variables", MAX_VARIABLES);
        }
        v = arena_alloc(s->arena, sizeof(*v));
        v->name = arena_strndup(s->arena, name, strlen(name));
        v->next_in_bucket = in->buckets[bucket];
        in->buckets[bucket] = v;
        if (in->last)
            in->last->next = v;
        else
            in->first = v;
        in->last = v;
    }
    v->value = value;
    v->line = line;
    return 0;
}

void scope_error(const struct scope *s, unsigned int line, struct err *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err_set(err, EINVAL, "%s:%u: %s", s->file, line, text);
}

int scope_charge(struct scope *s, unsigned int line, size_t n, struct err *err)
{
    if (n > SCOPE_MAX_STEPS - s->steps) {
        s->exhausted = true;
        return scope_fail(s, line, err,
                          "this file takes too many steps to evaluate; does a loop never end?");
    }
    s->steps += (unsigned int)n;
    return scope_check_size(s, line, 0, err);
}

int scope_charge_value(struct scope *s, unsigned int line, const struct value *v, struct err *err)
{
    return scope_charge(s, line, v->string.len / BYTES_A_STEP + (v->items ? v->items->count : 0),
                        err);
}

int scope_check_size(struct scope *s, unsigned int line, size_t size, struct err *err)
{
    if (size > VALUE_MAX_SIZE) {
        s->exhausted = true;
        return scope_fail(s, line, err, "this value becomes too large");
    }
    if (arena_used(s->arena) + size > SCOPE_MAX_MEMORY) {
        s->exhausted = true;
        return scope_fail(s, line, err,
                          "this file needs more than %u MiB of memory; its values become too large",
                          SCOPE_MAX_MEMORY >> 20);
    }
    return 0;
}
