/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * process.c - see process.h.
 */
#define _GNU_SOURCE
#include "domain/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "backend/console.h"
#include "base/cleanup.h"
#include "base/identity.h"
#include "base/json.h"
#include "base/log.h"
#include "builder/kcache.h"
#include "domain/bootloader.h"
#include "domain/control.h"
#include "domain/devices.h"
#include "domain/dump.h"
#include "domain/files.h"
#include "domain/rename.h"
#include "domain/pause.h"
#include "domain/save.h"
#include "domain/sched_op.h"
#include "hvm/hvm.h"
#include "xenstore/client.h"

#define FLUSH_MS 2000
/* A domain that ends this soon after its start waits before it starts again, longer each
 * time, so that a restart loop does not eat the host. */
#define SHORT_LIFE_NS 10000000000ull
#define MAX_RESTART_DELAY_MS 32000u

static uint64_t monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static uint64_t monotonic_ms(void)
{
    return monotonic_ns() / 1000000;
}

void process_destroy(struct process *p, const char *who)
{
    p->destroy = true;
    if (p->d.state == DOMAIN_RUNNING) {
        domain_shutdown(&p->d, SHUTDOWN_DESTROYED, "%s", who);
    } else if (!p->preserved) {
        /* Between two lives: the next one is not to come. */
        p->d.reason = SHUTDOWN_DESTROYED;
        snprintf(p->d.reason_text, sizeof(p->d.reason_text), "%s", who);
    }
}

void process_reset(struct process *p, const char *who)
{
    if (p->d.state != DOMAIN_RUNNING)
        return;
    p->reset = true;
    domain_shutdown(&p->d, SHUTDOWN_REBOOT, "%s", who);
}

