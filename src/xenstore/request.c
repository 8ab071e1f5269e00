/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * request.c - see request.h. A payload is strings, each with its NUL, but for the value of a
 * WRITE, which is bytes.
 */
#include "xenstore/request.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xenstore/confine.h"
#include "xenstore/control.h"
#include "xenstore/domains.h"
#include "xenstore/nodes.h"
#include "xenstore/watch.h"

/* More strings than any request may have. */
#define MAX_ARGS (XENSTORE_PAYLOAD_MAX / 2)

struct request {
    struct conn *c;
    struct view view;
    char *const *args;
    unsigned int nr_args;
};

static void reply_ok(const struct request *q)
{
    conn_reply(q->c, "OK", sizeof("OK"));
}

/* Most requests name a node first. */
static int resolve(const struct conn *c, const char *given, char abs[static XS_PATH_SIZE])
{
    int code = path_resolve(given, c->home, abs);

    return code ? code : confine_allows(c, abs) ? 0 : EACCES;
}

static int first_path(const struct request *q, char abs[static XS_PATH_SIZE])
{
    return resolve(q->c, q->args[0], abs);
}

/* The same, where a special watch is possible, too. */
static int first_path_or_special(const struct request *q, char abs[static XS_PATH_SIZE])
{
    const char *special = watch_special(q->args[0]);

    if (!special)
        return first_path(q, abs);
    memcpy(abs, special, strlen(special) + 1);
    return confine_allows(q->c, special) ? 0 : EACCES;
}

/* Answer "OK" if an operation went well. */
static int finish(const struct request *q, int code)
{
    if (!code)
        reply_ok(q);
    return code;
}

/* --- nodes ------------------------------------------------------------------------------ */

static int op_read(const struct request *q)
{
    char path[XS_PATH_SIZE];
    const struct node *n;
    int code = first_path(q, path);

    if (!code)
        code = nodes_find(&q->view, path, &n);
    if (code)
        return code;
    conn_reply(q->c, n->value, n->value_len);
    return 0;
}

/* The names of children from byte `offset` of their list on, as far as they fit whole; *ended
 * if the last is among them. */
static size_t list_names(const struct node *n, size_t offset, char *buf, size_t size, bool *ended)
{
    size_t at = 0, len = 0;
    unsigned int i;

    for (i = 0; i < n->nr_children; i++) {
        size_t need = strlen(n->children[i]->name) + 1;

        if (at >= offset) {
            if (need > size - len)
                break;
            memcpy(buf + len, n->children[i]->name, need);
            len += need;
        }
        at += need;
    }
    *ended = i == n->nr_children;
    return len;
}

static int op_directory(const struct request *q)
{
    char path[XS_PATH_SIZE], buf[XENSTORE_PAYLOAD_MAX];
    const struct node *n;
    bool ended = false;
    size_t len = 0;
    int code = first_path(q, path);

    if (!code)
        code = nodes_find(&q->view, path, &n);
    if (!code)
        len = list_names(n, 0, buf, sizeof(buf), &ended);
    if (!code && !ended)
        code = E2BIG;
    if (!code)
        conn_reply(q->c, buf, len);
    return code;
}

/* As DIRECTORY, in parts: the node's generation, names, and one NUL more after the last. */
static int op_directory_part(const struct request *q)
{
    char path[XS_PATH_SIZE], buf[XENSTORE_PAYLOAD_MAX];
    const struct node *n;
    unsigned long offset;
    size_t len;
    char *end;
    bool ended;
    int code = first_path(q, path);

    offset = strtoul(q->args[1], &end, 10);
    if (!code && (*end || end == q->args[1]))
        code = EINVAL;
    if (!code)
        code = nodes_find(&q->view, path, &n);
    if (code)
        return code;
    len = (size_t)snprintf(buf, sizeof(buf), "%" PRIu64, n->generation) + 1;
    len += list_names(n, offset, buf + len, sizeof(buf) - len - 1, &ended);
    if (ended)
        buf[len++] = '\0';
    conn_reply(q->c, buf, len);
    return 0;
}

static int op_write(const struct request *q)
{
    const struct conn *c = q->c;
    size_t n = strlen(c->body) + 1;
    char path[XS_PATH_SIZE];
    int code;

    if (n > c->hdr.len)
        return EINVAL;
    code = resolve(c, c->body, path);
    if (!code)
        code = nodes_write(&q->view, path, c->body + n, c->hdr.len - n);
    return finish(q, code);
}

static int op_mkdir(const struct request *q)
{
    char path[XS_PATH_SIZE];
    int code = first_path(q, path);

    return finish(q, code ? code : nodes_mkdir(&q->view, path));
}

static int op_rm(const struct request *q)
{
    char path[XS_PATH_SIZE];
    int code = first_path(q, path);

    if (!code && !confine_allows_removal(q->c, path))
        code = EACCES;
    return finish(q, code ? code : nodes_remove(&q->view, path));
}

