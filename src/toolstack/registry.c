/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * registry.c - see registry.h.
 */
#define _GNU_SOURCE
#include "toolstack/registry.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "toolstack/admission.h"
#include "toolstack/record.h"

#define FIRST_DOMID 1
#define LAST_DOMID 0x7fef
/* Whoever lists domains does not wait for one that is just starting: its queue has room. */
#define LISTEN_BACKLOG 1024

static int open_dir(char path[static PATHS_MAX], struct err *err)
{
    int rc = paths_run_dir(path, err);
    int fd;

    if (rc < 0)
        return rc;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_set(err, errno, "cannot open %s: %s", path, strerror(errno)) : fd;
}

/* "17.lock" -> 17 with ".lock"; 0 for any other file. */
static domid_t file_domid(const char *file, const char *suffix)
{
    char *end;
    long n = isdigit((unsigned char)file[0]) ? strtol(file, &end, 10) : 0;

    return n >= FIRST_DOMID && n <= LAST_DOMID && strcmp(end, suffix) == 0 ? (domid_t)n : 0;
}

/* True if the domain lives; then *ret is filled. A file of a dead one is reported by
 * *ret_dead. */
static bool read_entry(int dir_fd, const char *file, struct registry_entry *ret, bool *ret_dead)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n;

    *ret_dead = false;
    if (fd < 0)
        return false;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
        *ret_dead = true;
        return false;
    }
    ret->domid = file_domid(file, ".lock");
    n = read(fd, ret->name, sizeof(ret->name) - 1);
    ret->name[n > 0 ? n : 0] = '\0';
    ret->name[strcspn(ret->name, "\n")] = '\0';
    return true;
}

static void remove_files(int dir_fd, domid_t domid)
{
    static const char *const suffixes[] = {"sock", "console", "sxp", "config", "lock.new", "lock"};
    char file[32];

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        snprintf(file, sizeof(file), "%u.%s", domid, suffixes[i]);
        unlinkat(dir_fd, file, 0);
    }
}

/* A record without lock file: its domain ended by itself. With the directory's lock. */
static void remove_orphan(int dir_fd, const char *record)
{
    char file[32];

    snprintf(file, sizeof(file), "%u.lock", file_domid(record, ".config"));
    if (faccessat(dir_fd, file, F_OK, 0) < 0)
        unlinkat(dir_fd, record, 0);
}

static int compare_entries(const void *a, const void *b)
{
    return (int)((const struct registry_entry *)a)->domid -
           (int)((const struct registry_entry *)b)->domid;
}

/* `clean`: the caller holds the directory's lock, so files of dead domains may go. */
static int scan(int dir_fd, bool clean, struct registry_entry **ret, size_t *ret_count,
                struct err *err)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    CLEANUP_CLOSE int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t count = 0, size = 0;
    const struct dirent *de;
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);

    if (!dir)
        return err_set(err, errno, "cannot read the run directory: %s", strerror(errno));
    (void)STEAL_FD(copy); /* the stream's now */
    while ((de = readdir(dir))) {
        struct registry_entry entry;
        bool dead;

        if (clean && file_domid(de->d_name, ".config"))
            remove_orphan(dir_fd, de->d_name);
        if (!file_domid(de->d_name, ".lock"))
            continue;
        if (!read_entry(dir_fd, de->d_name, &entry, &dead)) {
            if (dead && clean)
                remove_files(dir_fd, file_domid(de->d_name, ".lock"));
            continue;
        }
        if (count == size) {
            struct registry_entry *bigger;

            size = size ? size * 2 : 16;
            bigger = reallocarray(entries, size, sizeof(*entries));
            if (!bigger)
                break;
            entries = bigger;
        }
        entries[count++] = entry;
    }
    closedir(dir);
    if (count > 0)
        qsort(entries, count, sizeof(*entries), compare_entries);
    *ret = STEAL_PTR(entries);
    *ret_count = count;
    return 0;
}

int registry_list(struct registry_entry **ret, size_t *ret_count, struct err *err)
{
    char path[PATHS_MAX];
    CLEANUP_CLOSE int dir_fd = open_dir(path, err);

    return dir_fd < 0 ? dir_fd : scan(dir_fd, false, ret, ret_count, err);
}

/* The one of that name, NULL = none. A name is what its domain's process says: one that was taken
 * over may take another's. 0 or -ENOTUNIQ. */