static void on_signal(void *arg, uint32_t events)
{
    struct process *p = arg;
    struct signalfd_siginfo si;

    while (read(p->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
        char who[64];

        snprintf(who, sizeof(who), "%s from process %u of user %u",
                 si.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT", si.ssi_pid,
                 identity_user((pid_t)si.ssi_pid, si.ssi_uid));
        pthread_mutex_lock(&p->d.lock);
        process_destroy(p, who);
        pthread_mutex_unlock(&p->d.lock);
    }
}

static void on_wake(void *arg, uint32_t events)
{
    struct process *p = arg;
    uint64_t count;

    if (read(p->d.wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_msg(LOG_WARN, "domain", "wake: %s", strerror(errno));
}

static int init_events(struct process *p, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    p->d.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->signal_fd < 0 || p->d.wake_fd < 0)
        return err_set(err, errno, "signalfd or eventfd: %s", strerror(errno));
    p->signal_watch = loop_add(p->loop, p->signal_fd, EPOLLIN, on_signal, p);
    p->wake_watch = loop_add(p->loop, p->d.wake_fd, EPOLLIN, on_wake, p);
    if (!p->signal_watch || !p->wake_watch)
        return err_set(err, ENOMEM, "out of memory");
    return 0;
}

int process_init(struct process *p, int listen_fd, struct err *err)
{
    struct domain *d = &p->d;
    struct console_config config;
    char socket_path[PATHS_MAX];
    int rc;

    files_console_socket(socket_path, &p->options);
    p->signal_fd = -1;
    d->wake_fd = -1;
    pthread_mutex_init(&d->lock, NULL);
    d->domid = p->options.domid;
    memcpy(d->uuid, p->options.uuid, sizeof(d->uuid));
    d->vm = p->options.vm;
    d->wallclock_offset = p->options.time_offset;
    strncpy(d->name, p->options.name, sizeof(d->name) - 1);
    d->state = DOMAIN_PAUSED;
    d->reason = SHUTDOWN_NONE;
    rc = loop_create(&p->loop, err);
    if (rc == 0)
        rc = init_events(p, err);
    if (rc == 0) {
        config = (struct console_config){
            .loop = p->loop,
            .lock = &d->lock,
            .wake_fd = d->wake_fd,
            .log_path = p->options.console_path,
            .log_size = p->options.console_log_size,
            .log_keep = p->options.console_log_keep,
            .socket_path = socket_path,
            .pty = true,
        };
        rc = console_create(&d->console, &config, err);
    }
    if (rc == 0)
        rc = xs_connect(&p->store, d->store_socket, err);
    if (rc == 0 && p->options.paused)
        domain_pause(d, PAUSED_BY_ADMIN);
    if (rc == 0 && p->options.hvm)
        rc = hvm_create(&p->hvm, p->loop, d, &p->options, err);
    else if (rc == 0)
        rc = devices_create(&d->devices, p->loop, &p->options, err);
    if (rc == 0)
        rc = control_create(&p->control, p, listen_fd, err);
    if (rc < 0)
        process_done(p);
    return rc;
}

void process_done(struct process *p)
{
    control_destroy(p->control);
    devices_destroy(p->d.devices);
    xs_close(p->store);
    hvm_destroy(p->hvm);
    console_destroy(p->d.console);
    loop_remove(p->signal_watch);
    loop_remove(p->wake_watch);
    loop_destroy(p->loop);
    if (p->signal_fd >= 0)
        close(p->signal_fd);
    if (p->d.wake_fd >= 0)
        close(p->d.wake_fd);
    pthread_mutex_destroy(&p->d.lock);
}

static int start_life(struct process *p, struct err *err)
{
    int rc;

    if (p->hvm && p->image_fd >= 0)
        return err_set(err, EINVAL, "a fully virtualized guest cannot be restored");
    if (!p->hvm) {
        rc = life_start(&p->life, &p->d, p->loop, &p->options, &p->first_tsc, p->image_fd, err);
        if (p->image_fd >= 0)
            close(p->image_fd);
        p->image_fd = -1;
        return rc;
    }
    rc = hvm_start(p->hvm, err);
    p->life.started_ns = monotonic_ns();
    return rc;
}

static void end_life(struct process *p)
{
    if (p->hvm)
        hvm_end(p->hvm);
    else
        life_end(&p->life, &p->d);
}

/* Later lives inherit it. It is no reason not to run. */
static void set_first_shares(struct process *p)
{
    const struct domain_options *o = &p->options;
    struct err err = {0};

    if ((o->cpu_weight == SHARES_WEIGHT && o->cpu_cap == 0) || p->shares.weight)
        return;
    if (process_set_shares(p, o->cpu_weight, o->cpu_cap, &err) < 0)
        log_msg(LOG_WARN, "domain", "cpu_weight = %u, cpu_cap = %u: %s", o->cpu_weight, o->cpu_cap,
                err.msg);
}

int process_start(struct process *p, struct err *err)
{
    const struct domain_options *o = &p->options;
    bool restored = p->image_fd >= 0;
    int rc;

    /* A kernel of the guest's own disk, or a saved guest, may be anything. */
    if (p->bootloader || restored)
        kcache_freeze();
    rc = p->bootloader && !restored ? bootloader_run(p->bootloader, p, err) : 0;
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&p->d.lock);
    console_dmesg_printf(p->d.console, "Domain %u '%s': %lu MiB, %u vcpus, %s%s", o->domid, o->name,
                         o->memory_pages / 256, o->vcpus, restored ? "restored" : "kernel ",
                         restored       ? ""
                         : o->kernel[0] ? o->kernel
                                        : "found by the firmware");
    pthread_mutex_unlock(&p->d.lock);
    rc = start_life(p, err);
    if (p->bootloader)
        bootloader_clean(p->bootloader);
    p->started |= rc == 0;
    if (rc == 0)
        set_first_shares(p);
    if (rc == 0)
        log_msg(LOG_INFO, "domain", "domain %u '%s' runs: %lu MiB, %u vcpus", o->domid, o->name,
                o->memory_pages / 256, o->vcpus);
    return rc;
}

/* Milliseconds until a watchdog of the guest may bite, -1 = none is armed. Lock held. */
static int watchdog_timeout(const struct domain *d)
{
    uint64_t next = sched_watchdog_next(d);
    uint64_t now = domain_now(d);

    if (next == 0)
        return -1;
    return next <= now ? 0 : (int)((next - now) / 1000000 % INT32_MAX) + 1;
}

static int earlier(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* What only vCPUs of our own need. Lock held. Milliseconds until it is to be called again, -1 =
 * when woken. */
static int tick_vcpus(struct process *p)
{
    sched_watchdog_check(&p->d);
    vcpu_threads_wake(p->life.threads);
    return p->d.state == DOMAIN_DYING ? -1 : watchdog_timeout(&p->d);
}

/* Serve everybody until the running life ends. */
static void serve_life(struct process *p)
{
    struct domain *d = &p->d;
    bool over = false;

    while (!over) {
        int timeout = p->hvm ? hvm_tick(p->hvm) : save_tick(p);

        pthread_mutex_lock(&d->lock);
        if (!p->hvm)
            timeout = earlier(tick_vcpus(p), timeout);
        over = d->state == DOMAIN_DYING;
        if (!over)
            timeout = earlier(console_tick(d->console), timeout);
        pthread_mutex_unlock(&d->lock);
        if (!over)
            loop_run_once(p->loop, timeout);
    }
}

/* Serve until `until` (monotonic ms, 0 = for ever) or until the end is asked for. */
static void serve_between(struct process *p, uint64_t until)
{
    while (!p->destroy) {
        uint64_t now = monotonic_ms();

        if (until && now >= until)
            break;
        loop_run_once(p->loop, until ? (int)(until - now) : -1);
    }
}

/* Give console clients the last words; one that does not read is not waited for long. */
static void flush_console(struct process *p)
{
    uint64_t until = monotonic_ms() + FLUSH_MS;
    bool flushed;

    for (;;) {
        uint64_t now = monotonic_ms();

        pthread_mutex_lock(&p->d.lock);
        flushed = console_is_flushed(p->d.console);
        pthread_mutex_unlock(&p->d.lock);
        if (flushed || now >= until)
            break;
        loop_run_once(p->loop, (int)(until - now));
    }
}

static enum domain_action choose_action(const struct process *p)
{
    const struct domain_options *o = &p->options;

    if (p->destroy)
        return ACTION_DESTROY;
    if (p->reset)
        return ACTION_RESTART;
    switch (p->d.reason) {
    case SHUTDOWN_POWEROFF:
        return o->on_poweroff;
    case SHUTDOWN_REBOOT:
        return o->on_reboot;
    case SHUTDOWN_CRASH:
        return o->on_crash;
    case SHUTDOWN_WATCHDOG:
        return o->on_watchdog;
    case SHUTDOWN_SUSPEND:
    case SHUTDOWN_DESTROYED:
    case SHUTDOWN_NONE:
        break;
    }
    return ACTION_DESTROY;
}

/* The life is over, its memory is still there: write the core that is asked for. Returns what is to
 * happen then. */
static enum domain_action dump_if_asked(struct process *p)
{
    enum domain_action action = choose_action(p);

    save_cancel(p);
    dump_end(p);
    if (action != ACTION_COREDUMP_DESTROY && action != ACTION_COREDUMP_RESTART)
        return action;
    dump_after_life(p);
    return p->destroy || action == ACTION_COREDUMP_DESTROY ? ACTION_DESTROY : ACTION_RESTART;
}

static void log_end(struct process *p)
{
    static const char *const words[] = {"powered off", "reboots", "suspended", "crashed",
                                        "was ended by its watchdog"};
    enum shutdown_reason reason = p->d.reason;
    const char *word = (size_t)reason < ARRAY_SIZE(words) ? words[reason] : "is destroyed";
    const char *text = p->d.reason_text;

    log_msg(LOG_INFO, "domain", "domain %u '%s' %s%s%s", p->d.domid, p->d.name, word,
            text[0] ? ": " : "", text);
    pthread_mutex_lock(&p->d.lock);
    console_dmesg_printf(p->d.console, "Domain %u %s%s%s", p->d.domid, word, text[0] ? ": " : "",
                         text);
    pthread_mutex_unlock(&p->d.lock);
}

/* True if the next life has begun. */
static bool restart(struct process *p)
{
    struct err err = {0};
    uint64_t delay = 0;

    p->short_lives = monotonic_ns() - p->life.started_ns < SHORT_LIFE_NS ? p->short_lives + 1 : 0;
    if (p->short_lives > 1)
        delay = 1000ull << (p->short_lives - 2 < 5 ? p->short_lives - 2 : 5);
    if (delay > MAX_RESTART_DELAY_MS)
        delay = MAX_RESTART_DELAY_MS;
    if (delay > 0)
        log_msg(LOG_WARN, "domain", "%u short lives in a row: next start in %lu ms", p->short_lives,
                delay);
    serve_between(p, monotonic_ms() + delay);
    if (p->destroy)
        return false;
    pthread_mutex_lock(&p->d.lock);
    p->d.state = DOMAIN_PAUSED;
    p->d.last_reason = p->d.reason;
    p->d.restarts++;
    pthread_mutex_unlock(&p->d.lock);
    if (process_start(p, &err) == 0)
        return true;
    log_msg(LOG_ERROR, "domain", "restart failed: %s", err.msg);
    p->d.reason = SHUTDOWN_CRASH;
    snprintf(p->d.reason_text, sizeof(p->d.reason_text), "restart failed: %.480s", err.msg);
    return false;
}

static void write_status(const struct process *p)
{
    CLEANUP_FREE char *line = NULL;
    json_t *doc;
    int rc;

    doc = json_pack("{s:s, s:i, s:i, s:s, s:I}", "name", p->d.name, "domid", p->d.domid, "reason",
                    (int)p->d.reason, "text", p->d.reason_text, "time", (json_int_t)time(NULL));
    line = doc ? json_to_line(doc) : NULL;
    json_decref(doc);
    rc = line ? files_write_status(&p->options, line) : -ENOMEM;
    if (rc < 0)
        log_msg(LOG_WARN, "domain", "cannot write %s: %s", p->options.status_path, strerror(-rc));
}

/* Where whoever asked for the domain was not to wait for its boot loader. */
static bool first_start(struct process *p)
{
    struct err err = {0};

    if (process_start(p, &err) == 0)
        return true;
    log_msg(LOG_ERROR, "domain", "domain %u '%s' does not start: %s", p->d.domid, p->d.name,
            err.msg);
    if (!p->destroy) {
        p->d.reason = SHUTDOWN_CRASH;
        snprintf(p->d.reason_text, sizeof(p->d.reason_text), "it does not start: %.480s", err.msg);
    }
    return false;
}

/* Nothing runs any more, but the domain stays listed until somebody destroys it. `aside`: under
 * another name, for another one is to take ours; xend starts that. */
static void preserve(struct process *p, bool aside)
{
    struct err err = {0};

    if (aside && process_step_aside(p, &err) < 0)
        log_msg(LOG_ERROR, "domain", "no rename-restart: %s", err.msg);
    else
        p->stepped_aside = aside;
    p->preserved = true;
    control_life_ended(p->control);
    serve_between(p, 0);
}

enum shutdown_reason process_run(struct process *p)
{
    bool again = p->started || first_start(p);

    while (again) {
        enum domain_action action;

        again = false;
        serve_life(p);
        action = dump_if_asked(p);
        end_life(p);
        log_end(p);
        if (p->destroy)
            action = ACTION_DESTROY;
        p->reset = false;
        if (action == ACTION_RESTART) {
            again = restart(p);
        } else if (action != ACTION_DESTROY) {
            preserve(p, action == ACTION_RENAME_RESTART);
        }
    }
    flush_console(p);
    write_status(p);
    files_remove(&p->options);
    control_domain_gone(p->control);
    return p->d.reason;
}
