/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * lexer.c - see lexer.h.
 */
#include "config/lexer.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"

#define TAB_WIDTH 8

#define FAIL(l, err, ...) fail_at(l, err, (l)->line, __VA_ARGS__)

static int PRINTF_FMT(4, 5)
    fail_at(const struct lexer *l, struct err *err, unsigned int line, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(err, EINVAL, "%s:%u: %s", l->file, line, text);
}

void lexer_init(struct lexer *l, struct arena *arena, const char *file, const char *text,
                size_t len)
{
    memset(l, 0, sizeof(*l));
    l->arena = arena;
    l->file = file;
    l->at = text;
    l->end = text + len;
    l->line = 1;
    l->line_start = true;
    l->nr_indents = 1;
    /* Editors of another system leave a byte order mark. */
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        l->at += 3;
}

static char peek(const struct lexer *l, size_t n)
{
    return (size_t)(l->end - l->at) > n ? l->at[n] : '\0';
}

static void set(struct lexer *l, struct token *t, enum token_kind kind, const char *text, size_t n)
{
    t->kind = kind;
    t->line = l->line;
    t->text = arena_strndup(l->arena, text, n);
    t->len = n;
}

/* Length of a line end here: LF, CR LF or CR. */
static size_t line_end(const struct lexer *l)
{
    if (peek(l, 0) == '\r')
        return peek(l, 1) == '\n' ? 2 : 1;
    return peek(l, 0) == '\n' ? 1 : 0;
}

static void skip_comment(struct lexer *l)
{
    if (peek(l, 0) == '#')
        while (l->at < l->end && !line_end(l))
            l->at++;
}

/* At the start of a logical line: skip blank lines, turn indentation into dedents due or a
 * token. Returns 1 if *t was set. */
static int lex_indentation(struct lexer *l, struct token *t, struct err *err)
{
    unsigned int column = 0;
    size_t n;

    for (;;) {
        column = 0;
        for (; peek(l, 0) == ' ' || peek(l, 0) == '\t' || peek(l, 0) == '\f'; l->at++)
            column = peek(l, 0) == '\t' ? (column / TAB_WIDTH + 1) * TAB_WIDTH : column + 1;
        skip_comment(l);
        n = line_end(l);
        if (n == 0)
            break;
        l->at += n;
        l->line++;
    }
    l->line_start = false;
    if (l->at >= l->end)
        column = 0;
    if (column > l->indents[l->nr_indents - 1]) {
        if (l->nr_indents == LEXER_MAX_DEPTH)
            return FAIL(l, err, "too many levels of indentation");
        l->indents[l->nr_indents++] = column;
        set(l, t, TOKEN_INDENT, "", 0);
        return 1;
    }
    while (column < l->indents[l->nr_indents - 1]) {
        l->nr_indents--;
        l->dedents_due++;
    }
    if (column != l->indents[l->nr_indents - 1])
        return FAIL(l, err, "this line's indentation matches no line above it");
    return 0;
}

