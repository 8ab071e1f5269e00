/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * dump.c - xm dump-core: a domain's memory and CPUs in a file. The file is opened here and handed
 * to the domain process; until it is complete its name says so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/paths.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "xm/verbs.h"

#define SUFFIX "-incomplete"

struct dump_options {
    bool live, crash, reset;
    const char *domain, *file;
};

/* [NAME/]YYYY-MMDD-HHMM.SS-NAME.ID.core where cores belong. */
static int default_file(char path[static PATHS_MAX], const struct registry_entry *entry,
                        struct err *err)
{
    char dir[PATHS_MAX], stamp[32], own[PATHS_MAX + sizeof(entry->name) + 1];
    time_t now = time(NULL);
    struct stat st;
    struct tm tm;
    int rc = paths_dump_dir(dir, err), n;

    if (rc < 0)
        return rc;
    localtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m%d-%H%M.%S", &tm);
    snprintf(own, sizeof(own), "%s/%s", dir, entry->name);
    n = snprintf(path, PATHS_MAX, "%s/%s-%s.%u.core",
                 stat(own, &st) == 0 && S_ISDIR(st.st_mode) ? own : dir, stamp, entry->name,
                 entry->domid);
    return n < PATHS_MAX ? 0 : err_set(err, ENAMETOOLONG, "the name of the core file is too long");
}

static int dump_to(const struct dump_options *o, const struct registry_entry *entry,
                   const char *path, struct err *err)
{
    char partial[PATHS_MAX + sizeof(SUFFIX)];
    CLEANUP_CLOSE int fd = -1;
    json_t *answer = NULL;
    int rc;

    snprintf(partial, sizeof(partial), "%s" SUFFIX, path);
    /* In a directory of everybody's, a file that is there already may be somebody else's, who would
     * read the guest's memory in it. */
    (void)unlink(partial);
    fd = open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, errno, "cannot write %s: %s", partial, strerror(errno));
    rc = client_call_with_fd(entry->domid,
                             json_pack("{s:s, s:b, s:b, s:b}", "verb", "dump-core", "live", o->live,
                                       "crash", o->crash, "reset", o->reset),
                             fd, -1, &answer, err);
    json_decref(answer);
    if (rc == 0 && rename(partial, path) < 0)
        rc = err_set(err, errno, "cannot rename %s: %s", partial, strerror(errno));
    return rc;
}

/* -1 to go on, else the exit status. */
static int take_arguments(struct dump_options *o, const struct verb *self, int argc, char **argv)
{
    static const struct {
        const char *brief, *word;
        size_t at;
    } flags[] = {
        {"-L", "--live", offsetof(struct dump_options, live)},
        {"-C", "--crash", offsetof(struct dump_options, crash)},
        {"-R", "--reset", offsetof(struct dump_options, reset)},
    };

    for (int i = 1; i < argc; i++) {
        bool known = false;

        for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
            if (strcmp(argv[i], flags[k].brief) != 0 && strcmp(argv[i], flags[k].word) != 0)
                continue;
            *(bool *)((char *)o + flags[k].at) = known = true;
        }
        if (known)
            continue;
        if (argv[i][0] == '-')
            return verb_usage_error(self, "unknown option '%s'", argv[i]);
        if (o->file)
            return verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        if (o->domain)
            o->file = argv[i];
        else
            o->domain = argv[i];
    }
    if (!o->domain)
        return verb_usage_error(self, "a domain is needed");
    if (o->crash && o->reset)
        return verb_usage_error(self, "You may not specify more than one of -C and -R");
    return -1;
}

static int run_dump_core(const struct verb *self, int argc, char **argv)
{
    struct dump_options o = {0};
    struct registry_entry entry;
    char path[PATHS_MAX];
    struct err err = {0};
    int rc = verb_check_arguments(self, argc, argv, 0, 1000);

    if (rc < 0)
        rc = take_arguments(&o, self, argc, argv);
    if (rc >= 0)
        return rc;
    if (domains_is_host(o.domain))
        rc = err_set(&err, EPERM, "Cannot dump core of domain 0, it is this host");
    else
        rc = domains_find(o.domain, &entry, &err);
    if (rc == 0 && !o.file)
        rc = default_file(path, &entry, &err);
    else if (rc == 0 && snprintf(path, sizeof(path), "%s", o.file) >= (int)sizeof(path))
        rc = err_set(&err, ENAMETOOLONG, "the name of the core file is too long");
    if (rc == 0) {
        printf("Dumping core of domain: %s ...\n", o.domain);
        fflush(stdout);
        rc = dump_to(&o, &entry, path, &err);
    }
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_dump_core = {
    .name = "dump-core",
    .arguments = "[-L|--live] [-C|--crash] [-R|--reset] <Domain> [Filename]",
    .summary = "Write a domain's memory and CPUs to a core file.",
    .details = "  -L, --live   let it run meanwhile\n"
               "  -C, --crash  end it afterwards\n"
               "  -R, --reset  reset it afterwards\n",
    .run = run_dump_core,
};
