# SPDX-License-Identifier: GPL-2.0-or-later
"""Initramfs images for the guests: a busybox base, plus small overlays.

The kernel unpacks concatenated archives one after the other. So the base is made once and
kept in the cache, and what differs from run to run (a command, modules, extra files) is an
uncompressed archive appended to it.
"""

import gzip
import hashlib
import io
import lzma
import os
import posixpath
import re
import stat
import subprocess
import time

from . import CACHE, GuestkitError
from .cpio import Cpio

HERE = os.path.dirname(os.path.abspath(__file__))
BUSYBOX_PATHS = ("/bin/busybox", "/usr/bin/busybox")
POWER_VERBS = ("poweroff", "reboot", "halt")
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def guest_path(name):
    """Where a file goes. In every image /bin and the like are links into /usr, and an overlay
    that named them as directories would replace the links."""
    path = posixpath.normpath(name).lstrip("./").strip("/")
    return "usr/" + path if path.split("/")[0] in MERGED else path


def _busybox():
    for path in BUSYBOX_PATHS:
        if os.path.exists(path):
            with open(path, "rb") as stream:
                return path, stream.read()
    raise GuestkitError("there is no busybox on this host; install the package busybox-static")


def atomic_write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as stream:
        stream.write(data)
    os.rename(temporary, path)


def padded(data):
    """The kernel looks for the next archive at a multiple of four."""
    return data + b"\0" * (-len(data) % 4)


def merge_usr(cpio):
    for name in MERGED:
        cpio.directory(f"usr/{name}")
        cpio.symlink(name, f"usr/{name}")


def skeleton(cpio, init):
    """Directories, nodes and the init script that every image has."""
    for name in ("dev", "proc", "sys", "tmp", "run", "root", "etc", "xenolith"):
        cpio.directory(name)
    cpio.node("dev/console", stat.S_IFCHR, 5, 1)
    cpio.node("dev/null", stat.S_IFCHR, 1, 3, 0o666)
    cpio.file("init", init, 0o755)
    cpio.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    cpio.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    cpio.file("etc/hosts", b"127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
    # Process 1 is our script, which does not know busybox init's signals: ask the kernel.
    power = "".join(f"{verb}() {{ command {verb} -f; }}\n" for verb in POWER_VERBS)
    cpio.file("etc/profile", f"PS1='xenolith:\\w# '\n{power}".encode())


def base():
    """Path of the compressed busybox image; made when it is not there yet."""
    path, content = _busybox()
    with open(os.path.join(HERE, "init"), "rb") as stream:
        init = stream.read()
    sources = [content, init]
    for source in ("initramfs.py", "cpio.py"):
        with open(os.path.join(HERE, source), "rb") as stream:
            sources.append(stream.read())
    digest = hashlib.sha256(b"\0".join(sources)).hexdigest()[:16]
    image = os.path.join(CACHE, f"initramfs-{digest}.cpio.gz")
    if os.path.exists(image):
        return image
    if b"\x7fELF" != content[:4] or b"/lib64/ld-linux" in content:
        raise GuestkitError(f"{path} is not statically linked; install busybox-static")
    raw = io.BytesIO()
    cpio = Cpio(raw)
    merge_usr(cpio)
    skeleton(cpio, init)
    cpio.file("usr/bin/busybox", content, 0o755)
    applets = subprocess.run([path, "--list"], check=True, capture_output=True, text=True)
    for applet in applets.stdout.split():
        if applet != "busybox":
            cpio.symlink(f"usr/bin/{applet}", "busybox")
    cpio.close()
    atomic_write(image, padded(gzip.compress(raw.getvalue(), 6, mtime=0)))
    return image


def _module_info(data, key):
    """Values of `key` in a module's .modinfo section, which is a list of C strings."""
    found = re.findall(rb"\0" + key.encode() + rb"=([^\0]*)\0", data)
    return [value.decode("ascii", "replace") for value in found]


class Modules:
    """The loadable modules of one unpacked kernel package, which carries no modules.dep."""

    def __init__(self, kernel_dir):
        root = os.path.join(kernel_dir, "lib", "modules")
        if not os.path.isdir(root):
            raise GuestkitError(f"{kernel_dir} holds no modules")
        self.release = os.listdir(root)[0]
        self.root = os.path.join(root, self.release)
        self._paths = {}
        for where, _, names in os.walk(os.path.join(self.root, "kernel")):
            for name in names:
                if ".ko" in name:
                    stem = name.split(".ko")[0].replace("-", "_")
                    self._paths[stem] = os.path.relpath(os.path.join(where, name), self.root)

    def read(self, name):
        """(path below lib/modules/RELEASE, uncompressed content)."""
        path = self._paths.get(name.replace("-", "_"))
        if path is None:
            raise GuestkitError(f"kernel {self.release} has no module {name}")
        with open(os.path.join(self.root, path), "rb") as stream:
            data = stream.read()
        if path.endswith(".xz"):
            return path[:-3], lzma.decompress(data)
        return path, data

    def closure(self, names, found=None):
        """{path: content} of the modules and all they need, what is needed first."""
        found = {} if found is None else found
        for name in names:
            path, data = self.read(name)
            if path not in found:
                needs = ",".join(_module_info(data, "depends")).split(",")
                self.closure([need for need in needs if need], found)
                found[path] = data
        return found


def add_modules(cpio, kernel_dir, names):
    """The named modules with all they depend on; the guest's init runs depmod over them."""
    modules = Modules(kernel_dir)
    into = f"usr/lib/modules/{modules.release}"
    for path, data in modules.closure(names).items():
        cpio.file(f"{into}/{path}", data)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        if os.path.exists(os.path.join(modules.root, name)):
            cpio.copy(os.path.join(modules.root, name), f"{into}/{name}")


def overlay(command=None, nonce=None, files=(), modules=None, tty=False):
    """Bytes of an archive to append. `files` are pairs (host path, guest path); `modules` is a
    pair (kernel directory, module names)."""
    raw = io.BytesIO()
    cpio = Cpio(raw)
    cpio.file("xenolith/start", f"{time.time():.6f}\n".encode())
    if command is not None:
        text = command if command.endswith("\n") else command + "\n"
        cpio.file("xenolith/cmd", text.encode("utf-8", "surrogateescape"))
        cpio.file("xenolith/nonce", f"{nonce}\n".encode())
    if tty:
        cpio.file("xenolith/tty", b"")
    for source, target in files:
        if not os.path.exists(source):
            raise GuestkitError(f"no such file: {source}")
        cpio.copy(source, guest_path(target))
    if modules:
        add_modules(cpio, *modules)
    cpio.close()
    return padded(raw.getvalue())


def write(path, image, extra):
    """`path` := the image followed by the overlay."""
    with open(image, "rb") as source, open(path, "wb") as target:
        while block := source.read(1 << 20):
            target.write(block)
        target.write(b"\0" * (-target.tell() % 4))
        target.write(extra)
