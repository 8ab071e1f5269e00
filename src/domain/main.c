/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - xenolith-domain: the process of one domain. Started by the tools with everything
 * it needs on inherited descriptors:
 *
 *   --config-fd N   the domain, a JSON document (options.h), read to its end
 *   --ready-fd N    gets one JSON line: the domain runs, or why it does not
 *   --listen-fd N   listening control socket
 *   --client-fd N   a control connection that exists already (may be repeated)
 *   --image-fd N    a saved guest that goes on (save.h), at the file's offset
 *   --lock-fd N     kept open as long as the domain lives: its file lock says so
 *
 * Exit code: 0 the domain ended as it should, 1 it could not start, 2 it crashed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "domain/bootloader.h"
#include "domain/control.h"
#include "domain/jail.h"
#include "domain/prepare.h"
#include "domain/process.h"

#define CONFIG_MAX (1024 * 1024)
#define MAX_CLIENTS 8
#define MAX_FD 1023

enum { EXIT_ENDED = 0, EXIT_NOT_STARTED = 1, EXIT_CRASHED = 2 };

struct inherited {
    int config_fd, ready_fd, listen_fd, lock_fd, image_fd;
    int clients[MAX_CLIENTS];
    unsigned int nr_clients;
};

static int parse_fd(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (end == text || *end || n < 0 || n > MAX_FD || io_set_cloexec((int)n, true) < 0)
        return -1;
    return (int)n;
}

static int parse_arguments(int argc, char **argv, struct inherited *in)
{
    static const struct option names[] = {
        {"config-fd", required_argument, NULL, 'c'},
        {"ready-fd", required_argument, NULL, 'r'},
        {"listen-fd", required_argument, NULL, 'l'},
        {"client-fd", required_argument, NULL, 'k'},
        {"lock-fd", required_argument, NULL, 'L'},
        {"image-fd", required_argument, NULL, 'i'},
        {0},
    };
    int opt, fd;

    *in = (struct inherited){
        .config_fd = -1, .ready_fd = -1, .listen_fd = -1, .lock_fd = -1, .image_fd = -1};
    while ((opt = getopt_long(argc, argv, "", names, NULL)) != -1) {
        fd = opt == '?' ? -1 : parse_fd(optarg);
        if (fd < 0)
            return -EINVAL;
        if (opt == 'c')
            in->config_fd = fd;
        else if (opt == 'r')
            in->ready_fd = fd;
        else if (opt == 'l')
            in->listen_fd = fd;
        else if (opt == 'L')
            in->lock_fd = fd;
        else if (opt == 'i')
            in->image_fd = fd;
        else if (in->nr_clients < MAX_CLIENTS)
            in->clients[in->nr_clients++] = fd;
    }
    return in->config_fd < 0 || in->ready_fd < 0 || optind != argc ? -EINVAL : 0;
}

/* Tell whoever started us. Takes the reference and the descriptor. */
static int report(int fd, json_t *answer)
{
    CLEANUP_FREE char *line = answer ? json_to_line(answer) : NULL;
    int rc = line ? io_write_all(fd, line, strlen(line)) : -ENOMEM;

    json_decref(answer);
    close(fd);
    return rc;
}

static int read_config(struct domain_options *o, int fd, struct err *err)
{
    CLEANUP_FREE char *text = NULL;
    json_t *doc = NULL;
    size_t len;
    int rc = io_read_fd(fd, CONFIG_MAX, &text, &len, err);

    close(fd);
    if (rc == 0)
        rc = json_parse_object(text, len, &doc, err);
    if (rc == 0)
        rc = domain_options_parse(o, doc, err);
    json_decref(doc);
    return rc;
}

static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit of files' sizes is an error of write() */
}

/* Everything up to a running domain. On failure p holds nothing. */
static int start(struct process *p, const struct inherited *in, struct err *err)
{
    int rc = read_config(&p->options, in->config_fd, err);

    if (rc < 0)
        return rc;
    rc = log_open(p->options.log_path, err);
    if (rc == 0)
        rc = prepare(p, err);
    if (rc == 0)
        rc = process_init(p, in->listen_fd, err);
    if (rc == 0) {
        for (unsigned int i = 0; i < in->nr_clients; i++)
            if (control_adopt(p->control, in->clients[i]) < 0)
                log_msg(LOG_WARN, "domain", "inherited control connection refused");
        /* Before the guest's kernel is looked at: what follows, it could do at any reboot. */
        rc = jail_enter(err);
        /* Who is at the console of a domain with a boot menu has to see it now. */
        if (rc == 0 && !(in->nr_clients > 0 && bootloader_is_interactive(p->bootloader)))
            rc = process_start(p, err);
        if (rc < 0)
            process_done(p);
    }
    if (rc < 0) {
        log_msg(LOG_ERROR, "domain", "domain %u '%s' does not start: %s", p->options.domid,
                p->options.name, err->msg);
        bootloader_destroy(p->bootloader);
        domain_options_done(&p->options);
    }
    return rc;
}

int main(int argc, char **argv)
{
    static struct process process;
    struct process *p = &process;
    struct inherited in;
    struct err err = {0};
    enum shutdown_reason reason;

    p->first_tsc = tsc_sample();
    umask(077);
    tzset(); /* now: the jail has no time zones */
    if (parse_arguments(argc, argv, &in) < 0) {
        fprintf(stderr, "xenolith-domain is started by xm; see xm(1)\n");
        return EXIT_NOT_STARTED;
    }
    p->lock_fd = in.lock_fd;
    p->image_fd = in.image_fd;
    block_signals();
    if (start(p, &in, &err) < 0) {
        report(in.ready_fd, json_pack("{s:b, s:s}", "ok", 0, "error", err.msg));
        return EXIT_NOT_STARTED;
    }
    if (report(in.ready_fd, json_pack("{s:b, s:i, s:i}", "ok", 1, "domid", p->d.domid, "pid",
                                      (int)getpid())) < 0) {
        /* Who wanted the domain has gone before it ran. */
        pthread_mutex_lock(&p->d.lock);
        process_destroy(p, "creation was interrupted");
        pthread_mutex_unlock(&p->d.lock);
    }
    reason = process_run(p);
    process_done(p);
    bootloader_destroy(p->bootloader);
    domain_options_done(&p->options);
    return reason == SHUTDOWN_CRASH || reason == SHUTDOWN_WATCHDOG ? EXIT_CRASHED : EXIT_ENDED;
}
