/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * install.c - xm install: a paravirtualized guest from an installation tree on the network, with
 * the options of virt-install. The installer's kernel is booted with the new disk; the guest's
 * config, which boots from that disk by pygrub, is written as soon as the installer runs; when
 * it has ended, the guest is started.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "config/config.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "xm/install_args.h"
#include "xm/install_config.h"
#include "xm/install_tree.h"
#include "xm/session.h"
#include "xm/verbs.h"

struct install {
    struct install_args args;
    struct install_plan plan;
    struct install_tree tree;
    char config_path[PATHS_MAX];
};

static int start_text(const char *name, const char *text, const struct session_options *o)
{
    struct config *c = config_new();
    struct err err = {0};
    int status;

    if (!text || config_load_text(c, name, text, strlen(text), &err) < 0) {
        status = verb_error(&err);
    } else {
        status = session_start(c, o);
    }
    config_free(c);
    return status;
}

/* The installer of Red Hat and its family has to be told where the rest of the tree is. */
static char *installer_args(const struct install *in)
{
    const struct install_args *a = &in->args;
    char *text = NULL;

    if (!in->tree.red_hat || strstr(a->extra, "method=") || strstr(a->extra, "inst.repo="))
        return strdup(a->extra);
    if (asprintf(&text, "%s%smethod=%s", a->extra, a->extra[0] ? " " : "", a->location) < 0)
        return NULL;
    return text;
}

static int write_config(struct install *in, struct err *err)
{
    CLEANUP_FREE char *text = install_config_text(&in->plan, &in->args, NULL, "", "");

    if (!text)
        return err_set(err, ENOMEM, "out of memory");
    return io_write_file_atomic(in->config_path, text, strlen(text), err);
}

/* What a BIOS would look for; a file system on the whole disk has it not. */
static bool has_boot_record(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char sector[512];

    return fd >= 0 && read(fd, sector, sizeof(sector)) == (ssize_t)sizeof(sector) &&
           sector[510] == 0x55 && sector[511] == 0xaa;
}

/* Without a console: until the installer's domain is gone. */
static void wait_for_end(const char *name)
{
    struct err err = {0};
    json_t *answer = NULL;
    struct registry_entry entry;

    if (domains_find(name, &entry, &err) == 0 &&
        client_call(entry.domid, json_pack("{s:s}", "verb", "wait"), -1, &answer, &err) == 0)
        json_decref(answer);
}

static int run_installer(struct install *in)
{
    const struct install_args *a = &in->args;
    CLEANUP_FREE char *extra = installer_args(in);
    CLEANUP_FREE char *text = NULL;
    struct session_options o = {.console = !a->no_console, .quiet = a->quiet};
    int status;

    if (extra)
        text = install_config_text(&in->plan, a, in->tree.kernel, in->tree.ramdisk, extra);
    if (!a->quiet) {
        printf("\nStarting install...\n");
        fflush(stdout);
    }
    status = start_text("xm install", text, &o);
    if (status == XM_OK && a->no_console && a->wait)
        wait_for_end(a->name);
    return status;
}

/* The installer has ended, if it was waited for: start what it made. */
static int finish(struct install *in)
{
    const struct install_args *a = &in->args;
    struct session_options o = {.console = !a->no_console, .quiet = a->quiet};
    CLEANUP_FREE char *text = NULL;
    struct err err = {0};
    size_t len;
    struct registry_entry entry;

    if (domains_find(a->name, &entry, &err) == 0) {
        if (!a->quiet)
            printf(
                "\nDomain installation still in progress. 'xm console %s' shows it; when it has\n"
                "ended, 'xm create %s' starts the guest.\n",
                a->name, in->config_path);
        return XM_OK;
    }
    if (!has_boot_record(in->plan.first_disk)) {
        fprintf(stderr,
                "\nDomain installation does not appear to have been successful: the first "
                "disk cannot be\nbooted. If it was, start the guest by 'xm create %s'; "
                "otherwise, please restart your\ninstallation.\n",
                in->config_path);
        return XM_FAILED;
    }
    if (a->no_reboot) {
        if (!a->quiet)
            printf("\nGuest installation complete... 'xm create %s' starts it.\n", in->config_path);
        return XM_OK;
    }
    if (!a->quiet) {
        printf("\nGuest installation complete... restarting guest.\n");
        fflush(stdout);
    }
    if (io_read_file(in->config_path, 65536, &text, &len, &err) < 0)
        return verb_error(&err);
    return start_text(in->config_path, text, &o);
}

