# SPDX-License-Identifier: GPL-2.0-or-later
"""Real programs for PCs in fully virtualized guests: GRUB from a CD in the short set; network
boot, memtest86+ and Debian's kernel in the slow one."""

import os
import re
import shutil
import struct
import subprocess
import sys
import time

import pytest

from guestkit import CACHE, GuestkitError, debian
from guestkit.machine import Machine
from hvmkit import NEEDS_QEMU, Domain, boot_sector, call, write_disk

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
# pylint: disable=wrong-import-position,unused-import,redefined-outer-name
from netlab import guests, host  # noqa: E402, F401

pytestmark = pytest.mark.skipif(**NEEDS_QEMU)
INSTALLER = ("debian-installer-12-netboot-amd64/usr/lib/debian-installer/images/12/amd64/text/"
             "debian-installer/amd64")
MEMTEST = "/usr/lib/memtest86+/memtest86+x64.iso"
ENTER = 0xff0d


def need(program, package):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed (Debian package {package})")


def type_line(vnc, text):
    for letter in text:
        vnc.key(ord(letter))
    vnc.key(ENTER)


@pytest.fixture(scope="module")
def sector(tmp_path_factory):
    return boot_sector(str(tmp_path_factory.mktemp("boot")))


def make_grub_cd(directory, menu):
    """A CD with GRUB that talks to the screen and the serial port, and then does what `menu` says."""
    need("grub-mkrescue", "grub-common")
    need("xorriso", "xorriso")
    need("mformat", "mtools")
    if not os.path.isdir("/usr/lib/grub/i386-pc"):
        pytest.skip("GRUB for BIOS is not installed (Debian package grub-pc-bin)")
    (directory / "tree/boot/grub").mkdir(parents=True)
    (directory / "tree/boot/grub/grub.cfg").write_text(
        "serial --unit=0 --speed=115200\nterminal_input serial console\n"
        "terminal_output serial console\necho GRUB is on the CD.\n" + menu)
    path = directory / "grub.iso"
    subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", path,
                    directory / "tree"], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def grub_cd(tmp_path_factory):
    return make_grub_cd(tmp_path_factory.mktemp("grub"), "")


def test_grub_from_cd(xm, tmp_path, grub_cd):
    """Its commands are typed on the VNC keyboard and on the serial port; halt is ACPI's."""
    write_disk(tmp_path / "disk.img", b"\0" * 512, "")
    with Domain(xm, tmp_path, f"disk = ['file:{tmp_path}/disk.img,hda,w', "
                f"'file:{grub_cd},hdc:cdrom,r']\nboot = 'dc'\nvnc = 1\nmemory = 64") as domain:
        console = domain.attach()
        console.wait_for("GRUB is on the CD.", 120)
        with domain.vnc() as vnc:
            vnc.wait_for("grub>")
            type_line(vnc, "ls")
            vnc.wait_for("(hd0)")
        console.wait_for("(cd")
        console.send("halt\r")
        domain.wait_gone(60)
        assert "powered off" in domain.log()


@pytest.mark.parametrize("image,config,sees", [
    pytest.param("cdrom.iso", "disk = ['file:IMAGE,hdc:cdrom,r']\nboot = 'd'", "(cd)", id="cd"),
    pytest.param("floppy.img", "fda = 'IMAGE'\nboot = 'a'", "(fd0)", id="floppy",
                 marks=pytest.mark.slow)])
def test_grub_rescue(xm, tmp_path, image, config, sees):
    """Debian's rescue images as they come: a menu on the screen, and a prompt where keys are typed."""
    source = f"/usr/lib/grub-rescue/grub-rescue-{image}"
    if not os.path.exists(source):
        pytest.skip("GRUB's rescue images are not installed (Debian package grub-rescue-pc)")
    shutil.copy(source, tmp_path / image)
    with Domain(xm, tmp_path, config.replace("IMAGE", f"{tmp_path}/{image}") +
                "\nvnc = 1\nmemory = 64") as domain, domain.vnc() as vnc:
        vnc.wait_for("`c' for a command-line", 180)
        vnc.key(ord("c"))
        vnc.wait_for("grub>", 60)
        type_line(vnc, "ls")
        vnc.wait_for(sees, 60)
        type_line(vnc, "halt")
        domain.wait_gone(60)
        assert "powered off" in domain.log()


