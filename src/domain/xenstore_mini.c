/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_mini.c - a small xenstore for one guest (ABI section 12).
 *
 * The tree is a plain tree of nodes. A transaction works on a copy of the whole tree and
 * replaces it at commit, unless somebody else changed anything meanwhile (EAGAIN): coarse,
 * but exactly serialised. Requests are assembled byte by byte, since guests notify only when
 * the ring was empty; answers that do not fit wait in a queue, and no request is taken while
 * that queue is long, so what a guest can make us hold is bounded.
 */
#include "domain/xenstore_mini.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "domain/evtchn.h"

#include <xen/xen.h>
#include <xen/io/xs_wire.h>

#define MAX_NODES 1000 /* owned by the guest */
#define MAX_WATCHES 128
#define MAX_TX 10
#define MAX_TX_CHANGES 1000
#define MAX_VALUE 2048
#define MAX_TOKEN 256
#define MAX_PERMS 5
#define MAX_DEPTH 64
#define MAX_ABS_PATH XENSTORE_ABS_PATH_MAX
#define MAX_REL_PATH XENSTORE_REL_PATH_MAX
#define OUT_LIMIT 65536        /* no new request while more than this is queued */
#define OUT_EVENT_LIMIT 262144 /* events beyond this are lost */
#define SERVE_LIMIT (1u << 20) /* bytes taken per call: nobody feeds us for ever */
#define PRIVILEGED 0           /* domid that may do all */

struct perm {
    domid_t id;
    char mode; /* n, r, w, b */
};

struct node {
    struct node *parent, *children, *next;
    char *name;
    void *value;
    size_t value_len;
    struct perm perms[MAX_PERMS];
    unsigned int nr_perms;
};

struct change {
    char *path;
    bool removed;
};

struct tx {
    uint32_t id; /* 0 = free */
    struct node *root;
    uint64_t generation; /* of the tree it started from */
    struct change *changes;
    unsigned int nr_changes;
};

struct watch {
    char *path, *token; /* path as the guest gave it */
    char *abs;
};

struct xsmini {
    domid_t domid;
    char home[32]; /* /local/domain/N */
    struct node *root;
    uint64_t generation;
    struct tx tx[MAX_TX];
    uint32_t last_tx;
    struct watch watch[MAX_WATCHES];
    unsigned int nr_watches;
    bool broken; /* the guest violated the protocol; nothing is served any more */

    struct xsd_sockmsg hdr; /* of the request that is being received */
    char body[XENSTORE_PAYLOAD_MAX + 1];
    size_t got; /* bytes of hdr and body so far */

    uint8_t *out;
    size_t out_len, out_cap;
};

/* A request being handled. */
struct request {
    struct xsmini *s;
    domid_t by;
    struct tx *tx; /* NULL = none */
    char *body;
    size_t len; /* body[len] is 0 */
};

/* --- nodes ------------------------------------------------------------------------------ */

static void node_free(struct node *n)
{
    while (n) {
        struct node *next = n->next;

        node_free(n->children);
        free(n->name);
        free(n->value);
        free(n);
        n = next;
    }
}

/* A subtree without the siblings of its top. NULL when out of memory. */
static struct node *node_copy(const struct node *from, struct node *parent)
{
    struct node *n = calloc(1, sizeof(*n)), **tail;

    if (!n)
        return NULL;
    *n = *from;
    n->parent = parent;
    n->next = n->children = NULL;
    n->name = strdup(from->name);
    n->value = malloc(from->value_len + 1);
    if (!n->name || !n->value)
        goto fail;
    memcpy(n->value, from->value, from->value_len);
    tail = &n->children;
    for (const struct node *c = from->children; c; c = c->next) {
        *tail = node_copy(c, n);
        if (!*tail)
            goto fail;
        tail = &(*tail)->next;
    }
    return n;

fail:
    node_free(n);
    return NULL;
}

static struct node *node_child(const struct node *n, const char *name, size_t len)
{
    for (struct node *c = n->children; c; c = c->next) {
        if (strlen(c->name) == len && !memcmp(c->name, name, len))
            return c;
    }
    return NULL;
}

/* Follow an absolute, checked path as far as it exists. *rest is what is left of it. */
static struct node *node_walk(struct node *root, const char *path, const char **rest)
{
    struct node *n = root;

    while (*path) {
        const char *name = path + 1;
        size_t len = strcspn(name, "/");
        struct node *child;

        if (!len)
            break;
        child = node_child(n, name, len);
        if (!child)
            break;
        n = child;
        path = name + len;
    }
    *rest = path;
    return n;
}

