/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control_memory.c - verbs of the control socket about memory: the target of the guest's
 * balloon, and the limit of what it may have. Both also hold for the domain's next lives.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "domain/control_verbs.h"
#include "domain/process.h"
#include "domain/xenstore_life.h"

#define KIB_PER_PAGE 4
#define PAGES_PER_MIB 256u
#define MAX_KIB (256ll * 1024 * 1024)

/* The amount asked for, in pages, whole MiB; in KiB in the request. */
static int take_amount(const json_t *request, uint64_t *ret, struct err *err)
{
    json_int_t kib;
    int rc = json_need_int(request, "kib", 1, MAX_KIB, &kib, err);

    if (rc < 0)
        return rc;
    *ret = ((uint64_t)kib / KIB_PER_PAGE + PAGES_PER_MIB - 1) & ~(uint64_t)(PAGES_PER_MIB - 1);
    return 0;
}

/* A node below the domain's home in KiB, and one below /vm in MiB. */
static int put_amounts(const struct domain *d, const char *home, uint64_t home_pages,
                       const char *vm, uint64_t vm_pages, struct err *err)
{
    char text[24];
    int rc;

    snprintf(text, sizeof(text), "%" PRIu64, home_pages * KIB_PER_PAGE);
    rc = xenstore_put(d, home, text, err);
    if (rc < 0)
        return rc;
    snprintf(text, sizeof(text), "%" PRIu64, vm_pages / PAGES_PER_MIB);
    return xenstore_put_vm(d, vm, text, err);
}

/* Is there memory at the moment, of ours or in a device model? Between two lives there is not. */
static bool has_memory(const struct process *p)
{
    return p->d.ram.base || p->hvm;
}

static int set_target(struct process *p, uint64_t pages, struct err *err)
{
    uint64_t limit = has_memory(p) ? p->d.ram.limit : p->options.maxmem_pages;
    int rc;

    if (pages > limit)
        return err_set(err, ERANGE,
                       "%" PRIu64 " MiB are more than domain '%s' may have, which is %" PRIu64
                       " MiB",
                       pages / PAGES_PER_MIB, p->d.name, limit / PAGES_PER_MIB);
    rc = put_amounts(&p->d, "memory/target", pages, "memory", pages, err);
    if (rc < 0)
        return rc;
    p->options.memory_pages = pages;
    log_msg(LOG_INFO, "domain", "memory target: %" PRIu64 " MiB", pages / PAGES_PER_MIB);
    return 0;
}

void control_mem_set(struct connection *cn, const json_t *request)
{
    struct err err = {0};
    uint64_t pages = 0;
    int rc = take_amount(request, &pages, &err);

    if (rc == 0)
        rc = set_target(control_process(cn), pages, &err);
    control_answer_result(cn, rc, &err);
}

/* Below what the guest has, it only keeps it from growing. Above what its memory was made for,
 * it takes a new life. */
static int set_limit(struct process *p, uint64_t pages, bool *later, struct err *err)
{
    struct domain *d = &p->d;
    uint64_t now = has_memory(p) && pages > d->ram.max_pages ? d->ram.max_pages : pages;
    int rc = put_amounts(d, "memory/static-max", now, "maxmem", pages, err);

    if (rc < 0)
        return rc;
    pthread_mutex_lock(&d->lock);
    d->ram.limit = now;
    pthread_mutex_unlock(&d->lock);
    p->options.maxmem_pages = pages;
    if (p->options.memory_pages > pages)
        p->options.memory_pages = pages;
    *later = now < pages;
    log_msg(LOG_INFO, "domain", "memory limit: %" PRIu64 " MiB%s", pages / PAGES_PER_MIB,
            *later ? ", from the next start on" : "");
    return 0;
}

void control_mem_max(struct connection *cn, const json_t *request)
{
    struct err err = {0};
    uint64_t pages = 0;
    bool later = false;
    int rc = take_amount(request, &pages, &err);

    if (rc == 0)
        rc = set_limit(control_process(cn), pages, &later, &err);
    if (rc < 0)
        control_answer_result(cn, rc, &err);
    else
        control_answer(cn, json_pack("{s:b, s:b}", "ok", 1, "later", later));
}
