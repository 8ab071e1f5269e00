/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif_spec.c - see vif_spec.h.
 *
 * A MAC address that nobody gave is made of the domain's identity, its number among the
 * domain's interfaces and this host's machine-id: the same at every start, and different for
 * two hosts that run a domain of the same name on one network.
 */
#define _GNU_SOURCE
#include "config/vif_spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "config/domain_config.h"
#include "config/vif_fallback.h"

#define SPEC_MAX 1024
#define MAX_VIFS 64
#define DEFAULT_RATE_US 50000
#define MAX_RATE_US 60000000ull
#define MAX_RATE 1000000000000000ull    /* bytes a second */
#define MAX_RATE_BYTES 1000000000000ull /* per interval */
#define LOOPBACK "127.0.0.1"

struct spec {
    json_t *object;
    unsigned int devid;
    const char *type, *hostfwd, *vifname, *rate; /* as given, NULL = not */
    const char *unused;
    bool has_mac;
};

/* --- values ----------------------------------------------------------------------------- */

/* A decimal number within [min, max], all of the text up to `end`. */
static bool parse_number(const char *text, const char *end, unsigned long long min,
                         unsigned long long max, unsigned long long *ret)
{
    unsigned long long n = 0;

    if (text == end)
        return false;
    for (; text < end; text++) {
        if (!isdigit((unsigned char)*text))
            return false;
        n = n * 10 + (unsigned int)(*text - '0');
        if (n > max)
            return false;
    }
    *ret = n;
    return n >= min;
}

/* As Xen writes it: two digits each, lower case. Not a group's address. */
static int take_mac(struct spec *s, const char *text, struct err *err)
{
    unsigned int m[6];
    int end = -1;
    char mac[64];

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &end) !=
            6 ||
        end < 0 || text[end] || strspn(text, "0123456789abcdefABCDEF:") != strlen(text))
        return err_set(err, EINVAL, "mac=%s: six pairs of hexadecimal digits are needed", text);
    if (m[0] & 1)
        return err_set(err, EINVAL, "mac=%s is the address of a group", text);
    if (!(m[0] | m[1] | m[2] | m[3] | m[4] | m[5]))
        return err_set(err, EINVAL, "mac=%s is no address", text);
    snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    json_object_set_new(s->object, "mac", json_string(mac));
    s->has_mac = true;
    return 0;
}

static uint64_t hash(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3ull;
    return (h ^ 0xff) * 0x100000001b3ull; /* where one text ends matters */
}

/* 00:16:3e is Xen's; a fourth byte below 0x80 is for generated ones. */
static void make_mac(const struct spec *s, const struct vif_identity *identity)
{
    CLEANUP_FREE char *machine = NULL;
    uint64_t h = 0xcbf29ce484222325ull;
    size_t len;
    char mac[18], number[16];

    if (io_read_file("/etc/machine-id", 256, &machine, &len, NULL) < 0)
        machine = strdup("");
    snprintf(number, sizeof(number), "%u", s->devid);
    h = hash(h, machine ? machine : "");
    h = hash(h, identity->uuid[0] ? identity->uuid : identity->name);
    h = hash(h, number);
    h ^= h >> 29;
    snprintf(mac, sizeof(mac), "00:16:3e:%02x:%02x:%02x", (unsigned int)(h >> 16 & 0x7f),
             (unsigned int)(h >> 8 & 0xff), (unsigned int)(h & 0xff));
    json_object_set_new(s->object, "mac", json_string(mac));
}

