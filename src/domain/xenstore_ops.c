/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_ops.c - the requests of the small xenstore (ABI section 12.2).
 *
 * A transaction works on a copy of the whole tree and replaces it at commit, unless somebody
 * else changed anything meanwhile (EAGAIN): coarse, but exactly serialised. Handlers return
 * a positive errno, as it goes into the answer, and have queued the answer if it is 0.
 */
#include "domain/xenstore_ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define MAX_NODES 1000 /* owned by the guest */
#define MAX_TX_CHANGES 1000
#define MAX_VALUE 2048
#define MAX_TOKEN 256
#define MAX_DEPTH 64
#define MAX_ABS_PATH XENSTORE_ABS_PATH_MAX
#define MAX_REL_PATH XENSTORE_REL_PATH_MAX
#define OUT_EVENT_LIMIT 262144 /* events beyond this are lost */

/* A request being handled. */
struct request {
    struct xsmini *s;
    domid_t by;
    struct xstx *tx; /* NULL = none */
    char *body;
    size_t len; /* body[len] is 0 */
};

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

    if (!xsnode_allows(xsnode_walk(s->root, path, &rest), s->domid, false))
        return;
    for (unsigned int i = 0; i < s->nr_watches; i++) {
        const struct xswatch *w = &s->watch[i];
        size_t home = strlen(s->home);

        if (xspath_is_below(path, w->abs))
            send_event(s, w->path[0] == '/' ? path : path + home + 1, w->token);
        else if (removed && xspath_is_below(w->abs, path))
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
    struct xswatch w;
    int code = watch_args(q, &token, abs);

    if (code)
        return code;
    if (watch_index(q, token) >= 0)
        return EEXIST;
    if (s->nr_watches == XSMINI_MAX_WATCHES)
        return ENOSPC;
    w = (struct xswatch){.path = strdup(q->body), .token = strdup(token), .abs = strdup(abs)};
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

static struct xsnode **request_root(struct request *q)
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
    struct xstx *tx = q->tx;
    struct xschange *p;
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
    p[tx->nr_changes++] = (struct xschange){.path = path, .removed = removed};
}

/* Why a node that is not there, or must not be touched, cannot be used. */
static int refusal(const struct xsnode *nearest, const char *rest, domid_t by, bool write)
{
    if (!xsnode_allows(nearest, by, write))
        return EACCES;
    return xsnode_found(rest) ? 0 : ENOENT;
}

static int find_readable(struct request *q, const char *given, struct xsnode **ret)
{
    char abs[MAX_ABS_PATH + 1];
    const char *rest;

    if (path_resolve(q->s, given, abs) < 0)
        return EINVAL;
    *ret = xsnode_walk(*request_root(q), abs, &rest);
    return refusal(*ret, rest, q->by, false);
}

