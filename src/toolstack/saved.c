/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * saved.c - see saved.h. There is always exactly one that may go on, the running guest or the
 * file: the domain process lets its guest stand still from the moment at which the file is complete
 * until it has been told, here, that the file has its name.
 */
#define _GNU_SOURCE
#include "toolstack/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "config/domain_sxp.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"

#define MAGIC "Xenolith saved domain\n"
#define VERSION 1
#define HEAD_MAX (1u << 20)
#define SUFFIX "-incomplete"
#define PAUSE_MS 10000

struct head {
    char magic[24];
    uint32_t version;
    uint32_t length; /* of the JSON text that follows */
    uint32_t crc;    /* of that text */
    uint32_t zero;
};

_Static_assert(sizeof(struct head) == 40, "docs/internals/save.md");

/* --- writing ------------------------------------------------------------------------------ */

static int write_head(int fd, const json_t *doc, struct err *err)
{
    CLEANUP_FREE char *text = json_to_line(doc);
    struct head head = {.magic = MAGIC, .version = VERSION};
    int rc;

    if (!text)
        return err_set(err, ENOMEM, "out of memory");
    head.length = (uint32_t)strlen(text);
    head.crc = (uint32_t)crc32(0, (const Bytef *)text, head.length);
    rc = io_write_all(fd, &head, sizeof(head));
    if (rc == 0)
        rc = io_write_all(fd, text, head.length);
    return rc < 0 ? err_set(err, -rc, "cannot write the saved domain: %s", strerror(-rc)) : 0;
}

/* Addresses that nobody chose may be others for another id, name or host. */
static int add_vifs(const struct registry_entry *entry, json_t *head, struct err *err)
{
    json_t *answer = NULL;
    int rc =
        client_call(entry->domid, json_pack("{s:s}", "verb", "network-list"), -1, &answer, err);

    if (rc == 0 && json_object_get(answer, "vifs"))
        json_object_set(head, "vifs", json_object_get(answer, "vifs"));
    json_decref(answer);
    return rc;
}

/* What the domain is at present. */
static int describe(const struct registry_entry *entry, json_t **ret, struct err *err)
{
    json_t *record = registry_record(entry->domid), *info = domains_info(entry);
    json_int_t used = json_get_int(info, "memory", 0), target, limit;

    if (!record || !info || !json_get_string(record, "sxp", NULL)) {
        json_decref(record);
        json_decref(info);
        return err_set(err, EIO, "it is not known what domain '%s' was started from", entry->name);
    }
    target = json_get_int(info, "target", used);
    limit = json_get_int(info, "maxmem", used);
    json_object_set_new(record, "memory", json_integer(target));
    json_object_set_new(record, "maxmem", json_integer(limit > used ? limit : used));
    json_decref(info);
    if (add_vifs(entry, record, err) < 0) {
        json_decref(record);
        return -err->code;
    }
    *ret = record;
    return 0;
}

/* Flush the directory, so that the name is there after a crash of the host. */
static int sync_directory(const char *path, struct err *err)
{
    CLEANUP_FREE char *copy = strdup(path);
    CLEANUP_CLOSE int fd = -1;

    if (!copy)
        return err_set(err, ENOMEM, "out of memory");
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return err_set(err, errno, "cannot flush %s: %s", path, strerror(errno));
    return 0;
}

static int request(int sock, const char *verb, struct err *err)
{
    json_t *answer = NULL;
    int rc = client_send(sock, verb, err);

    if (rc == 0)
        rc = client_receive(sock, -1, &answer, err);
    json_decref(answer);
    return rc;
}

/* What becomes of a guest whose file is complete. */
struct ending {
    bool checkpoint;
    saved_agree_fn *agree; /* may be NULL */
    void *arg;
    bool left; /* it may have ended */
};

static int save_to(const struct registry_entry *entry, int fd, const char *partial,
                   const char *path, struct ending *e, struct err *err)
{
    CLEANUP_CLOSE int sock = registry_connect(entry->domid, err);
    json_t *doc = NULL;
    int rc = sock < 0 ? sock : describe(entry, &doc, err);

    if (rc == 0)
        rc = write_head(fd, doc, err);
    json_decref(doc);
    if (rc == 0 && !fdpass_send(sock, " ", 1, fd, 0))
        rc = err_set(err, errno, "cannot reach the domain process: %s", strerror(errno));
    if (rc == 0)
        rc = request(sock, "save", err);
    if (rc == 0 && rename(partial, path) < 0)
        rc = err_set(err, errno, "cannot rename %s: %s", partial, strerror(errno));
    if (rc == 0)
        rc = sync_directory(path, err);
    if (rc == 0 && e->agree)
        rc = e->agree(e->arg, path, err);
    /* Should this connection end, the guest goes on. */
    if (rc < 0 || e->checkpoint)
        return rc;
    e->left = true;
    return request(sock, "save-end", err);
}

