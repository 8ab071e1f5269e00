/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * server.c - see server.h.
 */
#define _GNU_SOURCE
#include "vnc/server.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <rfb/rfb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "vnc/keyboard.h"

#define FIRST_WIDTH 640
#define FIRST_HEIGHT 480
#define PATIENCE_MS 1000 /* with a viewer in the middle of a message */
#define LOGIN_MS 30000   /* until it has said its password */
/* So many wrong passwords in a row, and nobody is let in for a while. */
#define MAX_WRONG 5
#define WRONG_MS 10000

struct viewer {
    uint64_t since_ms;
    struct keyboard keyboard;
    int buttons;      /* RFB's mask */
    bool missed_size; /* a change of size came before it said that it can take one */
};

static struct server_config config;
static rfbScreenInfoPtr screen;
static unsigned int nr_viewers;
static char *passwords[2];
static unsigned int wrong_passwords;
static uint64_t closed_until_ms;
static bool caps;

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- input ------------------------------------------------------------------------------ */

static void send_key(void *arg, uint32_t code, bool pressed)
{
    config.key(code, pressed);
}

static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr cl)
{
    struct viewer *v = cl->clientData;

    keyboard_event(&v->keyboard, config.keymap, keysym, down, send_key, NULL);
}

static void on_pointer(int buttons, int x, int y, rfbClientPtr cl)
{
    static const struct {
        int mask;
        uint32_t code;
    } keys[] = {{1, BTN_LEFT}, {2, BTN_MIDDLE}, {4, BTN_RIGHT}, {128, BTN_SIDE}};
    struct viewer *v = cl->clientData;
    int pressed = buttons & ~v->buttons;

    x = x < 0 ? 0 : x >= screen->width ? screen->width - 1 : x;
    y = y < 0 ? 0 : y >= screen->height ? screen->height - 1 : y;
    config.pointer(x, y, pressed & 8 ? 1 : pressed & 16 ? -1 : 0);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if ((buttons ^ v->buttons) & keys[i].mask)
            keyboard_set(&v->keyboard, keys[i].code, buttons & keys[i].mask, send_key, NULL);
    v->buttons = buttons;
    rfbDefaultPtrAddEvent(buttons, x, y, cl);
}

/* --- viewers ---------------------------------------------------------------------------- */

static void on_gone(rfbClientPtr cl)
{
    struct viewer *v = cl->clientData;

    keyboard_release(&v->keyboard, send_key, NULL);
    free(v);
    nr_viewers--;
}

static enum rfbNewClientAction on_new(rfbClientPtr cl)
{
    struct viewer *v = calloc(1, sizeof(*v));

    if (!v)
        return RFB_CLIENT_REFUSE;
    v->since_ms = now_ms();
    v->keyboard.caps = &caps;
    cl->clientData = v;
    cl->clientGoneHook = on_gone;
    nr_viewers++;
    return RFB_CLIENT_ACCEPT;
}

static rfbBool check_password(rfbClientPtr cl, const char *response, int len)
{
    if (rfbCheckPasswordByList(cl, response, len)) {
        wrong_passwords = 0;
        return TRUE;
    }
    log_guest(LOG_WARN, "vnc", "%s: wrong password", cl->host ? cl->host : "?");
    if (++wrong_passwords >= MAX_WRONG) {
        wrong_passwords = 0;
        closed_until_ms = now_ms() + WRONG_MS;
    }
    return FALSE;
}

void server_add(int fd)
{
    if (nr_viewers >= SERVER_MAX_VIEWERS || now_ms() < closed_until_ms)
        close(fd);
    else
        rfbNewClient(screen, fd);
}

unsigned int server_viewers(void)
{
    return nr_viewers;
}

/* Call fn for each viewer whose connection is open. */
static void for_each(void (*fn)(rfbClientPtr cl, void *arg), void *arg)
{
    rfbClientIteratorPtr i = rfbGetClientIterator(screen);
    rfbClientPtr cl;

    while ((cl = rfbClientIteratorNext(i)))
        fn(cl, arg);
    rfbReleaseClientIterator(i);
}

struct poll_list {
    struct pollfd *fds;
    unsigned int count;
};

static void add_poll(rfbClientPtr cl, void *arg)
{
    struct poll_list *list = arg;

    if (list->count < SERVER_MAX_VIEWERS && cl->sock >= 0)
        list->fds[list->count++] = (struct pollfd){.fd = cl->sock, .events = POLLIN};
}

unsigned int server_poll(struct pollfd fds[static SERVER_MAX_VIEWERS])
{
    struct poll_list list = {.fds = fds};

    for_each(add_poll, &list);
    return list.count;
}

