/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * peers.h - the other vCPUs of the domain: kicks, TLB flushes, frames that are written to or
 * must not be. With one vCPU all of this does nothing.
 *
 * Requests are mail in shared memory (struct vcpu_link). Who asks waits until all vCPUs that
 * are running have carried the request out; one that is away does it before it runs again.
 * Requests about the TLB are served between two guest instructions and in hypercalls only, so
 * that a walk of the page tables stays valid while a fault is handled; others wherever V waits.
 */
#pragma once

#include "cpu/vcpu.h"

/* At the start of the process; once the vCPU has its number and runs. */
void peers_init(void);
void peers_start(void);
/* Does the domain have several vCPUs? */
bool peers_exist(void);

/* Make a vCPU look at its events. Any context. */
void peers_kick(unsigned int vcpu);

/* TLB flush on the vCPUs of `mask` other than this one; complete on return. Where TLB requests
 * may be served. */
void peers_flush(uint64_t mask);
void peers_invlpg(uint64_t mask, gva_t va);
/* A root was unpinned: all vCPUs give up its address space when they come to it. */
void peers_release(mfn_t root);

/* Take away write permission for the frame in all vCPUs. Complete on return. */
void peers_guard_frame(mfn_t mfn);
/* The same for tables that are being sealed, as far as V itself maps them; n <= MAIL_MAX. */
void peers_seal_frames(const mfn_t *mfn, unsigned int n);
/* The frame is to be written: on return no vCPU has anything that was derived from it, and none
 * begins to look at its content before this one serves requests again. */
void peers_frame_written(mfn_t mfn);

/* Carry out what others asked for. */
void peers_serve(void);
/* This vCPU is going to sleep for long: it uses no translations, and no program of the guest
 * runs on it, until peers_return(). */
void peers_leave(void);
void peers_return(void);
