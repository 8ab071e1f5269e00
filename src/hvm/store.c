/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * store.c - a machine in xenstored: the nodes that tools look for, and those by which they ask
 * something of the guest (control/shutdown, control/sysrq, memory/target). Nobody inside reads
 * them, so the power button, the keyboard, the balloon device and CPU hotplug do what they say.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/console.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "domain/xenstore_life.h"
#include "hvm/hvm_priv.h"
#include "xenstore/client.h"

#define KIB_PER_MIB 1024

static void path_of(const struct hvm *h, const char *node, char path[static 96])
{
    snprintf(path, 96, "/local/domain/%u/%s", h->d->domid, node);
}

/* What a node asks for, which is then taken out of it; "" = nothing. New, NULL: nothing. */
static char *take(struct hvm *h, const char *node)
{
    char path[96], *text = NULL;

    path_of(h, node, path);
    if (xs_read(h->store.client, XS_NO_TX, path, &text, NULL) < 0)
        return NULL;
    if (text[0])
        (void)xs_write(h->store.client, XS_NO_TX, path, "", 0);
    return text;
}

static void report(int rc, const struct err *err)
{
    if (rc < 0)
        log_msg(LOG_WARN, "hvm", "%s", err->msg);
}

static void on_shutdown(void *arg, const char *path)
{
    struct hvm *h = arg;
    CLEANUP_FREE char *text = take(h, "control/shutdown");
    struct err err = {0};

    if (!text || !text[0])
        return;
    if (strcmp(text, "poweroff") == 0 || strcmp(text, "halt") == 0)
        report(hvm_press_power(h, false, &err), &err);
    else if (strcmp(text, "reboot") == 0)
        report(hvm_press_power(h, true, &err), &err);
    else
        log_msg(LOG_WARN, "hvm", "control/shutdown: '%.40s' cannot be asked of this guest", text);
}

static void on_sysrq(void *arg, const char *path)
{
    struct hvm *h = arg;
    CLEANUP_FREE char *text = take(h, "control/sysrq");
    struct err err = {0};

    if (text && text[0])
        report(hvm_press_sysrq(h, text[0], &err), &err);
}

/* The balloon's target, in KiB. */
static void on_target(void *arg, const char *path)
{
    struct hvm *h = arg;
    struct err err = {0};
    uint64_t kib;

    if (xs_read_number(h->store.client, XS_NO_TX, path, &kib) < 0 ||
        kib == h->balloon_mib * KIB_PER_MIB || kib / KIB_PER_MIB == 0)
        return;
    h->balloon_mib = kib / KIB_PER_MIB;
    report(hvm_command(h, "balloon", json_pack("{s:I}", "value", (json_int_t)kib * 1024), &err),
           &err);
}

static void on_vcpus(void *arg, const char *path)
{
    hvm_vcpus_adjust(arg);
}

static void on_store(void *arg, uint32_t events)
{
    struct hvm *h = arg;

    if (xs_dispatch(h->store.client) < 0) {
        log_msg(LOG_WARN, "hvm", "xenstored is gone: xm shutdown does not reach the guest");
        loop_remove(h->store.watch);
        h->store.watch = NULL;
    }
}

static int put_nodes(struct hvm *h)
{
    char path[96];
    int rc;

    path_of(h, "console/type", path);
    rc = xs_printf(h->store.client, XS_NO_TX, path, "ioemu");
    path_of(h, "console/tty", path);
    if (rc == 0)
        rc = xs_printf(h->store.client, XS_NO_TX, path, "%s", console_tty(h->d->console));
    path_of(h, "serial/0/tty", path);
    if (rc == 0 && h->serial.fd >= 0)
        rc = xs_printf(h->store.client, XS_NO_TX, path, "%s", console_tty(h->d->console));
    path_of(h, "console/vnc-port", path);
    if (rc == 0 && h->vnc_port)
        rc = xs_printf(h->store.client, XS_NO_TX, path, "%u", h->vnc_port);
    path_of(h, "console/vnc-listen", path);
    if (rc == 0 && h->vnc_port)
        rc = xs_printf(h->store.client, XS_NO_TX, path, "%s", h->vnc_address);
    path_of(h, "control/feature-poweroff", path);
    return rc < 0 ? rc : xs_printf(h->store.client, XS_NO_TX, path, "%d", h->spec.acpi);
}

static int watch(struct hvm *h, const char *node, xs_watch_fn *fn)
{
    struct xs_watch *w;
    char path[96];

    path_of(h, node, path);
    return xs_watch(h->store.client, path, fn, h, &w);
}

int hvm_store_open(struct hvm *h, struct err *err)
{
    struct hvm_store *s = &h->store;
    int rc = xs_connect(&s->client, h->d->store_socket, err);

    if (rc < 0)
        return rc;
    rc = xenstore_introduce(h->d, err);
    s->domain_fd = rc;
    if (rc < 0)
        return rc;
    h->d->in_store = true;
    rc = put_nodes(h);
    if (rc == 0)
        rc = watch(h, "control/shutdown", on_shutdown);
    if (rc == 0)
        rc = watch(h, "control/sysrq", on_sysrq);
    if (rc == 0)
        rc = watch(h, "memory/target", on_target);
    if (rc == 0)
        rc = watch(h, "cpu", on_vcpus);
    if (rc == 0)
        s->watch = loop_add(h->loop, xs_fd(s->client), EPOLLIN, on_store, h);
    if (rc < 0 || !s->watch)
        return err_set(err, rc < 0 ? -rc : ENOMEM, "cannot show the domain in xenstore: %s",
                       strerror(rc < 0 ? -rc : ENOMEM));
    return 0;
}

void hvm_store_close(struct hvm *h)
{
    struct hvm_store *s = &h->store;

    h->d->in_store = false;
    loop_remove(s->watch);
    s->watch = NULL;
    if (s->client && s->domain_fd >= 0)
        (void)xs_release(s->client, h->d->domid);
    xs_close(s->client);
    s->client = NULL;
    if (s->domain_fd >= 0)
        close(s->domain_fd);
    s->domain_fd = -1;
}
