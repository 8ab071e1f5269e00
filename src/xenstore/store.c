/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * store.c - the store at its beginning and its end.
 */
#include "xenstore/store.h"

#include <stdlib.h>
#include <string.h>

#include "xenstore/domains.h"
#include "xenstore/watch.h"

/* Xen's, where it has such a limit. */
static const struct quota default_quota = {
    .nodes = 1000,
    .watches = 128,
    .transactions = 10,
    .transaction_nodes = 1024,
    .transaction_bytes = 4 * 1024 * 1024,
    .node_size = 2048,
    .permissions = 5,
};

static void account_nothing(void *arg, domid_t owner, int nodes)
{
}

static int put(struct tree *t, const char *path, const char *value)
{
    int code = tree_create(t, path, 0);

    return code ? code : tree_set_value(t, path, value, strlen(value));
}

static int put_first_nodes(struct store *s)
{
    static const char *const nodes[][2] = {
        {"/tool/xenstored", ""},
        {"/tool/xenstored/domid", "0"},
        {"/local/domain/0/domid", "0"},
        {"/local/domain/0/name", "Domain-0"},
        {"/vm", ""},
    };
    int code = 0;

    for (size_t i = 0; i < ARRAY_SIZE(nodes) && !code; i++)
        code = put(&s->tree, nodes[i][0], nodes[i][1]);
    if (!code)
        code = put(&s->special, "/" XS_INTRODUCE_DOMAIN, "");
    if (!code)
        code = put(&s->special, "/" XS_RELEASE_DOMAIN, "");
    return code;
}

int store_init(struct store *s)
{
    *s = (struct store){.quota = default_quota};
    if (tree_init(&s->tree, &s->generation, domains_account, s) ||
        tree_init(&s->special, &s->generation, account_nothing, NULL) || put_first_nodes(s)) {
        store_done(s);
        return -ENOMEM;
    }
    return 0;
}

void store_done(struct store *s)
{
    tree_done(&s->tree);
    tree_done(&s->special);
    while (s->domains) {
        struct xs_domain *d = s->domains;

        s->domains = d->next;
        free(d);
    }
}
