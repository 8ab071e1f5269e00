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
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config/bootloader_spec.h"
#include "config/cmdline.h"
#include "config/console_spec.h"
#include "config/disk_spec.h"
#include "config/hvm_config.h"
#include "config/options.h"
#include "config/vcpu_spec.h"
#include "config/vfb_spec.h"
#include "config/vif_spec.h"
#include "config/vm_nodes.h"

#define MAX_TIME_OFFSET (200ll * 366 * 86400)

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
    if (strcmp(name, "Domain-0") == 0 || strcmp(name, "0") == 0)
        return err_set(err, EEXIST, "%s: name '%s': that is what this host is called",
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
    int64_t memory, maxmem;
    int rc = take_int(c, "memory", 128, 8, DOMAIN_CONFIG_MAX_MEMORY, &memory, err);

    if (rc == 0)
        rc = take_int(c, "maxmem", memory, 0, DOMAIN_CONFIG_MAX_MEMORY, &maxmem, err);
    if (rc < 0)
        return rc;
    if (maxmem < memory)
        return err_set(err, EINVAL, "%s: maxmem = %lld is less than memory = %lld",
                       config_place(c, "maxmem"), (long long)maxmem, (long long)memory);
    json_object_set_new(doc, "memory", json_integer(memory));
    json_object_set_new(doc, "maxmem", json_integer(maxmem));
    return vcpu_spec_add(c, doc, DOMAIN_CONFIG_MAX_VCPUS, err);
}

/* The option that says what kind of guest this is, xl's first; NULL: neither is set. */
static const char *type_option(const struct config *c)
{
    if (config_string(c, "type", "")[0])
        return "type";
    return config_string(c, "builder", "")[0] ? "builder" : NULL;
}

bool domain_config_is_hvm(const struct config *c)
{
    const char *option = type_option(c);

    return option && strcmp(config_string(c, option, ""), "hvm") == 0;
}

static int check_type(const struct config *c, struct err *err)
{
    static const char *const known[] = {"linux", "generic", "pv", "hvm", "pvh"};
    const char *option = type_option(c);
    const char *value = option ? config_string(c, option, "") : "pv";

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(value, known[i]) == 0)
            return 0;
    return err_set(err, EINVAL,
                   "%s: %s = '%s' is unknown; 'linux' is a paravirtualized guest, 'hvm' a fully "
                   "virtualized one",
                   config_place(c, option), option, value);
}

