/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domains.c - see domains.h.
 */
#define _GNU_SOURCE
#include "toolstack/domains.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "toolstack/managed.h"

/* How long a list waits for domains that do not answer, all together, and how long for one that
 * was named: on a busy host a domain process may have to wait for a CPU. */
#define LIST_TIMEOUT_MS 50
#define ONE_TIMEOUT_MS 2000
#define ANSWER_MAX 16384

bool domains_is_host(const char *name_or_id)
{
    return strcmp(name_or_id, "Domain-0") == 0 || strcmp(name_or_id, "0") == 0;
}

/* CPU time that the host has used, seconds. */
static double host_cpu_time(void)
{
    unsigned long long user = 0, nice = 0, system = 0;
    FILE *f = fopen("/proc/stat", "re");

    if (!f)
        return 0;
    if (fscanf(f, "cpu %llu %llu %llu", &user, &nice, &system) != 3)
        user = nice = system = 0;
    fclose(f);
    return (double)(user + nice + system) / (double)sysconf(_SC_CLK_TCK);
}

static json_t *host_info(void)
{
    json_int_t mib = (json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 1048576;

    int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);

    return json_pack("{s:i, s:s, s:s, s:I, s:I, s:i, s:i, s:s, s:f}", "domid", 0, "name",
                     "Domain-0", "uuid", "00000000-0000-0000-0000-000000000000", "memory", mib,
                     "maxmem", mib, "vcpus", cpus, "online_vcpus", cpus, "state", "r-----",
                     "cpu_time", host_cpu_time());
}

/* One domain that is asked about itself. */
struct question {
    const struct registry_entry *entry;
    int fd; /* -1: answered, or nobody to ask */
    size_t used;
    char *text;
    json_t *info;
};

