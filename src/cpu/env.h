/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * env.h - what the freestanding code in src/cpu needs from the engine it is linked into.
 * Link-time interface: src/engine/soft/vcpu defines these; a KVM monitor would too; unit
 * tests bring fakes. All are called on the vCPU's own thread.
 */
#pragma once

#include "base/types.h"
#include "cpu/vcpu.h"

enum access { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_EXEC = 2 };

/* Copy from / to guest linear memory through the page tables of the *current mode* with the
 * current mode's rights; sets A and D bits. Any alignment and size, may cross pages. Returns
 * 0, or -1 with *f filled (#PF with the address of the first bad byte, or #GP for a
 * non-canonical address); bytes before that may have been copied. */
int env_read(struct vcpu *v, gva_t va, void *buf, size_t size, struct fault *f) MUST_CHECK;
int env_write(struct vcpu *v, gva_t va, const void *buf, size_t size, struct fault *f) MUST_CHECK;

/* As above through the *kernel* root whatever the mode (hypercall arguments, trap frames). */
int env_read_kernel(struct vcpu *v, gva_t va, void *buf, size_t size, struct fault *f) MUST_CHECK;
int env_write_kernel(struct vcpu *v, gva_t va, const void *buf, size_t size,
                     struct fault *f) MUST_CHECK;

/* Host pointer for an access of the current mode at va, valid to the end of that page and
 * until the guest next runs; sets A and D. NULL with *f filled as for env_read. */
void *env_translate(struct vcpu *v, gva_t va, enum access access, struct fault *f) MUST_CHECK;

/* Host pointer to frame `mfn` of the guest's memory, valid for 4096 bytes for the life of
 * the vCPU, or NULL if the guest has no such frame. Content may change at any time: read
 * once, then use. */
void *env_frame(mfn_t mfn);

/* Tell the engine that bytes of a frame were written through env_frame() (page tables,
 * descriptors): stale translations made from its code are dropped. env_write does it itself. */
void env_frame_written(mfn_t mfn);

/* The machine-to-phys table, env_nr_frames() entries, writable. */
uint64_t *env_m2p(void);
mfn_t env_nr_frames(void);

/* Pointer to the leaf entry (level-1) that maps va under the current kernel root, or NULL. */
uint64_t *env_l1_entry(struct vcpu *v, gva_t va, mfn_t *ret_table);

/* TLB. What a guest may cache is what the hardware would: after these return no stale
 * translation is used by this vCPU, neither by the kernel nor by user programs. */
void env_tlb_flush(struct vcpu *v);
void env_tlb_invlpg(struct vcpu *v, gva_t va);
/* The same on the other vCPUs of `mask` (bit per number; unknown bits are ignored). Complete on
 * return. Only where this vCPU keeps no pointer from env_translate() either. cpu/pv has weak
 * defaults for a single vCPU: nothing. */
void env_tlb_flush_others(struct vcpu *v, uint64_t mask);
void env_tlb_invlpg_others(struct vcpu *v, uint64_t mask, gva_t va);
/* New kernel or user root; also drops what depends on the old one. */
void env_set_cr3(struct vcpu *v, mfn_t root);
void env_set_user_cr3(struct vcpu *v, mfn_t root);
/* A page table is pinned (level 1-4) or unpinned: unpinning a root lets its address space go. */
void env_pin_table(struct vcpu *v, mfn_t mfn, unsigned int level, bool pin);

/* Is the frame known to be mapped writable, where the builder put it or by a grant? Then it cannot
 * become a page table. cpu/pv has a weak default: no. */
bool env_frame_is_writable(struct vcpu *v, mfn_t mfn);

/* What env_pin_table() was last told of a frame: its level 1-4, or 0 = not pinned. Lets a
 * page-table update know that no flush is due. cpu/pv has a weak default: 0 for all. */
unsigned int env_pin_level(mfn_t mfn);

/* What a frame that is not pinned was when somebody looked: a level-1 table in use, or in no use as
 * a table. Finding out takes a walk through all tables, which an update of each entry cannot
 * afford; it may be something else by now. A frame that was just unpinned counts as no table.
 * cpu/pv has weak defaults that remember nothing. */
enum looked { LOOKED_NEVER, LOOKED_LEVEL1, LOOKED_NO_TABLE };
void env_note_looked(mfn_t mfn, enum looked what);
enum looked env_looked(mfn_t mfn);

/* Event channels of the domain as cpu/pv/evtchn.h wants them, or NULL: then they are the
 * domain process's alone and a poll is a yield. cpu/pv has a weak default: NULL. */
struct evtchn_ctx;
const struct evtchn_ctx *env_evtchn(void);

/* Run hypercall nr (arguments already in the registers) in the domain process; returns its
 * result. Slow path: two process switches. */
int64_t env_domain_hypercall(struct vcpu *v, uint64_t nr, const uint64_t args[5]);

/* Tell the domain process of an event for the host's end of a port, without waiting for what it
 * does about it. False: ask it by a hypercall. cpu/pv has a weak default: false. */
bool env_ring(uint32_t port);

/* Current system time of the domain, ns; and TSC parameters for struct vcpu_time_info. */
uint64_t env_now(void);
void env_time_params(uint64_t *tsc_stamp, uint64_t *system_ns, uint32_t *mul, int8_t *shift);

/* The vCPU's next timer deadline (absolute system ns, 0 = none) changed. */
void env_set_timer(struct vcpu *v, uint64_t deadline);
/* VIRQ_TIMER is due on this vCPU: raises the event (may cost a call to the domain process). */
void env_raise_timer(struct vcpu *v);
/* v->pv.runstate and what belongs to it changed: other vCPUs may ask for it. cpu/pv has a weak
 * default: nothing. */
void env_runstate_changed(const struct vcpu *v);
/* Sleep until an event may be pending, env_kick happens or `deadline` (abs ns, 0 = for
 * ever) passes. Spurious returns are allowed;
 * sleeping through is not: what was raised, or kicked, since the caller last looked (at
 * upcall_pending, at the ports it polls) makes it return at once. */
void env_wait(struct vcpu *v, uint64_t deadline);
/* Does the engine want its main loop back (it was kicked, also during env_wait())? Asked by
 * hypercalls that would sleep again. cpu/pv has a weak default: no. */
bool env_kicked(void);
/* Another vCPU has an event to look at, or one that it polls for. Numbers of no vCPU, and the
 * own one, are ignored. cpu/pv has a weak default: nothing. */
void env_kick_vcpu(unsigned int id);
/* Give the host CPU to others for a moment (yield). */
void env_relax(struct vcpu *v);

/* End the domain as crashed (SHUTDOWN_crash) with a reason for the log. Does not return. */
_Noreturn void env_domain_crash(struct vcpu *v, const char *fmt, ...) PRINTF_FMT(2, 3);
/* One line for the domain's log (debugging aids, rate-limited by the reader). */
void env_log(const char *fmt, ...) PRINTF_FMT(1, 2);
