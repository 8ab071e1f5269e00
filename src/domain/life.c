/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * life.c - see life.h. The order of life_start(): memory, kernel (which covers the baseline
 * of the TSC measurement), engine, hypercall state, console, first vCPU, threads.
 */
#define _GNU_SOURCE
#include "domain/life.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "backend/console.h"
#include "base/log.h"
#include "builder/kcache.h"
#include "builder/pv_build.h"
#include "cpu/pv/abi.h"
#include "domain/crashdump.h"
#include "domain/devices.h"
#include "domain/evtchn.h"
#include "domain/hypercall.h"
#include "domain/restore.h"
#include "domain/xenstore_life.h"

/* Layout of the initial registers: ABI section 4.6. */
#define RFLAGS_AT_START 0x202
#define DR6_AT_START 0xffff0ff0
#define DR7_AT_START 0x400
#define FRAME_BITS 0x000ffffffffff000ull /* of a page-table entry */

static uint64_t monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void reset_vcpu(struct domain *d, unsigned int id)
{
    struct run *run = engine_run_page(d->engine, id);
    struct vcpu *v = &run->state;

    memset(v, 0, sizeof(*v));
    v->id = id;
    v->rflags = RFLAGS_AT_START;
    v->cs = FLAT_KERNEL_CS;
    v->ss = FLAT_KERNEL_SS;
    v->cr3_kernel = INVALID_MFN;
    v->cr3_user = INVALID_MFN;
    v->xcr0 = 1;
    v->dr[6] = DR6_AT_START;
    v->dr[7] = DR7_AT_START;
    for (unsigned int i = 0; i < PV_MAX_GDT_FRAMES; i++)
        v->pv.gdt_frames[i] = INVALID_MFN;
    v->pv.runstate_pa = ~0ull;
    v->pv.time_pa = ~0ull;
    v->pv.vcpu_info = (d->ram.shared_info << PAGE_SHIFT) + id * sizeof(struct vcpu_info);
    run->vcpu_info = v->pv.vcpu_info;
}

static void set_first_vcpu(struct domain *d, const struct builder_result *kernel)
{
    struct vcpu *v = &engine_run_page(d->engine, 0)->state;
    const uint64_t *start_info = ram_l1_entry(&d->ram, kernel->cr3, kernel->rsi);

    if (start_info)
        d->shared->image_base =
            (kernel->rsi & PAGE_MASK) - (*start_info & FRAME_BITS); /* pfn = mfn yet */

    v->rip = kernel->rip;
    v->gpr[RSP] = kernel->rsp;
    v->gpr[RSI] = kernel->rsi;
    v->cr3_kernel = kernel->cr3;
    v->pv.kernel_sp = kernel->rsp;
    v->pv.kernel_ss = FLAT_KERNEL_SS;
}

/* `system_time`: what the guest's clock shows now. */
static int create_engine(struct domain *d, const struct domain_options *o,
                         const struct tsc_sample *first, uint64_t system_time, struct err *err)
{
    struct engine_config config = {
        .ram = &d->ram,
        .nr_vcpus = d->nr_vcpus,
        .programs = o->programs,
        .log_fd = log_fd(),
        .tsc_khz = tsc_khz_since(first),
    };
    int rc;

    config.tsc_stamp =
        tsc_now() - (uint64_t)((unsigned __int128)system_time * config.tsc_khz / 1000000);
    rc = engine_create(&d->engine, &config, err);

    if (rc == 0) {
        d->shared = engine_shared(d->engine);
        d->shared->image_base = ~0ull;
        d->ram.engine = d->engine;
    }
    return rc;
}

static int load_kernel(struct domain *d, const struct domain_options *o,
                       struct builder_result *kernel, struct err *err)
{
    struct builder_config config = {
        .kernel_path = o->kernel,
        .ramdisk_path = o->ramdisk[0] ? o->ramdisk : NULL,
        .cmdline = o->cmdline,
        .console_port = EVTCHN_PORT_CONSOLE,
        .store_port = EVTCHN_PORT_STORE,
        .domid = d->domid,
        .nr_vcpus = o->vcpus,
        .want_symbols = true,
    };
    int rc = builder_build_pv(kernel, &config, &d->ram, err);

