/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * script_words.c - variables of grub.cfg, and what words become: quotes removed, variables
 * replaced. Without quotes a variable's value is split at blanks and vanishes when empty.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bootloader/script.h"

#define BYTES_A_STEP 64 /* of what is copied */

struct builder {
    char *text; /* of SCRIPT_MAX_WORD + 1 bytes */
    size_t len;
    bool begun; /* there is a word, even if it is empty */
};

const char *script_get(const struct script *s, const char *name)
{
    for (const struct script_var *v = s->vars; v; v = v->next)
        if (strcmp(v->name, name) == 0)
            return v->value;
    return "";
}

void script_set(struct script *s, const char *name, const char *value)
{
    struct arena *a = &s->menu->arena;
    struct script_var *v = s->vars;

    while (v && strcmp(v->name, name) != 0)
        v = v->next;
    if (!v && s->nr_vars < SCRIPT_MAX_VARS) {
        v = arena_alloc(a, sizeof(*v));
        v->name = arena_strndup(a, name, strlen(name));
        v->value = "";
        v->next = s->vars;
        s->vars = v;
        s->nr_vars++;
    }
    if (v && strcmp(v->value, value) != 0)
        v->value = arena_strndup(a, value, strlen(value));
}

/* What was done cost so many steps, and more for the bytes that are copied. */
static void charge(struct script *s, unsigned int steps, size_t bytes)
{
    steps += (unsigned int)(bytes / BYTES_A_STEP);
    s->steps -= steps < s->steps ? steps : s->steps;
}

static void put(struct builder *b, char c)
{
    b->begun = true;
    if (b->len < SCRIPT_MAX_WORD)
        b->text[b->len++] = c;
}

static void end_word(struct script *s, struct builder *b, struct script_argv *argv)
{
    if (b->begun && argv->count < SCRIPT_MAX_ARGS)
        argv->at[argv->count++] = arena_strndup(&s->menu->arena, b->text, b->len);
    b->len = 0;
    b->begun = false;
}

/* The variable at p ("$..."); *end is behind it. NULL: a dollar sign that is none. */
static const char *variable(struct script *s, const char *p, const char *limit, const char **end,
                            char number[static 16])
{
    char name[128];
    size_t n = 0;
    const char *start = p + 1;

    if (start < limit && *start == '{') {
        start++;
        while (start + n < limit && start[n] != '}')
            n++;
        *end = start + n + (start + n < limit);
    } else {
        if (start < limit && (isdigit((unsigned char)*start) || strchr("?#*@", *start)))
            n = 1;
        else
            while (start + n < limit && (isalnum((unsigned char)start[n]) || start[n] == '_'))
                n++;
        *end = start + n;
    }
    if (n == 0 || n >= sizeof(name))
        return n == 0 ? NULL : "";
    memcpy(name, start, n);
    name[n] = '\0';
    if (isdigit((unsigned char)name[0])) {
        unsigned long i = strtoul(name, NULL, 10);

        return i > 0 && i <= s->nr_args ? s->args[i - 1] : "";
    }
    if (strcmp(name, "?") == 0 || strcmp(name, "#") == 0) {
        snprintf(number, 16, "%d", name[0] == '?' ? s->status : (int)s->nr_args);
        return number;
    }
    return script_get(s, name);
}

/* Put a variable's value; returns what is behind it. */
static const char *put_variable(struct script *s, const char *p, const char *limit, bool quoted,
                                struct builder *b, struct script_argv *argv)
{
    char number[16];
    const char *end;
    const char *value = variable(s, p, limit, &end, number);

    /* Looking one up takes time, and takes no memory. */
    charge(s, 1, value ? strlen(value) : 0);
    if (!value) {
        put(b, '$');
        return p + 1;
    }
    for (; *value; value++) {
        if (!quoted && isspace((unsigned char)*value))
            end_word(s, b, argv);
        else
            put(b, *value);
    }
    return end;
}

static const char *put_double_quoted(struct script *s, const char *p, const char *limit,
                                     struct builder *b, struct script_argv *argv)
{
    while (p < limit && *p != '"') {
        if (*p == '$') {
            p = put_variable(s, p, limit, true, b, argv);
        } else {
            if (*p == '\\' && p + 1 < limit && strchr("\"\\$\n", p[1]))
                p++;
            if (*p != '\n' || p[-1] != '\\')
                put(b, *p);
            p++;
        }
    }
    return p < limit ? p + 1 : p;
}

void script_expand(struct script *s, const struct token *t, struct script_argv *argv)
{
    static char room[SCRIPT_MAX_WORD + 1]; /* one thread, no recursion */
    const char *p = t->text, *limit = t->text + t->len;
    struct builder b = {.text = room};

    charge(s, 0, t->len);
    while (p < limit && !boot_menu_is_full(s->menu)) {
        if (*p == '\'') {
            b.begun = true;
            for (p++; p < limit && *p != '\''; p++)
                put(&b, *p);
            p += p < limit;
        } else if (*p == '"') {
            b.begun = true;
            p = put_double_quoted(s, p + 1, limit, &b, argv);
        } else if (*p == '$') {
            p = put_variable(s, p, limit, false, &b, argv);
        } else if (*p == '\\' && p + 1 < limit) {
            if (p[1] != '\n')
                put(&b, p[1]);
            p += 2;
        } else {
            put(&b, *p++);
        }
    }
    end_word(s, &b, argv);
}
