/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * syslinux.c - see syslinux.h. Keywords have no case. Paths without a slash in front are
 * relative to the config. With mboot.c32 the modules stand in the append line, separated by
 * "---": Xen, the kernel with its arguments, the ramdisk.
 */
#define _GNU_SOURCE
#include "bootloader/syslinux.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define MAX_DEPTH 8

struct parser {
    struct boot_menu *menu;
    const struct boot_reader *reader;
    unsigned int depth;
    unsigned int files; /* read so far */
    /* Of the label that is being read. */
    struct boot_entry *entry;
    const char *kernel, *append, *initrd;
};

static const char *place(const struct parser *p, const char *path, size_t n)
{
    struct arena *a = &p->menu->arena;

    return path[0] == '/' ? arena_strndup(a, path, n)
                          : arena_printf(a, "%s/%.*s", p->reader->dir, (int)n, path);
}

/* "initrd=PATH" in the append line is a ramdisk; it stays out of the arguments. */
static const char *split_append(struct parser *p, const char *append)
{
    struct arena *a = &p->menu->arena;
    char *args = arena_alloc(a, strlen(append) + 2);
    const char *word;
    size_t n, len = 0;

    while ((n = boot_next_word(&append, &word)) > 0) {
        if (n > 7 && strncmp(word, "initrd=", 7) == 0) {
            p->initrd = arena_strndup(a, word + 7, n - 7);
            continue;
        }
        if (len > 0)
            args[len++] = ' ';
        memcpy(args + len, word, n);
        len += n;
    }
    return args;
}

/* Several ramdisks are separated by commas. */
static void add_ramdisks(struct parser *p)
{
    const char *list = p->initrd;

    while (list && *list) {
        size_t n = strcspn(list, ",");

        if (n > 0)
            boot_entry_add(p->menu, p->entry,
                           arena_printf(&p->menu->arena, "initrd %s", place(p, list, n)));
        list += n + (list[n] == ',');
    }
}

static void add_modules(struct parser *p, const char *append)
{
    static const char separator[] = "---";
    bool first = true;

    while (*append) {
        const char *end = strstr(append, separator), *word, *rest = append;
        size_t n = end ? (size_t)(end - append) : strlen(append);
        size_t w = boot_next_word(&rest, &word);

        while (n > 0 && append[n - 1] == ' ')
            n--;
        if (w > 0 && word + w <= append + n)
            boot_entry_add(p->menu, p->entry,
                           arena_printf(&p->menu->arena, "%s %s%.*s", first ? "kernel" : "module",
                                        place(p, word, w), (int)(append + n - word - (long)w),
                                        word + w));
        first = false;
        append = end ? end + strlen(separator) : append + strlen(append);
    }
}

static void finish_label(struct parser *p)
{
    const char *args, *name;

    if (!p->entry || !p->kernel)
        return;
    name = strrchr(p->kernel, '/');
    if (strcasecmp(name ? name + 1 : p->kernel, "mboot.c32") == 0) {
        add_modules(p, p->append ? p->append : "");
        return;
    }
    args = split_append(p, p->append ? p->append : "");
    boot_entry_add(p->menu, p->entry,
                   arena_printf(&p->menu->arena, "kernel %s%s%s",
                                place(p, p->kernel, strlen(p->kernel)), args[0] ? " " : "", args));
    add_ramdisks(p);
}

static void begin_label(struct parser *p, const char *label)
{
    finish_label(p);
    p->kernel = p->append = p->initrd = NULL;
    p->entry = boot_menu_add(p->menu, label);
    if (p->entry)
        p->entry->names[0].id = p->entry->names[0].title;
}

/* "menu label TEXT" with its '^' of the hot key, "menu default". */
static void take_menu(struct parser *p, const char *rest)
{
    const char *word;
    size_t n = boot_next_word(&rest, &word);
    char *title;
    size_t len = 0;

    if (!p->entry)
        return;
    if (n == 7 && strncasecmp(word, "default", n) == 0)
        p->menu->default_name = p->entry->names[0].id;
    if (n != 5 || strncasecmp(word, "label", n) != 0)
        return;
    rest += strspn(rest, " \t");
    title = arena_alloc(&p->menu->arena, strlen(rest) + 1);
    for (; *rest; rest++)
        if (*rest != '^')
            title[len++] = *rest;
    p->entry->names[0].title = title;
}

static void parse_text(struct parser *p, const char *text);

static void include(struct parser *p, const char *rest)
{
    const char *path = place(p, rest, strcspn(rest, " \t"));
    CLEANUP_FREE char *text = NULL;
    size_t len;

    /* Each file once in a chain, and not many of them: a file may include itself twice. */
    if (p->depth == MAX_DEPTH || p->files == 32)
        return;
    p->files++;
    if (p->reader->read(p->reader->arg, path, BOOT_CONFIG_MAX, &text, &len) < 0)
        return;
    p->depth++;
    parse_text(p, text);
    p->depth--;
}

static void take_line(struct parser *p, const char *line)
{
    struct arena *a = &p->menu->arena;
    const char *word, *rest = line;
    size_t n = boot_next_word(&rest, &word);
    CLEANUP_FREE char *keyword = strndup(word, n);

    rest += strspn(rest, " \t");
    if (!keyword || !n || word[0] == '#')
        return;
    if (strcasecmp(keyword, "label") == 0)
        begin_label(p, rest);
    else if (strcasecmp(keyword, "kernel") == 0 || strcasecmp(keyword, "linux") == 0)
        p->kernel = arena_strndup(a, rest, strcspn(rest, " \t"));
    else if (strcasecmp(keyword, "append") == 0)
        p->append = arena_strndup(a, rest, strlen(rest));
    else if (strcasecmp(keyword, "initrd") == 0)
        p->initrd = arena_strndup(a, rest, strcspn(rest, " \t"));
    else if (strcasecmp(keyword, "default") == 0)
        p->menu->default_name = arena_strndup(a, rest, strlen(rest));
    else if (strcasecmp(keyword, "timeout") == 0) /* tenths of a second */
        p->menu->timeout = (int)((strtoul(rest, NULL, 10) % 864000 + 9) / 10);
    else if (strcasecmp(keyword, "menu") == 0)
        take_menu(p, rest);
    else if (strcasecmp(keyword, "include") == 0)
        include(p, rest);
}

static void parse_text(struct parser *p, const char *text)
{
    while (*text && !boot_menu_is_full(p->menu)) {
        size_t n = strcspn(text, "\n"), end = n;

        while (end > 0 && isspace((unsigned char)text[end - 1]))
            end--;
        take_line(p, arena_strndup(&p->menu->arena, text, end));
        text += n + (text[n] == '\n');
    }
}

void syslinux_parse(struct boot_menu *menu, const char *text, const struct boot_reader *reader)
{
    struct parser p = {.menu = menu, .reader = reader};

    parse_text(&p, text);
    finish_label(&p);
    /* The default may be a file: a screen of menus, which only asks. */
    if (menu->default_name && boot_menu_find(menu, menu->default_name) < 0)
        menu->default_name = NULL;
}
