/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * disk_spec.c - see disk_spec.h. An entry is cut at its commas; what is key=value or a flag
 * says so itself, what remains has its meaning by its position. Old entries begin with
 * prefixes (file: phy: tap:aio:), which also tell the two orders of positions apart.
 */
#define _GNU_SOURCE
#include "config/disk_spec.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/paths.h"
#include "config/vdev.h"

#define SPEC_MAX 4096
#define MAX_POSITIONS 5

/* Borrowed from one copy of the text. NULL = not given. */
struct spec {
    char *position[MAX_POSITIONS];
    size_t nr_positions;
    const char *target, *format, *vdev, *access;
    const char *type;   /* first prefix */
    const char *script; /* that makes it of the target */
    char prefix[32], prefix_script[40];
    bool cdrom, no_discard, prefixed;
    bool words_only; /* nothing of the host is looked at */
};

/* The list's own copy of a word, NULL if it is not there. */
static const char *find_word(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return list[i];
    return NULL;
}

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    return find_word(word, list, count) != NULL;
}

static const char *find_format(const char *word)
{
    static const char *const formats[] = {"",    "raw", "qcow", "qcow2",
                                          "vhd", "qed", "vmdk", "empty"};

    return find_word(word, formats, ARRAY_SIZE(formats));
}

static int set_once(const char **to, const char *value, const char *what, struct err *err)
{
    if (*to)
        return err_set(err, EINVAL, "%s is given twice", what);
    *to = value;
    return 0;
}

/* A field that says what it is. 1 = it was one. */
static int take_named(struct spec *s, char *field, struct err *err)
{
    static const char *const flags[] = {"direct-io-safe", "trusted", "untrusted", "discard"};
    static const char *const ignored[] = {"backendtype", "backend", "specification", "grant_usage"};
    char *value = strchr(field, '=');
    int rc = 0;

    if (strcmp(field, "cdrom") == 0 || strcmp(field, "devtype=cdrom") == 0) {
        s->cdrom = true;
        return 1;
    }
    if (strcmp(field, "no-discard") == 0) {
        s->no_discard = true;
        return 1;
    }
    if (is_one_of(field, flags, ARRAY_SIZE(flags)) || strcmp(field, "devtype=disk") == 0)
        return 1;
    /* A path may hold the sign, too. */
    if (!value || memchr(field, '/', (size_t)(value - field)))
        return 0;
    *value++ = '\0';
    if (strcmp(field, "format") == 0)
        rc = set_once(&s->format, value, "format", err);
    else if (strcmp(field, "vdev") == 0)
        rc = set_once(&s->vdev, value, "vdev", err);
    else if (strcmp(field, "script") == 0)
        rc = set_once(&s->script, value, "script", err);
    else if (strcmp(field, "access") == 0 || strcmp(field, "mode") == 0)
        rc = set_once(&s->access, value, "access", err);
    else if (!is_one_of(field, ignored, ARRAY_SIZE(ignored)))
        rc = err_set(err, EINVAL, "'%s=' is unknown in a disk", field);
    return rc < 0 ? rc : 1;
}

/* Cut the text at commas; target= takes all that is left. */
static int cut(struct spec *s, char *text, struct err *err)
{
    char *field;
    int rc = 0;

    while (rc >= 0 && text) {
        text += strspn(text, " \t");
        if (strncmp(text, "target=", 7) == 0)
            return set_once(&s->target, text + 7, "target", err);
        field = strsep(&text, ",");
        rc = take_named(s, field, err);
        if (rc != 0)
            continue;
        if (s->nr_positions == MAX_POSITIONS)
            return err_set(err, EINVAL, "there are too many commas");
        s->position[s->nr_positions++] = field;
    }
    return rc < 0 ? rc : 0;
}

/* What xenstore says of how a disk is served. */
static const char *type_of(const char *prefix)
{
    static const char *const own[] = {"file", "phy"};
    const char *type = find_word(prefix, own, ARRAY_SIZE(own));

    return type ? type : "tap";
}

/* A prefix of the administrator's own, "drbd:": there is a script block-drbd. What follows is
 * the script's business. */
