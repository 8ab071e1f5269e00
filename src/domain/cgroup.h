/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cgroup.h - a control group (cgroup v2) of a domain's own, beside the one that it was started in:
 * where the host lets us make one with the cpu controller.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/paths.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"

struct cgroup {
    char path[PATHS_MAX]; /* "" = there is none */
};

/* Make group `name` beside `own`, the group that the caller is in as /proc/self/cgroup tells it;
 * groups of ours that are empty go. 0, or -errno with a sentence that says what is missing. */
int cgroup_make(struct cgroup *ret, const char *mount, const char *own, const char *name,
                struct err *err) MUST_CHECK;
/* The caller's group; buf is "" if it is in none of version 2. */
void cgroup_own(char buf[static PATHS_MAX]);

/* 0 or -errno. */
int cgroup_add(const struct cgroup *g, pid_t pid) MUST_CHECK;
/* weight as Xen has it: 256 is everybody's; cap in percent of one CPU, 0 = none. */
int cgroup_set(const struct cgroup *g, unsigned int weight, unsigned int cap) MUST_CHECK;
