/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * amend.h - what xm changes of a domain, written into its configs: the one that a running domain
 * was started from (its record; `xm list -l` shows it, and a successor is started from it), and
 * that of a managed domain, which its next start uses. xend did so, too.
 *
 * A config is edited as the S-expression that it is, so that what is not understood stays.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"
#include "toolstack/managed.h"
#include "toolstack/registry.h"

/* A domain that is to be changed: one that runs, or a managed one that does not. */
struct amend_target {
    struct registry_entry entry; /* domid 0: it does not run; with the name in any case */
    char uuid[40];               /* "" if that is not known: there is nothing to amend */
};

/* By name, id or uuid, a running one first. -ESRCH with the sentence that scripts know. */
int amend_find(const char *domain, struct amend_target *ret, struct err *err) MUST_CHECK;

/* Changes a (vm ...); 0, or -errno with a sentence: then nothing is written. */
typedef managed_edit_fn amend_fn;

/* Have `fn` change all configs that there are of the domain. A running domain that is not managed
 * has one, a managed one that does not run, too. 0 or -errno. */
int amend_apply(const struct amend_target *t, amend_fn *fn, const void *arg,
                struct err *err) MUST_CHECK;
/* The same for a running domain that has been changed already: no more than a warning. */
void amend_after(const struct amend_target *t, amend_fn *fn, const void *arg);

/* For an amend_fn: a list in the place of the one with its name, or at the end. */
void amend_put(struct sxp *vm, struct sxp *element);
/* (ELEMENT VALUE) in the place of what is there; NULL takes it out. */
void amend_set(struct arena *a, struct sxp *vm, const char *element, const char *value);
/* The number that an element is, `otherwise` without it. */
long long amend_number(const struct sxp *vm, const char *element, long long otherwise);

/* A device of the config options `disk` or `vif`. */
struct amend_device {
    const char *option; /* "disk", "vif" */
    const char *spec;   /* as in the option's list; NULL: to be taken out */
    const char *mac;    /* of a vif: its address, which the config keeps */
    unsigned int devid;
};

/* amend_fn of a struct amend_device: it comes in the place of the one with its number, or is
 * added, or goes, if it is there. */
amend_fn amend_device;
/* Has the config of a managed domain that does not run this one? */
bool amend_has_device(const struct amend_target *t, const struct amend_device *d);
