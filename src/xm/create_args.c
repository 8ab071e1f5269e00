/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * create_args.c - see create_args.h.
 */
#define _GNU_SOURCE
#include "xm/create_args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PATH ".:/etc/xen"
#define DEFAULT_FILE "xmdefconfig"

static bool is(const char *arg, const char *letter, const char *word)
{
    return strcmp(arg, letter) == 0 || strcmp(arg, word) == 0;
}

/* An option with a value: "-f V", "--word V" or "--word=V". Advances *i. 1 if it was this
 * option, 0 if not. */
static int take_value(int argc, char **argv, int *i, const char *letter, const char *word,
                      const char **ret, struct err *err)
{
    size_t n = strlen(word);

    if (strncmp(argv[*i], word, n) == 0 && argv[*i][n] == '=') {
        *ret = argv[*i] + n + 1;
        return 1;
    }
    if (!is(argv[*i], letter, word))
        return 0;
    if (*i + 1 >= argc)
        return err_set(err, EINVAL, "option %s needs a value", argv[*i]);
    *ret = argv[++*i];
    return 1;
}

static int take_option(struct create_args *a, int argc, char **argv, int *i, struct err *err)
{
    const char *arg = argv[*i];
    int rc;

    if (is(arg, "-h", "--help"))
        a->help = true;
    else if (is(arg, "-c", "--console_autoconnect") || strcmp(arg, "--console") == 0)
        a->console = true;
    else if (is(arg, "-q", "--quiet"))
        a->quiet = true;
    else if (is(arg, "-n", "--dryrun"))
        a->dry_run = true;
    else if (is(arg, "--help_config", "--help-config"))
        a->help_config = true;
    else if (is(arg, "-p", "--paused"))
        return err_set(err, ENOTSUP, "option %s (start paused) is not available yet", arg);
    else if (is(arg, "-F", "--config"))
        return err_set(err, ENOTSUP, "option %s (S-expression configs) is not available yet", arg);
    else {
        rc = take_value(argc, argv, i, "-f", "--defconfig", &a->file, err);
        if (rc == 0)
            rc = take_value(argc, argv, i, "--path", "--path", &a->path, err);
        if (rc == 0)
            return err_set(err, EINVAL, "unknown option '%s'", arg);
        return rc < 0 ? rc : 0;
    }
    return 0;
}

static int take_word(struct create_args *a, const char *arg, struct err *err)
{
    const char *equals = strchr(arg, '=');
    const char *slash = strchr(arg, '/');

    if (equals && equals > arg && !(slash && slash < equals)) {
        if (a->nr_overrides == CREATE_MAX_OVERRIDES)
            return err_set(err, E2BIG, "more than %d VAR=VALUE arguments", CREATE_MAX_OVERRIDES);
        a->overrides[a->nr_overrides++] = arg;
        return 0;
    }
    if (a->file)
        return err_set(err, EINVAL, "unexpected argument '%s'; settings have the form VAR=VALUE",
                       arg);
    a->file = arg;
    return 0;
}

int create_args_parse(struct create_args *a, int argc, char **argv, struct err *err)
{
    bool options = true;
    int rc = 0;

    memset(a, 0, sizeof(*a));
    a->path = DEFAULT_PATH;
    for (int i = 1; i < argc && rc == 0; i++) {
        if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (options && argv[i][0] == '-' && argv[i][1])
            rc = take_option(a, argc, argv, &i, err);
        else
            rc = take_word(a, argv[i], err);
    }
    return rc;
}

int create_args_find_file(const struct create_args *a, char *buf, size_t size, struct err *err)
{
    const char *file = a->file ? a->file : DEFAULT_FILE;
    const char *dir = a->path;

    if (access(file, F_OK) == 0) {
        /* xm shows it this way. */
        snprintf(buf, size, "%s%s", strchr(file, '/') ? "" : "./", file);
        return 0;
    }
    while (file[0] != '/' && *dir) {
        int n = (int)(strchrnul(dir, ':') - dir);

        if (n > 0 && snprintf(buf, size, "%.*s/%s", n, dir, file) < (int)size &&
            access(buf, F_OK) == 0)
            return 0;
        dir += n + (dir[n] == ':');
    }
    return err_set(err, ENOENT, "Unable to open config file: %s (looked in: %s)", file,
                   file[0] == '/' ? "/" : a->path);
}