static void drop_if_late(rfbClientPtr cl, void *arg)
{
    const struct viewer *v = cl->clientData;

    if (cl->state != RFB_NORMAL && now_ms() - v->since_ms > LOGIN_MS)
        rfbCloseClient(cl);
}

static void tell_size(rfbClientPtr cl, void *arg)
{
    struct viewer *v = cl->clientData;

    if (v->missed_size && cl->useNewFBSize) {
        v->missed_size = false;
        cl->newFBSizePending = TRUE;
        rfbMarkRectAsModified(screen, 0, 0, screen->width, screen->height);
    }
}

void server_run(void)
{
    for_each(drop_if_late, NULL);
    for_each(tell_size, NULL);
    rfbProcessEvents(screen, 0);
}

/* --- the picture ------------------------------------------------------------------------ */

static void note_missed_size(rfbClientPtr cl, void *arg)
{
    struct viewer *v = cl->clientData;

    v->missed_size |= cl->state == RFB_NORMAL && !cl->useNewFBSize;
}

static bool resize(uint32_t width, uint32_t height)
{
    char *old = screen->frameBuffer;
    uint32_t *picture = calloc((size_t)width * height, sizeof(*picture));

    if (!picture)
        return false;
    for_each(note_missed_size, NULL);
    rfbNewFramebuffer(screen, (char *)picture, (int)width, (int)height, 8, 3, sizeof(*picture));
    free(old);
    return true;
}

/* The library's own format, to which it returns at each resize, has red in the lowest byte. */
static void copy_line(uint32_t *to, const uint32_t *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t pixel = from[i];

        to[i] = (pixel >> 16 & 0xff) | (pixel & 0xff00) | (pixel & 0xff) << 16;
    }
}

static uint32_t cut(int32_t n, uint32_t end)
{
    return n < 0 ? 0 : (uint32_t)n > end ? end : (uint32_t)n;
}

void server_show(const uint32_t *picture, uint32_t width, uint32_t height, const int32_t rect[4])
{
    uint32_t x = cut(rect[0], width), y = cut(rect[1], height);
    uint32_t right = x + cut(rect[2], width - x), bottom = y + cut(rect[3], height - y);

    if ((uint32_t)screen->width != width || (uint32_t)screen->height != height) {
        if (!resize(width, height))
            return;
        x = y = 0;
        right = width;
        bottom = height;
    }
    for (uint32_t line = y; line < bottom; line++)
        copy_line((uint32_t *)screen->frameBuffer + (size_t)line * width + x,
                  picture + (size_t)line * width + x, right - x);
    rfbMarkRectAsModified(screen, (int)x, (int)y, (int)right, (int)bottom);
}

/* --- start ------------------------------------------------------------------------------ */

/* The library's own words: they tell of what viewers do. */
static void PRINTF_FMT(1, 2) library_log(const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    text[strcspn(text, "\n")] = '\0';
    log_guest(LOG_INFO, "vnc", "%s", text);
}

/* What the cipher's library wants to read from files, it reads now. The challenges that the
 * library makes are as good as their seed. */
static int prepare_passwords(struct err *err)
{
    unsigned char challenge[CHALLENGESIZE];
    unsigned int seed;

    if (!config.password[0])
        return 0;
    passwords[0] = strdup(config.password);
    if (!passwords[0] || getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return err_set(err, ENOMEM, "no memory or no random numbers");
    rfbRandomBytes(challenge); /* seeds it by the time of day, once */
    rfbEncryptBytes(challenge, passwords[0]);
    srandom(seed);
    screen->authPasswdData = passwords;
    screen->passwordCheck = check_password;
    return 0;
}

int server_init(const struct server_config *c, struct err *err)
{
    uint32_t *picture = calloc((size_t)FIRST_WIDTH * FIRST_HEIGHT, sizeof(*picture));

    config = *c;
    rfbLog = library_log;
    rfbErr = library_log;
    screen = rfbGetScreen(NULL, NULL, FIRST_WIDTH, FIRST_HEIGHT, 8, 3, sizeof(uint32_t));
    if (!screen || !picture)
        return err_set(err, ENOMEM, "out of memory");
    screen->frameBuffer = (char *)picture;
    screen->desktopName = config.title;
    screen->port = screen->ipv6port = 0; /* we listen */
    screen->alwaysShared = TRUE;
    screen->deferUpdateTime = screen->deferPtrUpdateTime = 0;
    screen->handleEventsEagerly = TRUE;
    screen->permitFileTransfer = FALSE;
    screen->maxClientWait = rfbMaxClientWait = PATIENCE_MS;
    screen->kbdAddEvent = on_key;
    screen->ptrAddEvent = on_pointer;
    screen->newClientHook = on_new;
    rfbSetCursor(screen, NULL); /* the guest draws its own */
    rfbInitServer(screen);
    return prepare_passwords(err);
}
