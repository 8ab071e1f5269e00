/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * path.c - see path.h.
 */
#include "xenstore/path.h"

#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 64 /* functions that walk the tree call themselves this deep */

void path_home(char home[static XS_HOME_MAX], domid_t id)
{
    snprintf(home, XS_HOME_MAX, "/local/domain/%u", id);
}

static unsigned int count_slashes(const char *path)
{
    unsigned int n = 0;

    for (; *path; path++)
        n += *path == '/';
    return n;
}

int path_resolve(const char *given, const char *home, char abs[static XS_PATH_SIZE])
{
    size_t len = strlen(given), at = 0;

    if (!len || len > (given[0] == '/' ? XENSTORE_ABS_PATH_MAX : XENSTORE_REL_PATH_MAX))
        return EINVAL;
    if (strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/_@") != len)
        return EINVAL;
    if (strstr(given, "//") || (len > 1 && given[len - 1] == '/'))
        return EINVAL;
    if (count_slashes(given) > MAX_DEPTH || given[0] == '@')
        return EINVAL;
    if (given[0] != '/') {
        at = strlen(home) + 1;
        memcpy(abs, home, at - 1);
        abs[at - 1] = '/';
    }
    memcpy(abs + at, given, len + 1);
    return 0;
}

bool path_is_below(const char *path, const char *top)
{
    size_t len = strlen(top);

    if (len == 1)
        return true; /* "/" */
    return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

unsigned int path_depth_below(const char *path, const char *top)
{
    if (!path[1]) /* "/" has no name of its own behind its slash */
        return 0;
    return count_slashes(path) - (top[1] ? count_slashes(top) : 0);
}

void path_parent(const char *path, char parent[static XS_PATH_SIZE])
{
    size_t len = (size_t)(strrchr(path, '/') - path);

    if (!len)
        len = 1;
    memcpy(parent, path, len);
    parent[len] = '\0';
}
