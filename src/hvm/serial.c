/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * serial.c - the serial port that is the domain's console: bytes between the device model's
 * socket and the console. A client that is behind makes the port wait, for as long as the
 * console has patience; the guest's UART then looks busy.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/console.h"
#include "base/io.h"
#include "hvm/hvm_priv.h"

#define TICK_MS 100

/* Lock held. Everything that has come, or one piece of it. */
static void print(struct hvm *h, bool all)
{
    char buf[4096];
    ssize_t n;

    do {
        n = recv(h->serial.fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (n > 0)
            console_print(h->d->console, buf, (size_t)n);
    } while (all && n > 0);
    if (n == 0) /* the device model has gone */
        loop_change(h->serial.watch, 0);
}

static void on_serial(void *arg, uint32_t events)
{
    struct hvm *h = arg;

    pthread_mutex_lock(&h->d->lock);
    if (events & EPOLLOUT) {
        loop_change(h->serial.watch, EPOLLIN);
        console_resume_input(h->d->console);
    }
    if (!console_is_ready(h->d->console)) {
        h->serial.waiting = true;
        loop_change(h->serial.watch, 0);
    } else if (events & (EPOLLIN | EPOLLHUP)) {
        print(h, false);
    }
    pthread_mutex_unlock(&h->d->lock);
}

static size_t on_typed(void *arg, const void *buf, size_t n)
{
    struct hvm *h = arg;
    ssize_t sent = send(h->serial.fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return n; /* nobody there to read it */
    if (sent < (ssize_t)n)
        loop_change(h->serial.watch, EPOLLIN | EPOLLOUT);
    return sent < 0 ? 0 : (size_t)sent;
}

int hvm_serial_open(struct hvm *h, struct hvm_fds *fds, int *ret_number, struct err *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "cannot make a serial port: %s", strerror(errno));
    *ret_number = hvm_fds_add(fds, pair[1]);
    h->serial.fd = pair[0];
    h->serial.waiting = false;
    h->serial.watch = loop_add(h->loop, pair[0], EPOLLIN, on_serial, h);
    if (!h->serial.watch || io_set_nonblock(pair[0], true) < 0) {
        hvm_serial_close(h);
        return err_set(err, ENOMEM, "cannot watch the serial port");
    }
    pthread_mutex_lock(&h->d->lock);
    console_set_port(h->d->console, on_typed, h);
    pthread_mutex_unlock(&h->d->lock);
    return 0;
}

void hvm_serial_close(struct hvm *h)
{
    if (h->serial.fd < 0)
        return;
    pthread_mutex_lock(&h->d->lock);
    if (h->serial.watch)
        print(h, true);
    console_set_port(h->d->console, NULL, NULL);
    pthread_mutex_unlock(&h->d->lock);
    loop_remove(h->serial.watch);
    close(h->serial.fd);
    h->serial.watch = NULL;
    h->serial.fd = -1;
}

int hvm_serial_tick(struct hvm *h)
{
    if (!h->serial.waiting)
        return -1;
    pthread_mutex_lock(&h->d->lock);
    if (console_is_ready(h->d->console)) {
        h->serial.waiting = false;
        loop_change(h->serial.watch, EPOLLIN);
    }
    pthread_mutex_unlock(&h->d->lock);
    return h->serial.waiting ? TICK_MS : -1;
}
