/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * options.c - see options.h.
 */
#include "domain/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/shares.h"

#define PAGES_PER_MIB 256
#define MAX_TIME_OFFSET (200ll * 366 * 86400) /* seconds */
/* What the config language has as defaults, too. */
#define CONSOLE_LOG_SIZE (8 << 20)
#define CONSOLE_LOG_FILES 3

static int take_string(const json_t *doc, const char *key, bool needed, char **ret, struct err *err)
{
    const char *s = json_get_string(doc, key, NULL);

    if (!s && needed)
        return err_set(err, EINVAL, "%s: a string is needed", key);
    *ret = strdup(s ? s : "");
    return *ret ? 0 : err_set(err, ENOMEM, "out of memory");
}

static int take_strings(struct domain_options *o, const json_t *doc, struct err *err)
{
    bool is_pv = !json_object_get(doc, "hvm");
    const struct {
        const char *key;
        bool needed;
        char **to;
    } strings[] = {
        {"name", true, &o->name},
        {"kernel", is_pv && !json_object_get(doc, "bootloader"), &o->kernel},
        {"ramdisk", false, &o->ramdisk},
        {"cmdline", false, &o->cmdline},
        {"log", true, &o->log_path},
        {"console_log", false, &o->console_path},
        {"socket", false, &o->socket_path},
        {"lock", false, &o->lock_path},
        {"status", false, &o->status_path},
        {"dump_dir", false, &o->dump_dir},
    };

    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        int rc = take_string(doc, strings[i].key, strings[i].needed, strings[i].to, err);

        if (rc < 0)
            return rc;
    }
    if (!o->name[0] || strlen(o->name) >= sizeof(((struct domain *)NULL)->name))
        return err_set(err, EINVAL, "name: 1 to %zu characters are needed",
                       sizeof(((struct domain *)NULL)->name) - 1);
    return 0;
}

static int take_action(const json_t *doc, const char *key, enum domain_action *ret, struct err *err)
{
    static const char *const names[] = {
        [ACTION_DESTROY] = "destroy",
        [ACTION_RESTART] = "restart",
        [ACTION_PRESERVE] = "preserve",
        [ACTION_RENAME_RESTART] = "rename-restart",
        [ACTION_COREDUMP_DESTROY] = "coredump-destroy",
        [ACTION_COREDUMP_RESTART] = "coredump-restart",
    };
    const char *s = json_get_string(doc, key, "destroy");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(s, names[i]) == 0) {
            *ret = (enum domain_action)i;
            return 0;
        }
    }
    return err_set(err, EINVAL,
                   "%s: '%s' is none of destroy, restart, preserve, rename-restart, coredump-*",
                   key, s);
}

