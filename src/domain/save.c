/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * save.c - see save.h. The suspend hypercall (sched_op.c) answers "cancelled" and asks for a pause
 * before the guest's next instruction: so a guest that is not saved after all just goes on, and in
 * the file the answer is changed to "restored".
 */
#define _GNU_SOURCE
#include "domain/save.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend/console.h"
#include "base/log.h"
#include "domain/image.h"
#include "domain/image_vcpu.h"
#include "domain/pause.h"
#include "domain/process.h"
#include "domain/xenstore_life.h"

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>

#define SUSPEND_MS 60000 /* how long a guest may take, as with xend */
#define STILL_MS 2000
#define CHUNK_PAGES (IMAGE_RECORD_MAX >> PAGE_SHIFT)
#define SHUTDOWN_NODE "control/shutdown"

enum phase { ASKED, WRITING, WRITTEN };

struct save {
    struct process *p;
    enum phase phase;
    uint64_t deadline; /* CLOCK_MONOTONIC, ms */
    int fd, done_fd;
    struct loop_watch *watch;
    pthread_t thread;
    bool stop;
    int rc;
    struct err err;
    save_fn *done;
    void *arg;

    /* What is written, but the memory. */
    struct image_domain domain;
    uint8_t shared_info[PAGE_SIZE] __attribute__((aligned(8)));
    struct image_vcpu vcpu[DOMAIN_MAX_VCPUS];
    uint32_t up;
};

static uint64_t monotonic_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- writing ------------------------------------------------------------------------------ */

static bool is_empty(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_SIZE - 1) == 0;
}

/* Words from `first` on of an array of n, as many records as it takes. */
static int put_words(struct image_writer *w, enum image_type type, const uint64_t *words,
                     uint64_t n)
{
    const uint64_t most = IMAGE_RECORD_MAX / sizeof(*words);
    int rc = 0;

    for (uint64_t i = 0; i < n && rc == 0; i += most) {
        uint64_t count = n - i < most ? n - i : most;

        rc = image_put(w, type, i, words + i, count * sizeof(*words));
    }
    return rc;
}

/* Frames of which the guest has all, read through the file: a hole in it stays one. */
static int put_run(struct image_writer *w, const struct ram *ram, mfn_t mfn, uint64_t pages,
                   uint8_t *buf)
{
    const size_t size = pages << PAGE_SHIFT;
    uint64_t first = 0;
    int rc = 0;

    if (pread(ram->fd, buf, size, (off_t)(mfn << PAGE_SHIFT)) != (ssize_t)size)
        return -EIO;
    for (uint64_t i = 0; i <= pages && rc == 0; i++) {
        if (i < pages && !is_empty(buf + (i << PAGE_SHIFT)))
            continue;
        if (i > first)
            rc = image_put(w, IMAGE_PAGES, mfn + first, buf + (first << PAGE_SHIFT),
                           (i - first) << PAGE_SHIFT);
        first = i + 1;
    }
    return rc;
}

static int put_pages(struct image_writer *w, const struct ram *ram)
{
    uint8_t *buf = malloc(IMAGE_RECORD_MAX);
    int rc = buf ? 0 : -ENOMEM;

    for (mfn_t mfn = 0, n; mfn < ram->max_pages && rc == 0; mfn += n) {
        for (n = 0; n < CHUNK_PAGES && ram_is_allocated(ram, mfn + n); n++)
            continue;
        if (n > 0)
            rc = put_run(w, ram, mfn, n, buf);
        else
            n = 1;
    }
    free(buf);
    return rc;
}

static int put_pins(struct image_writer *w, const struct domain *d)
{
    uint8_t *levels = malloc(IMAGE_RECORD_MAX);
    int rc = levels ? 0 : -ENOMEM;

    for (mfn_t mfn = 0, n; mfn < d->ram.max_pages && rc == 0; mfn += n) {
        n = d->ram.max_pages - mfn;
        if (n > IMAGE_RECORD_MAX)
            n = IMAGE_RECORD_MAX;
        engine_pins_read(d->engine, mfn, levels, n);
        rc = image_put(w, IMAGE_PINS, mfn, levels, n);
    }
    free(levels);
    return rc;
}

