/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * launch.c - see launch.h. The double fork leaves a process that is nobody's child here and
 * no session leader with a terminal; descriptors are moved to fixed numbers, all others and
 * the signal state of the caller do not reach it.
 */
#define _GNU_SOURCE
#include "toolstack/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/signals.h"

enum { FD_CONFIG = 3, FD_READY, FD_LISTEN, FD_LOCK, FD_CLIENTS };

#define HOTPLUG_PROGRAM "xenolith-hotplug"
#define ANSWER_MAX 8192
#define NR_FDS (FD_CLIENTS - FD_CONFIG + LAUNCH_MAX_CLIENTS + 1)

/* A file in memory that holds the document, at its start. */
static int make_config_fd(const json_t *config, struct err *err)
{
    CLEANUP_FREE char *line = json_to_line(config);
    CLEANUP_CLOSE int fd = memfd_create("domain-config", MFD_CLOEXEC);
    int rc;

    if (!line || fd < 0)
        return err_set(err, ENOMEM, "cannot pass the configuration: %s", strerror(errno));
    rc = io_write_all(fd, line, strlen(line));
    if (rc < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return err_set(err, EIO, "cannot pass the configuration");
    return STEAL_FD(fd);
}

/* In the new process: put fds[i] at FD_CONFIG + i. First above all targets, so that none is
 * overwritten before it was moved. */
static bool place_descriptors(const int *fds, size_t count)
{
    int high[NR_FDS];
    int null = open("/dev/null", O_RDWR);

    if (null < 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        high[i] = fcntl(fds[i], F_DUPFD, FD_CONFIG + NR_FDS + 1);
        if (high[i] < 0)
            return false;
    }
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) < 0)
            return false;
    for (size_t i = 0; i < count; i++)
        if (dup2(high[i], FD_CONFIG + (int)i) < 0)
            return false;
    return close_range((unsigned int)(FD_CONFIG + count), ~0u, 0) == 0;
}

/* `hotplug`: not the domain process itself but what prepares its networks, and becomes it then;
 * NULL: not needed. The last of fds may be the image. */
static _Noreturn void run(const char *hotplug, const char *program, const int *fds, size_t count,
                          bool image)
{
    static const char message[] = "{\"ok\":false,\"error\":\"cannot start the domain process\"}\n";
    char numbers[NR_FDS][8];
    const char *argv[2 * NR_FDS + 4] = {"xenolith-hotplug", "launch", program};
    static const char *const names[] = {"--config-fd", "--ready-fd", "--listen-fd", "--lock-fd"};
    size_t n = 3;

    for (size_t i = 0; i < count; i++) {
        snprintf(numbers[i], sizeof(numbers[i]), "%zu", FD_CONFIG + i);
        argv[n++] = i < ARRAY_SIZE(names)     ? names[i]
                    : image && i + 1 == count ? "--image-fd"
                                              : "--client-fd";
        argv[n++] = numbers[i];
    }
    signals_reset();
    if (place_descriptors(fds, count) && chdir("/") == 0)
        execv(hotplug ? hotplug : program, (char *const *)(hotplug ? argv : argv + 2));
    if (write(FD_READY, message, sizeof(message) - 1) < 0)
        _exit(126);
    _exit(127);
}

static int start(const char *hotplug, const char *program, const int *fds, size_t count, bool image,
                 struct err *err)
{
    pid_t child = fork();
    int status;

    if (child < 0)
        return err_set(err, errno, "cannot fork: %s", strerror(errno));
    if (child == 0) {
        setsid();
        child = fork();
        if (child == 0) {
            setsid(); /* a session of its own: what belongs to the domain can be told by it */
            run(hotplug, program, fds, count, image);
        }
        _exit(child < 0);
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return err_set(err, errno, "cannot wait for a child: %s", strerror(errno));
    return status == 0 ? 0 : err_set(err, EAGAIN, "cannot start another process");
}

/* One line, or what there is until the end. Processes of the domain may keep the pipe open, so
 * its end alone cannot be waited for. */
static size_t read_ready(int fd, char text[static ANSWER_MAX])
{
    size_t len = 0;

    while (len < ANSWER_MAX) {
        ssize_t n = read(fd, text + len, ANSWER_MAX - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
        if (memchr(text + len - n, '\n', (size_t)n))
            break;
    }
    return len;
}

/* Wait for the line that tells whether the guest runs. */
static int wait_ready(int fd, const json_t *config, struct err *err)
{
    char text[ANSWER_MAX];
    json_t *answer = NULL;
    struct err ignored;
    size_t len = read_ready(fd, text);
    int rc = 0;

    if (len == 0 || json_parse_object(text, len, &answer, &ignored) < 0)
        return err_set(err, EIO, "the domain process died while it started; see %s",
                       json_get_string(config, "log", "its log"));
    if (!json_get_bool(answer, "ok", false))
        rc = err_set(err, EIO, "%s", json_get_string(answer, "error", "unknown error"));
    json_decref(answer);
    return rc;
}

/* An interface on the host's networks, or a disk that a script makes: the domain process runs
 * no scripts. */
static bool needs_hotplug(const json_t *config)
{
    const json_t *device;
    size_t i;

    json_array_foreach(json_object_get(config, "vifs"), i, device)
    {
        if (strcmp(json_get_string(device, "type", ""), "tap") == 0)
            return true;
    }
    json_array_foreach(json_object_get(config, "disks"), i, device)
    {
        if (json_get_string(device, "script", "")[0])
            return true;
    }
    return false;
}

int launch_domain(const char *program, const json_t *config, const struct registry_claim *claim,
                  const struct launch_fds *more, struct err *err)
{
    CLEANUP_CLOSE int config_fd = make_config_fd(config, err);
    CLEANUP_CLOSE int ready_fd = -1;
    int ready[2], fds[NR_FDS];
    size_t count = FD_CLIENTS - FD_CONFIG;
    bool hotplug = needs_hotplug(config);
    char hotplug_program[PATHS_MAX];
    int rc;

    if (config_fd < 0)
        return config_fd;
    rc = hotplug ? paths_helper(hotplug_program, HOTPLUG_PROGRAM, err) : 0;
    if (rc < 0)
        return rc;
    if (more->nr_clients > LAUNCH_MAX_CLIENTS || pipe2(ready, O_CLOEXEC) < 0)
        return err_set(err, EMFILE, "cannot make a pipe: %s", strerror(errno));
    ready_fd = ready[0];
    fds[FD_CONFIG - FD_CONFIG] = config_fd;
    fds[FD_READY - FD_CONFIG] = ready[1];
    fds[FD_LISTEN - FD_CONFIG] = claim->listen_fd;
    fds[FD_LOCK - FD_CONFIG] = claim->lock_fd;
    for (size_t i = 0; i < more->nr_clients; i++)
        fds[count++] = more->clients[i];
    if (more->image)
        fds[count++] = *more->image;
    rc = start(hotplug ? hotplug_program : NULL, program, fds, count, more->image != NULL, err);
    close(ready[1]);
    return rc < 0 ? rc : wait_ready(ready_fd, config, err);
}
