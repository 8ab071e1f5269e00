/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qemu.c - see qemu.h. The launcher starts qemu_exec(), which binds a socket in the run
 * directory, where nobody else may look, and becomes the daemon. We get a descriptor of the
 * socket's inode, whose name is gone; the launcher makes all connections. When this process ends,
 * however it does, the launcher does too, and the kernel sends the daemon SIGTERM: it writes what
 * it holds and ends.
 *
 * Nothing here opens a path or makes a socket that is no pair: a disk can be plugged into a
 * running guest.
 */
#define _GNU_SOURCE
#include "backend/block/qemu.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/block/qemu_priv.h"
#include "base/cleanup.h"
#include "base/fdpass.h"

#define GREETING "NBDMAGIC"
#define PATIENCE_MS 15000
#define WORDS_MAX 1024

struct qemu_image {
    int pidfd;
    int inode_fd; /* O_PATH: of the socket that it listens at */
};

static const struct qemu_format formats[] = {
    {"qcow2", "qcow2"}, {"qcow", "qcow"}, {"vhd", "vpc"}, {"vmdk", "vmdk"}, {"qed", "qed"},
};

/* Its number, or that of none. */
static uint32_t find_format(const char *format)
{
    uint32_t i = 0;

    while (i < ARRAY_SIZE(formats) && strcmp(format, formats[i].name) != 0)
        i++;
    return i;
}

const struct qemu_format *qemu_format(uint32_t number)
{
    return number < ARRAY_SIZE(formats) ? &formats[number] : NULL;
}

bool qemu_image_knows(const char *format)
{
    return find_format(format) < ARRAY_SIZE(formats);
}

int qemu_image_connect(const struct qemu_image *image)
{
    const struct launcher_request request = {.fds = &image->inode_fd, .nr_fds = 1};
    struct launcher_reply reply;
    int rc = launcher_ask(qemu_connect_service, &request, &reply);

    return rc < 0 ? rc : reply.fd >= 0 ? reply.fd : -EPROTO;
}

/* The daemon's socket is there, then the daemon greets when it has opened the image; if it does
 * not, its end closes the socket. */
static bool is_ready(struct qemu_image *image, int line)
{
    struct pollfd answer = {.fd = line, .events = POLLIN}, p = {.events = POLLIN};
    char text[sizeof(GREETING) - 1];
    CLEANUP_CLOSE int fd = -1;

    if (poll(&answer, 1, PATIENCE_MS) == 1)
        image->inode_fd = fdpass_receive(line);
    if (image->inode_fd >= 0)
        fd = qemu_image_connect(image);
    p.fd = fd;
    return fd >= 0 && poll(&p, 1, PATIENCE_MS) == 1 &&
           recv(fd, text, sizeof(text), MSG_WAITALL) == (ssize_t)sizeof(text) &&
           memcmp(text, GREETING, sizeof(text)) == 0;
}

/* Its last line says why. */
static int refusal(int words, const char *path, struct err *err)
{
    char text[WORDS_MAX];
    ssize_t n = pread(words, text, sizeof(text) - 1, 0);
    char *line;

    text[n > 0 ? n : 0] = '\0';
    for (n = n > 0 ? n : 0; n > 0 && text[n - 1] == '\n'; n--)
        text[n - 1] = '\0';
    line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    if (strcmp(line, QEMU_NOT_INSTALLED) == 0)
        return err_set(err, ENOENT, "%s cannot be opened: " QEMU_NOT_INSTALLED, path);
    return err_set(err, EIO, "%s cannot be opened: %s", path,
                   line[0] ? line : QEMU_PROGRAM " ended without a reason");
}

/* Can the daemon's socket be there? */
static int check_run_dir(struct err *err)
{
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

    if (snprintf(path, sizeof(path), QEMU_SOCKET, qemu_run_dir(), 0ull) >= (int)sizeof(path))
        return err_set(err, ENAMETOOLONG, "the path of the run directory is too long: %s",
                       qemu_run_dir());
    return 0;
}

/* Start the daemon and wait until it has opened the image, or has refused to. */
static int start(struct qemu_image *image, int fd, const struct qemu_order *order, const char *path,
                 struct err *err)
{
    CLEANUP_CLOSE int words = memfd_create("words", MFD_CLOEXEC), line = -1;
    int pair[2], rc = check_run_dir(err);

    if (rc < 0)
        return rc;
    if (words < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "cannot talk to " QEMU_PROGRAM ": %s", strerror(errno));
    line = pair[0];
    if (!fdpass_send(line, order, sizeof(*order), -1, MSG_DONTWAIT))
        rc = err_set(err, errno, "cannot talk to " QEMU_PROGRAM ": %s", strerror(errno));
    if (rc == 0)
        rc = launcher_spawn(qemu_exec,
                            (int[]){[QEMU_WORDS] = words, [QEMU_IMAGE] = fd, [QEMU_LINE] = pair[1]},
                            NR_QEMU_FDS, &image->pidfd, err);
    close(pair[1]);
    if (rc < 0)
        return rc;
    return is_ready(image, line) ? 0 : refusal(words, path, err);
}

int qemu_image_open(struct qemu_image **ret, int image, const char *path, const char *format,
                    bool discard, struct err *err)
{
    const struct qemu_order order = {.format = find_format(format), .discard = discard};
    struct qemu_image *new = malloc(sizeof(*new));
    int rc;

    if (!new)
        return err_set(err, ENOMEM, "out of memory");
    *new = (struct qemu_image){.pidfd = -1, .inode_fd = -1};
    rc = start(new, image, &order, path, err);
    if (rc < 0)
        qemu_image_close(new);
    else
        *ret = new;
    return rc;
}

void qemu_image_close(struct qemu_image *image)
{
    if (!image)
        return;
    if (image->pidfd >= 0) {
        launcher_kill(image->pidfd, SIGTERM);
        launcher_reap(image->pidfd);
    }
    if (image->inode_fd >= 0)
        close(image->inode_fd);
    free(image);
}