@pytest.mark.slow
def test_network_boot(xm, tmp_path, host):
    """The card's boot ROM gets an address and a boot sector from a server on the bridge; the card
    is one of each kind."""
    need("dnsmasq", "dnsmasq-base")
    (tmp_path / "tftp").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    (tmp_path / "tftp/boot").write_bytes(boot_sector(str(tmp_path)))
    host.sh("ip link add br0 type bridge forward_delay 0; ip addr add 10.9.9.1/24 dev br0; "
            "ip link set br0 up")
    with subprocess.Popen([*host.prefix, "dnsmasq", "-d", "-C", "/dev/null", "-p", "0", "-i", "br0",
                           "--bind-interfaces", "-F", "10.9.9.50,10.9.9.99", "-u", "root",
                           "--dhcp-boot=boot", "--enable-tftp", f"--tftp-root={tmp_path}/tftp",
                           f"--dhcp-leasefile={tmp_path}/leases"]) as server:
        try:
            for model in ("rtl8139", "e1000", "virtio"):
                boot_by_network(host, tmp_path, model)
        finally:
            server.kill()


def boot_by_network(host, tmp_path, model):
    path = tmp_path / f"net-{model}"
    path.write_text(f"builder = 'hvm'\nhvm_emulation = 'always'\nmemory = 64\nboot = 'n'\n"
                    f"vif = ['bridge=br0, model={model}']\n")
    domain = object.__new__(Domain)
    domain.xm, domain.name, domain.console = os.path.join(str(tmp_path), "xm"), path.name, None
    if not os.path.exists(domain.xm):
        with open(domain.xm, "w", encoding="ascii") as stream:
            stream.write("#!/bin/sh\nexec " + " ".join(host.prefix) +
                         f' {os.environ.get("XENOLITH_BUILD", "build")}/xm "$@"\n')
        os.chmod(domain.xm, 0o755)
    host.xm("create", str(path))
    with domain:
        domain.attach().wait_for("Boot sector here.", 180)


@pytest.mark.slow
def test_memtest(xm, tmp_path):
    """memtest86+ from its CD finds the machine's memory and no error in it."""
    if not os.path.exists(MEMTEST):
        pytest.skip("memtest86+ is not installed (Debian package memtest86+)")
    with Domain(xm, tmp_path, f"disk = ['file:{MEMTEST},hdc:cdrom,r']\nboot = 'd'\nvnc = 1\n"
                "memory = 32") as domain, domain.vnc() as vnc:
        vnc.wait_for("Memtest86+", 180)
        vnc.wait_for("Pass:  1", 900)
        text = vnc.text()
        assert "Errors: 0" in text, text


HVM = "builder = 'hvm'\nhvm_emulation = 'always'\n"
EXTRA = "console=ttyS0 panic=-1 no_timer_check"  # the check fails where the host is very busy


