/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * legacy.c - see legacy.h. A line is a command, a blank or '=', and the rest; `title` begins an
 * entry, what stands before the first is for all.
 */
#define _GNU_SOURCE
#include "bootloader/legacy.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SAVED_MAX 4096

/* The file `default` beside the config holds the number that `savedefault` wrote. */
static const char *read_saved(struct boot_menu *menu, const struct boot_reader *reader)
{
    const char *path = arena_printf(&menu->arena, "%s/default", reader->dir);
    const char *name = "0";
    char *text;
    size_t len;

    if (reader->read(reader->arg, path, SAVED_MAX, &text, &len) < 0)
        return name;
    if (isdigit((unsigned char)text[0]))
        name = arena_strndup(&menu->arena, text, strspn(text, "0123456789"));
    free(text);
    return name;
}

static int parse_timeout(const char *value)
{
    long n = strtol(value, NULL, 10);

    return n < 0 ? -1 : n > 86400 ? 86400 : (int)n;
}

static void take_password(struct boot_menu *menu, const char *rest)
{
    const char *word;
    size_t n = boot_next_word(&rest, &word);

    if (n == 5 && strncmp(word, "--md5", 5) == 0)
        n = boot_next_word(&rest, &word);
    menu->password = arena_strndup(&menu->arena, word, n);
}

static void take_global(struct boot_menu *menu, const char *word, const char *rest,
                        const struct boot_reader *reader)
{
    if (strcmp(word, "default") == 0)
        menu->default_name = strncmp(rest, "saved", 5) == 0
                                 ? read_saved(menu, reader)
                                 : arena_strndup(&menu->arena, rest, strcspn(rest, " \t"));
    else if (strcmp(word, "timeout") == 0)
        menu->timeout = parse_timeout(rest);
    else if (strcmp(word, "fallback") == 0)
        menu->fallback = arena_strndup(&menu->arena, rest, strcspn(rest, " \t"));
    else if (strcmp(word, "password") == 0)
        take_password(menu, rest);
}

static bool is_entry_command(const char *word)
{
    static const char *const commands[] = {"root", "rootnoverify", "kernel", "initrd", "module"};

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(word, commands[i]) == 0)
            return true;
    return false;
}

static void take_line(struct boot_menu *menu, struct boot_entry **entry, char *line,
                      const struct boot_reader *reader)
{
    char *word = line + strspn(line, " \t\r");
    size_t n = strcspn(word, " \t=");
    char *rest = word + n;

    if (!word[0] || word[0] == '#')
        return;
    rest += strspn(rest, " \t");
    rest += *rest == '=';
    rest += strspn(rest, " \t");
    word[n] = '\0';
    if (strcmp(word, "title") == 0)
        *entry = boot_menu_add(menu, rest);
    else if (!*entry)
        take_global(menu, word, rest, reader);
    else if (is_entry_command(word))
        boot_entry_add(menu, *entry, arena_printf(&menu->arena, "%s %s", word, rest));
}

void legacy_parse(struct boot_menu *menu, const char *text, const struct boot_reader *reader)
{
    struct boot_entry *entry = NULL;

    while (*text && !boot_menu_is_full(menu)) {
        size_t n = strcspn(text, "\n"), end = n;
        char *line;

        while (end > 0 && isspace((unsigned char)text[end - 1]))
            end--;
        line = arena_strndup(&menu->arena, text, end);
        take_line(menu, &entry, line, reader);
        text += n + (text[n] == '\n');
    }
}
