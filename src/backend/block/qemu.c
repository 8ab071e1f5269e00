/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qemu.c - see qemu.h. The daemon inherits a listening socket with a name that the kernel made
 * up (abstract: no file is left behind). It is started through setpriv, which has the kernel
 * send it SIGTERM when our main thread ends, however that happens.
 */
#define _GNU_SOURCE
#include "backend/block/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"

#define FD_LISTEN 3 /* where the daemon finds its socket */
#define BACKLOG 16
#define GREETING "NBDMAGIC"
#define WORDS_MAX 1024

extern char **environ;

struct qemu_image {
    pid_t pid;
    struct sockaddr_un name;
    socklen_t name_len;
};

/* xl's words and QEMU's. */
static const struct {
    const char *format, *driver;
} formats[] = {
    {"qcow2", "qcow2"}, {"qcow", "qcow"}, {"vhd", "vpc"}, {"vmdk", "vmdk"}, {"qed", "qed"},
};

static const char *driver_of(const char *format)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (strcmp(format, formats[i].format) == 0)
            return formats[i].driver;
    return NULL;
}

bool qemu_image_knows(const char *format)
{
    return driver_of(format) != NULL;
}

/* What --blockdev takes; JSON, so that no character of a path has a meaning. */
static char *describe(const char *path, const char *format, bool writable, bool discard)
{
    struct stat st;
    bool is_device = stat(path, &st) == 0 && S_ISBLK(st.st_mode);
    json_t *object = json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:s, s:s}}", "driver",
                               driver_of(format), "node-name", "disk", "read-only", !writable,
                               "discard", discard ? "unmap" : "ignore", "file", "driver",
                               is_device ? "host_device" : "file", "filename", path, "discard",
                               discard ? "unmap" : "ignore");
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    return text;
}

/* Start the daemon with the socket at FD_LISTEN and what it says going to `words`. */
static int spawn(pid_t *pid, char *blockdev, bool writable, int listen_fd, int words)
{
    char export[96];
    char *const argv[] = {(char[]){"setpriv"},
                          (char[]){"--pdeathsig"},
                          (char[]){"TERM"},
                          (char[]){"qemu-storage-daemon"},
                          (char[]){"--blockdev"},
                          blockdev,
                          (char[]){"--nbd-server"},
                          (char[]){"addr.type=fd,addr.str=3"},
                          (char[]){"--export"},
                          export,
                          NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int rc;

    snprintf(export, sizeof(export), "type=nbd,id=disk,node-name=disk,name=disk,writable=%s",
             writable ? "on" : "off");
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, words, 1);
    posix_spawn_file_actions_adddup2(&files, words, 2);
    posix_spawn_file_actions_adddup2(&files, listen_fd, FD_LISTEN);
    rc = posix_spawnp(pid, argv[0], &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return -rc;
}

static int make_socket(struct qemu_image *image)
{
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    image->name = (struct sockaddr_un){.sun_family = AF_UNIX};
    image->name_len = sizeof(image->name);
    if (fd < 0 || bind(fd, (struct sockaddr *)&image->name, sizeof(sa_family_t)) < 0 ||
        getsockname(fd, (struct sockaddr *)&image->name, &image->name_len) < 0 ||
        listen(fd, BACKLOG) < 0)
        return -errno;
    return STEAL_FD(fd);
}

int qemu_image_connect(const struct qemu_image *image)
{
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&image->name, image->name_len) < 0)
        return -errno;
    return STEAL_FD(fd);
}

/* The daemon greets when it has opened the image; if it does not, its end closes the socket. */
static bool is_ready(const struct qemu_image *image)
{
    CLEANUP_CLOSE int fd = qemu_image_connect(image);
    char text[sizeof(GREETING) - 1];

    return fd >= 0 && recv(fd, text, sizeof(text), MSG_WAITALL) == (ssize_t)sizeof(text) &&
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
    if (strstr(line, "failed to execute"))
        return err_set(err, ENOENT,
                       "%s needs qemu-storage-daemon, which is not installed (Debian: "
                       "qemu-system-common)",
                       path);
    return err_set(err, EIO, "%s cannot be opened: %s", path,
                   line[0] ? line : "qemu-storage-daemon ended without a reason");
}

int qemu_image_open(struct qemu_image **ret, const char *path, const char *format, bool writable,
                    bool discard, struct err *err)
{
    CLEANUP_FREE struct qemu_image *image = calloc(1, sizeof(*image));
    CLEANUP_FREE char *blockdev = describe(path, format, writable, discard);
    CLEANUP_CLOSE int words = memfd_create("words", MFD_CLOEXEC);
    int listen_fd, rc;

    if (!image || !blockdev || words < 0)
        return err_set(err, ENOMEM, "out of memory");
    listen_fd = make_socket(image);
    rc = listen_fd < 0 ? listen_fd : spawn(&image->pid, blockdev, writable, listen_fd, words);
    /* From here on only the daemon listens: its end is seen. */
    if (listen_fd >= 0)
        close(listen_fd);
    if (rc < 0)
        return err_set(err, -rc, "cannot start qemu-storage-daemon: %s", strerror(-rc));
    if (!is_ready(image)) {
        qemu_image_close(STEAL_PTR(image));
        return refusal(words, path, err);
    }
    *ret = STEAL_PTR(image);
    return 0;
}

void qemu_image_close(struct qemu_image *image)
{
    if (!image)
        return;
    kill(image->pid, SIGTERM);
    while (waitpid(image->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(image);
}
