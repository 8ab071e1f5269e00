/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qemu.c - see qemu.h. The launcher starts qemu_exec(), which binds a socket in the run
 * directory, where nobody else may look, and becomes the daemon. We keep a descriptor of the
 * socket's inode and remove the name at once: later connections go through /proc/self/fd. When
 * this process ends, however it does, the launcher does too, and the kernel sends the daemon
 * SIGTERM: it writes what it holds and ends.
 *
 * qemu_image_open() makes do with what the domain process may do in its jail
 * (domain/jail_policy.h): a disk can be plugged into a running guest.
 */
#define _GNU_SOURCE
#include "backend/block/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/signals.h"

#define PROGRAM "qemu-storage-daemon"
#define NOT_INSTALLED PROGRAM " is not installed (Debian: qemu-system-common)"
#define FD_LISTEN 3 /* where the daemon finds its socket */
#define BACKLOG 16
#define GREETING "NBDMAGIC"
#define PATIENCE_MS 15000
#define POLL_MS 5
#define WORDS_MAX 1024
#define ARGUMENTS_MAX 16384
#define SOCKET_PATH_MAX ((int)sizeof(((struct sockaddr_un *)NULL)->sun_path))

/* What qemu_exec() is given: where to say why it fails, and words, each with its NUL: the path
 * of the socket, then the daemon's arguments. */
enum { EXEC_WORDS, EXEC_ARGS, NR_EXEC_FDS };
#define MAX_ARGS 16

