/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * managed.h - managed domains: those that are there also when they do not run. Each is a file
 * UUID/config.sxp in the directory of managed domains (xend's xend-domains-path), an
 * S-expression as `xm create -n` prints it. A file is replaced in one step and reaches the disk
 * before anybody is told that it did; whoever changes the directory holds its lock.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/paths.h"
#include "config/sxp.h"

/* Objects with the members
 *   name uuid memory maxmem vcpus      for lists
 *   on_xend_start on_xend_stop         "ignore" ...
 *   suspended                          boolean: it was saved, and can go on from there
 *   sxp                                the file's text
 * by name. Files that are none are left out. *ret is a new array. */
int managed_list(json_t **ret, struct err *err) MUST_CHECK;

/* By name, else by uuid: a new object of these, NULL if there is none. */
json_t *managed_find(const char *name_or_uuid);

/* Keep a domain, or replace the one with this uuid. -EEXIST if another managed or running domain
 * has the name. */
int managed_put(const char *name, const char *uuid, const char *sxp, struct err *err) MUST_CHECK;

/* The file that a managed domain is saved to while it is suspended: UUID/checkpoint.chk. 0 or
 * -errno. */
int managed_checkpoint(char buf[static PATHS_MAX], const char *uuid, struct err *err) MUST_CHECK;

/* Forget one, and what was saved of it. The caller has made sure that it does not run. */
int managed_remove(const char *uuid, struct err *err) MUST_CHECK;

/* Changes a config, (vm ...) in an arena; 0, or -errno with a sentence. */
typedef int managed_edit_fn(struct arena *a, struct sxp *vm, const void *arg, struct err *err);

/* The config changed by `fn`: new text, to be freed. 0 or -errno. */
int managed_edit_text(const char *sxp, managed_edit_fn *fn, const void *arg, char **ret,
                      struct err *err) MUST_CHECK;
/* Change that of the domain with this uuid; neither its name nor its uuid. 0 or -errno. */
int managed_edit(const char *uuid, managed_edit_fn *fn, const void *arg,
                 struct err *err) MUST_CHECK;

/* The same config under another name: new text, to be freed. NULL if it is none. */
char *managed_rename_text(const char *sxp, const char *name);
