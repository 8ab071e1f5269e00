/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * config.c - see config.h. Evaluation leaves variables; those whose names are options are
 * converted to the option's type, the others are checked for typing errors.
 */
#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "config/eval.h"
#include "config/exec.h"
#include "config/options.h"
#include "config/parser.h"

#define FILE_MAX (1024u * 1024)
#define MAX_WARNINGS 100

static const char command_line[] = "command line";

struct setting {
    const struct option_info *option;
    const struct value *value; /* converted */
    const char *place;
    bool from_command_line;
    struct setting *next;
};

struct config {
    struct arena arena;
    const char *path;
    struct scope scope;
    struct setting *settings;
    const char *warnings[MAX_WARNINGS];
    size_t nr_warnings;
};

struct config *config_new(void)
{
    struct config *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->path = "";
    c->scope.arena = &c->arena;
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    arena_done(&c->arena);
    free(c);
}

struct arena *config_arena(struct config *c)
{
    return &c->arena;
}

void config_set_path(struct config *c, const char *path)
{
    c->path = arena_strndup(&c->arena, path, strlen(path));
    c->scope.file = c->path;
}

void config_warn(struct config *c, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    if (c->nr_warnings == MAX_WARNINGS)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    c->warnings[c->nr_warnings++] = arena_strndup(&c->arena, text, strlen(text));
}

static struct setting *find(const struct config *c, const char *name)
{
    for (struct setting *s = c->settings; s; s = s->next)
        if (strcmp(s->option->name, name) == 0)
            return s;
    return NULL;
}

static struct setting *add(struct config *c, const struct option_info *option)
{
    struct setting *s = find(c, option->name);

    if (s)
        return s;
    s = arena_alloc(&c->arena, sizeof(*s));
    s->option = option;
    s->next = c->settings;
    c->settings = s;
    return s;
}

/* A list option's strings so far and one more. */
static const struct value *longer_list(struct config *c, const struct option_info *option,
                                       const struct value *item)
{
    const struct setting *old = find(c, option->name);
    const struct value *list =
        old && old->value ? old->value : value_list(&c->arena, VALUE_LIST, NULL, 0);

    value_append(&c->arena, list, item);
    return list;
}

static void store(struct config *c, const struct option_info *option, const struct value *value,
                  const char *place)
{
    struct setting *s = add(c, option);

    s->value = value;
    s->place = place;
    s->from_command_line = place == command_line;
}

int config_set(struct config *c, const char *name, const struct value *value, const char *place,
               struct err *err)
{
    const struct option_info *option = option_find(name);
    const struct setting *old = find(c, name);
    int rc;

    if (!option || !value || (old && old->from_command_line))
        return 0;
    rc = option_convert(option, &c->arena, value, &value, err);
    if (rc < 0)
        return err ? err_wrap(err, "%s", place) : rc;
    if (option->type == OPTION_LIST && old && old->value && value->items->count == 1)
        value = longer_list(c, option, value->items->at[0]);
    store(c, option, value, place);
    return 0;
}

/* Does the value of an assignment look like a piece of config? A ';' may belong to a text. */
static bool is_piece(const struct option_info *option, const char *value)
{
    return (value[0] && strchr("'\"[", value[0])) ||
           (option && option->type != OPTION_STRING && strchr(value, ';'));
}

/* xl takes pieces of config as arguments: NAME="text", NAME=[...], several with ';'. False:
 * this is none. */
static bool override_by_text(struct config *c, const struct option_info *known, const char *text,
                             int *ret_rc, struct err *err)
{
    struct scope scope = {.arena = &c->arena, .file = command_line};
    const char *value = strchr(text, '=') + 1;
    struct node_list statements;

    value += strspn(value, " \t");
    *ret_rc = 0;
    if (!is_piece(known, value))
        return false;
    *ret_rc = parser_parse_file(&statements, &c->arena, command_line, text, strlen(text), err);
    if (*ret_rc < 0)
        return value[0] == '[';
    *ret_rc = exec_statements(&scope, &statements, err);
    for (const struct variable *v = scope.globals.first; v && *ret_rc == 0; v = v->next) {
        const struct option_info *option = option_find(v->name);
        const struct value *converted = v->value;

        if (!option)
            *ret_rc = scope_set(&c->scope, v->name, v->value, 0, err);
        else
            *ret_rc = option_convert(option, &c->arena, v->value, &converted, err);
        if (option && *ret_rc == 0)
            store(c, option, converted, command_line);
    }
    return true;
}

int config_add_override(struct config *c, const char *assignment, struct err *err)
{
    const char *equals = strchr(assignment, '=');
    const struct option_info *option;
    const struct value *value;
    size_t len = strcspn(assignment, "= \t"); /* of the name; xl's may have blanks behind */
    char *name;
    int rc;

    if (!equals || len == 0 || assignment + len + strspn(assignment + len, " \t") != equals)
        return err_set(err, EINVAL, "'%s' is not of the form VAR=VALUE", assignment);
    name = arena_strndup(&c->arena, assignment, len);
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_')
            return err_set(err, EINVAL, "'%s' is not of the form VAR=VALUE", assignment);
    option = option_find(name);
    if (override_by_text(c, option, assignment, &rc, err))
        return rc;
    value = value_string(&c->arena, equals + 1, strlen(equals + 1));
    /* For the file to use (`vmid=3`); a typing error shows when it is not. */
    if (!option)
        return scope_set(&c->scope, name, value, 0, err);
    if (option->type == OPTION_LIST) {
        value = longer_list(c, option, value);
    } else {
        rc = option_convert(option, &c->arena, value, &value, err);
        if (rc < 0)
            return rc;
    }
    store(c, option, value, command_line);
    return 0;
}

