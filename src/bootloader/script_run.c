/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * script_run.c - control flow of grub.cfg, straight from the tokens. What is skipped (the other
 * branch of an if, a body that runs later) is gone through with `live` false, so that both ways
 * agree on where it ends.
 */
#include <string.h>

#include "bootloader/grubcfg.h"
#include "bootloader/script.h"

struct cursor {
    const struct tokens *tokens;
    size_t at, end;
    bool broken; /* keywords that do not match: the rest is not run */
};

static bool run_list(struct script *s, struct cursor *c, bool live, const char *const *until);

bool script_is_over(const struct script *s)
{
    return s->steps == 0 || boot_menu_is_full(s->menu);
}

static bool token_is(const struct cursor *c, const char *word)
{
    const struct token *t = &c->tokens->at[c->at];

    return c->at < c->end && t->kind == TOKEN_WORD && t->len == strlen(word) &&
           strncmp(t->text, word, t->len) == 0;
}

/* Go over a keyword that must be here. */
static bool expect(struct cursor *c, const char *word)
{
    if (!token_is(c, word)) {
        c->broken = true;
        return false;
    }
    c->at++;
    return true;
}

static void skip_ends(struct cursor *c)
{
    while (c->at < c->end && c->tokens->at[c->at].kind == TOKEN_END_OF_COMMAND)
        c->at++;
}

/* Words up to the end of the command, a closing brace, or with to_brace an opening one; the
 * values only if live. */
static void take_words(struct script *s, struct cursor *c, bool live, bool to_brace,
                       struct script_argv *argv)
{
    argv->count = 0;
    while (c->at < c->end && c->tokens->at[c->at].kind == TOKEN_WORD && !token_is(c, "}") &&
           !(to_brace && token_is(c, "{"))) {
        if (live)
            script_expand(s, &c->tokens->at[c->at], argv);
        c->at++;
    }
}

static const char *const until_then[] = {"then", NULL};
static const char *const until_branch[] = {"elif", "else", "fi", NULL};
static const char *const until_do[] = {"do", NULL};
static const char *const until_done[] = {"done", NULL};
static const char *const until_brace[] = {"}", NULL};

static void run_if(struct script *s, struct cursor *c, bool live)
{
    bool done = false;

    for (;;) {
        bool holds;

        run_list(s, c, live && !done, until_then);
        holds = live && !done && s->status == 0;
        if (!expect(c, "then"))
            return;
        run_list(s, c, holds, until_branch);
        done |= holds;
        if (token_is(c, "elif")) {
            c->at++;
            continue;
        }
        if (token_is(c, "else")) {
            c->at++;
            run_list(s, c, live && !done, until_branch);
        }
        expect(c, "fi");
        return;
    }
}

static void run_while(struct script *s, struct cursor *c, bool live, bool wanted)
{
    size_t start = c->at;

    for (;;) {
        bool holds;

        c->at = start;
        s->steps -= s->steps > 0; /* both lists may be empty */
        run_list(s, c, live, until_do);
        holds = live && (s->status == 0) == wanted && !script_is_over(s);
        if (!expect(c, "do"))
            return;
        run_list(s, c, holds, until_done);
        if (!expect(c, "done") || !holds)
            return;
    }
}

static void run_for(struct script *s, struct cursor *c, bool live)
{
    struct script_argv argv;
    size_t start;

    take_words(s, c, live, false, &argv);
    skip_ends(c);
    if (!expect(c, "do"))
        return;
    start = c->at;
    /* NAME in WORDS; once without running it to find the end. */
    for (unsigned int i = 2; i < argv.count && !script_is_over(s); i++) {
        c->at = start;
        script_set(s, argv.at[0], argv.at[i]);
        run_list(s, c, live, until_done);
    }
    c->at = start;
    run_list(s, c, false, until_done);
    expect(c, "done");
}

/* A body in braces, gone over; false if there is none. */
static bool take_body(struct script *s, struct cursor *c, struct script_body *body)
{
    skip_ends(c);
    if (!expect(c, "{"))
        return false;
    body->tokens = *c->tokens;
    body->start = c->at;
    run_list(s, c, false, until_brace);
    body->end = c->at;
    return expect(c, "}");
}

