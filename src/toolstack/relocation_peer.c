/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relocation_peer.c - see relocation.h: which hosts may send domains. Patterns are matched with the
 * peer's address, and with its name if that name has this address: who may write the reverse zone
 * of an address could otherwise call it as he likes.
 */
#define _GNU_SOURCE
#include "toolstack/relocation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "config/regex.h"
#include "toolstack/xend_config.h"

struct peer {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
    };
    socklen_t len;
};

/* An IPv4 address that came to an IPv6 socket is one. */
static void unmap(struct peer *p)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    if (p->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&p->in6.sin6_addr))
        return;
    memcpy(&in.sin_addr, &p->in6.sin6_addr.s6_addr[12], sizeof(in.sin_addr));
    p->in = in;
    p->len = sizeof(in);
}

static bool is_address_of(const struct peer *p, const char *address, const char *name)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = p->sa.sa_family};
    struct addrinfo *found = NULL;
    char text[RELOCATION_PEER];
    bool is = false;

    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return false;
    for (const struct addrinfo *a = found; a && !is; a = a->ai_next)
        is = getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) ==
                 0 &&
             strcmp(text, address) == 0;
    freeaddrinfo(found);
    return is;
}

/* Patterns are separated by blanks; as with Python's match() each begins at the start. */
static bool matches(const char *patterns, const char *text)
{
    struct arena a = {0};
    bool found = false;

    for (const char *p = patterns; *p && !found;) {
        size_t n = strcspn(p, " \t\n");
        struct regex_match m;
        const char *why = NULL;
        const struct regex *re = n ? regex_compile(&a, arena_strndup(&a, p, n), &why) : NULL;

        found = re && regex_find(&a, re, text, strlen(text), true, &m);
        p += n;
        p += strspn(p, " \t\n");
    }
    arena_done(&a);
    return found;
}

int relocation_check_peer(int sock, char address[static RELOCATION_PEER], struct err *err)
{
    const char *allowed = xend_config_string(xend_config_own(), "xend-relocation-hosts-allow");
    struct peer p = {.len = sizeof(p.storage)};
    char name[RELOCATION_PEER];

    if (getpeername(sock, &p.sa, &p.len) < 0)
        return err_set(err, EACCES, "there is no peer: %s", strerror(errno));
    unmap(&p);
    if (getnameinfo(&p.sa, p.len, address, RELOCATION_PEER, NULL, 0, NI_NUMERICHOST) != 0)
        return err_set(err, EACCES, "the peer has no address");
    if (!allowed[0] || matches(allowed, address)) /* empty: so asked for */
        return 0;
    if (getnameinfo(&p.sa, p.len, name, sizeof(name), NULL, 0, NI_NAMEREQD) == 0 &&
        matches(allowed, name) && is_address_of(&p, address, name))
        return 0;
    return err_set(err, EACCES, "%s is not among xend-relocation-hosts-allow", address);
}
