/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * managed.c - see managed.h.
 */
#define _GNU_SOURCE
#include "toolstack/managed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "config/sxp.h"
#include "toolstack/registry.h"
#include "toolstack/xend_config.h"

#define CONFIG_MAX (1024 * 1024)
#define CONFIG_FILE "config.sxp"
#define CHECKPOINT_FILE "checkpoint.chk" /* xend's name */

static int managed_dir(char buf[static PATHS_MAX], struct err *err)
{
    const char *named = xend_config_string(xend_config_own(), "xend-domains-path");
    char state[PATHS_MAX];
    int rc = 0;

    if (named[0] == '/') {
        snprintf(buf, PATHS_MAX, "%s", named);
    } else {
        rc = paths_state_dir(state, err);
        if (rc == 0 && snprintf(buf, PATHS_MAX, "%s/domains", state) >= PATHS_MAX)
            rc = err_set(err, ENAMETOOLONG, "path too long: %s", state);
    }
    if (rc == 0 && mkdir(buf, 0700) < 0 && errno != EEXIST)
        rc = err_set(err, errno, "cannot create %s: %s", buf, strerror(errno));
    return rc;
}

static int open_dir(char path[static PATHS_MAX], struct err *err)
{
    int rc = managed_dir(path, err);
    int fd = rc < 0 ? rc : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 && rc == 0 ? err_set(err, errno, "cannot open %s: %s", path, strerror(errno))
                             : fd;
}

static struct sxp *find_vm(struct sxp *all)
{
    for (struct sxp *item = all->first; item; item = item->next)
        if (!item->atom &&
            (strcmp(sxp_name(item), "vm") == 0 || strcmp(sxp_name(item), "domain") == 0))
            return item;
    return NULL;
}

static const char *text_of(const struct sxp *vm, const char *name, const char *otherwise)
{
    const struct sxp *item = sxp_find(vm, name);
    const char *value = item ? sxp_value(item) : NULL;

    return value && value[0] ? value : otherwise;
}

/* What managed_list() tells of a config, if it is one of this uuid. */
static json_t *describe(const char *uuid, const char *text, size_t len)
{
    struct arena a = {0};
    struct sxp *all = NULL;
    const struct sxp *vm = NULL;
    json_t *domain = NULL;

    if (sxp_parse(&a, uuid, text, len, &all, NULL) == 0)
        vm = find_vm(all);
    if (vm && strcasecmp(text_of(vm, "uuid", ""), uuid) == 0 && text_of(vm, "name", "")[0]) {
        const char *memory = text_of(vm, "memory", "128");

        domain =
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "name", text_of(vm, "name", ""),
                      "uuid", uuid, "memory", (json_int_t)atoll(memory), "maxmem",
                      (json_int_t)atoll(text_of(vm, "maxmem", memory)), "vcpus",
                      (json_int_t)atoll(text_of(vm, "vcpus", "1")), "on_xend_start",
                      text_of(vm, "on_xend_start", "ignore"), "on_xend_stop",
                      text_of(vm, "on_xend_stop", "ignore"), "sxp", text);
    }
    arena_done(&a);
    return domain;
}

static json_t *read_one(int dir_fd, const char *uuid)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_CLOSE int fd = -1;
    json_t *domain;
    char path[64];
    size_t len = 0;

    if (strlen(uuid) != 36 || strspn(uuid, "0123456789abcdef-") != 36)
        return NULL;
    snprintf(path, sizeof(path), "%s/%s", uuid, CONFIG_FILE);
    fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || io_read_fd(fd, CONFIG_MAX, &text, &len, NULL) < 0)
        return NULL;
    domain = describe(uuid, text, len);
    snprintf(path, sizeof(path), "%s/%s", uuid, CHECKPOINT_FILE);
    if (domain)
        json_object_set_new(domain, "suspended",
                            json_boolean(faccessat(dir_fd, path, F_OK, 0) == 0));
    return domain;
}

int managed_checkpoint(char buf[static PATHS_MAX], const char *uuid, struct err *err)
{
    char dir[PATHS_MAX];
    int rc = managed_dir(dir, err);

    if (rc == 0 && snprintf(buf, PATHS_MAX, "%s/%s/%s", dir, uuid, CHECKPOINT_FILE) >= PATHS_MAX)
        rc = err_set(err, ENAMETOOLONG, "path too long: %s", dir);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(json_get_string(*(json_t *const *)a, "name", ""),
                  json_get_string(*(json_t *const *)b, "name", ""));
}

