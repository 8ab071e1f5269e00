/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cleanup.h - variables that release what they hold when they leave their scope:
 *
 *     CLEANUP_FREE char *text = NULL;
 *     CLEANUP_CLOSE int fd = -1;
 *
 * Hand a value on (to a caller, to a structure) with STEAL_PTR() or STEAL_FD(), which leave
 * the empty value behind.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline int steal_fd(int *fd)
{
    int n = *fd;

    *fd = -1;
    return n;
}

#define CLEANUP_FREE __attribute__((cleanup(cleanup_free)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close)))
#define STEAL_FD(fd) steal_fd(&(fd))
#define STEAL_PTR(p)                                                                               \
    ({                                                                                             \
        __typeof__(p) steal_ptr_value = (p);                                                       \
        (p) = NULL;                                                                                \
        steal_ptr_value;                                                                           \
    })