static bool is_end(const char *rest)
{
    return !rest[0] || !rest[1];
}

static struct node *node_find(struct node *root, const char *path)
{
    const char *rest;
    struct node *n = node_walk(root, path, &rest);

    return is_end(rest) ? n : NULL;
}

static unsigned int node_count(const struct node *n, domid_t owner)
{
    unsigned int count = 0;

    for (; n; n = n->next)
        count += (n->perms[0].id == owner) + node_count(n->children, owner);
    return count;
}

static struct node *node_add(struct node *parent, const char *name, size_t len, domid_t by)
{
    struct node *n = calloc(1, sizeof(*n)), **tail = &parent->children;

    if (!n)
        return NULL;
    n->name = strndup(name, len);
    n->value = calloc(1, 1);
    if (!n->name || !n->value) {
        node_free(n);
        return NULL;
    }
    n->parent = parent;
    memcpy(n->perms, parent->perms, sizeof(n->perms));
    n->nr_perms = parent->nr_perms;
    if (by != PRIVILEGED)
        n->perms[0].id = by;
    while (*tail)
        tail = &(*tail)->next;
    *tail = n;
    return n;
}

static void node_unlink(struct node *n)
{
    struct node **p = &n->parent->children;

    while (*p != n)
        p = &(*p)->next;
    *p = n->next;
    n->next = NULL;
    node_free(n);
}

static bool node_allows(const struct node *n, domid_t by, bool write)
{
    char mode = n->perms[0].mode;

    if (by == PRIVILEGED || n->perms[0].id == by)
        return true;
    for (unsigned int i = 1; i < n->nr_perms; i++) {
        if (n->perms[i].id == by) {
            mode = n->perms[i].mode;
            break;
        }
    }
    return mode == 'b' || mode == (write ? 'w' : 'r');
}

/* --- paths ------------------------------------------------------------------------------ */

