# SPDX-License-Identifier: GPL-2.0-or-later
"""What disks are made of on the host: files on file systems of every kind, block devices, images
that are unusual; and what becomes of a guest when the host cannot do what it asks.

File systems are mounted from loop devices, which takes root.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess

import pytest

from guestkit.machine import Machine
from conftest import MACHINE
from test_block import MODULES, START, check_file_system, disk, image, needs_qemu, run  # noqa: F401

# pylint: disable=redefined-outer-name

pytestmark = [
    pytest.mark.skipif(MACHINE != "xm", reason="about Xen's block devices"),
    pytest.mark.skipif(not shutil.which("losetup"), reason="losetup is not installed"),
]

MIB = 1 << 20


def blank(path, size):
    path.touch()
    os.truncate(path, size)
    return path


def occupied(path):
    """Bytes that a file takes on its file system."""
    os.sync()
    return os.stat(path).st_blocks * 512


@contextlib.contextmanager
def loop_device(path, *options):
    done = subprocess.run(["losetup", "--show", *options, "-f", str(path)], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        pytest.skip("no loop device to be had: " + done.stderr.strip())
    try:
        yield done.stdout.strip()
    finally:
        run("losetup", "-d", done.stdout.strip())


@contextlib.contextmanager
def mounted(directory, *options):
    directory.mkdir()
    done = subprocess.run(["mount", *options, str(directory)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("it cannot be mounted: " + done.stderr.strip())
    try:
        yield directory
    finally:
        run("umount", str(directory))


@contextlib.contextmanager
def file_system(kind, top, size=320 * MIB):
    """A directory on a file system of that kind."""
    if kind == "tmpfs":
        with mounted(top / "host", "-t", "tmpfs", "-o", f"size={size}", "none") as path:
            yield path
        return
    if kind == "overlay":
        for name in ("lower", "upper", "work"):
            (top / name).mkdir()
        with mounted(top / "host", "-t", "overlay", "-o",
                     f"lowerdir={top}/lower,upperdir={top}/upper,workdir={top}/work", "none") as path:
            yield path
        return
    if not shutil.which(f"mkfs.{kind}"):
        pytest.skip(f"mkfs.{kind} is not installed")
    image = blank(top / "host.img", size)
    run(f"mkfs.{kind}", "-q", *(["-E", "nodiscard"] if kind == "ext4" else []), str(image))
    with loop_device(image) as device, mounted(top / "host", "-t", kind, device) as path:
        yield path


# Writes of many sizes at places of many alignments, through the guest's cache and past it; its pages
# are also changed again while they are being written.
WRITES = """
await /dev/xvdb
dd if=/dev/urandom of=/tmp/source bs=1M count=4 2>/dev/null
for step in 512 3584 4096 65536 524288; do
    dd if=/tmp/source of=/dev/xvdb bs=$step seek=7 count=6 oflag=direct 2>/dev/null || exit 1
    dd if=/dev/xvdb bs=$step skip=7 count=6 iflag=direct 2>/dev/null | cmp -n $((6 * step)) - /tmp/source ||
        exit 2
done
mount -t ext4 /dev/xvda /mnt || exit 3
n=0; while [ $n -lt 15 ]; do
    dd if=/tmp/source of=/mnt/changing bs=1M conv=notrunc 2>/dev/null; n=$((n + 1))
