/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_socket.c - see console_socket.h.
 */
#define _GNU_SOURCE
#include "backend/console_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/hostfile.h"
#include "base/identity.h"
#include "base/log.h"

#define BACKLOG 4

struct console_socket {
    struct console_out *out;
    pthread_mutex_t *lock;
    int fd;
    struct loop_watch *watch;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static void on_listen(void *arg, uint32_t events)
{
    struct console_socket *s = arg;
    uid_t uid;
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int rc = fd < 0 ? 0 : identity_peer(fd, &uid);

    if (fd < 0)
        return;
    if (rc == 0) {
        pthread_mutex_lock(s->lock);
        rc = console_out_add_client(s->out, fd);
        pthread_mutex_unlock(s->lock);
    }
    if (rc < 0) {
        log_guest(LOG_WARN, "backend", "console: reader refused: %s", strerror(-rc));
        close(fd);
    }
}

/* The path is ours alone: its name is the domain's id, which is locked. */
static int open_socket(struct console_socket *s, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0 || (unlink(path) < 0 && errno != ENOENT) ||
        bind(s->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    memcpy(s->path, path, strlen(path) + 1);
    return listen(s->fd, BACKLOG) < 0 ? -errno : 0;
}

int console_socket_create(struct console_socket **ret, const struct console_config *config,
                          struct console_out *out, struct err *err)
{
    struct console_socket *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ENOMEM, "out of memory");
    *s = (struct console_socket){.out = out, .lock = config->lock, .fd = -1};
    rc = open_socket(s, config->socket_path);
    if (rc == 0) {
        s->watch = loop_add(config->loop, s->fd, EPOLLIN, on_listen, s);
        rc = s->watch ? 0 : -ENOMEM;
    }
    if (rc < 0) {
        console_socket_destroy(s);
        return err_set(err, -rc, "cannot listen on %s: %s", config->socket_path, strerror(-rc));
    }
    *ret = s;
    return 0;
}

void console_socket_destroy(struct console_socket *s)
{
    if (!s)
        return;
    loop_remove(s->watch);
    if (s->fd >= 0)
        close(s->fd);
    if (s->path[0])
        (void)hostfile_remove(s->path);
    free(s);
}
