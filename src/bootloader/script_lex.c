/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * script_lex.c - tokens of grub.cfg: words with their quotes, and ends of commands.
 */
#include <string.h>

#include "bootloader/script.h"

static bool ends_word(char c)
{
    return c == '\0' || strchr(" \t\r\n;&|<>", c) != NULL;
}

/* Behind a quoted piece that begins at p. */
static const char *skip_quoted(const char *p)
{
    char quote = *p++;

    while (*p && *p != quote) {
        if (quote == '"' && *p == '\\' && p[1])
            p++;
        p++;
    }
    return *p ? p + 1 : p;
}

static const char *skip_word(const char *p)
{
    while (!ends_word(*p)) {
        if (*p == '\'' || *p == '"') {
            p = skip_quoted(p);
        } else if (*p == '\\' && p[1]) {
            p += 2;
        } else if (*p == '$' && p[1] == '{') {
            p += strcspn(p, "}\n");
            p += *p == '}';
        } else {
            p++;
        }
    }
    return p;
}

/* The next token from *text on; false at the end. */
static bool next_token(const char **text, struct token *t)
{
    const char *p = *text;

    for (;;) {
        if (*p == ' ' || *p == '\t' || *p == '\r')
            p++;
        else if (p[0] == '\\' && p[1] == '\n')
            p += 2;
        else if (p[0] == '\\' && p[1] == '\r' && p[2] == '\n')
            p += 3;
        else if (*p == '#')
            p += strcspn(p, "\n");
        else
            break;
    }
    if (!*p)
        return false;
    t->text = p;
    if (ends_word(*p)) {
        t->kind = TOKEN_END_OF_COMMAND;
        p++;
    } else {
        t->kind = TOKEN_WORD;
        p = skip_word(p);
    }
    t->len = (uint32_t)(p - t->text);
    *text = p;
    return true;
}

void script_lex(struct arena *a, const char *text, struct tokens *ret)
{
    const char *p = text;
    struct token t;
    size_t count = 0;

    while (next_token(&p, &t))
        count++;
    ret->at = arena_alloc(a, (count + 1) * sizeof(*ret->at));
    ret->count = count;
    p = text;
    for (size_t i = 0; i < count; i++)
        (void)next_token(&p, &ret->at[i]);
}
