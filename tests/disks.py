# SPDX-License-Identifier: GPL-2.0-or-later
"""Disk images for tests: filesystems made from a directory, partition tables, logical volumes.

All of it as an ordinary user and without a loop device. Each function returns a path.
"""

import os
import shutil
import struct
import subprocess
import zlib

import pytest

MIB = 1 << 20
SECTOR = 512


def need(*programs):
    """Skip the test where a program that makes its image is missing."""
    for program in programs:
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            pytest.skip(f"{program} is not installed; run: scripts/install-deps test")


def run(*command, **options):
    env = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    done = subprocess.run(command, env=env, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}"


def make_tree(directory, files):
    """Files from a dict: text or bytes; a tuple ("->", target) is a symbolic link."""
    for name, content in files.items():
        path = os.path.join(directory, name.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(content, tuple):
            os.symlink(content[1], path)
            continue
        with open(path, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
    return str(directory)


def blank(path, size):
    with open(path, "wb") as stream:
        stream.truncate(size)
    return str(path)


def ext4(path, tree, size=32 * MIB, kind="ext4"):
    need("mkfs.ext4")
    run(f"mkfs.{kind}", "-q", "-F", "-d", tree, blank(path, size))
    return str(path)


def ext2(path, tree):
    return ext4(path, tree, kind="ext2")


def ext3(path, tree):
    return ext4(path, tree, kind="ext3")


def xfs(path, tree):
    need("mkfs.xfs")
    proto = []

    def walk(directory):
        for name in sorted(os.listdir(directory)):
            full = os.path.join(directory, name)
            if os.path.isdir(full):
                proto.append(f"{name} d--755 0 0")
                walk(full)
                proto.append("$")
            else:
                proto.append(f"{name} ---644 0 0 {full}")

    walk(tree)
    text = "/\n0 0\nd--755 0 0\n" + "\n".join(proto) + "\n$\n"
    with open(f"{path}.proto", "w", encoding="utf-8") as stream:
        stream.write(text)
    run("mkfs.xfs", "-q", "-p", f"{path}.proto", blank(path, 320 * MIB))
    return str(path)


def btrfs(path, tree):
    need("mkfs.btrfs")
    run("mkfs.btrfs", "-q", "--rootdir", tree, blank(path, 128 * MIB))
    return str(path)


def fat(path, tree):
    need("mkfs.vfat", "mcopy")
    run("mkfs.vfat", "-F", "32", blank(path, 64 * MIB))
    for name in sorted(os.listdir(tree)):
        run("mcopy", "-s", "-i", str(path), os.path.join(tree, name), "::/")
    return str(path)


def iso9660(path, tree):
    need("xorriso")
    run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-o", str(path), tree)
    return str(path)


def squashfs(path, tree):
    need("mksquashfs")
    run("mksquashfs", tree, str(path), "-quiet", "-no-progress", "-noappend")
    return str(path)


def _place(out, sector, content):
    out.seek(sector * SECTOR)
    with open(content, "rb") as stream:
        shutil.copyfileobj(stream, out)


def _sectors(content):
    return (os.path.getsize(content) + SECTOR - 1) // SECTOR


def _mbr_entry(kind, start, count, active=False):
    return struct.pack("<B3sB3sII", 0x80 if active else 0, b"\0\0\0", kind, b"\0\0\0", start,
                       count)


def mbr(path, primary, logical=(), active=None):
    """Primary partitions (None: an unused entry), then an extended one with logical ones."""
    entries, at = [], 2048
    with open(path, "wb") as out:
        for number, content in enumerate(primary, 1):
            if content is None:
                entries.append(b"\0" * 16)
                continue
            _place(out, at, content)
            entries.append(_mbr_entry(0x83, at, _sectors(content), number == active))
            at += (_sectors(content) + 2047) // 2048 * 2048
        if logical:
            base, first = at, at
            total = sum(2048 + (_sectors(c) + 2047) // 2048 * 2048 for c in logical)
            entries.append(_mbr_entry(0x05, base, total))
            for i, content in enumerate(logical):
                following = first + 2048 + (_sectors(content) + 2047) // 2048 * 2048
                _place(out, first + 2048, content)
                record = _mbr_entry(0x83, 2048, _sectors(content))
                if i + 1 < len(logical):
                    record += _mbr_entry(0x05, following - base, 2048 + _sectors(logical[i + 1]))
                out.seek(first * SECTOR + 446)
                out.write(record.ljust(64, b"\0") + b"\x55\xaa")
                first = at = following
        out.seek(446)
        out.write(b"".join(entries).ljust(64, b"\0") + b"\x55\xaa")
        out.truncate(at * SECTOR + MIB)
    return str(path)


def gpt(path, contents):
    linux = bytes.fromhex("af3dc60f838472478e793d69d8477de4")
    entries, at = b"", 2048
    with open(path, "wb") as out:
        for number, content in enumerate(contents, 1):
            _place(out, at, content)
            entries += struct.pack("<16s16sQQQ72s", linux, bytes([number] * 16), at,
                                   at + _sectors(content) - 1, 0, b"")
            at += (_sectors(content) + 2047) // 2048 * 2048
        last = at + 2047
        entries = entries.ljust(128 * 128, b"\0")

        def header(here, other, table):
            head = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, here, other,
                               34, last - 34, b"\x22" * 16, table, 128, 128, zlib.crc32(entries))
            return head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]

        out.truncate((last + 1) * SECTOR)
        out.seek(446)
        out.write(_mbr_entry(0xee, 1, last).ljust(64, b"\0") + b"\x55\xaa")
        out.seek(SECTOR)
        out.write(header(1, last, 2))
        out.seek(2 * SECTOR)
        out.write(entries)
        out.seek((last - 32) * SECTOR)
        out.write(entries)
        out.seek(last * SECTOR)
        out.write(header(last, 1, last - 32))
    return str(path)


def lvm(path, content, name="root"):
    """A physical volume with one logical volume of that content, in volume group vg0."""
    extent, start = 8192, 2048
    extents = (_sectors(content) + extent - 1) // extent
    uuid = "AAAAAABBBBCCCCDDDDEEEEFFFFGGGGGG"
    dashed = "-".join((uuid[0:6], uuid[6:10], uuid[10:14], uuid[14:18], uuid[18:22], uuid[22:26],
                       uuid[26:32]))
    text = f"""vg0 {{
id = "HHHHHH-BBBB-CCCC-DDDD-EEEE-FFFF-GGGGGG"
seqno = 1
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = {extent}
max_lv = 0
max_pv = 0
metadata_copies = 0

physical_volumes {{

pv0 {{
id = "{dashed}"
device = "/dev/xvda2"

status = ["ALLOCATABLE"]
flags = []
dev_size = {start + extents * extent}
pe_start = {start}
pe_count = {extents}
}}
}}

logical_volumes {{

{name} {{
id = "IIIIII-BBBB-CCCC-DDDD-EEEE-FFFF-GGGGGG"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
segment_count = 1

segment1 {{
start_extent = 0
extent_count = {extents}

type = "striped"
stripe_count = 1

stripes = [
"pv0", 0
]
}}
}}
}}

}}
""".encode()
    with open(path, "wb") as out:
        out.truncate((start + extents * extent) * SECTOR)
        out.seek(SECTOR)
        out.write(b"LABELONE" + struct.pack("<QII", 1, 0, 32) + b"LVM2 001")
        out.write(uuid.encode() + struct.pack("<Q", (start + extents * extent) * SECTOR))
        out.write(struct.pack("<QQQQ", start * SECTOR, 0, 0, 0))
        out.write(struct.pack("<QQQQ", 4096, MIB - 4096, 0, 0))
        out.seek(4096)
        out.write(struct.pack("<I16sIQQQQII", 0, b" LVM2 x[5A%r0N*>", 1, 4096, MIB - 4096, 512,
                              len(text), 0, 0))
        out.seek(4096 + 512)
        out.write(text)
        _place(out, start, content)
    return str(path)
