/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sxp.c - see sxp.h.
 */
#include "config/sxp.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_MEMORY (16u << 20) /* that a text may take as nodes */
#define WIDTH 80
#define INDENT 4

struct reader {
    struct arena *arena;
    const char *file;
    const char *at, *end;
    unsigned int line;
    struct err *err;
};

static int PRINTF_FMT(2, 3) fail(const struct reader *r, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(r->err, EINVAL, "%s:%u: %s", r->file, r->line, text);
}

static bool at_end(const struct reader *r)
{
    return r->at >= r->end;
}

static void skip_blanks(struct reader *r)
{
    for (; !at_end(r); r->at++) {
        if (*r->at == '#')
            while (!at_end(r) && *r->at != '\n')
                r->at++;
        if (at_end(r) || !isspace((unsigned char)*r->at))
            break;
        r->line += *r->at == '\n';
    }
}

/* An atom ends at these. */
static bool is_delimiter(char c)
{
    return c == '\0' || isspace((unsigned char)c) || strchr("(){}<>[];#", c);
}

static int digit_value(char c, unsigned int base)
{
    int v = isdigit((unsigned char)c)    ? c - '0'
            : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                         : 99;

    return v < (int)base ? v : -1;
}

/* Up to `most` digits of an escape; false if there is none. */
static bool take_number(struct reader *r, unsigned int base, int most, char *ret)
{
    unsigned int n = 0;
    int taken = 0;

    while (taken < most && !at_end(r) && digit_value(*r->at, base) >= 0) {
        n = n * base + (unsigned int)digit_value(*r->at++, base);
        taken++;
    }
    *ret = (char)n;
    return taken > 0;
}

/* Behind a backslash. Unknown escapes keep it. Returns the bytes added to out. */
static size_t take_escape(struct reader *r, char *out)
{
    static const char from[] = "abtnvfr\\'\"";
    static const char to[] = "\a\b\t\n\v\f\r\\'\"";
    char c = *r->at;
    const char *known = c ? strchr(from, c) : NULL;

    if (known) {
        r->at++;
        out[0] = to[known - from];
        return 1;
    }
    if (c >= '0' && c <= '7' && take_number(r, 8, 3, out))
        return 1;
    if (c == 'x' && r->end - r->at > 1 && isxdigit((unsigned char)r->at[1])) {
        r->at++;
        take_number(r, 16, 2, out);
        return 1;
    }
    out[0] = '\\';
    return 1;
}

static int read_string(struct reader *r, struct sxp *ret)
{
    char quote = *r->at++;
    unsigned int first = r->line;
    const char *close = r->at;
    char *out;
    size_t n = 0;

    while (close < r->end && *close != quote)
        close += *close == '\\' ? 2 : 1;
    if (close >= r->end) {
        r->line = first;
        return fail(r, "this string is not closed; %c is missing", quote);
    }
    out = arena_alloc(r->arena, (size_t)(close - r->at) + 1);
    while (r->at < close) {
        r->line += *r->at == '\n';
        if (*r->at == '\\') {
            r->at++;
            n += take_escape(r, out + n);
        } else {
            out[n++] = *r->at++;
        }
    }
    r->at = close + 1;
    ret->atom = out; /* \0 ends a text: nothing of ours takes NULs */
    return 0;
}

static int read_atom(struct reader *r, struct sxp *ret)
{
    const char *start = r->at;

    while (!at_end(r) && !is_delimiter(*r->at))
        r->at++;
    if (r->at == start)
        return *start == '\0'
                   ? fail(r, "a NUL byte; is this a text file?")
                   : fail(r, "'%c' has no meaning here; text with it needs quotes", *start);
    ret->atom = arena_strndup(r->arena, start, (size_t)(r->at - start));
    return 0;
}

static int read_expression(struct reader *r, unsigned int depth, struct sxp **ret);

/* From behind '(' on. */
static int read_list(struct reader *r, unsigned int depth, struct sxp *list)
{
    unsigned int first = r->line;

    for (;;) {
        struct sxp *item = NULL;
        int rc;

        skip_blanks(r);
        if (at_end(r)) {
            r->line = first;
            return fail(r, "'(' is never closed");
        }
        if (*r->at == ')') {
            r->at++;
            return 0;
        }
        rc = read_expression(r, depth + 1, &item);
        if (rc < 0)
            return rc;
        sxp_append(list, item);
    }
}

