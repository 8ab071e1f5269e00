/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * undo.c - see undo.h. A lock file is removed by who holds it; whoever waited for it finds that
 * out and takes the new one.
 */
#define _GNU_SOURCE
#include "hotplug/undo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/paths.h"

#define LIST_MAX (1024 * 1024)

static int open_dir(struct err *err)
{
    char run[PATHS_MAX], path[PATHS_MAX + 16];
    int rc = paths_run_dir(run, err), fd;

    if (rc < 0)
        return rc;
    snprintf(path, sizeof(path), "%s/hotplug", run);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, errno, "cannot create %s: %s", path, strerror(errno));
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_set(err, errno, "cannot open %s: %s", path, strerror(errno)) : fd;
}

static void file_name(char buf[static 32], domid_t domid, const char *end)
{
    snprintf(buf, 32, "%u.%s", domid, end);
}

/* The file is still the one of that name. */
static bool is_current(int dir_fd, const char *name, int fd)
{
    struct stat a, b;

    return fstat(fd, &a) == 0 && fstatat(dir_fd, name, &b, 0) == 0 && a.st_ino == b.st_ino;
}

static int take_lock(int dir_fd, domid_t domid, bool wait, struct err *err)
{
    char name[32];

    file_name(name, domid, "lck");
    for (;;) {
        CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0)
            return err_set(err, errno, "cannot create hotplug/%s: %s", name, strerror(errno));
        if (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
            if (errno == EINTR)
                continue;
            return err_set(err, errno, "cannot lock hotplug/%s: %s", name, strerror(errno));
        }
        if (is_current(dir_fd, name, fd))
            return STEAL_FD(fd);
    }
}

/* An unreadable list is no list: nothing can be undone by it. */
static json_t *load(int dir_fd, domid_t domid)
{
    char name[32];
    CLEANUP_FREE char *text = NULL;
    CLEANUP_CLOSE int fd = -1;
    json_t *doc = NULL;
    size_t len;

    file_name(name, domid, "json");
    fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && io_read_fd(fd, LIST_MAX, &text, &len, NULL) == 0 &&
        json_parse_object(text, len, &doc, NULL) == 0 &&
        json_is_array(json_object_get(doc, "devices")))
        return doc;
    json_decref(doc);
    return json_pack("{s:s, s:[]}", "lock", "", "devices");
}

int undo_open(struct undo_list *u, domid_t domid, bool wait, struct err *err)
{
    CLEANUP_CLOSE int dir_fd = open_dir(err);
    CLEANUP_CLOSE int lock_fd = -1;

    if (dir_fd < 0)
        return dir_fd;
    lock_fd = take_lock(dir_fd, domid, wait, err);
    if (lock_fd < 0)
        return lock_fd;
    *u = (struct undo_list){.domid = domid, .doc = load(dir_fd, domid)};
    if (!u->doc)
        return err_set(err, ENOMEM, "out of memory");
    u->dir_fd = STEAL_FD(dir_fd);
    u->lock_fd = STEAL_FD(lock_fd);
    return 0;
}

int undo_save(const struct undo_list *u, struct err *err)
{
    CLEANUP_FREE char *line = NULL;
    char name[32], path[64];

    file_name(name, u->domid, "json");
    if (json_array_size(undo_devices(u)) == 0) {
        unlinkat(u->dir_fd, name, 0);
        return 0;
    }
    line = json_to_line(u->doc);
    if (!line)
        return err_set(err, ENOMEM, "out of memory");
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", u->dir_fd, name);
    return io_write_file_atomic(path, line, strlen(line), err);
}

void undo_close(struct undo_list *u)
{
    char name[32];

    file_name(name, u->domid, "lck");
    if (json_array_size(undo_devices(u)) == 0)
        unlinkat(u->dir_fd, name, 0);
    json_decref(u->doc);
    close(u->lock_fd);
    close(u->dir_fd);
}

json_t *undo_devices(const struct undo_list *u)
{
    return json_object_get(u->doc, "devices");
}

const char *undo_domain_lock(const struct undo_list *u)
{
    return json_get_string(u->doc, "lock", "");
}

void undo_set_domain_lock(struct undo_list *u, const char *path)
{
    json_object_set_new(u->doc, "lock", json_string(path));
}

int undo_claim_wait(const struct undo_list *u, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    char name[32];

    file_name(name, u->domid, "wait");
    fd = openat(u->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, errno, "cannot lock hotplug/%s: %s", name, strerror(errno));
    return STEAL_FD(fd);
}

void undo_end_wait(const struct undo_list *u)
{
    char name[32];

    file_name(name, u->domid, "wait");
    unlinkat(u->dir_fd, name, 0);
}

domid_t *undo_domains(size_t *ret_count)
{
    int fd = open_dir(NULL);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *de;
    domid_t *list = NULL;
    size_t count = 0;

    while (dir && (de = readdir(dir))) {
        unsigned int domid;
        int end = -1;
        domid_t *bigger;

        if (sscanf(de->d_name, "%5u.json%n", &domid, &end) != 1 || end < 0 || de->d_name[end] ||
            domid > UINT16_MAX)
            continue;
        bigger = reallocarray(list, count + 1, sizeof(*list));
        if (!bigger)
            break;
        list = bigger;
        list[count++] = (domid_t)domid;
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    *ret_count = count;
    return list;
}

static bool has_device(const json_t *doc, const char *key, const char *value)
{
    const json_t *device;
    size_t i;

    json_array_foreach(json_object_get(doc, "devices"), i, device)
    {
        if (strcmp(json_get_string(device, key, ""), value) == 0)
            return true;
    }
    return false;
}

/* Without locks: a list is replaced in one step. */
domid_t undo_owner(const char *key, const char *value)
{
    CLEANUP_CLOSE int dir_fd = open_dir(NULL);
    size_t count;
    CLEANUP_FREE domid_t *domains = undo_domains(&count);
    domid_t owner = 0;

    for (size_t i = 0; dir_fd >= 0 && i < count && !owner; i++) {
        json_t *doc = load(dir_fd, domains[i]);

        if (has_device(doc, key, value))
            owner = domains[i];
        json_decref(doc);
    }
    return owner;
}
