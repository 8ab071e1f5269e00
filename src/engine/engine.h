/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * engine.h - the contract between the domain process and whatever executes guest code.
 * KVM-shaped on purpose: a VM with memory, vCPUs that run until they exit, a kick, and
 * get/set state. Exit handling in src/domain does not know which engine runs.
 *
 * Threads: engine_vcpu_run() is called by one thread per vCPU and blocks; everything else
 * may be called by any thread.
 */
#pragma once

#include <sched.h>

#include "base/err.h"
#include "base/launcher.h"
#include "cpu/vcpu.h"
#include "engine/ram.h"
#include "engine/soft/run.h"

struct engine;

struct engine_config {
    const struct ram *ram;
    unsigned int nr_vcpus;
    enum programs programs;
    int log_fd;
    uint64_t tsc_stamp; /* system time zero */
    uint32_t tsc_khz;
};

#define ENGINE_MAX_OTHERS 32
/* Before the first engine, while there is one thread, by who will not be allowed to fork and
 * exec later: makes the launcher (base/launcher.h), which then knows the engine's programs and
 * services and `others`, of each at most ENGINE_MAX_OTHERS. 0 or -errno. */
int engine_prepare(const struct launcher_table *others, struct err *err);
/* Create the engine's processes for one domain; no guest code runs yet. 0 or -errno. */
int engine_create(struct engine **ret, const struct engine_config *config, struct err *err);
/* First half of the end: kills every process of the engine, so that each engine_vcpu_run(),
 * running or called later, returns -ECANCELED. Pages stay mapped and engine_vcpu_kick() stays
 * harmless until engine_destroy(), which the caller calls once its vCPU threads are joined. */
void engine_stop(struct engine *e);
/* Ends every process of the engine (SIGKILL), reaps them, frees all. NULL is fine. Always
 * succeeds, within a second, whatever the guest does. */
void engine_destroy(struct engine *e);

struct dom_shared *engine_shared(struct engine *e);
/* The exit page of a vCPU. Content is hostile. */
struct run *engine_run_page(struct engine *e, unsigned int vcpu);

/* Let the vCPU run until it exits. Returns 0 with run->exit_reason set, or -ECANCELED when
 * the engine was destroyed or its process died (err says how). */
int engine_vcpu_run(struct engine *e, unsigned int vcpu, struct err *err);
/* engine_vcpu_run() also returns ENGINE_RANG: the vCPU runs on, and run->rang and run->rung say
 * that events were sent. The caller takes them and goes on waiting by this, which returns the same.
 */
#define ENGINE_RANG 1
int engine_vcpu_wait(struct engine *e, unsigned int vcpu, struct err *err);
/* Let it run on these CPUs of the host only. 0 or -errno: -EINVAL if none of them is there. */
int engine_vcpu_place(struct engine *e, unsigned int vcpu, const cpu_set_t *cpus) MUST_CHECK;
/* Nanoseconds of CPU time that its processes have used, and the host's CPU that it was on last, -1
 * = not known. */
uint64_t engine_vcpu_time(const struct engine *e, unsigned int vcpu, int *ret_cpu);
/* Does it sleep until an event comes? As the guest says. */
bool engine_vcpu_sleeps(const struct engine *e, unsigned int vcpu);
/* The levels, 0 (none) to 4, that frames are pinned at as page tables: what a vCPU process knows
 * of its guest that is not in the guest's memory. Read while all vCPUs stand still, written before
 * the first one runs. */
void engine_pins_read(const struct engine *e, mfn_t first, uint8_t *levels, size_t n);
void engine_pins_write(struct engine *e, mfn_t first, const uint8_t *levels, size_t n);
/* The content of a frame (one that the guest may name) was changed by this process: vCPUs that
 * have made something of it, such as translations of code, forget that soon. With the domain's
 * lock, after the change and before the guest is told of it. */
void engine_frame_written(struct engine *e, mfn_t mfn);
/* Make the vCPU notice run->request, pending events and new timers soon. */
void engine_vcpu_kick(struct engine *e, unsigned int vcpu);
