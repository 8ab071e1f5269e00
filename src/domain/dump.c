/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * dump.c - see dump.h. The thread only reads what coredump_take() made and the guest's memory, and
 * says by an eventfd that it is done.
 */
#define _GNU_SOURCE
#include "domain/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/launcher.h"
#include "base/log.h"
#include "domain/coredump.h"
#include "domain/pause.h"
#include "domain/process.h"
#include "hvm/hvm.h"

#define STILL_MS 2000
#define LAST_STILL_MS 300 /* after a crash: what does not stop by then is shown as it was last */

struct dump {
    struct process *p;
    struct coredump *core;
    struct loop_watch *watch;
    pthread_t thread;
    int fd, done_fd;
    bool live, stop;
    int rc;
    struct err err;
    dump_fn *done;
    void *arg;
};

static void *write_core(void *arg)
{
    struct dump *dump = arg;
    const uint64_t one = 1;

    pthread_setname_np(pthread_self(), "core");
    dump->rc = coredump_write(dump->core, dump->fd, &dump->stop, &dump->err);
    if (write(dump->done_fd, &one, sizeof(one)) < 0)
        log_msg(LOG_WARN, "domain", "core: %s", strerror(errno));
    return NULL;
}

/* What there is of it, but the thread. */
static void dump_free(struct dump *dump)
{
    loop_remove(dump->watch);
    if (dump->done_fd >= 0)
        close(dump->done_fd);
    coredump_free(dump->core);
    free(dump);
}

static void finish(struct dump *dump)
{
    struct process *p = dump->p;
    dump_fn *done = dump->done;
    void *arg = dump->arg;
    struct err err = dump->err;
    int rc;

    pthread_join(dump->thread, NULL);
    rc = dump->rc;
    err = dump->err;
    close(dump->fd);
    p->dump = NULL;
    pthread_mutex_lock(&p->d.lock);
    domain_unpause(&p->d, PAUSED_FOR_DUMP);
    pthread_mutex_unlock(&p->d.lock);
    dump_free(dump);
    done(arg, rc, &err);
}

static void on_done(void *arg, uint32_t events)
{
    finish(arg);
}

/* The guest stands still, and what is to be written of it but its pages is known. */
static int take(struct dump *dump, unsigned int ms, bool must_be_still, struct err *err)
{
    struct domain *d = &dump->p->d;
    bool still;

    domain_pause(d, PAUSED_FOR_DUMP);
    still = vcpu_threads_wait_still(dump->p->life.threads, d, ms);
    if (must_be_still && (!still || d->state != DOMAIN_RUNNING))
        return err_set(err, ETIMEDOUT, "domain '%s' does not stand still", d->name);
    return coredump_take(&dump->core, d, err);
}

/* Everything is there but the thread. */
static int start(struct dump *dump, struct err *err)
{
    int rc;

    dump->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (dump->done_fd < 0)
        return err_set(err, errno, "eventfd: %s", strerror(errno));
    dump->watch = loop_add(dump->p->loop, dump->done_fd, EPOLLIN, on_done, dump);
    rc = dump->watch ? pthread_create(&dump->thread, NULL, write_core, dump) : ENOMEM;
    if (rc != 0)
        return err_set(err, rc, "cannot start a thread: %s", strerror(rc));
    dump->p->dump = dump;
    return 0;
}

/* A file that a write cannot hang on. */
static int check_file(int fd, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set(err, errno, "core: %s", strerror(errno));
    return S_ISREG(st.st_mode) ? 0 : err_set(err, EINVAL, "core: a regular file is needed");
}

static struct dump *dump_new(struct process *p, int fd, dump_fn *done, void *arg)
{
    struct dump *dump = calloc(1, sizeof(*dump));

    if (dump)
        *dump = (struct dump){.p = p, .fd = fd, .done_fd = -1, .done = done, .arg = arg};
    return dump;
}

int dump_begin(struct process *p, int fd, bool live, dump_fn *done, void *arg, struct err *err)
{
    struct domain *d = &p->d;
    struct dump *dump = NULL;
    int rc = check_file(fd, err);

    if (rc == 0 && p->dump)
        rc = err_set(err, EBUSY, "a core of domain '%s' is being written already", d->name);
    if (rc == 0 && d->state != DOMAIN_RUNNING)
        rc = err_set(err, EINVAL, "domain '%s' is not running", d->name);
    if (rc == 0 && p->hvm)
        return hvm_dump_begin(p->hvm, fd, done, arg, err);
    if (rc == 0) {
        dump = dump_new(p, fd, done, arg);
        rc = dump ? 0 : err_set(err, ENOMEM, "out of memory");
    }
    if (rc == 0) {
        pthread_mutex_lock(&d->lock);
        rc = take(dump, STILL_MS, true, err);
        if (rc < 0 || live)
            domain_unpause(d, PAUSED_FOR_DUMP);
        pthread_mutex_unlock(&d->lock);
    }
    if (rc == 0)
        rc = start(dump, err);
    if (rc < 0) {
        pthread_mutex_lock(&d->lock);
        domain_unpause(d, PAUSED_FOR_DUMP);
        pthread_mutex_unlock(&d->lock);
        if (dump)
            dump_free(dump);
        close(fd);
    }
    return rc;
}

void dump_end(struct process *p)
{
    if (p->hvm)
        hvm_dump_end(p->hvm);
    if (!p->dump)
        return;
    __atomic_store_n(&p->dump->stop, true, __ATOMIC_RELAXED);
    finish(p->dump);
}

/* --- after the end ------------------------------------------------------------------------ */

