/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * options.h - what a domain process is told about the domain to run: the JSON document that
 * it finds on --config-fd. docs/internals/domain-config.md lists its members. The document
 * comes from our own tools but is checked like any other input.
 */
#pragma once

#include "base/cpulist.h"
#include "base/err.h"
#include "base/json.h"
#include "base/types.h"
#include "domain/domain.h"

enum domain_action {
    ACTION_DESTROY,
    ACTION_RESTART,
    ACTION_PRESERVE,
    ACTION_RENAME_RESTART,
    ACTION_COREDUMP_DESTROY,
    ACTION_COREDUMP_RESTART
};

struct domain_options {
    char *name;
    uint8_t uuid[16];
    domid_t domid;
    uint64_t memory_pages, maxmem_pages;
    unsigned int vcpus;
    uint32_t vcpu_avail;              /* bit per vCPU that is to be online */
    unsigned int cpu_weight, cpu_cap; /* shares.h */
    cpu_set_t cpus[DOMAIN_MAX_VCPUS]; /* of the host, that each may use; all = any */
    enum programs programs;           /* where they run */
    int64_t time_offset;              /* of the guest's wallclock, seconds */
    bool paused;                      /* the first life begins with a pause */
    char *kernel;                     /* path; with a boot loader each life's own */
    char *ramdisk;                    /* path, "" = none */
    char *cmdline;
    enum domain_action on_poweroff, on_reboot, on_crash, on_watchdog;
    char *log_path;                /* this process's log */
    char *console_path;            /* console log, "" = none */
    uint64_t console_log_size;     /* bytes, then it is rotated; 0 = never */
    unsigned int console_log_keep; /* old files of it */
    char *socket_path;  /* where the inherited control socket is bound; removed at the end */
    char *lock_path;    /* likewise the lock file that says that we live */
    char *dump_dir;     /* for cores of on_*=coredump-* */
    char *status_path;  /* how the domain ended, "" = not wanted */
    json_t *disks;      /* array of objects for disk_config_parse(), or NULL */
    json_t *vifs;       /* likewise for vif_config_parse() */
    json_t *bootloader; /* object for bootloader_prepare(), or NULL */
    json_t *vm;         /* nodes below /vm/UUID and their text, or NULL */
    json_t *hvm;        /* object for hvm_spec_parse(): fully virtualized; NULL = not */
    json_t *vfb;        /* object for fb_config_parse(), or NULL */
};

/* Read and check a document. On failure *o needs no domain_options_done(). 0 or -EINVAL. */
int domain_options_parse(struct domain_options *o, const json_t *doc, struct err *err) MUST_CHECK;
void domain_options_done(struct domain_options *o);
