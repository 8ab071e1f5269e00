# SPDX-License-Identifier: GPL-2.0-or-later
"""GRUB as a PV guest (Debian's grub-xen-bin): a kernel at low addresses, which polls."""

import os
import shutil
import subprocess
import sys

import pexpect
import pytest

from guestkit.machine import Machine

GRUB = "/usr/lib/grub-xen/grub-x86_64-xen.bin"
GRUB_CFG = """
set timeout=0
menuentry "Linux" {
  echo "GRUB loads a kernel"
  linux /boot/vmlinuz console=hvc0 quiet loglevel=1 chosen-by=grub
  initrd /boot/initrd.img
}
"""

pytestmark = pytest.mark.skipif(not os.path.exists(GRUB), reason="grub-xen-host is not installed")


def test_grub_shell(xm):
    child = pexpect.spawn(xm, ["create", "-c", "/dev/null", f"name=grub-{os.getpid()}",
                               f"kernel={GRUB}", "memory=128"],
                          timeout=60, encoding="utf-8", codec_errors="replace")
    child.logfile_read = sys.stdout
    child.expect("grub> ")
    child.send("echo this is ${grub_cpu}-${grub_platform}\r")
    child.expect("this is x86_64-xen")
    child.expect("grub> ")
    child.send("halt\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.skipif(not shutil.which("mke2fs"), reason="e2fsprogs is not installed")
def test_grub_boots_linux(xm, kernels, tmp_path):
    """GRUB finds its grub.cfg, a kernel and an initramfs on the guest's own disk; the kernel takes
    the disk over from it."""
    kernel_dir = kernels("6.1")
    tree, image = tmp_path / "tree", tmp_path / "disk.img"
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "boot/grub/grub.cfg").write_text(GRUB_CFG)
    (tree / "known").write_text("what the host wrote\n")
    shutil.copy(os.path.join(kernel_dir, "vmlinuz"), tree / "boot/vmlinuz")
    with Machine("xm", kernel_dir, kernel=GRUB, memory=256,
                 config=f"disk = ['file:{image},xvda,w']\n") as machine:
        nonce = machine.prepare("""
            for module in xen-blkfront crc32c_generic ext4; do modprobe $module; done
            n=0; while [ ! -b /dev/xvda ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done
            mkdir -p /mnt && mount -t ext4 /dev/xvda /mnt || exit 1
            cat /mnt/known /proc/cmdline
            echo "what the guest wrote" >/mnt/new && umount /mnt
            """, modules=("xen-blkfront", "crc32c_generic", "ext4"))
        shutil.move(machine.ramdisk, tree / "boot/initrd.img")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, image, "128M"], check=True)
        result = machine.run_prepared(nonce, timeout=60)
    assert "GRUB loads a kernel" in result.console_text()
    assert result.status == 0, result.console_text()[-3000:]
    assert "what the host wrote" in result.text()
    assert "chosen-by=grub" in result.text()
    done = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wrote = subprocess.run(["debugfs", "-R", "cat /new", image], capture_output=True, text=True,
                           check=True).stdout
    assert wrote == "what the guest wrote\n"
