/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * script_commands.c - the commands of grub.cfg that decide what is booted. Those that only
 * change GRUB's own looks or load its modules succeed and do nothing; unknown ones fail.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bootloader/bls.h"
#include "bootloader/script.h"

#define ENV_MAX 65536

struct test {
    struct script *s;
    const struct script_argv *argv;
    unsigned int at, end, depth;
};

static bool test_or(struct test *t);

static const char *peek(const struct test *t, unsigned int ahead)
{
    return t->at + ahead < t->end ? t->argv->at[t->at + ahead] : "";
}

static bool file_is_there(struct script *s, char kind, const char *path)
{
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;
    int rc;

    path = boot_path(&s->menu->arena, path);
    s->steps -= s->steps > 1000 ? 1000 : s->steps; /* each asks the disk */
    if (kind == 'd')
        return s->reader->list(s->reader->arg, path, &text) == 0;
    rc = s->reader->read(s->reader->arg, path, BOOT_CONFIG_MAX, &text, &len);
    return rc == -EFBIG || (rc == 0 && (kind != 's' || len > 0));
}

static bool compare_numbers(const char *a, const char *op, const char *b)
{
    long x = strtol(a, NULL, 10), y = strtol(b, NULL, 10);

    return (strcmp(op, "-eq") == 0 && x == y) || (strcmp(op, "-ne") == 0 && x != y) ||
           (strcmp(op, "-lt") == 0 && x < y) || (strcmp(op, "-le") == 0 && x <= y) ||
           (strcmp(op, "-gt") == 0 && x > y) || (strcmp(op, "-ge") == 0 && x >= y);
}

static bool is_binary(const char *op)
{
    static const char *const ops[] = {"=",   "==",  "!=",  "<",   ">",  "-eq",
                                      "-ne", "-lt", "-le", "-gt", "-ge"};

    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        if (strcmp(op, ops[i]) == 0)
            return true;
    return false;
}

static bool test_primary(struct test *t)
{
    const char *a = peek(t, 0), *op = peek(t, 1), *b = peek(t, 2);

    if (strcmp(a, "!") == 0 && t->depth < SCRIPT_MAX_DEPTH) {
        bool r;

        t->at++;
        t->depth++;
        r = !test_primary(t);
        t->depth--;
        return r;
    }
    if (t->at + 2 < t->end && is_binary(op)) {
        t->at += 3;
        if (op[0] == '-')
            return compare_numbers(a, op, b);
        if (op[0] == '<' || op[0] == '>')
            return op[0] == '<' ? strcmp(a, b) < 0 : strcmp(a, b) > 0;
        return (strcmp(a, b) == 0) == (op[0] == '=');
    }
    if (strcmp(a, "(") == 0 && t->depth < SCRIPT_MAX_DEPTH) {
        bool r;

        t->at++;
        t->depth++;
        r = test_or(t);
        t->depth--;
        t->at += strcmp(peek(t, 0), ")") == 0;
        return r;
    }
    if (a[0] == '-' && a[1] && !a[2] && t->at + 1 < t->end) {
        t->at += 2;
        if (strchr("dfes", a[1]))
            return file_is_there(t->s, a[1], op);
        return a[1] == 'n' ? op[0] != '\0' : a[1] == 'z' && op[0] == '\0';
    }
    t->at += t->at < t->end;
    return a[0] != '\0';
}

static bool test_and(struct test *t)
{
    bool r = test_primary(t);

    while (strcmp(peek(t, 0), "-a") == 0) {
        t->at++;
        r &= test_primary(t);
    }
    return r;
}

static bool test_or(struct test *t)
{
    bool r = test_and(t);

    while (strcmp(peek(t, 0), "-o") == 0) {
        t->at++;
        r |= test_and(t);
    }
    return r;
}

static int do_test(struct script *s, const struct script_argv *argv)
{
    struct test t = {.s = s, .argv = argv, .at = 1, .end = argv->count};

    if (strcmp(argv->at[0], "[") == 0 && t.end > 1 && strcmp(argv->at[t.end - 1], "]") == 0)
        t.end--;
    return !test_or(&t);
}

/* NAME=VALUE, wherever it stands. */
static bool assign(struct script *s, const char *text)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text)
        return false;
    if (s->entry && strncmp(text, "root=", 5) == 0)
        boot_entry_add(s->menu, s->entry, arena_printf(&s->menu->arena, "root (%s)", equals + 1));
    script_set(s, arena_strndup(&s->menu->arena, text, (size_t)(equals - text)), equals + 1);
    return true;
}

static int do_set(struct script *s, const struct script_argv *argv)
{
    for (unsigned int i = 1; i < argv->count; i++)
        if (!assign(s, argv->at[i]))
            return 1;
    return 0;
}

