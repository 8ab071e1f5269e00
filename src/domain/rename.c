/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rename.c - see rename.h.
 */
#include "domain/rename.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "domain/control_verbs.h"
#include "domain/process.h"

static int check_name(const struct process *p, const char *name, struct err *err)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-.:+", *c))
            return err_set(err, EINVAL, "name '%s': only letters, digits and _-.:+ are allowed",
                           name);
    if (!name[0] || strlen(name) >= sizeof(p->d.name))
        return err_set(err, EINVAL, "name: 1 to %zu characters are needed", sizeof(p->d.name) - 1);
    return 0;
}

/* The name's line in one write, then what is behind it: a reader sees the old or the new one. */
static int write_lock_file(int fd, const char *name, struct err *err)
{
    char line[sizeof(((struct domain *)NULL)->name) + 1];
    int n = snprintf(line, sizeof(line), "%s\n", name);

    if (fd >= 0 && (pwrite(fd, line, (size_t)n, 0) != n || ftruncate(fd, n) < 0))
        return err_set(err, errno, "cannot write the lock file: %s", strerror(errno));
    return 0;
}

int process_rename(struct process *p, const char *name, struct err *err)
{
    int rc = check_name(p, name, err);

    if (rc == 0)
        rc = write_lock_file(p->lock_fd, name, err);
    if (rc < 0)
        return rc;
    log_msg(LOG_INFO, "domain", "domain %u '%s' is called '%s' from now on", p->d.domid, p->d.name,
            name);
    pthread_mutex_lock(&p->d.lock);
    snprintf(p->d.name, sizeof(p->d.name), "%s", name);
    pthread_mutex_unlock(&p->d.lock);
    return 0;
}

int process_step_aside(struct process *p, struct err *err)
{
    uint8_t u[16];
    char name[sizeof(p->d.name)];

    if (getrandom(u, sizeof(u), 0) != (ssize_t)sizeof(u))
        return err_set(err, EIO, "no random numbers for a uuid");
    u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    snprintf(name, sizeof(name),
             "Domain-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
             u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
             u[14], u[15]);
    memcpy(p->d.uuid, u, sizeof(u));
    return process_rename(p, name, err);
}

void control_rename(struct connection *cn, const json_t *request)
{
    struct err err = {0};
    int rc = process_rename(control_process(cn), json_get_string(request, "name", ""), &err);

    control_answer_result(cn, rc, &err);
}
