/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * bls.c - see bls.h. An entry's id is its file's name without ".conf"; `blscfg` sorts by it.
 */
#define _GNU_SOURCE
#include "bootloader/bls.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bootloader/vercmp.h"

#define MAX_FILES 128
#define FILE_MAX 65536

struct bls_entry {
    const char *id, *title, *version, *kernel, *options;
    const char *ramdisks[BOOT_MAX_RAMDISKS];
    unsigned int nr_ramdisks;
};

/* A value with its variables replaced: its words joined again. */
static const char *expand(struct script *s, const char *value)
{
    struct arena *a = &s->menu->arena;
    const char *text = "", *word;
    struct script_argv argv = {.count = 0};
    size_t n, len = 0;
    char *joined, *end;

    while ((n = boot_next_word(&value, &word)) > 0) {
        struct token t = {TOKEN_WORD, (uint32_t)n, word};

        if (memchr(word, '$', n))
            script_expand(s, &t, &argv);
        else if (argv.count < SCRIPT_MAX_ARGS)
            argv.at[argv.count++] = arena_strndup(a, word, n);
    }
    for (unsigned int i = 0; i < argv.count; i++)
        len += strlen(argv.at[i]) + 1;
    if (len == 0)
        return text;
    joined = end = arena_alloc(a, len);
    for (unsigned int i = 0; i < argv.count; i++) {
        n = strlen(argv.at[i]);
        memcpy(end, argv.at[i], n);
        end += n;
        *end++ = i + 1 < argv.count ? ' ' : '\0';
    }
    return joined;
}

static void take_line(struct script *s, struct bls_entry *e, const char *line)
{
    const char *word, *rest = line;
    size_t n = boot_next_word(&rest, &word);
    CLEANUP_FREE char *key = strndup(word, n);

    if (!key || key[0] == '#')
        return;
    rest += strspn(rest, " \t");
    if (strcmp(key, "title") == 0)
        e->title = rest;
    else if (strcmp(key, "version") == 0)
        e->version = rest;
    else if (strcmp(key, "linux") == 0)
        e->kernel = expand(s, rest);
    else if (strcmp(key, "initrd") == 0 && e->nr_ramdisks < BOOT_MAX_RAMDISKS)
        e->ramdisks[e->nr_ramdisks++] = expand(s, rest);
    else if (strcmp(key, "options") == 0) /* may stand there more than once */
        e->options = e->options
                         ? arena_printf(&s->menu->arena, "%s %s", e->options, expand(s, rest))
                         : expand(s, rest);
}

static bool read_entry(struct script *s, const char *dir, const char *name, struct bls_entry *e)
{
    struct arena *a = &s->menu->arena;
    CLEANUP_FREE char *text = NULL;
    size_t len;
    int rc =
        s->reader->read(s->reader->arg, arena_printf(a, "%s/%s", dir, name), FILE_MAX, &text, &len);

    *e = (struct bls_entry){.id = arena_strndup(a, name, strlen(name) - strlen(".conf"))};
    for (const char *p = text; rc == 0 && *p && !boot_menu_is_full(s->menu);) {
        size_t n = strcspn(p, "\n"), end = n;

        while (end > 0 && isspace((unsigned char)p[end - 1]))
            end--;
        take_line(s, e, arena_strndup(a, p, end));
        p += n + (p[n] == '\n');
    }
    return rc == 0 && e->kernel;
}

/* Newest first. */
static int compare(const void *a, const void *b)
{
    const struct bls_entry *x = a, *y = b;
    int r = vercmp(y->id, x->id);

    return r ? r : strcmp(y->id, x->id);
}

static void add(struct script *s, const struct bls_entry *e)
{
    struct boot_menu *menu = s->menu;
    const char *title = e->title ? e->title : e->version ? e->version : e->id;
    struct boot_entry *entry = script_add_entry(s, title, e->id);

    if (!entry)
        return;
    boot_entry_add(menu, entry,
                   arena_printf(&menu->arena, "kernel %s%s%s", e->kernel, e->options ? " " : "",
                                e->options ? e->options : ""));
    for (unsigned int i = 0; i < e->nr_ramdisks; i++)
        boot_entry_add(menu, entry, arena_printf(&menu->arena, "initrd %s", e->ramdisks[i]));
}

unsigned int bls_load(struct script *s, const char *dir)
{
    CLEANUP_FREE char *names = NULL;
    struct bls_entry *found;
    unsigned int count = 0;
    const char *p, *word;
    size_t n;

    if (s->reader->list(s->reader->arg, dir, &names) < 0)
        return 0;
    found = arena_alloc(&s->menu->arena, MAX_FILES * sizeof(*found));
    for (char *c = names; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    p = names;
    while ((n = boot_next_word(&p, &word)) > 0 && count < MAX_FILES && !boot_menu_is_full(s->menu))
        if (n > 5 && strncmp(word + n - 5, ".conf", 5) == 0)
            count += read_entry(s, dir, arena_strndup(&s->menu->arena, word, n), &found[count]);
    qsort(found, count, sizeof(*found), compare);
    for (unsigned int i = 0; i < count; i++)
        add(s, &found[i]);
    return count;
}

void bls_parse(struct boot_menu *menu, const struct boot_reader *reader, const char *dir)
{
    struct script s = {.menu = menu, .reader = reader, .steps = SCRIPT_MAX_STEPS};

    s.pending_end = &s.pending;
    bls_load(&s, dir);
}
