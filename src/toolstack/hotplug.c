/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hotplug.c - see hotplug.h.
 */
#define _GNU_SOURCE
#include "toolstack/hotplug.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/paths.h"
#include "base/signals.h"

#define PROGRAM "xenolith-hotplug"
#define WORDS_MAX 65536

bool hotplug_is_for(const json_t *device)
{
    if (json_object_get(device, "path"))
        return json_get_string(device, "script", "")[0] != '\0';
    return strcmp(json_get_string(device, "type", ""), "tap") == 0;
}

/* An open file with the text, at its start. */
static int make_input(const json_t *object, struct err *err)
{
    CLEANUP_FREE char *line = object ? json_to_line(object) : strdup("");
    CLEANUP_CLOSE int fd = memfd_create("hotplug-input", MFD_CLOEXEC);
    int rc = line && fd >= 0 ? io_write_all(fd, line, strlen(line)) : -ENOMEM;

    if (rc < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return err_set(err, ENOMEM, "cannot pass the device to " PROGRAM);
    return STEAL_FD(fd);
}

/* Its sentence, if it failed; else what it says of the device (may be NULL) goes there. Takes
 * the descriptor. */
static int wait_for(pid_t child, int fd, json_t *device, struct err *err)
{
    CLEANUP_FREE char *words = NULL;
    json_t *answer = NULL;
    size_t len = 0;
    int status = 0, rc = 0;

    if (io_read_fd(fd, WORDS_MAX, &words, &len, NULL) < 0)
        words = NULL;
    close(fd);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        if (device && words)
            rc = json_parse_object(words, len, &answer, err);
        if (rc == 0 && answer)
            json_object_update(device, answer);
        json_decref(answer);
        return rc;
    }
    if (words && len > 0)
        words[strcspn(words, "\n")] = '\0';
    return err_set(err, EIO, "%s", words && words[0] ? words : PROGRAM " failed");
}

static int run(const char *const *arguments, json_t *device, struct err *err)
{
    char program[PATHS_MAX];
    CLEANUP_CLOSE int in = -1;
    int rc = paths_helper(program, PROGRAM, err), out[2];
    pid_t child;

    if (rc < 0)
        return rc;
    in = make_input(device, err);
    if (in < 0)
        return in;
    if (pipe2(out, O_CLOEXEC) < 0)
        return err_set(err, errno, "cannot make a pipe: %s", strerror(errno));
    child = fork();
    if (child == 0) {
        signals_reset();
        if (dup2(in, 0) >= 0 && dup2(out[1], 1) >= 0 && dup2(out[1], 2) >= 0)
            execv(program, (char *const *)arguments);
        _exit(127);
    }
    close(out[1]);
    if (child < 0) {
        rc = err_set(err, errno, "cannot fork: %s", strerror(errno));
        close(out[0]);
        return rc;
    }
    return wait_for(child, out[0], device, err);
}

int hotplug_attach(const struct registry_entry *domain, json_t *device, struct err *err)
{
    char dir[PATHS_MAX], lock[PATHS_MAX + 16], domid[8];
    const char *const arguments[] = {PROGRAM, "attach", domid, domain->name, lock, NULL};
    int rc = paths_run_dir(dir, err);

    if (rc < 0)
        return rc;
    snprintf(domid, sizeof(domid), "%u", domain->domid);
    snprintf(lock, sizeof(lock), "%s/%u.lock", dir, domain->domid);
    return run(arguments, device, err);
}

int hotplug_detach(domid_t domid, const char *class, unsigned int devid, struct err *err)
{
    char numbers[2][16];
    const char *const arguments[] = {PROGRAM, "detach", numbers[0], class, numbers[1], NULL};

    snprintf(numbers[0], sizeof(numbers[0]), "%u", domid);
    snprintf(numbers[1], sizeof(numbers[1]), "%u", devid);
    return run(arguments, NULL, err);
}

#define LIST_MAX 1048576

/* The list of a domain's devices that xenolith-hotplug keeps. */
static bool list_path(domid_t domid, char list[static PATHS_MAX + 32])
{
    char dir[PATHS_MAX];

    if (paths_run_dir(dir, NULL) < 0)
        return false;
    snprintf(list, PATHS_MAX + 32, "%s/hotplug/%u.json", dir, domid);
    return true;
}

bool hotplug_has_any(domid_t domid)
{
    char list[PATHS_MAX + 32];

    return list_path(domid, list) && access(list, F_OK) == 0;
}

void hotplug_print_warnings(domid_t domid, int devid)
{
    char list[PATHS_MAX + 32];
    CLEANUP_FREE char *text = NULL;
    json_t *doc = NULL, *device;
    size_t len = 0, i;

    if (!list_path(domid, list) || io_read_file(list, LIST_MAX, &text, &len, NULL) < 0 ||
        json_parse_object(text, len, &doc, NULL) < 0)
        return;
    json_array_foreach(json_object_get(doc, "devices"), i, device)
    {
        if (json_object_get(device, "warning") &&
            (devid == HOTPLUG_ALL || json_get_int(device, "devid", -1) == devid))
            fprintf(stderr, "Warning: %s\n", json_get_string(device, "warning", ""));
    }
    json_decref(doc);
}
