/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * script.h - the pieces of the grub.cfg interpreter (grubcfg.h): tokens (script_lex.c), words
 * and variables (script_words.c), control flow (script_run.c), commands (script_commands.c).
 * Everything is in the menu's arena; `steps` counts down what a config may do.
 */
#pragma once

#include "bootloader/entry.h"

#define SCRIPT_MAX_STEPS 200000
#define SCRIPT_MAX_DEPTH 48
#define SCRIPT_MAX_ARGS 128
#define SCRIPT_MAX_WORD 65536
#define SCRIPT_MAX_VARS 512

enum token_kind { TOKEN_WORD, TOKEN_END_OF_COMMAND };

struct token {
    enum token_kind kind;
    uint32_t len;
    const char *text; /* as it stands in the config, with its quotes */
};

struct tokens {
    struct token *at;
    size_t count;
};

struct script_var {
    struct script_var *next;
    const char *name, *value;
};

/* `function`: its body; also of menu entries, which run when the whole config has. */
struct script_body {
    struct tokens tokens;
    size_t start, end;
};

struct script_function {
    struct script_function *next;
    const char *name;
    struct script_body body;
};

struct pending_entry {
    struct pending_entry *next;
    struct boot_entry *entry;
    struct script_body body;
};

struct script {
    struct boot_menu *menu;
    const struct boot_reader *reader;
    struct script_var *vars;
    unsigned int nr_vars;
    struct script_function *functions;
    struct pending_entry *pending, **pending_end;
    struct boot_entry *entry; /* whose body runs, NULL: none */
    /* The submenus around, and how many entries the innermost one has. */
    struct boot_name levels[BOOT_MAX_LEVELS];
    unsigned int level, next_index[BOOT_MAX_LEVELS];
    const char *const *args; /* $1 and so on, of the function that runs */
    unsigned int nr_args;
    int status; /* $? */
    unsigned int steps, depth;
};

struct script_argv {
    const char *at[SCRIPT_MAX_ARGS];
    unsigned int count;
};

/* Cut a text into tokens, which point into it. */
void script_lex(struct arena *a, const char *text, struct tokens *ret);

const char *script_get(const struct script *s, const char *name); /* "" = not set */
void script_set(struct script *s, const char *name, const char *value);
/* Append what a token stands for: no word, one, or several. */
void script_expand(struct script *s, const struct token *t, struct script_argv *argv);

/* Run tokens [start, end). */
void script_run(struct script *s, const struct script_body *body);
void script_run_text(struct script *s, const char *text);
void script_run_pending(struct script *s);

/* Out of steps or memory: everything ends. */
bool script_is_over(const struct script *s);

/* One command that is no keyword and no function. Returns its status. */
int script_command(struct script *s, const struct script_argv *argv);
/* A new entry of the menu in the submenu that is open; its index is counted in any case. */
struct boot_entry *script_add_entry(struct script *s, const char *title, const char *id);