/* xl's third kind: say so in the words of the option that asks for it. */
static int refuse_pvh(const struct config *c, struct err *err)
{
    const char *option = type_option(c);

    if (!option || strcmp(config_string(c, option, ""), "pvh") != 0)
        return 0;
    return err_set(err, ENOTSUP,
                   "%s: %s = 'pvh': there are paravirtualized ('pv') and fully virtualized ('hvm') "
                   "guests, PVH ones are not available",
                   config_place(c, option), option);
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

/* A saved guest needs them when it is restarted: then it is told. */
static int add_lost_file(const struct config *c, json_t *doc, const char *option, struct err *err)
{
    const char *path = config_string(c, option, "");

    return access(path, R_OK) < 0 ? add_string(doc, option, path, err)
                                  : add_file(c, doc, option, "File", err);
}

static int add_kernel(const struct config *c, json_t *doc, bool saved, struct err *err)
{
    int rc;

    if (!config_string(c, "kernel", "")[0]) {
        return err_set(err, EINVAL,
                       "%s: no kernel is given, and no disk that one could be found in; add kernel "
                       "= \"/path/to/vmlinuz\"",
                       config_path(c));
    }
    rc = saved ? add_lost_file(c, doc, "kernel", err)
               : add_file(c, doc, "kernel", "Kernel image", err);
    if (rc == 0 && config_string(c, "ramdisk", "")[0])
        rc = saved ? add_lost_file(c, doc, "ramdisk", err)
                   : add_file(c, doc, "ramdisk", "Ramdisk image", err);
    return rc;
}

static int add_cmdline(struct config *c, json_t *doc, struct err *err)
{
    const char *line;
    int rc = cmdline_make(c, &line, err);

    return rc < 0 ? rc : add_string(doc, "cmdline", line, err);
}

/* What an on_* option is when the file does not set it: `restart` may say so for all. */
static const char *default_action(const struct config *c, const char *option)
{
    const char *restart = config_string(c, "restart", "");

    if (strcmp(option, "on_watchdog") == 0)
        return "destroy";
    if (strcmp(restart, "always") == 0)
        return "restart";
    if (strcmp(restart, "never") == 0)
        return "destroy";
    if (strcmp(restart, "onreboot") == 0)
        return strcmp(option, "on_reboot") == 0 ? "restart" : "destroy";
    return strcmp(option, "on_poweroff") == 0 ? "destroy" : "restart";
}

const char *domain_config_action(const struct config *c, const char *option)
{
    const char *value = config_string(c, option, "");

    if (!value[0] && strcmp(option, "on_poweroff") == 0)
        value = config_string(c, "on_shutdown", "");
    return value[0] ? value : default_action(c, option);
}

/* An on_* option as one of the actions of a domain process. */
static int add_action(struct config *c, json_t *doc, const char *option, struct err *err)
{
    static const struct {
        const char *value, *action;
    } actions[] = {
        {"destroy", "destroy"},
        {"restart", "restart"},
        {"preserve", "preserve"},
        {"rename-restart", "rename-restart"},
        {"soft-reset", "restart"},
        {"coredump-restart", "coredump-restart"},
        {"coredump-destroy", "coredump-destroy"},
    };
    const char *value = domain_config_action(c, option);
    const char *action = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (strcmp(value, actions[i].value) == 0)
            action = actions[i].action;
    if (!action)
        return err_set(err, EINVAL,
                       "%s: %s = '%s' is none of destroy, restart, preserve, rename-restart, "
                       "coredump-destroy, coredump-restart",
                       config_place(c, option), option, value);
    if (strcmp(action, value) != 0)
        config_warn(c, "%s: %s = '%s' is not available yet; it acts as '%s'",
                    config_place(c, option), option, value, action);
    return add_string(doc, option, action, err);
}

static int add_program_translation(const struct config *c, json_t *doc, struct err *err)
{
    const char *value = config_string(c, "program_translation", "auto");

    if (strcmp(value, "auto") != 0 && strcmp(value, "never") != 0 && strcmp(value, "always") != 0)
        return err_set(err, EINVAL, "%s: program_translation = '%s' is none of auto, never, always",
                       config_place(c, "program_translation"), value);
    return add_string(doc, "program_translation", value, err);
}

static int add_actions(struct config *c, json_t *doc, struct err *err)
{
    static const char *const options[] = {"on_poweroff", "on_reboot", "on_crash", "on_watchdog"};
    const char *restart = config_string(c, "restart", "");

    if (restart[0] && strcmp(restart, "always") != 0 && strcmp(restart, "never") != 0 &&
        strcmp(restart, "onreboot") != 0)
        return err_set(err, EINVAL, "%s: restart = '%s' is none of onreboot, always, never",
                       config_place(c, "restart"), restart);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        int rc = add_action(c, doc, options[i], err);

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* One line for each option that asks for something that is not there yet. */
static void warn_later(struct config *c)
{
    bool hvm = domain_config_is_hvm(c);

    for (size_t i = 0; i < option_count; i++) {
        const struct option_info *o = &option_table[i];
        bool asks = config_is_set(c, o->name);

        if (o->status != OPTION_LATER || !asks || (hvm && hvm_config_uses(c, o->name)))
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

int domain_config_check(struct config *c, json_t **ret, struct err *err)
{
    json_t *doc = json_object();
    int rc = doc ? check_type(c, err) : err_set(err, ENOMEM, "out of memory");

    if (rc == 0)
        rc = add_name(c, doc, err);
    if (rc == 0)
        rc = add_uuid(c, doc, err);
    if (rc == 0)
        rc = add_sizes(c, doc, err);
    if (rc == 0)
        rc = add_cmdline(c, doc, err);
    if (rc == 0)
        rc = add_actions(c, doc, err);
    if (rc == 0 && !domain_config_is_hvm(c))
        rc = add_program_translation(c, doc, err);
    if (rc < 0) {
        json_decref(doc);
        return rc;
    }
    *ret = doc;
    return 0;
}

/* The guest's wallclock beside the host's. Local time is what it is now: a change of it reaches the
 * guest at its next start. */
static int add_time_offset(const struct config *c, json_t *doc, struct err *err)
{
    int64_t offset = config_int(c, "rtc_timeoffset", 0);
    time_t now = time(NULL);
    struct tm tm;

    if (offset < -MAX_TIME_OFFSET || offset > MAX_TIME_OFFSET)
        return err_set(err, EINVAL, "%s: rtc_timeoffset = %lld is more than 200 years",
                       config_place(c, "rtc_timeoffset"), (long long)offset);
    if (config_int(c, "localtime", 0) && localtime_r(&now, &tm))
        offset += tm.tm_gmtoff;
    if (offset)
        json_object_set_new(doc, "time_offset", json_integer(offset));
    return 0;
}

int domain_config_check_devices(struct config *c, struct err *err)
{
    json_t *doc = json_object();
    int rc = doc ? disk_spec_check_all(c, err) : err_set(err, ENOMEM, "out of memory");

    if (rc == 0)
        rc = vif_spec_add_all(c, doc, err);
    if (rc == 0 && !domain_config_is_hvm(c))
        rc = vfb_spec_add(c, doc, err);
    json_decref(doc);
    return rc;
}

int domain_config_make(struct config *c, bool saved, json_t **ret, struct err *err)
{
    json_t *doc = NULL;
    int rc = domain_config_check(c, &doc, err);

    if (rc == 0)
        rc = refuse_pvh(c, err);
    if (rc == 0)
        rc = domain_config_is_hvm(c)     ? hvm_config_add(c, doc, err)
             : bootloader_spec_wanted(c) ? 0
                                         : add_kernel(c, doc, saved, err);
    if (rc == 0)
        rc = disk_spec_add_all(c, doc, err);
    if (rc == 0 && bootloader_spec_wanted(c))
        rc = bootloader_spec_add(c, doc, err);
    if (rc == 0)
        rc = vif_spec_add_all(c, doc, err);
    if (rc == 0)
        rc = console_spec_add(c, doc, err);
    if (rc == 0 && !domain_config_is_hvm(c))
        rc = vfb_spec_add(c, doc, err);
    if (rc == 0 && !domain_config_is_hvm(c))
        rc = add_time_offset(c, doc, err);
    if (rc == 0)
        rc = vm_nodes_add(c, doc, err);
    if (rc < 0) {
        json_decref(doc);
        return rc;
    }
    warn_later(c);
    *ret = doc;
    return 0;
}
