/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * path.h - paths of the store. Inside the daemon every path is absolute and was checked:
 * "/", or names with a "/" before each. Requests may also name a path relative to the home of
 * who asks, or one of the two special watches.
 */
#pragma once

#include "base/types.h"
#include "xenstore/wire.h"

#define XS_HOME_MAX 32
/* A checked absolute path with its NUL. */
#define XS_PATH_SIZE (XENSTORE_ABS_PATH_MAX + 1)

/* /local/domain/N */
void path_home(char home[static XS_HOME_MAX], domid_t id);

/* Check a path as a request gives it and make it absolute. 0 or EINVAL. */
int path_resolve(const char *given, const char *home, char abs[static XS_PATH_SIZE]);

/* Is `path` the node `top`, or below it? */
bool path_is_below(const char *path, const char *top);
/* How many levels `path` is below `top`. */
unsigned int path_depth_below(const char *path, const char *top);
/* The path of the node above; "/" for children of the root. Not for the root. */
void path_parent(const char *path, char parent[static XS_PATH_SIZE]);
