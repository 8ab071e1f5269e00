/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * menu.c - see menu.h. The looks and keys of Xen's pygrub.
 */
#define _GNU_SOURCE
#include "bootloader/menu_priv.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNTDOWN_ROW 20

static const char help_locked[] = "Use the ^ and v keys to select which entry is highlighted.\n"
                                  "Press enter to boot the selected OS, 'p' to enter a\n"
                                  "password to unlock the next set of features.";
static const char help_open[] = "Use the ^ and v keys to select which entry is highlighted.\n"
                                "Press enter to boot the selected OS, 'e' to edit the\n"
                                "commands before booting, 'a' to modify the kernel arguments\n"
                                "before booting, or 'c' for a command line.";

void menu_draw_frame(const char *help)
{
    int row = MENU_HELP;

    erase();
    mvaddstr(1, 20, "pyGRUB  version 0.7");
    for (int i = 0; i < MENU_ROWS + 2; i++) {
        bool edge = i == 0 || i == MENU_ROWS + 1;

        mvaddch(MENU_TOP - 1 + i, 2, edge ? '+' : '|');
        for (int k = 0; edge && k < MENU_WIDTH; k++)
            addch('-');
        mvaddch(MENU_TOP - 1 + i, 3 + MENU_WIDTH, edge ? '+' : '|');
    }
    while (*help) {
        int n = (int)strcspn(help, "\n");

        mvaddnstr(row++, 5, help, n);
        help += n + (help[n] == '\n');
    }
}

void menu_draw_lines(const char *const *lines, unsigned int count, unsigned int selected)
{
    unsigned int first = selected >= MENU_ROWS ? selected - MENU_ROWS + 1 : 0;

    for (unsigned int i = 0; i < MENU_ROWS; i++) {
        bool there = first + i < count;

        if (there && first + i == selected)
            attron(A_REVERSE);
        mvprintw(MENU_TOP + (int)i, 3, " %-*.*s", MENU_WIDTH - 1, MENU_WIDTH - 1,
                 there ? lines[first + i] : "");
        attroff(A_REVERSE);
    }
    move(MENU_TOP + (int)(selected - first), 3);
}

static void draw(struct boot_menu *menu, unsigned int selected, bool locked, int left)
{
    const char *titles[BOOT_MAX_ENTRIES];

    for (unsigned int i = 0; i < menu->count; i++)
        titles[i] = boot_entry_title(menu->entries[i]);
    menu_draw_frame(locked ? help_locked : help_open);
    if (left >= 0)
        mvprintw(COUNTDOWN_ROW, 5, "Will boot selected entry in %2d seconds", left);
    menu_draw_lines(titles, menu->count, selected);
    refresh();
}

static bool password_is_right(struct boot_menu *menu)
{
    const char *typed = menu_edit_line(&menu->arena, "Password: ", "", true);
    struct crypt_data data = {.initialized = 0};
    const char *hashed;

    if (!typed)
        return false;
    if (strncmp(menu->password, "$1$", 3) != 0)
        return strcmp(typed, menu->password) == 0;
    hashed = crypt_r(typed, menu->password, &data);
    return hashed && strcmp(hashed, menu->password) == 0;
}

/* What a key does to a menu whose countdown has stopped; *ret is set when it boots. */
static void take_key(struct boot_menu *menu, int key, unsigned int *selected, bool *locked,
                     struct boot_entry **ret)
{
    struct boot_entry *entry = menu->entries[*selected];

    if ((key == KEY_UP || key == CTRL('p')) && *selected > 0)
        --*selected;
    else if ((key == KEY_DOWN || key == CTRL('n')) && *selected + 1 < menu->count)
        ++*selected;
    else if (key == '\r' || key == '\n' || key == KEY_ENTER)
        *ret = entry;
    else if (key == 'p' && *locked)
        *locked = !password_is_right(menu);
    else if (key == 'e' && !*locked)
        *ret = menu_edit_entry(menu, entry);
    else if (key == 'a' && !*locked)
        *ret = menu_edit_kernel(menu, entry);
    else if (key == 'c' && !*locked)
        *ret = menu_command_line(menu);
}

static struct boot_entry *run(struct boot_menu *menu, unsigned int selected)
{
    struct boot_entry *chosen = NULL;
    bool locked = menu->password != NULL;
    int left = menu->timeout;

    while (!chosen) {
        int key;

        if (left == 0)
            return menu->entries[selected];
        draw(menu, selected, locked, left);
        timeout(left > 0 ? 1000 : -1);
        key = getch();
        if (key == ERR && left > 0) {
            left--;
            continue;
        }
        if (key == ERR || key == 'q')
            return NULL; /* the terminal is gone, or the person wants to */
        left = -1;
        timeout(-1);
        take_key(menu, key, &selected, &locked, &chosen);
    }
    return chosen;
}

int menu_choose(struct boot_menu *menu, unsigned int selected, struct boot_entry **ret,
                struct err *err)
{
    SCREEN *screen =
        isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? newterm(NULL, stdout, stdin) : NULL;

    if (!screen)
        return err_set(err, ENOTTY, "there is no terminal that a menu can be shown on");
    set_escdelay(50);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    *ret = run(menu, selected);
    erase();
    refresh();
    endwin();
    delscreen(screen);
    return 0;
}
