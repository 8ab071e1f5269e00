# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian from its own disk, as mkguest makes it and `make run` boots it."""

import os
import shutil
import subprocess
import sys

import pexpect
import pytest

from guestkit import SCRIPTS, GuestkitError, debian
from guestkit.debian.guest import Guest, free_port
from conftest import MACHINE

pytestmark = pytest.mark.skipif(MACHINE != "xm", reason="about our devices")

needs_passt = pytest.mark.skipif(not shutil.which("passt"), reason="passt is not installed")


@pytest.fixture(scope="session")
def system(xm):
    try:
        return debian.system()
    except GuestkitError as error:
        return pytest.skip(f"mkguest could not make the system: {error}")


def shut_down(*guests):
    for guest in guests:
        guest.shut_down()
        guest.check_disk()


def check_ssh(guest, command, timeout=900):
    done = guest.ssh(command, timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


GRUB = "/usr/lib/grub-xen/grub-x86_64-xen.bin"


@needs_passt
def test_make_run(system):
    """What a person does: log in, look around, power off; the status is 0 and nothing is left."""
    pristine = os.stat(os.path.join(system, "disk.img")).st_mtime_ns
    child = pexpect.spawn(os.path.join(SCRIPTS, "run"), ["--memory", "256"], timeout=600,
                          encoding="utf-8", codec_errors="replace", dimensions=(24, 80))
    child.logfile_read = sys.stdout
    try:
        child.expect(r"ssh -p \d+ -i ")
        child.expect("debian login: ")
        child.sendline("root")
        child.expect("root@debian:~# ")
        child.sendline("systemctl is-system-running --wait; cat /sys/hypervisor/type")
        child.expect("running\r\nxen\r")
        child.sendline("poweroff")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
    finally:
        child.close(force=True)
    assert os.stat(os.path.join(system, "disk.img")).st_mtime_ns == pristine
    assert not [name for name in os.listdir(os.path.dirname(system)) if f".run-{child.pid}-" in name]


def test_output(system, xm, tmp_path):
    """mkguest's copy: a config that xm takes as it is; never over another copy."""
    words = [os.path.join(SCRIPTS, "mkguest"), "--output", str(tmp_path / "mine")]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/mine\n"), done.stderr
    again = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "mine/disk.img is there already" in again.stderr
    dry = subprocess.run([xm, "create", "-n", tmp_path / "mine" / "guest.cfg"], capture_output=True,
                         text=True, check=False)
    assert dry.returncode == 0 and "mine/disk.img" in dry.stdout, dry.stderr


@needs_passt
def test_network_and_shutdown(system, xm):
    """ssh from the host; packages from the network; `xm shutdown -w` leaves a clean disk."""
    with Guest(system, free_port(), memory=384) as guest:
        guest.start()
        guest.wait()
        check_ssh(guest, "apt-get update 2>&1 && apt-get install -y --no-install-recommends hello 2>&1")
        assert check_ssh(guest, "hello; systemctl --failed --no-legend") == "Hello, world!\n"
        # More than a socket's buffer, both ways.
        data = "x" * 4_000_000
        done = subprocess.run([*guest.ssh_arguments(), "cat"], input=data, capture_output=True,
                              text=True, timeout=600, check=False)
        assert done.stdout == data, done.stderr
        shut_down(guest)


@needs_passt
@pytest.mark.slow
def test_save_and_restore(system, xm, tmp_path):
    """It goes on with its disk, its network and the address it had there."""
    image = str(tmp_path / "image")
    with Guest(system, free_port(), memory=256, vcpus=2) as guest:
        guest.start()
        guest.wait()
        check_ssh(guest, "nohup sh -c 'n=0; while :; do n=$((n + 1)); echo $n >/root/n; sync; done' "
                         ">/dev/null 2>&1 & cat /sys/class/net/e*/address >/run/address")
        for verb in (["save", guest.name, image], ["restore", image]):
            done = subprocess.run([xm, *verb], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        assert guest.process.wait(60) == 0  # its console ended with the first life
        for _ in range(60):
            if guest.ssh("true").returncode == 0:
                break
        first = int(check_ssh(guest, "cat /root/n"))
        check_ssh(guest, "sleep 2; cmp /run/address /sys/class/net/e*/address")
        assert int(check_ssh(guest, "cat /root/n")) > first
        assert check_ssh(guest, "systemctl --failed --no-legend") == ""
        assert "Call Trace" not in check_ssh(guest, "dmesg")
        shut_down(guest)


@pytest.mark.skipif(not os.path.exists(GRUB), reason="grub-xen-host is not installed")
def test_grub(system, xm):
    """GRUB as the kernel: its menu, kernel and initramfs are those on the guest's disk."""
    with Guest(system, kernel=GRUB, memory=256) as guest:
        guest.start()
        guest.wait()
        assert "Debian GNU/Linux (rescue)" in guest.console_text()
        shut_down(guest)


OTHER_KERNEL = r"""
export DEBIAN_FRONTEND=noninteractive
apt-get update 2>&1 || exit 1
image=$(apt-cache pkgnames linux-image-6.12 | grep -E '^linux-image-6\.12\.[^-]*-amd64$' | sort -V | tail -n 1)
[ -n "$image" ] || { echo "apt has no kernel 6.12"; exit 3; }
apt-get install -y --no-install-recommends $image 2>&1
"""


@needs_passt
@pytest.mark.slow
def test_other_kernel(system):
    """A newer kernel, installed inside, is what pygrub finds on the disk."""
    with Guest(system, free_port(), memory=384) as guest:
        guest.start()
        guest.wait()
        done = guest.ssh(OTHER_KERNEL, 3600)
        if done.returncode == 3:
            pytest.skip(done.stdout.splitlines()[-1])
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        guest.shut_down()
        guest.config += "bootloader = 'pygrub'\nbootargs = '-q'\nkernel = ramdisk = extra = ''\n"
        guest.start()
        guest.wait()
        assert check_ssh(guest, "uname -r").startswith("6.12.")
        assert "Call Trace" not in check_ssh(guest, "dmesg")
        shut_down(guest)
