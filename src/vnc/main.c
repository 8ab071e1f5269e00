/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - xenolith-vnc: shows a domain's picture to VNC viewers. Started by the domain process,
 * whose words are fb_msg.h's; ends with it. docs/internals/framebuffer.md
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backend/fb/fb_msg.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "vnc/jail.h"
#include "vnc/keymap.h"
#include "vnc/listen.h"
#include "vnc/server.h"

#define CONFIG_MAX 65536
/* Between two pictures; the second when nobody looks. */
#define FRAME_MS 20
#define FRAME_UNSEEN_MS 250
#define TICK_MS 5000 /* viewers that say nothing are looked at */

struct process {
    const uint32_t *picture;
    int listeners[LISTEN_MAX];
    unsigned int nr_listeners;
    json_t *doc; /* the server keeps its strings */
    struct keymap *keymap;
    bool owes_shown; /* an answer to SHOW */
    uint64_t shown_ms;
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The domain process reads them all; when it is slow, a viewer's keys wait, or are lost. */
static void send_message(enum fb_msg_type type, int32_t a, int32_t b, int32_t c, const char *text)
{
    struct fb_msg m;

    memset(&m, 0, sizeof(m));
    m.type = type;
    m.arg[0] = a;
    m.arg[1] = b;
    m.arg[2] = c;
    snprintf(m.text, sizeof(m.text), "%s", text);
    if (send(FB_VNC_SOCKET, &m, sizeof(m), MSG_NOSIGNAL) < 0 && errno == EPIPE)
        exit(0);
}

static void on_key(uint32_t code, bool pressed)
{
    send_message(FB_MSG_KEY, (int32_t)code, pressed, 0, "");
}

static void on_pointer(int32_t x, int32_t y, int32_t wheel)
{
    send_message(FB_MSG_POINTER, x, y, wheel, "");
}

/* --- start ------------------------------------------------------------------------------ */

static int listen_here(struct process *p, const json_t *doc, struct err *err)
{
    return listen_open(p->listeners, &p->nr_listeners, json_get_string(doc, "listen", "127.0.0.1"),
                       (unsigned int)json_get_int(doc, "display", 0),
                       json_get_bool(doc, "unused", true), err);
}

/* The port, or -errno. */
static int start(struct process *p, struct err *err)
{
    CLEANUP_FREE char *text = NULL;
    struct server_config config = {.key = on_key, .pointer = on_pointer};
    size_t len;
    int port, rc = lseek(FB_VNC_CONFIG, 0, SEEK_SET) < 0
                       ? err_set(err, errno, "no configuration")
                       : io_read_fd(FB_VNC_CONFIG, CONFIG_MAX, &text, &len, err);

    if (rc == 0)
        rc = json_parse_object(text, len, &p->doc, err);
    if (rc == 0)
        rc = keymap_create(&p->keymap, json_get_string(p->doc, "keymap", "en-us"), err);
    if (rc < 0)
        return rc;
    p->picture = mmap(NULL, FB_PICTURE_BYTES, PROT_READ, MAP_SHARED, FB_VNC_PICTURE, 0);
    if (p->picture == MAP_FAILED)
        return err_set(err, errno, "no picture: %s", strerror(errno));
    port = listen_here(p, p->doc, err);
    if (port < 0)
        return port;
    config.title = json_get_string(p->doc, "title", "");
    config.password = json_get_string(p->doc, "password", "");
    config.keymap = p->keymap;
    rc = server_init(&config, err);
    if (rc == 0)
        rc = jail_enter(err);
    return rc < 0 ? rc : port;
}

/* --- service ---------------------------------------------------------------------------- */

static void read_message(struct process *p)
{
    struct fb_msg m;
    ssize_t n = recv(FB_VNC_SOCKET, &m, sizeof(m), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != (ssize_t)sizeof(m))
        exit(0); /* the domain is gone */
    if (m.type != FB_MSG_SHOW || m.arg[0] <= 0 || m.arg[0] > (int32_t)FB_MAX_SIDE ||
        m.arg[1] <= 0 || m.arg[1] > (int32_t)FB_MAX_SIDE)
        return;
    server_show(p->picture, (uint32_t)m.arg[0], (uint32_t)m.arg[1], &m.arg[2]);
    p->owes_shown = true;
}

static void accept_viewer(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0)
        server_add(fd);
}

/* Milliseconds until the domain process may send the next picture. */
static int until_next(const struct process *p)
{
    uint64_t pause = server_viewers() > 0 ? FRAME_MS : FRAME_UNSEEN_MS;
    uint64_t now = now_ms(), due = p->shown_ms + pause;

    if (!p->owes_shown)
        return TICK_MS;
    return now >= due ? 0 : (int)(due - now);
}

static void serve_once(struct process *p)
{
    struct pollfd fds[1 + LISTEN_MAX + SERVER_MAX_VIEWERS] = {
        {.fd = FB_VNC_SOCKET, .events = POLLIN}};
    unsigned int count = 1;

    for (unsigned int i = 0; i < p->nr_listeners; i++)
        fds[count++] = (struct pollfd){.fd = p->listeners[i], .events = POLLIN};
    count += server_poll(&fds[count]);
    if (poll(fds, count, until_next(p)) < 0)
        return;
    if (fds[0].revents)
        read_message(p);
    for (unsigned int i = 0; i < p->nr_listeners; i++)
        if (fds[1 + i].revents)
            accept_viewer(p->listeners[i]);
    server_run();
    if (p->owes_shown && until_next(p) == 0) {
        p->owes_shown = false;
        p->shown_ms = now_ms();
        send_message(FB_MSG_SHOWN, 0, 0, 0, "");
    }
}

int main(void)
{
    struct process p = {0};
    struct err err = {0};
    int port = start(&p, &err);

    if (port < 0) {
        send_message(FB_MSG_FAILED, 0, 0, 0, err.msg);
        keymap_destroy(p.keymap);
        json_decref(p.doc);
        return 1;
    }
    send_message(FB_MSG_READY, port, 0, 0, "");
    for (;;)
        serve_once(&p);
}
