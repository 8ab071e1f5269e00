# SPDX-License-Identifier: GPL-2.0-or-later
"""A config as virt-install wrote it for a Windows guest under Xen starts as it stands: images by
its names, its bridge, its VNC display, made in namespaces where nothing of the host is touched.

Run by itself (in those namespaces, with a directory) this file is what happens inside.
"""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))

CONFIG = """# Automatically generated xen config file
import os, re
arch = os.uname()[4]
if re.search('64', arch):
    arch_libdir = 'lib64'
else:
    arch_libdir = 'lib'
name = "oldpc"
builder = "hvm"
memory = "1024"
disk = [ 'file:/opt/xen/oldpc/disk1.img,hda,w', 'file:/opt/xen/oldpc/disk2.img,hdb,w',\
'file:/opt/xen/oldpc/disk3.img,hdc,w','file:/iso/oldpc.iso,hdd:cdrom,r', ]
vif = [ 'type=ioemu, mac=00:16:3e:40:16:60, bridge=xenbr0', ]
uuid = "25a47c57-294d-0a5d-6a1e-cedb09570b33"
device_model = "/usr/lib/xen/bin/qemu-dm"
kernel = "/usr/lib/xen/boot/hvmloader"
vnc=1
vncunused=1
vncdisplay=1
vnclisten='0.0.0.0'
apic=0
acpi=0
pae=1
boot="c"
vcpus=1
serial = "pty" # enable serial console
on_reboot = 'restart'
on_crash = 'restart'
"""


def make_root(root):
    """A root directory that is the host's but for /opt and /iso; we go there."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    os.makedirs(root)
    subprocess.run(["mount", "-t", "tmpfs", "none", root], check=True)
    for name in os.listdir("/"):
        there = os.path.join(root, name)
        if name in ("opt", "iso"):
            continue
        if os.path.islink("/" + name):
            os.symlink(os.readlink("/" + name), there)
        elif os.path.isdir("/" + name):
            os.mkdir(there)
            subprocess.run(["mount", "--rbind", "/" + name, there], check=True)
    for name in ("opt/xen/oldpc", "iso"):
        os.makedirs(os.path.join(root, name))
    os.chroot(root)
    os.chdir("/")


def make_images(directory):
    """Three empty disks, and a CD that holds the floppy disk it boots."""
    from hvmkit import boot_sector, write_disk  # pylint: disable=import-outside-toplevel
    for number in (1, 2, 3):
        with open(f"/opt/xen/oldpc/disk{number}.img", "wb") as stream:
            stream.truncate(1 << 20)
    tree = os.path.join(directory, "cd")
    os.mkdir(tree)
    write_disk(os.path.join(tree, "floppy.img"), boot_sector(directory), "This is the CD.",
               1440 * 1024)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-b", "floppy.img", "-o",
                    "/iso/oldpc.iso", tree], check=True, stderr=subprocess.DEVNULL)


def sh(command):
    return subprocess.run(["sh", "-ec", command], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def inside(xm, directory, config):
    """Start it, look at it from all sides, restart it."""
    import hvmkit  # pylint: disable=import-outside-toplevel
    sh("ip link set lo up; ip link add xenbr0 type bridge; ip link set xenbr0 up")
    make_root(os.path.join(directory, "root"))
    make_images(directory)
    taken = socket.create_server(("0.0.0.0", 5901))
    done = hvmkit.call(xm, "create", config)
    assert done.returncode == 0, done.stderr
    info = json.loads(hvmkit.call(xm, "list", "--json").stdout)[-1]

    domain = object.__new__(hvmkit.Domain)
    domain.xm, domain.name = xm, info["name"]
    try:
        look(domain, info)
    finally:
        hvmkit.call(xm, "destroy", domain.name)
        taken.close()
    print(done.stdout + done.stderr)


def look(domain, info):
    assert (info["memory"], info["vcpus"]) == (1024, 1)
    console = domain.attach()
    console.wait_for("Boot sector here.\r\nHard disks: 3\r\nThis is the CD.")
    disks = domain.control("block-list")["disks"]
    assert [(disk["name"], disk["mode"], disk["cdrom"]) for disk in disks] == [
        ("hda", "w", False), ("hdb", "w", False), ("hdc", "w", False), ("hdd", "r", True)]
    vif, = domain.control("network-list")["vifs"]
    assert (vif["mac"], vif["model"], vif["bridge"]) == ("00:16:3e:40:16:60", "rtl8139", "xenbr0")
    assert f"{vif['link']}:" in sh("ip -o link show master xenbr0")
    assert "VNC on 0.0.0.0 port 5902\n" in domain.log()
    with domain.vnc() as vnc:
        vnc.wait_for("Hard disks: 3\nThis is the CD.\n")
        vnc.key(ord("k"))
        console.wait_for("<k>")
    with open(f"/proc/{domain.model_pid()}/cmdline", encoding="utf-8") as stream:
        words = stream.read().split("\0")
    assert "25a47c57-294d-0a5d-6a1e-cedb09570b33" in words
    assert any(",acpi=off," in word for word in words)
    assert any(",popcnt=on,apic=off," in word for word in words)
    console.send("r")
    console.wait_for("This is the CD.")
    assert domain.info()["restarts"] == 1


def missing():
    if os.geteuid() != 0:
        return "namespaces and bridges take root"
    for program, package in (("qemu-system-x86_64", "qemu-system-x86"), ("xorriso", "xorriso"),
                             ("ip", "iproute2")):
        if not shutil.which(program):
            return f"{program} is not installed (Debian package {package})"
    probe = subprocess.run(["unshare", "--mount", "--net", "sh", "-ec",
                            "mount --make-rprivate /; ip link add br0 type bridge"], check=False,
                           capture_output=True, text=True)
    return None if probe.returncode == 0 else "no namespaces here: " + probe.stderr.strip()


def test_sample(xm, tmp_path):
    reason = missing()
    if reason:
        pytest.skip(reason)
    config = tmp_path / "oldpc"
    config.write_text(CONFIG)
    environment = {**os.environ, "XENOLITH_RUN_DIR": str(tmp_path / "run"),
                   "XENOLITH_LOG_DIR": str(tmp_path / "log")}
    done = subprocess.run(["unshare", "--mount", "--net", sys.executable, __file__, xm, tmp_path,
                           config], env=environment, capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # What has no meaning here is not complained about.
    assert [line for line in done.stdout.splitlines() if line.startswith("Warning")] in (
        [], [line for line in done.stdout.splitlines() if "CPU is emulated" in line])


if __name__ == "__main__":
    sys.path.insert(0, HERE)
    inside(*sys.argv[1:])
