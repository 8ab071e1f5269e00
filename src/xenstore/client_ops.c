/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * client_ops.c - the requests of a client: what goes into each and what comes back.
 */
#include "xenstore/client_priv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* A request whose payload is one string. */
static int ask(struct xs_client *c, uint32_t type, xs_tx_t tx, const char *text)
{
    const struct xs_part part = {text, strlen(text) + 1};

    return xs_request(c, type, tx, &part, 1);
}

/* --- nodes ------------------------------------------------------------------------------ */

int xs_read(struct xs_client *c, xs_tx_t tx, const char *path, char **ret, size_t *ret_len)
{
    int rc = ask(c, XS_READ, tx, path);

    if (rc < 0)
        return rc;
    *ret = malloc(c->hdr.len + 1);
    if (!*ret)
        return -ENOMEM;
    memcpy(*ret, c->body, c->hdr.len + 1);
    if (ret_len)
        *ret_len = c->hdr.len;
    return 0;
}

int xs_read_number(struct xs_client *c, xs_tx_t tx, const char *path, uint64_t *ret)
{
    int rc = ask(c, XS_READ, tx, path);
    uint64_t value = 0;

    if (rc < 0)
        return rc;
    if (!c->hdr.len)
        return -EINVAL;
    for (size_t i = 0; i < c->hdr.len; i++) {
        if (c->body[i] < '0' || c->body[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c->body[i] - '0'), &value))
            return -EINVAL;
    }
    *ret = value;
    return 0;
}

int xs_write(struct xs_client *c, xs_tx_t tx, const char *path, const void *value, size_t len)
{
    const struct xs_part parts[] = {{path, strlen(path) + 1}, {value, len}};

    return xs_request(c, XS_WRITE, tx, parts, ARRAY_SIZE(parts));
}

int xs_printf(struct xs_client *c, xs_tx_t tx, const char *path, const char *fmt, ...)
{
    char value[XENSTORE_PAYLOAD_MAX];
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    if (len < 0 || (size_t)len >= sizeof(value))
        return -E2BIG;
    return xs_write(c, tx, path, value, (size_t)len);
}

int xs_mkdir(struct xs_client *c, xs_tx_t tx, const char *path)
{
    return ask(c, XS_MKDIR, tx, path);
}

int xs_rm(struct xs_client *c, xs_tx_t tx, const char *path)
{
    return ask(c, XS_RM, tx, path);
}

/* --- directories ------------------------------------------------------------------------ */

/* Names, each with its NUL, as they come from the daemon. */
struct names {
    char *text;
    size_t len;
};

static int names_add(struct names *n, const char *more, size_t len)
{
    char *p = realloc(n->text, n->len + len + 1);

    if (!p)
        return -ENOMEM;
    memcpy(p + n->len, more, len);
    n->text = p;
    n->len += len;
    n->text[n->len] = '\0';
    return 0;
}

/* A directory that is too big for a message. It starts again when the directory changes on the
 * way; the last part ends in one NUL more. */
static int directory_parts(struct xs_client *c, xs_tx_t tx, const char *path, struct names *n)
{
    char generation[32] = "", offset[24];

    for (;;) {
        int offset_len = snprintf(offset, sizeof(offset), "%zu", n->len);
        const struct xs_part parts[] = {
            {path, strlen(path) + 1},
            {offset, (size_t)offset_len + 1},
        };
        int rc = xs_request(c, XS_DIRECTORY_PART, tx, parts, ARRAY_SIZE(parts));
        size_t head, len;

        if (rc < 0)
            return rc;
        head = strnlen(c->body, c->hdr.len) + 1;
        if (head > sizeof(generation) || head >= c->hdr.len)
            return -EPROTO;
        if (n->len && strcmp(generation, c->body) != 0) {
            n->len = 0;
            continue;
        }
        memcpy(generation, c->body, head);
        len = c->hdr.len - head;
        if (len == 1 || (len > 1 && !c->body[head + len - 2]))
            return names_add(n, c->body + head, len - 1);
        rc = names_add(n, c->body + head, len);
        if (rc < 0)
            return rc;
    }
}

/* One allocation: the pointers, and behind them the names. */
static int names_to_array(const struct names *n, char ***ret, size_t *count)
{
    size_t number = 0;
    char **array, *text;

    for (size_t i = 0; i < n->len; i++)
        number += !n->text[i];
    array = malloc((number + 1) * sizeof(*array) + n->len);
    if (!array)
        return -ENOMEM;
    text = (char *)(array + number + 1);
    if (n->len)
        memcpy(text, n->text, n->len);
    for (size_t i = 0; i < number; i++) {
        array[i] = text;
        text += strlen(text) + 1;
    }
    array[number] = NULL;
    *ret = array;
    *count = number;
    return 0;
}

