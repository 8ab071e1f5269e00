/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control.c - see control.h. Answers are small and go to a fresh socket buffer, so they are
 * written at once; a peer whose buffer is full does not read and is dropped.
 */
#define _GNU_SOURCE
#include "domain/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backend/console.h"
#include "base/cleanup.h"
#include "base/identity.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "domain/control_verbs.h"
#include "domain/cputime.h"
#include "domain/devices.h"
#include "domain/process.h"
#include "domain/save.h"
#include "hvm/hvm.h"

#define REQUEST_MAX 4096
#define MAX_CONNECTIONS 64

enum waits_for {
    WAITS_FOR_NOTHING,
    WAITS_FOR_LIFE_END,
    WAITS_FOR_DOMAIN_GONE,
    WAITS_FOR_DUMP,
    WAITS_FOR_SAVE
};

struct connection {
    struct control *control;
    struct connection *next;
    int fd;
    int passed_fd; /* came with the request that is being read, -1 = none */
    uid_t uid;
    struct loop_watch *watch;
    enum waits_for waits_for;
    bool handed_over; /* became a console: to be forgotten */
    bool saves;       /* its peer is who wants the domain saved */
    char request[REQUEST_MAX];
    size_t used;
};

struct control {
    struct process *process;
    int listen_fd;
    struct loop_watch *listen_watch;
    struct connection *connections;
    unsigned int nr_connections;
};

static void connection_close(struct connection *cn)
{
    struct connection **p = &cn->control->connections;

    while (*p != cn)
        p = &(*p)->next;
    *p = cn->next;
    cn->control->nr_connections--;
    loop_remove(cn->watch);
    if (cn->fd >= 0)
        close(cn->fd);
    if (cn->passed_fd >= 0)
        close(cn->passed_fd);
    if (cn->saves)
        save_cancel(cn->control->process);
    free(cn);
}

struct process *control_process(const struct connection *cn)
{
    return cn->control->process;
}

const char *control_peer(const struct connection *cn, char buf[static 32])
{
    snprintf(buf, 32, "uid %u", (unsigned int)cn->uid);
    return buf;
}

