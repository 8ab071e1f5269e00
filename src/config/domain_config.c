/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domain_config.c - see domain_config.h.
 */
#define _GNU_SOURCE
#include "config/domain_config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config/disk_spec.h"
#include "config/options.h"

#define CMDLINE_MAX 1023 /* what start_info carries */

static int add_string(json_t *doc, const char *key, const char *text, struct err *err)
{
    if (json_object_set_new(doc, key, json_string(text)) < 0)
        return err_set(err, EINVAL, "%s: not valid UTF-8 text", key);
    return 0;
}

static int add_name(const struct config *c, json_t *doc, struct err *err)
{
    const char *slash = strrchr(config_path(c), '/');
    const char *name = config_string(c, "name", slash ? slash + 1 : config_path(c));

    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_-.:+", *p))
            return err_set(err, EINVAL, "%s: name '%s': only letters, digits and _-.:+ are allowed",
                           config_place(c, "name"), name);
    if (!name[0] || strlen(name) > DOMAIN_CONFIG_MAX_NAME)
        return err_set(err, EINVAL, "%s: name: 1 to %d characters are needed",
                       config_place(c, "name"), DOMAIN_CONFIG_MAX_NAME);
    return add_string(doc, "name", name, err);
}

static int add_uuid(const struct config *c, json_t *doc, struct err *err)
{
    const char *text = config_string(c, "uuid", "");
    char uuid[37];
    uint8_t u[16];
    size_t digits = 0;

    if (text[0]) {
        for (const char *p = text; *p; p++) {
            digits += isxdigit((unsigned char)*p) != 0;
            if (!isxdigit((unsigned char)*p) && *p != '-')
                digits = 33;
        }
        if (digits != 32)
            return err_set(err, EINVAL, "%s: uuid '%s': 32 hexadecimal digits are needed",
                           config_place(c, "uuid"), text);
        return add_string(doc, "uuid", text, err);
    }
    if (getrandom(u, sizeof(u), 0) != (ssize_t)sizeof(u))
        return err_set(err, EIO, "no random numbers for a uuid");
    u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    snprintf(uuid, sizeof(uuid),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    return add_string(doc, "uuid", uuid, err);
}

/* An integer option within limits. */
static int take_int(const struct config *c, const char *name, int64_t otherwise, int64_t min,
                    int64_t max, int64_t *ret, struct err *err)
{
    *ret = config_int(c, name, otherwise);
    if (*ret < min || *ret > max)
        return err_set(err, EINVAL, "%s: %s = %lld is not within %lld..%lld", config_place(c, name),
                       name, (long long)*ret, (long long)min, (long long)max);
    return 0;
}

static int add_sizes(struct config *c, json_t *doc, struct err *err)
{
    int64_t memory, maxmem, vcpus;
    int rc = take_int(c, "memory", 128, 8, DOMAIN_CONFIG_MAX_MEMORY, &memory, err);

    if (rc == 0)
        rc = take_int(c, "maxmem", memory, 0, DOMAIN_CONFIG_MAX_MEMORY, &maxmem, err);
    if (rc == 0)
        rc = take_int(c, "vcpus", 1, 1, DOMAIN_CONFIG_MAX_VCPUS, &vcpus, err);
    if (rc < 0)
        return rc;
    if (maxmem < memory)
        return err_set(err, EINVAL, "%s: maxmem = %lld is less than memory = %lld",
                       config_place(c, "maxmem"), (long long)maxmem, (long long)memory);
    json_object_set_new(doc, "memory", json_integer(memory));
    json_object_set_new(doc, "maxmem", json_integer(maxmem));
    json_object_set_new(doc, "vcpus", json_integer(vcpus));
    return 0;
}

/* Only paravirtualized guests for now: say so in the words of the option that asks for more. */
static int check_type(const struct config *c, struct err *err)
{
    static const char *const options[] = {"builder", "type"};

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const char *value = config_string(c, options[i], "");

        if (!value[0] || strcmp(value, "linux") == 0 || strcmp(value, "generic") == 0 ||
            strcmp(value, "pv") == 0)
            continue;
        if (strcmp(value, "hvm") == 0 || strcmp(value, "pvh") == 0)
            return err_set(err, ENOTSUP,
                           "%s: %s = '%s': only paravirtualized (PV) guests can run yet, not "
                           "fully virtualized ones",
                           config_place(c, options[i]), options[i], value);
        return err_set(err, EINVAL, "%s: %s = '%s' is unknown; 'linux' is a paravirtualized guest",
                       config_place(c, options[i]), options[i], value);
    }
    return 0;
}

