/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - xend, the daemon that looks after the domains of this instance, and the command that
 * starts and stops it:
 *
 *   xend start|stop|restart|reload|status
 *
 * Exit codes as for init scripts: 0; 1 failed; 2 usage; status: 0 runs, 3 does not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "toolstack/xend_client.h"
#include "toolstack/xend_config.h"
#include "toolstack/xend_log.h"
#include "xend/child.h"
#include "xend/instance.h"
#include "xend/relocation.h"
#include "xend/server.h"
#include "xend/succession.h"
#include "xend/table.h"

#define IDLE_US 3000000  /* a xend on demand that nobody needs ends after this */
#define STOP_US 60000000 /* on_xend_stop may take this long */
#define STOP_WAIT_MS 20000
#define TICK_MS 20

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 3 };

struct arguments {
    bool foreground, on_demand;
};

/* --- the daemon ------------------------------------------------------------------------- */

static bool is_idle(const struct xend *x)
{
    if (x->nr_children > 0)
        return false;
    return x->stopping ||
           (!x->successions && table_is_empty(x->table) && server_is_idle(x->server));
}

static int on_idle(sd_event_source *s, uint64_t usec, void *arg)
{
    struct xend *x = arg;

    if (x->stopping || (x->on_demand && is_idle(x)))
        sd_event_exit(x->event, 0);
    return 0;
}

void xend_maybe_idle(struct xend *x)
{
    if (!x->idle_timer || !x->server || !x->table)
        return;
    if (x->stopping && is_idle(x)) {
        sd_event_exit(x->event, 0);
    } else if (x->on_demand && !x->stopping && is_idle(x) &&
               sd_event_source_get_enabled(x->idle_timer, NULL) == 0) {
        sd_event_source_set_time_relative(x->idle_timer, IDLE_US);
        sd_event_source_set_enabled(x->idle_timer, SD_EVENT_ONESHOT);
    }
}

static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
    struct xend *x = arg;

    if (x->stopping)
        return 0;
    x->stopping = true;
    xend_log(XEND_INFO, "xend stops; running domains go on");
    sd_notify(0, "STOPPING=1");
    table_stop_domains(x->table);
    sd_event_source_set_time_relative(x->idle_timer, STOP_US);
    sd_event_source_set_enabled(x->idle_timer, SD_EVENT_ONESHOT);
    xend_maybe_idle(x);
    return 0;
}

/* Write down what is wrong with the configuration. */
static void check_config(void)
{
    struct xend_config *c = NULL;
    struct err err = {0};

    if (xend_config_load(&c, &err) < 0) {
        xend_log(XEND_ERROR, "%s", err.msg);
        return;
    }
    for (size_t i = 0; i < xend_config_warning_count(c); i++)
        xend_log(XEND_WARNING, "%s", xend_config_warning(c, i));
    xend_config_free(c);
}

static int on_reload(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
    xend_config_reread();
    xend_log(XEND_INFO, "xend has read its configuration again");
    check_config();
    relocation_open(arg);
    return 0;
}

static int watch_signals(struct xend *x)
{
    static const struct {
        int number;
        sd_event_signal_handler_t handler;
    } signals[] = {{SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGHUP, on_reload}};
    sigset_t set;
    int r = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaddset(&set, signals[i].number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_SIZE(signals) && r >= 0; i++)
        r = sd_event_add_signal(x->event, NULL, signals[i].number, signals[i].handler, x);
    return r;
}

static void network_done(struct xend *x, void *arg, int result, const struct err *err)
{
    if (result < 0)
        xend_log(XEND_ERROR, "network-script: %s", err->msg);
    table_autostart(x->table);
}

/* What a start of the host is for: the network, then the domains that come with it. */
static void begin(struct xend *x)
{
    static const char *const argv[] = {"xenolith-hotplug", "network", "start", NULL};
    const char *script = xend_config_string(xend_config_own(), "network-script");
    struct err err = {0};

    if (x->on_demand)
        return;
    relocation_open(x);
    if (geteuid() != 0 || !script[0])
        table_autostart(x->table);
    else if (child_start(x, argv[0], argv, network_done, NULL, &err) < 0)
        network_done(x, NULL, -1, &err);
}

static int set_up(struct xend *x, struct err *err)
{
    int fd, r = sd_event_new(&x->event);

    if (r >= 0)
        r = watch_signals(x);
    if (r >= 0)
        r = sd_event_add_time_relative(x->event, &x->idle_timer, CLOCK_MONOTONIC, IDLE_US, 0,
                                       on_idle, x);
    if (r < 0)
        return err_set(err, -r, "cannot make an event loop: %s", strerror(-r));
    fd = instance_listen(err);
    r = fd < 0 ? fd : server_create(&x->server, x, fd, err);
    return r < 0 ? r : table_create(&x->table, x, err);
}

/* Clients can come: who started us may go on, and whatever reads our standard error. */
static void leave_terminal(int ready_fd)
{
    if (dup2(STDIN_FILENO, STDERR_FILENO) < 0 || write(ready_fd, "", 1) != 1)
        xend_log(XEND_WARNING, "who started xend does not listen: %s", strerror(errno));
    close(ready_fd);
}

/* `ready_fd`: see leave_terminal(); -1: in the foreground. */
static int serve(struct xend *x, int ready_fd, struct err *err)
{
    int rc = set_up(x, err);

    if (rc == 0) {
        check_config();
        xend_log(XEND_INFO, "xend %s runs%s", XENOLITH_VERSION, x->on_demand ? ", on demand" : "");
        sd_notify(0, "READY=1\nSTATUS=looking after domains");
        if (ready_fd >= 0)
            leave_terminal(ready_fd);
        begin(x);
        rc = sd_event_loop(x->event);
        xend_log(XEND_INFO, "xend ends");
        instance_remove_socket();
    }
    relocation_close(x);
    succession_drop_all(x);
    table_destroy(x->table);
    server_destroy(x->server);
    sd_event_source_unref(x->idle_timer);
    sd_event_unref(x->event);
    return rc;
}