/* A peer that cannot take it is noticed by its next event. */
void control_answer(struct connection *cn, json_t *answer)
{
    CLEANUP_FREE char *text = answer ? json_to_line(answer) : NULL;
    size_t n = text ? strlen(text) : 0;

    json_decref(answer);
    if (n == 0 || send(cn->fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
        shutdown(cn->fd, SHUT_RDWR);
}

int control_take_fd(struct connection *cn)
{
    int fd = cn->passed_fd;

    cn->passed_fd = -1;
    return fd;
}

void control_wait_for_dump(struct connection *cn)
{
    cn->waits_for = WAITS_FOR_DUMP;
}

void control_wait_for_save(struct connection *cn)
{
    cn->waits_for = WAITS_FOR_SAVE;
    cn->saves = true;
}

int control_wait_for_end(struct connection *cn, struct err *err)
{
    if (!cn->saves)
        return err_set(err, EINVAL, "who saved the domain is somebody else");
    cn->waits_for = WAITS_FOR_DOMAIN_GONE;
    cn->saves = false;
    return 0;
}

static void send_error(struct connection *cn, const char *text)
{
    control_answer(cn, json_pack("{s:b, s:s}", "ok", 0, "error", text));
}

void control_send_fd(struct connection *cn, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec iov = {(char[]){'\n'}, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    if (sendmsg(cn->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        shutdown(cn->fd, SHUT_RDWR);
}

void control_answer_result(struct connection *cn, int rc, const struct err *err)
{
    if (rc < 0)
        send_error(cn, err->msg);
    else
        control_answer(cn, json_pack("{s:b}", "ok", 1));
}

/* All started vCPUs sleep, as far as the guest says. */
static bool is_idle(const struct domain *d)
{
    for (unsigned int i = 0; i < d->nr_vcpus; i++)
        if (d->vcpus[i].up && !engine_vcpu_sleeps(d->engine, i))
            return false;
    return true;
}

/* The State column of `xm list`: running blocked paused shutdown crashed dying. */
static void state_letters(const struct process *p, char out[static 7])
{
    const struct domain *d = &p->d;

    memcpy(out, "------", 7);
    if (d->state == DOMAIN_PAUSED || (d->state == DOMAIN_RUNNING && d->paused))
        out[2] = 'p';
    else if (d->state == DOMAIN_RUNNING && d->engine && is_idle(d))
        out[1] = 'b';
    else if (d->state == DOMAIN_RUNNING)
        out[0] = 'r';
    else if (p->preserved)
        out[3] = 's';
    else
        out[5] = 'd';
    if (d->state == DOMAIN_DYING && d->reason == SHUTDOWN_CRASH)
        out[4] = 'c';
}

static void format_uuid(const uint8_t u[16], char out[static 37])
{
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
             u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
             u[14], u[15]);
}

static unsigned int count_online(const struct domain *d)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < d->nr_vcpus; i++)
        n += d->vcpus[i].up;
    return n;
}

static void verb_info(struct connection *cn, const json_t *request)
{
    struct process *p = cn->control->process;
    const struct domain_options *o = &p->options;
    char state[7], uuid[37];
    json_int_t memory;
    int online;

    pthread_mutex_lock(&p->d.lock);
    state_letters(p, state);
    online = (int)count_online(&p->d);
    memory = (json_int_t)((p->d.ram.base ? p->d.ram.nr_allocated : o->memory_pages) / 256);
    pthread_mutex_unlock(&p->d.lock);
    format_uuid(p->d.uuid, uuid);
    control_answer(
        cn, json_pack("{s:b, s:i, s:s, s:s, s:I, s:I, s:I, s:i, s:i, s:s, s:f, s:i, s:i, s:s, s:s, "
                      "s:I, s:I}",
                      "ok", 1, "domid", p->d.domid, "name", p->d.name, "uuid", uuid, "memory",
                      memory, "target", (json_int_t)(o->memory_pages / 256), "maxmem",
                      (json_int_t)(o->maxmem_pages / 256), "vcpus", (int)o->vcpus, "online_vcpus",
                      online, "state", state, "cpu_time", (double)cputime_ns() / 1e9, "pid",
                      (int)getpid(), "restarts", (int)p->d.restarts, "log", o->log_path,
                      "console_log", o->console_path, "store_mfn", (json_int_t)p->d.store_mfn,
                      "console_mfn", (json_int_t)p->d.console_mfn));
}

static void verb_dmesg(struct connection *cn, const json_t *request)
{
    struct process *p = cn->control->process;
    CLEANUP_FREE char *text = NULL;

    pthread_mutex_lock(&p->d.lock);
    text = console_dmesg_text(p->d.console, json_get_bool(request, "clear", false));
    pthread_mutex_unlock(&p->d.lock);
    control_answer(cn, json_pack("{s:b, s:s}", "ok", 1, "text", text ? text : ""));
}

static void verb_destroy(struct connection *cn, const json_t *request)
{
    struct process *p = cn->control->process;
    char who[64];

    snprintf(who, sizeof(who), "destroyed by uid %u", (unsigned int)cn->uid);
    cn->waits_for = WAITS_FOR_DOMAIN_GONE;
    pthread_mutex_lock(&p->d.lock);
    process_destroy(p, who);
    pthread_mutex_unlock(&p->d.lock);
}

static void answer_end(struct connection *cn)
{
    const struct process *p = cn->control->process;

    cn->waits_for = WAITS_FOR_NOTHING;
    control_answer(cn, json_pack("{s:b, s:s, s:s, s:b, s:b, s:s}", "ok", 1, "reason",
                                 domain_reason_name(p->d.reason), "text", p->d.reason_text,
                                 "preserved", p->preserved, "restart", p->stepped_aside, "log",
                                 p->options.log_path));
}

static void verb_wait(struct connection *cn, const json_t *request)
{
    if (cn->control->process->preserved)
        answer_end(cn);
    else
        cn->waits_for = WAITS_FOR_LIFE_END;
}

/* The answer's newline ends the JSON; from there on the connection is the console. */
static void verb_console(struct connection *cn, const json_t *request)
{
    struct process *p = cn->control->process;
    bool full;
    int rc;

    pthread_mutex_lock(&p->d.lock);
    full = console_is_full(p->d.console);
    pthread_mutex_unlock(&p->d.lock);
    if (full) {
        send_error(cn, "the console has as many readers as it can have");
        return;
    }
    loop_remove(cn->watch);
    cn->watch = NULL;
    control_answer(cn, json_pack("{s:b}", "ok", 1));
    pthread_mutex_lock(&p->d.lock);
    rc = console_add_client(p->d.console, cn->fd);
    pthread_mutex_unlock(&p->d.lock);
    if (rc < 0)
        log_msg(LOG_WARN, "domain", "console client refused: %s", strerror(-rc));
    else
        cn->fd = -1;
    cn->handed_over = true;
}

static void verb_block_list(struct connection *cn, const json_t *request)
{
    json_t *disks = devices_list_disks(cn->control->process->d.devices);

    control_answer(cn, json_pack("{s:b, s:o}", "ok", 1, "disks", disks));
}

static void verb_block_attach(struct connection *cn, const json_t *request)
{
    const json_t *disk = json_object_get(request, "disk");
    CLEANUP_CLOSE int image = control_take_fd(cn);
    struct devices *all = cn->control->process->d.devices;
    struct err err = {0};
    int rc = json_is_object(disk) ? devices_add_disk(all, disk, STEAL_FD(image), &err)
                                  : err_set(&err, EINVAL, "disk: an object is needed");

    control_answer_result(cn, rc, &err);
}

static void verb_block_configure(struct connection *cn, const json_t *request)
{
    const json_t *disk = json_object_get(request, "disk");
    CLEANUP_CLOSE int image = control_take_fd(cn);
    struct devices *all = cn->control->process->d.devices;
    struct err err = {0};
    int rc = json_is_object(disk) ? devices_change_disk(all, disk, STEAL_FD(image), &err)
                                  : err_set(&err, EINVAL, "disk: an object is needed");

    control_answer_result(cn, rc, &err);
}

static void verb_block_detach(struct connection *cn, const json_t *request)
{
    struct err err = {0};
    int rc =
        devices_remove_disk(cn->control->process->d.devices, json_get_string(request, "device", ""),
                            json_get_bool(request, "force", false), &err);

    control_answer_result(cn, rc, &err);
}

static void verb_network_list(struct connection *cn, const json_t *request)
{
    json_t *vifs = devices_list_vifs(cn->control->process->d.devices);

    control_answer(cn, json_pack("{s:b, s:o}", "ok", 1, "vifs", vifs));
}

static void verb_network_attach(struct connection *cn, const json_t *request)
{
    const json_t *vif = json_object_get(request, "vif");
    struct err err = {0};
    int rc;

    if (!json_is_object(vif))
        rc = err_set(&err, EINVAL, "vif: an object is needed");
    else
        rc = devices_add_vif(cn->control->process->d.devices, vif, control_take_fd(cn), &err);

    control_answer_result(cn, rc, &err);
}

static void verb_network_detach(struct connection *cn, const json_t *request)
{
    struct err err = {0};
    int rc =
        devices_remove_vif(cn->control->process->d.devices, json_get_string(request, "device", ""),
                           json_get_bool(request, "force", false), &err);

    control_answer_result(cn, rc, &err);
}

static const struct {
    const char *name;
    control_verb_fn *fn;
} verbs[] = {
    {"info", verb_info},
    {"dmesg", verb_dmesg},
    {"destroy", verb_destroy},
    {"rename", control_rename},
    {"wait", verb_wait},
    {"console", verb_console},
    {"block-list", verb_block_list},
    {"block-attach", verb_block_attach},
    {"block-configure", verb_block_configure},
    {"block-detach", verb_block_detach},
    {"network-list", verb_network_list},
    {"network-attach", verb_network_attach},
    {"network-detach", verb_network_detach},
    {"pause", control_pause},
    {"unpause", control_unpause},
    {"vcpu-list", control_vcpu_list},
    {"vcpu-pin", control_vcpu_pin},
    {"vcpu-set", control_vcpu_set},
    {"dump-core", control_dump_core},
    {"save", control_save},
    {"save-end", control_save_end},
    {"trigger", control_trigger},
    {"display", control_display},
    {"screenshot", control_screenshot},
    {"sched-credit", control_sched_credit},
    {"mem-set", control_mem_set},
    {"mem-max", control_mem_max},
};

/* A fully virtualized guest's own verbs come first; the others are those of any domain. */
static bool answer_hvm(struct connection *cn, const char *verb, const json_t *request)
{
    struct hvm *hvm = cn->control->process->hvm;
    int fd = -1;
    json_t *answer = hvm ? hvm_request(hvm, verb, request, &cn->passed_fd, &fd) : NULL;

    if (!answer)
        return false;
    control_answer(cn, answer);
    if (fd >= 0) {
        control_send_fd(cn, fd);
        close(fd);
    }
    return true;
}

static void handle_request(struct connection *cn, const char *line, size_t len)
{
    struct err err = {0};
    json_t *request = NULL;
    const char *verb;

    if (json_parse_object(line, len, &request, &err) < 0) {
        send_error(cn, err.msg);
        return;
    }
    verb = json_get_string(request, "verb", "");
    if (answer_hvm(cn, verb, request)) {
        json_decref(request);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(verb, verbs[i].name) == 0) {
            verbs[i].fn(cn, request);
            json_decref(request);
            return;
        }
    }
    json_decref(request);
    send_error(cn, "unknown verb");
}

/* More of a request, and a descriptor if one comes with it; the last one counts. */
static ssize_t receive(struct connection *cn)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {cn->request + cn->used, sizeof(cn->request) - cn->used};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       /* Not its space, in which there is room for two. */
                       .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t n = recvmsg(cn->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int))) {
        if (cn->passed_fd >= 0)
            close(cn->passed_fd);
        memcpy(&cn->passed_fd, CMSG_DATA(c), sizeof(int));
        if (m.msg_flags & MSG_CTRUNC) { /* there were more: it is none of them */
            close(cn->passed_fd);
            cn->passed_fd = -1;
        }
    }
    return n;
}

