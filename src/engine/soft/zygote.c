/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * zygote.c - see zygote.h. The zygote's program is embedded (stub_blob) and started from a
 * sealed memfd, so that nobody can change what guest programs share an address space with.
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

#include "base/launcher.h"
#include "engine/soft/stub/stub_layout.h"

#define FD_HIGH 64 /* descriptors are moved there before they get their final numbers */

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE 2
#endif

extern const uint8_t stub_blob[], stub_blob_end[];

static int blob_open(struct err *err)
{
    /* cppcheck-suppress comparePointers ; two symbols of one object, tools/embed.sh */
    size_t size = (size_t)(stub_blob_end - stub_blob), done = 0;
    int fd = memfd_create("xenolith-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    while (fd >= 0 && done < size) {
        ssize_t n = write(fd, stub_blob + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (fd >= 0 && done == size &&
        !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return fd;
    r = errno ? errno : EIO;
    if (fd >= 0)
        close(fd);
    return err_set(err, r, "cannot prepare the stub program: %s", strerror(r));
}

void zygote_exec(const int *fds, unsigned int nr_fds)
{
    static char *const argv[] = {(char *)"xenolith-stub", NULL};
    struct rlimit no_core = {0, 0};
    int exe, ram_high, sock_high;

    if (nr_fds != 3)
        _exit(126);
    setrlimit(RLIMIT_CORE, &no_core);
    exe = fcntl(fds[0], F_DUPFD_CLOEXEC, FD_HIGH);
    ram_high = fcntl(fds[1], F_DUPFD_CLOEXEC, FD_HIGH);
    sock_high = fcntl(fds[2], F_DUPFD_CLOEXEC, FD_HIGH);
    if (exe < 0 || dup2(ram_high, STUB_FD_RAM) < 0 || dup2(sock_high, STUB_FD_SOCK) < 0)
        _exit(126);
    syscall(SYS_close_range, STUB_FD_SOCK + 1, exe - 1, 0);
    syscall(SYS_close_range, exe + 1, ~0u, 0);
    fexecve(exe, argv, argv + 1);
    _exit(127);
}

int zygote_start(struct zygote *z, const struct ram *ram, int *ret_v_socket, struct err *err)
{
    int sv[2], blob, r;

    memset(z, 0, sizeof(*z));
    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
        return err_set(err, ENOTSUP,
                       "this host's kernel or CPU does not offer FSGSBASE to programs; "
                       "Linux 5.9 and an x86-64 CPU since 2013 have it");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
        return err_set(err, errno, "cannot make a socket for stubs: %s", strerror(errno));
    blob = blob_open(err);
    if (blob < 0) {
        close(sv[0]);
        close(sv[1]);
        return blob;
    }
    r = launcher_spawn(zygote_exec, (const int[]){blob, ram->fd, sv[1]}, 3, &z->pidfd, err);
    close(blob);
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
        syscall(SYS_pidfd_send_signal, z->pidfd, SIGKILL, NULL, 0);
}

void zygote_done(struct zygote *z)
{
    if (!z->running)
        return;
    zygote_kill(z);
    launcher_reap(z->pidfd);
    memset(z, 0, sizeof(*z));
}