static int make(const struct registry_entry *entry, const char *path, struct ending *e,
                struct err *err)
{
    CLEANUP_FREE char *partial = NULL;
    CLEANUP_CLOSE int fd = -1;
    int rc;

    if (asprintf(&partial, "%s" SUFFIX, path) < 0) {
        partial = NULL;
        return err_set(err, ENOMEM, "out of memory");
    }
    /* What is there already may be somebody else's, who would read the guest's memory in it. */
    (void)unlink(partial);
    fd = open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, errno, "cannot write %s: %s", partial, strerror(errno));
    rc = save_to(entry, fd, partial, path, e, err);
    if (rc < 0)
        (void)unlink(partial);
    return rc;
}

/* As 'xm pause', before the guest can do anything more. */
static int stand_still(void *arg, const char *path, struct err *err)
{
    const struct registry_entry *entry = arg;
    json_t *answer = NULL;
    int rc = client_call(entry->domid, json_pack("{s:s}", "verb", "pause"), PAUSE_MS, &answer, err);

    json_decref(answer);
    return rc;
}

int saved_make(const struct registry_entry *entry, const char *path, enum saved_then then,
               struct err *err)
{
    struct registry_entry copy = *entry;
    struct ending e = {.checkpoint = then != SAVED_ENDS,
                       .agree = then == SAVED_STANDS ? stand_still : NULL,
                       .arg = &copy};

    return make(entry, path, &e, err);
}

int saved_hand_over(const struct registry_entry *entry, const char *path, saved_agree_fn *agree,
                    void *arg, bool *ret_left, struct err *err)
{
    struct ending e = {.agree = agree, .arg = arg};
    int rc = make(entry, path, &e, err);

    if (rc < 0 && !e.left)
        (void)unlink(path);
    *ret_left = e.left;
    return rc;
}

int saved_may_leave(const struct registry_entry *entry, struct err *err)
{
    json_t *record = registry_record(entry->domid);
    const char *sxp = json_get_string(record, "sxp", "");
    struct config *c = config_new();
    bool no = domain_sxp_load_text(c, entry->name, sxp, strlen(sxp), NULL) == 0 &&
              config_int(c, "nomigrate", 0) != 0;

    config_free(c);
    json_decref(record);
    return no ? err_set(err, EPERM, "Migration not permitted: the config of '%s' has nomigrate = 1",
                        entry->name)
              : 0;
}

/* --- reading ------------------------------------------------------------------------------ */

static int no_image(const char *path, const char *why, struct err *err)
{
    return err_set(err, EINVAL, "not a valid guest state file: %s: %s", path, why);
}

/* All of it, or -EIO. */
static int read_exactly(int fd, void *buf, size_t size)
{
    uint8_t *p = buf;

    while (size > 0) {
        ssize_t n = read(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -EIO;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int read_head(int fd, const char *path, json_t **ret, struct err *err)
{
    CLEANUP_FREE char *text = NULL;
    struct head head;

    if (read_exactly(fd, &head, sizeof(head)) < 0 || memcmp(head.magic, MAGIC, sizeof(MAGIC)) != 0)
        return no_image(path, "it is no saved domain", err);
    if (head.version != VERSION)
        return err_set(err, EINVAL, "%s: the saved domain has format %u, this program reads %u",
                       path, head.version, VERSION);
    if (head.length > HEAD_MAX)
        return no_image(path, "it is damaged", err);
    text = malloc(head.length + 1);
    if (!text)
        return err_set(err, ENOMEM, "out of memory");
    if (read_exactly(fd, text, head.length) < 0 ||
        (uint32_t)crc32(0, (const Bytef *)text, head.length) != head.crc)
        return no_image(path, "it is damaged", err);
    if (json_parse_object(text, head.length, ret, NULL) < 0)
        return no_image(path, "it is damaged", err);
    return 0;
}

int saved_read(int fd, const char *path, json_t **ret, struct err *err)
{
    int rc = read_head(fd, path, ret, err);

    if (rc == 0 && (!json_get_string(*ret, "sxp", NULL) || !json_get_string(*ret, "name", NULL))) {
        json_decref(*ret);
        rc = no_image(path, "it does not say which domain it is", err);
    }
    return rc;
}

int saved_open(const char *path, json_t **ret, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    int rc;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, errno, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return no_image(path, "it is no file", err);
    rc = saved_read(fd, path, ret, err);
    return rc < 0 ? rc : STEAL_FD(fd);
}
