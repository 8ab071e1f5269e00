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

#include "base/paths.h"

#define DEFAULT_FILE "xmdefconfig"

static const char default_path[] = ".:/etc/xen";

static const struct {
    const char *word;
    char letter;
    bool has_value;
} options[] = {
    {"help", 'h', false},
    {"console_autoconnect", 'c', false},
    {"console", 'c', false},
    {"quiet", 'q', false},
    {"dryrun", 'n', false},
    {"paused", 'p', false},
    {"config", 'F', true},
    {"defconfig", 'f', true},
    {"xmldryrun", 'x', false},
    {"skipdtd", 's', false},
    {"vncviewer", 'v', false},
    {"vncviewer-autopass", 'v', false},
    /* no letters in xm */
    {"path", 'P', true},
    {"json", 'j', false},
    {"help_config", 'H', false},
    {"help-config", 'H', false},
};

static int set_option(struct create_args *a, char letter, const char *value, struct err *err)
{
    switch (letter) {
    case 'h':
        a->help = true;
        return 0;
    case 'c':
        a->console = true;
        return 0;
    case 'q':
        a->quiet = true;
        return 0;
    case 'n':
        a->dry_run = true;
        return 0;
    case 'H':
        a->help_config = true;
        return 0;
    case 'f':
        a->file = value;
        return 0;
    case 'P':
        a->path = value;
        return 0;
    case 'F':
        a->sxp = value;
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case 's': /* of no meaning without XML */
        return 0;
    case 'p':
        a->paused = true;
        return 0;
    case 'v':
    case 'V':
    case 'A':
        a->viewer = true;
        return 0;
    case 'w':
        a->foreground = true;
        return 0;
    case 'e':
    case 'd': /* what xl does with itself meanwhile */
        return 0;
    default:
        return err_set(err, ENOTSUP,
                       "option -x (XML of the Xen-API) is not supported; -n prints the config");
    }
}

/* "--word", "--word=VALUE", "--word VALUE". Advances *i over a value. */
static int take_long(struct create_args *a, int argc, char **argv, int *i, struct err *err)
{
    const char *word = argv[*i] + 2;
    size_t n = strcspn(word, "=");
    const char *value = word[n] ? word + n + 1 : NULL;

    for (size_t k = 0; k < ARRAY_SIZE(options); k++) {
        if (strlen(options[k].word) != n || strncmp(options[k].word, word, n) != 0)
            continue;
        if (value && !options[k].has_value)
            return err_set(err, EINVAL, "option --%s takes no value", options[k].word);
        if (!value && options[k].has_value && *i + 1 < argc)
            value = argv[++*i];
        if (!value && options[k].has_value)
            return err_set(err, EINVAL, "option --%s needs a value", options[k].word);
        return set_option(a, options[k].letter, value, err);
    }
    return err_set(err, EINVAL, "unknown option '%s'", argv[*i]);
}

/* "-c", "-qc", "-f VALUE", "-fVALUE". Advances *i over a value. xl's -F has none. */
static int take_short(struct create_args *a, int argc, char **argv, int *i, struct err *err)
{
    int rc = 0;

    for (const char *p = argv[*i] + 1; *p && rc == 0; p++) {
        char letter = a->is_xl && *p == 'F' ? 'w' : *p;
        const char *value = NULL;

        if (!strchr(a->is_xl ? "hcqnpfFedVA" : "hcqnpxsFf", *p))
            return err_set(err, EINVAL, "unknown option '-%c'", *p);
        if (letter == 'f' || letter == 'F') {
            value = p[1] ? p + 1 : *i + 1 < argc ? argv[++*i] : NULL;
            if (!value)
                return err_set(err, EINVAL, "option -%c needs a value", *p);
        }
        rc = set_option(a, letter, value, err);
        if (value)
            break;
    }
    return rc;
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

int create_args_parse(struct create_args *a, bool is_xl, int argc, char **argv, struct err *err)
{
    bool words_only = false;
    int rc = 0;

    *a = (struct create_args){.path = default_path, .is_xl = is_xl};
    for (int i = 1; i < argc && rc == 0; i++) {
        if (words_only || argv[i][0] != '-' || !argv[i][1])
            rc = take_word(a, argv[i], err);
        else if (strcmp(argv[i], "--") == 0)
            words_only = true;
        else if (argv[i][1] == '-')
            rc = take_long(a, argc, argv, &i, err);
        else
            rc = take_short(a, argc, argv, &i, err);
    }
    return rc;
}

int create_args_find_file(const struct create_args *a, char *buf, size_t size, struct err *err)
{
    const char *file = a->file ? a->file : DEFAULT_FILE;
    const char *dir = a->path;
    char config_dir[PATHS_MAX];
    struct err ignored;

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
    /* Where xm install puts users' configs. */
    if (file[0] != '/' && a->path == default_path && paths_config_dir(config_dir, &ignored) == 0 &&
        snprintf(buf, size, "%s/%s", config_dir, file) < (int)size && access(buf, F_OK) == 0)
        return 0;
    if (file[0] == '/')
        return err_set(err, ENOENT, "Unable to open config file: %s: %s", file, strerror(ENOENT));
    return err_set(err, ENOENT, "Unable to open config file: %s (looked in: %s)%s", file, a->path,
                   a->file ? "" : "; no file was named, see 'xm help create'");
}
