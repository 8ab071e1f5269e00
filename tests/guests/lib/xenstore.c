/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore.c - see xenstore.h.
 */
#include "xenstore.h"

#define PATIENCE (20 * SECOND) /* of a host that has much else to do */

char xs_reply[4097];
uint32_t xs_reply_size;
unsigned int xs_nr_events;
struct xs_event xs_events[32];
static uint32_t next_id = 1;

struct xenstore_domain_interface *xs_ring(void)
{
    static struct xenstore_domain_interface *ring;

    if (!ring)
        ring = mfn_to_va(start_info->store_mfn);
    return ring;
}

void xs_notify(void)
{
    event_send(start_info->store_evtchn);
}

bool xs_put(const void *data, uint32_t size)
{
    struct xenstore_domain_interface *ring = xs_ring();
    const uint8_t *bytes = data;
    uint64_t limit = now() + PATIENCE;

    for (uint32_t i = 0; i < size; i++) {
        while (ring->req_prod - *(volatile uint32_t *)&ring->req_cons >= XENSTORE_RING_SIZE) {
            xs_notify();
            sched_op(SCHEDOP_yield, NULL);
            if (now() > limit)
                return false;
        }
        ring->req[MASK_XENSTORE_IDX(ring->req_prod)] = (char)bytes[i];
        barrier();
        ring->req_prod++;
    }
    xs_notify();
    return true;
}

static bool get_until(void *data, uint32_t size, uint64_t limit)
{
    struct xenstore_domain_interface *ring = xs_ring();
    uint8_t *bytes = data;

    for (uint32_t i = 0; i < size; i++) {
        while (*(volatile uint32_t *)&ring->rsp_prod == ring->rsp_cons) {
            if (i > 0)
                xs_notify(); /* the rest may wait for room */
            sched_op(SCHEDOP_yield, NULL);
            if (now() > limit)
                return false;
        }
        bytes[i] = (uint8_t)ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons)];
        barrier();
        ring->rsp_cons++;
    }
    xs_notify();
    return true;
}

bool xs_get(void *data, uint32_t size)
{
    return get_until(data, size, now() + PATIENCE);
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);

    if (n > size - 1)
        n = size - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

/* xs_reply holds an event. */
static void keep_event(void)
{
    struct xs_event *e = &xs_events[xs_nr_events];

    if (xs_nr_events == ARRAY_SIZE(xs_events))
        return;
    copy_text(e->path, sizeof(e->path), xs_reply);
    copy_text(e->token, sizeof(e->token), xs_reply + strlen(xs_reply) + 1);
    xs_nr_events++;
}

/* The next message, if its first byte comes in time. */
static bool get_message(struct xsd_sockmsg *head, uint64_t limit)
{
    if (!get_until(head, 1, limit) || !xs_get((char *)head + 1, sizeof(*head) - 1) ||
        head->len > 4096 || !xs_get(xs_reply, head->len))
        return false;
    xs_reply[head->len] = '\0';
    xs_reply_size = head->len;
    if (head->type == XS_WATCH_EVENT)
        keep_event();
    return true;
}

long xs_request(uint32_t type, uint32_t tx, const void *payload, uint32_t size)
{
    struct xsd_sockmsg head = {.type = type, .req_id = next_id++, .tx_id = tx, .len = size};
    struct xsd_sockmsg answer;

    if (!xs_put(&head, sizeof(head)) || !xs_put(payload, size))
        return -1;
    do {
        if (!get_message(&answer, now() + PATIENCE))
            return -1;
    } while (answer.type == XS_WATCH_EVENT);
    CHECK_EQ(answer.req_id, head.req_id, "req_id of an answer");
    CHECK_EQ(answer.tx_id, head.tx_id, "tx_id of an answer");
    return answer.type;
}

bool xs_refused(const char *error, uint32_t type, uint32_t tx, const void *payload, uint32_t size)
{
    long answer = xs_request(type, tx, payload, size);

    if (answer == XS_ERROR && xs_reply_size == strlen(error) + 1 &&
        !memcmp(xs_reply, error, xs_reply_size))
        return true;
    xs_reply[60] = '\0';
    print("request %u was answered with type %ld, \"%s\", not %s\n", type, answer, xs_reply, error);
    return false;
}

/* "dir/key" and perhaps a value behind it. Returns the size without the value's NUL. */
static uint32_t make_payload(char buf[512], const char *dir, const char *key, const char *value)
{
    size_t n = 0;

    if (dir[0]) {
        copy_text(buf, 256, dir);
        n = strlen(buf);
        buf[n++] = '/';
    }
    copy_text(buf + n, 128, key);
    n += strlen(buf + n) + 1;
    if (!value)
        return (uint32_t)n;
    copy_text(buf + n, 512 - n, value);
    return (uint32_t)(n + strlen(buf + n));
}

const char *xs_read(const char *dir, const char *key)
{
    char buf[512];

    return xs_request(XS_READ, XS_NO_TX, buf, make_payload(buf, dir, key, NULL)) == XS_READ
               ? xs_reply
               : NULL;
}

long xs_read_number(const char *dir, const char *key)
{
    const char *text = xs_read(dir, key);
    long value = 0;

    if (!text || !text[0])
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        value = value * 10 + *text - '0';
    }
    return value;
}

bool xs_write(const char *dir, const char *key, const char *value)
{
    char buf[512];

    return xs_request(XS_WRITE, XS_NO_TX, buf, make_payload(buf, dir, key, value)) == XS_WRITE;
}

bool xs_write_number(const char *dir, const char *key, unsigned long value)
{
    char text[24];
    char *p = text + sizeof(text) - 1;

    *p = '\0';
    do {
        *--p = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return xs_write(dir, key, p);
}

bool xs_wait_number(const char *dir, const char *key, long value)
{
    uint64_t limit = now() + 5 * SECOND;

    while (xs_read_number(dir, key) != value) {
        if (now() > limit)
            return false;
        sched_op(SCHEDOP_yield, NULL);
    }
    return true;
}

uint32_t xs_start(void)
{
    uint32_t tx = 0;

    if (XS_ASK(XS_TRANSACTION_START, "") != XS_TRANSACTION_START)
        return 0;
    for (const char *c = xs_reply; *c >= '0' && *c <= '9'; c++)
        tx = tx * 10 + (uint32_t)(*c - '0');
    return tx;
}

bool xs_end(uint32_t tx, bool commit)
{
    return xs_request(XS_TRANSACTION_END, tx, commit ? "T" : "F", 2) == XS_TRANSACTION_END;
}

void xs_poll_events(uint64_t ns)
{
    struct xsd_sockmsg head;
    uint64_t limit = now() + ns;

    while (get_message(&head, limit))
        continue;
}

static bool is_text(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && !memcmp(a, b, strlen(a));
}

bool xs_wait_event(const char *path, const char *token)
{
    uint64_t limit = now() + PATIENCE;

    do {
        for (unsigned int i = 0; i < xs_nr_events; i++) {
            if (is_text(xs_events[i].path, path) && is_text(xs_events[i].token, token))
                return true;
        }
        xs_poll_events(1000000);
    } while (now() < limit);
    for (unsigned int i = 0; i < xs_nr_events; i++)
        print("event %u: %s %s\n", i, xs_events[i].path, xs_events[i].token);
    return false;
}
