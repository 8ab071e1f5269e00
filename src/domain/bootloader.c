/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * bootloader.c - see bootloader.h. The contract is xend's: PROGRAM ARGS --output=FILE DISK on a
 * terminal, and an S-expression in FILE at the end. FILE is a pipe here.
 *
 * A domain process in its jail can neither make terminals and pipes nor say what is executed:
 * all of that is made before, and what the launcher starts was fixed when the launcher was made.
 * The exit status stays with the launcher; who fails prints no result.
 */
#define _GNU_SOURCE
#include "domain/bootloader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "backend/console.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/signals.h"
#include "config/sxp.h"
#include "domain/process.h"

#define MAX_ARGS 64
#define FD_RESULT 3 /* in the boot loader */
#define RESULT_MAX 16384
#define WORDS_MAX 2048
#define QUIET_SECONDS 120 /* for one that nobody is asked to answer */
#define ROWS 24
#define COLUMNS 80

enum { EXEC_TERMINAL, EXEC_RESULT, NR_EXEC_FDS };

/* Fixed before the launcher is made, which has a copy. */
static struct {
    char *args[MAX_ARGS + 4]; /* [0] is the program */
    size_t count;             /* without what bootloader_exec() puts behind */
    char *disk;
    char *directory; /* for its copies */
    time_t since;    /* when it was fixed */
} command;

struct bootloader {
    bool interactive;
    int master, terminal;      /* of the pty */
    int result, result_writer; /* of the pipe */
    char *kernel, *ramdisk;    /* files to be removed */
    char *directory;
    /* Of a run. */
    struct process *p;
    int pidfd;
    bool ended;
    char text[RESULT_MAX + 1];
    size_t text_len;
    char words[WORDS_MAX + 1]; /* the last that it printed */
    size_t words_len;
};

static bool set_command(const json_t *doc, const char *directory, struct err *err)
{
    const char *program = json_get_string(doc, "program", "");
    const char *slash = strrchr(program, '/');
    const json_t *args = json_object_get(doc, "args");
    bool oom = false;

    if (!slash || json_array_size(args) > MAX_ARGS) {
        err_set(err, EINVAL, "bootloader: a path and up to %d arguments are needed", MAX_ARGS);
        return false;
    }
    command.args[command.count++] = strdup(program);
    for (size_t i = 0; i < json_array_size(args); i++) {
        const char *arg = json_string_value(json_array_get(args, i));

        command.args[command.count] = strdup(arg ? arg : "");
        oom |= !command.args[command.count++];
    }
    command.since = time(NULL);
    command.disk = strdup(json_get_string(doc, "disk", ""));
    /* Others' boot loaders may not know the option, and have places of their own. */
    if (strcmp(slash + 1, "pygrub") == 0)
        command.directory = strdup(directory);
    if (oom || !command.args[0] || !command.disk) {
        err_set(err, ENOMEM, "out of memory");
        return false;
    }
    return true;
}

/* The boot loader opens both once more, by the names that /proc has for them and with our rights:
 * what can be a file that may only be read does not get there. */
static bool are_fit(const int *fds, unsigned int nr_fds)
{
    struct stat st;

    return nr_fds == NR_EXEC_FDS && isatty(fds[EXEC_TERMINAL]) &&
           fstat(fds[EXEC_RESULT], &st) == 0 && S_ISFIFO(st.st_mode);
}

void bootloader_exec(const int *fds, unsigned int nr_fds)
{
    static char output[64], directory[PATHS_MAX + 32];
    size_t n = command.count;

    if (!are_fit(fds, nr_fds) || n == 0)
        _exit(126);
    /* By the process's own number: children of a shell script find it, too. */
    snprintf(output, sizeof(output), "--output=/proc/%d/fd/%d", (int)getpid(), FD_RESULT);
    command.args[n++] = output;
    if (command.directory) {
        mkdir(command.directory, 0700);
        snprintf(directory, sizeof(directory), "--output-directory=%s", command.directory);
        command.args[n++] = directory;
    }
    command.args[n++] = command.disk;
    command.args[n] = NULL;
    signals_reset();
    setenv("TERM", "vt100", 1);
    for (int fd = 0; fd < 3; fd++)
        if (dup2(fds[EXEC_TERMINAL], fd) < 0)
            _exit(126);
    if (dup2(fds[EXEC_RESULT], FD_RESULT) < 0)
        _exit(126);
    execv(command.args[0], command.args);
    dprintf(2, "%s: %s\r\n", command.args[0], strerror(errno));
    _exit(127);
}

