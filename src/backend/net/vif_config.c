/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif_config.c - see vif_config.h.
 */
#include "backend/net/vif_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEVID 255
#define MAX_INTERVAL_US 60000000

const char *vif_type_text(enum vif_type type)
{
    static const char *const texts[] = {[VIF_TAP] = "tap", [VIF_USER] = "user"};

    return texts[type];
}

static int take_type(struct vif_config *c, const json_t *object, struct err *err)
{
    const char *text = json_get_string(object, "type", "");

    for (c->type = VIF_TAP; c->type <= VIF_USER; c->type++)
        if (strcmp(text, vif_type_text(c->type)) == 0)
            return 0;
    return err_set(err, EINVAL, "vif: type '%s' is none of tap, user", text);
}

/* Six pairs of lower-case digits. */
static bool is_mac(const char *text)
{
    if (strlen(text) != 17)
        return false;
    for (int i = 0; i < 17; i++)
        if (i % 3 == 2 ? text[i] != ':' : !strchr("0123456789abcdef", text[i]))
            return false;
    return true;
}

/* A text that has its place in the structure. */
static int take_text(const json_t *object, const char *key, char *to, size_t size, struct err *err)
{
    const char *text = json_get_string(object, key, "");

    if (strlen(text) >= size)
        return err_set(err, EINVAL, "vif: %s: '%.60s' is too long", key, text);
    memcpy(to, text, strlen(text) + 1);
    return 0;
}

static int take_numbers(struct vif_config *c, const json_t *object, struct err *err)
{
    json_int_t devid, bytes = json_get_int(object, "rate_bytes", 0);
    json_int_t us = json_get_int(object, "rate_us", 50000), mtu = json_get_int(object, "mtu", 0);
    int rc = json_need_int(object, "devid", 0, MAX_DEVID, &devid, err);

    if (rc < 0)
        return rc;
    if (bytes < 0 || us < 1 || us > MAX_INTERVAL_US)
        return err_set(err, EINVAL, "vif: a rate of %lld bytes in %lld microseconds cannot be",
                       (long long)bytes, (long long)us);
    if (mtu != 0 && (mtu < VIF_MIN_MTU || mtu > VIF_MAX_MTU))
        return err_set(err, EINVAL, "vif: mtu %lld is not within %d..%d", (long long)mtu,
                       VIF_MIN_MTU, VIF_MAX_MTU);
    c->devid = (unsigned int)devid;
    c->rate_bytes = (uint64_t)bytes;
    c->rate_us = (uint64_t)us;
    c->mtu = (unsigned int)mtu;
    return 0;
}

static int take_forward(struct vif_forward *f, const json_t *object, struct err *err)
{
    const char *protocol = json_get_string(object, "protocol", "tcp");
    json_int_t host = 0, guest = 0;
    unsigned char binary[16];
    int rc = take_text(object, "address", f->address, sizeof(f->address), err);

    if (rc == 0)
        rc = json_need_int(object, "host_port", 1, UINT16_MAX, &host, err);
    if (rc == 0)
        rc = json_need_int(object, "guest_port", 1, UINT16_MAX, &guest, err);
    if (rc < 0)
        return rc;
    f->udp = strcmp(protocol, "udp") == 0;
    f->host_port = (uint16_t)host;
    f->guest_port = (uint16_t)guest;
    if (!f->udp && strcmp(protocol, "tcp") != 0)
        return err_set(err, EINVAL, "vif: hostfwd: protocol '%s' is none of tcp, udp", protocol);
    if (f->address[0] && inet_pton(AF_INET, f->address, binary) != 1 &&
        inet_pton(AF_INET6, f->address, binary) != 1)
        return err_set(err, EINVAL, "vif: hostfwd: '%s' is no address", f->address);
    return 0;
}

static int take_forwards(struct vif_config *c, const json_t *object, struct err *err)
{
    const json_t *list = json_object_get(object, "hostfwd");
    const json_t *item;
    size_t i;

    if (json_array_size(list) > VIF_MAX_FORWARDS)
        return err_set(err, EINVAL, "vif: more than %d forwarded ports", VIF_MAX_FORWARDS);
    json_array_foreach(list, i, item)
    {
        int rc = take_forward(&c->forward[i], item, err);

        if (rc < 0)
            return rc;
        c->nr_forwards++;
    }
    return 0;
}

int vif_config_parse(struct vif_config *c, const json_t *object, struct err *err)
{
    static const char *const keys[] = {"bridge", "script", "ip"};
    char **const to[] = {&c->bridge, &c->script, &c->ip};
    int rc;

    memset(c, 0, sizeof(*c));
    rc = take_type(c, object, err);
    if (rc == 0)
        rc = take_numbers(c, object, err);
    if (rc == 0)
        rc = take_text(object, "mac", c->mac, sizeof(c->mac), err);
    if (rc == 0 && !is_mac(c->mac))
        rc = err_set(err, EINVAL, "vif: '%s' is no MAC address", c->mac);
    if (rc == 0)
        rc = take_text(object, "ifname", c->ifname, sizeof(c->ifname), err);
    if (rc == 0)
        rc = take_forwards(c, object, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(keys); i++) {
        *to[i] = strdup(json_get_string(object, keys[i], ""));
        if (!*to[i])
            rc = err_set(err, ENOMEM, "out of memory");
    }
    if (rc < 0)
        vif_config_done(c);
    return rc;
}

void vif_config_done(struct vif_config *c)
{
    free(c->bridge);
    free(c->script);
    free(c->ip);
    memset(c, 0, sizeof(*c));
}
