/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * install_tree.c - see install_tree.h. Files are fetched by curl (HTTP and FTP) and by libnfs'
 * nfs-cp, which needs neither root nor a mount; both are children with no shell in between.
 */
#define _GNU_SOURCE
#include "xm/install_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/signals.h"

#define WORDS_MAX 512
#define FILE_MAX "1073741824"
#define PATIENCE "30" /* seconds for a connection */

/* Where distributions have them, below what their users give as location. */
static const struct layout {
    const char *kernel, *ramdisk;
    bool red_hat;
} layouts[] = {
    /* Red Hat 5 and its family; later ones, whose kernel runs anywhere */
    {"images/xen/vmlinuz", "images/xen/initrd.img", true},
    {"images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", true},
    /* Debian and Ubuntu: dists/SUITE/main/installer-amd64, or what is below its images/ */
    {"current/images/netboot/xen/vmlinuz", "current/images/netboot/xen/initrd.gz", false},
    {"current/legacy-images/netboot/xen/vmlinuz", "current/legacy-images/netboot/xen/initrd.gz",
     false},
    {"images/netboot/xen/vmlinuz", "images/netboot/xen/initrd.gz", false},
    {"netboot/xen/vmlinuz", "netboot/xen/initrd.gz", false},
    {"xen/vmlinuz", "xen/initrd.gz", false},
    {"current/images/netboot/debian-installer/amd64/linux",
     "current/images/netboot/debian-installer/amd64/initrd.gz", false},
    {"images/netboot/debian-installer/amd64/linux",
     "images/netboot/debian-installer/amd64/initrd.gz", false},
    {"netboot/debian-installer/amd64/linux", "netboot/debian-installer/amd64/initrd.gz", false},
    {"text/debian-installer/amd64/linux", "text/debian-installer/amd64/initrd.gz", false},
    {"debian-installer/amd64/linux", "debian-installer/amd64/initrd.gz", false},
    /* SUSE */
    {"boot/x86_64/vmlinuz-xen", "boot/x86_64/initrd-xen", false},
    {"boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", false},
    /* a directory with nothing but the two */
    {"vmlinuz", "initrd.img", false},
    {"vmlinuz", "initrd.gz", false},
    {"linux", "initrd.gz", false},
};

