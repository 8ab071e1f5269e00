/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vfb_spec.c - see vfb_spec.h.
 */
#define _GNU_SOURCE
#include "config/vfb_spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MAX_DISPLAY (65535 - 5900)
#define MAX_VIDEORAM 64
#define PASSWORD_MAX 8 /* of VNC */

enum answer { NOT_SAID, NO, YES };

struct spec {
    json_t *object;
    enum answer vnc, sdl;
};

static enum answer parse_bool(const char *text)
{
    static const char *const yes[] = {"1", "yes", "true", "True"};
    static const char *const no[] = {"0", "no", "false", "False", ""};

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
        if (strcmp(text, yes[i]) == 0)
            return YES;
    for (size_t i = 0; i < ARRAY_SIZE(no); i++)
        if (strcmp(text, no[i]) == 0)
            return NO;
    return NOT_SAID;
}

static int take_bool(const char *key, const char *text, enum answer *ret, struct err *err)
{
    *ret = parse_bool(text);
    return *ret == NOT_SAID ? err_set(err, EINVAL, "%s=%s: 0 or 1 is needed", key, text) : 0;
}

static int take_number(struct spec *s, const char *key, const char *member, const char *text,
                       unsigned long max, struct err *err)
{
    char *end;
    unsigned long n = isdigit((unsigned char)text[0]) ? strtoul(text, &end, 10) : max + 1;

    if (n > max || *end)
        return err_set(err, EINVAL, "%s=%s: a number from 0 to %lu is needed", key, text, max);
    json_object_set_new(s->object, member, json_integer((json_int_t)n));
    return 0;
}

static int take_text(struct spec *s, const char *key, const char *member, const char *text,
                     struct err *err)
{
    if (json_object_set_new(s->object, member, json_string(text)) < 0)
        return err_set(err, EINVAL, "%s: not valid UTF-8 text", key);
    return 0;
}

/* An address, in xl's way with a display number behind it. IPv6 addresses have more colons. */
static int take_listen(struct spec *s, const char *text, struct err *err)
{
    CLEANUP_FREE char *copy = strdup(text);
    char *colon = copy ? strchr(copy, ':') : NULL;
    int rc = copy ? 0 : err_set(err, ENOMEM, "out of memory");

    if (rc == 0 && colon && !strchr(colon + 1, ':')) {
        *colon = '\0';
        rc = take_number(s, "vnclisten", "display", colon + 1, MAX_DISPLAY, err);
    }
    return rc < 0 ? rc : take_text(s, "vnclisten", "listen", copy, err);
}

static int take_password(struct spec *s, const char *text, struct err *err)
{
    if (strlen(text) > PASSWORD_MAX)
        return err_set(err, EINVAL, "vncpasswd: VNC knows only %d characters of a password",
                       PASSWORD_MAX);
    return take_text(s, "vncpasswd", "password", text, err);
}

static int take_unused(struct spec *s, const char *text, struct err *err)
{
    enum answer answer;
    int rc = take_bool("vncunused", text, &answer, err);

    if (rc == 0)
        json_object_set_new(s->object, "unused", json_boolean(answer == YES));
    return rc;
}

static int take_type(struct spec *s, const char *text, struct err *err)
{
    if (strcmp(text, "vnc") == 0)
        s->vnc = YES;
    else if (strcmp(text, "sdl") == 0)
        s->sdl = YES;
    else
        return err_set(err, EINVAL, "type=%s is none of vnc, sdl", text);
    return 0;
}

static int take_key(struct spec *s, const char *key, const char *value, struct err *err)
{
    static const char *const ignored[] = {"display", "xauthority", "opengl", "serial", "monitor"};

    if (strcmp(key, "type") == 0)
        return take_type(s, value, err);
    if (strcmp(key, "vnc") == 0)
        return take_bool(key, value, &s->vnc, err);
    if (strcmp(key, "sdl") == 0)
        return take_bool(key, value, &s->sdl, err);
    if (strcmp(key, "vncunused") == 0)
        return take_unused(s, value, err);
    if (strcmp(key, "vncdisplay") == 0)
        return take_number(s, key, "display", value, MAX_DISPLAY, err);
    if (strcmp(key, "videoram") == 0)
        return take_number(s, key, "videoram", value, MAX_VIDEORAM, err);
    if (strcmp(key, "vnclisten") == 0)
        return take_listen(s, value, err);
    if (strcmp(key, "vncpasswd") == 0)
        return take_password(s, value, err);
    if (strcmp(key, "keymap") == 0)
        return take_text(s, key, "keymap", value, err);
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        if (strcmp(key, ignored[i]) == 0)
            return 0;
    return err_set(err, EINVAL, "'%s' is no key of a vfb", key);
}

static char *strip(char *text)
{
    char *end = text + strlen(text);

    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

static int take_entry(struct spec *s, const char *text, struct err *err)
{
    CLEANUP_FREE char *copy = strdup(text);
    char *save = NULL;

    if (!copy)
        return err_set(err, ENOMEM, "out of memory");
    for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(part, '=');
        int rc;

        if (!*strip(part))
            continue;
        if (!equals)
            return err_set(err, EINVAL, "'%s' is no key=value", strip(part));
        *equals = '\0';
        rc = take_key(s, strip(part), strip(equals + 1), err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* xl's options beside vfb. */
static int take_options(const struct config *c, struct spec *s, struct err *err)
{
    static const char *const texts[] = {"vnclisten", "vncpasswd", "keymap"};
    static const char *const numbers[] = {"vnc", "sdl", "vncunused", "vncdisplay"};
    char number[24];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(texts); i++)
        if (config_is_set(c, texts[i]))
            rc = take_key(s, texts[i], config_string(c, texts[i], ""), err);
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(numbers); i++) {
        if (!config_is_set(c, numbers[i]))
            continue;
        snprintf(number, sizeof(number), "%lld", (long long)config_int(c, numbers[i], 0));
        rc = take_key(s, numbers[i], number, err);
    }
    return rc;
}

int vfb_spec_add(struct config *c, json_t *doc, struct err *err)
{
    struct spec s = {.object = json_object()};
    size_t given = config_list_count(c, "vfb");
    const char *option = given > 0 ? "vfb" : "vnc";
    int rc = s.object ? 0 : err_set(err, ENOMEM, "out of memory");

    if (rc == 0 && given > 1)
        rc = err_set(err, EINVAL, "a domain has one framebuffer at most");
    if (rc == 0)
        rc = given > 0 ? take_entry(&s, config_list_item(c, "vfb", 0), err)
                       : take_options(c, &s, err);
    if (rc < 0) {
        json_decref(s.object);
        return err_wrap(err, "%s: %s", config_place(c, option), option);
    }
    if (s.vnc != YES && s.sdl == YES)
        config_warn(c, "%s: a window of SDL is not available; the display is shown by VNC",
                    config_place(c, given > 0 ? "vfb" : "sdl"));
    else if (s.vnc == NO && given > 0)
        config_warn(c, "%s: vfb with vnc=0 is ignored: displays are shown by VNC only",
                    config_place(c, "vfb"));
    if (s.vnc == YES || s.sdl == YES || (given > 0 && s.vnc == NOT_SAID))
        json_object_set(doc, "vfb", s.object);
    json_decref(s.object);
    return 0;
}
