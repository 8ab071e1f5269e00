/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * loop.h - a small event loop over epoll for one thread. A callback may add, change or
 * remove any watch, its own included; a removed watch gets no further callback, also when
 * its event had already been fetched.
 */
#pragma once

#include <sys/epoll.h>

#include "base/err.h"
#include "base/types.h"

struct loop;
struct loop_watch;

/* events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as epoll reports them. */
typedef void loop_fn(void *arg, uint32_t events);

int loop_create(struct loop **ret, struct err *err) MUST_CHECK;
void loop_destroy(struct loop *l); /* NULL is fine; closes no watched descriptor */

/* Watch fd (borrowed: remove the watch before closing it). NULL when out of memory. */
struct loop_watch *loop_add(struct loop *l, int fd, uint32_t events, loop_fn *fn, void *arg);
void loop_change(struct loop_watch *w, uint32_t events);
void loop_remove(struct loop_watch *w); /* NULL is fine */

/* Wait up to timeout_ms (-1 = for ever) and run what is due. 0 or -errno. */
int loop_run_once(struct loop *l, int timeout_ms);