static void on_connection(void *arg, uint32_t events)
{
    struct connection *cn = arg;
    ssize_t n = receive(cn);
    char *end;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        cn->used += (size_t)n;
    while (cn->used > 0 && (end = memchr(cn->request, '\n', cn->used))) {
        size_t len = (size_t)(end + 1 - cn->request);

        handle_request(cn, cn->request, len);
        if (cn->handed_over)
            break;
        cn->used -= len;
        memmove(cn->request, end + 1, cn->used);
    }
    if (n <= 0 || cn->handed_over || cn->used == sizeof(cn->request))
        connection_close(cn);
}

int control_adopt(struct control *c, int fd)
{
    struct connection *cn = NULL;
    uid_t uid;
    int rc = -ENOMEM;

    if (identity_peer(fd, &uid) < 0)
        rc = -EPERM;
    else if (c->nr_connections >= MAX_CONNECTIONS)
        rc = -EBUSY;
    else
        cn = calloc(1, sizeof(*cn));
    if (cn && io_set_nonblock(fd, true) == 0)
        cn->watch = loop_add(c->process->loop, fd, EPOLLIN, on_connection, cn);
    if (!cn || !cn->watch) {
        free(cn);
        close(fd);
        return rc;
    }
    cn->control = c;
    cn->fd = fd;
    cn->passed_fd = -1;
    cn->uid = uid;
    cn->next = c->connections;
    c->connections = cn;
    c->nr_connections++;
    /* What was sent already counts from now, not from the loop's next turn: a guest may have
     * come and gone by then. */
    on_connection(cn, EPOLLIN);
    return 0;
}