static int run_daemon(const struct arguments *a, int ready_fd)
{
    struct xend x = {.on_demand = a->on_demand};
    struct err err = {0};
    int lock = instance_claim(&err), rc;

    umask(077);
    if (lock == -EBUSY) {
        if (ready_fd >= 0 && write(ready_fd, "", 1) < 0)
            return EXIT_FAILED;
        return EXIT_DONE;
    }
    rc = lock < 0 ? lock : serve(&x, ready_fd, &err);
    if (lock >= 0)
        close(lock);
    if (rc >= 0)
        return EXIT_DONE;
    xend_log(XEND_CRITICAL, "xend does not run: %s", err.msg);
    fprintf(stderr, "Error: %s\n", err.msg);
    return EXIT_FAILED;
}

/* --- the command ------------------------------------------------------------------------ */

/* What is wrong or odd in the configuration is told where somebody reads it. */
static int show_config(void)
{
    struct xend_config *c = NULL;
    struct err err = {0};

    if (xend_config_load(&c, &err) < 0) {
        fprintf(stderr, "Error: %s\n", err.msg);
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < xend_config_warning_count(c); i++)
        fprintf(stderr, "Warning: %s\n", xend_config_warning(c, i));
    xend_config_free(c);
    return EXIT_DONE;
}

/* In the background; returns when it can be spoken to. */
static int daemonize(const struct arguments *a)
{
    int ready[2], null;
    char byte;
    pid_t child;

    if (pipe2(ready, O_CLOEXEC) < 0 || (child = fork()) < 0) {
        fprintf(stderr, "Error: cannot start xend: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    if (child == 0) {
        close(ready[0]);
        setsid();
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || chdir("/") < 0)
            _exit(EXIT_FAILED);
        /* Until it runs, the terminal hears its complaints. */
        _exit(run_daemon(a, ready[1]));
    }
    close(ready[1]);
    return read(ready[0], &byte, 1) == 1 ? EXIT_DONE : EXIT_FAILED;
}

/* One that runs on demand becomes one that stays. It may just be ending: -EAGAIN. */
static int keep_running(struct err *err)
{
    json_t *answer = NULL;
    int rc = xend_client_call(json_pack("{s:s}", "verb", "stay"), STOP_WAIT_MS, &answer, err);

    json_decref(answer);
    return rc < 0 && rc != -EREMOTEIO ? -EAGAIN : rc;
}

static int start(const struct arguments *a)
{
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000l};
    struct err err = {0};
    int pid, rc;

    if (!a->on_demand && show_config() != EXIT_DONE)
        return EXIT_FAILED;
    for (int ms = 0; ms < STOP_WAIT_MS; ms += TICK_MS) {
        pid = instance_pid(&err);
        if (pid < 0)
            break;
        if (pid == 0 || a->foreground)
            return a->foreground ? run_daemon(a, -1) : daemonize(a);
        rc = a->on_demand ? 0 : keep_running(&err);
        if (rc == 0)
            return EXIT_DONE;
        if (rc != -EAGAIN)
            break;
        nanosleep(&tick, NULL);
    }
    fprintf(stderr, "Error: %s\n", err.msg);
    return EXIT_FAILED;
}

static int stop(void)
{
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000l};
    struct err err = {0};
    int pid = instance_signal(SIGTERM, &err);

    for (int ms = 0; pid > 0 && ms < STOP_WAIT_MS; ms += TICK_MS) {
        nanosleep(&tick, NULL);
        pid = instance_pid(&err);
    }
    if (pid > 0)
        err_set(&err, EBUSY, "xend (process %d) does not stop", pid);
    if (pid != 0)
        fprintf(stderr, "Error: %s\n", err.msg);
    return pid == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int status(void)
{
    int pid = instance_pid(NULL);

    if (pid > 0)
        printf("xend is running (process %d)\n", pid);
    else
        printf("xend is not running\n");
    return pid > 0 ? EXIT_DONE : EXIT_STOPPED;
}

static int reload(void)
{
    struct err err = {0};
    int pid;

    if (show_config() != EXIT_DONE)
        return EXIT_FAILED;
    pid = instance_signal(SIGHUP, &err);
    if (pid < 0)
        fprintf(stderr, "Error: %s\n", err.msg);
    return pid > 0 ? EXIT_DONE : pid < 0 ? EXIT_FAILED : EXIT_STOPPED;
}

static int usage(FILE *to)
{
    fprintf(to, "Usage: xend start [--foreground] [--on-demand]\n"
                "       xend stop | restart | reload | status\n\n"
                "Looks after the domains of this host (as root) or of this user.\n"
                "  --foreground   do not go to the background\n"
                "  --on-demand    end when there is nothing to look after\n");
    return to == stdout ? EXIT_DONE : EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    const char *verb = argc > 1 ? argv[1] : "";

    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
        return usage(stdout);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--foreground") == 0)
            a.foreground = true;
        else if (strcmp(argv[i], "--on-demand") == 0)
            a.on_demand = true;
        else
            return usage(stderr);
    }
    if (strcmp(verb, "start") == 0)
        return start(&a);
    if (strcmp(verb, "stop") == 0)
        return stop();
    if (strcmp(verb, "restart") == 0)
        return stop() == EXIT_DONE ? start(&a) : EXIT_FAILED;
    if (strcmp(verb, "reload") == 0)
        return reload();
    if (strcmp(verb, "status") == 0)
        return status();
    return usage(stderr);
}
