/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * receive.c - xm migrate-receive: the other end of xm migrate, on standard input and output.
 * Started by xend's relocation server (with --relocation), or by the sender through ssh.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/paths.h"
#include "toolstack/domains.h"
#include "toolstack/managed.h"
#include "toolstack/relocation.h"
#include "toolstack/saved.h"
#include "toolstack/xend_log.h"
#include "xm/restore.h"
#include "xm/verbs.h"

#define GREET_MS 30000
#define GO_MS 180000
#define IMAGE_MAX (1ull << 44)

/* A file without a name: nothing is left of it, whatever becomes of us. */
static int make_file(struct err *err)
{
    char dir[PATHS_MAX];
    int rc = paths_state_dir(dir, err), fd;

    if (rc < 0)
        return rc;
    fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 ? err_set(err, errno, "cannot keep a domain in %s: %s", dir, strerror(errno))
                  : fd;
}

static int take_image(const struct relocation *r, int fd, struct err *err)
{
    unsigned long long size = 0;
    char line[RELOCATION_LINE];
    int rc = relocation_hear(r, line, GO_MS, err);

    if (rc == 0 && (sscanf(line, "(image (size %llu))", &size) != 1 || size > IMAGE_MAX))
        rc = err_set(err, EPROTO, "a saved domain was expected");
    if (rc == 0)
        rc = relocation_take_file(r, fd, size, err);
    if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
        rc = err_set(err, errno, "cannot read the saved domain: %s", strerror(errno));
    return rc;
}

/* What can be seen to be in its way. The domain itself, which has not ended yet, is not: it may
 * come back to the host that it leaves. */
static int check(const json_t *head, struct err *err)
{
    const char *name = json_get_string(head, "name", ""), *uuid = json_get_string(head, "uuid", "");
    struct registry_entry entry;
    json_t *record = NULL;
    int rc = 0;

    if (domains_find(name, &entry, NULL) == 0) {
        record = registry_record(entry.domid);
        if (strcmp(json_get_string(record, "uuid", ""), uuid) != 0)
            rc =
                err_set(err, EEXIST, "VM name '%s' already exists as domain %u", name, entry.domid);
    }
    json_decref(record);
    return rc;
}

/* Is this a managed domain here? What it is elsewhere does not count. */
static void set_managed(json_t *head)
{
    json_t *known = managed_find(json_get_string(head, "uuid", ""));

    json_object_set_new(head, "managed",
                        json_boolean(known && json_get_bool(head, "managed", false)));
    json_decref(known);
}

/* When the sender's guest has ended, and not before. */
static int start(const struct relocation *r, int fd, json_t *head, bool paused, struct err *err)
{
    char line[RELOCATION_LINE];
    int rc = relocation_say(r, err, "(ready start)");

    if (rc == 0)
        rc = relocation_hear(r, line, GO_MS, err);
    if (rc == 0 && strcmp(line, "go") != 0)
        rc = err_set(err, EPROTO, "the domain was not to start");
    if (rc < 0)
        return rc;
    set_managed(head);
    if (restore_image(fd, head, "saved domain",
                      &(struct restore_options){.paused = paused, .failure = err}) != XM_OK)
        return -(err->code ? err->code : EIO);
    xend_log(XEND_INFO, "domain '%s' came from %s", json_get_string(head, "name", ""), r->peer);
    return relocation_say(r, err, "(started)");
}

static int receive(const struct relocation *r, bool paused, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    char line[RELOCATION_LINE];
    json_t *head = NULL;
    int rc = relocation_hear(r, line, GREET_MS, err);

    if (rc == 0 && strcmp(line, "receive") != 0)
        rc = err_set(err, EPROTO, "only 'receive' is known here");
    if (rc == 0)
        rc = fd = make_file(err);
    if (rc >= 0)
        rc = relocation_say(r, err, "(ready receive)");
    if (rc == 0)
        rc = take_image(r, fd, err);
    if (rc == 0)
        rc = saved_read(fd, "migration", &head, err);
    if (rc < 0)
        return rc;
    rc = check(head, err);
    if (rc == 0)
        rc = start(r, fd, head, paused, err);
    json_decref(head);
    return rc;
}

static int run_receive(const struct verb *self, int argc, char **argv)
{
    char peer[RELOCATION_PEER] = "the sender";
    const struct relocation r = {.in = STDIN_FILENO, .out = STDOUT_FILENO, .peer = peer};
    bool checked = false, paused = false;
    struct err err = {0};
    int status = verb_check_arguments(self, argc, argv, 0, 4);

    for (int i = 1; i < argc && status < 0; i++) {
        if (strcmp(argv[i], "--relocation") == 0)
            checked = true;
        else if (strcmp(argv[i], "-p") == 0)
            paused = true;
        else
            status = verb_usage_error(self, "unexpected argument '%s'", argv[i]);
    }
    if (status >= 0)
        return status;
    if ((!checked || relocation_check_peer(STDIN_FILENO, peer, &err) == 0) &&
        receive(&r, paused, &err) == 0)
        return XM_OK;
    xend_log(XEND_WARNING, "no domain was received: %s", err.msg);
    relocation_fail(&r, &err);
    return XM_FAILED;
}

const struct verb verb_migrate_receive = {
    .name = "migrate-receive",
    .arguments = "[-p]",
    .summary = "Take a domain from 'xm migrate', on standard input and output.",
    .details = "  -p            let it wait for 'xm unpause'\n"
               "  --relocation  standard input is a connection to xend-relocation-server\n",
    .run = run_receive,
};