static void take_function(struct script *s, struct cursor *c, bool live)
{
    struct script_argv argv;
    struct script_body body;
    struct script_function *f;

    take_words(s, c, live, true, &argv);
    if (!take_body(s, c, &body) || !live || argv.count == 0)
        return;
    f = arena_alloc(&s->menu->arena, sizeof(*f));
    f->name = argv.at[0];
    f->body = body;
    f->next = s->functions;
    s->functions = f;
}

/* Title and id among the words of a menuentry. */
static void take_title(const struct script_argv *argv, const char **title, const char **id)
{
    static const char *const with_value[] = {"--class", "--users", "--hotkey", "--source"};

    *title = NULL;
    *id = NULL;
    for (unsigned int i = 1; i < argv->count; i++) {
        const char *word = argv->at[i];
        bool skips = false;

        for (size_t k = 0; k < ARRAY_SIZE(with_value); k++)
            skips |= strcmp(word, with_value[k]) == 0;
        if (strcmp(word, "--id") == 0)
            *id = i + 1 < argv->count ? argv->at[i + 1] : NULL;
        if (skips || strcmp(word, "--id") == 0)
            i++;
        else if (word[0] != '-' && !*title)
            *title = word;
        else if (strncmp(word, "--id=", 5) == 0)
            *id = word + 5;
    }
    if (!*title)
        *title = "";
}

struct boot_entry *script_add_entry(struct script *s, const char *title, const char *id)
{
    unsigned int index = s->next_index[s->level]++;
    struct boot_entry *e = boot_menu_add(s->menu, title);

    if (!e)
        return NULL;
    e->names[s->level] = (struct boot_name){.title = e->names[0].title, .id = id, .index = index};
    for (unsigned int i = 0; i < s->level; i++)
        e->names[i] = s->levels[i];
    e->nr_names = s->level + 1;
    return e;
}

static void run_entry(struct script *s, struct cursor *c, bool live)
{
    struct script_argv argv;
    struct script_body body;
    struct pending_entry *p;
    const char *title, *id;

    take_words(s, c, live, true, &argv);
    if (!take_body(s, c, &body) || !live || s->entry)
        return;
    take_title(&argv, &title, &id);
    p = arena_alloc(&s->menu->arena, sizeof(*p));
    p->entry = script_add_entry(s, title, id);
    p->body = body;
    if (p->entry) {
        *s->pending_end = p;
        s->pending_end = &p->next;
    }
}

/* Its body runs at once: all entries are shown in one list. */
static void run_submenu(struct script *s, struct cursor *c, bool live)
{
    struct script_argv argv;
    struct script_body body;
    struct boot_name *name;

    take_words(s, c, live, true, &argv);
    if (!take_body(s, c, &body) || !live || s->entry || s->level + 1 == BOOT_MAX_LEVELS)
        return;
    name = &s->levels[s->level];
    take_title(&argv, &name->title, &name->id);
    name->index = s->next_index[s->level]++;
    s->level++;
    s->next_index[s->level] = 0;
    script_run(s, &body);
    s->level--;
}

static void call(struct script *s, const struct script_argv *argv)
{
    const char *const *args = s->args;
    unsigned int nr_args = s->nr_args;

    for (const struct script_function *f = s->functions; f; f = f->next) {
        if (strcmp(f->name, argv->at[0]) != 0)
            continue;
        s->args = argv->at + 1;
        s->nr_args = argv->count - 1;
        script_run(s, &f->body);
        s->args = args;
        s->nr_args = nr_args;
        return;
    }
    s->status = script_command(s, argv);
}

static void run_simple(struct script *s, struct cursor *c, bool live)
{
    struct script_argv argv;
    bool negated = token_is(c, "!");

    c->at += negated;
    take_words(s, c, live, false, &argv);
    if (live && argv.count > 0)
        call(s, &argv);
    if (live && negated)
        s->status = !s->status;
}