static int op_get_perms(const struct request *q)
{
    char path[XS_PATH_SIZE], buf[XENSTORE_PAYLOAD_MAX];
    const struct node *n;
    size_t len = 0;
    int code = first_path_or_special(q, path);

    if (!code)
        code = nodes_find(&q->view, path, &n);
    if (code)
        return code;
    for (unsigned int i = 0; i < n->nr_perms; i++) {
        if (len + XS_PERM_TEXT > sizeof(buf))
            return E2BIG;
        len += xs_perm_format(buf + len, &n->perms[i]) + 1;
    }
    conn_reply(q->c, buf, len);
    return 0;
}

static int op_set_perms(const struct request *q)
{
    struct xs_perm perms[MAX_ARGS];
    unsigned int count = q->nr_args - 1;
    char path[XS_PATH_SIZE];
    int code = first_path_or_special(q, path);

    perms[0].id = 0;
    for (unsigned int i = 0; i < count && !code; i++)
        code = -xs_perm_parse(q->args[1 + i], &perms[i]);
    /* The owner is who the node is counted for. */
    if (!code && perms[0].id && !confine_allows_domain(q->c, perms[0].id))
        code = EACCES;
    return finish(q, code ? code : nodes_set_perms(&q->view, path, perms, count));
}

/* --- watches ---------------------------------------------------------------------------- */

static int op_watch(const struct request *q)
{
    int depth = -1, code;
    char *end, path[XS_PATH_SIZE];

    if (q->nr_args == 3) {
        unsigned long n = strtoul(q->args[2], &end, 10);

        if (*end || end == q->args[2] || n > XENSTORE_ABS_PATH_MAX)
            return EINVAL;
        depth = (int)n;
    }
    code = first_path_or_special(q, path);
    if (!code)
        code = watch_add(q->c, q->args[0], q->args[1], depth);
    if (code)
        return code;
    reply_ok(q);
    watch_fire_first(q->c);
    return 0;
}

static int op_unwatch(const struct request *q)
{
    return finish(q, watch_remove(q->c, q->args[0], q->args[1]));
}

static int op_reset_watches(const struct request *q)
{
    watch_remove_all(q->c);
    tx_abort_all(q->c);
    reply_ok(q);
    return 0;
}

/* --- transactions ----------------------------------------------------------------------- */

static int op_tx_start(const struct request *q)
{
    char text[16];
    uint32_t id;
    int code = q->view.tx ? EBUSY : tx_start(q->c, &id);

    if (!code)
        conn_reply(q->c, text, (size_t)snprintf(text, sizeof(text), "%" PRIu32, id) + 1);
    return code;
}

static int op_tx_end(const struct request *q)
{
    const char *how = q->args[0];
    bool stale;

    if (!q->view.tx)
        return ENOENT;
    if (strcmp(how, "T") != 0 && strcmp(how, "F") != 0)
        return EINVAL;
    /* What it did before something was reserved may be there: to be done again. */
    stale = q->c->only && q->view.tx->reservations != q->c->s->reservations;
    if (how[0] == 'T' && !stale)
        return finish(q, tx_commit(q->view.tx));
    tx_abort(q->view.tx);
    if (how[0] == 'T')
        return EAGAIN;
    reply_ok(q);
    return 0;
}

/* --- domains ---------------------------------------------------------------------------- */

static int domid_arg(const struct request *q, unsigned int i, domid_t *ret)
{
    return -xs_domid_parse(q->args[i], ret);
}

static int op_get_domain_path(const struct request *q)
{
    char home[XS_HOME_MAX];
    domid_t id;
    int code = domid_arg(q, 0, &id);

    if (code)
        return code;
    path_home(home, id);
    conn_reply(q->c, home, strlen(home) + 1);
    return 0;
}

static bool is_introduced(const struct request *q, domid_t id)
{
    const struct xs_domain *d = domains_find(q->c->s, id);

    return !id || (d && d->introduced);
}

static int op_is_introduced(const struct request *q)
{
    domid_t id;
    int code = domid_arg(q, 0, &id);

    if (!code)
        conn_reply(q->c, is_introduced(q, id) ? "T" : "F", 2);
    return code;
}

/* The frame and port are its own process's business; they just have to be numbers. */
static int op_introduce(const struct request *q)
{
    domid_t id;
    int code = domid_arg(q, 0, &id);

    for (unsigned int i = 1; i < q->nr_args && !code; i++) {
        char *end;

        (void)strtol(q->args[i], &end, 10);
        if (*end || end == q->args[i])
            code = EINVAL;
    }
    if (!code && !id)
        code = EINVAL;
    if (!code && !confine_allows_domain(q->c, id))
        code = EACCES;
    if (!code)
        code = domains_introduce(q->c->s, id);
    if (!code && q->c->only)
        memcpy(domains_find(q->c->s, id)->vm, q->c->only_vm, sizeof(q->c->only_vm));
    return finish(q, code);
}