/* "10Mb/s", "250KB/s@20ms": what may pass in each interval. */
static int take_rate(struct spec *s, const char *text, struct err *err)
{
    const char *p = text + strspn(text, "0123456789");
    unsigned long long n, scale = 1, us = DEFAULT_RATE_US, unit;
    bool good = parse_number(text, p, 1, 1000000000ull, &n);

    if (*p == 'G' || *p == 'M' || *p == 'K') {
        scale = *p == 'G' ? 1000000000ull : *p == 'M' ? 1000000ull : 1000ull;
        p++;
    }
    good = good && (*p == 'b' || *p == 'B') && p[1] == '/' && p[2] == 's';
    if (good) {
        bool bits = *p == 'b';

        n = n * scale / (bits ? 8 : 1);
        good = n <= MAX_RATE;
        p += 3;
    }
    if (good && *p == '@') {
        const char *end = p + 1 + strspn(p + 1, "0123456789");

        unit = *end == 'm' ? 1000 : *end == 'u' ? 1 : 1000000;
        good = parse_number(p + 1, end, 1, MAX_RATE_US / unit, &us);
        us *= unit;
        p = end + (unit != 1000000);
        good = good && *p == 's';
        p += good;
    }
    if (!good || *p)
        return err_set(err, EINVAL, "rate=%s: such as 10Mb/s or 250KB/s@20ms is needed", text);
    n = n / 1000000 * us + n % 1000000 * us / 1000000;
    if (n < 1 || n > MAX_RATE_BYTES)
        return err_set(err, EINVAL, "rate=%s: that is %llu bytes in each interval", text, n);
    json_object_set_new(s->object, "rate_bytes", json_integer((json_int_t)n));
    json_object_set_new(s->object, "rate_us", json_integer((json_int_t)us));
    return 0;
}

static int take_mtu(struct spec *s, const char *text, struct err *err)
{
    unsigned long long n;

    if (!parse_number(text, text + strlen(text), 68, 65521, &n))
        return err_set(err, EINVAL, "mtu=%s: a number from 68 to 65521 is needed", text);
    json_object_set_new(s->object, "mtu", json_integer((json_int_t)n));
    return 0;
}

/* --- hostfwd ---------------------------------------------------------------------------- */

/* [tcp:|udp:][ADDRESS:]HOST_PORT:GUEST_PORT; ADDRESS * = all, an IPv6 one in brackets. */
static int add_forward(json_t *list, const char *text, struct err *err)
{
    bool udp = strncmp(text, "udp:", 4) == 0;
    const char *rest = udp || strncmp(text, "tcp:", 4) == 0 ? text + 4 : text;
    const char *guest = strrchr(rest, ':');
    const char *host = guest ? memrchr(rest, ':', (size_t)(guest - rest)) : NULL;
    unsigned long long host_port, guest_port;
    char address[48] = LOOPBACK;
    size_t len = host ? (size_t)(host - rest) : 0;

    host = host ? host + 1 : rest;
    if (len >= 2 && rest[0] == '[' && rest[len - 1] == ']') {
        rest++;
        len -= 2;
    }
    if (!guest || !parse_number(host, guest, 1, 65535, &host_port) ||
        !parse_number(guest + 1, guest + strlen(guest), 1, 65535, &guest_port) ||
        len >= sizeof(address))
        return err_set(err, EINVAL,
                       "hostfwd=%s: [tcp:|udp:][ADDRESS:]HOST_PORT:GUEST_PORT is needed", text);
    if (len > 0)
        snprintf(address, sizeof(address), "%.*s", (int)len, rest);
    if (json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i}", "protocol",
                                              udp ? "udp" : "tcp", "address",
                                              strcmp(address, "*") == 0 ? "" : address, "host_port",
                                              (int)host_port, "guest_port", (int)guest_port)) < 0)
        return err_set(err, ENOMEM, "out of memory");
    return 0;
}

