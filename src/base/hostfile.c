/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hostfile.c - see hostfile.h. A request is one of the rights, a path and, to replace a file, its
 * text.
 */
#define _GNU_SOURCE
#include "base/hostfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/launcher.h"

#define MAX_FILES 16

struct request {
    enum hostfile_right right;
    char path[PATH_MAX];
    char text[HOSTFILE_TEXT_MAX];
};

_Static_assert(sizeof(struct request) <= LAUNCHER_DATA_MAX, "a request fits into a message");

/* Fixed before the launcher is made, which has a copy. */
static struct {
    char *path;
    unsigned int rights;
} files[MAX_FILES];
static unsigned int nr_files;
static hostfile_rule *rule;

int hostfile_allow(const char *path, unsigned int rights, struct err *err)
{
    if (!path[0])
        return 0;
    if (nr_files == MAX_FILES)
        return err_set(err, ENOSPC, "too many files for a domain process");
    files[nr_files].path = strdup(path);
    if (!files[nr_files].path)
        return err_set(err, ENOMEM, "out of memory");
    files[nr_files++].rights = rights;
    return 0;
}

void hostfile_allow_rule(hostfile_rule *more)
{
    rule = more;
}

static bool may(const char *path, enum hostfile_right right)
{
    if (nr_files == 0 && !rule)
        return true;
    for (unsigned int i = 0; i < nr_files; i++)
        if (strcmp(files[i].path, path) == 0 && (files[i].rights & right))
            return true;
    return rule && rule(path, right);
}

/* Nothing that is opened for more than its content: directories lead to other files, and devices do
 * what they do. */
static int open_regular(const char *path)
{
    CLEANUP_CLOSE int place = open(path, O_PATH | O_CLOEXEC);
    char link[32];
    struct stat st;
    int fd;

    if (place < 0 || fstat(place, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EISDIR;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
    fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

int hostfile_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    struct request r;

    if (request->size != sizeof(r))
        return -EINVAL;
    memcpy(&r, request->data, sizeof(r));
    r.path[sizeof(r.path) - 1] = r.text[sizeof(r.text) - 1] = '\0';
    if (!may(r.path, r.right))
        return -EPERM;
    switch (r.right) {
    case HOSTFILE_READ:
        reply->fd = open_regular(r.path);
        return reply->fd < 0 ? reply->fd : 0;
    case HOSTFILE_REMOVE:
        return unlink(r.path) < 0 ? -errno : 0;
    case HOSTFILE_REPLACE:
        return io_write_file_atomic(r.path, r.text, strlen(r.text), NULL);
    }
    return -EINVAL;
}

/* *ret_fd: of a file that was opened. 0 or -errno. */
static int ask(enum hostfile_right right, const char *path, const char *text, int *ret_fd)
{
    struct request r = {.right = right};
    struct launcher_reply reply;
    int rc;

    if (strlen(path) >= sizeof(r.path) || strlen(text) >= sizeof(r.text))
        return -ENAMETOOLONG;
    memcpy(r.path, path, strlen(path));
    memcpy(r.text, text, strlen(text));
    rc = launcher_ask(hostfile_service, &(struct launcher_request){&r, sizeof(r), NULL, 0}, &reply);
    *ret_fd = reply.fd;
    return rc;
}

int hostfile_open(const char *path)
{
    int fd, rc = ask(HOSTFILE_READ, path, "", &fd);

    return rc < 0 ? rc : fd;
}

int hostfile_remove(const char *path)
{
    int none;

    return ask(HOSTFILE_REMOVE, path, "", &none);
}

int hostfile_replace(const char *path, const char *text)
{
    int none;

    return ask(HOSTFILE_REPLACE, path, text, &none);
}
