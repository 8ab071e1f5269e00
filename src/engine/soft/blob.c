/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * blob.c - see blob.h.
 */
#define _GNU_SOURCE
#include "engine/soft/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int blob_open(const char *name, const uint8_t *start, const uint8_t *end)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

    while (fd >= 0 && start != end) {
        ssize_t n = write(fd, start, (size_t)(end - start));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        start += n;
    }
    if (fd >= 0 && start == end && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return fd;
    rc = errno ? -errno : -EIO;
    if (fd >= 0)
        close(fd);
    return rc;
}