done &
for i in 1 2 3; do dd if=/dev/urandom of=/mnt/$i bs=1M count=8 2>/dev/null; sync; done; wait; sync
cd /mnt; sha256sum 1 2 3 changing >sums; cd /
echo 3 >/proc/sys/vm/drop_caches
cd /mnt; sha256sum -c sums || exit 5; cd /
umount /mnt
"""


@pytest.mark.parametrize("kind", ["tmpfs", "overlay", "ext4", "xfs", "btrfs"])
def test_file_systems(guest, tmp_path, kind):
    with file_system(kind, tmp_path) as host:
        image, other = host / "disk.img", blank(host / "other.img", 16 * MIB)
        run("mke2fs", "-q", "-t", "ext4", str(image), "64M")
        result = guest(START + WRITES, modules=MODULES,
                       timeout=300, config=f"disk = ['file:{image},xvda,w', 'file:{other},xvdb,w']\n")
        assert result.status == 0, result.text()
        check_file_system(image)


# The guest is told to go on by what is done on the host at its word "full".
FILL = """
store() { dd if=/dev/urandom of=/dev/xvda bs=1M count=$1 oflag=direct 2>/dev/null; }
store 1 && echo first
store 24 || echo full
n=0; until store 4 || [ $n -gt 100 ]; do usleep 50000; n=$((n + 1)); done
store 4 && echo lives
dmesg | grep -c "error, dev xvda, .*WRITE"
"""


@pytest.mark.parametrize("kind,form", [("tmpfs", "raw"), ("ext4", "raw"),
                                       pytest.param("tmpfs", "qcow2", marks=needs_qemu)])
def test_full_host(kernels, xm, tmp_path, monkeypatch, kind, form):
    """The host's file system is full: errors in the guest and a sentence in the log; when there is
    room again the guest goes on writing."""
    monkeypatch.setenv("XENOLITH_LOG_DIR", str(tmp_path / "log"))
    with file_system(kind, tmp_path, 24 * MIB) as host:
        image, filler, output = host / "disk.img", host / "filler", bytearray()
        run("qemu-img", "create", "-q", "-f", form, str(image), "48M")
        filler.write_bytes(os.urandom(8 * MIB))

        def sink(data):
            output.extend(data)
            if output.split()[-1:] == [b"full"]:
                filler.unlink()

        entry = f"{'file' if form == 'raw' else 'tap:qcow2'}:{image},xvda,w"
        with Machine("xm", kernels(), config=f"disk = [{entry!r}]\n") as machine:
            result = machine.run(START + FILL, modules=MODULES, sink=sink)
        *words, errors = result.text().split()
        assert words == ["first", "full", "lives"] and int(errors) > 0, result.text()
        log = (tmp_path / "log" / f"{machine.name}.log").read_text()
        assert re.search(f"disk xvda: writing sector [0-9]+ of {image} failed: No space left on device", log)
        if form != "raw":
            run("qemu-img", "check", "-q", str(image))


@pytest.mark.parametrize("form", ["raw", "loop", pytest.param("qcow2", marks=needs_qemu)])
def test_discard(guest, tmp_path, form):
    """What a guest's file system gives back is free on the host."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(file_system("ext4", tmp_path, 96 * MIB))
        raw, image = tmp_path / "raw.img", host / "disk.img"
        run("mke2fs", "-q", "-t", "ext4", str(raw), "64M")
        run("qemu-img", "convert", "-O", "qcow2" if form == "qcow2" else "raw", str(raw), str(image))
        before = occupied(image)
        entry = f"{'tap:qcow2' if form == 'qcow2' else 'file'}:{image},xvda,w"
        if form == "loop":
            entry = f"phy:{stack.enter_context(loop_device(image))},xvda,w"
        result = guest(START + """
            mount -t ext4 /dev/xvda /mnt || exit 1
            dd if=/dev/urandom of=/mnt/much bs=1M count=32 conv=fsync 2>/dev/null || exit 2
            rm /mnt/much; sync; fstrim /mnt || exit 3
            dd if=/dev/urandom of=/mnt/kept bs=1M count=4 conv=fsync 2>/dev/null; sha256sum </mnt/kept
            umount /mnt
            """, modules=MODULES, config=f"disk = [{entry!r}]\n")
        assert result.status == 0, result.text()
        assert occupied(image) < before + 16 * MIB
        run("qemu-img", "convert", "-O", "raw", str(image), str(raw))
        check_file_system(raw)
        kept = subprocess.run(["debugfs", "-R", "cat /kept", str(raw)], capture_output=True, check=True)
        assert hashlib.sha256(kept.stdout).hexdigest() == result.text().split()[0]