@pytest.mark.slow
@pytest.mark.parametrize("vcpus", [1, 2])
def test_linux(xm, tmp_path, kernels, sector, vcpus):
    """Debian's kernel, started directly: it finds the CPUs, the uuid, disks of each bus with what
    is on them, and a card behind which passt gives it an address; ACPI switches it off."""
    for name in ("one", "two", "three"):
        write_disk(tmp_path / name, sector, f"This is disk {name}.", 4 << 20)
    done = call("qemu-img", "convert", "-O", "qcow2", tmp_path / "two", tmp_path / "two.qcow2")
    assert done.returncode == 0, done.stderr
    config = HVM + (
        f"disk = ['file:{tmp_path}/one,hda,w', 'tap:qcow2:{tmp_path}/two.qcow2,sda,w', "
        f"'file:{tmp_path}/three,xvde,r']\nvif = ['type=user, model=e1000']\n"
        "uuid = '25a47c57-294d-0a5d-6a1e-cedb09570b33'\nrtc_timeoffset = 86400\n")
    command = """
        for module in ata_piix sd_mod sym53c8xx virtio_pci virtio_blk e1000; do
            modprobe $module
        done
        sleep 2
        nproc; cat /sys/class/dmi/id/product_uuid
        for disk in /dev/sd? /dev/vd?; do
            dd if=$disk bs=512 skip=1 count=1 2>/dev/null | tr -d '\\0\\r'
            echo $(cat /sys/block/${disk#/dev/}/ro) $(cat /sys/block/${disk#/dev/}/size)
        done | sort
        dd if=/dev/zero of=/dev/sda bs=512 seek=100 count=1 conv=fsync 2>/dev/null && echo written
        ip link set eth0 up; udhcpc -i eth0 -n -q -t 10 2>&1 | grep -c 'lease of'
        echo year $(date +%s)
    """
    with Machine("xm", kernels(), memory=160, vcpus=vcpus, extra=EXTRA,
                 config=config) as machine:
        result = machine.run(command, timeout=400, modules=(
            "ata_piix", "sd_mod", "sym53c8xx", "virtio_pci", "virtio_blk", "e1000"))
    lines = result.text().splitlines()
    assert result.machine_status == 0, result.console_text()[-3000:]
    assert lines[:2] == [str(vcpus), "25a47c57-294d-0a5d-6a1e-cedb09570b33"], lines
    assert lines[2:8] == ["0 8192", "0 8192", "1 8192", "This is disk one.",
                          "This is disk three.", "This is disk two."], lines
    assert lines[8:10] == ["written", "1"], lines
    assert abs(int(lines[10].split()[1]) - time.time() - 86400) < 600


@pytest.mark.slow
def test_both_kinds_on_a_bridge(host, guests, kernels):
    """A paravirtualized and a fully virtualized guest reach each other."""
    host.sh("ip link add br0 type bridge forward_delay 0; ip link set br0 up")
    pv, = guests("bridge=br0")
    pv.address("10.9.9.1/24")
    with Machine("xm", kernels(), memory=160, extra=EXTRA, prefix=host.prefix,
                 config=HVM + "vif = ['bridge=br0, model=virtio']\n") as machine:
        result = machine.run("modprobe virtio_pci; modprobe virtio_net; sleep 1\n"
                             "ip addr add 10.9.9.2/24 dev eth0; ip link set eth0 up\n"
                             "ping -c 5 10.9.9.1", timeout=400,
                             modules=("virtio_pci", "virtio_net"))
    assert result.status == 0, result.console_text()[-3000:]
    assert "10.9.9.2" in pv.run("arp -n")[1]


GRUB_CFG = """serial --unit=0 --speed=115200
terminal_output serial console
echo GRUB is on the disk.
linux /vmlinuz console=tty0 console=ttyS0 panic=-1 no_timer_check
initrd /initrd
boot
"""


def write_grub_disk(path, directory, kernel, ramdisk):
    """A disk of one partition with GRUB for BIOS in front of it, as grub-install makes it."""
    (directory / "tree/boot/grub").mkdir(parents=True)
    shutil.copy(kernel, directory / "tree/vmlinuz")
    shutil.copy(ramdisk, directory / "tree/initrd")
    (directory / "tree/boot/grub/grub.cfg").write_text(GRUB_CFG)
    start, size = 2048, 128 << 11  # sectors
    table = struct.pack("<BBBBBBBBII", 0x80, 0, 2, 0, 0x83, 255, 255, 255, start, size)
    with open("/usr/lib/grub/i386-pc/boot.img", "rb") as stream:
        boot = stream.read(440)
    subprocess.run(["grub-mkimage", "-O", "i386-pc", "-o", directory / "core.img", "-p",
                    "(hd0,msdos1)/boot/grub", "biosdisk", "part_msdos", "ext2", "normal", "linux",
                    "serial", "terminal", "echo"], check=True)
    core = (directory / "core.img").read_bytes()
    assert len(core) <= (start - 1) * 512
    with open(path, "wb") as stream:
        stream.write(boot.ljust(446, b"\0") + table + b"\0" * 48 + b"\x55\xaa" + core)
        stream.truncate((start + size) * 512)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", directory / "tree", "-E",
                    f"offset={start * 512}", path, f"{size // 2}k"], check=True)