static int find_name(const struct registry_entry *entries, size_t count, const char *name,
                     const struct registry_entry **ret, struct err *err)
{
    *ret = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].name, name) != 0)
            continue;
        if (*ret)
            return err_set(err, ENOTUNIQ, "Domains %u and %u are both called '%s'.", (*ret)->domid,
                           entries[i].domid, name);
        *ret = &entries[i];
    }
    return 0;
}

int registry_find(const char *name_or_id, struct registry_entry *ret, struct err *err)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    const struct registry_entry *found = NULL;
    size_t count = 0;
    char id[16];
    int rc = registry_list(&entries, &count, err);

    if (rc == 0)
        rc = find_name(entries, count, name_or_id, &found, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count && !found; i++) {
        snprintf(id, sizeof(id), "%u", entries[i].domid);
        if (strcmp(id, name_or_id) == 0)
            found = &entries[i];
    }
    if (!found)
        return err_set(err, ESRCH, "Domain '%s' does not exist.", name_or_id);
    *ret = *found;
    return 0;
}

static bool is_used(const struct registry_entry *entries, size_t count, domid_t domid)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].domid == domid)
            return true;
    return false;
}

/* The next id after the last one given out, as Xen counts. Keeps it in the lock file, which is
 * overwritten in one step of constant length: we may be killed at any time. */
static domid_t next_domid(int lock_fd, const struct registry_entry *entries, size_t count)
{
    char text[16] = "";
    long last = pread(lock_fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
    domid_t domid = last >= FIRST_DOMID && last < LAST_DOMID ? (domid_t)(last + 1) : FIRST_DOMID;
    int n;

    while (is_used(entries, count, domid))
        domid = domid == LAST_DOMID ? FIRST_DOMID : (domid_t)(domid + 1);
    n = snprintf(text, sizeof(text), "%-8u\n", domid);
    if (pwrite(lock_fd, text, (size_t)n, 0) != n) {
        /* Ids then repeat earlier than they should, nothing worse. */
    }
    return domid;
}

/* sun_path is short and directories may be long: go through the directory's descriptor. */
static void socket_address(struct sockaddr_un *sa, int dir_fd, domid_t domid)
{
    memset(sa, 0, sizeof(*sa));
    sa->sun_family = AF_UNIX;
    snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%u.sock", dir_fd, domid);
}

static int make_socket(int dir_fd, domid_t domid, struct err *err)
{
    struct sockaddr_un sa;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    socket_address(&sa, dir_fd, domid);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        listen(fd, LISTEN_BACKLOG) < 0) {
        int e = errno;

        if (fd >= 0)
            close(fd);
        return err_set(err, e, "cannot make a control socket: %s", strerror(e));
    }
    return fd;
}

/* The domain's own files, under the directory's lock. The lock file gets its name last, locked
 * and with its content: nobody sees half of a domain. */
static int make_files(struct registry_claim *claim, int dir_fd, const json_t *record,
                      struct err *err)
{
    const char *name = json_get_string(record, "name", "");
    char file[32], final[32];
    int rc = record_write(dir_fd, claim->domid, record, err);

    if (rc < 0)
        return rc;
    snprintf(file, sizeof(file), "%u.sock", claim->domid);
    unlinkat(dir_fd, file, 0);
    claim->listen_fd = make_socket(dir_fd, claim->domid, err);
    if (claim->listen_fd < 0)
        return claim->listen_fd;
    snprintf(file, sizeof(file), "%u.lock.new", claim->domid);
    snprintf(final, sizeof(final), "%u.lock", claim->domid);
    claim->lock_fd = openat(dir_fd, file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (claim->lock_fd < 0)
        return err_set(err, errno, "cannot create %s: %s", claim->lock_path, strerror(errno));
    rc = flock(claim->lock_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
    if (rc == 0)
        rc = io_write_all(claim->lock_fd, name, strlen(name));
    if (rc == 0 && renameat(dir_fd, file, dir_fd, final) < 0)
        rc = -errno;
    return rc < 0 ? err_set(err, -rc, "cannot write %s: %s", claim->lock_path, strerror(-rc)) : 0;
}

static int claim_locked(struct registry_claim *claim, int dir_fd, int lock_fd, const char *dir,
                        const json_t *record, uint64_t keep_kib, struct err *err)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    size_t count = 0;
    int rc = scan(dir_fd, true, &entries, &count, err);

    if (rc == 0)
        rc = admission_check(record, dir_fd, entries, count, admission_host_kib(), keep_kib, err);
    if (rc < 0)
        return rc;
    claim->domid = next_domid(lock_fd, entries, count);
    if (snprintf(claim->lock_path, PATHS_MAX, "%s/%u.lock", dir, claim->domid) >= PATHS_MAX ||
        snprintf(claim->socket_path, PATHS_MAX, "%s/%u.sock", dir, claim->domid) >= PATHS_MAX)
        return err_set(err, ENAMETOOLONG, "path too long: %s", dir);
    return make_files(claim, dir_fd, record, err);
}

static int lock_dir(int dir_fd, const char *dir, struct err *err)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_set(err, errno, "cannot create %s/lock: %s", dir, strerror(errno));
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return err_set(err, errno, "cannot lock %s/lock: %s", dir, strerror(errno));
    return STEAL_FD(fd);
}

