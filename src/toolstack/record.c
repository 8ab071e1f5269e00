/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * record.c - see record.h.
 */
#define _GNU_SOURCE
#include "toolstack/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define RECORD_MAX (1024 * 1024)

json_t *record_make(const json_t *doc, const char *sxp, bool managed)
{
    static const char *const members[] = {"name", "uuid", "memory", "maxmem", "vcpus"};
    json_t *record = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        json_object_set(record, members[i], json_object_get(doc, members[i]));
    json_object_set_new(record, "created", json_integer((json_int_t)time(NULL)));
    json_object_set_new(record, "managed", json_boolean(managed));
    if (sxp)
        json_object_set_new(record, "sxp", json_string(sxp));
    return record;
}

int record_write(int dir_fd, domid_t domid, const json_t *record, struct err *err)
{
    CLEANUP_FREE char *line = json_to_line(record);
    char path[64];
    int rc;

    if (!line)
        return err_set(err, ENOMEM, "out of memory");
    /* Through the descriptor: the directory may have a long name. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%u.config", dir_fd, domid);
    rc = io_write_file_atomic(path, line, strlen(line), NULL);
    if (rc < 0)
        return err_set(err, -rc, "cannot write %u.config in the run directory: %s", domid,
                       strerror(-rc));
    return 0;
}

json_t *record_read(int dir_fd, domid_t domid)
{
    CLEANUP_FREE char *text = NULL;
    json_t *record = NULL;
    size_t len = 0;
    char file[32];
    int fd, rc;

    snprintf(file, sizeof(file), "%u.config", domid);
    fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    rc = io_read_fd(fd, RECORD_MAX, &text, &len, NULL);
    close(fd);
    return rc == 0 && json_parse_object(text, len, &record, NULL) == 0 ? record : NULL;
}
