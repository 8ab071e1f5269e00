/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xend_config.c - see xend_config.h. Of several settings of one option the first counts, as in
 * xend.
 */
#define _GNU_SOURCE
#include "toolstack/xend_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "config/sxp.h"

#define FILE_MAX (1024 * 1024)
#define SYSTEM_FILE "/etc/xen/xend-config.sxp"
#define USER_FILE "/xenolith/xend-config.sxp"

const struct xend_option xend_option_table[] = {
#define XEND_OPTION(name, type, otherwise, status, text)                                           \
    {name, XEND_##type, otherwise, XEND_##status, text},
#include "toolstack/xend_options.def"
#undef XEND_OPTION
};
const size_t xend_option_count = ARRAY_SIZE(xend_option_table);

struct xend_config {
    struct arena arena;
    const char *values[ARRAY_SIZE(xend_option_table)]; /* NULL = not set */
    const char **warnings;
    size_t nr_warnings;
};

static size_t index_of(const char *name)
{
    size_t i = 0;

    while (i < xend_option_count && strcmp(xend_option_table[i].name, name) != 0)
        i++;
    return i;
}

int xend_config_path(char buf[static PATHS_MAX], struct err *err)
{
    const char *named = getenv("XEND_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int n;

    if (named && named[0])
        n = snprintf(buf, PATHS_MAX, "%s", named);
    else if (geteuid() == 0)
        n = snprintf(buf, PATHS_MAX, "%s", SYSTEM_FILE);
    else if (xdg && xdg[0] == '/')
        n = snprintf(buf, PATHS_MAX, "%s%s", xdg, USER_FILE);
    else
        n = snprintf(buf, PATHS_MAX, "%s/.config%s", home ? home : "", USER_FILE);
    return n < PATHS_MAX ? 0 : err_set(err, ENAMETOOLONG, "path too long: %s", buf);
}

/* 1, 0, or -1 for what is no boolean. */
static int parse_bool(const char *text)
{
    static const char *const words[2][6] = {{"no", "n", "0", "off", "false", "f"},
                                            {"yes", "y", "1", "on", "true", "t"}};

    for (int b = 0; b < 2; b++)
        for (size_t i = 0; i < ARRAY_SIZE(words[b]); i++)
            if (strcasecmp(text, words[b][i]) == 0)
                return b;
    return -1;
}

static bool parse_int(const char *text, long *ret)
{
    char *end;

    errno = 0;
    *ret = strtol(text, &end, 10);
    return end != text && !*end && errno == 0;
}

static void warn(struct xend_config *c, const char *line)
{
    const char **bigger = reallocarray(c->warnings, c->nr_warnings + 1, sizeof(*bigger));

    if (!bigger)
        return;
    c->warnings = bigger;
    c->warnings[c->nr_warnings++] = line;
}

static int check_value(const struct xend_option *o, const char *file, const char *text,
                       struct err *err)
{
    long n;

    if (o->type == XEND_BOOL && parse_bool(text) < 0)
        return err_set(err, EINVAL, "%s: (%s %s): yes or no is needed", file, o->name, text);
    if (o->type == XEND_INT && !parse_int(text, &n))
        return err_set(err, EINVAL, "%s: (%s %s): a number is needed", file, o->name, text);
    return 0;
}

/* Does this ask for something else than the default? */
static bool differs(const struct xend_option *o, const char *text)
{
    if (o->type == XEND_BOOL)
        return parse_bool(text) != parse_bool(o->otherwise);
    return strcmp(text, o->otherwise) != 0;
}

/* (NAME VALUE). A value that is a list is kept as "(...)": only xen-api-server has one. */
static int take(struct xend_config *c, const char *file, const struct sxp *item, struct err *err)
{
    const char *name = sxp_name(item), *value = sxp_value(item);
    size_t i = index_of(name);
    const struct xend_option *o;
    int rc;

    if (i == xend_option_count) {
        warn(c, arena_printf(&c->arena, "%s: unknown option '%s' is ignored", file, name));
        return 0;
    }
    o = &xend_option_table[i];
    if (c->values[i])
        return 0;
    if (!value && o->type != XEND_ANY)
        return err_set(err, EINVAL, "%s: (%s ...): one value is needed, not a list", file, name);
    c->values[i] = value ? value : "(...)";
    rc = check_value(o, file, c->values[i], err);
    if (rc < 0 || !differs(o, c->values[i]))
        return rc;
    if (o->status == XEND_REFUSED)
        warn(c, arena_printf(&c->arena, "%s: %s is ignored: %s", file, name, o->text));
    else if (o->status == XEND_LATER)
        warn(c, arena_printf(&c->arena, "%s: %s has no effect yet", file, name));
    return 0;
}

/* What is unsafe is there for those who ask for it, and they are told. */
static void warn_of_open_doors(struct xend_config *c, const char *file)
{
    const char *allowed = xend_config_string(c, "xend-relocation-hosts-allow");

    if (xend_config_bool(c, "xend-relocation-server"))
        warn(c, arena_printf(&c->arena,
                             "%s: xend-relocation-server lets %s start domains here, without a "
                             "password and unencrypted; 'xl migrate' goes by ssh",
                             file,
                             allowed[0] ? "whoever connects from the hosts that are allowed"
                                        : "everybody who can connect"));
}

int xend_config_load_text(struct xend_config **ret, const char *file, const char *text, size_t len,
                          struct err *err)
{
    struct xend_config *c = calloc(1, sizeof(*c));
    struct sxp *all = NULL;
    int rc = c ? sxp_parse(&c->arena, file, text, len, &all, err)
               : err_set(err, ENOMEM, "out of memory");

    for (const struct sxp *item = rc == 0 ? all->first : NULL; item && rc == 0; item = item->next)
        if (!item->atom)
            rc = take(c, file, item, err);
    if (rc == 0)
        warn_of_open_doors(c, file);
    if (rc < 0)
        xend_config_free(c);
    else
        *ret = c;
    return rc;
}

int xend_config_load(struct xend_config **ret, struct err *err)
{
    CLEANUP_FREE char *text = NULL;
    char path[PATHS_MAX];
    size_t len = 0;
    int rc = xend_config_path(path, err);

    if (rc == 0)
        rc = io_read_file(path, FILE_MAX, &text, &len, err);
    if (rc == -ENOENT)
        return xend_config_load_text(ret, path, "", 0, err);
    return rc < 0 ? rc : xend_config_load_text(ret, path, text, len, err);
}

void xend_config_free(struct xend_config *c)
{
    if (!c)
        return;
    arena_done(&c->arena);
    free(c->warnings);
    free(c);
}

const char *xend_config_string(const struct xend_config *c, const char *name)
{
    size_t i = index_of(name);

    if (i == xend_option_count)
        return "";
    return c && c->values[i] ? c->values[i] : xend_option_table[i].otherwise;
}

long xend_config_int(const struct xend_config *c, const char *name)
{
    long n;

    return parse_int(xend_config_string(c, name), &n) ? n : 0;
}

bool xend_config_bool(const struct xend_config *c, const char *name)
{
    return parse_bool(xend_config_string(c, name)) == 1;
}

size_t xend_config_warning_count(const struct xend_config *c)
{
    return c->nr_warnings;
}

const char *xend_config_warning(const struct xend_config *c, size_t i)
{
    return c->warnings[i];
}

static struct {
    struct xend_config *config;
    bool tried;
} own;

const struct xend_config *xend_config_own(void)
{
    if (!own.tried && xend_config_load(&own.config, NULL) < 0)
        own.config = NULL;
    own.tried = true;
    return own.config;
}

void xend_config_reread(void)
{
    xend_config_free(own.config);
    own.config = NULL;
    own.tried = false;
}
