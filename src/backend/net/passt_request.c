/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * passt_request.c - see passt_request.h.
 */
#include "backend/net/passt_request.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct passt_forward) == 22, "no padding");
_Static_assert(sizeof(struct passt_request) == 12 + 22 * VIF_MAX_FORWARDS, "no padding");

void passt_request_make(struct passt_request *r, const struct vif_config *c, bool local)
{
    memset(r, 0, sizeof(*r));
    r->local = local;
    r->mtu = c->mtu;
    r->nr_forwards = c->nr_forwards;
    for (unsigned int i = 0; i < c->nr_forwards; i++) {
        const struct vif_forward *from = &c->forward[i];
        struct passt_forward *to = &r->forward[i];

        to->udp = from->udp;
        to->host_port = from->host_port;
        to->guest_port = from->guest_port;
        if (!from->address[0])
            continue;
        /* vif_config_parse() has seen that it is one of both. */
        to->family = inet_pton(AF_INET, from->address, to->address) == 1 ? 4 : 6;
        if (to->family == 6)
            (void)inet_pton(AF_INET6, from->address, to->address);
    }
}

static bool forward_is_valid(const struct passt_forward *f)
{
    static const uint8_t zero[16];
    size_t used = f->family == 6 ? 16 : f->family;

    return f->udp <= 1 && (f->family == 0 || f->family == 4 || f->family == 6) &&
           f->host_port != 0 && f->guest_port != 0 &&
           memcmp(f->address + used, zero, sizeof(zero) - used) == 0;
}

bool passt_request_is_valid(const struct passt_request *r)
{
    static const struct passt_forward none;

    if (r->local > 1 || r->nr_forwards > VIF_MAX_FORWARDS ||
        (r->mtu != 0 && (r->mtu < VIF_MIN_MTU || r->mtu > VIF_MAX_MTU)))
        return false;
    for (unsigned int i = 0; i < VIF_MAX_FORWARDS; i++)
        if (i < r->nr_forwards ? !forward_is_valid(&r->forward[i])
                               : memcmp(&r->forward[i], &none, sizeof(none)) != 0)
            return false;
    return true;
}

bool passt_request_is_same(const struct passt_request *a, const struct passt_request *b)
{
    return a->mtu == b->mtu && a->nr_forwards == b->nr_forwards &&
           memcmp(a->forward, b->forward, sizeof(a->forward)) == 0;
}

static void add(struct passt_arguments *a, const char *word)
{
    a->word[a->count++] = (char *)(uintptr_t)word; /* execvp() changes none */
}

/* A network that ends at this host, for one that has no other: the guest reaches services on
 * the host's loopback at the gateway's address. */
static void add_local(struct passt_arguments *a)
{
    static const char *const words[] = {
        "--interface", "lo",        "--address", "10.0.2.15",  "--netmask",
        "24",          "--gateway", "10.0.2.2",  "--mac-addr", "9a:55:9a:55:9a:55"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        add(a, words[i]);
}

void passt_request_arguments(const struct passt_request *r, struct passt_arguments *a)
{
    memset(a, 0, sizeof(*a));
    snprintf(a->number, sizeof(a->number), "%d", PASST_FD);
    add(a, "passt");
    add(a, "--quiet");
    add(a, "--fd");
    add(a, a->number);
    if (r->local)
        add_local(a);
    if (r->mtu) {
        snprintf(a->mtu, sizeof(a->mtu), "%u", r->mtu);
        add(a, "--mtu");
        add(a, a->mtu);
    }
    for (unsigned int i = 0; i < r->nr_forwards; i++) {
        const struct passt_forward *f = &r->forward[i];
        char address[INET6_ADDRSTRLEN] = "";

        if (f->family)
            (void)inet_ntop(f->family == 4 ? AF_INET : AF_INET6, f->address, address,
                            sizeof(address));
        snprintf(a->forward[i], sizeof(a->forward[i]), "%s%s%u:%u", address, address[0] ? "/" : "",
                 f->host_port, f->guest_port);
        add(a, f->udp ? "--udp-ports" : "--tcp-ports");
        add(a, a->forward[i]);
    }
}