/* Find the node for writing, making it and its parents if needed. */
static int find_or_create(struct request *q, const char *abs, struct xsnode **ret, bool *created)
{
    struct xsnode *root = *request_root(q);
    unsigned int missing = 0;
    const char *rest;
    struct xsnode *n = xsnode_walk(root, abs, &rest);

    *created = !xsnode_found(rest);
    if (!xsnode_allows(n, q->by, true))
        return EACCES;
    for (const char *p = rest; !xsnode_found(p); p += 1 + strcspn(p + 1, "/"))
        missing++;
    if (missing && q->by != XS_PRIVILEGED && xsnode_count(root, q->by) + missing > MAX_NODES)
        return ENOSPC;
    while (!xsnode_found(rest)) {
        size_t len = strcspn(rest + 1, "/");

        n = xsnode_add(n, rest + 1, len, q->by);
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
    struct xsnode *n;
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
    struct xsnode *n;
    const char *rest;

    if (path_resolve(q->s, given, abs) < 0 || !strcmp(abs, "/"))
        return EINVAL;
    if (!tx_has_room(q))
        return ENOSPC;
    n = xsnode_walk(*request_root(q), abs, &rest);
    if (!xsnode_allows(n, q->by, true))
        return EACCES;
    if (!xsnode_found(rest)) /* fine if only the last name is missing */
        return strchr(rest + 1, '/') ? ENOENT : 0;
    xsnode_remove(n);
    changed(q, abs, true);
    return 0;
}

/* --- operations ------------------------------------------------------------------------- */

static int op_directory(struct request *q)
{
    char buf[XENSTORE_PAYLOAD_MAX];
    size_t len = 0;
    struct xsnode *n;
    int code = find_readable(q, q->body, &n);

    if (code)
        return code;
    for (const struct xsnode *c = n->children; c; c = c->next) {
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
    struct xsnode *n;
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
    struct xsnode *n;
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
    char buf[XSNODE_MAX_PERMS * 8];
    size_t len = 0;
    struct xsnode *n;
    int code = find_readable(q, q->body, &n);

    if (code)
        return code;
    for (unsigned int i = 0; i < n->nr_perms; i++)
        len += (size_t)sprintf(buf + len, "%c%u", n->perms[i].mode, n->perms[i].id) + 1;
    reply(q, buf, len);
    return 0;
}

/* "r5": 0 or EINVAL. */
static int parse_perm(const char *text, struct xsperm *ret)
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
    *ret = (struct xsperm){.id = (domid_t)id, .mode = text[0]};
    return 0;
}

static int op_set_perms(struct request *q)
{
    char abs[MAX_ABS_PATH + 1];
    struct xsperm perms[XSNODE_MAX_PERMS] = {0};
    unsigned int nr = 0;
    struct xsnode *n;
    int code = find_readable(q, q->body, &n);

    if (code)
        return code;
    if (n->perms[0].id != q->by)
        return EACCES;
    for (size_t at = strlen(q->body) + 1; at < q->len; at += strlen(q->body + at) + 1) {
        if (nr == XSNODE_MAX_PERMS)
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

static void tx_end(struct xstx *tx)
{
    for (unsigned int i = 0; i < tx->nr_changes; i++)
        free(tx->changes[i].path);
    free(tx->changes);
    xsnode_free(tx->root);
    *tx = (struct xstx){0};
}

static struct xstx *tx_find(struct xsmini *s, uint32_t id)
{
    for (unsigned int i = 0; i < XSMINI_MAX_TX; i++) {
        if (s->tx[i].id == id)
            return &s->tx[i];
    }
    return NULL;
}

static int op_tx_start(struct request *q)
{
    struct xsmini *s = q->s;
    struct xstx *tx = tx_find(s, 0);
    char text[16];

    if (q->tx)
        return EBUSY;
    if (!tx)
        return ENOSPC;
    do {
        s->last_tx++;
    } while (!s->last_tx || tx_find(s, s->last_tx));
    tx->root = xsnode_copy(s->root, NULL);
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
    struct xstx tx;
    bool commit = q->body[0] == 'T';

    if (!q->tx)
        return ENOENT;
    if (strcmp(q->body, "T") && strcmp(q->body, "F"))
        return EINVAL;
    tx = *q->tx;
    *q->tx = (struct xstx){0};
    if (commit && tx.nr_changes && tx.generation != s->generation) {
        tx_end(&tx);
        return EAGAIN;
    }
    if (commit && tx.nr_changes) {
        struct xsnode *old = s->root;

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
    reply(q, id == XS_PRIVILEGED || id == q->s->domid ? "T" : "F", 2);
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

void xsops_handle(struct xsmini *s)
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

/* --- host side -------------------------------------------------------------------------- */

int xsops_write(struct xsmini *s, const char *path, const void *value, size_t len)
{
    struct request q = {.s = s, .by = XS_PRIVILEGED};

    return -do_write(&q, path, value, len);
}

int xsops_remove(struct xsmini *s, const char *path)
{
    struct request q = {.s = s, .by = XS_PRIVILEGED};

    return -do_remove(&q, path);
}

struct xsnode *xsops_find(struct xsmini *s, const char *path)
{
    char abs[MAX_ABS_PATH + 1];

    return path_resolve(s, path, abs) < 0 ? NULL : xsnode_find(s->root, abs);
}

void xsops_done(struct xsmini *s)
{
    for (unsigned int i = 0; i < XSMINI_MAX_TX; i++)
        tx_end(&s->tx[i]);
    while (s->nr_watches)
        watch_free(s, 0);
    xsnode_free(s->root);
    free(s->out);
}