static void ask(struct question *q, const struct registry_entry *entry)
{
    static const char request[] = "{\"verb\":\"info\"}\n";

    *q = (struct question){.entry = entry, .text = malloc(ANSWER_MAX)};
    q->fd = q->text ? registry_connect(entry->domid, NULL) : -1;
    if (q->fd >= 0 && send(q->fd, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        close(q->fd);
        q->fd = -1;
    }
}

static void take_answer(struct question *q)
{
    ssize_t n = recv(q->fd, q->text + q->used, ANSWER_MAX - q->used, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    q->used += n > 0 ? (size_t)n : 0;
    if (n > 0 && q->text[q->used - 1] != '\n' && q->used < ANSWER_MAX)
        return;
    if (q->used > 0 && json_parse_object(q->text, q->used, &q->info, NULL) == 0 &&
        !json_get_bool(q->info, "ok", false)) {
        json_decref(q->info);
        q->info = NULL;
    }
    close(q->fd);
    q->fd = -1;
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void wait_for_answers(struct question *questions, size_t count, int timeout_ms)
{
    CLEANUP_FREE struct pollfd *pfd = calloc(count ? count : 1, sizeof(*pfd));
    int64_t until = now_ms() + timeout_ms, rest;

    while (pfd && (rest = until - now_ms()) > 0) {
        size_t open = 0;

        for (size_t i = 0; i < count; i++) {
            pfd[i] = (struct pollfd){.fd = questions[i].fd, .events = POLLIN};
            open += questions[i].fd >= 0;
        }
        if (open == 0 || poll(pfd, count, (int)rest) == 0)
            break;
        for (size_t i = 0; i < count; i++)
            if (pfd[i].fd >= 0 && pfd[i].revents)
                take_answer(&questions[i]);
    }
}

static bool still_lives(domid_t domid)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    size_t count = 0;

    if (registry_list(&entries, &count, NULL) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (entries[i].domid == domid)
            return true;
    return false;
}

/* What can be said of a domain that has not answered. */
static json_t *stale_info(const struct registry_entry *entry)
{
    json_t *record = registry_record(entry->domid);
    json_t *info = json_pack(
        "{s:i, s:s, s:s, s:I, s:I, s:I, s:s, s:f, s:b}", "domid", entry->domid, "name", entry->name,
        "uuid", json_get_string(record, "uuid", ""), "memory", json_get_int(record, "memory", -1),
        "maxmem", json_get_int(record, "maxmem", -1), "vcpus", json_get_int(record, "vcpus", -1),
        "state", "------", "cpu_time", 0.0, "stale", 1);

    json_decref(record);
    return info;
}

/* The answer, or what else is known; NULL: gone. Ends the question. */
static json_t *conclude(struct question *q)
{
    json_t *info = q->info;

    if (q->fd >= 0)
        close(q->fd);
    free(q->text);
    if (!info && still_lives(q->entry->domid))
        info = stale_info(q->entry);
    return info;
}

json_t *domains_info(const struct registry_entry *entry)
{
    struct question q;

    ask(&q, entry);
    wait_for_answers(&q, 1, ONE_TIMEOUT_MS);
    return conclude(&q);
}

/* 36 characters, with dashes where a uuid has them. */
static bool is_uuid(const char *text)
{
    return strlen(text) == 36 && strspn(text, "0123456789abcdefABCDEF-") == 36 && text[8] == '-' &&
           text[13] == '-' && text[18] == '-' && text[23] == '-';
}

static bool has_uuid(const struct registry_entry *entry, const char *uuid)
{
    json_t *record = registry_record(entry->domid);
    bool found = strcasecmp(json_get_string(record, "uuid", ""), uuid) == 0;

    json_decref(record);
    return found;
}

int domains_find(const char *name, struct registry_entry *ret, struct err *err)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    size_t count = 0;
    int rc = registry_find(name, ret, err);

    if (rc != -ESRCH || !is_uuid(name) || registry_list(&entries, &count, NULL) < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        if (has_uuid(&entries[i], name)) {
            *ret = entries[i];
            return 0;
        }
    }
    return rc;
}

static int collect_all(json_t *list, struct err *err)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    CLEANUP_FREE struct question *questions = NULL;
    size_t count = 0;
    int rc = registry_list(&entries, &count, err);

    json_array_append_new(list, host_info());
    questions = rc == 0 ? calloc(count + 1, sizeof(*questions)) : NULL;
    for (size_t i = 0; questions && i < count; i++)
        ask(&questions[i], &entries[i]);
    if (questions)
        wait_for_answers(questions, count, LIST_TIMEOUT_MS);
    for (size_t i = 0; questions && i < count; i++) {
        json_t *info = conclude(&questions[i]);

        if (info)
            json_array_append_new(list, info);
    }
    return rc;
}

static int collect_named(json_t *list, const char *name, struct err *err)
{
    struct registry_entry entry;
    json_t *info = NULL;
    int rc;

    if (domains_is_host(name))
        return json_array_append_new(list, host_info());
    rc = domains_find(name, &entry, err);
    if (rc == 0)
        info = domains_info(&entry);
    if (rc == 0 && !info)
        rc = err_set(err, ESRCH, "Domain '%s' does not exist.", name);
    return rc < 0 ? rc : json_array_append_new(list, info);
}

int domains_collect(char *const *names, int nr_names, json_t **ret, struct err *err)
{
    json_t *list = json_array();
    int rc = nr_names ? 0 : collect_all(list, err);

    for (int i = 0; i < nr_names && rc == 0; i++)
        rc = collect_named(list, names[i], err);
    if (rc < 0)
        json_decref(list);
    else
        *ret = list;
    return rc;
}

/* Is it among those that were just found to run? By name, too: the record of one that is just
 * being started may not be there yet. */
static bool is_listed(const json_t *list, const json_t *domain)
{
    static const char *const keys[] = {"uuid", "name"};
    const json_t *info;
    size_t i;

    json_array_foreach(list, i, info)
    {
        for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
            if (strcasecmp(json_get_string(info, keys[k], ""),
                           json_get_string(domain, keys[k], "-")) == 0)
                return true;
    }
    return false;
}

/* What lists show of a managed domain. Borrows. */
static json_t *halted_info(const json_t *domain)
{
    static const char *const members[] = {"name",  "uuid", "memory",   "maxmem",
                                          "vcpus", "sxp",  "suspended"};
    json_t *info = json_pack("{s:s, s:f}", "state", "", "cpu_time", 0.0);

    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        json_object_set(info, members[i], json_object_get(domain, members[i]));
    return info;
}

static int add_halted(json_t *list, struct err *err)
{
    json_t *domains = NULL;
    int rc = managed_list(&domains, err);

    for (size_t i = 0; rc == 0 && i < json_array_size(domains); i++) {
        const json_t *domain = json_array_get(domains, i);

        if (!is_listed(list, domain))
            json_array_append_new(list, halted_info(domain));
    }
    json_decref(domains);
    return rc;
}

int domains_collect_all(char *const *names, int nr_names, json_t **ret, struct err *err)
{
    json_t *list = json_array();
    int rc = nr_names ? 0 : collect_all(list, err);

    if (rc == 0 && nr_names == 0)
        rc = add_halted(list, err);
    for (int i = 0; i < nr_names && rc == 0; i++) {
        json_t *domain;

        rc = collect_named(list, names[i], err);
        domain = rc == -ESRCH ? managed_find(names[i]) : NULL;
        if (domain)
            rc = json_array_append_new(list, halted_info(domain));
        json_decref(domain);
    }
    if (rc < 0)
        json_decref(list);
    else
        *ret = list;
    return rc;
}
