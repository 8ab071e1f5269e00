/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control_verbs.h - what the control socket's verbs need of it, for those that are in files of
 * their own. A verb answers its request once, by one of the functions here, or says that the
 * answer comes later. Main thread, without the domain's lock.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

struct connection;
struct process;

typedef void control_verb_fn(struct connection *cn, const json_t *request);

struct process *control_process(const struct connection *cn);
/* "uid N", for logs. */
const char *control_peer(const struct connection *cn, char buf[static 32]);

/* Takes the reference. */
void control_answer(struct connection *cn, json_t *answer);
/* Behind an answer: one byte that brings a descriptor (borrowed). */
void control_send_fd(struct connection *cn, int fd);
/* Only "ok", or the sentence of err if rc < 0. */
void control_answer_result(struct connection *cn, int rc, const struct err *err);

/* control_vcpus.c */
control_verb_fn control_pause, control_trigger, control_unpause, control_vcpu_list,
    control_vcpu_pin, control_vcpu_set;
/* rename.c */
control_verb_fn control_rename;
/* A descriptor that came with the request: the caller's from now on; -1 = none. */
int control_take_fd(struct connection *cn);

/* control_dump.c: answered by control_dump_done(), also if the connection has gone. */
control_verb_fn control_dump_core;
void control_wait_for_dump(struct connection *cn);
/* control_save.c: answered by control_save_done(). Who has asked for it is who says what is to
 * happen then; if that connection ends, the guest goes on. */
control_verb_fn control_save, control_save_end;
void control_wait_for_save(struct connection *cn);
/* Its answer comes when the domain is gone. -EINVAL if it did not ask for the saving. */
int control_wait_for_end(struct connection *cn, struct err *err) MUST_CHECK;
/* control_display.c */
control_verb_fn control_display, control_screenshot;
/* control_shares.c */
control_verb_fn control_sched_credit;
/* control_memory.c */
control_verb_fn control_mem_set, control_mem_max;
