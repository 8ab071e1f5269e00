/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * migrate.c - xm migrate: a domain is saved, and goes on elsewhere; to a xend's relocation server,
 * or through a program's pipes (xl's way, ssh). Until the other side has said that the domain runs
 * there, the saved file stays here: whatever fails, there is one that can go on, and never two.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/paths.h"
#include "toolstack/domains.h"
#include "toolstack/relocation.h"
#include "toolstack/saved.h"
#include "toolstack/xend_log.h"
#include "xm/restore.h"
#include "xm/verbs.h"

/* How long the other side may take to greet, to look at the domain, to start it. */
#define GREET_MS 40000
#define READY_MS 120000
#define START_MS 300000

struct migration {
    const char *domain, *host;
    const char *port, *command; /* TCP, or a program that speaks to the other side */
    bool paused, live;
    struct relocation peer;
    int fd;
    pid_t program; /* 0: none */
};

/* --- the connection ----------------------------------------------------------------------- */

/* `command HOST xl migrate-receive`, with its pipes as a socket. */
static int start_program(struct migration *m, struct err *err)
{
    CLEANUP_FREE char *line = NULL;
    posix_spawn_file_actions_t actions;
    int pair[2], rc;

    if (asprintf(&line, "exec %s %s xl migrate-receive%s", m->command, m->host,
                 m->paused ? " -p" : "") < 0) {
        line = NULL;
        return err_set(err, ENOMEM, "out of memory");
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
    char *argv[] = {(char *)"sh", (char *)"-c", line, NULL};

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pair[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pair[1], STDOUT_FILENO);
    rc = posix_spawn(&m->program, "/bin/sh", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pair[1]);
    m->fd = pair[0];
    return rc ? err_set(err, rc, "cannot run '%s': %s", m->command, strerror(rc)) : 0;
}

/* As far as that it would take a domain: so far our guest has noticed nothing. */
static int greet(struct migration *m, struct err *err)
{
    char line[RELOCATION_LINE];
    int rc = 0;

    if (m->command)
        rc = start_program(m, err);
    else
        m->fd = relocation_connect(m->host, m->port, err);
    if (rc < 0 || m->fd < 0)
        return rc < 0 ? rc : m->fd;
    m->peer = (struct relocation){.in = m->fd, .out = m->fd, .peer = m->host};
    rc = relocation_say(&m->peer, err, "receive");
    if (rc == 0)
        rc = relocation_hear(&m->peer, line, GREET_MS, err);
    if (rc == 0 && strcmp(line, "(ready receive)") != 0)
        rc = err_set(err, EPROTO, "%s does not take domains: '%.60s'", m->host, line);
    return rc;
}

static void hang_up(const struct migration *m)
{
    if (m->fd >= 0)
        close(m->fd);
    while (m->program > 0 && waitpid(m->program, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* --- the course of it --------------------------------------------------------------------- */

/* The guest stands still, all of it is in the file. Does the other side have it and want it? */
static int offer(void *arg, const char *path, struct err *err)
{
    const struct migration *m = arg;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char line[RELOCATION_LINE];
    struct stat st;
    int rc;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, errno, "cannot read %s: %s", path, strerror(errno));
    rc = relocation_say(&m->peer, err, "(image (size %lld))", (long long)st.st_size);
    if (rc == 0)
        rc = relocation_send_file(&m->peer, fd, err);
    if (rc == 0)
        rc = relocation_hear(&m->peer, line, READY_MS, err);
    if (rc == 0 && strcmp(line, "(ready start)") != 0)
        rc = err_set(err, EPROTO, "%s does not take the domain: '%.60s'", m->host, line);
    return rc;
}

/* It has ended here: from now on the other side decides. Returns the exit status. */
static int conclude(const struct migration *m, const char *name, const char *path)
{
    char line[RELOCATION_LINE] = "";
    struct err err = {0};
    int rc = relocation_say(&m->peer, &err, "go");

    /* Without that word nothing is started there. */
    if (rc < 0)
        err.code = EREMOTEIO;
    else
        rc = relocation_hear(&m->peer, line, START_MS, &err);
    if (rc == 0 && strcmp(line, "(started)") == 0) {
        (void)unlink(path);
        xend_log(XEND_INFO, "domain '%s' went to %s", name, m->host);
        return XM_OK;
    }
    if (rc < 0 && err.code == EREMOTEIO) {
        verb_error(&err);
        if (restore_file(path, &(struct restore_options){0}) == XM_OK) {
            (void)unlink(path);
            fprintf(stderr, "Domain '%s' goes on here.\n", name);
        } else {
            fprintf(stderr, "Domain '%s' is saved in %s.\n", name, path);
        }
        return XM_FAILED;
    }
    fprintf(stderr,
            "Error: %s\nIt is not known whether domain '%s' runs on %s. If it does not, it goes on "
            "from here by 'xm restore %s'; if it does, remove that file.\n",
            rc < 0 ? err.msg : "an answer that makes no sense", name, m->host, path);
    return XM_FAILED;
}

/* Where nobody takes it for a domain that was saved for the next start of the host. */
static int make_path(const struct registry_entry *entry, char path[static PATHS_MAX],
                     struct err *err)
{
    char dir[PATHS_MAX];
    int rc = paths_state_dir(dir, err);

    if (rc == 0 && snprintf(path, PATHS_MAX, "%s/migration", dir) >= PATHS_MAX)
        rc = err_set(err, ENAMETOOLONG, "%s: the name is too long", dir);
    if (rc == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
        rc = err_set(err, errno, "cannot make %s: %s", path, strerror(errno));
    if (rc == 0 && snprintf(path, PATHS_MAX, "%s/migration/%s", dir, entry->name) >= PATHS_MAX)
        rc = err_set(err, ENAMETOOLONG, "%s: the name is too long", dir);
    return rc;
}

static int migrate(struct migration *m)
{
    struct registry_entry entry;
    char path[PATHS_MAX];
    struct err err = {0};
    bool left = false;
    int rc;

    if (domains_is_host(m->domain)) {
        err_set(&err, EPERM, "Cannot migrate privileged domain 0");
        return verb_error(&err);
    }
    rc = domains_find(m->domain, &entry, &err);
    if (rc == 0)
        rc = saved_may_leave(&entry, &err);
    if (rc == 0)
        rc = make_path(&entry, path, &err);
    if (rc == 0)
        rc = greet(m, &err);
    if (rc == 0 && m->live)
        fprintf(stderr, "Note: the guest stands still until it is there.\n");
    if (rc == 0)
        rc = saved_hand_over(&entry, path, offer, m, &left, &err);
    if (rc == 0)
        return conclude(m, entry.name, path);
    rc = verb_error(&err);
    if (left)
        fprintf(stderr, "If domain '%s' does not run here, it is in %s.\n", entry.name, path);
    return rc;
}

/* --- arguments ---------------------------------------------------------------------------- */

/* `effect`: a letter that take_option() knows; '-': there is none, and who asks for it is told. */
static const struct {
    const char *word, *xl_word;
    bool has_value;
    char effect;
} options[] = {
    {"-l", NULL, false, 'l'},      {"--live", "--live", false, 'l'},
    {"-p", NULL, true, 'p'},       {"--port", NULL, true, 'p'},
    {"-r", NULL, true, '-'},       {"--resource", NULL, true, '-'},
    {"-n", NULL, true, '-'},       {"--node", NULL, true, '-'},
    {"-c", NULL, false, '-'},      {"--change_home_server", NULL, false, '-'},
    {"-s", NULL, false, 's'},      {"--ssl", NULL, false, 's'},
    {NULL, "-s", true, 'S'},       {NULL, "-p", false, 'P'},
    {NULL, "-e", false, ' '},      {NULL, "-D", false, ' '},
    {NULL, "--debug", false, ' '},
};

static int take_option(struct migration *m, const struct verb *self, char effect, const char *word,
                       const char *value)
{
    switch (effect) {
    case 'l':
        m->live = true;
        break;
    case 'p':
        m->port = value;
        break;
    case 'P':
        m->paused = true;
        break;
    case 'S':
        m->command = value;
        break;
    case 's':
        return verb_usage_error(self, "there is no TLS; 'xl migrate' goes by ssh");
    case '-':
        fprintf(stderr, "Warning: %s has no effect\n", word);
        break;
    default:
        break;
    }
    return -1;
}

/* The option that argv[*i] is, with its value in it or behind it. -1 to go on, else the status. */
static int find_option(struct migration *m, const struct verb *self, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    size_t len = equals ? (size_t)(equals - word) : strlen(word);

    for (size_t k = 0; k < ARRAY_SIZE(options); k++) {
        const char *known = verb_is_xl() ? options[k].xl_word : options[k].word;
        const char *value = equals ? equals + 1 : NULL;

        if (!known || strlen(known) != len || strncmp(known, word, len) != 0)
            continue;
        if (options[k].has_value && !value)
            value = *i + 1 < argc ? argv[++*i] : NULL;
        if (options[k].has_value != (value != NULL))
            return verb_usage_error(self, "option %s %s", known,
                                    value ? "takes no value" : "needs a value");
        return take_option(m, self, options[k].effect, known, value);
    }
    return verb_usage_error(self, "unknown option '%s'", word);
}

static int run_migrate(const struct verb *self, int argc, char **argv)
{
    struct migration m = {.port = "8002", .command = verb_is_xl() ? "ssh" : NULL, .fd = -1};
    int status = verb_check_arguments(self, argc, argv, 2, 12);

    for (int i = 1; i < argc && status < 0; i++) {
        if (argv[i][0] == '-')
            status = find_option(&m, self, argc, argv, &i);
        else if (m.host)
            status = verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        else if (m.domain)
            m.host = argv[i];
        else
            m.domain = argv[i];
    }
    if (status < 0 && !m.host)
        status = verb_usage_error(self, "a domain and a host are needed");
    if (status >= 0)
        return status;
    status = migrate(&m);
    hang_up(&m);
    return status;
}

const struct verb verb_migrate = {
    .name = "migrate",
    .arguments = "[-l] [-p <Port>] <Domain> <Host>",
    .summary = "Let a domain go on on another host.",
    .details = "  -l, --live       as without: the guest stands still until it is there\n"
               "  -p, --port=PORT  of the other host's xend-relocation-server (8002)\n"
               "\n"
               "xl's: by ssh, or -s 'COMMAND'; -p: paused\n",
    .run = run_migrate,
};
