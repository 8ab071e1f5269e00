/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * loop.c - see loop.h. Removed watches stay on a list until no fetched event can name them.
 */
#include "base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct loop_watch {
    struct loop *loop;
    struct loop_watch *next_dead;
    int fd;
    uint32_t events;
    loop_fn *fn; /* NULL = removed */
    void *arg;
};

struct loop {
    int epoll_fd;
    struct loop_watch *dead;
};

int loop_create(struct loop **ret, struct err *err)
{
    struct loop *l = calloc(1, sizeof(*l));

    if (!l)
        return err_set(err, ENOMEM, "out of memory");
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) {
        free(l);
        return err_set(err, errno, "epoll: %s", strerror(errno));
    }
    *ret = l;
    return 0;
}

static void free_dead(struct loop *l)
{
    while (l->dead) {
        struct loop_watch *w = l->dead;

        l->dead = w->next_dead;
        free(w);
    }
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    free_dead(l);
    close(l->epoll_fd);
    free(l);
}

struct loop_watch *loop_add(struct loop *l, int fd, uint32_t events, loop_fn *fn, void *arg)
{
    struct loop_watch *w = calloc(1, sizeof(*w));
    struct epoll_event ev = {.events = events, .data.ptr = w};

    if (!w)
        return NULL;
    *w = (struct loop_watch){.loop = l, .fd = fd, .events = events, .fn = fn, .arg = arg};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        free(w);
        return NULL;
    }
    return w;
}

void loop_change(struct loop_watch *w, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = w};

    if (events == w->events)
        return;
    if (epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) == 0)
        w->events = events;
}

void loop_remove(struct loop_watch *w)
{
    if (!w)
        return;
    epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->fn = NULL;
    w->next_dead = w->loop->dead;
    w->loop->dead = w;
}

int loop_run_once(struct loop *l, int timeout_ms)
{
    struct epoll_event ev[16];
    int n = epoll_wait(l->epoll_fd, ev, ARRAY_SIZE(ev), timeout_ms);

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++) {
        struct loop_watch *w = ev[i].data.ptr;

        if (w->fn)
            w->fn(w->arg, ev[i].events);
    }
    free_dead(l);
    return 0;
}
