/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vncviewer.c - xm vncviewer: a viewer program on a domain's display; see vncviewer.h.
 */
#define _GNU_SOURCE
#include "xm/vncviewer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "toolstack/registry.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 10000
#define BASE_PORT 5900

/* As programs take it: HOST:DISPLAY, or HOST::PORT where there is no such display. */
static int find_display(char *to, size_t size, domid_t domid, struct err *err)
{
    json_t *answer = NULL;
    json_int_t port = 0;
    const char *host;
    int rc = client_call(domid, json_pack("{s:s}", "verb", "display"), TIMEOUT_MS, &answer, err);

    if (rc == 0)
        rc = json_need_int(answer, "port", 0, 65535, &port, err);
    if (rc == 0 && port == 0)
        rc = err_set(err, ENOENT, "the domain's VNC server has ended; see the domain's log");
    if (rc == 0) {
        host = json_get_string(answer, "address", "");
        if (!host[0] || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
            host = "localhost";
        snprintf(to, size, strchr(host, ':') ? "[%s]%s%lld" : "%s%s%lld", host,
                 port < BASE_PORT ? "::" : ":",
                 (long long)(port < BASE_PORT ? port : port - BASE_PORT));
    }
    json_decref(answer);
    return rc;
}

/* Become it. Returns only if there is no viewer. */
static int exec_viewer(const char *display, struct err *err)
{
    static const char *const programs[] = {"vncviewer", "xtigervncviewer", "gvncviewer"};

    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        execlp(programs[i], programs[i], display, (char *)NULL);
        if (errno != ENOENT)
            return err_set(err, errno, "cannot start %s: %s", programs[i], strerror(errno));
    }
    return err_set(err, ENOENT,
                   "no VNC viewer is installed (Debian package tigervnc-viewer); the display is %s",
                   display);
}

int vncviewer_start(domid_t domid, struct err *err)
{
    CLEANUP_CLOSE int ours = -1, theirs = -1;
    char display[128];
    struct err why = {0};
    int rc = find_display(display, sizeof(display), domid, err), pipe_fds[2];

    if (rc < 0)
        return rc;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_set(err, errno, "cannot make a pipe: %s", strerror(errno));
    ours = pipe_fds[0];
    theirs = pipe_fds[1];
    switch (fork()) {
    case -1:
        return err_set(err, errno, "cannot start a process: %s", strerror(errno));
    case 0:
        setsid(); /* Ctrl-C at our terminal is not for it */
        (void)exec_viewer(display, &why);
        if (write(theirs, &why, sizeof(why)) < 0)
            _exit(126);
        _exit(127);
    default:
        close(STEAL_FD(theirs));
    }
    /* Nothing comes from one that has started: the pipe was closed by that. */
    if (read(ours, &why, sizeof(why)) == (ssize_t)sizeof(why))
        return err_set(err, why.code, "%s", why.msg);
    return 0;
}

static int run_vncviewer(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry;
    struct err err = {0};
    const char *name = NULL;
    char display[128];
    int rc = verb_check_arguments(self, argc, argv, 1, 2);

    if (rc >= 0)
        return rc;
    for (int i = 1; i < argc; i++) {
        /* Of Xen: hand the password to the viewer. It is nothing for a command line. */
        if (strcmp(argv[i], "--autopass") == 0)
            continue;
        if (argv[i][0] == '-' || name)
            return verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        name = argv[i];
    }
    if (!name)
        return verb_usage_error(self, "no domain given");
    rc = domains_find(name, &entry, &err);
    if (rc == 0)
        rc = find_display(display, sizeof(display), entry.domid, &err);
    if (rc == 0)
        rc = exec_viewer(display, &err);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_vncviewer = {
    .name = "vncviewer",
    .arguments = "<Domain>",
    .summary = "Start a VNC viewer on a domain's display.",
    .details = "",
    .run = run_vncviewer,
};