/* A request to the launcher: a new core of a domain of this name, or (name "") none after all. */
struct core_request {
    char name[sizeof(((struct domain *)NULL)->name)];
};

/* Fixed before the launcher is made. */
static const char *fixed_dir;
static domid_t fixed_domid;

void dump_fix(const struct domain_options *o)
{
    fixed_dir = o->dump_dir;
    fixed_domid = o->domid;
}

/* DIR/[NAME/]YYYY-MMDD-HHMM.SS-NAME.ID.core, as xend named them. */
static int name_core(char path[static PATHS_MAX], const char *name)
{
    char stamp[32] = "", own[PATHS_MAX];
    const char *dir = fixed_dir;
    time_t now = time(NULL);
    struct stat st;
    struct tm tm;

    if (strchr(name, '/') || name[0] == '.')
        name = "domain";
    if (localtime_r(&now, &tm))
        strftime(stamp, sizeof(stamp), "%Y-%m%d-%H%M.%S", &tm);
    if (snprintf(own, sizeof(own), "%s/%s", dir, name) < PATHS_MAX && stat(own, &st) == 0 &&
        S_ISDIR(st.st_mode))
        dir = own;
    return snprintf(path, PATHS_MAX, "%s/%s-%s.%u.core", dir, stamp, name, fixed_domid) < PATHS_MAX
               ? 0
               : -ENAMETOOLONG;
}

int dump_core_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    static char path[PATHS_MAX]; /* of the last one */
    struct core_request r;
    int rc;

    if (request->size != sizeof(r) || !fixed_dir || !fixed_dir[0])
        return -EINVAL;
    memcpy(&r, request->data, sizeof(r));
    r.name[sizeof(r.name) - 1] = '\0';
    if (!r.name[0]) {
        rc = path[0] && unlink(path) < 0 ? -errno : 0;
        path[0] = '\0';
        return rc;
    }
    rc = name_core(path, r.name);
    if (rc == 0)
        reply->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (rc == 0 && reply->fd < 0)
        rc = -errno;
    reply->size = (size_t)snprintf(reply->data, sizeof(reply->data), "%s", path) + 1;
    if (rc < 0)
        path[0] = '\0';
    return rc;
}

static int open_core(const struct process *p, char path[static PATHS_MAX], struct err *err)
{
    struct core_request r = {{0}};
    struct launcher_reply reply;
    int rc;

    snprintf(r.name, sizeof(r.name), "%s", p->d.name);
    rc =
        launcher_ask(dump_core_service, &(struct launcher_request){&r, sizeof(r), NULL, 0}, &reply);
    snprintf(path, PATHS_MAX, "%.*s", (int)reply.size, reply.data);
    if (rc == -ENAMETOOLONG)
        return err_set(err, ENAMETOOLONG, "the name of the core file is too long");
    return rc < 0 ? err_set(err, -rc, "cannot make %s: %s", path, strerror(-rc)) : reply.fd;
}

static void forget_core(void)
{
    const struct core_request none = {{0}};
    struct launcher_reply reply;

    (void)launcher_ask(dump_core_service, &(struct launcher_request){&none, sizeof(none), NULL, 0},
                       &reply);
}

static void on_last_done(void *arg, int rc, const struct err *err)
{
    const char *path = arg;

    if (rc == 0) {
        log_msg(LOG_INFO, "domain", "core written: %s", path);
        return;
    }
    log_msg(LOG_ERROR, "domain", "no core: %s", err->msg);
    forget_core();
}

/* The device model, whose machine stands still, writes it. */
static void dump_machine(struct process *p)
{
    char path[PATHS_MAX] = "";
    struct err err = {0};
    int fd = open_core(p, path, &err);
    int rc = fd < 0 ? fd : hvm_dump_begin(p->hvm, fd, on_last_done, path, &err);

    if (fd < 0)
        log_msg(LOG_ERROR, "domain", "no core: %s", err.msg);
    else if (rc < 0)
        on_last_done(path, rc, &err);
    while (hvm_dump_is_under_way(p->hvm)) {
        int timeout = hvm_tick(p->hvm); /* which may be its end */

        if (p->destroy)
            hvm_dump_end(p->hvm);
        else if (hvm_dump_is_under_way(p->hvm))
            loop_run_once(p->loop, timeout);
    }
}

static void dump_cpus(struct process *p)
{
    struct domain *d = &p->d;
    char path[PATHS_MAX] = "";
    struct err err = {0};
    int fd = open_core(p, path, &err);
    struct dump *dump = fd < 0 ? NULL : dump_new(p, fd, on_last_done, path);
    int rc = fd < 0 ? fd : dump ? 0 : err_set(&err, ENOMEM, "out of memory");

    if (rc == 0) {
        pthread_mutex_lock(&d->lock);
        rc = take(dump, LAST_STILL_MS, false, &err);
        pthread_mutex_unlock(&d->lock);
    }
    if (rc == 0)
        rc = start(dump, &err);
    while (rc == 0 && p->dump) {
        if (p->destroy)
            dump_end(p);
        else
            loop_run_once(p->loop, -1);
    }
    if (rc < 0) {
        log_msg(LOG_ERROR, "domain", "no core: %s", err.msg);
        pthread_mutex_lock(&d->lock);
        domain_unpause(d, PAUSED_FOR_DUMP);
        pthread_mutex_unlock(&d->lock);
        if (dump)
            dump_free(dump);
        if (fd >= 0)
            close(fd);
    }
}

void dump_after_life(struct process *p)
{
    if (p->hvm)
        dump_machine(p);
    else
        dump_cpus(p);
}
