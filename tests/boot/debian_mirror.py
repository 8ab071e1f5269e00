# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian mirror for the installer where the mirror of this host's apt has all of Debian's packages
but not all components of its installer (udebs).

What the installer loads is then a suite of our own, `standins`, signed with a key of our own: Debian's
own components where the mirror has them; others repacked from Debian's ordinary packages or from its
source packages (REPACKED, apt_setup); the rest ours (the folder udebs). All else - suites, packages,
signatures - is passed through from the mirror as it is, and kept. docs/installing.md has the list.
"""

import contextlib
import glob
import gzip
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

SUITE = "standins"
OURS = os.path.join(os.path.dirname(__file__), "udebs")
# What the mirror must have; KVER is the kernel version of the installer.
DEBIAN = ("base-installer", "bootstrap-base", "pkgsel", "ext4-modules-KVER-di",
          "scsi-modules-KVER-di", "ata-modules-KVER-di", "cdrom-core-modules-KVER-di")
# New component: (what it depends on, {ordinary package: files of it}).
LIB = "lib/x86_64-linux-gnu"
REPACKED = {
    "debootstrap-udeb": ("mounted-partitions", {
        "debootstrap": ("usr/sbin/debootstrap", "usr/share/debootstrap")}),
    "e2fsprogs-udeb": ("libblkid1-udeb, libuuid1-udeb", {
        "e2fsprogs": ("sbin/mke2fs", "sbin/mkfs.ext4", "etc/mke2fs.conf"),
        "libext2fs2": (f"{LIB}/libe2p.so.2*", f"{LIB}/libext2fs.so.2*"),
        "libcom-err2": (f"{LIB}/libcom_err.so.2*",)}),
    "sfdisk-udeb": ("libblkid1-udeb, libuuid1-udeb, libtinfo6-udeb, libreadline8-udeb", {
        "fdisk": ("sbin/sfdisk",),
        "libfdisk1": (f"usr/{LIB}/libfdisk.so.1*",),
        "libsmartcols1": (f"usr/{LIB}/libsmartcols.so.1*",)}),
}


def run(*command, **options):
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


class Apt:
    """apt with sources of its own: packages, components of the installer and sources of Debian 12."""

    def __init__(self, directory, site):
        for name in ("etc/sources.list.d", "lists/partial", "cache/archives/partial", "files"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
        signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
        with open(os.path.join(directory, "etc/sources.list"), "w", encoding="ascii") as stream:
            stream.write(f"deb {signed} {site} bookworm main main/debian-installer\n"
                         f"deb-src {signed} {site} bookworm main\n")
        config = os.path.join(directory, "apt.conf")
        with open(config, "w", encoding="ascii") as stream:
            stream.write(f'Dir::Etc "{directory}/etc";\nDir::State::lists "{directory}/lists";\n'
                         f'Dir::Cache "{directory}/cache";\nAPT::Sandbox::User "root";\n'
                         'Acquire::Languages "none";\n')
        self.files = os.path.join(directory, "files")
        self.env = {**os.environ, "APT_CONFIG": config, "LC_ALL": "C"}
        self.get("update")

    def get(self, *arguments):
        done = subprocess.run(["apt-get", "-q", *arguments], cwd=self.files, env=self.env,
                              check=False, capture_output=True, text=True, timeout=600)
        if done.returncode:
            pytest.skip(f"apt-get {' '.join(arguments)}: {done.stderr.strip()}")

    def download(self, packages):
        """The packages' files by their names."""
        self.get("download", *packages)
        return {name: self.newest(f"{name}_*deb") for name in packages}

    def source(self, package):
        self.get("source", "--download-only", package)
        return self.newest(f"{package}_*.tar.*")

    def newest(self, pattern):
        return max(glob.glob(os.path.join(self.files, pattern)), key=os.path.getmtime)


