/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * entry.c - see entry.h.
 */
#define _GNU_SOURCE
#include "bootloader/entry.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void boot_menu_init(struct boot_menu *menu)
{
    memset(menu, 0, sizeof(*menu));
    menu->timeout = -1;
}

void boot_menu_done(struct boot_menu *menu)
{
    arena_done(&menu->arena);
    boot_menu_init(menu);
}

bool boot_menu_is_full(const struct boot_menu *menu)
{
    return arena_used(&menu->arena) > BOOT_ARENA_MAX;
}

struct boot_entry *boot_menu_add(struct boot_menu *menu, const char *title)
{
    struct boot_entry *e;

    if (menu->count == BOOT_MAX_ENTRIES || boot_menu_is_full(menu))
        return NULL;
    e = arena_alloc(&menu->arena, sizeof(*e));
    e->names[0].title = arena_strndup(&menu->arena, title, strlen(title));
    e->names[0].index = menu->count;
    e->nr_names = 1;
    menu->entries[menu->count++] = e;
    return e;
}

void boot_entry_add(struct boot_menu *menu, struct boot_entry *entry, const char *line)
{
    if (entry->nr_lines < BOOT_MAX_LINES && !boot_menu_is_full(menu))
        entry->lines[entry->nr_lines++] = arena_strndup(&menu->arena, line, strlen(line));
}

const char *boot_entry_title(const struct boot_entry *entry)
{
    return entry->names[entry->nr_names - 1].title;
}

size_t boot_next_word(const char **text, const char **word)
{
    const char *p = *text;
    size_t n;

    while (*p == ' ' || *p == '\t')
        p++;
    *word = p;
    n = strcspn(p, " \t");
    *text = p + n;
    return n;
}

static bool word_is(const char *word, size_t n, const char *what)
{
    return strlen(what) == n && strncmp(word, what, n) == 0;
}

const char *boot_path(struct arena *a, const char *path)
{
    const char *end = path[0] == '(' ? strchr(path, ')') : NULL;

    if (end)
        path = end + 1;
    while (path[0] == '/' && path[1] == '/')
        path++;
    return path[0] == '/' ? path : arena_printf(a, "/%s", path);
}

/* "PATH ARGS" behind the command. Options of the command itself come before the path. */
static void take_kernel(struct arena *a, const char *rest, struct boot_target *t)
{
    const char *word;
    size_t n = boot_next_word(&rest, &word);

    while (n > 2 && word[0] == '-' && word[1] == '-')
        n = boot_next_word(&rest, &word);
    if (n == 0)
        return;
    t->kernel = boot_path(a, arena_strndup(a, word, n));
    while (*rest == ' ' || *rest == '\t')
        rest++;
    t->args = rest;
}

static void take_ramdisks(struct arena *a, const char *rest, struct boot_target *t)
{
    const char *word;
    size_t n;

    while (t->nr_ramdisks < BOOT_MAX_RAMDISKS && (n = boot_next_word(&rest, &word)) > 0)
        t->ramdisks[t->nr_ramdisks++] = boot_path(a, arena_strndup(a, word, n));
}

/* The kernel of a host's entry is Xen itself; the guest's is its first module. */
static bool is_hypervisor(const char *kernel)
{
    const char *name = strrchr(kernel, '/') + 1;

    return strncmp(name, "xen", 3) == 0 && (strstr(name, ".gz") || name[3] == '-' || !name[3]);
}

bool boot_entry_resolve(struct boot_menu *menu, const struct boot_entry *entry,
                        struct boot_target *ret)
{
    struct arena *a = &menu->arena;
    bool is_host = false;

    memset(ret, 0, sizeof(*ret));
    for (unsigned int i = 0; i < entry->nr_lines; i++) {
        const char *rest = entry->lines[i], *word;
        size_t n = boot_next_word(&rest, &word);

        if (word_is(word, n, "kernel")) {
            take_kernel(a, rest, ret);
            is_host = ret->kernel && is_hypervisor(ret->kernel);
        } else if (word_is(word, n, "module") && is_host) {
            take_kernel(a, rest, ret);
            is_host = false;
        } else if (word_is(word, n, "module") || word_is(word, n, "initrd")) {
            take_ramdisks(a, rest, ret);
        }
    }
    if (!ret->args)
        ret->args = "";
    return ret->kernel && !is_host;
}

void boot_menu_prune(struct boot_menu *menu)
{
    unsigned int kept = 0;

    for (unsigned int i = 0; i < menu->count; i++) {
        struct boot_target t;

        if (boot_entry_resolve(menu, menu->entries[i], &t))
            menu->entries[kept++] = menu->entries[i];
    }
    menu->count = kept;
}

static bool name_matches(const struct boot_name *name, const char *text, size_t n)
{
    char *end;

    if (word_is(text, n, name->title) || (name->id && word_is(text, n, name->id)))
        return true;
    return n > 0 && isdigit((unsigned char)text[0]) && strtoul(text, &end, 10) == name->index &&
           end == text + n;
}

static bool entry_matches(const struct boot_entry *e, const char *name)
{
    unsigned int level = 0;

    while (level < e->nr_names) {
        size_t n = level + 1 < e->nr_names ? strcspn(name, ">") : strlen(name);

        if (!name_matches(&e->names[level], name, n))
            return false;
        level++;
        if (level == e->nr_names)
            return true;
        /* A submenu alone means its first entry. */
        if (!name[n])
            return e->names[level].index == 0;
        name += n + 1;
    }
    return false;
}

int boot_menu_find(const struct boot_menu *menu, const char *name)
{
    for (unsigned int i = 0; i < menu->count; i++)
        if (entry_matches(menu->entries[i], name))
            return (int)i;
    /* Titles and ids of entries in submenus are unique mostly. */
    for (unsigned int i = 0; i < menu->count; i++) {
        const struct boot_entry *e = menu->entries[i];
        const struct boot_name *last = &e->names[e->nr_names - 1];

        if (strcmp(name, last->title) == 0 || (last->id && strcmp(name, last->id) == 0))
            return (int)i;
    }
    return -1;
}

unsigned int boot_menu_default(const struct boot_menu *menu)
{
    int i = menu->default_name ? boot_menu_find(menu, menu->default_name) : -1;

    if (i < 0 && menu->fallback)
        i = boot_menu_find(menu, menu->fallback);
    return i < 0 ? 0 : (unsigned int)i;
}