int registry_lock(struct err *err)
{
    char dir[PATHS_MAX];
    CLEANUP_CLOSE int dir_fd = open_dir(dir, err);

    return dir_fd < 0 ? dir_fd : lock_dir(dir_fd, dir, err);
}

void registry_clean(void)
{
    char dir[PATHS_MAX];
    CLEANUP_CLOSE int dir_fd = open_dir(dir, NULL);
    CLEANUP_CLOSE int lock_fd = -1;
    struct registry_entry *entries = NULL;
    size_t count;

    if (dir_fd >= 0)
        lock_fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd >= 0 && flock(lock_fd, LOCK_EX | LOCK_NB) == 0 &&
        scan(dir_fd, true, &entries, &count, NULL) == 0)
        free(entries);
}

int registry_claim(struct registry_claim *claim, const json_t *record, uint64_t keep_kib,
                   struct err *err)
{
    char dir[PATHS_MAX];
    CLEANUP_CLOSE int dir_fd = open_dir(dir, err);
    CLEANUP_CLOSE int lock_fd = -1;
    int rc;

    memset(claim, 0, sizeof(*claim));
    claim->lock_fd = -1;
    claim->listen_fd = -1;
    if (dir_fd < 0)
        return dir_fd;
    lock_fd = lock_dir(dir_fd, dir, err);
    if (lock_fd < 0)
        return lock_fd;
    rc = claim_locked(claim, dir_fd, lock_fd, dir, record, keep_kib, err);
    if (rc < 0)
        registry_claim_done(claim, claim->domid != 0);
    return rc;
}

static void remove_claim(const struct registry_claim *claim)
{
    char dir[PATHS_MAX];
    CLEANUP_CLOSE int dir_fd = open_dir(dir, NULL);

    if (dir_fd >= 0)
        remove_files(dir_fd, claim->domid);
}

void registry_claim_done(struct registry_claim *claim, bool failed)
{
    if (failed)
        remove_claim(claim);
    if (claim->lock_fd >= 0)
        close(claim->lock_fd);
    if (claim->listen_fd >= 0)
        close(claim->listen_fd);
    claim->lock_fd = -1;
    claim->listen_fd = -1;
}

json_t *registry_record(domid_t domid)
{
    char dir[PATHS_MAX];
    CLEANUP_CLOSE int dir_fd = open_dir(dir, NULL);

    return dir_fd < 0 ? NULL : record_read(dir_fd, domid);
}

int registry_set_record(domid_t domid, const json_t *record, struct err *err)
{
    char dir[PATHS_MAX];
    CLEANUP_CLOSE int dir_fd = open_dir(dir, err);

    return dir_fd < 0 ? dir_fd : record_write(dir_fd, domid, record, err);
}

int registry_connect(domid_t domid, struct err *err)
{
    char dir[PATHS_MAX];
    CLEANUP_CLOSE int dir_fd = open_dir(dir, err);
    CLEANUP_CLOSE int fd = -1;
    struct sockaddr_un sa;

    if (dir_fd < 0)
        return dir_fd;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socket_address(&sa, dir_fd, domid);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
        return err_set(err, errno, "cannot connect to domain %u: %s", domid, strerror(errno));
    io_set_nonblock(fd, false);
    return STEAL_FD(fd);
}