def kernel_version(path):
    """Of a bzImage: the header says where the string is."""
    with open(path, "rb") as stream:
        head = stream.read(1 << 16)
    start = int.from_bytes(head[0x20e:0x210], "little") + 0x200
    return head[start:].split(b" ", 1)[0].decode("ascii")


def copy(source, target, names):
    for name in names:
        found = glob.glob(os.path.join(source, name))
        assert found, f"{name} is not in {source}"
        for path in found:
            new = os.path.join(target, os.path.relpath(path, source))
            os.makedirs(os.path.dirname(new), exist_ok=True)
            if os.path.isdir(path):
                shutil.copytree(path, new, symlinks=True)
            else:
                shutil.copy2(path, new, follow_symlinks=False)


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(path, mode)


def control(name, depends, extra=""):
    return (f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: Xenolith\n"
            f"Section: debian-installer\nPriority: optional\nDepends: {depends}\n{extra}"
            f"Description: {name}, repacked\n")


def templates(paths):
    """debconf's, from a source package: marked for translation, with comments."""
    text = ""
    for path in paths:
        with open(path, encoding="utf-8") as stream:
            lines = [line.lstrip("_") for line in stream if not line.startswith("#")]
        text += "".join(lines).replace("@MULTIARCH@", "") + "\n"
    return text


def apt_setup(apt, work):
    """apt-setup-udeb, from its source package: what its debian/*.install say."""
    run("tar", "-xf", apt.source("apt-setup"), "-C", work)
    source = glob.glob(os.path.join(work, "apt-setup-*"))[0]
    root = os.path.join(work, "apt-setup-udeb")
    for part in ("apt-setup-udeb", "apt-mirror-setup"):
        with open(os.path.join(source, "debian", part + ".install"), encoding="ascii") as stream:
            for line in stream:
                name, directory = line.split()
                os.makedirs(os.path.join(root, directory), exist_ok=True)
                shutil.copy(os.path.join(source, name), os.path.join(root, directory))
    debian = os.path.join(source, "debian")
    write(os.path.join(root, "DEBIAN/templates"),
          templates([f"{debian}/apt-setup-udeb.templates", f"{debian}/apt-mirror-setup.templates"]))
    shutil.copy(f"{debian}/apt-setup-udeb.postinst", os.path.join(root, "DEBIAN/postinst"))
    os.chmod(os.path.join(root, "DEBIAN/postinst"), 0o755)
    write(os.path.join(root, "DEBIAN/control"), control(
        "apt-setup-udeb", "installed-base, base-installer, choose-mirror-bin, cdebconf-udeb",
        "Installer-Menu-Item: 7000\n").replace("optional", "standard"))
    return root


def repack(apt, work):
    """Directories of new components, made from ordinary packages, and of ours."""
    names = {name for _, parts in REPACKED.values() for name in parts} | {"user-setup"}
    unpacked = {}
    for name, path in apt.download(sorted(names)).items():
        unpacked[name] = os.path.join(work, "unpacked-" + name)
        run("dpkg-deb", "-R", path, unpacked[name])
    roots = []
    for name, (depends, parts) in REPACKED.items():
        roots.append(os.path.join(work, name))
        for package, files in parts.items():
            copy(unpacked[package], roots[-1], files)
        write(os.path.join(roots[-1], "DEBIAN/control"), control(name, depends))
    for name in os.listdir(OURS):
        roots.append(os.path.join(work, name))
        shutil.copytree(os.path.join(OURS, name), roots[-1])
    copy(unpacked["user-setup"], os.path.join(work, "user-setup"),
         ("usr/lib/user-setup", "DEBIAN/templates"))
    return [*roots, apt_setup(apt, work)]


