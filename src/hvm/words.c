/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * words.c - see words.h.
 */
#include "hvm/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void PRINTF_FMT(2, 0) add(struct words *w, const char *fmt, va_list ap)
{
    size_t room = sizeof(w->text) - w->len;
    int n = vsnprintf(w->text + w->len, room, fmt, ap);

    if (n < 0 || (size_t)n >= room || w->count == WORDS_MAX) {
        w->overflow = true;
        return;
    }
    w->len += (size_t)n + 1;
    w->count++;
}

void words_add(struct words *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(w, fmt, ap);
    va_end(ap);
}

void words_add_option(struct words *w, const char *option, const char *fmt, ...)
{
    va_list ap;

    words_add(w, "%s", option);
    va_start(ap, fmt);
    add(w, fmt, ap);
    va_end(ap);
}

void words_add_json(struct words *w, const char *option, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    if (text)
        words_add_option(w, option, "%s", text);
    else
        w->overflow = true;
    free(text);
    json_decref(object);
}