/* A new array of what the (taken) references in `items` name. */
static json_t *sorted(json_t **items, size_t count)
{
    json_t *list = json_array();

    if (count > 0)
        qsort(items, count, sizeof(json_t *), by_name);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, items[i]);
    return list;
}

int managed_list(json_t **ret, struct err *err)
{
    CLEANUP_FREE json_t **items = NULL;
    char path[PATHS_MAX];
    int fd = open_dir(path, err);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *de;
    size_t count = 0;

    if (fd < 0)
        return fd;
    while (dir && (de = readdir(dir))) {
        json_t *domain = read_one(fd, de->d_name);
        json_t **bigger = domain ? reallocarray(items, count + 1, sizeof(*items)) : NULL;

        if (bigger) {
            items = bigger;
            items[count++] = domain;
        } else {
            json_decref(domain);
        }
    }
    if (dir)
        closedir(dir);
    *ret = sorted(items, count);
    return 0;
}

json_t *managed_find(const char *wanted)
{
    static const char *const keys[] = {"name", "uuid"};
    json_t *list = NULL, *found = NULL;

    if (managed_list(&list, NULL) < 0)
        return NULL;
    for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
        for (size_t i = 0; i < json_array_size(list) && !found; i++)
            if (strcasecmp(json_get_string(json_array_get(list, i), keys[k], ""), wanted) == 0)
                found = json_incref(json_array_get(list, i));
    json_decref(list);
    return found;
}

/* Is the name free for the domain with this uuid? */
static int check_name(const char *name, const char *uuid, struct err *err)
{
    json_t *list = NULL;
    int rc = managed_list(&list, err);

    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const json_t *other = json_array_get(list, i);

        if (strcmp(json_get_string(other, "name", ""), name) == 0 &&
            strcasecmp(json_get_string(other, "uuid", ""), uuid) != 0)
            rc = err_set(err, EEXIST, "VM name '%s' already exists as a managed domain", name);
    }
    json_decref(list);
    return rc;
}

/* The running domain of that name must be the same one. */
static int check_running(const char *name, const char *uuid, struct err *err)
{
    struct registry_entry entry;
    json_t *record;
    int rc = 0;

    if (registry_find(name, &entry, NULL) < 0 || strcmp(entry.name, name) != 0)
        return 0;
    record = registry_record(entry.domid);
    if (strcasecmp(json_get_string(record, "uuid", ""), uuid) != 0)
        rc = err_set(err, EEXIST, "VM name '%s' already exists as domain %u", name, entry.domid);
    json_decref(record);
    return rc;
}

static int lock_dir(int dir_fd, struct err *err)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    while (fd >= 0 && flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return err_set(err, errno, "cannot lock the managed domains: %s", strerror(errno));
    return fd < 0 ? err_set(err, errno, "cannot lock the managed domains: %s", strerror(errno))
                  : STEAL_FD(fd);
}

