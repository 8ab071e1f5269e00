# SPDX-License-Identifier: GPL-2.0-or-later
"""Writer for "newc" cpio archives, the format of Linux initramfs images.

Everything belongs to root and device nodes are plain records, so no privilege is needed to
make one. Times are zero: equal content gives equal bytes.
"""

import os
import stat


class Cpio:
    """Collects entries and writes them, parents before children."""

    def __init__(self, stream):
        self._stream = stream
        self._inode = 0
        self._seen = set()

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self._inode += 1
        raw = name.encode("utf-8", "surrogateescape") + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1], len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        self._stream.write(head + b"\0" * (-len(head) % 4))
        self._stream.write(data)
        self._stream.write(b"\0" * (-len(data) % 4))

    def _parents(self, name):
        parent = os.path.dirname(name)
        if parent:
            self.directory(parent)

    def directory(self, name, mode=0o755):
        name = name.strip("/")
        if not name or name in self._seen:
            return
        self._parents(name)
        self._seen.add(name)
        self._entry(name, stat.S_IFDIR | mode)

    def file(self, name, data, mode=0o644):
        name = name.strip("/")
        self._parents(name)
        self._seen.add(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def symlink(self, name, target):
        name = name.strip("/")
        if name in self._seen:
            return
        self._parents(name)
        self._seen.add(name)
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def node(self, name, kind, major, minor, mode=0o600):
        name = name.strip("/")
        self._parents(name)
        self._entry(name, kind | mode, rdev=(major, minor))

    def copy(self, source, name):
        """A file, symlink or whole directory of the host."""
        info = os.lstat(source)
        if stat.S_ISLNK(info.st_mode):
            self.symlink(name, os.readlink(source))
        elif stat.S_ISDIR(info.st_mode):
            self.directory(name)
            for child in sorted(os.listdir(source)):
                self.copy(os.path.join(source, child), os.path.join(name, child))
        elif stat.S_ISREG(info.st_mode):
            with open(source, "rb") as stream:
                self.file(name, stream.read(), stat.S_IMODE(info.st_mode))

    def close(self):
        self._entry("TRAILER!!!", 0)