struct qemu_image {
    int pidfd;
    int inode_fd; /* O_PATH: of the socket that it listens at */
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

static bool make_address(struct sockaddr_un *to, const char *path)
{
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    strncpy(to->sun_path, path, sizeof(to->sun_path) - 1);
    return strlen(path) < sizeof(to->sun_path);
}

/* A socket at that path, listening at FD_LISTEN. Only the daemon has it: its end is seen. */
static bool listen_at(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (fd < 0 || !make_address(&address, path) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
        return false;
    if (fd != FD_LISTEN) {
        if (dup2(fd, FD_LISTEN) < 0)
            return false;
        close(fd);
    }
    return true;
}

void qemu_exec(const int *fds, unsigned int nr_fds)
{
    static const char missing[] = NOT_INSTALLED "\n";
    static char text[ARGUMENTS_MAX];
    char *argv[MAX_ARGS + 1];
    unsigned int count = 0;
    ssize_t len = nr_fds == NR_EXEC_FDS ? pread(fds[EXEC_ARGS], text, sizeof(text), 0) : -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (len <= 0 || len == (ssize_t)sizeof(text) || text[len - 1] || null < 0)
        _exit(126);
    for (char *word = text; word < text + len && count < MAX_ARGS; word += strlen(word) + 1)
        argv[count++] = word;
    argv[count] = NULL;
    signals_reset();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    /* Words before the socket: their descriptor may be the one that it goes to. */
    if (dup2(null, 0) < 0 || dup2(fds[EXEC_WORDS], 1) < 0 || dup2(fds[EXEC_WORDS], 2) < 0 ||
        count < 2 || !listen_at(argv[0]))
        _exit(126);
    execvp(PROGRAM, argv + 1);
    if (errno == ENOENT && write(1, missing, sizeof(missing) - 1) < 0)
        _exit(126);
    _exit(127);
}

/* The words for qemu_exec(), in a file of memory. Its descriptor or -errno. */
static int write_arguments(const char *path, const char *blockdev, bool writable)
{
    const char *const words[] = {
        path,
        PROGRAM,
        "--blockdev",
        blockdev,
        "--nbd-server",
        "addr.type=fd,addr.str=3",
        "--export",
        writable ? "type=nbd,id=disk,node-name=disk,name=disk,writable=on"
                 : "type=nbd,id=disk,node-name=disk,name=disk,writable=off",
    };
    CLEANUP_CLOSE int fd = memfd_create("arguments", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(words); i++)
        rc = io_write_all(fd, words[i], strlen(words[i]) + 1);
    return rc < 0 ? rc : STEAL_FD(fd);
}

int qemu_image_connect(const struct qemu_image *image)
{
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", image->inode_fd);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    return STEAL_FD(fd);
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A connection, as soon as somebody listens; none if the process ends before. */
static int connect_soon(struct qemu_image *image, const char *path)
{
    int64_t until = now_ms() + PATIENCE_MS;
    int fd = -ENOENT;

    while (fd < 0 && now_ms() < until) {
        struct pollfd p = {.fd = image->pidfd, .events = POLLIN};

        if (image->inode_fd < 0)
            image->inode_fd = open(path, O_PATH | O_CLOEXEC);
        if (image->inode_fd >= 0)
            fd = qemu_image_connect(image);
        if (fd < 0 && poll(&p, 1, POLL_MS) > 0)
            break;
    }
    unlink(path);
    return fd;
}

/* The daemon greets when it has opened the image; if it does not, its end closes the socket. */
static bool is_ready(struct qemu_image *image, const char *path)
{
    CLEANUP_CLOSE int fd = connect_soon(image, path);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char text[sizeof(GREETING) - 1];

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
    if (strcmp(line, NOT_INSTALLED) == 0)
        return err_set(err, ENOENT, "%s cannot be opened: " NOT_INSTALLED, path);
    return err_set(err, EIO, "%s cannot be opened: %s", path,
                   line[0] ? line : PROGRAM " ended without a reason");
}

/* A path for the socket that nobody uses. */
static int choose_path(char path[static SOCKET_PATH_MAX], const char *run_dir, struct err *err)
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return err_set(err, EIO, "no random numbers: %s", strerror(errno));
    if (snprintf(path, SOCKET_PATH_MAX, "%s/disk-%016llx", run_dir, (unsigned long long)number) >=
        SOCKET_PATH_MAX)
        return err_set(err, ENAMETOOLONG, "the path of the run directory is too long: %s", run_dir);
    return 0;
}

/* Start the daemon and wait until it has opened the image, or has refused to. */
static int start(struct qemu_image *image, const char *blockdev, bool writable, const char *path,
                 const char *run_dir, struct err *err)
{
    char socket_path[SOCKET_PATH_MAX];
    int rc = choose_path(socket_path, run_dir, err);
    CLEANUP_CLOSE int words = memfd_create("words", MFD_CLOEXEC);
    CLEANUP_CLOSE int args = rc < 0 ? -1 : write_arguments(socket_path, blockdev, writable);

    if (rc < 0)
        return rc;
    if (words < 0 || args < 0)
        return err_set(err, ENOMEM, "cannot pass arguments to " PROGRAM);
    rc = launcher_spawn(qemu_exec, (int[]){[EXEC_WORDS] = words, [EXEC_ARGS] = args}, NR_EXEC_FDS,
                        &image->pidfd, err);
    if (rc < 0)
        return rc;
    return is_ready(image, socket_path) ? 0 : refusal(words, path, err);
}

int qemu_image_open(struct qemu_image **ret, const char *path, const char *format, bool writable,
                    bool discard, const char *run_dir, struct err *err)
{
    struct qemu_image *image = malloc(sizeof(*image));
    CLEANUP_FREE char *blockdev = describe(path, format, writable, discard);
    int rc = image && blockdev ? 0 : err_set(err, ENOMEM, "out of memory");

    if (image)
        *image = (struct qemu_image){.pidfd = -1, .inode_fd = -1};
    if (rc == 0)
        rc = start(image, blockdev, writable, path, run_dir, err);
    if (rc < 0)
        qemu_image_close(image);
    else
        *ret = image;
    return rc;
}

void qemu_image_close(struct qemu_image *image)
{
    if (!image)
        return;
    if (image->pidfd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, image->pidfd, SIGTERM, NULL, 0);
        launcher_reap(image->pidfd);
    }
    if (image->inode_fd >= 0)
        close(image->inode_fd);
    free(image);
}
