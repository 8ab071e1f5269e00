/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz_domain.c - see fuzz_domain.h.
 */
#include "fuzz_domain.h"

#include "backend/console.h"
#include "base/log.h"
#include "domain/hypercall.h"
#include "fuzz_input.h"

static struct dom_shared shared;
static struct run run_pages[DOMAIN_MAX_VCPUS];

void engine_vcpu_kick(struct engine *e, unsigned int vcpu)
{
}

bool engine_vcpu_sleeps(const struct engine *e, unsigned int vcpu)
{
    return true;
}

struct run *engine_run_page(struct engine *e, unsigned int vcpu)
{
    must(vcpu < DOMAIN_MAX_VCPUS, "a vCPU that there is");
    return &run_pages[vcpu];
}

void engine_pins_write(struct engine *e, mfn_t first, const uint8_t *levels, size_t n)
{
}

void engine_frame_written(struct engine *e, mfn_t mfn)
{
}

/* Weak: targets with a console have the real one. */
__attribute__((weak)) void console_io_write(struct domain *d, const void *buf, size_t n)
{
}

void fuzz_domain_init(struct domain *d, mfn_t pages, mfn_t console, mfn_t store)
{
    struct err err = {0};

    must(log_open("/dev/null", &err) == 0, "a log");
    must(ram_init(&d->ram, pages, pages, &err) == 0, "memory");
    pthread_mutex_init(&d->lock, NULL);
    d->domid = 1;
    d->nr_vcpus = 1;
    d->engine = (struct engine *)d;
    d->shared = &shared;
    d->state = DOMAIN_RUNNING;
    d->console_mfn = console;
    d->store_mfn = store;
    d->wake_fd = -1;
    must(domain_abi_init(d, &err) == 0, "a domain");
}