    if (rc < 0)
        return rc;
    d->console_mfn = kernel->console_mfn;
    d->store_mfn = kernel->store_mfn;
    crashdump_set_symbols(kernel->symbols);
    log_msg(LOG_INFO, "domain", "loaded %s%s%s", o->kernel, kernel->kernel_name[0] ? ": " : "",
            kernel->kernel_name);
    return 0;
}

static int place_vcpus(struct domain *d, const struct domain_options *o, struct err *err)
{
    char text[CPULIST_MAX];

    for (unsigned int i = 0; i < d->nr_vcpus; i++) {
        if (CPU_COUNT(&o->cpus[i]) == CPU_SETSIZE ||
            engine_vcpu_place(d->engine, i, &o->cpus[i]) == 0)
            continue;
        cpulist_format(&o->cpus[i], text);
        return err_set(err, EINVAL, "vCPU %u cannot run on any of this host's CPUs %s", i, text);
    }
    return 0;
}

/* Everything but threads; what fails leaves what it made to release(). *saved: the caller's. */
static int build(struct domain *d, struct loop *loop, const struct domain_options *o,
                 const struct tsc_sample *first, int image_fd, struct restore **saved,
                 struct err *err)
{
    struct builder_result kernel = {0};
    int rc;

    if (image_fd >= 0)
        rc = restore_memory(saved, d, o, image_fd, err);
    else
        rc = ram_init(&d->ram, o->memory_pages, o->maxmem_pages, err);
    if (rc == 0 && !*saved)
        rc = load_kernel(d, o, &kernel, err);
    if (rc == 0)
        rc = create_engine(d, o, first, *saved ? restore_system_time(*saved) : 0, err);
    if (rc == 0)
        rc = place_vcpus(d, o, err);
    if (rc == 0)
        rc = domain_abi_init(d, err);
    for (unsigned int i = 0; rc == 0 && i < d->nr_vcpus; i++)
        reset_vcpu(d, i);
    if (rc == 0 && *saved)
        rc = restore_state(*saved, d, err);
    else if (rc == 0)
        set_first_vcpu(d, &kernel);
    if (rc == 0)
        rc = console_attach(d->console, d, err);
    if (rc == 0)
        rc = xenstore_attach(d, loop, err);
    if (rc == 0)
        rc = devices_attach(d->devices, d, err);
    return rc;
}

static void release(struct domain *d)
{
    pthread_mutex_lock(&d->lock);
    console_detach(d->console);
    pthread_mutex_unlock(&d->lock);
    devices_detach(d->devices);
    xenstore_detach(d);
    domain_abi_done(d);
    engine_destroy(d->engine);
    d->engine = d->ram.engine = NULL;
    d->shared = NULL;
    ram_done(&d->ram);
    crashdump_set_symbols(NULL);
    memset(&d->ram, 0, sizeof(d->ram));
}

int life_start(struct life *l, struct domain *d, struct loop *loop, const struct domain_options *o,
               const struct tsc_sample *first, int image_fd, struct err *err)
{
    struct restore *saved = NULL;
    int rc;

    memset(l, 0, sizeof(*l));
    d->nr_vcpus = o->vcpus;
    d->vcpu_avail = o->vcpu_avail;
    d->reason = SHUTDOWN_NONE;
    d->reason_text[0] = '\0';
    memset(d->cpu_time_ns, 0, sizeof(d->cpu_time_ns));
    d->suspend = SUSPEND_UNWANTED;
    rc = build(d, loop, o, first, image_fd, &saved, err);
    restore_free(saved);
    if (rc == 0) {
        l->started_ns = monotonic_ns();
        kcache_freeze();
        pthread_mutex_lock(&d->lock);
        d->state = DOMAIN_RUNNING;
        pthread_mutex_unlock(&d->lock);
        rc = vcpu_threads_start(&l->threads, d, err);
    }
    if (rc < 0)
        release(d);
    return rc;
}

void life_end(struct life *l, struct domain *d)
{
    engine_stop(d->engine);
    vcpu_threads_join(l->threads);
    l->threads = NULL;
    release(d);
}
