/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * store_tool.c - xenstore-read, -write, -rm, -exists and -list for hotplug scripts on hosts
 * without Xen's own (Debian package xenstore-utils). Which one it is, its name says. Options
 * are not known. The store is XENSTORED_PATH's, else this instance's.
 *
 * Exit code: 0, or 1 if anything could not be done.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "xenstore/client.h"

static int complain(const char *path, int rc)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path, strerror(-rc));
    return 1;
}

static int do_read(struct xs_client *store, char **paths)
{
    for (; *paths; paths++) {
        CLEANUP_FREE char *value = NULL;
        int rc = xs_read(store, XS_NO_TX, *paths, &value, NULL);

        if (rc < 0)
            return complain(*paths, rc);
        puts(value);
    }
    return 0;
}

static int do_write(struct xs_client *store, char **words)
{
    for (; words[0] && words[1]; words += 2) {
        int rc = xs_write(store, XS_NO_TX, words[0], words[1], strlen(words[1]));

        if (rc < 0)
            return complain(words[0], rc);
    }
    return words[0] != NULL; /* a path without a value */
}

static int do_rm(struct xs_client *store, char **paths)
{
    for (; *paths; paths++) {
        int rc = xs_rm(store, XS_NO_TX, *paths);

        if (rc < 0)
            return complain(*paths, rc);
    }
    return 0;
}

static int do_exists(struct xs_client *store, char **paths)
{
    for (; *paths; paths++) {
        CLEANUP_FREE char *value = NULL;

        if (xs_read(store, XS_NO_TX, *paths, &value, NULL) < 0)
            return 1;
    }
    return 0;
}

static int do_list(struct xs_client *store, char **paths)
{
    for (; *paths; paths++) {
        CLEANUP_FREE char **names = NULL;
        size_t count;
        int rc = xs_directory(store, XS_NO_TX, *paths, &names, &count);

        if (rc < 0)
            return complain(*paths, rc);
        for (size_t i = 0; i < count; i++)
            puts(names[i]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct xs_client *store, char **words);
    } tools[] = {
        {"xenstore-read", do_read},     {"xenstore-write", do_write}, {"xenstore-rm", do_rm},
        {"xenstore-exists", do_exists}, {"xenstore-list", do_list},
    };
    const char *given = getenv("XENSTORED_PATH");
    struct xs_client *store = NULL;
    char path[PATHS_MAX];
    struct err err = {0};
    int rc = given ? 0 : xs_socket_path(path, &err), status = 1;

    if (argc < 2) {
        fprintf(stderr, "Usage: %s PATH...\n", program_invocation_short_name);
        return 1;
    }
    if (rc == 0)
        rc = xs_connect(&store, given ? given : path, &err);
    if (rc < 0) {
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, err.msg);
        return 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
        if (strcmp(program_invocation_short_name, tools[i].name) == 0)
            status = tools[i].run(store, argv + 1);
    xs_close(store);
    return status;
}