/* One command, with everything that belongs to it. */
static void run_command(struct script *s, struct cursor *c, bool live)
{
    static const struct {
        const char *word;
        void (*run)(struct script *s, struct cursor *c, bool live);
    } keywords[] = {{"if", run_if},
                    {"for", run_for},
                    {"function", take_function},
                    {"menuentry", run_entry},
                    {"submenu", run_submenu}};

    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
        if (token_is(c, keywords[i].word)) {
            /* menuentry and submenu take their own name as a word, as commands do. */
            c->at += i < 3;
            keywords[i].run(s, c, live);
            return;
        }
    }
    if (token_is(c, "while") || token_is(c, "until")) {
        bool wanted = token_is(c, "while");

        c->at++;
        run_while(s, c, live, wanted);
        return;
    }
    run_simple(s, c, live);
}

/* Commands up to one of the keywords `until` (NULL: up to the end). Too deep, or a keyword that
 * has no place here: everything ends. Returns whether one was found. */
static bool run_list(struct script *s, struct cursor *c, bool live, const char *const *until)
{
    bool found = false;

    if (s->depth == SCRIPT_MAX_DEPTH) {
        c->broken = true;
        c->at = c->end;
        return false;
    }
    s->depth++;
    while (!c->broken && !found && !script_is_over(s)) {
        skip_ends(c);
        for (size_t i = 0; until && until[i]; i++)
            found |= token_is(c, until[i]);
        if (found || c->at >= c->end)
            break;
        s->steps--;
        c->broken = token_is(c, "}"); /* closes nothing */
        if (!c->broken)
            run_command(s, c, live);
    }
    s->depth--;
    return found;
}

void script_run(struct script *s, const struct script_body *body)
{
    struct cursor c = {.tokens = &body->tokens, .at = body->start, .end = body->end};

    run_list(s, &c, true, NULL);
}

void script_run_text(struct script *s, const char *text)
{
    struct script_body body = {.start = 0};

    script_lex(&s->menu->arena, text, &body.tokens);
    body.end = body.tokens.count;
    script_run(s, &body);
}

void script_run_pending(struct script *s)
{
    for (struct pending_entry *p = s->pending; p && !script_is_over(s); p = p->next) {
        s->entry = p->entry;
        script_run(s, &p->body);
    }
    s->entry = NULL;
}

/* What GRUB itself sets and configs ask about. */
static void set_variables(struct script *s)
{
    static const char *const vars[][2] = {
        {"root", "hd0,1"},
        {"grub_cpu", "x86_64"},
        {"grub_platform", "xen"},
        {"menuentry_id_option", "--id"},
        {"feature_menuentry_id", "y"},
        {"feature_timeout_style", "y"},
        {"feature_200_final", "y"},
        {"feature_default_font_path", "y"},
        {"feature_all_video_module", "y"},
        {"feature_platform_search_hint", "y"},
        {"feature_nativedisk_cmd", "y"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(vars); i++)
        script_set(s, vars[i][0], vars[i][1]);
    script_set(s, "prefix", s->reader->dir);
    script_set(s, "config_directory", s->reader->dir);
}

static int timeout_of(const struct script *s)
{
    const char *text = script_get(s, "timeout");
    long n = 0;

    if (text[0] != '-' && (text[0] < '0' || text[0] > '9'))
        return -1;
    for (const char *p = text; *p >= '0' && *p <= '9' && n < 86400; p++)
        n = n * 10 + (*p - '0');
    return text[0] == '-' ? -1 : (int)(n > 86400 ? 86400 : n);
}

void grubcfg_parse(struct boot_menu *menu, const char *text, const struct boot_reader *reader)
{
    struct script s = {.menu = menu, .reader = reader, .steps = SCRIPT_MAX_STEPS};

    s.pending_end = &s.pending;
    set_variables(&s);
    script_run_text(&s, text);
    menu->timeout = timeout_of(&s);
    if (script_get(&s, "default")[0])
        menu->default_name = script_get(&s, "default");
    if (script_get(&s, "fallback")[0])
        menu->fallback = script_get(&s, "fallback");
    script_run_pending(&s);
}
