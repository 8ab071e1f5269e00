# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests whose kernel lies on their own disk: bootloader=, pygrub and others, menus at the
console, new kernels at the next start, and the PV sample as it was published."""

import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

import pexpect
import pytest

import disks
from conftest import MACHINE
from guestkit import BUILD, XM
from guestkit.machine import Machine

pytestmark = pytest.mark.skipif(MACHINE != "xm", reason="about xm's boot loaders")

SAMPLE = """# Automatically generated xen config file
name = "kcentos5"
memory = "512"
disk = [ 'tap:aio:/opt/xen/kcentos5/kcentos5_master.img,xvda,w', \
'tap:aio:/opt/xen/kcentos5/kcentos5_slave.img,xvdb,w', ]
vif = [ 'mac=00:16:3e:11:b6:ec, bridge=xenbr0', ]
uuid = "734f2dbb-934e-ba83-d45d-ef656ecfbefc"
bootloader="/usr/bin/pygrub"
vcpus=1
on_reboot = 'restart'
on_crash = 'restart'
"""
MODULES = ("xen-blkfront", "crc32c_generic", "ext4")
MOUNT = """
for module in xen-blkfront crc32c_generic ext4; do modprobe $module; done
n=0; while [ ! -b /dev/xvda ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done
mkdir -p /mnt; mount -t ext4 /dev/xvda /mnt || exit 9
"""
MENU = """default 0
timeout 20
title first
 root (hd0)
 kernel /boot/vmlinuz quiet loglevel=1 choice=first
 initrd /boot/initrd
title second
 kernel /boot/vmlinuz quiet loglevel=1 choice=second
 initrd /boot/initrd
"""


@pytest.fixture
def machine(kernels, tmp_path, xm):
    with Machine("xm", kernels(), memory=160) as made:
        yield made


@pytest.fixture
def bootable(machine, tmp_path):
    """Function: a disk whose /boot holds the kernel, an initramfs that runs `command`, a menu."""
    def make(command, menu=MENU, path=None):
        machine.prepare(command, modules=MODULES)
        with open(machine.kernel, "rb") as kernel, open(machine.ramdisk, "rb") as ramdisk:
            tree = disks.make_tree(tmp_path, {"tree/boot/vmlinuz": kernel.read(),
                                              "tree/boot/initrd": ramdisk.read(),
                                              "tree/boot/grub/menu.lst": menu}) + "/tree"
        return disks.ext4(path or tmp_path / "disk.img", tree, 96 * disks.MIB)
    return make


@pytest.fixture
def create(machine, tmp_path):
    """Function: `xm create -c` of a config; the guest is destroyed at the end."""
    children = []

    def start(config, *arguments, console=True):
        path = tmp_path / "guest.cfg"
        path.write_text(f"name = '{machine.name}'\nmemory = 160\non_crash = 'destroy'\n{config}")
        command = [*shlex.split(XM), "create", *(["-c"] if console else []), *arguments, str(path)]
        child = pexpect.spawn(command[0], command[1:], timeout=180, encoding="utf-8",
                              codec_errors="replace", dimensions=(24, 80))
        child.logfile_read = sys.stdout
        children.append(child)
        return child
    yield start
    for child in children:
        child.close(force=True)


def disk_line(path):
    return f"disk = ['file:{path},xvda,w']\n"


def leftovers():
    run_dir = os.environ.get("XENOLITH_RUN_DIR") or "/run/xenolith"
    return glob.glob(f"{run_dir}/boot*/*") + glob.glob(f"{run_dir}/boot-*")


def test_pygrub_without_saying_so(create, bootable):
    """Neither kernel nor bootloader: pygrub, and no menu as bootargs says -q."""
    child = create(disk_line(bootable("cat /proc/cmdline")) + "extra = 'from=config'\n"
                   "bootargs = '-q'\n")
    child.expect(r"choice=first from=config")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert not leftovers()


def test_menu_at_the_console(create, bootable):
    """With -c the menu is on the console, and keys go to it."""
    child = create(disk_line(bootable("cat /proc/cmdline")) + "bootloader = 'pygrub'\n")
    child.expect("Will boot selected entry in")
    child.send("\x1bOB")
    time.sleep(0.3)
    child.send("\r")
    child.expect(r"choice=second")
    child.expect(pexpect.EOF)


def test_leave_the_menu(create, bootable, machine):
    child = create(disk_line(bootable("true")) + "bootloader = '/usr/lib/xen-4.1/bin/pygrub'\n")
    child.expect("Will boot selected entry in")
    child.send("q")
    child.expect("it does not start: Boot loader didn't return any data! It says: pygrub: no entry "
                 "was chosen")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert machine.name not in subprocess.run([*shlex.split(XM), "list"], check=True,
                                              capture_output=True, text=True).stdout


def test_destroyed_in_the_menu(create, bootable, machine):
    child = create(disk_line(bootable("true")) + "bootloader = 'pygrub'\n")
    child.expect("Will boot selected entry in")
    subprocess.run([*shlex.split(XM), "destroy", machine.name], check=True, timeout=20)
    child.expect("was destroyed")
    child.expect(pexpect.EOF)


@pytest.mark.parametrize("spelling", ["bootentry = '1'", "bootargs = '--entry=second'",
                                      "bootloader_args = ['--entry', 'second']",
                                      "bootargs = \"-q --entry 'sec'ond\""])
def test_arguments(create, bootable, spelling):
    child = create(disk_line(bootable("cat /proc/cmdline")) + spelling + "\n")
    child.expect("choice=second")
    child.expect(pexpect.EOF)


def test_kernel_on_the_disk(create, bootable):
    """With a boot loader, kernel and ramdisk are paths on the disk."""
    child = create(disk_line(bootable("cat /proc/cmdline", menu="")) +
                   "bootloader = 'pygrub'\nkernel = '/boot/vmlinuz'\nramdisk = '/boot/initrd'\n"
                   "extra = 'quiet loglevel=1 given=yes'\n")
    child.expect("given=yes")
    child.expect(pexpect.EOF)


def test_new_kernel_at_the_next_start(create, bootable):
    """A guest that changes its menu gets the other entry when it restarts."""
    command = MOUNT + """
        cat /proc/cmdline
        grep -q choice=second /proc/cmdline && exit 0
        sed -i 's/^default 0/default 1/' /mnt/boot/grub/menu.lst
        umount /mnt; sync; reboot -f
        """
    child = create(disk_line(bootable(command)) + "bootloader = 'pygrub'\nbootargs = '-q'\n")
    child.expect("choice=first")
    child.expect("choice=second")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert not leftovers()


def test_no_kernel_at_the_next_start(create, bootable):
    """What the boot loader says about a disk that boots no more is how the domain ended."""
    child = create(disk_line(bootable(MOUNT + "rm -r /mnt/boot/grub; umount /mnt; reboot -f")) +
                   "bootargs = '-q'\n")
    child.expect("restart failed: Boot loader didn't return any data! It says: pygrub: Unable to "
                 "find partition containing kernel")
    child.expect(pexpect.EOF)


def test_other_program(create, bootable, machine, tmp_path):
    """A script with xend's contract: arguments, a terminal, the result, files that are taken."""
    image = bootable("cat /proc/cmdline")
    copies = [tmp_path / "k", tmp_path / "r"]
    script = tmp_path / "loader"
    script.write_text(f"""#!/bin/sh
for a; do case $a in --output=*) out=${{a#*=}};; --args=*) args=${{a#*=}};; esac; disk=$a; done
[ -t 0 ] && [ -t 1 ] && [ "$TERM" = vt100 ] && [ "$disk" = {image} ] || exit 1
echo "which one?"; read answer
cp {machine.kernel} {copies[0]}; cp {machine.ramdisk} {copies[1]}
printf '%s' "linux (kernel {copies[0]})(ramdisk {copies[1]})(args '$args answer=$answer')" >$out
""")
    script.chmod(0o755)
    child = create(disk_line(image) + f"bootloader = '{script}'\nextra = 'quiet loglevel=1'\n")
    child.expect("which one[?]")
    child.send("blue\r")
    child.expect("quiet loglevel=1 answer=blue")
    child.expect(pexpect.EOF)
    assert not any(os.path.exists(path) for path in copies)


@pytest.mark.parametrize("script, words", [
    ("echo sorry >&2; exit 1", "Boot loader didn't return any data! It says: sorry"),
    ("echo 'linux (kernel ' >$out", "the boot loader's result:1"),
    ("echo 'linux (args x)' >$out", "names no kernel"),
    ("echo 'linux (kernel /nothing/here)' >$out", "/nothing/here"),
    ("yes >$out", "Boot loader didn't return any data!"),
])
def test_bad_program(create, bootable, tmp_path, script, words):
    loader = tmp_path / "loader"
    loader.write_text("#!/bin/sh\nfor a; do case $a in --output=*) out=${a#*=};; esac; done\n" +
                      script + "\n")
    loader.chmod(0o755)
    child = create(disk_line(bootable("true")) + f"bootloader = '{loader}'\n", console=False)
    child.expect("Error: ")
    child.expect(re.escape(words))
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1


@pytest.mark.parametrize("kernel, ramdisk", [("{secret}", ""), ("{own}/k", "(ramdisk {secret})"),
                                             ("{own}/../secret", "")])
def test_pygrub_is_believed_about_its_copies_only(bootable, machine, tmp_path, kernel, ramdisk):
    """A disk that has taken it over gets no file of the host, and has none removed."""
    programs, secret, config = tmp_path / "programs", tmp_path / "secret", tmp_path / "guest.cfg"
    programs.mkdir()
    for entry in os.scandir(BUILD):
        if entry.is_file() and os.access(entry.path, os.X_OK):
            shutil.copy(entry.path, programs)
    shutil.copy(machine.kernel, secret)
    answer = f"linux (kernel {kernel}){ramdisk}".format(secret=secret, own="$own")
    (programs / "pygrub").write_text(f"""#!/bin/sh
for a; do case $a in --output=*) out=${{a#*=}};; --output-directory=*) own=${{a#*=}};; esac; done
cp {secret} $own/k
echo "{answer}" >$out
""")
    config.write_text(f"name = '{machine.name}'\nmemory = 160\nbootloader = 'pygrub'\n" +
                      disk_line(bootable("true")))
    done = subprocess.run([programs / "xm", "create", "-q", config], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 1
    assert "which is not one of its copies" in done.stderr
    assert secret.exists()


def check_lists(env):
    """`xm list` and `xm list -l` of the sample in its third life."""
    def xm_list(*options):
        return subprocess.run([*shlex.split(XM), "list", *options], env=env, check=True,
                              stdout=subprocess.PIPE, text=True).stdout
    heading, row = xm_list("kcentos5").splitlines()
    assert heading == "%-40s %5s %5s %5s %10s %9s" % ("Name", "ID", "Mem", "VCPUs", "State",
                                                      "Time(s)")
    fields = row.split()
    assert row == "%-40s %5s %5d %5d %10s %8.1f" % ("kcentos5", fields[1], 512, 1, fields[4],
                                                    float(fields[5]))
    assert re.fullmatch("(r-|-b|--)----", fields[4]), row
    text = xm_list("-l", "kcentos5")
    assert text.startswith(f"(domain\n    (domid {fields[1]})\n"), text
    words = " ".join(text.split())
    for part in ("(name kcentos5)", "(uuid 734f2dbb-934e-ba83-d45d-ef656ecfbefc)", "(vcpus 1)",
                 "(memory 512)", "(on_reboot restart)", "(on_crash restart)",
                 "(bootloader /usr/bin/pygrub)", "(status 2)", "(image (linux"):
        assert part in words.replace("( ", "("), (part, text)
    for device in (("vif", "mac 00:16:3e:11:b6:ec", "bridge xenbr0"),
                   ("tap", "uname tap:aio:/opt/xen/kcentos5/kcentos5_master.img", "dev xvda:disk",
                    "mode w", "bootable 1"),
                   ("tap", "uname tap:aio:/opt/xen/kcentos5/kcentos5_slave.img", "dev xvdb:disk",
                    "mode w", "bootable 0")):
        assert [found for found in re.findall(r"\(device (.*?\)) \)", words)
                if f"({device[0]} " in found and all(f"({key})" in found for key in device[1:])], \
            (device, text)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a mount namespace with the sample's "
                    "absolute paths")
def test_sample(bootable, machine, tmp_path):
    """kcentos5 as it was published: two disks, a bridged interface of its address, pygrub; it
    restarts when it reboots and when it crashes. The namespaces hide what its paths and its
    bridge need."""
    command = MOUNT.replace("-t ext4 /dev/xvda", "-t ext4 /dev/xvda1") + """
        ls /dev/xvdb
        modprobe xen-netfront; ip link set eth0 up; cat /sys/class/net/eth0/address
        cat /proc/cmdline
        grep -q choice=third /proc/cmdline && read line </dev/console && exit 0
        sed -i 's/^default 1/default 2/; s/^default 0/default 1/' /mnt/boot/grub/menu.lst
        umount /mnt; sync
        grep -q choice=first /proc/cmdline && reboot -f
        echo c >/proc/sysrq-trigger
        """
    machine.prepare(command, modules=MODULES + ("xen-netfront",))
    shutil.copy(machine.ramdisk, tmp_path / "initrd")
    bootable("true", menu=MENU + MENU[MENU.index("title second"):].replace("second", "third"))
    tree = tmp_path / "tree"
    shutil.copy(tmp_path / "initrd", tree / "boot/initrd")
    image = disks.mbr(tmp_path / "master", [disks.ext4(tmp_path / "part", str(tree),
                                                       96 * disks.MIB)], active=1)
    config = tmp_path / "kcentos5"
    config.write_text(SAMPLE)
    script = f"""
        set -e
        mount -t tmpfs none /opt; mkdir -p /opt/xen/kcentos5
        cp {image} /opt/xen/kcentos5/kcentos5_master.img
        truncate -s 16M /opt/xen/kcentos5/kcentos5_slave.img
        ip link set lo up; ip link add xenbr0 type bridge; ip link set xenbr0 up
        {XM} create -c {config} bootargs=-q
        """
    env = {**os.environ, "XENOLITH_RUN_DIR": str(tmp_path / "run"),
           "XENOLITH_LOG_DIR": str(tmp_path / "log")}
    child = pexpect.spawn("unshare", ["--mount", "--net", "sh", "-c", script], env=env, timeout=180,
                          encoding="utf-8", codec_errors="replace")
    child.logfile_read = sys.stdout
    try:
        for life in ("first", "second", "third"):
            child.expect("/dev/xvdb")
            child.expect("00:16:3e:11:b6:ec")
            child.expect(f"choice={life}")
        check_lists(env)
        child.send("\n")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
    finally:
        subprocess.run([*shlex.split(XM), "destroy", "kcentos5"], env=env, check=False)