static int put_all(const struct save *s, struct image_writer *w)
{
    const struct ram *ram = &s->p->d.ram;
    int rc = image_put(w, IMAGE_DOMAIN, 0, &s->domain, sizeof(s->domain));

    for (unsigned int i = 0; i < s->domain.nr_vcpus && rc == 0; i++)
        if (s->up >> i & 1)
            rc = image_put(w, IMAGE_VCPU, i, &s->vcpu[i], sizeof(s->vcpu[i]));
    if (rc == 0)
        rc = image_put(w, IMAGE_SHARED_INFO, 0, s->shared_info, sizeof(s->shared_info));
    if (rc == 0)
        rc = put_words(w, IMAGE_FRAMES, ram->allocated, (ram->max_pages + 63) / 64);
    if (rc == 0)
        rc = put_words(w, IMAGE_M2P, ram->m2p, ram->max_pages);
    if (rc == 0)
        rc = put_pins(w, &s->p->d);
    if (rc == 0)
        rc = put_pages(w, ram);
    if (rc == 0)
        rc = image_put(w, IMAGE_END, 0, NULL, 0);
    if (rc == 0 && fsync(s->fd) < 0)
        rc = -errno;
    return rc;
}

static void *write_image(void *arg)
{
    struct save *s = arg;
    struct image_writer *w = image_writer_new(s->fd, &s->stop);
    const uint64_t one = 1;

    pthread_setname_np(pthread_self(), "save");
    s->rc = w ? put_all(s, w) : -ENOMEM;
    if (s->rc < 0)
        err_set(&s->err, -s->rc, "cannot write the saved domain: %s", strerror(-s->rc));
    image_writer_free(w);
    if (write(s->done_fd, &one, sizeof(one)) < 0)
        log_msg(LOG_WARN, "domain", "save: %s", strerror(errno));
    return NULL;
}

/* --- what is written ---------------------------------------------------------------------- */

static void take_shared_info(struct save *s)
{
    const struct domain *d = &s->p->d;
    struct shared_info *si = (void *)s->shared_info;

    memcpy(si, ram_frame(&d->ram, d->ram.shared_info), PAGE_SIZE);
    for (unsigned int i = 0; i < d->nr_vcpus; i++) /* where they are at present */
        memcpy(&si->vcpu_info[i], d->ram.base + d->vcpus[i].info, sizeof(si->vcpu_info[i]));
}

/* The guest stands still. Lock held. */
static int take(struct save *s, struct err *err)
{
    struct domain *d = &s->p->d;
    const struct start_info *info =
        ram_is_allocated(&d->ram, d->suspend_info) ? ram_frame(&d->ram, d->suspend_info) : NULL;

    if (!info || memcmp(info->magic, "xen-3.0-x86_64", sizeof("xen-3.0-x86_64")) != 0)
        return err_set(err, EINVAL, "domain '%s' does not tell where its start_info is", d->name);
    s->domain = (struct image_domain){
        .version = IMAGE_VERSION,
        .nr_vcpus = d->nr_vcpus,
        .max_pages = d->ram.max_pages,
        .system_time = domain_now(d),
        .start_info = d->suspend_info,
        .console = d->console_mfn,
        .store = d->store_mfn,
    };
    image_cpu(s->domain.cpu);
    take_shared_info(s);
    for (unsigned int i = 0; i < d->nr_vcpus; i++) {
        if (!d->vcpus[i].up)
            continue;
        image_vcpu_take(&s->vcpu[i], engine_run_page(d->engine, i));
        s->up |= 1u << i;
    }
    s->vcpu[d->suspend_vcpu].gpr[RAX] = 0; /* what it returns in the life to come */
    return 0;
}

/* --- the course of it --------------------------------------------------------------------- */

/* Forget it; with the guest's life, or it goes on. */
static void save_free(struct save *s)
{
    struct domain *d = &s->p->d;

    s->p->save = NULL;
    pthread_mutex_lock(&d->lock);
    d->suspend = SUSPEND_UNWANTED;
    domain_unpause(d, PAUSED_FOR_SAVE);
    pthread_mutex_unlock(&d->lock);
    loop_remove(s->watch);
    if (s->done_fd >= 0)
        close(s->done_fd);
    close(s->fd);
    free(s);
}

/* It has failed: the guest goes on. */
static void give_up(struct save *s, int rc, const struct err *err)
{
    save_fn *done = s->done;
    void *arg = s->arg;
    struct err copy = *err, ignored;

    if (s->phase == ASKED && xenstore_put(&s->p->d, SHUTDOWN_NODE, "", &ignored) < 0)
        log_msg(LOG_DEBUG, "domain", "save: %s", ignored.msg);
    save_free(s);
    done(arg, rc, &copy);
}

static void on_written(void *arg, uint32_t events)
{
    struct save *s = arg;

    pthread_join(s->thread, NULL);
    loop_remove(s->watch);
    s->watch = NULL;
    s->phase = WRITTEN;
    if (s->rc < 0)
        give_up(s, s->rc, &s->err);
    else
        s->done(s->arg, 0, NULL);
}