/* Run a program; the start of what it says goes to `words`. Its exit status, or -errno. */
static int run(const char *const *argv, char words[static WORDS_MAX])
{
    int out[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    words[0] = '\0';
    if (pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        signals_reset();
        if (null >= 0 && dup2(null, 0) >= 0 && dup2(out[1], 1) >= 0 && dup2(out[1], 2) >= 0)
            execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(out[1]);
    while (pid > 0 && (n = read(out[0], words + len, WORDS_MAX - 1 - len)) != 0) {
        if (n < 0 && errno != EINTR)
            break;
        len += n > 0 ? (size_t)n : 0;
        if (len == WORDS_MAX - 1)
            len = 0; /* the last words count */
    }
    words[len] = '\0';
    words[strcspn(words, "\r\n")] = '\0';
    close(out[0]);
    if (pid < 0)
        return -EAGAIN;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int no_program(const char *program, const char *package, struct err *err)
{
    return err_set(err, ENOENT, "%s is not installed (Debian: %s)", program, package);
}

/* -ENOENT without more ado: there is no such file on the server. */
static int fetch_by_curl(const char *url, const char *to, struct err *err)
{
    const char *const argv[] = {"curl",
                                "--fail",
                                "--silent",
                                "--show-error",
                                "--location",
                                "--proto",
                                "=http,https,ftp,ftps",
                                "--connect-timeout",
                                PATIENCE,
                                "--speed-time",
                                PATIENCE,
                                "--speed-limit",
                                "1",
                                "--max-filesize",
                                FILE_MAX,
                                "--output",
                                to,
                                "--",
                                url,
                                NULL};
    char words[WORDS_MAX];
    int status = run(argv, words);

    switch (status) {
    case 0:
        return 0;
    case 127:
        return no_program("curl", "curl", err);
    case 9:  /* FTP: no such directory */
    case 19: /* FTP: RETR failed */
    case 22: /* HTTP: 400 and above */
    case 78: /* no such file */
        return err_set(err, ENOENT, "%s: %s", url, words);
    default:
        return err_set(err, EIO, "cannot fetch %s: %s", url,
                       status < 0 ? strerror(-status) : words);
    }
}

static int fetch_by_nfs(const char *url, const char *to, struct err *err)
{
    static const char *const versions[] = {"4", "3"};
    char words[WORDS_MAX] = "";

    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        CLEANUP_FREE char *full = NULL;
        int status;

        if (asprintf(&full, "%s%cversion=%s", url, strchr(url, '?') ? '&' : '?', versions[i]) < 0) {
            full = NULL;
            return err_set(err, ENOMEM, "out of memory");
        }
        unlink(to); /* nfs-cp makes the file itself */
        status = run((const char *const[]){"nfs-cp", full, to, NULL}, words);
        if (status == 0 && access(to, R_OK) == 0)
            return 0;
        if (status == 127)
            return no_program("nfs-cp", "libnfs-utils", err);
        if (strstr(words, "NOENT"))
            return err_set(err, ENOENT, "%s: %s", url, words);
    }
    return err_set(err, EIO, "cannot fetch %s: %s", url, words);
}

static int copy_file(const char *from, const char *to, struct err *err)
{
    CLEANUP_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int out = open(to, O_WRONLY | O_CLOEXEC | O_TRUNC);
    char buf[65536];
    ssize_t n;
    int rc = 0;

    if (in < 0)
        return err_set(err, errno, "%s: %s", from, strerror(errno));
    if (out < 0)
        return err_set(err, errno, "%s: %s", to, strerror(errno));
    while (rc == 0 && (n = read(in, buf, sizeof(buf))) > 0)
        rc = io_write_all(out, buf, (size_t)n);
    if (rc == 0 && n < 0)
        rc = -errno;
    return rc < 0 ? err_set(err, -rc, "%s: %s", from, strerror(-rc)) : 0;
}

/* One file of the tree. */
static int fetch(const char *location, const char *path, const char *to, struct err *err)
{
    size_t n = strlen(location);
    CLEANUP_FREE char *url = NULL;
    const char *colon;

    while (n > 1 && location[n - 1] == '/')
        n--;
    if (strncmp(location, "nfs:", 4) == 0 && strncmp(location, "nfs://", 6) != 0) {
        /* nfs:HOST:/PATH, as virt-install has it */
        colon = strstr(location + 4, ":/");
        if (!colon)
            return err_set(err, EINVAL, "--location '%s': nfs:HOST:/PATH is meant", location);
        if (asprintf(&url, "nfs://%.*s%.*s/%s", (int)(colon - location - 4), location + 4,
                     (int)(location + n - colon - 1), colon + 1, path) < 0)
            url = NULL;
    } else if (asprintf(&url, "%.*s/%s", (int)n, location, path) < 0) {
        url = NULL;
    }
    if (!url)
        return err_set(err, ENOMEM, "out of memory");
    if (strncmp(url, "nfs://", 6) == 0)
        return fetch_by_nfs(url, to, err);
    if (strstr(url, "://"))
        return fetch_by_curl(url, to, err);
    return copy_file(url, to, err);
}

/* Servers answer with pages of their own for what they have not got. */
static bool is_kernel(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char start[518];

    if (fd < 0 || read(fd, start, sizeof(start)) != (ssize_t)sizeof(start))
        return false;
    return memcmp(start + 514, "HdrS", 4) == 0 || memcmp(start, "\177ELF", 4) == 0 ||
           memcmp(start, "\037\213", 2) == 0;
}

/* The line "key = value" of a section in .treeinfo; false if there is none. */
static bool treeinfo_value(const char *text, const char *section, const char *key,
                           char value[static 256])
{
    const char *p = strstr(text, section);
    size_t n = strlen(key);

    for (p = p ? strchr(p, '\n') : NULL; p && p[1] && p[1] != '['; p = strchr(p + 1, '\n')) {
        const char *v = p + 1;

        if (strncmp(v, key, n) != 0)
            continue;
        v += n;
        v += strspn(v, " \t");
        if (*v != '=')
            continue;
        v += 1 + strspn(v + 1, " \t");
        n = strcspn(v, " \t\r\n");
        if (n == 0 || n > 255)
            return false;
        memcpy(value, v, n);
        value[n] = '\0';
        return true;
    }
    return false;
}

static bool is_plain(const char *path)
{
    return path[0] != '/' && !strstr(path, "..") && !strstr(path, "://");
}

/* What a tree says of itself. */
static bool read_treeinfo(const char *location, const char *file, char kernel[static 256],
                          char ramdisk[static 256])
{
    static const char *const sections[] = {"[images-xen]", "[images-x86_64]"};
    CLEANUP_FREE char *text = NULL;
    struct err ignored;
    size_t len;

    if (fetch(location, ".treeinfo", file, &ignored) < 0 ||
        io_read_file(file, 65536, &text, &len, &ignored) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        if (treeinfo_value(text, sections[i], "kernel", kernel) &&
            treeinfo_value(text, sections[i], "initrd", ramdisk) && is_plain(kernel) &&
            is_plain(ramdisk))
            return true;
    return false;
}

/* Both files of a layout. -ENOENT: they are not there. */
static int try_layout(struct install_tree *tree, const char *location, const char *kernel,
                      const char *ramdisk, struct err *err)
{
    int rc = fetch(location, kernel, tree->kernel, err);

    if (rc == 0 && !is_kernel(tree->kernel))
        rc = err_set(err, ENOENT, "%s/%s is no kernel", location, kernel);
    return rc < 0 ? rc : fetch(location, ramdisk, tree->ramdisk, err);
}

static int make_file(char path[static 512], const char *dir, const char *name, struct err *err)
{
    int fd;

    if (snprintf(path, 512, "%s/%s.XXXXXX", dir, name) >= 512) {
        path[0] = '\0';
        return err_set(err, ENAMETOOLONG, "%s: the path is too long", dir);
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        path[0] = '\0';
        return err_set(err, errno, "cannot write to %s: %s", dir, strerror(errno));
    }
    close(fd);
    return 0;
}

static int try_layouts(struct install_tree *tree, const char *location, struct err *err)
{
    char kernel[256], ramdisk[256];
    int rc = -ENOENT;

    if (read_treeinfo(location, tree->ramdisk, kernel, ramdisk)) {
        tree->red_hat = true;
        rc = try_layout(tree, location, kernel, ramdisk, err);
    }
    for (size_t i = 0; i < ARRAY_SIZE(layouts) && rc == -ENOENT; i++) {
        tree->red_hat = layouts[i].red_hat;
        rc = try_layout(tree, location, layouts[i].kernel, layouts[i].ramdisk, err);
    }
    if (rc == -ENOENT && !strstr(err->msg, "is not installed"))
        return err_set(err, ENOENT,
                       "%s is no installation tree that is known: neither .treeinfo nor any of %zu "
                       "places of kernel and ramdisk is there",
                       location, ARRAY_SIZE(layouts));
    return rc;
}

int install_tree_fetch(struct install_tree *tree, const char *location, const char *dir,
                       struct err *err)
{
    int rc;

    memset(tree, 0, sizeof(*tree));
    rc = make_file(tree->kernel, dir, "virtinst-vmlinuz", err);
    if (rc == 0)
        rc = make_file(tree->ramdisk, dir, "virtinst-initrd", err);
    if (rc == 0)
        rc = try_layouts(tree, location, err);
    if (rc < 0)
        install_tree_remove(tree);
    return rc;
}

void install_tree_remove(struct install_tree *tree)
{
    if (tree->kernel[0])
        unlink(tree->kernel);
    if (tree->ramdisk[0])
        unlink(tree->ramdisk);
    tree->kernel[0] = tree->ramdisk[0] = '\0';
}
