/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - pygrub: finds the kernel that a guest's disk wants to boot, with the command line and
 * the output of Xen's program of that name, so that whatever called that one can call this.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/paths.h"
#include "bootloader/menu.h"
#include "bootloader/output.h"
#include "bootloader/privsep.h"
#include "bootloader/search.h"

struct options {
    bool quiet, interactive, list, not_really, is_config;
    const char *output, *directory, *kernel, *ramdisk, *args, *entry;
    enum output_format format;
    const char *image;
};

static const char usage[] =
    "Usage: pygrub [options] IMAGE\n"
    "\n"
    "Finds the kernel that a guest's disk boots, copies it and its ramdisk out, and prints where\n"
    "they are. On a terminal it shows the disk's boot menu.\n"
    "\n"
    "  -q, --quiet               no menu: the default entry\n"
    "  -i, --interactive         a menu if there is a terminal (the default)\n"
    "  -l, --list-entries        print the entries of the menu\n"
    "  -n, --not-really          copy nothing; print the paths on the disk\n"
    "      --entry=N|TITLE       this entry, without a menu; N counts from 0\n"
    "      --kernel=PATH         this kernel of the disk; no menu is looked for\n"
    "      --ramdisk=PATH        with it this ramdisk of the disk\n"
    "      --args=TEXT           append to the kernel's command line\n"
    "      --output=FILE         write the result there instead of to standard output\n"
    "      --output-format=sxp|simple|simple0\n"
    "      --output-directory=DIR  where kernel and ramdisk are put\n"
    "      --isconfig            IMAGE is a boot loader's config file; print its choice\n"
    "  -h, --help\n"
    "\n"
    "Accepted and without effect: --runas=USER (the disk is always read without rights),\n"
    "--debug, --offset=0.\n";

enum {
    OPT_OUTPUT = 256,
    OPT_FORMAT,
    OPT_DIRECTORY,
    OPT_KERNEL,
    OPT_RAMDISK,
    OPT_ARGS,
    OPT_ENTRY,
    OPT_OFFSET,
    OPT_IGNORED,
    OPT_ISCONFIG
};

static int set_format(struct options *o, const char *value, struct err *err)
{
    static const char *const names[] = {"sxp", "simple", "simple0"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            o->format = (enum output_format)i;
            return 0;
        }
    }
    return err_set(err, EINVAL, "unknown output format '%s'; sxp, simple or simple0", value);
}

static int set_option(struct options *o, int opt, const char *value, struct err *err)
{
    switch (opt) {
    case 'q':
        o->quiet = true;
        return 0;
    case 'i':
        o->interactive = true;
        return 0;
    case 'l':
        o->list = true;
        return 0;
    case 'n':
        o->not_really = true;
        return 0;
    case OPT_OUTPUT:
        o->output = value;
        return 0;
    case OPT_FORMAT:
        return set_format(o, value, err);
    case OPT_DIRECTORY:
        o->directory = value;
        return 0;
    case OPT_KERNEL:
        o->kernel = value;
        return 0;
    case OPT_RAMDISK:
        o->ramdisk = value;
        return 0;
    case OPT_ARGS:
        o->args = value;
        return 0;
    case OPT_ENTRY:
        o->entry = value;
        o->quiet = true;
        return 0;
    case OPT_ISCONFIG:
        o->is_config = true;
        return 0;
    case OPT_OFFSET:
        return strcmp(value, "0") == 0
                   ? 0
                   : err_set(err, ENOTSUP, "--offset: partitions are found without it");
    default:
        return 0;
    }
}