static int take_script(struct spec *s, const char *word, struct err *err)
{
    char path[PATHS_MAX];

    if (strlen(word) < sizeof(s->prefix) &&
        strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(word)) {
        snprintf(s->prefix, sizeof(s->prefix), "%s", word);
        snprintf(s->prefix_script, sizeof(s->prefix_script), "block-%s", word);
        if (s->words_only || paths_script(path, s->prefix_script, NULL) == 0) {
            s->type = s->prefix;
            return set_once(&s->script, s->prefix_script, "script", err);
        }
    }
    return err_set(err, ENOTSUP,
                   "block device type '%.100s' is not available: there is no script "
                   "/etc/xen/scripts/block-%.100s",
                   word, word);
}

/* Take prefixes off a target: the first says how Xen would have served it, formats among them
 * what is in it. */
static int take_prefixes(struct spec *s, const char **target, struct err *err)
{
    static const char *const plain[] = {"file", "phy",  "tap",   "tap2", "tapdisk",
                                        "aio",  "sync", "ioemu", "raw"};
    const char *colon;

    while (!s->script && (colon = strchr(*target, ':')) &&
           !memchr(*target, '/', (size_t)(colon - *target))) {
        CLEANUP_FREE char *word = strndup(*target, (size_t)(colon - *target));
        int rc = word ? 0 : err_set(err, ENOMEM, "out of memory");

        if (rc == 0 && is_one_of(word, plain, ARRAY_SIZE(plain)))
            s->type = s->type ? s->type : type_of(word);
        else if (rc == 0 && word[0] && find_format(word))
            s->format = s->format ? s->format : find_format(word);
        else if (rc == 0)
            rc = take_script(s, word, err);
        if (rc < 0)
            return rc;
        s->prefixed = true;
        *target = colon + 1;
    }
    return 0;
}

static int place_positions(struct spec *s, struct err *err)
{
    const char *const *p = (const char *const *)s->position;
    size_t n = s->nr_positions, vdev = 1;
    int rc = 0;

    if (n == 0)
        return 0;
    if (s->target)
        return err_set(err, EINVAL, "target is given twice");
    s->target = p[0];
    rc = take_prefixes(s, &s->target, err);
    if (rc == 0 && !s->prefixed && n > 1 && find_format(p[1])) {
        rc = set_once(&s->format, p[1], "format", err);
        vdev = 2;
    }
    if (rc == 0 && n > vdev)
        rc = set_once(&s->vdev, p[vdev], "vdev", err);
    if (rc == 0 && n > vdev + 1)
        rc = set_once(&s->access, p[vdev + 1], "access", err);
    /* xm's fourth is the backend's domain: there is one. */
    if (rc == 0 && n > vdev + 2 && p[vdev + 2][0] && strcmp(p[vdev + 2], "0") != 0)
        rc = err_set(err, ENOTSUP, "backend domain '%s': only this host has disks", p[vdev + 2]);
    return rc;
}

/* "ioemu:hda", "/dev/xvda", "hdc:cdrom": what is left is the name. */
static int take_vdev(struct spec *s, char name[static 64], struct err *err)
{
    const char *v = s->vdev ? s->vdev : "";
    const char *colon;
    size_t n;

    if (strncmp(v, "ioemu:", 6) == 0)
        v += 6;
    if (strncmp(v, "/dev/", 5) == 0)
        v += 5;
    colon = strchr(v, ':');
    if (colon && strcmp(colon, ":cdrom") == 0)
        s->cdrom = true;
    else if (colon && strcmp(colon, ":disk") != 0)
        return err_set(err, EINVAL, "'%s' is neither disk nor cdrom", colon + 1);
    n = colon ? (size_t)(colon - v) : strlen(v);
    if (n == 0 || n > 63)
        return err_set(err, EINVAL, "the guest's name for it, such as xvda, is missing");
    memcpy(name, v, n);
    name[n] = '\0';
    return 0;
}

static int take_mode(const struct spec *s, const char **ret, struct err *err)
{
    static const struct {
        const char *access, *mode;
    } modes[] = {{"", "w"},   {"r", "r"},   {"ro", "r"},  {"w", "w"},
                 {"rw", "w"}, {"w!", "w!"}, {"rw!", "w!"}};
    const char *access = s->access ? s->access : "";

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        if (strcmp(access, modes[i].access) == 0) {
            *ret = s->cdrom ? "r" : modes[i].mode;
            return 0;
        }
    }
    return err_set(err, EINVAL, "mode '%s' is none of r, w, w!", access);
}

