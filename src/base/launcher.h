/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * launcher.h - starts processes and opens files for a process that may do neither any more:
 * before it goes to jail it makes a launcher, a small process that has seen nothing hostile and
 * knows a fixed list of things that it can become (programs) or do (services). Who asks may have
 * been taken over since: both have to know before the launcher is made what they may be asked
 * for, and must not believe what a request says. Who has made no launcher (tools, tests) does all
 * of it itself.
 *
 * What is started is killed when the launcher, or else the starting thread, ends; the launcher
 * ends with the process that made it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define LAUNCHER_MAX_FDS 64
#define LAUNCHER_DATA_MAX 8192    /* bytes of a request or an answer */
#define LAUNCHER_MAX_CHILDREN 512 /* at a time */

/* The new process, with copies of the descriptors that were given, close-on-exec. Must not
 * return. Async-signal-safe calls only: it may come from a process with threads. */
typedef void launcher_fn(const int *fds, unsigned int nr_fds);

/* What is asked for: any bytes, any descriptors. */
struct launcher_request {
    const void *data;
    size_t size;
    const int *fds; /* borrowed */
    unsigned int nr_fds;
};

/* What is answered. A service finds it empty. */
struct launcher_reply {
    int fd; /* for who asked, who owns it then; -1 = none */
    size_t size;
    char data[LAUNCHER_DATA_MAX];
};

/* Does something in the launcher's process, or in the caller's if there is none. 0, a positive
 * number, or -errno. */
typedef int launcher_service(const struct launcher_request *request, struct launcher_reply *reply);

struct launcher_table {
    launcher_fn *const *programs;
    launcher_service *const *services;
    unsigned int nr_programs, nr_services;
};

/* Make the launcher of this process, once, while it has one thread. The table is kept. */
int launcher_start(const struct launcher_table *table, struct err *err);

/* Start one of the programs. Borrows the descriptors. *ret_pidfd is the caller's, to be given
 * to launcher_reap(). Any thread. 0 or -errno. */
int launcher_spawn(launcher_fn *program, const int *fds, unsigned int nr_fds, int *ret_pidfd,
                   struct err *err);

/* Ask for one of the services. *reply is filled in in any case. Any thread. What the service
 * says, or -errno. */
int launcher_ask(launcher_service *service, const struct launcher_request *request,
                 struct launcher_reply *reply);

/* The process enters its jail now: programs and services that only its start needs find
 * launcher_is_sealed() true from now on, and refuse. */
void launcher_seal(void);
bool launcher_is_sealed(void);

/* Send a signal to what launcher_spawn() started, also when it has become somebody else's. */
void launcher_kill(int pidfd, int sig);
/* Wait for the end of what launcher_spawn() started and close the descriptor. */
void launcher_reap(int pidfd);

/* In a service: answer these bytes, at most LAUNCHER_DATA_MAX. */
void launcher_answer(struct launcher_reply *reply, const void *data, size_t size);
/* In a service: the process that made the launcher; the own one where there is none. */
pid_t launcher_owner(void);
/* In a service: is that the pidfd of what the launcher started? */
bool launcher_started(int pidfd);