/* A domain that the toolstack names must have been introduced. */
static int known_domain(const struct request *q, struct xs_domain **ret)
{
    domid_t id;
    int code = domid_arg(q, 0, &id);

    if (code)
        return code;
    if (!confine_allows_domain(q->c, id))
        return EACCES;
    *ret = domains_find(q->c->s, id);
    return *ret && (*ret)->introduced ? 0 : ENOENT;
}

static int op_release(const struct request *q)
{
    struct xs_domain *d;
    int code = known_domain(q, &d);

    if (!code)
        domains_release(q->c->s, d);
    return finish(q, code);
}

/* Nothing to do: a domain that runs on after a suspend was never marked as ended. */
static int op_resume(const struct request *q)
{
    struct xs_domain *d;

    return finish(q, known_domain(q, &d));
}

static int op_set_target(const struct request *q)
{
    struct xs_domain *d;
    domid_t target = 0;
    int code = known_domain(q, &d);

    if (!code)
        code = domid_arg(q, 1, &target);
    if (!code && q->c->only)
        code = EACCES;
    if (!code && !is_introduced(q, target))
        code = ENOENT;
    if (!code)
        d->target = target;
    return finish(q, code);
}

static int op_control(const struct request *q)
{
    return control_handle(q->c, q->args, q->nr_args);
}

/* --- dispatch --------------------------------------------------------------------------- */

#define RAW UINT_MAX /* min_args of requests that are not strings only */
#define ANY MAX_ARGS

/* By message type. A handler queues its answer, or returns the errno to answer. */
static const struct {
    int (*fn)(const struct request *q);
    unsigned int min_args, max_args;
    bool privileged;
} operations[] = {
    [XS_CONTROL] = {op_control, 1, ANY, true},
    [XS_DIRECTORY] = {op_directory, 1, 1, false},
    [XS_READ] = {op_read, 1, 1, false},
    [XS_GET_PERMS] = {op_get_perms, 1, 1, false},
    [XS_WATCH] = {op_watch, 2, 3, false},
    [XS_UNWATCH] = {op_unwatch, 2, 2, false},
    [XS_TRANSACTION_START] = {op_tx_start, RAW, ANY, false},
    [XS_TRANSACTION_END] = {op_tx_end, 1, 1, false},
    [XS_INTRODUCE] = {op_introduce, 3, 3, true},
    [XS_RELEASE] = {op_release, 1, 1, true},
    [XS_GET_DOMAIN_PATH] = {op_get_domain_path, 1, 1, false},
    [XS_WRITE] = {op_write, RAW, ANY, false},
    [XS_MKDIR] = {op_mkdir, 1, 1, false},
    [XS_RM] = {op_rm, 1, 1, false},
    [XS_SET_PERMS] = {op_set_perms, 2, ANY, false},
    [XS_IS_DOMAIN_INTRODUCED] = {op_is_introduced, 1, 1, false},
    [XS_RESUME] = {op_resume, 1, 1, true},
    [XS_SET_TARGET] = {op_set_target, 2, 2, true},
    [XS_RESET_WATCHES] = {op_reset_watches, RAW, ANY, false},
    [XS_DIRECTORY_PART] = {op_directory_part, 2, 2, false},
};

/* The strings of the payload; 0 if the last has no NUL or there are too many. */
static unsigned int split(struct conn *c, char *args[static MAX_ARGS])
{
    unsigned int n = 0;

    if (!c->hdr.len || c->body[c->hdr.len - 1])
        return 0;
    for (size_t at = 0; at < c->hdr.len; at += strlen(c->body + at) + 1) {
        if (n == MAX_ARGS)
            return 0;
        args[n++] = c->body + at;
    }
    return n;
}

static int dispatch(struct request *q, uint32_t type)
{
    if (type >= ARRAY_SIZE(operations) || !operations[type].fn)
        return ENOSYS;
    if (operations[type].privileged && q->c->domid)
        return EACCES;
    if (operations[type].min_args != RAW &&
        (q->nr_args < operations[type].min_args || q->nr_args > operations[type].max_args))
        return EINVAL;
    return operations[type].fn(q);
}

void request_handle(struct conn *c)
{
    char *args[MAX_ARGS];
    struct request q = {.c = c, .view = {.c = c}, .args = args, .nr_args = split(c, args)};
    int code;

    if (c->hdr.tx_id)
        q.view.tx = tx_find(c, c->hdr.tx_id);
    code = c->hdr.tx_id && !q.view.tx ? ENOENT : dispatch(&q, c->hdr.type);
    if (code)
        conn_reply_error(c, code);
}
