# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian systems whose disks are images of every kind, logical volumes, overlays; and many at once."""

import contextlib
import os
import subprocess

import pytest

from guestkit.debian import copy_disk
from guestkit.debian.guest import Guest, free_port
from conftest import MACHINE
from test_block import needs_qemu
# pylint: disable-next=unused-import
from test_debian import GRUB, check_ssh, needs_passt, shut_down, system  # noqa: F401

# pylint: disable=redefined-outer-name

pytestmark = [pytest.mark.slow, needs_passt, needs_qemu,
              pytest.mark.skipif(MACHINE != "xm", reason="about our devices")]

INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update 2>&1
apt-get install -y --no-install-recommends fio lvm2 2>&1
apt-get clean
fstrim /
"""
# Random and sequential writes, each block of which is read again and compared, random and
# sequential reads; dd through the cache and past it.
LOAD = """
set -e
cd /srv
fio --minimal --directory=. --size=24M --bs=4k --ioengine=libaio --iodepth=16 --direct=1 \\
    --verify=crc32c --verify_fatal=1 --name=randwrite --rw=randwrite --name=write --bs=256k --rw=write \\
    --name=randrw --rw=randrw --name=randread --rw=randread --verify=0 \\
    --name=read --rw=read --verify=0 >/tmp/fio
rm -f randwrite* write* rand* read*
dd if=/dev/urandom of=one bs=1M count=24 oflag=direct 2>&1
dd if=one of=two bs=64k conv=fsync 2>&1
echo 3 >/proc/sys/vm/drop_caches
cmp one two
rm one two
cd /
"""


@pytest.fixture(scope="module")
def prepared(system, tmp_path_factory):
    """A system's disk with what the tests need installed over the network, raw."""
    path = tmp_path_factory.mktemp("prepared") / "disk.img"
    with Guest(system, free_port(), memory=384) as guest:
        guest.start()
        guest.wait(1800)
        check_ssh(guest, INSTALL, 3600)
        shut_down(guest)
        copy_disk(guest.disk, str(path))
    return path


def check_log(guest):
    assert check_ssh(guest, "systemctl --failed --no-legend") == ""
    assert check_ssh(guest, "dmesg -l err | grep -v -i mce || true") == ""


@pytest.mark.parametrize("form", ["qcow2", "vhd"])
def test_under_load(system, prepared, tmp_path, form):
    """fio --verify, dd and fsck: on the root in an image of that format, on a raw disk, a qcow2, a
    vhd, and a logical volume."""
    disks = []
    for name, kind, prefix in (("xvdb", "raw", "file"), ("xvdc", "qcow2", "tap:qcow2"),
                               ("xvdd", "vpc", "tap:vhd")):
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, tmp_path / name, "256M"], check=True)
        disks.append(f"{prefix}:{tmp_path / name},{name},w")
    with Guest(system, free_port(), disks, form, source=prepared, memory=512, vcpus=2) as guest:
        guest.start()
        guest.wait(1800)
        check_ssh(guest, LOAD)
        for device in ("/dev/xvdb", "/dev/xvdc", "/dev/xvdd", "/dev/vg/lv"):
            if device == "/dev/vg/lv":
                check_ssh(guest, "pvcreate -ffy /dev/xvdb && vgcreate vg /dev/xvdb && "
                                 "lvcreate -y -n lv -L 200M vg")
            check_ssh(guest, f"mkfs.ext4 -q -F {device} && mount {device} /srv")
            check_ssh(guest, LOAD)
            check_ssh(guest, f"umount /srv && e2fsck -fn {device}")
        check_log(guest)
        shut_down(guest)
    subprocess.run(["qemu-img", "check", "-q", tmp_path / "xvdc"], check=True)


# The running system's copy on a volume that fills xvdb. Its initramfs must know volumes.
TO_LVM = r"""
set -e
pvcreate -ffy /dev/xvdb
vgcreate vg /dev/xvdb
lvcreate -y -l 100%FREE -n root vg
mkfs.ext4 -q -L lvm-root /dev/vg/root
update-initramfs -u -k all
mount /dev/vg/root /mnt
cp -ax /. /mnt
sed -i s,LABEL=root,/dev/mapper/vg-root, /mnt/etc/fstab
sed -i "s,root=LABEL=root,root=/dev/mapper/vg-root,; s,--label root,--label lvm-root," \
    /mnt/boot/grub/grub.cfg /mnt/boot/grub/menu.lst
umount /mnt
vgchange -an vg
"""
# The root grows onto a disk that has just come.
GROW = r"""
set -e
pvcreate -ffy /dev/xvdb
vgextend vg /dev/xvdb
lvextend -r -L +128M vg/root
"""


@pytest.mark.skipif(not os.path.exists(GRUB), reason="grub-xen-host is not installed")
def test_root_on_lvm(system, prepared, tmp_path, xm):
    """A volume group in the disk image, root on a logical volume: GRUB as the kernel, and pygrub, find
    menu, kernel and initramfs there. The group grows by a disk that is plugged in."""
    volume, more = tmp_path / "lvm.img", tmp_path / "more.img"
    for path, size in ((volume, 3 << 30), (more, 512 << 20)):
        path.touch()
        os.truncate(path, size)
    with Guest(system, free_port(), [f"file:{volume},xvdb,w"], source=prepared, memory=384) as guest:
        guest.start()
        guest.wait(1800)
        check_ssh(guest, TO_LVM, 1800)
        shut_down(guest)
        os.replace(volume, guest.disk)
        guest.config = guest.config.replace(f", 'file:{volume},xvdb,w'", "")
        guest.kernel, guest.ramdisk = GRUB, ""
        for config in ("", "bootloader = 'pygrub'\nbootargs = '-q'\nkernel = extra = ''\n"):
            guest.config += config
            guest.start()
            guest.wait(1800)
            assert check_ssh(guest, "findmnt -no SOURCE,FSTYPE /") == "/dev/mapper/vg-root ext4\n"
            check_log(guest)
            if config:
                subprocess.run([xm, "block-attach", guest.name, f"file:{more}", "xvdb", "w"], check=True)
                check_ssh(guest, GROW)
                assert len(check_ssh(guest, "pvs --noheadings").splitlines()) == 2
                check_ssh(guest, LOAD)
            guest.shut_down()


def test_ten_guests(system, prepared):
    """Ten at once, whose disks are what each has changed of one image, each on the network; two of
    them under load; all shut down cleanly."""
    with contextlib.ExitStack() as stack:
        guests = []
        for _ in range(10):
            guests.append(stack.enter_context(Guest(system, free_port(), form="overlay", source=prepared,
                                                    memory=192)))
            guests[-1].start()
        for guest in guests:
            guest.wait(1800)
        for number, guest in enumerate(guests):
            check_ssh(guest, f"hostname guest-{number}")
        assert [check_ssh(guest, "hostname").strip() for guest in guests] == [
            f"guest-{number}" for number in range(10)]
        for guest in guests[:2]:
            check_ssh(guest, LOAD)
            check_log(guest)
        shut_down(*guests)
