/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * zygote.c - see zygote.h. The zygote's program is embedded (stub_blob) and started from a
 * sealed memfd (blob.h), so that nobody can change what guest programs share an address space with.
 */
#define _GNU_SOURCE
#include "engine/soft/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/identity.h"
#include "base/launcher.h"
#include "engine/soft/blob.h"
#include "engine/soft/stub/stub_layout.h"

#define FD_HIGH 64 /* descriptors are moved there before they get their final numbers */

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE 2
#endif

extern const uint8_t stub_blob[], stub_blob_end[];

void zygote_exec(const int *fds, unsigned int nr_fds)
{
    static char *const argv[] = {(char *)"xenolith-stub", NULL};
    struct rlimit no_core = {0, 0};
    int exe, ram_high, sock_high;

    if (nr_fds != 2)
        _exit(126);
    setrlimit(RLIMIT_CORE, &no_core);
    /* cppcheck-suppress comparePointers ; two symbols of one object, tools/embed.sh */
    exe = fcntl(blob_open("xenolith-stub", stub_blob, stub_blob_end), F_DUPFD_CLOEXEC, FD_HIGH);
    ram_high = fcntl(fds[0], F_DUPFD_CLOEXEC, FD_HIGH);
    sock_high = fcntl(fds[1], F_DUPFD_CLOEXEC, FD_HIGH);
    if (exe < 0 || dup2(ram_high, STUB_FD_RAM) < 0 || dup2(sock_high, STUB_FD_SOCK) < 0)
        _exit(126);
    syscall(SYS_close_range, STUB_FD_SOCK + 1, exe - 1, 0);
    syscall(SYS_close_range, exe + 1, ~0u, 0);
    if (!identity_take(IDENTITY_USER))
        _exit(126);
    fexecve(exe, argv, argv + 1);
    _exit(127);
}

int zygote_start(struct zygote *z, const struct ram *ram, int *ret_v_socket, struct err *err)
{
    int sv[2], r;

    memset(z, 0, sizeof(*z));
    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
        return err_set(err, ENOTSUP,
                       "this host's kernel or CPU does not offer FSGSBASE to programs; "
                       "Linux 5.9 and an x86-64 CPU since 2013 have it");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
        return err_set(err, errno, "cannot make a socket for stubs: %s", strerror(errno));
    r = launcher_spawn(zygote_exec, (const int[]){ram->fd, sv[1]}, 2, &z->pidfd, err);
    close(sv[1]);
    if (r) {
        close(sv[0]);
        return err_wrap(err, "stub maker");
    }
    z->running = true;
    *ret_v_socket = sv[0];
    return 0;
}

void zygote_kill(struct zygote *z)
{
    if (z->running)
        launcher_kill(z->pidfd, SIGKILL);
}

void zygote_done(struct zygote *z)
{
    if (!z->running)
        return;
    zygote_kill(z);
    launcher_reap(z->pidfd);
    memset(z, 0, sizeof(*z));
}
