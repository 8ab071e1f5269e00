/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore-quota - claim: a domain's nodes, watches, transactions, permissions and values end at
 * Xen's limits with ENOSPC; a directory too large for one answer is E2BIG, and can be had in
 * parts; a request header of more than 4096 bytes ends the connection; a message that wraps
 * around the ring is whole.
 *
 * Blind spots: limits of bytes that wait for a guest that takes none.
 */
#include "xenstore.h"

/* "data/PREFIX" and a number of four digits, all names long enough for a large directory. */
static uint32_t make_path(char buf[128], char prefix, unsigned int number)
{
    memset(buf, prefix, 60);
    memcpy(buf, "data/", 5);
    for (unsigned int i = 0; i < 4; i++, number /= 10)
        buf[63 - i] = (char)('0' + number % 10);
    buf[64] = '\0';
    return 65;
}

static void check_watches(void)
{
    char buf[128];
    uint32_t size;
    unsigned int n = 0;

    for (;; n++) {
        size = make_path(buf, 'w', n);
        memcpy(buf + size, "t", 2);
        if (xs_request(XS_WATCH, 0, buf, size + 2) != XS_WATCH)
            break;
        xs_nr_events = 0;
    }
    CHECK_EQ(n, 128, "watches");
    CHECK(xs_refused("ENOSPC", XS_WATCH, 0, buf, size + 2), "one more");
    CHECK_EQ(XS_ASK(XS_RESET_WATCHES, ""), XS_RESET_WATCHES, "reset_watches");
}

static void check_transactions(void)
{
    uint32_t tx[11];

    for (unsigned int i = 0; i < 10; i++) {
        tx[i] = xs_start();
        CHECK(tx[i], "transaction %u is refused", i);
    }
    CHECK(XS_REFUSED("ENOSPC", XS_TRANSACTION_START, ""), "the 11th transaction");
    for (unsigned int i = 0; i < 10; i++)
        CHECK(xs_end(tx[i], false), "its end");
}

static void check_values(void)
{
    static char buf[8 + 2050];

    memset(buf, 'v', sizeof(buf));
    memcpy(buf, "data/va", 8);
    CHECK_EQ(xs_request(XS_WRITE, 0, buf, 8 + 2048), XS_WRITE, "a value of 2048 bytes");
    CHECK_EQ(XS_ASK(XS_READ, "data/va"), XS_READ, "read it");
    CHECK_EQ(xs_reply_size, 2048, "its size");
    CHECK(xs_refused("ENOSPC", XS_WRITE, 0, buf, 8 + 2049), "a value of 2049 bytes");
    CHECK_EQ(XS_ASK(XS_RM, "data/va"), XS_RM, "rm");
}

static void check_permissions(void)
{
    char buf[64] = "data/p", *at = buf + 7, own[8] = "n";

    CHECK(xs_write("", "data/p", ""), "write");
    CHECK(xs_read("", "domid") && xs_reply_size < 6, "domid");
    memcpy(own + 1, xs_reply, xs_reply_size + 1);
    for (unsigned int i = 0; i < 6; i++) {
        const char *perm = i == 0 ? own : "r0";

        memcpy(at, perm, strlen(perm) + 1);
        at += strlen(perm) + 1;
        if (i == 4)
            CHECK_EQ(xs_request(XS_SET_PERMS, 0, buf, (uint32_t)(at - buf)), XS_SET_PERMS,
                     "five permissions");
    }
    CHECK(xs_refused("ENOSPC", XS_SET_PERMS, 0, buf, (uint32_t)(at - buf)), "six permissions");
    CHECK_EQ(XS_ASK(XS_RM, "data/p"), XS_RM, "rm");
}

static void check_nodes(void)
{
    char buf[128];
    unsigned int n = 0;
    uint32_t size;

    for (; n < 2000; n++) {
        size = make_path(buf, 'n', n);
        if (xs_request(XS_MKDIR, 0, buf, size) != XS_MKDIR)
            break;
    }
    CHECK(n > 900 && n <= 1000, "%u nodes can be made", n);
    CHECK(xs_refused("ENOSPC", XS_MKDIR, 0, buf, size), "one more");
    CHECK(xs_refused("ENOSPC", XS_WRITE, 0, buf, size), "one more by writing");
    CHECK(xs_write("", "data", "still"), "writing what is there");
}

/* Of the nodes that check_nodes() made. */
static void check_parts(void)
{
    unsigned long offset = 0, names = 0;
    char buf[32] = "data";
    bool ended = false;

    CHECK(XS_REFUSED("E2BIG", XS_DIRECTORY, "data"), "a directory of too many names");
    while (!ended && names < 2000) {
        const char *at;
        uint32_t size = 5;
        char digits[8];
        unsigned int nr = 0;
        unsigned long rest = offset;

        do {
            digits[nr++] = (char)('0' + rest % 10);
            rest /= 10;
        } while (rest);
        while (nr)
            buf[size++] = digits[--nr];
        buf[size++] = '\0';
        if (xs_request(XS_DIRECTORY_PART, 0, buf, size) != XS_DIRECTORY_PART) {
            failure("directory_part from %lu on: %s", offset, xs_reply);
            return;
        }
        for (at = xs_reply + strlen(xs_reply) + 1; at < xs_reply + xs_reply_size;
             at += strlen(at) + 1) {
            ended = !*at;
            names += !ended;
            offset += ended ? 0 : strlen(at) + 1;
        }
    }
    CHECK(names > 900 && names <= 1000, "%lu names in all parts", names);
    CHECK_EQ(XS_ASK(XS_RM, "data"), XS_RM, "rm of all");
}

/* Last: the connection is gone after it. */
static void check_too_long(void)
{
    struct xsd_sockmsg head = {.type = XS_READ, .req_id = 77, .len = 4097};

    CHECK(xs_put(&head, sizeof(head)), "a header of 4097 bytes");
    xs_poll_events(20000000);
    xs_put("domid", 6);
    head = (struct xsd_sockmsg){.type = XS_READ, .req_id = 78, .len = 6};
    xs_put(&head, sizeof(head));
    xs_put("domid", 6);
    spin_ns(20000000);
    CHECK_EQ(*(volatile uint32_t *)&xs_ring()->rsp_prod, xs_ring()->rsp_cons, "answers after it");
}

void test_main(void)
{
    check_watches();
    check_transactions();
    check_values();
    check_permissions();
    check_nodes();
    check_parts();
    check_too_long();
}
