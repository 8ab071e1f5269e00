/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-xenstore.c - everything that guests and tools can send to xenstored. An input is a list
 * of records, each for one of four connections (0: domain 0's, 1-3: domains 1 to 3):
 *
 *   u8 what    low two bits: the connection; the next two: 0 a request, 1 plain bytes,
 *              2 take answers, 3 close it and connect anew
 *   u8 len     bytes of payload; of answers, in units of 16
 *   request:   u8 type, u8 transaction: 0 none, n the n-th youngest id; then the payload
 *   bytes:     the bytes
 *
 * Whatever it is, messages that come out are well-formed, accounts are right, and at the end
 * nothing of the domains is left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fuzz_input.h"
#include "xenstore/conn.h"
#include "xenstore/domains.h"

#define NR_CONNS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store store;
static struct conn *conns[NR_CONNS];

/* --- what comes out --------------------------------------------------------------------- */

static void take_answers(struct conn *c, size_t most)
{
    size_t taken = 0;

    while (c->out_len && taken < most) {
        struct xsd_sockmsg hdr;

        must(c->out_len >= sizeof(hdr), "a message has a header");
        memcpy(&hdr, c->out + c->out_at, sizeof(hdr));
        must(hdr.len <= XENSTORE_PAYLOAD_MAX, "a payload is not too long");
        must(c->out_len >= sizeof(hdr) + hdr.len, "a message is whole");
        must(hdr.type != XS_WATCH_EVENT || (!hdr.req_id && !hdr.tx_id), "events have no ids");
        conn_taken(c, sizeof(hdr) + hdr.len);
        taken += sizeof(hdr) + hdr.len;
    }
}

static bool count_node(void *arg, const char *path, const struct node *n)
{
    struct store *recount = arg;

    must(n->nr_perms > 0, "a node has an owner");
    must(tree_find(&store.tree, path) == n, "a node is where its path says");
    domains_account(recount, n->perms[0].id, 1);
    return true;
}

static void check_accounts(void)
{
    struct store recount = {0};

    tree_visit(store.tree.root, "/", count_node, &recount);
    for (const struct xs_domain *d = store.domains; d; d = d->next) {
        const struct xs_domain *other = domains_find(&recount, d->id);

        must(d->nodes == (other ? other->nodes : 0), "nodes are counted right");
    }
    store_done(&recount);
}

/* --- what goes in ----------------------------------------------------------------------- */

static void connect_conn(unsigned int who)
{
    conns[who] = conn_new(&store);
    must(conns[who] != NULL, "there is memory");
    if (who)
        must(conn_bind(conns[who], (domid_t)who) == 0, "a new connection can be a domain's");
}

static void disconnect_conn(unsigned int who)
{
    conn_free(conns[who]);
    conns[who] = NULL;
}

static void feed(struct conn *c, const void *data, size_t len)
{
    if (len > conn_room(c))
        len = conn_room(c);
    memcpy(c->in + c->in_len, data, len);
    c->in_len += len;
    conn_turn(c, 8);
}

static void send_request(struct conn *c, uint8_t type, uint8_t tx, const uint8_t *body, size_t len)
{
    const struct xsd_sockmsg hdr = {
        .type = type, .req_id = 1, .tx_id = tx ? store.last_tx + 1 - tx : 0, .len = (uint32_t)len};

    feed(c, &hdr, sizeof(hdr));
    feed(c, body, len);
}

/* Like the server: what is broken goes, and with it maybe others. */
static void reap(void)
{
    for (unsigned int i = 0; i < NR_CONNS; i++) {
        if (conns[i]->broken) {
            disconnect_conn(i);
            connect_conn(i);
        }
    }
}

/* One record; returns its size, 0 at the end. */
static size_t run_record(const uint8_t *data, size_t size)
{
    unsigned int who, what;
    size_t len, head = 2;

    if (size < 4)
        return 0;
    who = data[0] % NR_CONNS;
    what = data[0] / NR_CONNS % 4;
    len = data[1];
    if (what == 0)
        head = 4;
    if (what > 1) {
        if (what == 2)
            take_answers(conns[who], len * 16);
        else
            disconnect_conn(who);
        if (what == 3)
            connect_conn(who);
        return head;
    }
    if (len > size - head)
        len = size - head;
    if (what == 0)
        send_request(conns[who], data[2], data[3], data + head, len);
    else
        feed(conns[who], data + head, len);
    return head + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n;

    log_set_level(LOG_ERROR);
    must(store_init(&store) == 0, "there is memory");
    for (unsigned int i = 0; i < NR_CONNS; i++)
        connect_conn(i);
    while ((n = run_record(data, size)) > 0) {
        data += n;
        size -= n;
        reap();
    }
    check_accounts();
    for (unsigned int i = 0; i < NR_CONNS; i++) {
        take_answers(conns[i], SIZE_MAX);
        must(!conns[i]->out_len, "all answers can be taken");
    }
    for (unsigned int i = NR_CONNS; i-- > 0;)
        disconnect_conn(i);
    for (domid_t id = 1; id < NR_CONNS; id++)
        must(!domains_find(&store, id) || domains_find(&store, id)->introduced,
             "a domain goes with its last connection");
    store_done(&store);
    return 0;
}
