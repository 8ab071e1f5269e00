/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * defaults.c - see defaults.h. An option at xend's own default changes nothing here: that is the
 * default of configs, too.
 */
#include "toolstack/defaults.h"

#include <string.h>

/* The option of xend, of a config, and the member of a framebuffer in the document. */
static const struct {
    const char *xend, *option, *member;
} displays[] = {
    {"vnc-listen", "vnclisten", "listen"},
    {"vncpasswd", "vncpasswd", "password"},
    {"keymap", "keymap", "keymap"},
};

/* What was set, or NULL. */
static const char *value_of(const struct xend_config *xend, const char *name)
{
    const char *value = xend_config_string(xend, name);

    return strcmp(value, xend_config_string(NULL, name)) != 0 ? value : NULL;
}

int defaults_for_config(struct config *c, const struct xend_config *xend, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(displays) && rc == 0; i++) {
        const char *value = value_of(xend, displays[i].xend);

        if (value && !config_is_set(c, displays[i].option))
            rc = config_set(c, displays[i].option,
                            value_string(config_arena(c), value, strlen(value)), "xend-config.sxp",
                            err);
    }
    return rc;
}

void defaults_for_document(json_t *doc, const struct xend_config *xend)
{
    json_t *vfb = json_object_get(doc, "vfb");
    const char *on_crash = json_get_string(doc, "on_crash", "");

    for (size_t i = 0; json_is_object(vfb) && i < ARRAY_SIZE(displays); i++) {
        const char *value = value_of(xend, displays[i].xend);

        if (value && !json_object_get(vfb, displays[i].member))
            json_object_set_new(vfb, displays[i].member, json_string(value));
    }
    if (!xend_config_bool(xend, "enable-dump"))
        return;
    if (strcmp(on_crash, "destroy") == 0)
        json_object_set_new(doc, "on_crash", json_string("coredump-destroy"));
    else if (strcmp(on_crash, "restart") == 0)
        json_object_set_new(doc, "on_crash", json_string("coredump-restart"));
}
