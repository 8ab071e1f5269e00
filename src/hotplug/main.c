/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - xenolith-hotplug: runs the hotplug scripts, which the domain process may not.
 *
 *   launch PROGRAM ARGUMENT...        before a domain: make its disks and interfaces, then become
 *                                     PROGRAM, which gets the same descriptors. What goes wrong
 *                                     is told on --ready-fd, as the domain process would
 *   attach DOMID NAME LOCKFILE        one device more; its object on stdin, and what has become
 *                                     of it (a disk's path) on stdout
 *   detach DOMID CLASS DEVID          one less, when the domain process has let it go
 *   wait DOMID                        (for itself) until the domain has ended; then undo
 *   sweep                             undo what dead domains have left
 *   network start|stop                the network-script of xend-config.sxp
 *
 * Exit code: 0, or 1 with a sentence on stderr.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "hotplug/lifetime.h"
#include "hotplug/network.h"

#define DOCUMENT_MAX (1024 * 1024)

static int fail(const struct err *err)
{
    fprintf(stderr, "%s\n", err->msg);
    return 1;
}

static int usage(void)
{
    fprintf(stderr, "xenolith-hotplug is started by xm and xend; see xm(1)\n");
    return 1;
}

/* A decimal number up to max; -1 if it is none. */
static long number(const char *text, long max)
{
    char *end;
    long n = strtol(text, &end, 10);

    return end == text || *end || n < 0 || n > max ? -1 : n;
}

/* --- launch ----------------------------------------------------------------------------- */

/* The descriptor behind an option among the domain process's arguments, or -1. */
static int find_fd(int argc, char **argv, const char *option)
{
    for (int i = 0; i + 1 < argc; i++)
        if (strcmp(argv[i], option) == 0)
            return (int)number(argv[i + 1], 1023);
    return -1;
}

/* Not read(): the domain process reads the same open file from its start. */
static int read_document(int fd, json_t **ret, struct err *err)
{
    CLEANUP_FREE char *text = NULL;
    struct stat st;

    if (fstat(fd, &st) < 0 || st.st_size > DOCUMENT_MAX)
        return err_set(err, EINVAL, "no configuration of the domain");
    text = malloc((size_t)st.st_size + 1);
    if (!text)
        return err_set(err, ENOMEM, "out of memory");
    if (pread(fd, text, (size_t)st.st_size, 0) != st.st_size)
        return err_set(err, EIO, "the configuration of the domain cannot be read");
    return json_parse_object(text, (size_t)st.st_size, ret, err);
}

/* The same file gets what has been found out. */
static int replace_document(int fd, const json_t *doc, struct err *err)
{
    CLEANUP_FREE char *line = json_to_line(doc);
    size_t len = line ? strlen(line) : 0;

    if (!line || ftruncate(fd, 0) < 0 || pwrite(fd, line, len, 0) != (ssize_t)len)
        return err_set(err, EIO, "the configuration of the domain cannot be changed");
    return 0;
}

static int report(int ready_fd, const char *why)
{
    json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", why);
    CLEANUP_FREE char *line = answer ? json_to_line(answer) : NULL;

    json_decref(answer);
    if (line && io_write_all(ready_fd, line, strlen(line)) < 0)
        return 2;
    return 1;
}

static int launch(int argc, char **argv)
{
    int config_fd = find_fd(argc, argv, "--config-fd");
    int ready_fd = find_fd(argc, argv, "--ready-fd");
    struct err err = {0};
    json_t *doc = NULL;
    int rc;

    if (config_fd < 0 || ready_fd < 0)
        return usage();
    rc = read_document(config_fd, &doc, &err);
    if (rc == 0)
        rc = lifetime_begin(doc, &err);
    if (rc == 0) /* from here on the process that waits for the domain's end undoes */
        rc = replace_document(config_fd, doc, &err);
    json_decref(doc);
    if (rc < 0)
        return report(ready_fd, err.msg);
    execv(argv[0], argv);
    err_set(&err, errno, "cannot start %s: %s", argv[0], strerror(errno));
    return report(ready_fd, err.msg);
}

/* --- the others ------------------------------------------------------------------------- */

static int attach(char **argv)
{
    long domid = number(argv[0], UINT16_MAX);
    CLEANUP_FREE char *text = NULL, *answer = NULL;
    struct err err = {0};
    json_t *device = NULL;
    size_t len;
    int rc;

    if (domid < 0)
        return usage();
    rc = io_read_fd(0, DOCUMENT_MAX, &text, &len, &err);
    if (rc == 0)
        rc = json_parse_object(text, len, &device, &err);
    if (rc == 0)
        rc = lifetime_attach((domid_t)domid, argv[1], argv[2], device, &err);
    answer = rc == 0 ? json_to_line(device) : NULL;
    json_decref(device);
    if (rc < 0)
        return fail(&err);
    return answer && io_write_all(1, answer, strlen(answer)) == 0 ? 0 : 1;
}

static int detach(char **argv)
{
    long domid = number(argv[0], UINT16_MAX), devid = number(argv[2], INT32_MAX);
    struct err err = {0};

    if (domid < 0 || devid < 0)
        return usage();
    return lifetime_detach((domid_t)domid, argv[1], (unsigned int)devid, &err) < 0 ? fail(&err) : 0;
}

static int wait_for_end(const char *text)
{
    long domid = number(text, UINT16_MAX);
    struct err err = {0};

    if (domid < 0)
        return usage();
    return lifetime_wait((domid_t)domid, &err) < 0 ? fail(&err) : 0;
}

static int network(const char *command)
{
    struct err err = {0};

    if (strcmp(command, "start") == 0)
        return network_start(&err) < 0 ? fail(&err) : 0;
    if (strcmp(command, "stop") == 0)
        return network_stop(&err) < 0 ? fail(&err) : 0;
    return usage();
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    umask(077);
    if (strcmp(command, "launch") == 0 && argc > 2)
        return launch(argc - 2, argv + 2);
    if (strcmp(command, "attach") == 0 && argc == 5)
        return attach(argv + 2);
    if (strcmp(command, "detach") == 0 && argc == 5)
        return detach(argv + 2);
    if (strcmp(command, "wait") == 0 && argc == 3)
        return wait_for_end(argv[2]);
    if (strcmp(command, "network") == 0 && argc == 3)
        return network(argv[2]);
    if (strcmp(command, "sweep") != 0 || argc != 2)
        return usage();
    lifetime_sweep();
    return 0;
}
