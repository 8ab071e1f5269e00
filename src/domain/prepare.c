/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * prepare.c - see prepare.h. Everything that *_prepare() and *_fix() note stands in variables that
 * the launcher has a copy of: what becomes of ours later is nothing to it.
 */
#define _GNU_SOURCE
#include "domain/prepare.h"

#include <malloc.h>

#include "backend/block/direct.h"
#include "backend/block/qemu.h"
#include "backend/console_log.h"
#include "backend/fb/vnc.h"
#include "backend/net/passt.h"
#include "base/hostfile.h"
#include "base/identity.h"
#include "builder/kcache.h"
#include "domain/bootloader.h"
#include "domain/cputime.h"
#include "domain/devices.h"
#include "domain/dump.h"
#include "domain/files.h"
#include "domain/process.h"
#include "engine/engine.h"
#include "hvm/files.h"
#include "hvm/hvm.h"
#include "hvm/model.h"
#include "hvm/threads.h"
#include "xenstore/client.h"

static launcher_fn *const programs[] = {
    passt_exec, qemu_exec, bootloader_exec, vnc_exec, hvm_exec /* of its kind of guests only */,
};

static launcher_service *const services[] = {
    hostfile_service,         identity_peer_service, xs_connect_service,   kcache_service,
    console_log_service,      dump_core_service,     cputime_service,      shares_service,
    bootloader_clean_service, direct_service,        qemu_connect_service, hvm_files_service,
    threads_service,          identity_user_service,
};

int prepare(struct process *p, struct err *err)
{
    const struct domain_options *o = &p->options;
    const struct launcher_table table = {
        .programs = programs,
        .services = services,
        .nr_programs = ARRAY_SIZE(programs) - !o->hvm,
        .nr_services = ARRAY_SIZE(services),
    };
    int rc = bootloader_prepare(&p->bootloader, o, err);

    /* What the C library takes beside its first heap for other threads, it gives back only after a
     * look into /proc, which the jail does not show. */
    (void)mallopt(M_ARENA_MAX, 1);
    identity_choose();
    if (rc == 0)
        rc = files_fix(o, err);
    if (rc == 0)
        rc = xs_fix(p->d.store_socket, o->domid, o->uuid, err);
    if (rc == 0)
        rc = devices_prepare(o, err);
    if (rc == 0 && o->hvm)
        rc = hvm_prepare(o, err);
    return rc < 0 ? rc : engine_prepare(&table, err);
}