/* Blanks, comments, continued lines. */
static int skip_blanks(struct lexer *l, struct err *err)
{
    for (;;) {
        size_t n = line_end(l);

        if (peek(l, 0) == ' ' || peek(l, 0) == '\t' || peek(l, 0) == '\f') {
            l->at++;
        } else if (peek(l, 0) == '#') {
            skip_comment(l);
        } else if (n > 0 && l->nr_brackets > 0) {
            l->at += n;
            l->line++;
        } else if (peek(l, 0) == '\\') {
            l->at++;
            n = line_end(l);
            if (n == 0)
                return FAIL(l, err,
                            "a backslash outside a string must be the last character of "
                            "its line");
            l->at += n;
            l->line++;
        } else {
            return 0;
        }
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape, l->at behind the backslash; appends to out. Unknown ones stay as they are. */
static int lex_escape(struct lexer *l, char *out, size_t *n, struct err *err)
{
    static const char from[] = "abfnrtv\\'\"";
    static const char to[] = "\a\b\f\n\r\t\v\\'\"";
    char c = peek(l, 0);
    const char *known = c ? strchr(from, c) : NULL;
    size_t eol = line_end(l);

    if (known) {
        out[(*n)++] = to[known - from];
        l->at++;
    } else if (eol > 0) {
        l->at += eol;
        l->line++;
    } else if (c >= '0' && c <= '7') {
        unsigned int v = 0;

        for (int i = 0; i < 3 && peek(l, 0) >= '0' && peek(l, 0) <= '7'; i++, l->at++)
            v = v * 8 + (unsigned int)(peek(l, 0) - '0');
        out[(*n)++] = (char)v;
    } else if (c == 'x') {
        int high = hex_value(peek(l, 1)), low = hex_value(peek(l, 2));

        if (high < 0 || low < 0)
            return FAIL(l, err, "\\x in a string needs two hexadecimal digits");
        out[(*n)++] = (char)(high * 16 + low);
        l->at += 3;
    } else {
        out[(*n)++] = '\\';
    }
    return 0;
}

/* Bytes up to where a string ends at the latest; its value is no longer. */
static size_t string_extent(const struct lexer *l, char quote, bool triple)
{
    size_t n = 0;

    for (; peek(l, n) && (triple || (peek(l, n) != '\n' && peek(l, n) != '\r')); n++) {
        if (peek(l, n) == '\\')
            n++;
        else if (peek(l, n) == quote &&
                 (!triple || (peek(l, n + 1) == quote && peek(l, n + 2) == quote)))
            break;
    }
    return n;
}

/* A string from its opening quote on. */
static int lex_string(struct lexer *l, struct token *t, bool raw, struct err *err)
{
    char quote = peek(l, 0);
    bool triple = peek(l, 1) == quote && peek(l, 2) == quote;
    unsigned int first_line = l->line;
    char *out;
    size_t n = 0;

    l->at += triple ? 3 : 1;
    out = arena_alloc(l->arena, string_extent(l, quote, triple) + 2);
    for (;;) {
        char c = peek(l, 0);

        if (l->at >= l->end || (!triple && line_end(l)))
            return fail_at(l, err, first_line, "this string is not closed; %s is missing",
                           triple ? (quote == '"' ? "\"\"\"" : "'''")
                                  : (quote == '"' ? "\"" : "'"));
        if (c == '\0')
            return FAIL(l, err, "a NUL byte in a string; is this a text file?");
        if (c == quote && (!triple || (peek(l, 1) == quote && peek(l, 2) == quote)))
            break;
        l->at++;
        if (c == '\\' && !raw) {
            if (lex_escape(l, out, &n, err) < 0)
                return -EINVAL;
            continue;
        }
        if (c == '\\' && l->at < l->end && !line_end(l)) {
            out[n++] = c;
            c = *l->at++;
        }
        if (c == '\n')
            l->line++;
        out[n++] = c;
    }
    l->at += triple ? 3 : 1;
    t->kind = TOKEN_STRING;
    t->line = first_line;
    t->text = out;
    t->len = strlen(out) < n ? strlen(out) : n; /* \0 ends a value: nothing of ours takes NULs */
    return 0;
}

static int lex_number(struct lexer *l, struct token *t, struct err *err)
{
    const char *start = l->at;
    size_t n = 0;

    while (isalnum((unsigned char)peek(l, n)) || peek(l, n) == '_' || peek(l, n) == '.')
        n++;
    set(l, t, TOKEN_INT, start, n);
    l->at += n;
    if (value_parse_int(t->text, &t->integer))
        return 0;
    if (memchr(start, '.', n) && strspn(t->text, "0123456789.") == n) {
        char *end;

        t->kind = TOKEN_FLOAT;
        t->real = strtod(t->text, &end);
        if (!*end)
            return 0;
    }
    return FAIL(l, err, "%s is neither a number nor a name; text needs quotes: '%s'", t->text,
                t->text);
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static int lex_operator(struct lexer *l, struct token *t, struct err *err)
{
    static const char *const two[] = {
        "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "//", "**", "<>", "<<", ">>"};
    static const char one[] = "()[]{}=+-*/%<>,:.;&|^~";
    char c = peek(l, 0);
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(two) && n == 0; i++)
        if (c == two[i][0] && peek(l, 1) == two[i][1])
            n = 2;
    if (n == 0 && c && strchr(one, c))
        n = 1;
    if (n == 0 && isprint((unsigned char)c))
        return FAIL(l, err, "'%c' has no meaning here; text needs quotes", c);
    if (n == 0)
        return FAIL(l, err, "unexpected byte 0x%02x; is this a text file?", (unsigned char)c);
    set(l, t, TOKEN_OP, l->at, n);
    l->at += n;
    if (n > 1)
        return 0;
    if (strchr("([{", c)) {
        if (l->nr_brackets == LEXER_MAX_DEPTH)
            return FAIL(l, err, "brackets are nested too deeply");
        l->brackets[l->nr_brackets].open = c;
        l->brackets[l->nr_brackets++].line = l->line;
    } else if (strchr(")]}", c)) {
        char open = c == ')' ? '(' : c == ']' ? '[' : '{';

        if (l->nr_brackets == 0)
            return FAIL(l, err, "'%c' closes nothing", c);
        if (l->brackets[--l->nr_brackets].open != open)
            return FAIL(l, err, "'%c' does not fit the '%c' of line %u", c,
                        l->brackets[l->nr_brackets].open, l->brackets[l->nr_brackets].line);
    }
    return 0;
}

static int lex_end(struct lexer *l, struct token *t, struct err *err)
{
    if (l->nr_brackets > 0)
        return fail_at(l, err, l->brackets[l->nr_brackets - 1].line, "'%c' is never closed",
                       l->brackets[l->nr_brackets - 1].open);
    if (!l->ended) {
        l->ended = true;
        l->dedents_due += l->nr_indents - 1;
        l->nr_indents = 1;
        set(l, t, TOKEN_NEWLINE, "", 0);
        return 0;
    }
    set(l, t, TOKEN_END, "", 0);
    return 0;
}

int lexer_next(struct lexer *l, struct token *t, struct err *err)
{
    size_t n = 0;
    int rc;

    memset(t, 0, sizeof(*t));
    if (l->line_start && !l->ended) {
        rc = lex_indentation(l, t, err);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    if (l->dedents_due > 0) {
        l->dedents_due--;
        set(l, t, TOKEN_DEDENT, "", 0);
        return 0;
    }
    rc = skip_blanks(l, err);
    if (rc < 0)
        return rc;
    if (l->at >= l->end)
        return lex_end(l, t, err);
    n = line_end(l);
    if (n > 0) {
        set(l, t, TOKEN_NEWLINE, "", 0);
        l->at += n;
        l->line++;
        l->line_start = true;
        return 0;
    }
    if (peek(l, 0) == '\'' || peek(l, 0) == '"')
        return lex_string(l, t, false, err);
    if (peek(l, 0) && strchr("rRuUbB", peek(l, 0)) && (peek(l, 1) == '\'' || peek(l, 1) == '"')) {
        bool raw = tolower((unsigned char)peek(l, 0)) == 'r';

        l->at++;
        return lex_string(l, t, raw, err);
    }
    if (isdigit((unsigned char)peek(l, 0)))
        return lex_number(l, t, err);
    if (!is_name_char(peek(l, 0)))
        return lex_operator(l, t, err);
    for (n = 1; is_name_char(peek(l, n)); n++)
        continue;
    set(l, t, TOKEN_NAME, l->at, n);
    l->at += n;
    return 0;
}
