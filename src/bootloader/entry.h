/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * entry.h - a boot menu, whichever language it was written in: entries of lines in the words of
 * GRUB's first version ("kernel PATH ARGS", "initrd PATH..."), which is also what the menu's
 * editor shows. Everything lives in the menu's arena, whose size is limited.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/types.h"

#define BOOT_CONFIG_MAX (1024 * 1024)      /* bytes of a config file */
#define BOOT_ARENA_MAX (16u * 1024 * 1024) /* what a menu may take */
#define BOOT_MAX_ENTRIES 1000
#define BOOT_MAX_LINES 32
#define BOOT_MAX_LEVELS 8 /* submenus in submenus */
#define BOOT_MAX_RAMDISKS 8

/* How an entry, or the submenu around it, can be called by `default`. */
struct boot_name {
    const char *title, *id; /* id may be NULL */
    unsigned int index;     /* among its siblings, whether they can be booted or not */
};

struct boot_entry {
    struct boot_name names[BOOT_MAX_LEVELS]; /* from the outermost menu in */
    unsigned int nr_names;
    const char *lines[BOOT_MAX_LINES];
    unsigned int nr_lines;
};

struct boot_menu {
    struct arena arena;
    struct boot_entry *entries[BOOT_MAX_ENTRIES];
    unsigned int count;
    const char *default_name; /* as the config has it; NULL: the first */
    const char *fallback;     /* likewise, for when the default is no good */
    const char *password;     /* NULL: none; begins with "$1$": its MD5 */
    int timeout;              /* seconds; -1: none is set */
};

/* What an entry boots. */
struct boot_target {
    const char *kernel; /* paths on the entry's volume, without the device in front */
    const char *ramdisks[BOOT_MAX_RAMDISKS];
    unsigned int nr_ramdisks;
    const char *args;
};

/* Other files of the volume that a config came from. */
struct boot_reader {
    void *arg;
    /* 0 and a new NUL-terminated text, or -errno. */
    int (*read)(void *arg, const char *path, size_t max, char **ret, size_t *ret_len);
    /* Names in a directory, separated by blanks; likewise. */
    int (*list)(void *arg, const char *path, char **ret);
    const char *dir; /* of the config: "/boot/grub" */
};

void boot_menu_init(struct boot_menu *menu);
void boot_menu_done(struct boot_menu *menu);
/* The arena has taken all that it may. */
bool boot_menu_is_full(const struct boot_menu *menu);

/* A new entry at the end; NULL when there are too many. The title is copied. */
struct boot_entry *boot_menu_add(struct boot_menu *menu, const char *title);
/* Append a line (copied); what is too much is dropped. */
void boot_entry_add(struct boot_menu *menu, struct boot_entry *entry, const char *line);
const char *boot_entry_title(const struct boot_entry *entry);

/* Drop entries that boot no kernel. */
void boot_menu_prune(struct boot_menu *menu);

/* The entry that a config's `default` names: a number, a title, an id, or several of them joined
 * by '>' through submenus. -1: there is none. */
int boot_menu_find(const struct boot_menu *menu, const char *name);
/* Where a menu starts: its default, else its fallback, else 0. */
unsigned int boot_menu_default(const struct boot_menu *menu);

/* What an entry's lines say; texts go to the arena. False: no kernel. */
bool boot_entry_resolve(struct boot_menu *menu, const struct boot_entry *entry,
                        struct boot_target *ret);

/* A path without "(device)" and with one slash in front; in the arena. */
const char *boot_path(struct arena *a, const char *path);
/* The next word of *text, moved behind it; its length, 0 at the end. */
size_t boot_next_word(const char **text, const char **word);