/* 0, 1 after --help, -EINVAL. */
static int parse_arguments(struct options *o, int argc, char **argv, struct err *err)
{
    static const struct option names[] = {
        {"quiet", no_argument, NULL, 'q'},
        {"interactive", no_argument, NULL, 'i'},
        {"list-entries", no_argument, NULL, 'l'},
        {"not-really", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {"output", required_argument, NULL, OPT_OUTPUT},
        {"output-format", required_argument, NULL, OPT_FORMAT},
        {"output-directory", required_argument, NULL, OPT_DIRECTORY},
        {"kernel", required_argument, NULL, OPT_KERNEL},
        {"ramdisk", required_argument, NULL, OPT_RAMDISK},
        {"args", required_argument, NULL, OPT_ARGS},
        {"entry", required_argument, NULL, OPT_ENTRY},
        {"offset", required_argument, NULL, OPT_OFFSET},
        {"runas", required_argument, NULL, OPT_IGNORED},
        {"debug", no_argument, NULL, OPT_IGNORED},
        {"isconfig", no_argument, NULL, OPT_ISCONFIG},
        {0},
    };
    int opt, rc = 0;

    *o = (struct options){.output = "-", .args = "", .kernel = "", .ramdisk = ""};
    while (rc == 0 && (opt = getopt_long(argc, argv, "qilnh", names, NULL)) != -1) {
        if (opt == 'h')
            return 1;
        rc = opt == '?' ? err_set(err, EINVAL, "see pygrub --help")
                        : set_option(o, opt, optarg, err);
    }
    if (rc == 0 && optind + 1 != argc)
        return err_set(err, EINVAL, "one disk image is needed; see pygrub --help");
    o->image = argv[optind];
    return rc;
}

static const char *join_args(struct arena *a, const char *first, const char *second)
{
    return arena_printf(a, "%s%s%s", first, first[0] && second[0] ? " " : "", second);
}

/* Words of the disk's, for a terminal. Such a line is one line. */
static void print_line(struct arena *a, const char *name, const char *text)
{
    char *line = arena_printf(a, "%s: %s", name, text);

    log_clean(line);
    puts(line);
}

static void print_entries(struct boot_menu *menu)
{
    for (unsigned int i = 0; i < menu->count; i++) {
        struct boot_target t;

        if (!boot_entry_resolve(menu, menu->entries[i], &t))
            continue;
        print_line(&menu->arena, "title", boot_entry_title(menu->entries[i]));
        print_line(&menu->arena, "  kernel", t.kernel);
        print_line(&menu->arena, "  args", t.args);
        for (unsigned int k = 0; k < t.nr_ramdisks; k++)
            print_line(&menu->arena, "  initrd", t.ramdisks[k]);
    }
}

/* The entry that the options or a person choose. */
static int choose(struct boot_menu *menu, const struct options *o, struct boot_entry **ret,
                  struct err *err)
{
    unsigned int selected = boot_menu_default(menu);

    *ret = menu->entries[selected];
    if (o->entry) {
        char *end;
        unsigned long n = strtoul(o->entry, &end, 10);
        int found = *end || end == o->entry ? boot_menu_find(menu, o->entry)
                    : n < menu->count       ? (int)n
                                            : -1;

        if (found < 0)
            return err_set(err, ENOENT, "the boot menu has no entry '%s'", o->entry);
        *ret = menu->entries[found];
        return 0;
    }
    if (o->quiet || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return 0;
    if (menu_choose(menu, selected, ret, err) < 0) {
        fprintf(stderr, "pygrub: %s; taking the default entry\n", err->msg);
        *ret = menu->entries[selected];
        return 0;
    }
    return *ret ? 0 : err_set(err, ECANCELED, "no entry was chosen");
}

/* Where copies go when nobody says. */
static int default_directory(char buf[static PATHS_MAX + 8], struct err *err)
{
    char run_dir[PATHS_MAX];
    int rc = paths_run_dir(run_dir, err);

    if (rc < 0)
        return rc;
    snprintf(buf, PATHS_MAX + 8, "%s/boot", run_dir);
    if (mkdir(buf, 0700) < 0 && errno != EEXIST)
        return err_set(err, errno, "cannot make %s: %s", buf, strerror(errno));
    return 0;
}

/* What the process that works has been given. */
struct job {
    const struct options *o;
    struct boot_files files;
    int disk_fd, output_fd;
};

/* Copy and print. */
static int deliver(const struct job *job, struct image *image, const struct boot_place *place,
                   const struct boot_target *target, const char *args, struct err *err)
{
    const struct options *o = job->o;
    bool has_ramdisk = target->nr_ramdisks > 0;
    int rc;

    if (o->not_really)
        return output_print(job->output_fd, o->format, target->kernel,
                            has_ramdisk ? target->ramdisks[0] : "", args, err);
    rc = output_copy(image, place, target, &job->files, err);
    if (rc < 0)
        return rc;
    return output_print(job->output_fd, o->format, job->files.kernel,
                        has_ramdisk ? job->files.ramdisk : "", args, err);
}

/* --kernel: the menu is not asked. */
static int boot_given(const struct job *job, struct image *image, struct err *err)
{
    const struct options *o = job->o;
    struct boot_place anywhere = {NULL, ""};
    struct boot_target target = {.args = o->args};
    struct arena arena = {0};
    int rc;

    target.kernel = boot_path(&arena, o->kernel);
    if (o->ramdisk[0])
        target.ramdisks[target.nr_ramdisks++] = boot_path(&arena, o->ramdisk);
    rc = deliver(job, image, &anywhere, &target, o->args, err);
    arena_done(&arena);
    return rc;
}

static int boot_from_menu(const struct job *job, struct image *image, struct boot_menu *menu,
                          struct err *err)
{
    const struct options *o = job->o;
    struct boot_place place = {NULL, ""};
    struct boot_entry *entry;
    struct boot_target target;
    int fallback, rc = search_menu(image, menu, &place, err);

    if (rc < 0)
        return rc;
    if (o->list) {
        print_entries(menu);
        return 0;
    }
    rc = choose(menu, o, &entry, err);
    if (rc < 0)
        return rc;
    if (!boot_entry_resolve(menu, entry, &target))
        return err_set(err, EINVAL, "the entry boots no kernel");
    rc = deliver(job, image, &place, &target, join_args(&menu->arena, target.args, o->args), err);
    fallback = menu->fallback && !o->entry ? boot_menu_find(menu, menu->fallback) : -1;
    if (rc == -ENOENT && fallback >= 0 && menu->entries[fallback] != entry &&
        boot_entry_resolve(menu, menu->entries[fallback], &target)) {
        fprintf(stderr, "pygrub: %s; taking the fallback entry\n", err->msg);
        rc = deliver(job, image, &place, &target, join_args(&menu->arena, target.args, o->args),
                     err);
    }
    return rc;
}

/* Everything that looks at what is on the disk. Returns the exit status. */
static int work(void *arg, int broker)
{
    const struct job *job = arg;
    struct image *image = NULL;
    struct boot_menu menu;
    struct err err = {0};
    int rc = image_open(&image, job->o->image, job->disk_fd, broker, &err);

    boot_menu_init(&menu);
    if (rc == 0)
        rc = job->o->kernel[0] && !job->o->list ? boot_given(job, image, &err)
                                                : boot_from_menu(job, image, &menu, &err);
    if (rc < 0)
        fprintf(stderr, "pygrub: %s\n", err.msg);
    image_close(image);
    boot_menu_done(&menu);
    return rc < 0;
}

static int open_output(const char *to, struct err *err)
{
    int fd =
        strcmp(to, "-") == 0 ? dup(STDOUT_FILENO) : open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    return fd < 0 ? err_set(err, errno, "%s: %s", to, strerror(errno)) : fd;
}

/* Open what is needed, have the work done, remove what is not. 0, 1 (something was said) or
 * -errno. */
static int run(const struct options *o, struct err *err)
{
    struct job job = {.o = o, .files = {.kernel_fd = -1, .ramdisk_fd = -1}, .output_fd = -1};
    char directory[PATHS_MAX + 8];
    int rc;

    job.disk_fd = image_open_disk(o->image, err);
    rc = job.disk_fd < 0 ? job.disk_fd : 0;
    if (rc == 0 && !o->list)
        job.output_fd = rc = open_output(o->output, err);
    if (rc >= 0 && !o->list && !o->not_really) {
        rc = o->directory ? 0 : default_directory(directory, err);
        if (rc == 0)
            rc = output_make(&job.files, o->directory ? o->directory : directory, err);
    }
    if (rc >= 0)
        rc = privsep_run(work, &job, job.disk_fd, err);
    output_done(&job.files, rc == 0);
    cleanup_close(&job.output_fd);
    cleanup_close(&job.disk_fd);
    return rc;
}

static int read_nothing(void *arg, const char *path, size_t max, char **ret, size_t *ret_len)
{
    return -ENOENT;
}

static int list_nothing(void *arg, const char *path, char **ret)
{
    return -ENOENT;
}

/* --isconfig. */
static int show_config(struct boot_menu *menu, const struct options *o, struct err *err)
{
    struct boot_reader reader = {NULL, read_nothing, list_nothing, ""};
    CLEANUP_FREE char *text = NULL;
    struct boot_entry *entry;
    struct boot_target t;
    size_t len;
    int rc = io_read_file(o->image, BOOT_CONFIG_MAX, &text, &len, err);

    if (rc < 0)
        return rc;
    search_parse(menu, o->image, text, &reader);
    if (menu->count == 0)
        return err_set(err, ENOENT, "%s: no entry boots a kernel", o->image);
    if (o->list) {
        print_entries(menu);
        return 0;
    }
    rc = choose(menu, o, &entry, err);
    if (rc < 0)
        return rc;
    if (!boot_entry_resolve(menu, entry, &t))
        return err_set(err, EINVAL, "the entry boots no kernel");
    print_line(&menu->arena, "kernel", t.kernel);
    for (unsigned int i = 0; i < t.nr_ramdisks; i++)
        print_line(&menu->arena, "initrd", t.ramdisks[i]);
    print_line(&menu->arena, "args", join_args(&menu->arena, t.args, o->args));
    return 0;
}

int main(int argc, char **argv)
{
    struct boot_menu menu;
    struct options o;
    struct err err = {0};
    int rc = parse_arguments(&o, argc, argv, &err);

    if (rc == 1) {
        fputs(usage, stdout);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    boot_menu_init(&menu);
    if (rc == 0)
        rc = o.is_config ? show_config(&menu, &o, &err) : run(&o, &err);
    if (rc < 0)
        fprintf(stderr, "pygrub: %s\n", err.msg);
    boot_menu_done(&menu);
    return rc != 0;
}