@pytest.mark.slow
def test_linux_from_its_disk(xm, tmp_path, kernels):
    """BIOS, GRUB, kernel and initramfs from the guest's own disk; messages on screen and serial
    port, a shell on the latter, and the power button that Linux hears."""
    need("grub-mkimage", "grub-common")
    need("mke2fs", "e2fsprogs")
    if not os.path.exists("/usr/lib/grub/i386-pc/boot.img"):
        pytest.skip("GRUB for BIOS is not installed (Debian package grub-pc-bin)")
    kernel = kernels()
    with Machine("xm", kernel) as machine:
        machine.prepare()
        write_grub_disk(tmp_path / "disk.img", tmp_path, os.path.join(kernel, "vmlinuz"),
                        machine.ramdisk)
    with Domain(xm, tmp_path, f"disk = ['file:{tmp_path}/disk.img,hda,w']\nvnc = 1\n"
                "memory = 192") as domain:
        console = domain.attach()
        console.wait_for("GRUB is on the disk.", 60)
        console.wait_for("Linux version", 120)
        console.wait_for("xenolith:~# ", 240)
        with domain.vnc() as vnc:
            vnc.wait_for("Run /init as init process", 30)
        console.send("cat /proc/cmdline\n")
        console.wait_for("BOOT_IMAGE=/vmlinuz console=tty0")
        console.send("poweroff\n")
        domain.wait_gone(90)
        assert "powered off" in domain.log()


DEBIAN_MENU = """search --label root --set=root
linux /vmlinuz root=LABEL=root ro net.ifnames=0 console=tty0 console=ttyS0 no_timer_check
initrd /initrd.img
boot
"""
# The kernel has no more to say on the console once the system runs.
LOOK = ("systemctl is-system-running --wait; findmnt -n -o SOURCE /; "
        "ip -4 -o address show eth0 | wc -l; nproc\n")


@pytest.mark.slow
@pytest.mark.parametrize("disk,model,root,vcpus", [
    ("xvda", "rtl8139", "/dev/sda", 1), ("sda", "e1000", "/dev/sda", 2),
    ("xvde", "virtio", "/dev/vda", 2)])
def test_debian_from_its_disk(xm, tmp_path, disk, model, root, vcpus):
    """The disk that paravirtual guests of mkguest have: GRUB finds it from a CD, its own kernel and
    initramfs find the root on each bus; logins on serial port and screen, a network, and a
    shutdown by the power button that leaves a clean file system."""
    need("passt", "passt")
    try:
        system = debian.system()
    except GuestkitError as error:
        pytest.skip(f"mkguest could not make the system: {error}")
    debian.copy_disk(os.path.join(system, "disk.img"), str(tmp_path / "disk.img"))
    cd = make_grub_cd(tmp_path, DEBIAN_MENU)
    with Domain(xm, tmp_path, f"disk = ['file:{tmp_path}/disk.img,{disk},w', "
                f"'file:{cd},hdc:cdrom,r']\nboot = 'd'\nvnc = 1\nmemory = 384\nvcpus = {vcpus}\n"
                f"vif = ['type=user, model={model}']") as domain:
        console = domain.attach()
        console.wait_for("Linux version", 300)
        console.wait_for("debian login: ", 900)
        with domain.vnc() as vnc:
            vnc.wait_for("debian login:", 300)
            type_line(vnc, "root")
            vnc.wait_for("root@debian:~#", 300)
        console.send("root\n")
        console.wait_for("root@debian:~# ", 300)
        console.send(LOOK)
        console.wait_for(f"running\r\n{root}\r\n1\r\n{vcpus}\r\n", 900)
        assert call(xm, "shutdown", "-w", domain.name, timeout=600).returncode == 0
    done = call(debian.tool("e2fsck", "e2fsprogs"), "-fn", tmp_path / "disk.img")
    assert done.returncode == 0, done.stdout + done.stderr