static int open_terminal(struct bootloader *b, struct err *err)
{
    struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};
    char name[64];

    b->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (b->master >= 0 && grantpt(b->master) == 0 && unlockpt(b->master) == 0 &&
        ptsname_r(b->master, name, sizeof(name)) == 0)
        b->terminal = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (b->terminal < 0 || ioctl(b->terminal, TIOCSWINSZ, &size) < 0)
        return err_set(err, errno, "no terminal for the boot loader: %s", strerror(errno));
    return 0;
}

static bool is_quiet(const json_t *args)
{
    const json_t *arg;
    size_t i;

    json_array_foreach(args, i, arg)
    {
        const char *text = json_string_value(arg);

        if (text && (strcmp(text, "-q") == 0 || strcmp(text, "--quiet") == 0 ||
                     strncmp(text, "--entry", 7) == 0))
            return true;
    }
    return false;
}

/* A file of the directory that the boot loader was given. */
static bool is_its_copy(const char *path)
{
    const size_t n = command.directory ? strlen(command.directory) : 0;

    return n > 0 && strncmp(path, command.directory, n) == 0 && path[n] == '/' &&
           path[n + 1] != '.' && !strchr(path + n + 1, '/');
}

/* Not one that was there before it: other boot loaders may name any file. File systems that do not
 * know when it was made know when it was changed. */
static bool is_fresh(const char *path)
{
    struct statx st;

    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st) < 0 ||
        !S_ISREG(st.stx_mode))
        return false;
    return (st.stx_mask & STATX_BTIME ? st.stx_btime : st.stx_ctime).tv_sec >= command.since;
}

bool bootloader_may(const char *path, enum hostfile_right right)
{
    if (command.count == 0)
        return false;
    if (command.directory)
        return is_its_copy(path) && right != HOSTFILE_REPLACE;
    return right == HOSTFILE_READ || (right == HOSTFILE_REMOVE && is_fresh(path));
}

static void remove_directory(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *e;

    if (!dir)
        return;
    while ((e = readdir(dir)) != NULL)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
    unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* What domains left that were killed at the wrong moment: boot-N without N.lock. */
static void remove_leftovers(const char *run_dir)
{
    char path[PATHS_MAX + 32];
    DIR *dir = opendir(run_dir);
    const struct dirent *e;
    unsigned int domid;
    char extra;

    while (dir && (e = readdir(dir)) != NULL) {
        if (sscanf(e->d_name, "boot-%u%c", &domid, &extra) != 1)
            continue;
        snprintf(path, sizeof(path), "%s/%u.lock", run_dir, domid);
        if (access(path, F_OK) == 0)
            continue;
        snprintf(path, sizeof(path), "%s/boot-%u", run_dir, domid);
        remove_directory(path);
    }
    if (dir)
        closedir(dir);
}

int bootloader_prepare(struct bootloader **ret, const struct domain_options *o, struct err *err)
{
    struct bootloader *b;
    char run_dir[PATHS_MAX];
    int pipe_fds[2] = {-1, -1};
    int rc;

    *ret = NULL;
    if (!o->bootloader)
        return 0;
    b = calloc(1, sizeof(*b));
    if (!b)
        return err_set(err, ENOMEM, "out of memory");
    b->master = b->terminal = b->result = b->result_writer = -1;
    b->interactive = !is_quiet(json_object_get(o->bootloader, "args"));
    rc = paths_run_dir(run_dir, err);
    if (rc == 0 && asprintf(&b->directory, "%s/boot-%u", run_dir, o->domid) < 0)
        rc = err_set(err, ENOMEM, "out of memory");
    if (rc == 0 && !set_command(o->bootloader, b->directory, err))
        rc = -err->code;
    if (rc == 0 && pipe2(pipe_fds, O_CLOEXEC) < 0)
        rc = err_set(err, errno, "cannot make a pipe: %s", strerror(errno));
    b->result = pipe_fds[0];
    b->result_writer = pipe_fds[1];
    if (rc == 0)
        rc = open_terminal(b, err);
    if (rc == 0 && fcntl(b->result, F_SETFL, O_NONBLOCK) < 0)
        rc = err_set(err, errno, "cannot set up a pipe: %s", strerror(errno));
    if (rc < 0) {
        bootloader_destroy(b);
        return rc;
    }
    remove_leftovers(run_dir);
    *ret = b;
    return 0;
}

void bootloader_destroy(struct bootloader *b)
{
    if (!b)
        return;
    bootloader_clean(b);
    cleanup_close(&b->master);
    cleanup_close(&b->terminal);
    cleanup_close(&b->result);
    cleanup_close(&b->result_writer);
    free(b->directory);
    free(b);
}

bool bootloader_is_interactive(const struct bootloader *b)
{
    return b && b->interactive;
}

int bootloader_clean_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    if (command.directory)
        remove_directory(command.directory);
    return 0;
}

