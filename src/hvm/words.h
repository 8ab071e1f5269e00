/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * words.h - the words of a command line under construction: one text, each word with its NUL,
 * as hvm_exec() (launch.h) takes it. A word that does not fit is noted, so that only the end
 * needs a check.
 */
#pragma once

#include <jansson.h>

#include "base/types.h"

#define WORDS_TEXT_MAX 65536
#define WORDS_MAX 512

struct words {
    char text[WORDS_TEXT_MAX];
    size_t len;
    unsigned int count;
    bool overflow;
};

void words_add(struct words *w, const char *fmt, ...) PRINTF_FMT(2, 3);
/* An option and its value. */
void words_add_option(struct words *w, const char *option, const char *fmt, ...) PRINTF_FMT(3, 4);
/* An option whose value is a JSON object (taken), so that no character has a meaning. */
void words_add_json(struct words *w, const char *option, json_t *object);