def ask_number(console, expression):
    """What a guest's shell makes of it."""
    console.send(f"echo $(({expression}))=\n")
    return int(console.wait_match(rb"[\r\n](\d+)=\r.*xenolith:~# ", 120).group(1))


def wait_number(console, expression, allowed):
    console.domain.wait_until(lambda: ask_number(console, expression) in allowed, 180,
                              lambda: f"{expression} is not in {allowed}")


@pytest.mark.slow
def test_more_and_less(xm, tmp_path, kernels):
    """CPUs that are plugged in and taken away while Debian's kernel runs, and a balloon: at the
    start, larger and smaller, as far as maxmem."""
    mib = "$(sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo) / 1024"
    cpus = "$(ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l)"
    kernel = kernels()
    with Machine("xm", kernel) as machine:
        machine.prepare(modules=("virtio_pci", "virtio_balloon"))
        shutil.copy(machine.ramdisk, tmp_path / "ramdisk")
    with Domain(xm, tmp_path, f"kernel = '{kernel}/vmlinuz'\nramdisk = '{tmp_path}/ramdisk'\n"
                "extra = 'console=ttyS0 no_timer_check'\nmemory = 192\nmaxmem = 384\nvcpus = 1\nmaxvcpus = 3"
                ) as domain:
        console = domain.attach()
        console.wait_for("xenolith:~# ", 300)
        console.send("modprobe virtio_pci; modprobe virtio_balloon\n")
        console.wait_for("xenolith:~# ", 60)
        # A kernel keeps some 40 MiB of the machine's 384 for itself.
        for target in (192, 300, 150, 384):
            assert call(xm, "mem-set", domain.name, str(target)).returncode == 0
            wait_number(console, mib, range(target - 70, target - 15))
        assert call(xm, "mem-set", domain.name, "385").returncode == 1
        for count in (2, 3, 1):
            assert call(xm, "vcpu-set", domain.name, str(count)).returncode == 0
            wait_number(console, cpus, (count,))
            console.send("for cpu in /sys/devices/system/cpu/cpu[1-9]*; do "
                         "echo 1 >$cpu/online; done 2>/dev/null\n")
            console.wait_for("xenolith:~# ", 120)
            wait_number(console, "$(nproc)", (count,))
            rows = call(xm, "vcpu-list", domain.name).stdout.splitlines()[1:]
            assert [row.split()[4] for row in rows] == ["r--"] * count + ["--p"] * (3 - count)
            assert domain.info()["online_vcpus"] == count
        done = call(xm, "vcpu-set", domain.name, "2")
        assert done.returncode == 1 and "comes back with the next start" in done.stderr
        assert "the device model refuses" not in domain.log()


@pytest.mark.slow
def test_debian_installer(xm, tmp_path):
    """Its kernel and initrd, to the first question, on the screen; keys answer it."""
    tree = os.path.join(CACHE, INSTALLER)
    if not os.path.isdir(tree):
        pytest.skip(f"the installer is not there yet: {tree} (tests/boot/test_install.py gets it)")
    with Domain(xm, tmp_path, f"kernel = '{tree}/linux'\nramdisk = '{tree}/initrd.gz'\n"
                "extra = 'vga=normal fb=false'\nvnc = 1\nmemory = 512") as domain:
        with domain.vnc() as vnc:
            vnc.wait_for("<Continue>", 500)  # so little memory is what it asks about first
            before = vnc.text()
            vnc.key(ENTER)
            domain.wait_until(lambda: vnc.text() != before, 120)