void bootloader_clean(struct bootloader *b)
{
    struct launcher_reply reply;

    if (b->kernel)
        (void)hostfile_remove(b->kernel);
    if (b->ramdisk)
        (void)hostfile_remove(b->ramdisk);
    free(b->kernel);
    free(b->ramdisk);
    b->kernel = b->ramdisk = NULL;
    if (b->directory)
        (void)launcher_ask(bootloader_clean_service, &(struct launcher_request){0}, &reply);
}

/* The last of what it prints is kept: it says why, if it fails. */
static void keep_words(struct bootloader *b, const char *text, size_t n)
{
    size_t drop;

    if (n > WORDS_MAX) {
        text += n - WORDS_MAX;
        n = WORDS_MAX;
    }
    drop = b->words_len + n > WORDS_MAX ? b->words_len + n - WORDS_MAX : 0;
    memmove(b->words, b->words + drop, b->words_len - drop);
    memcpy(b->words + b->words_len - drop, text, n);
    b->words_len += n - drop;
    b->words[b->words_len] = '\0';
}

static void on_printed(void *arg, uint32_t events)
{
    struct bootloader *b = arg;
    char buf[4096];
    ssize_t n = read(b->master, buf, sizeof(buf));

    if (n <= 0)
        return;
    keep_words(b, buf, (size_t)n);
    pthread_mutex_lock(&b->p->d.lock);
    console_print(b->p->d.console, buf, (size_t)n);
    pthread_mutex_unlock(&b->p->d.lock);
}

static void on_result(void *arg, uint32_t events)
{
    struct bootloader *b = arg;
    ssize_t n = read(b->result, b->text + b->text_len, RESULT_MAX - b->text_len);

    if (n > 0)
        b->text_len += (size_t)n;
    b->text[b->text_len] = '\0';
    if (b->text_len == RESULT_MAX)
        b->ended = true; /* nobody has that much to say */
}

static void on_end(void *arg, uint32_t events)
{
    struct bootloader *b = arg;

    b->ended = true;
}

/* What people at the console type. */
static size_t on_typed(void *arg, const void *buf, size_t n)
{
    struct bootloader *b = arg;
    ssize_t put = write(b->master, buf, n);

    return put < 0 ? n : (size_t)put; /* a terminal that takes nothing more loses keys */
}

/* Behind a terminal's escape sequence. */
static const char *skip_escape(const char *p)
{
    if (p[1] != '[')
        return p + 1 + (p[1] != '\0') + (p[1] && strchr("()", p[1]) && p[2]);
    for (p += 2; *p && ((unsigned char)*p < '@' || (unsigned char)*p > '~'); p++)
        continue;
    return p + (*p != '\0');
}

/* The last line that it printed. What a terminal would be told to do ends a line, too. */
static const char *last_words(struct bootloader *b)
{
    char *out = b->words, *line;

    for (const char *p = b->words; *p;) {
        if (*p == '\x1b') {
            p = skip_escape(p);
            *out++ = '\n';
        } else {
            *out++ = *p == '\n' || (unsigned char)*p >= ' ' ? *p : '\n';
            p++;
        }
    }
    while (out > b->words && (unsigned char)out[-1] <= ' ')
        out--;
    *out = '\0';
    for (line = out; line > b->words && line[-1] != '\n'; line--)
        continue;
    return line;
}

static int take_text(const struct sxp *image, const char *name, char **ret, struct err *err)
{
    const struct sxp *pair = sxp_find(image, name);
    const char *value = pair ? sxp_value(pair) : "";

    free(*ret);
    *ret = strdup(value ? value : "");
    return *ret ? 0 : err_set(err, ENOMEM, "out of memory");
}

/* pygrub's words are written by a process of nobody's that has looked at the guest's disk: files of
 * the host that only we can read are not for it to name, nor to be removed. */
static int check_file(const char *path, struct err *err)
{
    if (!command.directory || !path[0] || is_its_copy(path))
        return 0;
    return err_set(err, EPERM, "the boot loader names %s, which is not one of its copies", path);
}