static int do_unset(struct script *s, const struct script_argv *argv)
{
    for (unsigned int i = 1; i < argv->count; i++)
        script_set(s, argv->at[i], "");
    return 0;
}

/* The environment block: "# GRUB Environment Block", NAME=VALUE lines, filled up with '#'. What
 * is to be booted once is not taken: nobody here can write that it was. */
static int do_load_env(struct script *s, const struct script_argv *argv)
{
    struct arena *a = &s->menu->arena;
    const char *path = arena_printf(a, "%s/grubenv", script_get(s, "prefix"));
    CLEANUP_FREE char *text = NULL;
    size_t len;

    for (unsigned int i = 1; i + 1 < argv->count; i++)
        if (strcmp(argv->at[i], "-f") == 0 || strcmp(argv->at[i], "--file") == 0)
            path = argv->at[i + 1];
    if (s->reader->read(s->reader->arg, boot_path(a, path), ENV_MAX, &text, &len) < 0)
        return 1;
    for (const char *p = text; *p && !script_is_over(s);) {
        size_t n = strcspn(p, "\n");

        if (p[0] != '#' && strncmp(p, "next_entry=", 11) != 0)
            assign(s, arena_strndup(a, p, n));
        p += n + (p[n] == '\n');
    }
    return 0;
}

static int do_source(struct script *s, const struct script_argv *argv)
{
    const char *path = argv->count > 1 ? argv->at[argv->count - 1] : "";
    CLEANUP_FREE char *text = NULL;
    size_t len;
    char *kept;

    s->steps -= s->steps > 1000 ? 1000 : s->steps;
    if (s->depth + 1 >= SCRIPT_MAX_DEPTH || script_is_over(s) ||
        s->reader->read(s->reader->arg, boot_path(&s->menu->arena, path), BOOT_CONFIG_MAX, &text,
                        &len) < 0)
        return 1;
    /* Functions and entries keep pointing into it. */
    kept = arena_strndup(&s->menu->arena, text, len);
    s->depth++;
    script_run_text(s, kept);
    s->depth--;
    return 0;
}

static int do_blscfg(struct script *s, const struct script_argv *argv)
{
    static const char *const places[] = {BLS_DIR, "/boot" BLS_DIR};

    if (argv->count > 1 && strchr(argv->at[1], '/'))
        return bls_load(s, boot_path(&s->menu->arena, argv->at[1])) == 0;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (bls_load(s, places[i]) > 0)
            return 0;
    return 1;
}

/* "linux PATH ARGS..." as a line of an entry; words with blanks are quoted for the kernel. */
static void add_line(struct script *s, const char *command, const struct script_argv *argv)
{
    struct arena *a = &s->menu->arena;
    const char *line = command;

    for (unsigned int i = 1; i < argv->count && !script_is_over(s); i++) {
        bool quote = strpbrk(argv->at[i], " \t") && i > 1;

        line = arena_printf(a, quote ? "%s \"%s\"" : "%s %s", line, argv->at[i]);
    }
    boot_entry_add(s->menu, s->entry, line);
}

/* Commands of entries: "linux", also "linux16", "linuxefi". Returns -1 if it is none. */
static int entry_command(struct script *s, const struct script_argv *argv)
{
    static const struct {
        const char *name, *line;
    } commands[] = {{"linux", "kernel"},          {"initrd", "initrd"},     {"multiboot", "kernel"},
                    {"xen_hypervisor", "kernel"}, {"xen_module", "module"}, {"module", "module"}};

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        size_t n = strlen(commands[i].name);
        const char *rest = argv->at[0] + n;

        if (strncmp(argv->at[0], commands[i].name, n) != 0 ||
            (rest[0] && strcmp(rest, "16") != 0 && strcmp(rest, "efi") != 0 &&
             strcmp(rest, "2") != 0))
            continue;
        if (s->entry)
            add_line(s, commands[i].line, argv);
        return 0;
    }
    return -1;
}

static bool succeeds(const char *name)
{
    static const char *const names[] = {
        "true",  "insmod",          "search", "export",         "save_env",   "echo",
        "clear", "terminal_output", "sleep",  "terminal_input", "gfxpayload", "probe"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

int script_command(struct script *s, const struct script_argv *argv)
{
    static const struct {
        const char *name;
        int (*run)(struct script *s, const struct script_argv *argv);
    } commands[] = {
        {"[", do_test},      {"test", do_test},         {"set", do_set},
        {"unset", do_unset}, {"load_env", do_load_env}, {"source", do_source},
        {".", do_source},    {"configfile", do_source}, {"blscfg", do_blscfg},
    };
    int status;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(argv->at[0], commands[i].name) == 0)
            return commands[i].run(s, argv);
    status = entry_command(s, argv);
    if (status >= 0)
        return status;
    if (strchr(argv->at[0], '=') && assign(s, argv->at[0]))
        return 0;
    return !succeeds(argv->at[0]);
}