/* Check a path as a request gives it and make it absolute. 0 or -EINVAL. */
static int path_resolve(const struct xsmini *s, const char *given, char abs[MAX_ABS_PATH + 1])
{
    size_t len = strlen(given), home = strlen(s->home);
    unsigned int depth = 0;

    if (!len || len > (given[0] == '/' ? MAX_ABS_PATH : MAX_REL_PATH))
        return -EINVAL;
    if (strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/_@") != len)
        return -EINVAL;
    if (strstr(given, "//") || (len > 1 && given[len - 1] == '/'))
        return -EINVAL;
    for (size_t i = 0; i < len; i++)
        depth += given[i] == '/';
    if (depth > MAX_DEPTH)
        return -EINVAL;
    if (given[0] != '/') {
        memcpy(abs, s->home, home);
        abs[home] = '/';
        abs += home + 1;
    }
    memcpy(abs, given, len + 1);
    return 0;
}

/* Is `path` the node `top` or below it? Both absolute. */
static bool path_is_below(const char *path, const char *top)
{
    size_t len = strlen(top);

    if (len == 1)
        return true; /* "/" */
    return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

/* --- output ----------------------------------------------------------------------------- */

static int out_reserve(struct xsmini *s, size_t more)
{
    size_t cap = s->out_cap ? s->out_cap : 4096;
    uint8_t *p;

    while (cap < s->out_len + more)
        cap *= 2;
    if (cap == s->out_cap)
        return 0;
    p = realloc(s->out, cap);
    if (!p)
        return -ENOMEM;
    s->out = p;
    s->out_cap = cap;
    return 0;
}

static void out_message(struct xsmini *s, const struct xsd_sockmsg *hdr, const void *body)
{
    if (out_reserve(s, sizeof(*hdr) + hdr->len) < 0) {
        s->broken = true; /* an answer that never comes would be worse to find */
        return;
    }
    memcpy(s->out + s->out_len, hdr, sizeof(*hdr));
    memcpy(s->out + s->out_len + sizeof(*hdr), body, hdr->len);
    s->out_len += sizeof(*hdr) + hdr->len;
}

static void reply(struct request *q, const void *body, size_t len)
{
    struct xsd_sockmsg hdr = q->s->hdr;

    hdr.len = (uint32_t)len;
    out_message(q->s, &hdr, body);
}

static void reply_ok(struct request *q)
{
    reply(q, "OK", sizeof("OK"));
}

static void reply_error(struct xsmini *s, int code)
{
    struct xsd_sockmsg hdr = s->hdr;
    const char *name = "EINVAL";

    for (size_t i = 0; i < ARRAY_SIZE(xsd_errors); i++) {
        if (xsd_errors[i].errnum == code)
            name = xsd_errors[i].errstring;
    }
    hdr.type = XS_ERROR;
    hdr.len = (uint32_t)strlen(name) + 1;
    out_message(s, &hdr, name);
}

/* --- watches ---------------------------------------------------------------------------- */

static void send_event(struct xsmini *s, const char *path, const char *token)
{
    char body[MAX_ABS_PATH + 1 + MAX_TOKEN + 1];
    struct xsd_sockmsg hdr = {.type = XS_WATCH_EVENT};
    size_t n = strlen(path) + 1, m = strlen(token) + 1;

    if (s->out_len > OUT_EVENT_LIMIT) {
        log_guest(LOG_WARN, "domain", "xenstore: the guest takes no events, one is lost");
        return;
    }
    memcpy(body, path, n);
    memcpy(body + n, token, m);
    hdr.len = (uint32_t)(n + m);
    out_message(s, &hdr, body);
}

/* A node changed: tell the watches on it and above it; if it went away, also those below. */
static void fire(struct xsmini *s, const char *path, bool removed)
{
    const char *rest;

    if (!node_allows(node_walk(s->root, path, &rest), s->domid, false))
        return;
    for (unsigned int i = 0; i < s->nr_watches; i++) {
        const struct watch *w = &s->watch[i];
        size_t home = strlen(s->home);

        if (path_is_below(path, w->abs))
            send_event(s, w->path[0] == '/' ? path : path + home + 1, w->token);
        else if (removed && path_is_below(w->abs, path))
            send_event(s, w->path, w->token);
    }
}

static void watch_free(struct xsmini *s, unsigned int i)
{
    free(s->watch[i].path);
    free(s->watch[i].token);
    free(s->watch[i].abs);
    s->watch[i] = s->watch[--s->nr_watches];
}

static int watch_args(struct request *q, const char **token, char *abs)
{
    size_t n = strlen(q->body) + 1;

    if (n >= q->len || q->body[q->len - 1] || strlen(q->body + n) > MAX_TOKEN)
        return EINVAL;
    *token = q->body + n;
    if (q->body[0] == '@')
        return EACCES;
    return -path_resolve(q->s, q->body, abs);
}

static int watch_index(const struct request *q, const char *token)
{
    const struct xsmini *s = q->s;

    for (unsigned int i = 0; i < s->nr_watches; i++) {
        if (!strcmp(s->watch[i].path, q->body) && !strcmp(s->watch[i].token, token))
            return (int)i;
    }
    return -1;
}

static int op_watch(struct request *q)
{
    struct xsmini *s = q->s;
    char abs[MAX_ABS_PATH + 1];
    const char *token;
    struct watch w;
    int code = watch_args(q, &token, abs);

    if (code)
        return code;
    if (watch_index(q, token) >= 0)
        return EEXIST;
    if (s->nr_watches == MAX_WATCHES)
        return ENOSPC;
    w = (struct watch){.path = strdup(q->body), .token = strdup(token), .abs = strdup(abs)};
    s->watch[s->nr_watches++] = w;
    if (!w.path || !w.token || !w.abs) {
        watch_free(s, s->nr_watches - 1);
        return ENOMEM;
    }
    reply_ok(q);
    send_event(s, w.path, w.token);
    return 0;
}

static int op_unwatch(struct request *q)
{
    char abs[MAX_ABS_PATH + 1];
    const char *token;
    int i, code = watch_args(q, &token, abs);

    if (code)
        return code;
    i = watch_index(q, token);
    if (i < 0)
        return ENOENT;
    watch_free(q->s, (unsigned int)i);
    reply_ok(q);
    return 0;
}

static int op_reset_watches(struct request *q)
{
    while (q->s->nr_watches)
        watch_free(q->s, 0);
    reply_ok(q);
    return 0;
}

/* --- changes ---------------------------------------------------------------------------- */

static struct node **request_root(struct request *q)
{
    return q->tx ? &q->tx->root : &q->s->root;
}

static bool tx_has_room(const struct request *q)
{
    return !q->tx || q->tx->nr_changes < MAX_TX_CHANGES;
}

/* The node at abs was changed in q's tree: fire, now or at commit. */
static void changed(struct request *q, const char *abs, bool removed)
{
    struct tx *tx = q->tx;
    struct change *p;
    char *path;

    if (!tx) {
        q->s->generation++;
        fire(q->s, abs, removed);
        return;
    }
    for (unsigned int i = 0; i < tx->nr_changes; i++) {
        if (tx->changes[i].removed == removed && !strcmp(tx->changes[i].path, abs))
            return;
    }
    p = realloc(tx->changes, (tx->nr_changes + 1) * sizeof(*p));
    path = strdup(abs);
    if (p)
        tx->changes = p;
    if (!p || !path) {
        free(path);
        return;
    }
    p[tx->nr_changes++] = (struct change){.path = path, .removed = removed};
}

/* Why a node that is not there, or must not be touched, cannot be used. */
static int refusal(const struct node *nearest, const char *rest, domid_t by, bool write)
{
    if (!node_allows(nearest, by, write))
        return EACCES;
    return is_end(rest) ? 0 : ENOENT;
}

static int find_readable(struct request *q, const char *given, struct node **ret)
{
    char abs[MAX_ABS_PATH + 1];
    const char *rest;

    if (path_resolve(q->s, given, abs) < 0)
        return EINVAL;
    *ret = node_walk(*request_root(q), abs, &rest);
    return refusal(*ret, rest, q->by, false);
}

/* Find the node for writing, making it and its parents if needed. */
static int find_or_create(struct request *q, const char *abs, struct node **ret, bool *created)
{
    struct node *root = *request_root(q);
    unsigned int missing = 0;
    const char *rest;
    struct node *n = node_walk(root, abs, &rest);

    *created = !is_end(rest);
    if (!node_allows(n, q->by, true))
        return EACCES;
    for (const char *p = rest; !is_end(p); p += 1 + strcspn(p + 1, "/"))
        missing++;
    if (missing && q->by != PRIVILEGED && node_count(root, q->by) + missing > MAX_NODES)
        return ENOSPC;
    while (!is_end(rest)) {
        size_t len = strcspn(rest + 1, "/");

        n = node_add(n, rest + 1, len, q->by);
        if (!n)
            return ENOMEM;
        rest += 1 + len;
    }
    *ret = n;
    return 0;
}

static int do_write(struct request *q, const char *given, const void *value, size_t len)
{
    char abs[MAX_ABS_PATH + 1];
    struct node *n;
    bool created;
    void *copy;
    int code;

    if (path_resolve(q->s, given, abs) < 0)
        return EINVAL;
    if (len > MAX_VALUE || !tx_has_room(q))
        return ENOSPC;
    copy = malloc(len + 1);
    code = copy ? find_or_create(q, abs, &n, &created) : ENOMEM;
    if (code) {
        free(copy);
        return code;
    }
    memcpy(copy, value, len);
    free(n->value);
    n->value = copy;
    n->value_len = len;
    changed(q, abs, false);
    return 0;
}

static int do_remove(struct request *q, const char *given)
{
    char abs[MAX_ABS_PATH + 1];
    struct node *n;
    const char *rest;

    if (path_resolve(q->s, given, abs) < 0 || !strcmp(abs, "/"))
        return EINVAL;
    if (!tx_has_room(q))
        return ENOSPC;
    n = node_walk(*request_root(q), abs, &rest);
    if (!node_allows(n, q->by, true))
        return EACCES;
    if (!is_end(rest)) /* fine if only the last name is missing */
        return strchr(rest + 1, '/') ? ENOENT : 0;
    node_unlink(n);
    changed(q, abs, true);
    return 0;
}

/* --- operations ------------------------------------------------------------------------- */

static int op_directory(struct request *q)
{
    char buf[XENSTORE_PAYLOAD_MAX];
    size_t len = 0;
    struct node *n;
    int code = find_readable(q, q->body, &n);

    if (code)
        return code;
    for (const struct node *c = n->children; c; c = c->next) {
        size_t size = strlen(c->name) + 1;

        if (len + size > sizeof(buf))
            return E2BIG;
        memcpy(buf + len, c->name, size);
        len += size;
    }
    reply(q, buf, len);
    return 0;
}

static int op_read(struct request *q)
{
    struct node *n;
    int code = find_readable(q, q->body, &n);

    if (!code)
        reply(q, n->value, n->value_len);
    return code;
}

static int op_write(struct request *q)
{
    size_t n = strlen(q->body) + 1;
    int code;

    if (n > q->len)
        return EINVAL;
    code = do_write(q, q->body, q->body + n, q->len - n);
    if (!code)
        reply_ok(q);
    return code;
}

static int op_mkdir(struct request *q)
{
    char abs[MAX_ABS_PATH + 1];
    struct node *n;
    bool created;
    int code;

    if (path_resolve(q->s, q->body, abs) < 0)
        return EINVAL;
    if (!tx_has_room(q))
        return ENOSPC;
    code = find_or_create(q, abs, &n, &created);
    if (code)
        return code;
    if (created)
        changed(q, abs, false);
    reply_ok(q);
    return 0;
}

static int op_rm(struct request *q)
{
    int code = do_remove(q, q->body);

    if (!code)
        reply_ok(q);
    return code;
}

static int op_get_perms(struct request *q)
{
    char buf[MAX_PERMS * 8];
    size_t len = 0;
    struct node *n;
    int code = find_readable(q, q->body, &n);

    if (code)
        return code;
    for (unsigned int i = 0; i < n->nr_perms; i++)
        len += (size_t)sprintf(buf + len, "%c%u", n->perms[i].mode, n->perms[i].id) + 1;
    reply(q, buf, len);
    return 0;
}

/* "r5": 0 or EINVAL. */
static int parse_perm(const char *text, struct perm *ret)
{
    unsigned int id = 0;

    if (!text[0] || !strchr("nrwb", text[0]) || !text[1] || strlen(text) > 6)
        return EINVAL;
    for (const char *p = text + 1; *p; p++) {
        if (*p < '0' || *p > '9')
            return EINVAL;
        id = id * 10 + (unsigned int)(*p - '0');
    }
    if (id > UINT16_MAX)
        return EINVAL;
    *ret = (struct perm){.id = (domid_t)id, .mode = text[0]};
    return 0;
}

static int op_set_perms(struct request *q)
{
    char abs[MAX_ABS_PATH + 1];
    struct perm perms[MAX_PERMS] = {0};
    unsigned int nr = 0;
    struct node *n;
    int code = find_readable(q, q->body, &n);

    if (code)
        return code;
    if (n->perms[0].id != q->by)
        return EACCES;
    for (size_t at = strlen(q->body) + 1; at < q->len; at += strlen(q->body + at) + 1) {
        if (nr == MAX_PERMS)
            return ENOSPC;
        if (parse_perm(q->body + at, &perms[nr++]))
            return EINVAL;
    }
    if (!nr || perms[0].id != n->perms[0].id)
        return nr ? EPERM : EINVAL;
    if (!tx_has_room(q))
        return ENOSPC;
    memcpy(n->perms, perms, sizeof(perms));
    n->nr_perms = nr;
    (void)path_resolve(q->s, q->body, abs); /* find_readable did the same */
    changed(q, abs, false);
    reply_ok(q);
    return 0;
}

static void tx_end(struct tx *tx)
{
    for (unsigned int i = 0; i < tx->nr_changes; i++)
        free(tx->changes[i].path);
    free(tx->changes);
    node_free(tx->root);
    *tx = (struct tx){0};
}

static struct tx *tx_find(struct xsmini *s, uint32_t id)
{
    for (unsigned int i = 0; i < MAX_TX; i++) {
        if (s->tx[i].id == id)
            return &s->tx[i];
    }
    return NULL;
}

static int op_tx_start(struct request *q)
{
    struct xsmini *s = q->s;
    struct tx *tx = tx_find(s, 0);
    char text[16];

    if (q->tx)
        return EBUSY;
    if (!tx)
        return ENOSPC;
    do {
        s->last_tx++;
    } while (!s->last_tx || tx_find(s, s->last_tx));
    tx->root = node_copy(s->root, NULL);
    if (!tx->root)
        return ENOMEM;
    tx->id = s->last_tx;
    tx->generation = s->generation;
    reply(q, text, (size_t)snprintf(text, sizeof(text), "%" PRIu32, tx->id) + 1);
    return 0;
}

static int op_tx_end(struct request *q)
{
    struct xsmini *s = q->s;
    struct tx tx;
    bool commit = q->body[0] == 'T';

    if (!q->tx)
        return ENOENT;
    if (strcmp(q->body, "T") && strcmp(q->body, "F"))
        return EINVAL;
    tx = *q->tx;
    *q->tx = (struct tx){0};
    if (commit && tx.nr_changes && tx.generation != s->generation) {
        tx_end(&tx);
        return EAGAIN;
    }
    if (commit && tx.nr_changes) {
        struct node *old = s->root;

        s->root = tx.root;
        tx.root = old;
        s->generation++;
        for (unsigned int i = 0; i < tx.nr_changes; i++)
            fire(s, tx.changes[i].path, tx.changes[i].removed);
    }
    tx_end(&tx);
    reply_ok(q);
    return 0;
}

static int parse_domid(const char *text, domid_t *ret)
{
    char *end;
    unsigned long id = strtoul(text, &end, 10);

    if (end == text || *end || id > UINT16_MAX)
        return EINVAL;
    *ret = (domid_t)id;
    return 0;
}

static int op_get_domain_path(struct request *q)
{
    char text[32];
    domid_t id;

    if (parse_domid(q->body, &id))
        return EINVAL;
    reply(q, text, (size_t)snprintf(text, sizeof(text), "/local/domain/%u", id) + 1);
    return 0;
}

static int op_is_introduced(struct request *q)
{
    domid_t id;

    if (parse_domid(q->body, &id))
        return EINVAL;
    reply(q, id == PRIVILEGED || id == q->s->domid ? "T" : "F", 2);
    return 0;
}

static int op_privileged(struct request *q)
{
    return EACCES;
}

/* Indexed by message type. A handler replies itself, or returns the errno to reply. */
static const struct {
    int (*fn)(struct request *q);
    bool terminated; /* the payload must end in NUL */
} operations[] = {
    [XS_CONTROL] = {op_privileged, false},
    [XS_DIRECTORY] = {op_directory, true},
    [XS_READ] = {op_read, true},
    [XS_GET_PERMS] = {op_get_perms, true},
    [XS_WATCH] = {op_watch, true},
    [XS_UNWATCH] = {op_unwatch, true},
    [XS_TRANSACTION_START] = {op_tx_start, false},
    [XS_TRANSACTION_END] = {op_tx_end, true},
    [XS_INTRODUCE] = {op_privileged, false},
    [XS_RELEASE] = {op_privileged, false},
    [XS_GET_DOMAIN_PATH] = {op_get_domain_path, true},
    [XS_WRITE] = {op_write, false},
    [XS_MKDIR] = {op_mkdir, true},
    [XS_RM] = {op_rm, true},
    [XS_SET_PERMS] = {op_set_perms, true},
    [XS_IS_DOMAIN_INTRODUCED] = {op_is_introduced, true},
    [XS_RESUME] = {op_privileged, false},
    [XS_SET_TARGET] = {op_privileged, false},
    [XS_RESET_WATCHES] = {op_reset_watches, false},
};

static void handle_request(struct xsmini *s)
{
    struct request q = {.s = s, .by = s->domid, .body = s->body, .len = s->hdr.len};
    int code;

    s->body[q.len] = '\0';
    if (s->hdr.tx_id)
        q.tx = tx_find(s, s->hdr.tx_id);
    if (s->hdr.tx_id && !q.tx)
        code = ENOENT;
    else if (s->hdr.type >= ARRAY_SIZE(operations) || !operations[s->hdr.type].fn)
        code = ENOSYS;
    else if (operations[s->hdr.type].terminated && (!q.len || s->body[q.len - 1]))
        code = EINVAL;
    else
        code = operations[s->hdr.type].fn(&q);
    if (code)
        reply_error(s, code);
}

/* --- ring ------------------------------------------------------------------------------- */

static void protocol_error(struct xsmini *s, const char *what)
{
    s->broken = true;
    log_guest(LOG_WARN, "domain", "xenstore: connection dropped: %s", what);
}

/* Bytes from the request ring; 0 = none. */
static size_t ring_read(struct xsmini *s, struct xenstore_domain_interface *ring, void *to,
                        size_t size)
{
    uint32_t cons = __atomic_load_n(&ring->req_cons, __ATOMIC_RELAXED);
    uint32_t have = __atomic_load_n(&ring->req_prod, __ATOMIC_ACQUIRE) - cons;
    uint32_t at = MASK_XENSTORE_IDX(cons);

    if (have > XENSTORE_RING_SIZE) {
        protocol_error(s, "bad request ring index");
        return 0;
    }
    if (size > have)
        size = have;
    if (size > XENSTORE_RING_SIZE - at)
        size = XENSTORE_RING_SIZE - at;
    memcpy(to, ring->req + at, size);
    __atomic_store_n(&ring->req_cons, cons + (uint32_t)size, __ATOMIC_RELEASE);
    return size;
}

/* Move queued output into the response ring; returns how much went. */
static size_t ring_write(struct xsmini *s, struct xenstore_domain_interface *ring)
{
    size_t done = 0;

    while (done < s->out_len) {
        uint32_t prod = __atomic_load_n(&ring->rsp_prod, __ATOMIC_RELAXED);
        uint32_t used = prod - __atomic_load_n(&ring->rsp_cons, __ATOMIC_ACQUIRE);
        uint32_t at = MASK_XENSTORE_IDX(prod);
        size_t n = s->out_len - done;

        if (used > XENSTORE_RING_SIZE) {
            protocol_error(s, "bad response ring index");
            break;
        }
        if (n > XENSTORE_RING_SIZE - used)
            n = XENSTORE_RING_SIZE - used;
        if (n > XENSTORE_RING_SIZE - at)
            n = XENSTORE_RING_SIZE - at;
        if (!n)
            break;
        memcpy(ring->rsp + at, s->out + done, n);
        __atomic_store_n(&ring->rsp_prod, prod + (uint32_t)n, __ATOMIC_SEQ_CST);
        done += n;
    }
    if (done)
        memmove(s->out, s->out + done, s->out_len - done);
    s->out_len -= done;
    return done;
}

/* Take bytes towards the current request; returns how many. */
static size_t receive(struct xsmini *s, struct xenstore_domain_interface *ring)
{
    size_t n;

    if (s->got < sizeof(s->hdr)) {
        n = ring_read(s, ring, (uint8_t *)&s->hdr + s->got, sizeof(s->hdr) - s->got);
        s->got += n;
        if (s->got == sizeof(s->hdr) && s->hdr.len > XENSTORE_PAYLOAD_MAX)
            protocol_error(s, "request too long");
    } else {
        size_t have = s->got - sizeof(s->hdr);

        n = ring_read(s, ring, s->body + have, s->hdr.len - have);
        s->got += n;
    }
    if (!s->broken && s->got >= sizeof(s->hdr) && s->got == sizeof(s->hdr) + s->hdr.len) {
        s->got = 0;
        handle_request(s);
    }
    return n;
}

void xsmini_serve(struct domain *d)
{
    struct xsmini *s = d->store;
    struct xenstore_domain_interface *ring = ram_frame(&d->ram, d->store_mfn);
    size_t taken = 0, sent = 0;

    if (!s || !ring)
        return;
    while (!s->broken && taken < SERVE_LIMIT) {
        size_t n = 0;

        sent += ring_write(s, ring);
        if (!s->broken && s->out_len <= OUT_LIMIT)
            n = receive(s, ring);
        if (!n)
            break;
        taken += n;
    }
    if (!s->broken)
        sent += ring_write(s, ring);
    if (taken || sent)
        evtchn_notify(d, d->store_port);
}

static void serve_port(struct domain *d, void *arg)
{
    xsmini_serve(d);
}

/* --- host side -------------------------------------------------------------------------- */

int xsmini_write(struct domain *d, const char *path, const char *value)
{
    struct request q = {.s = d->store, .by = PRIVILEGED};
    int code = d->store ? do_write(&q, path, value, strlen(value)) : ENOENT;

    xsmini_serve(d);
    return -code;
}

int xsmini_remove(struct domain *d, const char *path)
{
    struct request q = {.s = d->store, .by = PRIVILEGED};
    int code = d->store ? do_remove(&q, path) : ENOENT;

    xsmini_serve(d);
    return -code;
}

int xsmini_read(struct domain *d, const char *path, char *buf, size_t size)
{
    char abs[MAX_ABS_PATH + 1];
    const struct node *n;
    size_t len;

    if (!d->store || path_resolve(d->store, path, abs) < 0)
        return -EINVAL;
    n = node_find(d->store->root, abs);
    if (!n)
        return -ENOENT;
    len = n->value_len < size ? n->value_len : size - 1;
    memcpy(buf, n->value, len);
    buf[len] = '\0';
    return (int)len;
}

/* --- first content ---------------------------------------------------------------------- */

/* Write a key and give it to `owner`; everybody else's right is none but the guest's. */
static int PRINTF_FMT(4, 5)
    put(struct xsmini *s, const char *path, domid_t owner, const char *fmt, ...)
{
    struct request q = {.s = s, .by = PRIVILEGED};
    char value[128], abs[MAX_ABS_PATH + 1];
    struct node *n;
    va_list ap;
    int code;

    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    code = do_write(&q, path, value, strlen(value));
    if (code)
        return -code;
    (void)path_resolve(s, path, abs);
    n = node_find(s->root, abs);
    n->perms[0] = (struct perm){.id = owner, .mode = 'n'};
    n->perms[1] = (struct perm){.id = s->domid, .mode = 'r'};
    n->nr_perms = owner == s->domid ? 1 : 2;
    return 0;
}

static int fill_identity(struct domain *d, struct xsmini *s)
{
    char uuid[40], path[64];
    const uint8_t *u = d->uuid;
    int rc = 0;

    snprintf(uuid, sizeof(uuid),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    rc |= put(s, s->home, PRIVILEGED, "%s", "");
    snprintf(path, sizeof(path), "/vm/%s", uuid);
    rc |= put(s, path, PRIVILEGED, "%s", "");
    rc |= put(s, "vm", PRIVILEGED, "/vm/%s", uuid);
    snprintf(path, sizeof(path), "/vm/%s/uuid", uuid);
    rc |= put(s, path, PRIVILEGED, "%s", uuid);
    snprintf(path, sizeof(path), "/vm/%s/name", uuid);
    rc |= put(s, path, PRIVILEGED, "%s", d->name);
    rc |= put(s, "name", PRIVILEGED, "%s", d->name);
    rc |= put(s, "domid", PRIVILEGED, "%u", d->domid);
    return rc;
}

static int fill_resources(struct domain *d, struct xsmini *s)
{
    char path[64];
    int rc = 0;

    rc |= put(s, "cpu", PRIVILEGED, "%s", "");
    for (unsigned int i = 0; i < d->nr_vcpus; i++) {
        snprintf(path, sizeof(path), "cpu/%u", i);
        rc |= put(s, path, PRIVILEGED, "%s", "");
        snprintf(path, sizeof(path), "cpu/%u/availability", i);
        rc |= put(s, path, PRIVILEGED, "%s", "online");
    }
    rc |= put(s, "memory", PRIVILEGED, "%s", "");
    rc |= put(s, "memory/static-max", PRIVILEGED, "%" PRIu64, d->ram.max_pages * 4);
    rc |= put(s, "memory/target", PRIVILEGED, "%" PRIu64, d->ram.nr_pages * 4);
    rc |= put(s, "memory/videoram", PRIVILEGED, "%d", 0);
    rc |= put(s, "console", PRIVILEGED, "%s", "");
    rc |= put(s, "console/ring-ref", PRIVILEGED, "%" PRIu64, d->console_mfn);
    rc |= put(s, "console/port", PRIVILEGED, "%u", d->console_port);
    rc |= put(s, "console/type", PRIVILEGED, "%s", "xenconsoled");
    rc |= put(s, "console/limit", PRIVILEGED, "%d", 1048576);
    rc |= put(s, "console/output", PRIVILEGED, "%s", "pty");
    rc |= put(s, "console/tty", PRIVILEGED, "%s", "");
    rc |= put(s, "store", PRIVILEGED, "%s", "");
    rc |= put(s, "store/ring-ref", PRIVILEGED, "%" PRIu64, d->store_mfn);
    rc |= put(s, "store/port", PRIVILEGED, "%u", d->store_port);
    return rc;
}

static int fill_guest_areas(struct domain *d, struct xsmini *s)
{
    static const char *const shared[] = {"device", "control"};
    static const char *const own[] = {"control/shutdown",
                                      "control/feature-poweroff",
                                      "control/feature-reboot",
                                      "control/feature-suspend",
                                      "control/feature-s3",
                                      "control/feature-s4",
                                      "control/sysrq",
                                      "data",
                                      "drivers",
                                      "feature",
                                      "attr",
                                      "error",
                                      "device/suspend",
                                      "device/suspend/event-channel"};
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
        rc |= put(s, shared[i], PRIVILEGED, "%s", "");
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        rc |= put(s, own[i], d->domid, "%s", "");
    rc |= put(s, "control/platform-feature-multiprocessor-suspend", PRIVILEGED, "%d", 1);
    rc |= put(s, "control/platform-feature-xs_reset_watches", PRIVILEGED, "%d", 1);
    return rc;
}

int xsmini_init(struct domain *d, struct err *err)
{
    struct xsmini *s = calloc(1, sizeof(*s));

    d->store = s;
    if (!s)
        return err_set(err, ENOMEM, "xenstore: out of memory");
    s->domid = d->domid;
    snprintf(s->home, sizeof(s->home), "/local/domain/%u", d->domid);
    s->root = calloc(1, sizeof(*s->root));
    if (s->root) {
        s->root->name = strdup("");
        s->root->value = calloc(1, 1);
        s->root->perms[0] = (struct perm){.id = PRIVILEGED, .mode = 'r'};
        s->root->nr_perms = 1;
    }
    if (!s->root || !s->root->name || !s->root->value || fill_identity(d, s) ||
        fill_resources(d, s) || fill_guest_areas(d, s)) {
        xsmini_done(d);
        return err_set(err, ENOMEM, "xenstore: cannot make the domain's first entries");
    }
    return evtchn_set_handler(d, d->store_port, serve_port, NULL);
}

void xsmini_done(struct domain *d)
{
    struct xsmini *s = d->store;

    if (!s)
        return;
    for (unsigned int i = 0; i < MAX_TX; i++)
        tx_end(&s->tx[i]);
    while (s->nr_watches)
        watch_free(s, 0);
    node_free(s->root);
    free(s->out);
    free(s);
    d->store = NULL;
}