/* "linux (kernel PATH)(ramdisk PATH)(args "ARGS")" */
static int parse_result(struct bootloader *b, struct domain_options *o, struct err *err)
{
    struct arena arena = {0};
    struct sxp *image = NULL;
    int rc = sxp_parse(&arena, "the boot loader's result", b->text, b->text_len, &image, err);

    if (rc == 0)
        rc = take_text(image, "kernel", &o->kernel, err);
    if (rc == 0)
        rc = take_text(image, "ramdisk", &o->ramdisk, err);
    if (rc == 0)
        rc = take_text(image, "args", &o->cmdline, err);
    if (rc == 0 && !o->kernel[0])
        rc = err_set(err, EINVAL, "the boot loader's result names no kernel");
    if (rc == 0)
        rc = check_file(o->kernel, err);
    if (rc == 0)
        rc = check_file(o->ramdisk, err);
    arena_done(&arena);
    if (rc < 0)
        return rc;
    b->kernel = strdup(o->kernel);
    b->ramdisk = o->ramdisk[0] ? strdup(o->ramdisk) : NULL;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until it ends, somebody wants the domain to, or it has had its time. */
static void serve(struct bootloader *b)
{
    int64_t until = now_ms() + QUIET_SECONDS * 1000;

    while (!b->ended && !b->p->destroy) {
        int64_t left = until - now_ms();

        if (!b->interactive && left <= 0)
            break;
        loop_run_once(b->p->loop, b->interactive ? -1 : (int)left);
    }
    if (!b->ended || b->text_len == RESULT_MAX)
        launcher_kill(b->pidfd, SIGKILL);
    launcher_reap(b->pidfd);
    /* Its last words and result may have come with its end. */
    for (int i = 0; i < 16; i++) {
        on_printed(b, 0);
        on_result(b, 0);
    }
}

static int watch_and_serve(struct bootloader *b, struct err *err)
{
    struct loop *loop = b->p->loop;
    struct loop_watch *printed = loop_add(loop, b->master, EPOLLIN, on_printed, b);
    struct loop_watch *result = loop_add(loop, b->result, EPOLLIN, on_result, b);
    struct loop_watch *end = loop_add(loop, b->pidfd, EPOLLIN, on_end, b);
    struct console *console = b->p->d.console;

    pthread_mutex_lock(&b->p->d.lock);
    console_set_port(console, on_typed, b);
    console_resume_input(console);
    pthread_mutex_unlock(&b->p->d.lock);
    serve(b);
    pthread_mutex_lock(&b->p->d.lock);
    console_set_port(console, NULL, NULL);
    pthread_mutex_unlock(&b->p->d.lock);
    loop_remove(end);
    loop_remove(result);
    loop_remove(printed);
    return printed && result && end ? 0 : err_set(err, ENOMEM, "out of memory");
}

static int judge(struct bootloader *b, struct err *err)
{
    const char *words;

    if (b->p->destroy)
        return err_set(err, ECANCELED, "ended while its boot loader ran");
    if (b->ended && b->text_len > 0 && b->text_len < RESULT_MAX)
        return parse_result(b, &b->p->options, err);
    words = last_words(b);
    if (!b->ended)
        return err_set(err, ETIMEDOUT, "Boot loader didn't return within %d seconds",
                       QUIET_SECONDS);
    return err_set(err, EIO, "Boot loader didn't return any data!%s%s",
                   words[0] ? " It says: " : "", words);
}

int bootloader_run(struct bootloader *b, struct process *p, struct err *err)
{
    int rc;

    b->p = p;
    b->ended = false;
    b->text_len = b->words_len = 0;
    b->text[0] = b->words[0] = '\0';
    on_result(b, 0); /* what an earlier one wrote too late */
    b->text_len = 0;
    rc = launcher_spawn(bootloader_exec,
                        (int[]){[EXEC_TERMINAL] = b->terminal, [EXEC_RESULT] = b->result_writer},
                        NR_EXEC_FDS, &b->pidfd, err);
    if (rc < 0)
        return rc;
    rc = watch_and_serve(b, err);
    if (rc == 0)
        rc = judge(b, err);
    if (rc == 0)
        log_msg(LOG_INFO, "domain", "boot loader: kernel %s%s%s, command line: %s",
                p->options.kernel, p->options.ramdisk[0] ? ", ramdisk " : "", p->options.ramdisk,
                p->options.cmdline);
    else
        bootloader_clean(b);
    return rc;
}