static int read_expression(struct reader *r, unsigned int depth, struct sxp **ret)
{
    if (depth > MAX_DEPTH)
        return fail(r, "lists are nested too deeply");
    if (arena_used(r->arena) > MAX_MEMORY)
        return fail(r, "this file is too large");
    *ret = arena_alloc(r->arena, sizeof(**ret));
    if (*r->at == '(') {
        r->at++;
        return read_list(r, depth, *ret);
    }
    if (*r->at == ')')
        return fail(r, "')' closes nothing");
    return *r->at == '\'' || *r->at == '"' ? read_string(r, *ret) : read_atom(r, *ret);
}

int sxp_parse(struct arena *a, const char *file, const char *text, size_t len, struct sxp **ret,
              struct err *err)
{
    struct reader r = {a, file, text, text + len, 1, err};
    struct sxp *item = NULL;

    *ret = sxp_list(a, NULL);
    for (;;) {
        int rc;

        skip_blanks(&r);
        if (at_end(&r))
            return 0;
        rc = read_expression(&r, 0, &item);
        if (rc < 0)
            return rc;
        sxp_append(*ret, item);
    }
}

struct sxp *sxp_list(struct arena *a, const char *name)
{
    struct sxp *list = arena_alloc(a, sizeof(*list));

    if (name)
        sxp_append_atom(a, list, name);
    return list;
}

void sxp_append(struct sxp *list, struct sxp *item)
{
    if (list->last)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
}

void sxp_append_atom(struct arena *a, struct sxp *list, const char *atom)
{
    struct sxp *item = arena_alloc(a, sizeof(*item));

    item->atom = arena_strndup(a, atom, strlen(atom));
    sxp_append(list, item);
}

struct sxp *sxp_append_pair(struct arena *a, struct sxp *list, const char *name, const char *value)
{
    struct sxp *pair = sxp_list(a, name);

    if (value[0])
        sxp_append_atom(a, pair, value);
    sxp_append(list, pair);
    return pair;
}

const char *sxp_name(const struct sxp *list)
{
    return list->first && list->first->atom ? list->first->atom : "";
}

const struct sxp *sxp_find(const struct sxp *list, const char *name)
{
    for (const struct sxp *item = list->first; item; item = item->next)
        if (!item->atom && strcmp(sxp_name(item), name) == 0)
            return item;
    return NULL;
}

const char *sxp_value(const struct sxp *list)
{
    const struct sxp *value = list->first ? list->first->next : NULL;

    return value ? value->atom : "";
}

/* Must this atom be quoted to be read as it is? */
static bool needs_quotes(const char *atom)
{
    if (!atom[0])
        return true;
    for (const char *p = atom; *p; p++)
        if (is_delimiter(*p) || (unsigned char)*p < 0x20 || strchr("'\"\\|", *p))
            return true;
    return false;
}

/* Text as an atom, into out if that is not NULL; its length. */
static size_t put_atom(FILE *out, const char *atom)
{
    size_t n = 2;

    if (!needs_quotes(atom)) {
        if (out)
            fputs(atom, out);
        return strlen(atom);
    }
    if (out)
        fputc('\'', out);
    for (const char *p = atom; *p; p++) {
        unsigned char c = (unsigned char)*p;
        char text[8];

        if (c == '\'' || c == '\\')
            snprintf(text, sizeof(text), "\\%c", c);
        else if (c < 0x20)
            snprintf(text, sizeof(text), c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\x%02x", c);
        else
            snprintf(text, sizeof(text), "%c", c);
        n += strlen(text);
        if (out)
            fputs(text, out);
    }
    if (out)
        fputc('\'', out);
    return n;
}

/* All of it on one line. */
static size_t put_line(FILE *out, const struct sxp *s)
{
    size_t n = 2;

    if (s->atom)
        return put_atom(out, s->atom);
    if (out)
        fputc('(', out);
    for (const struct sxp *item = s->first; item; item = item->next) {
        n += put_line(out, item) + (item->next != NULL);
        if (out && item->next)
            fputc(' ', out);
    }
    /* (features ): a name without a value. */
    if (s->first && s->first->atom && !s->first->next) {
        n++;
        if (out)
            fputc(' ', out);
    }
    if (out)
        fputc(')', out);
    return n;
}

static void put(FILE *out, const struct sxp *s, int indent)
{
    if (s->atom || (indent > 0 && (size_t)indent + put_line(NULL, s) <= WIDTH)) {
        fprintf(out, "%*s", indent, "");
        put_line(out, s);
        fputc('\n', out);
        return;
    }
    fprintf(out, "%*s(", indent, "");
    if (s->first && s->first->atom)
        put_atom(out, s->first->atom);
    fputc('\n', out);
    for (const struct sxp *item = s->first; item; item = item->next)
        if (item != s->first || !item->atom)
            put(out, item, indent + INDENT);
    fprintf(out, "%*s)\n", indent, "");
}

void sxp_print(FILE *out, const struct sxp *list)
{
    put(out, list, 0);
}
