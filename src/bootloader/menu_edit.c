/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * menu_edit.c - see menu_priv.h.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "bootloader/menu_priv.h"

#define LINE_MAX_BYTES 4096

struct line {
    char text[LINE_MAX_BYTES];
    size_t len, at;
};

static void draw_line(int row, const char *prompt, const struct line *l, bool secret)
{
    size_t room = (size_t)(COLS > 10 ? COLS : 80) - strlen(prompt) - 2;
    size_t first = l->at >= room ? l->at - room + 1 : 0;

    move(row, 0);
    clrtoeol();
    addstr(prompt);
    for (size_t i = first; i < l->len && i < first + room; i++)
        addch((chtype)(secret ? '*' : (unsigned char)l->text[i]));
    move(row, (int)(strlen(prompt) + l->at - first));
    refresh();
}

static void insert(struct line *l, int c)
{
    if (l->len + 1 >= sizeof(l->text))
        return;
    memmove(l->text + l->at + 1, l->text + l->at, l->len - l->at);
    l->text[l->at++] = (char)c;
    l->len++;
}

static void delete_at(struct line *l, size_t at)
{
    if (at >= l->len)
        return;
    memmove(l->text + at, l->text + at + 1, l->len - at - 1);
    l->len--;
}

static void edit_key(struct line *l, int key)
{
    if (key == KEY_LEFT || key == CTRL('b')) {
        l->at -= l->at > 0;
    } else if (key == KEY_RIGHT || key == CTRL('f')) {
        l->at += l->at < l->len;
    } else if (key == KEY_HOME || key == CTRL('a')) {
        l->at = 0;
    } else if (key == KEY_END || key == CTRL('e')) {
        l->at = l->len;
    } else if (key == CTRL('k')) {
        l->len = l->at;
    } else if (key == KEY_DC || key == CTRL('d')) {
        delete_at(l, l->at);
    } else if ((key == KEY_BACKSPACE || key == CTRL('h') || key == 127) && l->at > 0) {
        l->at--;
        delete_at(l, l->at);
    } else if (key >= ' ' && key < 127) {
        insert(l, key);
    }
}

static char *edit_line_at(struct arena *a, int row, const char *prompt, const char *text,
                          bool secret)
{
    struct line l = {.len = strnlen(text, LINE_MAX_BYTES - 1)};

    memcpy(l.text, text, l.len);
    l.at = l.len;
    for (;;) {
        int key;

        draw_line(row, prompt, &l, secret);
        key = getch();
        if (key == KEY_ESCAPE || key == ERR)
            return NULL;
        if (key == '\r' || key == '\n' || key == KEY_ENTER)
            return arena_strndup(a, l.text, l.len);
        edit_key(&l, key);
    }
}

char *menu_edit_line(struct arena *a, const char *prompt, const char *text, bool secret)
{
    erase();
    mvaddstr(1, 20, "pyGRUB  version 0.7");
    mvaddstr(3, 2, "Enter takes the line, Esc leaves it as it was.");
    return edit_line_at(a, 5, prompt, text, secret);
}

static struct boot_entry *copy_entry(struct boot_menu *menu, const struct boot_entry *entry)
{
    struct boot_entry *copy = arena_alloc(&menu->arena, sizeof(*copy));

    if (entry)
        *copy = *entry;
    return copy;
}

static void insert_line(struct boot_menu *menu, struct boot_entry *e, unsigned int at)
{
    const char *line = menu_edit_line(&menu->arena, "> ", "", false);

    if (!line || e->nr_lines == BOOT_MAX_LINES)
        return;
    memmove(&e->lines[at + 1], &e->lines[at], (e->nr_lines - at) * sizeof(e->lines[0]));
    e->lines[at] = line;
    e->nr_lines++;
}

static void change_line(struct boot_menu *menu, struct boot_entry *e, unsigned int at)
{
    const char *line =
        at < e->nr_lines ? menu_edit_line(&menu->arena, "> ", e->lines[at], false) : NULL;

    if (line)
        e->lines[at] = line;
}

static void delete_line(struct boot_entry *e, unsigned int *at)
{
    if (*at >= e->nr_lines)
        return;
    e->nr_lines--;
    memmove(&e->lines[*at], &e->lines[*at + 1], (e->nr_lines - *at) * sizeof(e->lines[0]));
    *at -= *at == e->nr_lines && *at > 0;
}

struct boot_entry *menu_edit_entry(struct boot_menu *menu, const struct boot_entry *entry)
{
    static const char help[] = "Use the ^ and v keys to select which entry is highlighted.\n"
                               "Press 'b' to boot, 'e' to edit the selected command in the\n"
                               "boot sequence, 'c' for a command line, 'o' to open a new line\n"
                               "after ('O' for before) the selected line, 'd' to remove the\n"
                               "selected line, or escape to go back to the main menu.";
    struct boot_entry *e = copy_entry(menu, entry), *typed;
    unsigned int at = 0;

    for (;;) {
        int key;

        menu_draw_frame(help);
        menu_draw_lines(e->lines, e->nr_lines, at);
        refresh();
        key = getch();
        if (key == KEY_ESCAPE || key == 'q' || key == ERR)
            return NULL;
        if (key == 'b')
            return e;
        if ((key == KEY_UP || key == CTRL('p')) && at > 0)
            at--;
        else if ((key == KEY_DOWN || key == CTRL('n')) && at + 1 < e->nr_lines)
            at++;
        else if (key == 'e')
            change_line(menu, e, at);
        else if (key == 'o' || key == 'O')
            insert_line(menu, e, key == 'O' || e->nr_lines == 0 ? at : at + 1);
        else if (key == 'd')
            delete_line(e, &at);
        else if (key == 'c' && (typed = menu_command_line(menu)) != NULL)
            return typed;
    }
}

struct boot_entry *menu_edit_kernel(struct boot_menu *menu, const struct boot_entry *entry)
{
    struct boot_entry *e = copy_entry(menu, entry);

    for (unsigned int i = 0; i < e->nr_lines; i++) {
        char *line;

        if (strncmp(e->lines[i], "kernel ", 7) != 0)
            continue;
        line = menu_edit_line(&menu->arena, "grub edit> ", e->lines[i], false);
        if (!line)
            return NULL;
        e->lines[i] = line;
        return e;
    }
    return NULL;
}

struct boot_entry *menu_command_line(struct boot_menu *menu)
{
    struct boot_entry *e = copy_entry(menu, NULL);
    int row = 6;

    e->names[0].title = "command line";
    e->nr_names = 1;
    erase();
    mvaddstr(1, 20, "pyGRUB  version 0.7");
    mvaddstr(3, 2, "Type kernel and initrd lines, then boot; quit goes back to the menu.");
    for (;;) {
        const char *line = edit_line_at(&menu->arena, row, "grub> ", "", false);

        if (!line || strcmp(line, "quit") == 0 || strcmp(line, "return") == 0)
            return NULL;
        if (strcmp(line, "boot") == 0)
            return e;
        boot_entry_add(menu, e, line);
        row += row < LINES - 2 && line[0];
    }
}
