/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * dump.c - the machine as an ELF core. The device model writes it in a thread of its own and says
 * by an event when it is done; the machine stands still meanwhile, this process does not.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "hvm/hvm_priv.h"

static int begin(struct hvm *h, int fd, struct err *err)
{
    int rc;

    if (!h->qmp)
        return err_set(err, EAGAIN, "the machine is not there at the moment");
    if (h->dump.done)
        return err_set(err, EBUSY, "a core of domain '%s' is being written already", h->d->name);
    rc = qmp_execute(h->qmp, "getfd", json_pack("{s:s}", "fdname", "core"), fd, QMP_PATIENCE_MS,
                     NULL, err);
    if (rc < 0)
        return rc;
    return hvm_command(
        h, "dump-guest-memory",
        json_pack("{s:b, s:s, s:b}", "paging", 0, "protocol", "fd:core", "detach", 1), err);
}

int hvm_dump_begin(struct hvm *h, int fd, hvm_dump_fn *done, void *arg, struct err *err)
{
    int rc = begin(h, fd, err);

    close(fd);
    if (rc == 0)
        h->dump = (struct hvm_dump){.done = done, .arg = arg};
    return rc;
}

bool hvm_dump_is_under_way(const struct hvm *h)
{
    return h->dump.done != NULL;
}

static void finish(struct hvm *h, int rc, const struct err *err)
{
    struct hvm_dump dump = h->dump;

    h->dump.done = NULL;
    dump.done(dump.arg, rc, err);
}

void hvm_dump_completed(struct hvm *h, const json_t *data)
{
    const char *text = json_get_string(data, "error", "");
    struct err err = {0};
    int rc = text[0] ? err_set(&err, EIO, "the device model cannot write the core: %s", text) : 0;

    if (h->dump.done)
        finish(h, rc, &err);
}

void hvm_dump_end(struct hvm *h)
{
    struct err err = {0};

    if (h->dump.done)
        finish(h, err_set(&err, ECANCELED, "the machine has gone before its core was written"),
               &err);
}
