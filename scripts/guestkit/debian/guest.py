# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian guest on its own copy of a finished system's disk, reached by ssh."""

import fcntl
import os
import shlex
import socket
import subprocess
import time

from . import HOST_NAME, copy_disk, quietly, scratch, tool, user_cache
from .. import XM, GuestkitError, qemu_form
from ..machine import Machine

FIRST, LAST = 2222, 2321  # where ports for ssh are looked for
_given = {}  # port: the lock that keeps it ours


def _lock_port(port):
    """An open file; None: another process of this user's has a guest there, or is about to."""
    path = os.path.join(user_cache(), "guests", f".port-{port}")
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    stream = open(path, "w", encoding="ascii")  # pylint: disable=consider-using-with
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return stream
    except BlockingIOError:
        stream.close()
        return None


def free_port():
    """A TCP port of the loopback that nobody listens on just now; each one once, as a guest
    that is being started does not listen yet."""
    for port in sorted(set(range(FIRST, LAST + 1)) - set(_given)):
        lock = _lock_port(port)
        if not lock:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                lock.close()
                continue
        _given[port] = lock
        return port
    raise GuestkitError(f"no port from {FIRST} to {LAST} is free for ssh")


class Guest(Machine):
    """Boots the kernel of the system directly, or `kernel`, such as GRUB, which finds the rest on
    the disk. `port`: of the loopback, for its ssh; None for no network. `disks`: more entries
    for disk=[]. `form`: of its own disk, raw, qcow2, vhd..., or overlay: a qcow2 that has only what
    differs. `source`: another disk than the system's to begin with, raw."""

    def __init__(self, system, port=None, disks=(), form="raw", kernel=None, config="", source=None,
                 **options):
        self.system, self.port, self.form = system, port, form
        directory = scratch("run")
        self.disk = os.path.join(directory, "disk.img")
        entry = f"file:{self.disk},xvda,w"
        if form != "raw":
            entry = f"tap:{'qcow2' if form == 'overlay' else form}:{self.disk},xvda,w"
        config += f"disk = {[entry, *disks]!r}\n"
        if port:
            config += f"vif = ['type=user,hostfwd={port}:22']\n"
        extra = "root=LABEL=root ro systemd.show_status=1 " + options.pop("extra", "")
        super().__init__("xm", kernel=kernel or os.path.join(system, "vmlinuz"), config=config,
                         extra=extra.strip(), directory=directory, **options)
        if not kernel:
            self.ramdisk = os.path.join(system, "initrd.img")
        self._make_disk(os.path.abspath(source or os.path.join(system, "disk.img")))

    def _make_disk(self, source):
        if self.form == "raw":
            copy_disk(source, self.disk)
        elif self.form == "overlay":
            quietly("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", source, self.disk)
        else:
            quietly("qemu-img", "convert", "-O", qemu_form(self.form), source, self.disk)

    def ssh_arguments(self):
        return ["ssh", "-i", os.path.join(self.system, "ssh_key"), "-p", str(self.port),
                "-o", f"UserKnownHostsFile={self.system}/known_hosts", "-o", "BatchMode=yes",
                "-o", f"HostKeyAlias={HOST_NAME}", "-o", "ConnectTimeout=60", "root@localhost"]

    def start(self):
        """In the background, its console in a file beside the disk."""
        self.console_path = os.path.join(self.directory, "console")
        with open(self.console_path, "wb") as stream:
            self.process = subprocess.Popen(self.arguments(), stdin=subprocess.DEVNULL, stdout=stream,
                                            stderr=subprocess.STDOUT, start_new_session=True)

    def console_text(self):
        with open(self.console_path, "rb") as stream:
            return stream.read().decode("utf-8", "replace")

    def wait(self, timeout=600):
        """Until ssh answers; without a network, until its console shows the login prompt."""
        until = time.monotonic() + timeout
        while not self._ready(timeout):
            self._still_there(until)

    def _ready(self, timeout):
        if self.port:
            return self.ssh("true", timeout).returncode == 0
        return "login: " in self.console_text()

    def _still_there(self, until):
        if self.process.poll() is not None:
            raise GuestkitError(f"the guest ended:\n{self.console_text()[-2000:]}")
        if time.monotonic() > until:
            raise GuestkitError(f"the guest is not ready in time:\n{self.console_text()[-2000:]}")
        time.sleep(0.1)

    def ssh(self, command, timeout=300, **options):
        """Run shell text in it; a subprocess.CompletedProcess."""
        return subprocess.run([*self.ssh_arguments(), command], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, check=False, **options)

    def shut_down(self, timeout=600):
        """As `xm shutdown -w` does, and it must end well."""
        quietly(*shlex.split(XM), "shutdown", "-w", self.name, timeout=timeout)
        if self.process.wait(120):
            raise GuestkitError(f"the guest ended badly:\n{self.console_text()[-2000:]}")

    def check_disk(self):
        """After it shut down its file system must be clean without a repair."""
        path = self.disk
        if self.form != "raw":
            if self.form != "vhd":  # qemu-img cannot
                quietly("qemu-img", "check", "-q", path)
            path = os.path.join(self.directory, "disk.raw")
            source = qemu_form("qcow2" if self.form == "overlay" else self.form)
            quietly("qemu-img", "convert", "-f", source, "-O", "raw", self.disk, path)
        quietly(tool("e2fsck", "e2fsprogs"), "-fn", path)
