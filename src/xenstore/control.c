/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control.c - see control.h. xenstore-control(1) shows the answers.
 */
#include "xenstore/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "xenstore/confine.h"
#include "xenstore/domains.h"

struct command {
    const char *name, *usage;
    unsigned int args;
    int (*fn)(struct conn *c, char *const *args);
};

static int reply_text(struct conn *c, const char *text)
{
    conn_reply(c, text, strlen(text) + 1);
    return 0;
}

static int control_bind(struct conn *c, char *const *args)
{
    domid_t id;
    int code = -xs_domid_parse(args[1], &id);

    if (!code && !confine_allows_domain(c, id))
        code = EACCES;
    if (!code)
        code = conn_bind(c, id);
    return code ? code : reply_text(c, "OK");
}

static int control_confine(struct conn *c, char *const *args)
{
    domid_t id;
    int code = -xs_domid_parse(args[1], &id);

    if (!code)
        code = confine_start(c, id, args[2]);
    return code ? code : reply_text(c, "OK");
}

static int control_reserve(struct conn *c, char *const *args)
{
    int code = confine_reserve(c, args[1]);

    return code ? code : reply_text(c, "OK");
}

static int control_print(struct conn *c, char *const *args)
{
    log_msg(LOG_INFO, "xenstore", "%.1000s", args[1]);
    return reply_text(c, "OK");
}

/* Counts again what the accounts should say. */
static void count_node(void *arg, domid_t owner, int nodes)
{
    struct store *recount = arg;

    domains_account(recount, owner, nodes);
}

static bool recount_node(void *arg, const char *path, const struct node *n)
{
    count_node(arg, n->perms[0].id, 1);
    return true;
}

static int control_check(struct conn *c, char *const *args)
{
    struct store recount = {0};
    char text[128] = "the store is sound";

    tree_visit(c->s->tree.root, "/", recount_node, &recount);
    for (const struct xs_domain *d = c->s->domains; d; d = d->next) {
        const struct xs_domain *other = domains_find(&recount, d->id);
        unsigned int nodes = other ? other->nodes : 0;

        if (nodes != d->nodes)
            snprintf(text, sizeof(text), "domain %u owns %u nodes, but %u are counted", d->id,
                     nodes, d->nodes);
    }
    store_done(&recount);
    return reply_text(c, text);
}

static int control_quota(struct conn *c, char *const *args)
{
    const struct quota *q = &c->s->quota;
    char text[XENSTORE_PAYLOAD_MAX];
    size_t at = (size_t)snprintf(text, sizeof(text),
                                 "limits of a domain: nodes %u, watches %u, transactions %u, "
                                 "transaction-nodes %u, node-size %u, permissions %u\n",
                                 q->nodes, q->watches, q->transactions, q->transaction_nodes,
                                 q->node_size, q->permissions);

    for (const struct xs_domain *d = c->s->domains; d && at < sizeof(text) - 128; d = d->next)
        at += (size_t)snprintf(text + at, sizeof(text) - at,
                               "domain %u: nodes %u, watches %u, transactions %u\n", d->id,
                               d->nodes, d->watches, d->transactions);
    return reply_text(c, text);
}

static int control_help(struct conn *c, char *const *args);

static const struct command commands[] = {
    {"help", "", 0, control_help},
    {"check", "", 0, control_check},
    {"print", " <text>", 1, control_print},
    {"quota", "", 0, control_quota},
    {XS_CONTROL_BIND, " <domid>", 1, control_bind},
    {XS_CONTROL_CONFINE, " <domid> <uuid>", 2, control_confine},
    {XS_CONTROL_RESERVE, " <path>", 1, control_reserve},
};

static int control_help(struct conn *c, char *const *args)
{
    char text[512];
    size_t at = 0;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s\n", commands[i].name,
                               commands[i].usage);
    return reply_text(c, text);
}

int control_handle(struct conn *c, char *const *args, unsigned int count)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(args[0], commands[i].name) != 0)
            continue;
        if (c->only && commands[i].fn != control_bind)
            return EACCES;
        return count == commands[i].args + 1 ? commands[i].fn(c, args) : EINVAL;
    }
    return EINVAL;
}