static int start_writing(struct save *s, struct err *err)
{
    int rc;

    s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->done_fd < 0)
        return err_set(err, errno, "eventfd: %s", strerror(errno));
    s->watch = loop_add(s->p->loop, s->done_fd, EPOLLIN, on_written, s);
    rc = s->watch ? pthread_create(&s->thread, NULL, write_image, s) : ENOMEM;
    if (rc != 0)
        return err_set(err, rc, "cannot start a thread: %s", strerror(rc));
    s->phase = WRITING;
    return 0;
}

/* The guest has suspended itself. */
static void on_suspended(struct save *s)
{
    struct domain *d = &s->p->d;
    struct err err = {0};
    int rc = 0;

    pthread_mutex_lock(&d->lock);
    if (!vcpu_threads_wait_still(s->p->life.threads, d, STILL_MS) || d->state != DOMAIN_RUNNING)
        rc = err_set(&err, ETIMEDOUT, "domain '%s' does not stand still", d->name);
    if (rc == 0)
        (void)console_tick(d->console); /* its last words are out */
    if (rc == 0)
        rc = take(s, &err);
    pthread_mutex_unlock(&d->lock);
    if (rc == 0)
        rc = start_writing(s, &err);
    if (rc < 0)
        give_up(s, rc, &err);
}

int save_tick(struct process *p)
{
    struct save *s = p->save;
    struct err err = {0};
    uint64_t now = monotonic_ms();
    bool suspended;

    if (!s || s->phase != ASKED)
        return -1;
    pthread_mutex_lock(&p->d.lock);
    suspended = p->d.suspend == SUSPEND_DONE;
    pthread_mutex_unlock(&p->d.lock);
    if (suspended) {
        on_suspended(s);
    } else if (now >= s->deadline) {
        err_set(&err, ETIMEDOUT,
                "Timeout waiting for domain %u to suspend: its kernel does not answer the request; "
                "the domain goes on",
                p->d.domid);
        give_up(s, -ETIMEDOUT, &err);
    } else {
        return (int)(s->deadline - now);
    }
    return -1;
}

static int check(const struct process *p, int fd, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, EINVAL, "save: a regular file is needed");
    if (p->save || p->dump)
        return err_set(err, EBUSY, "domain '%s' is being saved or dumped already", p->d.name);
    if (p->d.state != DOMAIN_RUNNING || p->d.paused)
        return err_set(err, EINVAL, "Domain is not running: '%s'%s", p->d.name,
                       p->d.state == DOMAIN_RUNNING ? " is paused" : "");
    return 0;
}

int save_begin(struct process *p, int fd, save_fn *done, void *arg, struct err *err)
{
    struct save *s = NULL;
    int rc = check(p, fd, err);

    if (rc == 0) {
        s = calloc(1, sizeof(*s));
        rc = s ? 0 : err_set(err, ENOMEM, "out of memory");
    }
    if (rc == 0) {
        pthread_mutex_lock(&p->d.lock);
        p->d.suspend = SUSPEND_WANTED;
        pthread_mutex_unlock(&p->d.lock);
        rc = xenstore_put(&p->d, SHUTDOWN_NODE, "suspend", err);
    }
    if (rc < 0) {
        pthread_mutex_lock(&p->d.lock);
        if (!p->save)
            p->d.suspend = SUSPEND_UNWANTED;
        pthread_mutex_unlock(&p->d.lock);
        free(s);
        close(fd);
        return rc;
    }
    *s = (struct save){.p = p,
                       .deadline = monotonic_ms() + SUSPEND_MS,
                       .fd = fd,
                       .done_fd = -1,
                       .done = done,
                       .arg = arg};
    p->save = s;
    return 0;
}

int save_end_life(struct process *p, struct err *err)
{
    struct save *s = p->save;

    if (!s || s->phase != WRITTEN)
        return err_set(err, EINVAL, "domain '%s' is not saved", p->d.name);
    pthread_mutex_lock(&p->d.lock);
    domain_shutdown(&p->d, SHUTDOWN_SUSPEND, "saved");
    pthread_mutex_unlock(&p->d.lock);
    save_free(s); /* its threads see that the life is over before they see that they may go on */
    return 0;
}

void save_cancel(struct process *p)
{
    struct save *s = p->save;
    struct err err = {0};

    if (!s)
        return;
    if (s->phase == WRITING) {
        __atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
        pthread_join(s->thread, NULL);
    }
    err_set(&err, ECANCELED, "saving domain '%s' was interrupted", p->d.name);
    if (s->phase == WRITTEN)
        save_free(s);
    else
        give_up(s, -ECANCELED, &err);
}