static int take_programs(struct domain_options *o, const json_t *doc, struct err *err)
{
    const char *s = json_get_string(doc, "program_translation", "auto");

    if (strcmp(s, "auto") == 0)
        o->programs = PROGRAMS_AUTO;
    else if (strcmp(s, "never") == 0)
        o->programs = PROGRAMS_IN_STUBS;
    else if (strcmp(s, "always") == 0)
        o->programs = PROGRAMS_TRANSLATED;
    else
        return err_set(err, EINVAL, "program_translation: '%s' is none of auto, never, always", s);
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int take_uuid(struct domain_options *o, const json_t *doc, struct err *err)
{
    const char *s = json_get_string(doc, "uuid", "");
    unsigned int digits = 0;

    for (; *s && digits < 32; s++) {
        int v = hex_digit(*s);

        if (*s == '-')
            continue;
        if (v < 0)
            break;
        o->uuid[digits / 2] = (uint8_t)(o->uuid[digits / 2] << 4 | v);
        digits++;
    }
    if (digits != 32 || *s)
        return err_set(err, EINVAL, "uuid: 32 hexadecimal digits are needed");
    return 0;
}

/* A reference to an array of the document; what is in it is checked by who uses it. */
static int take_array(const json_t *doc, const char *key, json_t **ret, struct err *err)
{
    json_t *array = json_object_get(doc, key);

    if (array && !json_is_array(array))
        return err_set(err, EINVAL, "%s: an array is needed", key);
    *ret = json_incref(array);
    return 0;
}

static int take_object(const json_t *doc, const char *key, json_t **ret, struct err *err)
{
    json_t *object = json_object_get(doc, key);

    if (object && !json_is_object(object))
        return err_set(err, EINVAL, "%s: an object is needed", key);
    *ret = json_incref(object);
    return 0;
}

static int take_numbers(struct domain_options *o, const json_t *doc, struct err *err)
{
    json_int_t domid, memory, maxmem;
    int rc = json_need_int(doc, "domid", 1, 0x7fef, &domid, err);

    if (rc == 0)
        rc = json_need_int(doc, "memory", 1, 256 * 1024, &memory, err);
    if (rc == 0)
        rc = json_need_int(doc, "maxmem", memory, 256 * 1024, &maxmem, err);
    if (rc)
        return rc;
    o->domid = (domid_t)domid;
    o->memory_pages = (uint64_t)memory * PAGES_PER_MIB;
    o->maxmem_pages = (uint64_t)maxmem * PAGES_PER_MIB;
    o->paused = json_get_bool(doc, "paused", false);
    o->time_offset = json_get_int(doc, "time_offset", 0);
    if (o->time_offset < -MAX_TIME_OFFSET || o->time_offset > MAX_TIME_OFFSET)
        return err_set(err, EINVAL, "time_offset: %lld seconds are too many",
                       (long long)o->time_offset);
    return 0;
}

/* A number that may be missing. */
static int take_optional(const json_t *doc, const char *key, json_int_t otherwise, json_int_t max,
                         json_int_t *ret, struct err *err)
{
    *ret = otherwise;
    return json_object_get(doc, key) ? json_need_int(doc, key, 0, max, ret, err) : 0;
}

static int take_console_log(struct domain_options *o, const json_t *doc, struct err *err)
{
    json_int_t size = 0, keep = 0;
    int rc = take_optional(doc, "console_log_size", CONSOLE_LOG_SIZE, INT64_MAX, &size, err);

    if (rc == 0)
        rc = take_optional(doc, "console_log_files", CONSOLE_LOG_FILES, 1000, &keep, err);
    if (rc < 0)
        return rc;
    o->console_log_size = (uint64_t)size;
    o->console_log_keep = (unsigned int)keep;
    return 0;
}

/* Sets of the host's CPUs, one for each vCPU; what is not named is any. */
static int take_cpus(struct domain_options *o, const json_t *doc, struct err *err)
{
    const json_t *sets = json_object_get(doc, "cpus"), *set;
    size_t i;

    for (i = 0; i < DOMAIN_MAX_VCPUS; i++)
        memset(&o->cpus[i], 0xff, sizeof(o->cpus[i]));
    if (sets && (!json_is_array(sets) || json_array_size(sets) > DOMAIN_MAX_VCPUS))
        return err_set(err, EINVAL, "cpus: an array of at most %d is needed", DOMAIN_MAX_VCPUS);
    json_array_foreach(sets, i, set)
    {
        if (!json_is_string(set) || cpulist_parse(json_string_value(set), &o->cpus[i]) < 0)
            return err_set(err, EINVAL, "cpus: %zu is no list of CPUs", i);
    }
    return 0;
}

static int take_shares(struct domain_options *o, const json_t *doc, struct err *err)
{
    json_int_t weight = SHARES_WEIGHT, cap = 0;
    int rc = 0;

    if (json_object_get(doc, "cpu_weight"))
        rc = json_need_int(doc, "cpu_weight", 1, 65535, &weight, err);
    if (rc == 0 && json_object_get(doc, "cpu_cap"))
        rc = json_need_int(doc, "cpu_cap", 0, 100 * DOMAIN_MAX_VCPUS, &cap, err);
    o->cpu_weight = (unsigned int)weight;
    o->cpu_cap = (unsigned int)cap;
    return rc;
}

static int take_vcpus(struct domain_options *o, const json_t *doc, struct err *err)
{
    json_int_t vcpus = 0, online = 0;
    int rc = json_need_int(doc, "vcpus", 1, DOMAIN_MAX_VCPUS, &vcpus, err);

    if (rc < 0)
        return rc;
    o->vcpus = (unsigned int)vcpus;
    o->vcpu_avail = (1u << vcpus) - 1;
    if (json_object_get(doc, "vcpu_avail")) {
        rc = json_need_int(doc, "vcpu_avail", 1, o->vcpu_avail, &online, err);
        if (rc < 0)
            return rc;
        o->vcpu_avail = (uint32_t)online | 1;
    }
    rc = take_shares(o, doc, err);
    return rc < 0 ? rc : take_cpus(o, doc, err);
}

int domain_options_parse(struct domain_options *o, const json_t *doc, struct err *err)
{
    int rc;

    memset(o, 0, sizeof(*o));
    rc = take_strings(o, doc, err);
    if (rc == 0)
        rc = take_numbers(o, doc, err);
    if (rc == 0)
        rc = take_vcpus(o, doc, err);
    if (rc == 0)
        rc = take_programs(o, doc, err);
    if (rc == 0)
        rc = take_console_log(o, doc, err);
    if (rc == 0)
        rc = take_uuid(o, doc, err);
    if (rc == 0)
        rc = take_action(doc, "on_poweroff", &o->on_poweroff, err);
    if (rc == 0)
        rc = take_action(doc, "on_reboot", &o->on_reboot, err);
    if (rc == 0)
        rc = take_action(doc, "on_crash", &o->on_crash, err);
    if (rc == 0)
        rc = take_action(doc, "on_watchdog", &o->on_watchdog, err);
    if (rc == 0)
        rc = take_array(doc, "disks", &o->disks, err);
    if (rc == 0)
        rc = take_array(doc, "vifs", &o->vifs, err);
    if (rc == 0)
        rc = take_object(doc, "bootloader", &o->bootloader, err);
    if (rc == 0)
        rc = take_object(doc, "vm", &o->vm, err);
    if (rc == 0)
        o->hvm = json_incref(json_object_get(doc, "hvm"));
    if (rc == 0)
        rc = take_object(doc, "vfb", &o->vfb, err);
    if (rc < 0)
        domain_options_done(o);
    return rc;
}

void domain_options_done(struct domain_options *o)
{
    free(o->name);
    free(o->kernel);
    free(o->ramdisk);
    free(o->cmdline);
    free(o->log_path);
    free(o->console_path);
    free(o->socket_path);
    free(o->lock_path);
    free(o->status_path);
    free(o->dump_dir);
    json_decref(o->disks);
    json_decref(o->vifs);
    json_decref(o->bootloader);
    json_decref(o->vm);
    json_decref(o->hvm);
    json_decref(o->vfb);
    memset(o, 0, sizeof(*o));
}