def test_large_sectors(guest, tmp_path):
    """A device with sectors of 4 KiB: the guest's disk has such, too."""
    image = tmp_path / "disk.img"
    run("mke2fs", "-q", "-t", "ext4", "-b", "4096", str(image), "64M")
    with loop_device(image, "-b", "4096") as device:
        result = guest(START + """
            cat /sys/block/xvda/queue/logical_block_size /sys/block/xvda/size
            mount -t ext4 /dev/xvda /mnt || exit 2
            dd if=/dev/urandom of=/mnt/new bs=1M count=8 conv=fsync 2>/dev/null || exit 3
            sha256sum </mnt/new; echo 3 >/proc/sys/vm/drop_caches; sha256sum </mnt/new
            fstrim /mnt || exit 4
            umount /mnt
            """, modules=MODULES, config=f"disk = ['phy:{device},xvda,w']\n")
    words = result.text().split()
    assert result.status == 0 and words[:2] == ["4096", "131072"], result.text()
    assert words[2] == words[4]
    check_file_system(image)


def test_device_grows(kernels, xm, tmp_path):
    image, output = blank(tmp_path / "disk.img", 16 * MIB), bytearray()
    with loop_device(image) as device:

        def sink(data):
            output.extend(data)
            if output.split()[-1:] == [b"grow"]:
                os.truncate(image, 24 * MIB)
                run("losetup", "-c", device)
                run(xm, "block-configure", machine.name, f"phy:{device}", "xvda", "w")

        with Machine("xm", kernels(), config=f"disk = ['phy:{device},xvda,w']\n") as machine:
            result = machine.run(START + """
                echo grow
                n=0; until [ $(cat /sys/block/xvda/size) = 49152 ] || [ $n -gt 100 ]; do
                    usleep 50000; n=$((n + 1)); done
                echo last | dd of=/dev/xvda bs=512 seek=49151 conv=fsync 2>/dev/null; echo $?
                """, modules=MODULES, sink=sink)
        assert result.text().split() == ["grow", "0"], result.text()
    assert image.read_bytes()[-512:].startswith(b"last")