static void on_listen(void *arg, uint32_t events)
{
    struct control *c = arg;
    int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int rc = fd < 0 ? 0 : control_adopt(c, fd);

    if (rc < 0)
        log_guest(LOG_WARN, "domain", "control connection refused: %s", strerror(-rc));
}

int control_create(struct control **ret, struct process *p, int listen_fd, struct err *err)
{
    struct control *c = calloc(1, sizeof(*c));

    if (!c)
        return err_set(err, ENOMEM, "out of memory");
    c->process = p;
    c->listen_fd = listen_fd;
    if (listen_fd >= 0) {
        io_set_nonblock(listen_fd, true);
        c->listen_watch = loop_add(p->loop, listen_fd, EPOLLIN, on_listen, c);
        if (!c->listen_watch) {
            free(c);
            return err_set(err, EIO, "cannot watch the control socket");
        }
    }
    *ret = c;
    return 0;
}

void control_destroy(struct control *c)
{
    if (!c)
        return;
    while (c->connections)
        connection_close(c->connections);
    loop_remove(c->listen_watch);
    if (c->listen_fd >= 0)
        close(c->listen_fd);
    free(c);
}

void control_life_ended(struct control *c)
{
    for (struct connection *cn = c->connections; cn; cn = cn->next)
        if (cn->waits_for == WAITS_FOR_LIFE_END)
            answer_end(cn);
}

void control_dump_done(struct control *c, int rc, const struct err *err)
{
    for (struct connection *cn = c->connections; cn; cn = cn->next) {
        if (cn->waits_for != WAITS_FOR_DUMP)
            continue;
        cn->waits_for = WAITS_FOR_NOTHING;
        control_answer_result(cn, rc, err);
    }
}

void control_save_done(struct control *c, int rc, const struct err *err)
{
    for (struct connection *cn = c->connections; cn; cn = cn->next) {
        if (cn->waits_for != WAITS_FOR_SAVE)
            continue;
        cn->waits_for = WAITS_FOR_NOTHING;
        cn->saves = rc == 0;
        control_answer_result(cn, rc, err);
    }
}

void control_domain_gone(struct control *c)
{
    control_life_ended(c);
    for (struct connection *cn = c->connections; cn; cn = cn->next)
        if (cn->waits_for == WAITS_FOR_DOMAIN_GONE)
            answer_end(cn);
}