/* A path of ours, absolute, of a file that can be read. */
static int add_file(const struct config *c, json_t *doc, const char *option, const char *what,
                    struct err *err)
{
    const char *path = config_string(c, option, "");
    CLEANUP_FREE char *full = realpath(path, NULL);
    struct stat st;

    if (!full || stat(full, &st) < 0)
        return err_set(err, ENOENT, "%s does not exist: %s (%s: %s)", what, path,
                       config_place(c, option), option);
    if (!S_ISREG(st.st_mode))
        return err_set(err, EINVAL, "%s is not a file: %s (%s: %s)", what, path,
                       config_place(c, option), option);
    if (access(full, R_OK) < 0)
        return err_set(err, EACCES, "%s cannot be read: %s: %s (%s: %s)", what, path,
                       strerror(errno), config_place(c, option), option);
    return add_string(doc, option, full, err);
}

static int add_kernel(const struct config *c, json_t *doc, struct err *err)
{
    int rc;

    if (!config_string(c, "kernel", "")[0]) {
        if (config_string(c, "bootloader", "")[0])
            return err_set(err, ENOTSUP,
                           "%s: bootloader = '%s': booting from the guest's own disk is not "
                           "available yet; name the guest's kernel with kernel= (and ramdisk=)",
                           config_place(c, "bootloader"), config_string(c, "bootloader", ""));
        return err_set(err, EINVAL, "%s: no kernel is given; add kernel = \"/path/to/vmlinuz\"",
                       config_path(c));
    }
    rc = add_file(c, doc, "kernel", "Kernel image", err);
    if (rc == 0 && config_string(c, "ramdisk", "")[0])
        rc = add_file(c, doc, "ramdisk", "Ramdisk image", err);
    return rc;
}

/* The kernel's ip= argument as xm builds it. */
static char *make_ip(const struct config *c)
{
    const char *ip = config_string(c, "ip", "");
    const char *dhcp = config_string(c, "dhcp", "off");
    const char *server = config_string(c, "nfs_server", "");
    char *text = NULL;

    if (strcmp(dhcp, "yes") == 0 || strcmp(dhcp, "1") == 0)
        dhcp = "dhcp";
    if (!ip[0] && strcmp(dhcp, "dhcp") != 0)
        return strdup("");
    if (asprintf(&text, "ip=%s:%s:%s:%s:%s:%s:%s ", ip, server[0] ? server : "127.0.255.255",
                 config_string(c, "gateway", ""), config_string(c, "netmask", ""),
                 config_string(c, "hostname", ""), config_string(c, "interface", "eth0"), dhcp) < 0)
        abort();
    return text;
}

static char *make_nfsroot(const struct config *c, struct err *err)
{
    const char *root = config_string(c, "nfs_root", "");
    const char *server = config_string(c, "nfs_server", "");
    char *text = NULL;

    if (!root[0])
        return strdup("");
    if (!server[0]) {
        err_set(err, EINVAL, "%s: nfs_root needs nfs_server", config_place(c, "nfs_root"));
        return NULL;
    }
    if (asprintf(&text, "nfsroot=%s:%s ", server, root) < 0)
        abort();
    return text;
}

/* root= ip= nfsroot= extra, or cmdline alone. */
static int add_cmdline(struct config *c, json_t *doc, struct err *err)
{
    CLEANUP_FREE char *ip = make_ip(c);
    CLEANUP_FREE char *nfsroot = make_nfsroot(c, err);
    CLEANUP_FREE char *line = NULL;
    const char *root = config_string(c, "root", "");
    const char *extra = config_string(c, "extra", "");
    int n;

    if (!nfsroot)
        return -EINVAL;
    if (strncmp(root, "root=", 5) == 0)
        root += 5;
    if (strstr(extra, "root="))
        root = "";
    if (config_is_set(c, "cmdline")) {
        if (config_is_set(c, "root") || config_is_set(c, "extra"))
            config_warn(c, "%s: cmdline is given, so root and extra are ignored",
                        config_place(c, "cmdline"));
        n = asprintf(&line, "%s", config_string(c, "cmdline", ""));
    } else {
        n = asprintf(&line, "%s%s%s%s%s%s", root[0] ? "root=" : "", root, root[0] ? " " : "", ip,
                     nfsroot, extra);
    }
    if (n < 0)
        abort();
    while (n > 0 && line[n - 1] == ' ')
        line[--n] = '\0';
    if (n > CMDLINE_MAX)
        return err_set(err, EINVAL,
                       "%s: the kernel's command line has %d characters, more than "
                       "the %d that a guest can be given",
                       config_path(c), n, CMDLINE_MAX);
    return add_string(doc, "cmdline", line, err);
}