@pytest.mark.parametrize("what", ["mounted", "read-only", "read-only host", "short", "twice"])
def test_refused(kernels, xm, tmp_path, what):
    """A sentence that says what is wrong with an image."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(file_system("ext4", tmp_path, 32 * MIB))
        path = blank(host / "disk.img", 1 * MIB)
        entries = [f"file:{path},xvda,w"]
        if what == "mounted":
            device = run("findmnt", "-no", "SOURCE", str(host)).strip()
            entries, words = [f"phy:{device},xvda,w"], "is in use: mounted on this host"
        elif what == "read-only":
            device = stack.enter_context(loop_device(path, "-r"))
            entries, words = [f"phy:{device},xvda,w"], "is read-only"
        elif what == "read-only host":
            run("mount", "-o", "remount,ro", str(host))
            words = "for writing: Read-only file system"
        elif what == "short":
            os.truncate(path, 511)
            words = "is shorter than a sector"
        else:
            os.link(path, host / "twice")
            entries, words = [*entries, f"file:{host}/twice,xvdb,w"], "is in use"
        with Machine("xm", kernels(), memory=128, config=f"disk = {entries!r}\n") as machine:
            result = machine.run("true")
        assert result.status is None and words in result.console_text(), result.console_text()


def test_size_that_is_odd(guest, tmp_path):
    """Half a sector at the end is no sector; a sector beyond what 32 bits can count is one."""
    odd, large = blank(tmp_path / "odd.img", MIB + 256), blank(tmp_path / "large.img", 5 << 40)
    result = guest(START + """
        await /dev/xvdb
        cat /sys/block/xvda/size /sys/block/xvdb/size
        for disk in xvda xvdb; do
            last=$(($(cat /sys/block/$disk/size) / 8 - 1))
            dd if=/bin/busybox of=/dev/$disk bs=4k seek=$last count=1 oflag=direct 2>/dev/null; echo $?
            dd if=/dev/$disk bs=4k skip=$last count=1 iflag=direct 2>/dev/null | cmp -n 4096 - /bin/busybox
            echo $?
        done
        """, modules=MODULES, config=f"disk = ['file:{odd},xvda,w', 'file:{large},xvdb,w']\n")
    assert result.text().split() == ["2048", "10737418240", *"0000"], result.text()
    assert odd.stat().st_size == MIB + 256 and large.stat().st_size == 5 << 40


def test_many_disks(guest, tmp_path):
    """30 of them, past the alphabet's end; each is what it should be."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [f"xvd{letter}" for letter in letters] + [f"xvda{letter}" for letter in letters[:4]]
    entries = []
    for name in names:
        (tmp_path / name).write_bytes(name.encode().ljust(MIB, b"\n"))
        entries.append(f"file:{tmp_path}/{name},{name},w")
    result = guest(START + f"""
        for name in {' '.join(names)}; do await /dev/$name; done
        for name in {' '.join(names)}; do
            [ "$(head -n 1 /dev/$name)" = $name ] || echo $name is another
            (echo $name | dd of=/dev/$name bs=4k seek=7 conv=fsync 2>/dev/null) &
        done; wait
        """, modules=MODULES, timeout=300, config=f"disk = {entries!r}\n")
    assert (result.status, result.text()) == (0, ""), result.text()
    for name in names:
        assert (tmp_path / name).read_bytes()[7 * 4096:].startswith(name.encode() + b"\n"), name


@pytest.mark.slow
def test_plugged_under_load(kernels, xm, image, tmp_path):
    """A device comes and goes fifty times while a disk, and the guest's processes, are at work."""
    path, digest = image
    second, output = tmp_path / "second.img", bytearray()
    second.write_bytes(b"content!" * (MIB // 8))

    def sink(data):
        output.extend(data)
        if output.endswith(b"plug\n"):
            run(xm, "block-attach", machine.name, f"phy:{device}", "xvdb", "w")
        elif output.endswith(b"pull\n"):
            run(xm, "block-detach", machine.name, "xvdb")

    with loop_device(second) as device, Machine("xm", kernels(), vcpus=2, config=disk(path)) as machine:
        result = machine.run(START + """
            mount -t ext4 /dev/xvda /mnt || exit 1
            while [ ! -f /tmp/end ]; do
                dd if=/dev/urandom of=/mnt/noise bs=64k count=16 conv=fsync 2>/dev/null || echo bad
                sha256sum </mnt/known >/mnt/sum; echo 3 >/proc/sys/vm/drop_caches
            done &
            i=0; while [ $i -lt 50 ]; do
                i=$((i + 1))
                echo plug; await /dev/xvdb
                [ "$(head -c 8 /dev/xvdb)" = content! ] || echo "bad $i"
                dd if=/dev/zero of=/dev/xvdb bs=64k seek=1 count=8 conv=fsync 2>/dev/null || echo "bad $i"
                echo pull
                n=0; while [ -b /dev/xvdb ] && [ $n -lt 200 ]; do usleep 50000; n=$((n + 1)); done
                [ -b /dev/xvdb ] && exit 2
            done
            touch /tmp/end; wait
            cat /mnt/sum
            umount /mnt
            dmesg | grep -E "WARNING|BUG|error"
            """, modules=MODULES, sink=sink, timeout=900)
    assert result.text().split() == ["plug", "pull"] * 50 + [digest, "-"], result.text()[-1000:]
    check_file_system(path)
