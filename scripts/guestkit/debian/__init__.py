# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian systems on a disk image, made without root: what scripts/mkguest does.

The host's apt only downloads and tar only sorts files; everything that a Debian system needs
root for (owners of files, maintainer scripts) is done by `setup` in a guest of our own, which
has a root of its own. A finished system is a directory in the user's cache:

    disk.img            ext4 without a partition table, label "root"
    vmlinuz initrd.img  copies of what /vmlinuz and /initrd.img on the disk point to
    ssh_key             lets root in by ssh (ssh_key.pub is in root's authorized_keys)
    known_hosts         the guest's own key, for the name "xenolith-guest"
    mkguest.log         how it went
"""

import contextlib
import fcntl
import glob
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

from .. import GuestkitError, initramfs
from ..machine import Machine, explain, fetch_kernel

HERE = os.path.dirname(os.path.abspath(__file__))
# usr-is-merged beside the essential ones: base.tar is laid out so, and apt need not choose.
ESSENTIAL = ("?essential", "apt", "usr-is-merged")
PACKAGES = ("systemd-sysv udev dbus kmod initramfs-tools zstd ifupdown isc-dhcp-client iproute2 "
            "iputils-ping openssh-server ca-certificates e2fsprogs procps less nano").split()
DEFAULT_SIZE = "2G"
HOST_NAME = "xenolith-guest"
ROOM = 1 << 30  # bytes; what is in use at the end is half of it, packages and archives come on top
TIMEOUT = 7200  # seconds; a busy machine may need that
MODULES = ("xen-blkfront", "crc32c_generic", "crc32c-intel", "ext4")
# How the host's apt reaches its sources; the guest's will do the same.
APT_SETTINGS = re.compile(r'Acquire::(https?::Proxy|Check-Valid-Until|Check-Date|Languages::?) "[^"]*";')


def user_cache():
    """Where a user's guests are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("XENOLITH_CACHE") or os.path.join(home, "xenolith")


def scratch(kind):
    """A new directory beside the finished systems: a disk may be too much for /tmp. Those of
    processes that were killed go first."""
    top = os.path.join(user_cache(), "guests")
    os.makedirs(top, mode=0o700, exist_ok=True)
    for name in os.listdir(top):
        found = re.fullmatch(r"\.[a-z]+-([0-9]+)-[0-9]+", name)
        if found and not os.path.exists(f"/proc/{found.group(1)}"):
            shutil.rmtree(os.path.join(top, name), ignore_errors=True)
    path = os.path.join(top, f".{kind}-{os.getpid()}-{time.monotonic_ns()}")
    os.mkdir(path, 0o700)
    return path


def check_room(directory):
    """Now, with a clear word: apt would try for minutes."""
    free = shutil.disk_usage(directory).free
    if free < ROOM:
        raise GuestkitError(f"{directory} has {free >> 20} MiB free; making a system takes "
                            f"{ROOM >> 20} MiB (XDG_CACHE_HOME names another place)")


def say(text):
    print(f"mkguest: {text}", file=sys.stderr, flush=True)


def tool(name, package):
    """Path of a program, also in the directories that an ordinary user's PATH lacks."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise GuestkitError(f"{name} is not there; run: apt-get install {package}")
    return path


def quietly(*words, timeout=None):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, check=False)
    if done.returncode:
        raise GuestkitError(f"{os.path.basename(words[0])} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


# --- apt ---------------------------------------------------------------------------------

class Apt:
    """The host's apt, its sources and keys, with a package state of its own: nothing installed."""

    def __init__(self, directory):
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise GuestkitError("needs apt-get and dpkg-deb (a Debian or Ubuntu host)")
        self.directory = directory
        status = os.path.join(directory, "status")
        with open(status, "w", encoding="ascii"):
            pass
        self._options = ["-qq", "--yes", "--no-install-recommends", "-o", "Debug::NoLocking=1",
                         "-o", "APT::Sandbox::User=root", "-o", f"Dir::State::status={status}"]

    def _call(self, *words):
        return subprocess.run(["apt-get", *self._options, *words], stdin=subprocess.DEVNULL,
                              stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)

    def _own_lists(self):
        """The host's lists are old or missing: fetch them, which needs no root elsewhere."""
        lists, cache = (os.path.join(self.directory, name) for name in ("lists", "cache"))
        for path in (lists, cache):
            os.makedirs(os.path.join(path, "partial"))
        self._options += ["-o", f"Dir::State::lists={lists}/", "-o", f"Dir::Cache={cache}/"]
        say("fetching package lists")
        done = self._call("update")
        if done.returncode:
            raise GuestkitError(f"apt-get update failed:\n{done.stderr.strip()}")

    def _download(self, into, packages):
        os.makedirs(os.path.join(into, "partial"), exist_ok=True)
        return self._call("--download-only", "-o", f"Dir::Cache::archives={into}/", "install",
                          *packages)

    def download(self, into, packages):
        """The packages and all that they depend on, as files in `into`; returns their paths."""
        done = self._download(into, packages)
        if done.returncode and not any("Dir::State::lists" in word for word in self._options):
            self._own_lists()
            done = self._download(into, packages)
        if done.returncode:
            raise GuestkitError(f"apt-get could not download the packages:\n{done.stderr.strip()}")
        shutil.rmtree(os.path.join(into, "partial"))
        return sorted(glob.glob(os.path.join(into, "*.deb")))

    @staticmethod
    def settings():
        """(sources.list, apt.conf) for the guest, after the host's."""
        lines = quietly("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                        "Created-By: Packages", "Origin: Debian").splitlines()
        config = quietly("apt-config", "dump").splitlines()
        return ("".join(f"deb {line}\n" for line in dict.fromkeys(lines)),
                "".join(f"{line}\n" for line in config if APT_SETTINGS.fullmatch(line)))


# --- archives for the setup --------------------------------------------------------------

def root_entry(name, mode, size=0):
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, size
    return entry


def add_data(archive, name, data, mode=0o644):
    archive.addfile(root_entry(name, mode, len(data)), io.BytesIO(data))


def tree_archive(path, tree, more=None):
    """A tar of the files below `tree` and of `more`, {name: bytes}, all of them root's."""
    files = dict(more or {})
    for where, _, names in os.walk(tree):
        for name in names:
            source = os.path.join(where, name)
            with open(source, "rb") as stream:
                files[os.path.relpath(source, tree)] = stream.read()
    with tarfile.open(path, "w") as archive:
        for name in sorted(files):
            add_data(archive, name, files[name], 0o600 if name.startswith("root/") else 0o644)


def add_package(archive, deb):
    """A package's files with their owners, placed where a merged /usr has them."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], check=True,
                          stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as package:
        for member in package:
            member.name = initramfs.guest_path(member.name) or "."
            if member.islnk():
                member.linkname = initramfs.guest_path(member.linkname)
            if member.isdir() and member.name.split("/")[-1] in initramfs.MERGED:
                continue  # base_archive() has made these
            archive.addfile(member, package.extractfile(member) if member.isreg() else None)


def base_archive(path, debs):
    with tarfile.open(path, "w") as archive:
        for name in initramfs.MERGED:
            directory = root_entry(f"usr/{name}", 0o755)
            directory.type = tarfile.DIRTYPE
            link = root_entry(name, 0o777)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(directory)
            archive.addfile(link)
        for deb in debs:
            add_package(archive, deb)


# --- making one --------------------------------------------------------------------------

class Builder:
    """One system in the making, in a temporary directory of the cache."""

    def __init__(self, directory, kernel_dir, size, packages):
        self.directory, self.kernel_dir = directory, kernel_dir
        self.size, self.packages = size, packages
        self.media = os.path.join(directory, "media")
        self.disk = os.path.join(directory, "disk.img")
        self.key = os.path.join(directory, "ssh_key")
        os.makedirs(self.media)

    def download(self):
        """The media directory's packages."""
        release = os.path.basename(self.kernel_dir)
        with tempfile.TemporaryDirectory(dir=self.directory, prefix="apt-") as state:
            apt = Apt(state)
            say("downloading packages")
            essential = apt.download(os.path.join(self.media, "essential"), ESSENTIAL)
            wanted = [*ESSENTIAL, *PACKAGES, *self.packages, f"linux-image-{release}"]
            every = apt.download(os.path.join(self.media, "packages"), wanted)
        names = {os.path.basename(path) for path in essential}
        for path in every:
            if os.path.basename(path) in names:
                os.unlink(path)
        say(f"{len(every)} packages; packing them for the guest")
        base_archive(os.path.join(self.media, "base.tar"), essential)

    def configure(self):
        """The media directory's files of our own."""
        quietly(tool("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-C",
                "xenolith", "-f", self.key)
        with open(f"{self.key}.pub", "rb") as stream:
            public = stream.read()
        sources, settings = Apt.settings()
        tree_archive(os.path.join(self.media, "before.tar"), os.path.join(HERE, "before"))
        tree_archive(os.path.join(self.media, "after.tar"), os.path.join(HERE, "after"), {
            "root/.ssh/authorized_keys": public,
            "etc/apt/sources.list": sources.encode(),
            "etc/apt/apt.conf.d/90host": settings.encode()})

    def make_disks(self):
        mke2fs = tool("mke2fs", "e2fsprogs")
        quietly(mke2fs, "-q", "-t", "ext4", "-L", "root", self.disk, self.size)
        second = os.path.join(self.directory, "media.img")
        used = int(quietly("du", "-sm", self.media).split()[0])
        quietly(mke2fs, "-q", "-t", "ext2", "-d", self.media, second, f"{used + used // 10 + 16}M")
        shutil.rmtree(self.media)
        return second

    def install(self, log):
        """Run setup in a guest; the guest's public host key."""
        second = self.make_disks()
        with open(os.path.join(HERE, "setup"), encoding="utf-8") as stream:
            command = stream.read()
        progress = Progress(log)
        with Machine("xm", self.kernel_dir, memory=768, config=(
                f"disk = ['file:{self.disk},xvda,w', 'file:{second},xvdb,r']\n")) as machine:
            result = machine.run(command, modules=MODULES, timeout=TIMEOUT, sink=progress.feed)
        os.unlink(second)
        if result.status != 0 or not progress.done:
            tail = "\n".join(result.text().splitlines()[-15:])
            raise GuestkitError(explain(result, "xm") or f"the setup in the guest failed:\n{tail}")
        return re.search(r"^(ssh-ed25519 \S+)", result.text(), re.MULTILINE).group(1)

    def take_out(self, host_key):
        """Copies of the kernel and its initramfs; what ssh is to know."""
        release = os.path.basename(self.kernel_dir)
        for name in ("vmlinuz", "initrd.img"):
            path = os.path.join(self.directory, name)
            quietly(tool("debugfs", "e2fsprogs"), "-R", f"dump /boot/{name}-{release} {path}", self.disk)
            if not os.path.getsize(path):
                raise GuestkitError(f"the new system has no /boot/{name}-{release}")
        with open(os.path.join(self.directory, "known_hosts"), "w", encoding="ascii") as stream:
            stream.write(f"{HOST_NAME} {host_key}\n")

    def make(self):
        self.download()
        self.configure()
        say("installing them in a guest; this takes some minutes")
        with open(os.path.join(self.directory, "mkguest.log"), "wb") as log:
            host_key = self.install(log)
        self.take_out(host_key)


class Progress:
    """Shows a setup's output as a few lines, or as one that counts on a terminal."""

    def __init__(self, log):
        self._log, self._rest = log, b""
        self._count = 0
        self._live = sys.stderr.isatty()
        self._started = time.monotonic()
        self.done = False

    def feed(self, data):
        self._log.write(data)
        self._log.flush()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.decode("utf-8", "replace").strip())

    def _line(self, line):
        if line.startswith("step "):
            self.done = line == "step done"
            print("\r\033[K" if self._live else "", end="", file=sys.stderr)
            say(f"{line[5:]} ({time.monotonic() - self._started:.0f} s)")
        elif self._live and line.startswith(("Unpacking ", "Setting up ")):
            self._count += 1
            text = " ".join(line.split()[:-1])[:60]
            print(f"\r\033[K  {self._count}: {text}", end="", file=sys.stderr, flush=True)


# --- the cache ---------------------------------------------------------------------------

def inputs_digest(*more):
    """Of all that decides what a system is, the packages' versions excepted."""
    parts = [repr((ESSENTIAL, PACKAGES, more)).encode()]
    paths = [os.path.join(HERE, "setup")]
    for tree in ("before", "after"):
        for where, _, names in os.walk(os.path.join(HERE, tree)):
            paths += [os.path.join(where, name) for name in names]
    for path in sorted(paths):
        with open(path, "rb") as stream:
            parts += [os.path.relpath(path, HERE).encode(), stream.read()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


@contextlib.contextmanager
def locked(path):
    """Two who want the same system make it once."""
    with open(path, "w", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another mkguest")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def system(series="6.1", flavour="amd64", size=DEFAULT_SIZE, packages=(), update=False):
    """Directory of a finished system; made if the cache has none for these inputs."""
    kernel_dir = fetch_kernel(series, flavour)
    digest = inputs_digest(os.path.basename(kernel_dir), size, sorted(packages))
    top = os.path.join(user_cache(), "guests")
    path = os.path.join(top, f"debian-{digest}")
    os.makedirs(top, mode=0o700, exist_ok=True)
    with locked(os.path.join(top, f".lock-{digest}")):
        if os.path.exists(path) and not update:
            return path
        check_room(top)
        temporary = scratch("new")
        try:
            Builder(temporary, kernel_dir, size, packages).make()
            if os.path.exists(path):
                shutil.rmtree(path)
            os.rename(temporary, path)
        except BaseException:
            keep = os.path.join(temporary, "mkguest.log")
            if os.path.exists(keep):
                os.replace(keep, os.path.join(top, "failed.log"))
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return path


def copy_disk(source, target):
    """A guest's own copy: holes stay holes, blocks are shared where the file system can."""
    quietly("cp", "--reflink=auto", "--sparse=always", source, target)