/* The image as an absolute path of something that holds a disk; "" for an empty drive. */
static int find_image(const struct spec *s, char **ret, struct err *err)
{
    CLEANUP_FREE char *named = NULL;
    bool is_phy = s->type && strcmp(s->type, "phy") == 0;
    struct stat st;

    if ((!s->target || !s->target[0]) && s->cdrom) {
        *ret = strdup("");
        return *ret ? 0 : err_set(err, ENOMEM, "out of memory");
    }
    if (!s->target || !s->target[0])
        return err_set(err, EINVAL, "an image must be named: only a cdrom drive can be empty");
    if (s->script) {
        *ret = strdup(""); /* the script will say */
        return *ret ? 0 : err_set(err, ENOMEM, "out of memory");
    }
    if (asprintf(&named, "%s%s", is_phy && s->target[0] != '/' ? "/dev/" : "", s->target) < 0)
        return err_set(err, ENOMEM, "out of memory");
    if (s->words_only) {
        *ret = STEAL_PTR(named);
        return 0;
    }
    *ret = realpath(named, NULL);
    if (!*ret || stat(*ret, &st) < 0)
        return err_set(err, ENOENT, "Disk image does not exist: %s", named);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_set(err, EINVAL, "%s is neither a file nor a block device", named);
    return 0;
}

static int parse(const char *text, bool words_only, json_t **ret, struct err *err)
{
    CLEANUP_FREE char *copy = strdup(text), *path = NULL;
    struct spec s = {.words_only = words_only};
    const char *mode = "", *format;
    char name[64];
    unsigned int devid = 0;
    int rc;

    if (!copy || strlen(text) > SPEC_MAX)
        return err_set(err, EINVAL, "the entry is too long");
    rc = cut(&s, copy, err);
    if (rc == 0)
        rc = place_positions(&s, err);
    if (rc == 0)
        rc = take_vdev(&s, name, err);
    if (rc == 0)
        rc = vdev_number(name, &devid, err);
    if (rc == 0)
        rc = take_mode(&s, &mode, err);
    if (rc == 0)
        rc = find_image(&s, &path, err);
    if (rc < 0)
        return rc;
    format = s.format && s.format[0] ? s.format : "raw";
    *ret = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "name", name, "devid",
                     (int)devid, "path", path, "format", format, "type", s.type ? s.type : "file",
                     "params", s.script ? s.target : path, "mode", mode, "cdrom", s.cdrom,
                     "discard", !s.no_discard);
    if (*ret && s.script)
        json_object_set_new(*ret, "script", json_string(s.script));
    return *ret ? 0 : err_set(err, EINVAL, "its path is not valid UTF-8 text");
}

int disk_spec_parse(const char *text, json_t **ret, struct err *err)
{
    return parse(text, false, ret, err);
}

/* The same name, or the same image, twice in one domain is a mistake. */
static int check_against(const json_t *disks, const json_t *disk, struct err *err)
{
    size_t i;
    json_t *other;

    json_array_foreach(disks, i, other)
    {
        if (json_get_int(other, "devid", -1) == json_get_int(disk, "devid", -2))
            return err_set(err, EEXIST, "%s is already defined", json_get_string(disk, "name", ""));
        if (json_get_string(disk, "path", "")[0] &&
            strcmp(json_get_string(other, "path", ""), json_get_string(disk, "path", "")) == 0)
            return err_set(err, EEXIST, "%s is already used by %s",
                           json_get_string(disk, "path", ""), json_get_string(other, "name", ""));
    }
    return 0;
}

static int add_all(const struct config *c, bool words_only, json_t *doc, struct err *err)
{
    json_t *disks = json_array();

    if (!disks || json_object_set_new(doc, "disks", disks) < 0)
        return err_set(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < config_list_count(c, "disk"); i++) {
        const char *text = config_list_item(c, "disk", i);
        json_t *disk = NULL;
        int rc = parse(text, words_only, &disk, err);

        if (rc == 0)
            rc = check_against(disks, disk, err);
        if (rc == 0)
            rc = json_array_append(disks, disk) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
        json_decref(disk);
        if (rc < 0)
            return err_wrap(err, "%s: disk '%s'", config_place(c, "disk"), text);
    }
    return 0;
}

int disk_spec_add_all(const struct config *c, json_t *doc, struct err *err)
{
    return add_all(c, false, doc, err);
}

int disk_spec_check_all(const struct config *c, struct err *err)
{
    json_t *doc = json_object();
    int rc = add_all(c, true, doc, err);

    json_decref(doc);
    return rc;
}