int xs_directory(struct xs_client *c, xs_tx_t tx, const char *path, char ***ret, size_t *count)
{
    struct names n = {0};
    int rc = ask(c, XS_DIRECTORY, tx, path);

    if (rc == -E2BIG)
        rc = directory_parts(c, tx, path, &n);
    else if (rc == 0)
        rc = c->hdr.len && c->body[c->hdr.len - 1] ? -EPROTO : names_add(&n, c->body, c->hdr.len);
    if (rc == 0)
        rc = names_to_array(&n, ret, count);
    free(n.text);
    return rc;
}

/* --- permissions ------------------------------------------------------------------------ */

int xs_get_perms(struct xs_client *c, xs_tx_t tx, const char *path, struct xs_perm **ret,
                 size_t *count)
{
    int rc = ask(c, XS_GET_PERMS, tx, path);
    struct xs_perm *perms;
    size_t n = 0;

    if (rc < 0)
        return rc;
    perms = calloc(c->hdr.len + 1, sizeof(*perms)); /* more than enough */
    if (!perms)
        return -ENOMEM;
    for (size_t at = 0; at < c->hdr.len && rc == 0; at += strlen(c->body + at) + 1)
        rc = xs_perm_parse(c->body + at, &perms[n++]);
    if (rc < 0) {
        free(perms);
        return -EPROTO;
    }
    *ret = perms;
    *count = n;
    return 0;
}

int xs_set_perms(struct xs_client *c, xs_tx_t tx, const char *path, const struct xs_perm *perms,
                 size_t count)
{
    CLEANUP_FREE char *text = malloc(count * XS_PERM_TEXT + 1);
    struct xs_part parts[] = {{path, strlen(path) + 1}, {text, 0}};

    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        parts[1].len += xs_perm_format(text + parts[1].len, &perms[i]) + 1;
    return xs_request(c, XS_SET_PERMS, tx, parts, ARRAY_SIZE(parts));
}

/* --- transactions ----------------------------------------------------------------------- */

int xs_transaction_start(struct xs_client *c, xs_tx_t *ret)
{
    int rc = ask(c, XS_TRANSACTION_START, XS_NO_TX, "");

    if (rc == 0)
        *ret = (xs_tx_t)strtoul(c->body, NULL, 10);
    return rc;
}

int xs_transaction_end(struct xs_client *c, xs_tx_t tx, bool commit)
{
    return ask(c, XS_TRANSACTION_END, tx, commit ? "T" : "F");
}

/* --- domains ---------------------------------------------------------------------------- */

int xs_introduce(struct xs_client *c, domid_t domid, mfn_t ring, port_t port)
{
    char id[8], mfn[24], evtchn[16];
    const struct xs_part parts[] = {
        {id, (size_t)snprintf(id, sizeof(id), "%u", domid) + 1},
        {mfn, (size_t)snprintf(mfn, sizeof(mfn), "%" PRIu64, ring) + 1},
        {evtchn, (size_t)snprintf(evtchn, sizeof(evtchn), "%" PRIu32, port) + 1},
    };

    return xs_request(c, XS_INTRODUCE, XS_NO_TX, parts, ARRAY_SIZE(parts));
}

int xs_release(struct xs_client *c, domid_t domid)
{
    char id[8];

    snprintf(id, sizeof(id), "%u", domid);
    return ask(c, XS_RELEASE, XS_NO_TX, id);
}

int xs_reserve(struct xs_client *c, const char *path)
{
    const struct xs_part parts[] = {
        {XS_CONTROL_RESERVE, sizeof(XS_CONTROL_RESERVE)},
        {path, strlen(path) + 1},
    };

    return xs_request(c, XS_CONTROL, XS_NO_TX, parts, ARRAY_SIZE(parts));
}

int xs_connect_domain(const char *socket_path, domid_t domid, struct err *err)
{
    struct xs_client *c;
    char id[8];
    const struct xs_part parts[] = {
        {XS_CONTROL_BIND, sizeof(XS_CONTROL_BIND)},
        {id, (size_t)snprintf(id, sizeof(id), "%u", domid) + 1},
    };
    int rc = xs_connect(&c, socket_path, err), fd;

    if (rc < 0)
        return rc;
    rc = xs_request(c, XS_CONTROL, XS_NO_TX, parts, ARRAY_SIZE(parts));
    fd = STEAL_FD(c->fd);
    xs_close(c);
    if (rc < 0) {
        close(fd);
        return err_set(err, -rc, "xenstored refuses a connection for domain %u: %s", domid,
                       strerror(-rc));
    }
    return fd;
}