static void check_unknown(struct config *c, const struct variable *v)
{
    const struct option_info *guess = option_guess(v->name);
    const char *place = v->line ? arena_printf(&c->arena, "%s:%u", c->path, v->line) : command_line;

    if (v->used || v->value->kind >= VALUE_MODULE)
        return;
    if (guess)
        config_warn(c, "%s: unknown option '%s' is ignored; did you mean '%s'?", place, v->name,
                    guess->name);
    else
        config_warn(c, "%s: unknown option '%s' is ignored", place, v->name);
}

static int take_settings(struct config *c, struct err *err)
{
    for (const struct variable *v = c->scope.globals.first; v; v = v->next) {
        const struct option_info *option = option_find(v->name);
        const struct value *value;
        const struct setting *old = find(c, v->name);
        int rc;

        if (!v->value)
            continue;
        if (!option) {
            check_unknown(c, v);
            continue;
        }
        if (old && old->from_command_line)
            continue;
        rc = option_convert(option, &c->arena, v->value, &value, err);
        if (rc < 0)
            return err ? err_wrap(err, "%s:%u", c->path, v->line) : rc;
        store(c, option, value, arena_printf(&c->arena, "%s:%u", c->path, v->line));
    }
    return 0;
}

/* The variables that a file finds: xm_file, its own name, and xm_help. */
static int set_given(struct config *c, struct err *err)
{
    int rc =
        scope_set(&c->scope, "xm_file", value_string(&c->arena, c->path, strlen(c->path)), 0, err);

    if (rc == 0)
        rc = scope_set(&c->scope, "xm_help", value_int(&c->arena, 0), 0, err);
    if (rc < 0)
        return rc;
    scope_find(&c->scope, "xm_file")->used = true;
    scope_find(&c->scope, "xm_help")->used = true;
    return 0;
}

/* Files of other kinds get a word about what they are instead of an error of syntax. */
static int check_kind(const struct config *c, const char *text, size_t len, struct err *err)
{
    if (len > 0 && text[0] == '<')
        return err_set(err, ENOTSUP, "%s: this is XML of the Xen-API, which is not supported",
                       c->path);
    if ((len > 3 && memcmp(text, "(vm", 3) == 0) || (len > 7 && memcmp(text, "(domain", 7) == 0))
        return err_set(err, EINVAL, "%s: this is an S-expression; read it with: xm create -F %s",
                       c->path, c->path);
    return 0;
}

int config_load_text(struct config *c, const char *name, const char *text, size_t len,
                     struct err *err)
{
    struct node_list statements;
    int rc;

    config_set_path(c, name);
    rc = check_kind(c, text, len, err);
    if (rc == 0)
        rc = set_given(c, err);
    if (rc == 0)
        rc = parser_parse_file(&statements, &c->arena, c->path, text, len, err);
    if (rc == 0)
        rc = exec_statements(&c->scope, &statements, err);
    return rc < 0 ? rc : take_settings(c, err);
}

int config_read_file(const char *path, char **ret, size_t *ret_len, struct err *err)
{
    struct err cause = {0};
    int rc = io_read_file(path, FILE_MAX, ret, ret_len, &cause);

    return rc < 0 ? err_set(err, -rc, "Unable to open config file: %s", cause.msg) : 0;
}

int config_load(struct config *c, const char *path, struct err *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t len;
    int rc = config_read_file(path, &text, &len, err);

    return rc < 0 ? rc : config_load_text(c, path, text, len, err);
}

const struct value *config_value(const struct config *c, const char *name)
{
    const struct setting *s = find(c, name);

    return s ? s->value : NULL;
}

bool config_is_set(const struct config *c, const char *name)
{
    return config_value(c, name) != NULL;
}

const char *config_string(const struct config *c, const char *name, const char *otherwise)
{
    const struct value *v = config_value(c, name);

    return v && v->kind == VALUE_STRING ? v->string.text : otherwise;
}

int64_t config_int(const struct config *c, const char *name, int64_t otherwise)
{
    const struct value *v = config_value(c, name);

    return v && v->kind == VALUE_INT ? v->integer : otherwise;
}

size_t config_list_count(const struct config *c, const char *name)
{
    const struct value *v = config_value(c, name);

    return v && v->kind == VALUE_LIST ? v->items->count : 0;
}

const char *config_list_item(const struct config *c, const char *name, size_t i)
{
    const struct value *v = config_value(c, name);

    return v && v->kind == VALUE_LIST && i < v->items->count ? v->items->at[i]->string.text : NULL;
}

const char *config_place(const struct config *c, const char *name)
{
    const struct setting *s = find(c, name);

    return s && s->place ? s->place : c->path;
}

const char *config_path(const struct config *c)
{
    return c->path;
}

size_t config_warning_count(const struct config *c)
{
    return c->nr_warnings;
}

const char *config_warning(const struct config *c, size_t i)
{
    return c->warnings[i];
}

size_t config_printed_count(const struct config *c)
{
    return c->scope.nr_printed;
}

const char *config_printed(const struct config *c, size_t i)
{
    return c->scope.printed[i];
}