/* Fetch, write the config, boot the installer. */
static int install(struct install *in)
{
    const struct install_args *a = &in->args;
    char dir[PATHS_MAX];
    struct err err = {0};
    int status, rc = paths_state_dir(dir, &err);

    if (rc == 0)
        rc = install_tree_fetch(&in->tree, a->location, dir, &err);
    if (rc == 0)
        rc = install_plan_make(&in->plan, a, &err);
    if (rc == 0)
        rc = write_config(in, &err);
    if (rc < 0) {
        install_tree_remove(&in->tree);
        return verb_error(&err);
    }
    if (!a->quiet)
        printf("The guest's config is %s.\n", in->config_path);
    status = run_installer(in);
    install_tree_remove(&in->tree);
    if (status == XM_OK)
        status = finish(in);
    install_plan_done(&in->plan);
    return status;
}

static int print_config(struct install *in)
{
    struct err err = {0};
    CLEANUP_FREE char *text = NULL;

    if (install_plan_make(&in->plan, &in->args, &err) < 0)
        return verb_error(&err);
    text = install_config_text(&in->plan, &in->args, NULL, "", "");
    fputs(text ? text : "", stdout);
    install_plan_done(&in->plan);
    return XM_OK;
}

static int run_install(const struct verb *self, int argc, char **argv)
{
    struct install in = {.config_path = ""};
    struct err err = {0};
    struct registry_entry entry;

    if (install_args_parse(&in.args, argc, argv, &err) < 0)
        return verb_usage_error(self, "%s", err.msg);
    if (in.args.help) {
        verb_print_usage(self);
        return XM_OK;
    }
    if (in.args.ignored)
        fprintf(stderr, "Warning: %s\n", in.args.ignored);
    if (in.args.print_only)
        return print_config(&in);
    if (domains_find(in.args.name, &entry, &err) == 0) {
        err_set(&err, EEXIST, "VM name '%s' already exists as domain %u", in.args.name,
                entry.domid);
        return verb_error(&err);
    }
    if (install_config_path(in.config_path, in.args.name, &err) < 0)
        return verb_error(&err);
    return install(&in);
}

const struct verb verb_install = {
    .name = "install",
    .arguments = "--name=NAME --ram=MIB --disk=path=FILE,size=GIB --location=TREE [options]",
    .summary = "Install a paravirtualized guest from a tree on the network.",
    .details =
        "  -n, --name=NAME            what the guest shall be called\n"
        "  -r, --ram=MIB              memory (512)\n"
        "      --vcpus=N              virtual CPUs (1)\n"
        "  -l, --location=TREE        http://, ftp://, nfs:HOST:/PATH or a directory\n"
        "  -x, --extra-args=TEXT      for the installer's command line\n"
        "      --disk=path=FILE,size=GIB[,sparse=no][,readonly=on]\n"
        "                             made if it is not there; may be repeated. Also\n"
        "                             -f FILE -s GIB, --nonsparse\n"
        "  -w, --network=bridge=NAME|user|none[,mac=ADDRESS]\n"
        "                             may be repeated; also -b BRIDGE, -m ADDRESS. Otherwise\n"
        "                             xenbr0 if there is one, else the user-mode network\n"
        "  -u, --uuid=UUID\n"
        "      --vnc, --nographics    a framebuffer, or the text console alone (the default)\n"
        "      --noautoconsole        do not show the installer's console\n"
        "      --wait                 with that: wait for its end all the same\n"
        "      --noreboot             do not start the guest when the installer has ended\n"
        "      --print-config         make the disks, print the guest's config, do nothing else\n"
        "  -q, --quiet\n"
        "  -p, --paravirt and options of virt-install that have no meaning here are accepted.\n"
        "\n"
        "The guest's config is written to /etc/xen/NAME, users' to ~/.config/xenolith/NAME.\n",
    .run = run_install,
};
