/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * model.h - the device model's process: QEMU, started by the launcher with the descriptors it
 * needs and no others, as a user of its own where root started the domain. It ends when this
 * process does, however that happens.
 */
#pragma once

#include "base/err.h"
#include "base/launcher.h"
#include "base/loop.h"
#include "hvm/words.h"

struct model;

/* One of the launcher's programs: becomes the device model. */
launcher_fn hvm_exec;

/* Descriptors for the device model, which finds the first at HVM_FIRST_FD and so on. */
#define HVM_FIRST_FD 3
#define HVM_MAX_FDS 56

struct hvm_fds {
    int fd[HVM_MAX_FDS];
    unsigned int count;
    bool overflow;
};

/* Add one (taken) and return the number that the device model will know it by. */
int hvm_fds_add(struct hvm_fds *all, int fd);
void hvm_fds_close(struct hvm_fds *all);

/* Start it. `loop` watches what it says; `ended` is called, once, when it has gone without being
 * asked to. 0 or -errno. */
int model_start(struct model **ret, struct loop *loop, const struct words *words,
                const struct hvm_fds *fds, void (*ended)(void *arg), void *arg,
                struct err *err) MUST_CHECK;
/* Kill it and wait for its end. NULL is fine. */
void model_stop(struct model *m);

/* Its process: the model's. */
int model_pidfd(const struct model *m);

/* Its last complaint, for a person; "" = it made none. Reads what has come. */
const char *model_last_words(struct model *m);
/* Has the emulated CPU met a triple fault? */
bool model_saw_triple_fault(struct model *m);
