# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with a real systemd, in namespaces of its own, with Xenolith installed on it."""

import os
import re
import shutil
import subprocess
import time

import pexpect

from guestkit import BUILD

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEMD = "/lib/systemd/systemd"

# A guest that says what becomes of it, and goes down when it is asked to.
GUEST = """
printf '#!/bin/sh\\necho going down >/dev/console\\n/bin/busybox poweroff -f\\n' >/bye
chmod 755 /bye
echo /bye >/proc/sys/kernel/poweroff_cmd
echo up and running
while :; do sleep 1; done
"""


def missing():
    """Why no such host can be made here, or None."""
    if os.geteuid() != 0:
        return "a systemd of its own takes root"
    for path, package in ((SYSTEMD, "systemd"), ("/usr/bin/dbus-daemon", "dbus")):
        if not os.path.exists(path):
            return f"{path} is not there (Debian package {package})"
    probe = subprocess.run(
        ["unshare", "--mount", "--pid", "--cgroup", "--fork", "sh", "-ec",
         "mount --make-rprivate /; mount -t tmpfs tmpfs /mnt; mkdir /mnt/u /mnt/w /mnt/r /mnt/c\n"
         "mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w overlay /mnt/r\n"
         "mount -t cgroup2 cgroup2 /mnt/c; mkdir /mnt/c/probe; rmdir /mnt/c/probe"],
        check=False, capture_output=True, text=True)
    if probe.returncode:
        return "no overlay or cgroup2 in namespaces here: " + probe.stderr.strip()
    return None


def install(directory):
    """`make install` into a directory."""
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": str(directory)})


class Host:
    """`directory` is the host's /srv: its etc/ is put over /etc before it boots, and the logs
    stay in var/log."""

    def __init__(self, installed, directory):
        self.installed, self.directory = str(installed), directory
        self.cgroup = f"xenolith-test-{os.getpid()}-{id(self)}"
        self.child = None
        self.pid = 0
        (directory / "etc").mkdir(exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.kill()

    def boot(self, prepare=""):
        """`prepare` is shell text that is run in the new root before its first process."""
        script = self.directory / "prepare"
        script.write_text(f"#!/bin/sh\nset -e\n{prepare}\n")
        script.chmod(0o755)
        self.child = pexpect.spawn(
            "unshare", ["--mount", os.path.join(HERE, "boot-host"), self.installed,
                        str(self.directory), self.cgroup],
            timeout=120, encoding="utf-8", codec_errors="replace", dimensions=(24, 200))
        with open(self.directory / "console", "a", encoding="utf-8") as stream:
            self.child.logfile_read = stream
            self.child.expect("Startup finished in")
        self.child.logfile_read = None
        children = f"/proc/{self.child.pid}/task/{self.child.pid}/children"
        with open(children, encoding="ascii") as stream:
            self.pid = int(stream.read())

    def kill(self):
        if self.child is not None:
            self.child.close(force=True)
            self.child = None
            subprocess.run(
                ["unshare", "--mount", "sh", "-c",
                 "mount --make-rprivate /; mount -t cgroup2 cgroup2 /mnt; cd /mnt; for try in 1 2 3 4 5; do\n"
                 f"find {self.cgroup} -depth -type d -exec rmdir {{}} + && break; sleep 0.2; done"],
                check=False, capture_output=True)

    def power_off(self, timeout=120):
        """As `poweroff` does; what the console said meanwhile."""
        self.sh("systemctl poweroff")
        self.child.expect(pexpect.EOF, timeout=timeout)
        text = self.child.before
        self.kill()
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)

    def run(self, command, user=None):
        """Shell text in the host; a CompletedProcess."""
        words = ["sh", "-c", command]
        if user:
            words = ["runuser", "-u", user, "--", *words]
        return subprocess.run(
            ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--uts", "--ipc", "--net",
             "--cgroup", "env", "-i", "LC_ALL=C.UTF-8", "HOME=/root",
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120)

    def sh(self, command, user=None):
        """The same where nothing may fail; its output."""
        done = self.run(command, user)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def wait_until(self, command, seconds=30):
        until = time.monotonic() + seconds
        while (done := self.run(command)).returncode != 0:
            assert time.monotonic() < until, f"{command}: {done.stdout}{done.stderr}"
            time.sleep(0.1)

    def log(self, name):
        with open(self.directory / "var" / "log" / name, encoding="utf-8",
                  errors="replace") as stream:
            return stream.read()

    def put(self, path, text):
        """A file below /srv, or with etc/ in front below /etc."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def link(self, path, target):
        link = self.directory / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    def put_guest(self, machine):
        """Kernel and initramfs for put_config()."""
        shutil.copy(machine.kernel, self.directory / "vmlinuz")
        shutil.copy(machine.ramdisk, self.directory / "initramfs")

    def put_config(self, path):
        """A config; of root's if only its name is given."""
        self.put(path if "/" in path else f"etc/xen/{path}",
                 "memory = 128\nkernel = '/srv/vmlinuz'\nramdisk = '/srv/initramfs'\n"
                 "extra = 'quiet'\n")