/* An on_* option as one of the actions of a domain process. */
static int add_action(struct config *c, json_t *doc, const char *key, const char *option,
                      const char *otherwise, struct err *err)
{
    static const char *const as_restart[] = {"restart", "rename-restart", "coredump-restart",
                                             "soft-reset"};
    static const char *const as_destroy[] = {"destroy", "coredump-destroy"};
    const char *value = config_string(c, option, otherwise);
    const char *action = strcmp(value, "preserve") == 0 ? value : NULL;

    for (size_t i = 0; i < ARRAY_SIZE(as_restart); i++)
        if (strcmp(value, as_restart[i]) == 0)
            action = "restart";
    for (size_t i = 0; i < ARRAY_SIZE(as_destroy); i++)
        if (strcmp(value, as_destroy[i]) == 0)
            action = "destroy";
    if (!action)
        return err_set(err, EINVAL,
                       "%s: %s = '%s' is none of destroy, restart, preserve, "
                       "rename-restart",
                       config_place(c, option), option, value);
    if (strcmp(action, value) != 0)
        config_warn(c, "%s: %s = '%s' is not available yet; it acts as '%s'",
                    config_place(c, option), option, value, action);
    return add_string(doc, key, action, err);
}

static int add_actions(struct config *c, json_t *doc, struct err *err)
{
    const char *restart = config_string(c, "restart", "");
    bool always = strcmp(restart, "always") == 0;
    bool never = strcmp(restart, "never") == 0;
    const char *poweroff = config_is_set(c, "on_poweroff") ? "on_poweroff" : "on_shutdown";
    int rc;

    if (restart[0] && !always && !never && strcmp(restart, "onreboot") != 0)
        return err_set(err, EINVAL, "%s: restart = '%s' is none of onreboot, always, never",
                       config_place(c, "restart"), restart);
    rc = add_action(c, doc, "on_poweroff", poweroff, always ? "restart" : "destroy", err);
    if (rc == 0)
        rc = add_action(c, doc, "on_reboot", "on_reboot", never ? "destroy" : "restart", err);
    if (rc == 0)
        rc = add_action(c, doc, "on_crash", "on_crash", never ? "destroy" : "restart", err);
    if (rc == 0)
        rc = add_action(c, doc, "on_watchdog", "on_watchdog", "destroy", err);
    return rc;
}

/* One line for each option that asks for something that is not there yet. */
static void warn_later(struct config *c)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_info *o = &option_table[i];
        bool asks = config_is_set(c, o->name);

        if (o->status != OPTION_LATER || !asks)
            continue;
        if (o->type == OPTION_LIST)
            asks = config_list_count(c, o->name) > 0;
        else if (o->type == OPTION_STRING)
            asks = config_string(c, o->name, "")[0] != '\0';
        else if (o->type == OPTION_BOOL)
            asks = config_int(c, o->name, 0) != 0;
        if (asks)
            config_warn(c, "%s: %s is not available yet and is ignored", config_place(c, o->name),
                        o->name);
    }
}

int domain_config_make(struct config *c, json_t **ret, struct err *err)
{
    json_t *doc = json_object();
    int rc = doc ? check_type(c, err) : err_set(err, ENOMEM, "out of memory");

    if (rc == 0)
        rc = add_name(c, doc, err);
    if (rc == 0)
        rc = add_uuid(c, doc, err);
    if (rc == 0)
        rc = add_kernel(c, doc, err);
    if (rc == 0)
        rc = add_sizes(c, doc, err);
    if (rc == 0)
        rc = add_cmdline(c, doc, err);
    if (rc == 0)
        rc = add_actions(c, doc, err);
    if (rc == 0)
        rc = disk_spec_add_all(c, doc, err);
    if (rc < 0) {
        json_decref(doc);
        return rc;
    }
    warn_later(c);
    *ret = doc;
    return 0;
}
