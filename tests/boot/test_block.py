# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks: Debian's xen-blkfront on a raw image. The host looks at the image with e2fsprogs."""

import fcntl
import hashlib
import os
import re
import shutil
import struct
import subprocess
import threading

import pytest

import kills
from guestkit.machine import Machine
from conftest import MACHINE

pytestmark = [
    pytest.mark.skipif(MACHINE != "xm", reason="about Xen's block devices"),
    pytest.mark.skipif(not shutil.which("mke2fs"), reason="e2fsprogs is not installed"),
]

MODULES = ("xen-blkfront", "crc32c_generic", "crc32c-intel", "ext4")
# Loads the drivers and waits for the disk.
START = """
exec 2>&1
for module in xen-blkfront crc32c_generic crc32c-intel ext4; do modprobe $module; done
await() { n=0; while [ ! -b $1 ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done; }
await /dev/xvda
mkdir -p /mnt
"""


needs_qemu = pytest.mark.skipif(
    not shutil.which("qemu-storage-daemon") or not shutil.which("qemu-img"),
    reason="qemu-storage-daemon or qemu-img is not installed")


def run(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout


@pytest.fixture
def image(tmp_path):
    """An ext4 image with a file of known content in it."""
    content = os.urandom(3 << 20)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "known").write_bytes(content)
    path = tmp_path / "disk.img"
    run("mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(path), "64M")
    return path, hashlib.sha256(content).hexdigest()


def check_file_system(path):
    """The guest unmounted it: it must be clean."""
    done = subprocess.run(["e2fsck", "-fn", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def disk(path, name="xvda", mode="w"):
    return f"disk = ['file:{path},{name},{mode}']\n"


@pytest.mark.parametrize("series", ["6.1", "6.12"])
def test_ext4(guest, image, series):
    """Read what the host wrote; write, sync, forget, read again; the host finds it."""
    path, digest = image
    result = guest(START + """
        mount -t ext4 /dev/xvda /mnt || exit 1
        sha256sum </mnt/known
        dd if=/dev/urandom of=/mnt/new bs=1M count=8 conv=fsync 2>/dev/null || exit 2
        sha256sum </mnt/new
        echo 3 >/proc/sys/vm/drop_caches
        sha256sum </mnt/new
        umount /mnt
        """, series=series, modules=MODULES, config=disk(path))
    assert result.status == 0, result.text()
    known, first, second = [line.split()[0] for line in result.text().splitlines()]
    assert known == digest
    assert first == second
    check_file_system(path)
    new = subprocess.run(["debugfs", "-R", "cat /new", str(path)], capture_output=True, check=True)
    assert hashlib.sha256(new.stdout).hexdigest() == first


GRUB_MODULES = "/usr/lib/grub/x86_64-xen"


@pytest.mark.skipif(not os.path.exists(GRUB_MODULES) or not shutil.which("grub-mkimage"),
                    reason="grub-xen-bin is not installed")
def test_one_kernel_after_the_other(xm, tmp_path):
    """GRUB reads a file and the next kernel, another GRUB, which takes the same disk up."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "hello").write_text("hello from the disk\n")
    for name, script in (("second", "halt"), ("first", "linux (xen/xvda)/second\nboot")):
        config = tmp_path / f"{name}.cfg"
        config.write_text(f"echo this is {name}\ncat (xen/xvda)/hello\n{script}\n")
        run("grub-mkimage", "-O", "x86_64-xen", "-p", "/", "-c", str(config), "-o",
            str(tree / name), "echo", "cat", "halt", "ext2", "linux")
    path = tmp_path / "disk.img"
    run("mke2fs", "-q", "-t", "ext2", "-b", "4096", "-d", str(tree), str(path), "8M")
    done = subprocess.run([xm, "create", "-q", "-c", "/dev/null", f"name=grub-{os.getpid()}",
                           f"kernel={tree}/first", "memory=64", f"disk=file:{path},xvda,w"],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, text
    assert re.search("this is first.*hello from the disk.*this is second.*hello from the disk",
                     text, re.DOTALL), text


@pytest.mark.parametrize("prefix", ["file", pytest.param("tap:qcow2", marks=needs_qemu)])
def test_hotplug(kernels, xm, image, tmp_path, prefix):
    """A disk comes and goes while the guest runs."""
    path, _ = image
    second = tmp_path / "second.img"
    second.write_bytes(b"content!" * 8192)
    if prefix != "file":
        raw, second = second, tmp_path / "second.qcow2"
        run("qemu-img", "convert", "-O", "qcow2", str(raw), str(second))
    output = bytearray()

    def sink(data):
        output.extend(data)
        for word, action in ((b"plug", "block-attach"), (b"unplug", "block-detach")):
            if output.split()[-1:] == [word]:
                rest = (f"{prefix}:{second}", "xvdb", "r") if action == "block-attach" else ("xvdb",)
                run(xm, action, machine.name, *rest)

    with Machine("xm", kernels(), config=disk(path)) as machine:
        result = machine.run(START + """
            echo plug
            await /dev/xvdb
            head -c 8 /dev/xvdb; echo
            echo unplug
            n=0; while [ -b /dev/xvdb ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done
            [ -b /dev/xvdb ] && echo stuck; [ -b /dev/xvda ] && echo first
            """, modules=MODULES, sink=sink)
    assert result.text().split() == ["plug", "content!", "unplug", "first"], result.text()


def test_medium_and_size(kernels, xm, image, tmp_path):
    """A drive that was empty gets a medium and loses it; a disk grows under the guest."""
    path, _ = image
    medium = tmp_path / "medium.iso"
    medium.write_bytes(b"content!" * 8192)
    output = bytearray()

    def sink(data):
        output.extend(data)
        word = output.split()[-1:]
        if word == [b"insert"]:
            run(xm, "cd-insert", machine.name, "xvdc", str(medium))
        elif word == [b"eject"]:
            run(xm, "block-configure", machine.name, "", "xvdc:cdrom", "r")
        elif word == [b"grow"]:
            os.truncate(path, 96 << 20)
            run(xm, "block-configure", machine.name, f"file:{path}", "xvda", "w")

    with Machine("xm", kernels(), config=f"disk = ['file:{path},xvda,w', ',xvdc:cdrom,r']\n") as machine:
        result = machine.run(START + """
            size() { cat /sys/block/$1/size; }
            until_size() { n=0; while [ $(size $1) != $2 ] && [ $n -lt 100 ]; do
                               usleep 50000; n=$((n + 1)); done; }
            await /dev/xvdc
            size xvdc; head -c 8 /dev/xvdc
            echo insert; until_size xvdc 128; head -c 8 /dev/xvdc; echo
            echo eject; until_size xvdc 0; size xvdc; head -c 8 /dev/xvdc
            echo grow; until_size xvda 196608; size xvda
            dd if=/dev/xvda of=/dev/null bs=1M skip=95 2>/dev/null && echo readable
            """, modules=MODULES, sink=sink)
    assert result.text().split() == ["0", "insert", "content!", "eject", "0", "grow", "196608",
                                     "readable"], result.text()


@pytest.fixture
def large_sectors(tmp_path):
    """A device with sectors of 2 KiB, as CDs have."""
    path = tmp_path / "cd.img"
    path.write_bytes(b"".join(b"%-512d" % i for i in range(256)))
    done = subprocess.run(["losetup", "--show", "-r", "-b", "2048", "-f", str(path)],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no loop device to be had: " + done.stderr.strip())
    yield done.stdout.strip()
    run("losetup", "-d", done.stdout.strip())


@pytest.mark.skipif(not shutil.which("losetup"), reason="losetup is not installed")
def test_medium_with_large_sectors(guest, image, large_sectors):
    """A drive has sectors of 512 bytes whatever is in it: the next medium may have others."""
    path, _ = image
    result = guest(START + """
        await /dev/xvdb
        cat /sys/block/xvdb/queue/logical_block_size
        dd if=/dev/xvdb bs=512 skip=3 count=1 iflag=direct 2>/dev/null
        """, modules=MODULES, config=f"disk = ['file:{path},xvda,w', 'phy:{large_sectors},xvdb:cdrom,r']\n")
    assert result.text().split() == ["512", "3"], result.text()


@pytest.mark.parametrize("vcpus", [1, 2])
def test_large_rings(guest, image, vcpus):
    """Rings of 16 pages, a queue for each vCPU, requests of a mebibyte, all at once."""
    path, digest = image
    result = guest("""
        modprobe xen-blkfront max_ring_page_order=4 max_indirect_segments=256
        """ + START + """
        mount -t ext4 /dev/xvda /mnt || exit 1
        for i in 1 2 3 4; do dd if=/dev/urandom of=/mnt/$i bs=1M count=6 2>/dev/null & done; wait
        sync
        cd /mnt; sha256sum 1 2 3 4 >sums; cd /
        echo 3 >/proc/sys/vm/drop_caches
        cd /mnt; sha256sum -c sums; cd /
        sha256sum </mnt/known
        umount /mnt
        ls /sys/block/xvda/mq | wc -l
        """, modules=MODULES, config=disk(path), vcpus=vcpus)
    assert result.text().splitlines() == [f"{i}: OK" for i in (1, 2, 3, 4)] + [
        f"{digest}  -", str(vcpus)], result.text()
    check_file_system(path)


def test_reboot(kernels, xm, image):
    """The next life finds the disk as the one before left it."""
    path, _ = image
    with Machine("xm", kernels(), config=disk(path) + "on_reboot = 'restart'\n") as machine:
        result = machine.run(START + """
            mount -t ext4 /dev/xvda /mnt
            if [ ! -f /mnt/second ]; then
                touch /mnt/second; umount /mnt; reboot -f; sleep 60
            fi
            echo second life
            """, modules=MODULES)
    assert result.text().splitlines()[-1:] == ["second life"], result.console_text()


def test_readonly(guest, image):
    path, digest = image
    before = path.read_bytes()
    result = guest(START + """
        cat /sys/block/xvda/ro
        dd if=/dev/zero of=/dev/xvda bs=4k count=1 2>/dev/null && echo written
        mount -t ext4 -o ro,noload /dev/xvda /mnt && sha256sum </mnt/known
        """, modules=MODULES, config=disk(path, mode="r"))
    assert result.text().split() == ["1", digest, "-"], result.text()
    assert path.read_bytes() == before


def test_names(guest, image, tmp_path):
    """A partition without a disk, a second disk, a CD."""
    path, _ = image
    for name in ("second", "cd"):
        (tmp_path / name).write_bytes(b"\0" * (1 << 20))
    result = guest("""
        modprobe xen-blkfront; sleep 1
        for d in xvda1 xvdb xvdc; do cat /sys/class/block/$d/size /sys/class/block/$d/ro; done
        cat /sys/block/xvdc/removable
        """, modules=MODULES,
        config=f"disk = ['file:{path},xvda1,w', '{tmp_path}/second,raw,xvdb,rw', "
               f"'file:{tmp_path}/cd,xvdc:cdrom,r']\n")
    assert result.text().split() == ["131072", "0", "2048", "0", "2048", "1", "1"], result.text()


def test_host_error(kernels, xm, image, tmp_path, monkeypatch):
    """The image is cut short under the guest: errors there, a sentence in the log, and the
    domain lives on."""
    path, _ = image
    monkeypatch.setenv("XENOLITH_LOG_DIR", str(tmp_path / "log"))
    output = bytearray()

    def sink(data):
        output.extend(data)
        if b"ready" in output:
            os.truncate(path, 1 << 20)

    with Machine("xm", kernels(), config=disk(path)) as machine:
        result = machine.run(START + """
            echo ready
            for i in $(seq 100); do
                echo 3 >/proc/sys/vm/drop_caches
                dd if=/dev/xvda of=/dev/null bs=4k skip=16000 count=1 2>/dev/null || break
                usleep 50000
            done
            dd if=/dev/xvda of=/dev/null bs=4k skip=100 count=1 2>/dev/null && echo lives
            dmesg | grep -o "I/O error, dev xvda, sector 128000" | head -n 1
            """, modules=MODULES, sink=sink)
        assert result.text().splitlines() == ["ready", "lives",
                                              "I/O error, dev xvda, sector 128000"]
        log = (tmp_path / "log" / f"{machine.name}.log").read_text()
        assert f"disk xvda: reading sector 128000 of {path} failed" in log


@pytest.mark.parametrize("count,form", [(3, "raw"), pytest.param(2, "qcow2", marks=needs_qemu),
                                        pytest.param(1, "vhd", marks=needs_qemu)])
def test_killed_in_mid_write(kernels, xm, tmp_path, count, form):
    """What was acknowledged is on the disks when all of a domain's processes die at once; see
    kills.py. kill-rounds does hundreds."""
    kills.rounds(kernels(), str(tmp_path), form, count, seed=os.getpid())


def start_domain(machine, command):
    machine.prepare(command, modules=MODULES)
    words = [word for word in machine.arguments() if word not in ("-c", "-q")]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def test_sharing(kernels, xm, image):
    """Xen's rules: one writer, or readers; w! does not ask."""
    path, _ = image
    with Machine("xm", kernels(), memory=128, config=disk(path)) as first:
        done = start_domain(first, "sleep 1000")
        assert done.returncode == 0, done.stderr
        for mode, works in (("r", False), ("w", False), ("w!", True)):
            with Machine("xm", kernels(), memory=128, config=disk(path, mode=mode)) as second:
                done = start_domain(second, "sleep 1000")
                assert (done.returncode == 0) == works, done.stderr
                if not works:
                    assert f"{path} is in use by another domain" in done.stderr
    # The lock died with the domain.
    with Machine("xm", kernels(), memory=128, config=disk(path)) as third:
        done = start_domain(third, "sleep 1000")
        assert done.returncode == 0, done.stderr


def test_lock_that_goes(kernels, xm, image):
    """Somebody who is on his way out still has the image for a moment."""
    path, _ = image
    writers = 0x7ffffffffffffff0
    holder = open(path, "r+b")  # pylint: disable=consider-using-with
    fcntl.fcntl(holder, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, writers, 1, 0))
    timer = threading.Timer(0.3, holder.close)
    timer.start()
    with Machine("xm", kernels(), memory=128, config=disk(path)) as machine:
        done = start_domain(machine, "sleep 1000")
    timer.join()
    assert done.returncode == 0, done.stderr


def test_missing_image(kernels, xm):
    with Machine("xm", kernels(), config=disk("/nowhere/disk.img")) as machine:
        done = start_domain(machine, "true")
    assert done.returncode != 0
    assert "Disk image does not exist: /nowhere/disk.img" in done.stderr
    assert re.search(r"guest\.cfg:\d+: disk", done.stderr), done.stderr


@needs_qemu
@pytest.mark.parametrize("prefix,qemu", [("tap:qcow2", "qcow2"), ("tap2:vhd", "vpc")])
def test_formats(guest, image, tmp_path, prefix, qemu):
    """An image of another format, and what the guest wrote when it is converted back."""
    path, digest = image
    other, back = tmp_path / "other", tmp_path / "back"
    run("qemu-img", "convert", "-O", qemu, str(path), str(other))
    result = guest(START + """
        mount -t ext4 /dev/xvda /mnt || exit 1
        sha256sum </mnt/known
        dd if=/dev/urandom of=/mnt/new bs=1M count=8 conv=fsync 2>/dev/null || exit 2
        sha256sum </mnt/new
        rm /mnt/known; fstrim /mnt
        umount /mnt
        """, modules=MODULES, config=f"disk = ['{prefix}:{other},xvda,w']\n")
    assert result.status == 0, result.text()
    known, new = [line.split()[0] for line in result.text().splitlines()]
    assert known == digest
    run("qemu-img", "convert", "-O", "raw", str(other), str(back))
    check_file_system(back)
    content = subprocess.run(["debugfs", "-R", "cat /new", str(back)], capture_output=True,
                             check=True).stdout
    assert hashlib.sha256(content).hexdigest() == new
    if qemu == "qcow2":
        run("qemu-img", "check", "-q", str(other))
