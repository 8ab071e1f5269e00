/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * files.c - see files.h.
 */
#define _GNU_SOURCE
#include "hvm/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* NULL: there is none. The launcher has a copy of what was here when it was made. */
static char *paths[HVM_NR_FILES];

static int keep(unsigned int file, const char *path, struct err *err)
{
    paths[file] = strdup(path);
    return paths[file] ? 0 : err_set(err, ENOMEM, "out of memory");
}

int hvm_files_prepare(const struct domain_options *o, const struct hvm_spec *s, struct err *err)
{
    int rc = 0;

    if (o->kernel[0])
        rc = keep(HVM_FILE_KERNEL, o->kernel, err);
    if (rc == 0 && o->ramdisk[0])
        rc = keep(HVM_FILE_RAMDISK, o->ramdisk, err);
    for (unsigned int i = 0; rc == 0 && i < s->nr_serials; i++)
        if (s->serial[i] == HVM_SERIAL_FILE)
            rc = keep(HVM_FILE_SERIAL + i, s->serial_text[i], err);
    return rc;
}

int hvm_files_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    unsigned int file;

    if (request->size != sizeof(file))
        return -EINVAL;
    memcpy(&file, request->data, sizeof(file));
    if (file >= HVM_NR_FILES || !paths[file])
        return -ENOENT;
    if (file < HVM_FILE_SERIAL)
        reply->fd = open(paths[file], O_RDONLY | O_CLOEXEC);
    else
        reply->fd = open(paths[file], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return reply->fd < 0 ? -errno : 0;
}

int hvm_files_open(unsigned int file)
{
    const struct launcher_request request = {.data = &file, .size = sizeof(file)};
    struct launcher_reply reply;
    int rc = launcher_ask(hvm_files_service, &request, &reply);

    return rc < 0 ? rc : reply.fd >= 0 ? reply.fd : -EPROTO;
}