def index(pool):
    """The text of Packages for the components in a directory."""
    text = ""
    for path in sorted(glob.glob(os.path.join(pool, "*.udeb"))):
        with open(path, "rb") as stream:
            data = stream.read()
        text += (run("dpkg-deb", "-f", path).rstrip("\n") +
                 f"\nFilename: {SUITE}/{os.path.basename(path)}\nSize: {len(data)}\n"
                 f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n")
    return text


def sign(home, directory):
    """Release.gpg, and the key, which the installer is told to trust."""
    os.makedirs(home, 0o700)
    gpg = ("gpg", "--homedir", home, "--batch", "-q", "--pinentry-mode", "loopback",
           "--passphrase", "")
    try:
        run(*gpg, "--quick-generate-key", "Stand-ins <nobody@invalid>", "rsa2048", "sign")
        run(*gpg, "-o", f"{directory}/Release.gpg", "--detach-sign", f"{directory}/Release")
        run(*gpg, "-o", f"{directory}/key.gpg", "--export")
    finally:
        run("gpgconf", "--homedir", home, "--kill", "all")


def make_suite(top, cache, site, kernel):
    """The suite SUITE in the mirror's directory `top`."""
    apt = Apt(os.path.join(cache, "apt"), site)
    pool, work = os.path.join(top, SUITE), os.path.join(top, "work")
    os.makedirs(pool)
    os.makedirs(work)
    version = kernel_version(kernel)
    for path in apt.download([name.replace("KVER", version) for name in DEBIAN]).values():
        shutil.copy(path, pool)
    for root in repack(apt, work):
        run("dpkg-deb", "--root-owner-group", "-Zxz", "-b", root,
            os.path.join(pool, os.path.basename(root) + "_1_all.udeb"))
    suite = os.path.join(top, "dists", SUITE)
    name = "main/debian-installer/binary-amd64/Packages.gz"
    packed = gzip.compress(index(pool).encode())
    os.makedirs(os.path.dirname(os.path.join(suite, name)))
    with open(os.path.join(suite, name), "wb") as stream:
        stream.write(packed)
    write(os.path.join(suite, "Release"),
          f"Suite: {SUITE}\nCodename: {SUITE}\nArchitectures: amd64\nComponents: main\nSHA256:\n"
          f" {hashlib.sha256(packed).hexdigest()} {len(packed)} {name}\n")
    sign(os.path.join(work, "gnupg"), suite)
    shutil.rmtree(work)


class Mirror(http.server.BaseHTTPRequestHandler):
    """Files of ours from `top`, all others from `site` and by way of `cache`."""
    protocol_version = "HTTP/1.1"
    top = cache = site = None
    asked = None  # paths that were asked for, in their order

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def file(self, path):
        ours = os.path.join(self.top, path)
        if os.path.isfile(ours):
            return ours
        if not path.startswith("pool/"):  # indexes change; packages of one name do not
            return None
        kept = os.path.join(self.cache, path.replace("/", "_"))
        if not os.path.exists(kept):
            part = f"{kept}.{threading.get_ident()}"
            with urllib.request.urlopen(f"{self.site}/{path}", timeout=120) as stream, \
                    open(part, "wb") as out:
                shutil.copyfileobj(stream, out)
            os.rename(part, kept)
        return kept

    def do_GET(self):  # pylint: disable=invalid-name
        path = os.path.normpath(self.path.split("?")[0]).lstrip("/")
        path = re.sub(r"^debian/", "", path)
        self.asked.append(path)
        try:
            kept = self.file(path)
            with (open(kept, "rb") if kept else
                  urllib.request.urlopen(f"{self.site}/{path}", timeout=120)) as stream:
                data = stream.read()
        except (OSError, urllib.error.URLError) as error:
            self.send_response(getattr(error, "code", None) or 502)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(data)


@contextlib.contextmanager
def serve(top, cache, site):
    """The mirror, on the host's loopback; its port and what was asked for."""
    os.makedirs(os.path.join(cache, "packages"), exist_ok=True)
    handler = type("Handler", (Mirror,), {
        "top": str(top), "cache": os.path.join(cache, "packages"), "site": site.rstrip("/"),
        "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], handler.asked
    finally:
        server.shutdown()
        server.server_close()
