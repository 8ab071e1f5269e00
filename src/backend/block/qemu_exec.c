/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qemu_exec.c - what the launcher does for qemu.c: it becomes the daemon, and connects to it. Who
 * asks may be anybody's by now. The image's name is what the host's kernel says of the descriptor
 * that came, and has to lead to that file still; no more is done with it than the descriptor's
 * marks allow (base/disk_image.h). The socket's name is chosen here, and gone before the daemon
 * begins.
 */
#define _GNU_SOURCE
#include "backend/block/qemu_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/disk_image.h"
#include "base/fdpass.h"
#include "base/paths.h"
#include "base/signals.h"

#define FD_LISTEN 3 /* where the daemon finds its socket */
#define BACKLOG 16
#define BLOCKDEV_MAX (6 * PATH_MAX + 512) /* each byte of a path may become \u0000 */

static char run_dir[PATHS_MAX]; /* as it was when the launcher was made */

void qemu_prepare(const char *dir)
{
    snprintf(run_dir, sizeof(run_dir), "%s", dir);
}

const char *qemu_run_dir(void)
{
    return run_dir;
}

static _Noreturn void refuse(int words, const char *why)
{
    if (write(words, why, strlen(why)) < 0)
        _exit(125);
    _exit(126);
}

/* The name of an open image; "(deleted)" leads nowhere, or elsewhere. */
static bool find_image(int fd, char path[static PATH_MAX], bool *is_device)
{
    struct stat open, named;
    char link[32];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, PATH_MAX);
    if (n <= 0 || n >= PATH_MAX || fstat(fd, &open) < 0)
        return false;
    path[n] = '\0';
    *is_device = S_ISBLK(open.st_mode);
    return (*is_device || S_ISREG(open.st_mode)) && stat(path, &named) == 0 &&
           open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

/* As the text of a JSON string. */
static void escape(char *to, const char *from)
{
    for (; *from; from++) {
        const unsigned char c = (unsigned char)*from;

        if (c < ' ')
            to += sprintf(to, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            to += sprintf(to, "\\%c", c);
        else
            *to++ = *from;
    }
    *to = '\0';
}

/* What --blockdev takes; JSON, so that no character of a path has a meaning. */
static void describe(char to[static BLOCKDEV_MAX], const char *driver, const char *discard,
                     bool writable, bool is_device, const char *path)
{
    static char name[6 * PATH_MAX];

    escape(name, path);
    snprintf(to, BLOCKDEV_MAX,
             "{\"driver\":\"%s\",\"node-name\":\"disk\",\"read-only\":%s,\"discard\":\"%s\","
             "\"file\":{\"driver\":\"%s\",\"filename\":\"%s\",\"discard\":\"%s\"}}",
             driver, writable ? "false" : "true", discard, is_device ? "host_device" : "file", name,
             discard);
}

/* A socket at that path, to be removed, that listens; a descriptor of its inode. */
static int listen_at(const struct sockaddr_un *address, int *ret_inode)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return -1;
    *ret_inode = open(address->sun_path, O_PATH | O_CLOEXEC);
    unlink(address->sun_path);
    return *ret_inode < 0 || listen(fd, BACKLOG) < 0 ? -1 : fd;
}

/* The same under a name that nobody uses; who asked gets the inode. Only the daemon has the
 * socket: its end is seen. */
static int make_socket(int line)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int size = (int)sizeof(address.sun_path);
    uint64_t number;
    int fd, inode = -1;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number) ||
        snprintf(address.sun_path, sizeof(address.sun_path), QEMU_SOCKET, run_dir,
                 (unsigned long long)number) >= size)
        return -1;
    fd = listen_at(&address, &inode);
    return fd >= 0 && fdpass_send(line, "", 1, inode, 0) ? fd : -1;
}

/* The request, checked, as an argument for the daemon. Does not return from one that is to be
 * refused. */
static void take_order(const int *fds, char blockdev[static BLOCKDEV_MAX], bool *writable)
{
    static char path[PATH_MAX];
    const struct qemu_format *format;
    struct qemu_order order;
    bool is_device;

    if (recv(fds[QEMU_LINE], &order, sizeof(order), MSG_DONTWAIT) != (ssize_t)sizeof(order))
        refuse(fds[QEMU_WORDS], "the request is none\n");
    format = qemu_format(order.format);
    if (!format || !disk_image_is_served(fds[QEMU_IMAGE], format->name, writable))
        refuse(fds[QEMU_WORDS], "the image is not open for this format's server\n");
    if (!find_image(fds[QEMU_IMAGE], path, &is_device))
        refuse(fds[QEMU_WORDS], "its name is another file's, or nobody's, by now\n");
    describe(blockdev, format->driver, order.discard ? "unmap" : "ignore", *writable, is_device,
             path);
}

void qemu_exec(const int *fds, unsigned int nr_fds)
{
    static const char missing[] = QEMU_NOT_INSTALLED "\n";
    static char blockdev[BLOCKDEV_MAX];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;
    bool writable;

    signals_reset();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (nr_fds != NR_QEMU_FDS || null < 0)
        _exit(126);
    take_order(fds, blockdev, &writable);
    fd = make_socket(fds[QEMU_LINE]);
    if (fd < 0)
        refuse(fds[QEMU_WORDS], "no socket can be made in the run directory\n");
    /* The socket last: its number may be that of something that was passed. */
    if (dup2(null, 0) < 0 || dup2(fds[QEMU_WORDS], 1) < 0 || dup2(1, 2) < 0 ||
        dup2(fd, FD_LISTEN) < 0)
        _exit(126);
    if (fd != FD_LISTEN)
        close(fd);
    execlp(QEMU_PROGRAM, QEMU_PROGRAM, "--blockdev", blockdev, "--nbd-server",
           "addr.type=fd,addr.str=3" /* FD_LISTEN */, "--export",
           writable ? "type=nbd,id=disk,node-name=disk,name=disk,writable=on"
                    : "type=nbd,id=disk,node-name=disk,name=disk,writable=off",
           (char *)NULL);
    if (errno == ENOENT && write(1, missing, sizeof(missing) - 1) < 0)
        _exit(126);
    _exit(127);
}

/* The other end is a socket at which a child of ours listens. */
static bool is_daemon(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    siginfo_t si;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid > 0 &&
           waitid(P_PID, (id_t)peer.pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* By way of the inode: a name that is gone cannot be anybody else's. Who has a descriptor of
 * somebody's socket may have less rights than we. */
int qemu_connect_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    int rc;

    if (request->nr_fds != 1 || fstat(request->fds[0], &st) < 0 || !S_ISSOCK(st.st_mode) ||
        !(fcntl(request->fds[0], F_GETFL) & O_PATH))
        return -EINVAL;
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", request->fds[0]);
    reply->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (reply->fd < 0)
        return -errno;
    rc = connect(reply->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    if (rc == 0 && is_daemon(reply->fd))
        return 0;
    rc = rc < 0 ? rc : -EPERM;
    close(reply->fd);
    reply->fd = -1;
    return rc;
}
