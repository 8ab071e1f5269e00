/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * registry.h - the run directory: which domains are there, and a place for a new one.
 *
 *   lock       held (flock) while somebody changes the directory; holds the last domain id
 *   N.lock     one per domain, locked by its domain process for as long as that lives; holds
 *              the domain's name
 *   N.sock     its control socket
 *   N.config   what it was started from (record.h)
 *
 * A domain whose N.lock nobody holds is dead; its files are removed at the next chance.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/paths.h"
#include "base/types.h"

#define REGISTRY_NAME_MAX 64

struct registry_entry {
    domid_t domid;
    char name[REGISTRY_NAME_MAX];
};

/* Living domains, by ascending id. *ret is new. 0 or -errno. */
int registry_list(struct registry_entry **ret, size_t *ret_count, struct err *err) MUST_CHECK;

/* Find a domain by name or by id in decimal, names first. -ESRCH with the sentence that
 * scripts know if there is none, -ENOTUNIQ if two have the name. */
int registry_find(const char *name_or_id, struct registry_entry *ret, struct err *err) MUST_CHECK;

struct registry_claim {
    domid_t domid;
    int lock_fd;   /* locked; to be inherited by the domain process */
    int listen_fd; /* listening control socket; likewise */
    char lock_path[PATHS_MAX], socket_path[PATHS_MAX];
};

/* Take a new id for the domain that `record` describes (record.h), if it may start beside the
 * others (admission.h); `keep_kib` of memory is the host's. -EEXIST, -ENOMEM ... */
int registry_claim(struct registry_claim *ret, const json_t *record, uint64_t keep_kib,
                   struct err *err) MUST_CHECK;
/* Close the descriptors; `failed` also removes the files. */
void registry_claim_done(struct registry_claim *claim, bool failed);

/* What a living domain was started from: a new object, NULL if that is not known. */
json_t *registry_record(domid_t domid);
/* Replace it: the domain has become another one (a new uuid). */
int registry_set_record(domid_t domid, const json_t *record, struct err *err) MUST_CHECK;

/* Hold the directory's lock, so that no name is taken meanwhile: a descriptor to be closed, or
 * -errno. */
int registry_lock(struct err *err) MUST_CHECK;
/* Remove the files of dead domains, unless somebody holds that lock: never waits. */
void registry_clean(void);

/* Connect to a domain's control socket. Never waits: -EAGAIN when its queue is full. The
 * descriptor (blocking) or -errno. */
int registry_connect(domid_t domid, struct err *err) MUST_CHECK;
