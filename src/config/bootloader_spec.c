/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * bootloader_spec.c - see bootloader_spec.h. Whatever path ends in "pygrub" means our own: the
 * other one needs Xen.
 */
#define _GNU_SOURCE
#include "config/bootloader_spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/paths.h"
#include "config/domain_config.h"
#include "config/value.h"
#include "config/domain_config.h"

#define OWN_PROGRAM "pygrub"
#define QUIET "-q"

bool bootloader_spec_wanted(const struct config *c)
{
    if (domain_config_is_hvm(c)) /* its firmware does that */
        return false;
    if (domain_config_is_hvm(c)) /* has firmware */
        return false;
    if (config_string(c, "bootloader", "")[0])
        return true;
    return !config_string(c, "kernel", "")[0] && config_list_count(c, "disk") > 0;
}

/* The program that is to run. */
static int find_program(const struct config *c, char path[static PATHS_MAX], struct err *err)
{
    const char *given = config_string(c, "bootloader", OWN_PROGRAM);
    const char *slash = strrchr(given, '/');
    struct stat st;

    if (!given[0] || strcmp(slash ? slash + 1 : given, OWN_PROGRAM) == 0)
        return paths_helper(path, OWN_PROGRAM, err);
    if (!slash || strlen(given) >= PATHS_MAX || stat(given, &st) < 0)
        return err_set(err, ENOENT, "%s: bootloader = '%s': there is no such program%s",
                       config_place(c, "bootloader"), given,
                       slash ? "" : " (name it with its path, or say 'pygrub')");
    if (!S_ISREG(st.st_mode) || access(given, X_OK) < 0)
        return err_set(err, EACCES, "Bootloader isn't executable: %s (%s)", given,
                       config_place(c, "bootloader"));
    memcpy(path, given, strlen(given) + 1);
    return 0;
}

/* The first disk that is no CD. */
static int find_disk(const struct config *c, const json_t *doc, const char **ret, struct err *err)
{
    const json_t *disks = json_object_get(doc, "disks"), *disk = NULL;
    size_t i = 0;

    while (i < json_array_size(disks) && json_get_bool(json_array_get(disks, i), "cdrom", false))
        i++;
    disk = json_array_get(disks, i < json_array_size(disks) ? i : 0);
    if (!disk)
        return err_set(err, EINVAL,
                       "%s: a bootloader finds the kernel in the guest's first disk, "
                       "and there is no disk",
                       config_is_set(c, "bootloader") ? config_place(c, "bootloader")
                                                      : config_path(c));
    if (strcmp(json_get_string(disk, "format", "raw"), "raw") != 0)
        return err_set(err, ENOTSUP,
                       "%s: disk %s is a %s image; a bootloader can look into raw images and block "
                       "devices only: convert it (qemu-img convert -O raw), or name kernel= and "
                       "ramdisk=",
                       config_place(c, "disk"), json_get_string(disk, "path", ""),
                       json_get_string(disk, "format", ""));
    *ret = json_get_string(disk, "path", "");
    return 0;
}

/* One word, with the quotes of a shell removed; *text is moved behind it. */
static json_t *take_word(const char **text)
{
    const char *p = *text;
    char *word = malloc(strlen(p) + 1);
    json_t *result = NULL;
    char quote = '\0';
    size_t n = 0;

    for (; word && *p && (quote || !strchr(" \t\n", *p)); p++) {
        if (quote ? *p == quote : *p == '\'' || *p == '"')
            quote = quote ? '\0' : *p;
        else if (*p == '\\' && p[1] && quote != '\'')
            word[n++] = *++p;
        else
            word[n++] = *p;
    }
    if (word)
        result = json_stringn(word, n);
    free(word);
    *text = p;
    return result;
}

static void append_words(json_t *args, const char *text)
{
    for (;;) {
        text += strspn(text, " \t\n");
        if (!*text)
            return;
        json_array_append_new(args, take_word(&text));
    }
}

/* True if the config has arguments of its own. */
static bool append_user_args(struct config *c, json_t *args)
{
    const struct value *xl = config_value(c, "bootloader_args");

    if (config_is_set(c, "bootargs")) {
        append_words(args, config_string(c, "bootargs", ""));
        return true;
    }
    if (!xl || value_is_number(xl))
        return false;
    if (xl->kind == VALUE_STRING)
        append_words(args, xl->string.text);
    for (size_t i = 0; value_is_sequence(xl) && i < xl->items->count; i++)
        json_array_append_new(args, json_string(value_to_text(config_arena(c), xl->items->at[i])));
    return true;
}

static void append_option(json_t *args, const char *option, const char *value)
{
    if (value[0])
        json_array_append_new(args, json_sprintf("%s%s", option, value));
}

int bootloader_spec_add(struct config *c, json_t *doc, struct err *err)
{
    char program[PATHS_MAX];
    const char *disk = NULL;
    json_t *args = json_array();
    int rc = args ? find_disk(c, doc, &disk, err) : err_set(err, ENOMEM, "out of memory");

    if (rc == 0)
        rc = find_program(c, program, err);
    if (rc < 0) {
        json_decref(args);
        return rc;
    }
    append_option(args, "--kernel=", config_string(c, "kernel", ""));
    append_option(args, "--ramdisk=", config_string(c, "ramdisk", ""));
    append_option(args, "--args=", json_get_string(doc, "cmdline", ""));
    append_option(args, "--entry=", config_string(c, "bootentry", ""));
    if (!append_user_args(c, args))
        json_array_append_new(args, json_string(QUIET));
    json_object_set_new(
        doc, "bootloader",
        json_pack("{s:s, s:s, s:o}", "program", program, "disk", disk, "args", args));
    return 0;
}

void bootloader_spec_interactive(const struct config *c, json_t *doc)
{
    json_t *args = json_object_get(json_object_get(doc, "bootloader"), "args");
    size_t last = json_array_size(args);

    if (last > 0 && !config_is_set(c, "bootargs") && !config_is_set(c, "bootloader_args"))
        json_array_remove(args, last - 1);
}