static int take_forwards(struct spec *s, struct err *err)
{
    CLEANUP_FREE char *copy = strdup(s->hostfwd);
    json_t *list = json_array();
    char *save = NULL;

    if (!copy || !list || json_object_set_new(s->object, "hostfwd", list) < 0)
        return err_set(err, ENOMEM, "out of memory");
    for (char *word = strtok_r(copy, " +", &save); word; word = strtok_r(NULL, " +", &save)) {
        int rc = add_forward(list, word, err);

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* --- keys ------------------------------------------------------------------------------- */

static int set_text(struct spec *s, const char *key, const char *value, struct err *err)
{
    if (json_object_set_new(s->object, key, json_string(value)) < 0)
        return err_set(err, EINVAL, "%s: not valid UTF-8 text", key);
    return 0;
}

static int take_vifname(struct spec *s, const char *value, struct err *err)
{
    if (!value[0] || strlen(value) > 15 || strpbrk(value, "/ %") || strcmp(value, ".") == 0 ||
        strcmp(value, "..") == 0)
        return err_set(err, EINVAL, "vifname=%s cannot be the name of an interface", value);
    return set_text(s, "ifname", value, err);
}

/* The card that a fully virtualized guest sees; others have no use for it. */
static int take_model(struct spec *s, const char *value, struct err *err)
{
    static const char *const models[] = {"rtl8139", "e1000",     "e1000e",  "ne2k_pci",
                                         "pcnet",   "i82551",    "i82557b", "i82559er",
                                         "virtio",  "virtio-net"};

    for (size_t i = 0; i < ARRAY_SIZE(models); i++)
        if (strcmp(value, models[i]) == 0)
            return set_text(s, "model", value, err);
    return err_set(err, EINVAL,
                   "model=%s is none of rtl8139, e1000, e1000e, ne2k_pci, pcnet, i82551, i82557b, "
                   "i82559er, virtio",
                   value);
}

/* Only this host has networks to offer. */
static int take_backend(const char *value, struct err *err)
{
    if (strcmp(value, "0") == 0 || strcmp(value, "Domain-0") == 0)
        return 0;
    return err_set(err, ENOTSUP, "backend=%s: networks come from this host only (Domain-0)", value);
}

/* Accepted for the configs' sake: what they are for does not exist here, or not yet. */
static const char *const ignored[] = {"accel",          "policy",           "label",      "vlan",
                                      "trusted",        "untrusted",        "forwarddev", "devid",
                                      "coloft_forward", "coloft_forwarddev"};

static int take_key(struct spec *s, const char *key, const char *value, struct err *err)
{
    if (strcmp(key, "type") == 0)
        s->type = value;
    else if (strcmp(key, "hostfwd") == 0)
        s->hostfwd = value;
    else if (strcmp(key, "mac") == 0)
        return take_mac(s, value, err);
    else if (strcmp(key, "vifname") == 0)
        return take_vifname(s, value, err);
    else if (strcmp(key, "rate") == 0)
        return take_rate(s, value, err);
    else if (strcmp(key, "mtu") == 0)
        return take_mtu(s, value, err);
    else if (strcmp(key, "backend") == 0)
        return take_backend(value, err);
    else if (strcmp(key, "gatewaydev") == 0 || strcmp(key, "netdev") == 0)
        return set_text(s, "gatewaydev", value, err);
    else if (strcmp(key, "model") == 0)
        return take_model(s, value, err);
    else if (strcmp(key, "bridge") == 0 || strcmp(key, "script") == 0 || strcmp(key, "ip") == 0)
        return set_text(s, key, value, err);
    else if (strcmp(key, "uuid") != 0) { /* xend's own name of the device */
        for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
            if (strcmp(key, ignored[i]) == 0) {
                s->unused = ignored[i];
                return 0;
            }
        }
        return err_set(err, EINVAL, "Invalid vif option: %s", key);
    }
    return 0;
}

static char *strip(char *text)
{
    char *end;

    while (isspace((unsigned char)*text))
        text++;
    end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

/* Cut `copy` at its commas. */
static int take_keys(struct spec *s, char *copy, struct err *err)
{
    char *save = NULL;

    for (char *item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
        char *key = strip(item), *equals = strchr(key, '=');
        int rc;

        if (!*key)
            continue;
        if (equals)
            *equals = '\0';
        rc = take_key(s, strip(key), equals ? strip(equals + 1) : "", err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* `user` is ours; all of Xen's spellings mean an interface of the host. */
static int finish_type(struct spec *s, struct err *err)
{
    static const char *const taps[] = {"vif", "netfront", "ioemu", "tap"};
    static const char *const tap_only[] = {"bridge", "script", "ip", "gatewaydev"};
    const char *type = s->type && s->type[0] ? s->type : "vif";
    bool user = strcmp(type, "user") == 0, known = user;

    for (size_t i = 0; i < ARRAY_SIZE(taps); i++)
        known |= strcmp(type, taps[i]) == 0;
    if (!known)
        return err_set(err, EINVAL, "type=%s is none of user, vif, netfront, ioemu", type);
    for (size_t i = 0; user && i < ARRAY_SIZE(tap_only); i++)
        if (json_object_get(s->object, tap_only[i]))
            return err_set(err, EINVAL, "%s has no meaning with type=user", tap_only[i]);
    return set_text(s, "type", user ? "user" : "tap", err);
}

int vif_spec_parse(const char *text, unsigned int devid, const struct vif_identity *identity,
                   json_t **ret, const char **unused, struct err *err)
{
    CLEANUP_FREE char *copy = strdup(text);
    struct spec s = {.object = json_pack("{s:i}", "devid", (int)devid), .devid = devid};
    int rc = 0;

    if (!copy || !s.object)
        rc = err_set(err, ENOMEM, "out of memory");
    else if (strlen(text) > SPEC_MAX)
        rc = err_set(err, EINVAL, "the entry is too long");
    if (rc == 0)
        rc = take_keys(&s, copy, err);
    if (rc == 0)
        rc = finish_type(&s, err);
    if (rc == 0 && s.hostfwd)
        rc = take_forwards(&s, err);
    if (rc < 0) {
        json_decref(s.object);
        return rc;
    }
    if (!s.has_mac)
        make_mac(&s, identity);
    *unused = s.unused;
    *ret = s.object;
    return 0;
}

static int add_one(struct config *c, json_t *vifs, const char *text, struct err *err)
{
    struct vif_identity identity = {.uuid = config_string(c, "uuid", "")};
    const char *slash = strrchr(config_path(c), '/'), *unused = NULL;
    json_t *vif = NULL;
    int rc;

    identity.name = config_string(c, "name", slash ? slash + 1 : config_path(c));
    rc = vif_spec_parse(text, (unsigned int)json_array_size(vifs), &identity, &vif, &unused, err);
    if (rc < 0)
        return err_wrap(err, "%s: vif '%s'", config_place(c, "vif"), text);
    if (!domain_config_is_hvm(c) && json_object_get(vif, "model"))
        unused = "model";
    if (unused)
        config_warn(c, "%s: vif '%s': %s has no effect", config_place(c, "vif"), text, unused);
    if (strcmp(json_get_string(vif, "type", ""), "tap") == 0 &&
        !vif_may_tap(json_get_string(vif, "ifname", ""))) {
        vif_fall_back(vif);
        config_warn(c, "%s: vif '%s': " VIF_FALLBACK_SENTENCE, config_place(c, "vif"), text);
    }
    if (json_array_append_new(vifs, vif) < 0)
        return err_set(err, ENOMEM, "out of memory");
    return 0;
}

int vif_spec_add_all(struct config *c, json_t *doc, struct err *err)
{
    json_t *vifs = json_array();
    size_t given = config_list_count(c, "vif");
    int64_t nics = config_int(c, "nics", -1);
    int rc = 0;

    if (!vifs || json_object_set_new(doc, "vifs", vifs) < 0)
        return err_set(err, ENOMEM, "out of memory");
    if (given > MAX_VIFS || nics > MAX_VIFS)
        return err_set(err, EINVAL, "%s: more than %d network interfaces",
                       config_place(c, given > MAX_VIFS ? "vif" : "nics"), MAX_VIFS);
    for (size_t i = 0; rc == 0 && i < given; i++)
        rc = add_one(c, vifs, config_list_item(c, "vif", i), err);
    if (nics > 0)
        config_warn(c, "%s: nics is deprecated: write vif = ['', ...]", config_place(c, "nics"));
    while (rc == 0 && (int64_t)json_array_size(vifs) < nics)
        rc = add_one(c, vifs, "", err);
    return rc;
}