/* A temporary file beside it, flushed, renamed, and the directories flushed, too. */
static int write_config(int dir_fd, const char *uuid, const char *text, struct err *err)
{
    CLEANUP_CLOSE int home = -1;
    CLEANUP_CLOSE int fd = -1;
    int rc;

    if (mkdirat(dir_fd, uuid, 0700) < 0 && errno != EEXIST)
        return err_set(err, errno, "cannot create a directory for %s: %s", uuid, strerror(errno));
    home = openat(dir_fd, uuid, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    fd = home < 0
             ? -1
             : openat(home, CONFIG_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, errno, "cannot write the config of %s: %s", uuid, strerror(errno));
    rc = io_write_all(fd, text, strlen(text));
    if (rc == 0 && (fsync(fd) < 0 || renameat(home, CONFIG_FILE ".new", home, CONFIG_FILE) < 0 ||
                    fsync(home) < 0 || fsync(dir_fd) < 0))
        rc = -errno;
    if (rc == 0)
        return 0;
    unlinkat(home, CONFIG_FILE ".new", 0);
    unlinkat(dir_fd, uuid, AT_REMOVEDIR); /* unless there is an older config */
    return err_set(err, -rc, "cannot write the config of %s: %s", uuid, strerror(-rc));
}

int managed_put(const char *name, const char *uuid, const char *sxp, struct err *err)
{
    char path[PATHS_MAX];
    CLEANUP_CLOSE int dir_fd = open_dir(path, err);
    CLEANUP_CLOSE int lock = dir_fd < 0 ? -1 : lock_dir(dir_fd, err);
    json_t *understood;
    int rc;

    if (dir_fd < 0 || lock < 0)
        return -EIO;
    understood = describe(uuid, sxp, strlen(sxp));
    if (!understood)
        return err_set(err, EINVAL, "the config of %s has another uuid than %s", name, uuid);
    json_decref(understood);
    rc = check_name(name, uuid, err);
    if (rc == 0)
        rc = check_running(name, uuid, err);
    return rc < 0 ? rc : write_config(dir_fd, uuid, sxp, err);
}

int managed_remove(const char *uuid, struct err *err)
{
    char path[PATHS_MAX], file[64];
    CLEANUP_CLOSE int dir_fd = open_dir(path, err);
    CLEANUP_CLOSE int lock = dir_fd < 0 ? -1 : lock_dir(dir_fd, err);

    if (dir_fd < 0 || lock < 0)
        return -EIO;
    snprintf(file, sizeof(file), "%s/%s", uuid, CONFIG_FILE);
    if (unlinkat(dir_fd, file, 0) < 0)
        return err_set(err, errno, "cannot remove %s/%s: %s", path, file, strerror(errno));
    snprintf(file, sizeof(file), "%s/%s.new", uuid, CONFIG_FILE);
    unlinkat(dir_fd, file, 0);
    snprintf(file, sizeof(file), "%s/%s", uuid, CHECKPOINT_FILE);
    unlinkat(dir_fd, file, 0);
    unlinkat(dir_fd, uuid, AT_REMOVEDIR); /* what else is in there is not ours */
    fsync(dir_fd);
    return 0;
}

int managed_edit_text(const char *text, managed_edit_fn *fn, const void *arg, char **ret,
                      struct err *err)
{
    struct arena a = {0};
    struct sxp *all = NULL, *vm;
    FILE *stream = NULL;
    size_t size = 0;
    int rc = sxp_parse(&a, "config", text, strlen(text), &all, err);

    vm = rc == 0 ? find_vm(all) : NULL;
    if (rc == 0)
        rc = vm ? fn(&a, vm, arg, err) : err_set(err, EINVAL, "it is no config of a domain");
    *ret = NULL;
    if (rc == 0)
        stream = open_memstream(ret, &size);
    if (stream)
        sxp_print(stream, vm);
    if (rc == 0 && (!stream || fclose(stream) != 0 || !*ret))
        rc = err_set(err, ENOMEM, "out of memory");
    arena_done(&a);
    return rc;
}

int managed_edit(const char *uuid, managed_edit_fn *fn, const void *arg, struct err *err)
{
    char path[PATHS_MAX];
    CLEANUP_CLOSE int dir_fd = open_dir(path, err);
    CLEANUP_CLOSE int lock = dir_fd < 0 ? -1 : lock_dir(dir_fd, err);
    CLEANUP_FREE char *text = NULL;
    json_t *domain;
    int rc;

    if (dir_fd < 0 || lock < 0)
        return -EIO;
    domain = read_one(dir_fd, uuid);
    rc = domain ? managed_edit_text(json_get_string(domain, "sxp", ""), fn, arg, &text, err)
                : err_set(err, ENOENT, "there is no managed domain %s", uuid);
    json_decref(domain);
    return rc < 0 ? rc : write_config(dir_fd, uuid, text, err);
}

static int set_name(struct arena *a, struct sxp *vm, const void *arg, struct err *err)
{
    const struct sxp *item = sxp_find(vm, "name");

    if (!item || !item->first->next)
        return err_set(err, EINVAL, "it has no name");
    item->first->next->atom = arena_printf(a, "%s", (const char *)arg);
    return 0;
}

char *managed_rename_text(const char *text, const char *name)
{
    char *out = NULL;

    return managed_edit_text(text, set_name, name, &out, NULL) == 0 ? out : NULL;
}
