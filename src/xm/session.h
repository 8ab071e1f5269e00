/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session.h - start a domain and, if so wished, stay on its console from the first byte until
 * it ends: what xm create and xm start do.
 */
#pragma once

#include "base/json.h"
#include "config/config.h"
#include "xm/create_args.h"
#include "xm/verbs.h"

/* A saved domain that goes on (toolstack/saved.h). Borrowed. */
struct session_image {
    int fd;
    const json_t *head;
};

struct session_options {
    bool console; /* stay until the end */
    bool quiet;
    bool paused;
    bool managed;                      /* one of the managed domains */
    bool foreground;                   /* so, too, but not on its console */
    bool viewer;                       /* start a VNC viewer, as the config may wish, too */
    struct err *failure;               /* not NULL: why it does not start, instead of stderr */
    const struct session_image *image; /* NULL: the domain begins anew */
};

/* Read the config that the arguments name, with their VAR=VALUE. 0 or -errno. */
int session_load(struct config *c, const struct create_args *a, struct err *err) MUST_CHECK;

/* What a config printed and what its author should know, on standard error. */
void session_print_notes(const struct config *c);

/* The config as an S-expression: text to be freed. 0 or -errno. */
int session_sxp(struct config *c, const char *name, const char *uuid, char **ret,
                struct err *err) MUST_CHECK;

/* Start what a loaded config describes. Returns the verb's exit status. */
int session_start(struct config *c, const struct session_options *o);
