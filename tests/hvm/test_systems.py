# SPDX-License-Identifier: GPL-2.0-or-later
"""Real programs for PCs in fully virtualized guests: GRUB from a CD in the short set; network
boot, memtest86+ and Debian's kernel in the slow one."""

import contextlib
import ctypes
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from guestkit import CACHE, XM, GuestkitError, debian
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
CLONE_NEWNET = 0x40000000


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


RESCUE_CD = ("cdrom.iso", "disk = ['file:IMAGE,hdc:cdrom,r']\nboot = 'd'", "(cd)")
RESCUE_FLOPPY = ("floppy.img", "fda = 'IMAGE'\nboot = 'a'", "(fd0)")


@pytest.mark.parametrize("image,config,sees,vcpus", [
    pytest.param(*RESCUE_CD, 1, id="cd"),
    pytest.param(*RESCUE_CD, 2, id="cd-2", marks=pytest.mark.slow),
    pytest.param(*RESCUE_FLOPPY, 1, id="floppy", marks=pytest.mark.slow),
    pytest.param(*RESCUE_FLOPPY, 2, id="floppy-2", marks=pytest.mark.slow)])
def test_grub_rescue(xm, tmp_path, image, config, sees, vcpus):
    """Debian's rescue images as they come: a menu on the screen, and a prompt where keys are typed."""
    source = f"/usr/lib/grub-rescue/grub-rescue-{image}"
    if not os.path.exists(source):
        pytest.skip("GRUB's rescue images are not installed (Debian package grub-rescue-pc)")
    shutil.copy(source, tmp_path / image)
    with Domain(xm, tmp_path, config.replace("IMAGE", f"{tmp_path}/{image}") +
                f"\nvnc = 1\nmemory = 64\nvcpus = {vcpus}") as domain, domain.vnc() as vnc:
        vnc.wait_for("`c' for a command-line", 180)
        vnc.key(ord("c"))
        vnc.wait_for("grub>", 60)
        type_line(vnc, "ls")
        vnc.wait_for(sees, 60)
        type_line(vnc, "halt")
        domain.wait_gone(60)
        assert "powered off" in domain.log()


def test_network_scripts(host, tmp_path):
    """A card's tap device is set up, and taken down, by the scripts of other guests: bridge, route and
    NAT."""
    host.configure("(network-script network-route)\n(vif-script vif-route)\n")
    host.sh("ip link add eth0 type veth peer name wire; ip addr add 192.0.2.254/24 dev eth0; "
            "ip link set eth0 up; ip link add br0 type bridge; ip link set br0 up")
    with on_host(host, tmp_path, "vif = ['ip=192.0.2.7', 'script=vif-nat dhcp=no', "
                 "'script=vif-bridge, bridge=br0, model=e1000, mac=00:16:3e:00:00:07']",
                 args=("-p",)) as domain:
        domid = domain.info()["domid"]
        assert f"192.0.2.7 dev vif{domid}.0" in host.sh("ip route")
        assert f"inet 10.0.{domid}.129/32" in host.sh(f"ip addr show vif{domid}.1")
        assert f"vif{domid}.2:" in host.sh("ip -o link show master br0")
        assert "00:16:3e:00:00:07" in host.xm("network-list", domain.name).stdout
        assert [vif["model"] for vif in domain.control("network-list")["vifs"]] == [
            "rtl8139", "rtl8139", "e1000"]
    host.wait_clean(60)


def on_host(host, tmp_path, config, **options):
    """A domain of a host in a namespace."""
    wrapper = tmp_path / "xm"
    if not wrapper.exists():
        wrapper.write_text("#!/bin/sh\nexec " + " ".join(host.prefix) + f' {XM} "$@"\n')
        wrapper.chmod(0o755)
    domain = Domain(str(wrapper), tmp_path, config, **options)
    domain.connect = lambda port: connect_inside(host, port)
    return domain


def connect_inside(host, port):
    """A connection to a port of 127.0.0.1 in the namespace, which a thread goes to for that."""
    made = []

    def connect():
        with open(f"/proc/{host.prefix[-1]}/ns/net", encoding="ascii") as stream:
            assert ctypes.CDLL(None).setns(stream.fileno(), CLONE_NEWNET) == 0
        made.append(socket.create_connection(("127.0.0.1", port), timeout=180))
    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    return made[0]


@contextlib.contextmanager
def boot_server(host, tmp_path, tree, name):
    """Gives the bridge br0 of a host addresses and, by TFTP, the files of a tree of which one is to be
    booted."""
    need("dnsmasq", "dnsmasq-base")
    tmp_path.chmod(0o755)
    host.sh("ip link add br0 type bridge forward_delay 0; ip addr add 10.9.9.1/24 dev br0; "
            "ip link set br0 up")
    with subprocess.Popen([*host.prefix, "dnsmasq", "-d", "-C", "/dev/null", "-p", "0", "-i", "br0",
                           "--bind-interfaces", "-F", "10.9.9.50,10.9.9.99", "-u", "root",
                           f"--dhcp-boot={name}", "--enable-tftp", f"--tftp-root={tree}",
                           f"--dhcp-leasefile={tmp_path}/leases"]) as server:
        try:
            yield
        finally:
            server.kill()


@pytest.mark.slow
def test_network_boot(xm, tmp_path, host):
    """The card's boot ROM gets an address and a boot sector from a server on the bridge; the card
    is one of each kind."""
    (tmp_path / "tftp").mkdir(mode=0o755)
    (tmp_path / "tftp/boot").write_bytes(boot_sector(str(tmp_path)))
    with boot_server(host, tmp_path, tmp_path / "tftp", "boot"):
        for model, vcpus in (("rtl8139", 1), ("e1000", 2), ("virtio", 2)):
            with start_on_bridge(host, tmp_path, model,
                                 f"boot = 'n'\nmemory = 64\nvcpus = {vcpus}") as domain:
                domain.attach().wait_for("Boot sector here.", 180)


def start_on_bridge(host, tmp_path, model, config):
    return on_host(host, tmp_path, f"vif = ['bridge=br0, model={model}']\n{config}")


@pytest.mark.slow
@pytest.mark.parametrize("vcpus", [1, 2])
def test_memtest(xm, tmp_path, vcpus):
    """memtest86+ from its CD finds the machine's memory and no error in it."""
    if not os.path.exists(MEMTEST):
        pytest.skip("memtest86+ is not installed (Debian package memtest86+)")
    with Domain(xm, tmp_path, f"disk = ['file:{MEMTEST},hdc:cdrom,r']\nboot = 'd'\nvnc = 1\n"
                f"memory = 32\nvcpus = {vcpus}") as domain, domain.vnc() as vnc:
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
        result = machine.run(command, timeout=1500, modules=(
            "ata_piix", "sd_mod", "sym53c8xx", "virtio_pci", "virtio_blk", "e1000"))
    lines = result.text().splitlines()
    assert result.machine_status == 0, result.console_text()[-3000:]
    assert lines[:2] == [str(vcpus), "25a47c57-294d-0a5d-6a1e-cedb09570b33"], lines
    assert lines[2:8] == ["0 8192", "0 8192", "1 8192", "This is disk one.",
                          "This is disk three.", "This is disk two."], lines
    assert lines[8:10] == ["written", "1"], lines
    assert abs(int(lines[10].split()[1]) - time.time() - 86400) < 600


@pytest.mark.slow
def test_both_kinds_on_a_bridge(host, guests, tmp_path, kernels):
    """A paravirtualized and a fully virtualized guest reach each other."""
    host.sh("ip link add br0 type bridge forward_delay 0; ip link set br0 up")
    pv, = guests("bridge=br0")
    pv.address("10.9.9.1/24")
    with start_on_bridge(host, tmp_path, "virtio", boot_directly(
            tmp_path, kernels(), ("virtio_pci", "virtio_net"))) as domain:
        console = domain.attach()
        console.wait_for("xenolith:~# ", 300)
        console.send("modprobe virtio_pci; modprobe virtio_net; sleep 1; ip link set eth0 up; "
                     "ip addr add 10.9.9.2/24 dev eth0; ping -c 5 -w 60 10.9.9.1; echo $?=\n")
        console.wait_for("\r\n0=\r\n", 300)
        status, output = pv.run("ping -c 5 -w 60 10.9.9.2", timeout=300)
        assert status == 0, output
        assert "10.9.9.2" in pv.run("arp -n")[1]


def boot_directly(directory, kernel, modules):
    """Lines of a config: this kernel, with a shell on the serial port."""
    with Machine("xm", kernel) as machine:
        machine.prepare(modules=modules)
        shutil.copy(machine.ramdisk, directory / "ramdisk")
    return (f"kernel = '{kernel}/vmlinuz'\nramdisk = '{directory}/ramdisk'\nextra = '{EXTRA}'\n"
            "memory = 192\n")


HERE_IS_GRUB = """serial --unit=0 --speed=115200
terminal_output serial console
echo GRUB is on the disk.
"""
GRUB_CFG = HERE_IS_GRUB + """linux /vmlinuz console=tty0 console=ttyS0 panic=-1 no_timer_check
initrd /initrd
boot
"""


PARTITION = 2048  # its first sector


def write_boot_disk(path, directory, sectors, menu=None):
    """A disk of one partition, empty as yet, with GRUB for BIOS in front of it, as grub-install makes
    it. It does what `menu` says, or the partition's /boot/grub/grub.cfg."""
    need("grub-mkimage", "grub-common")
    if not os.path.exists("/usr/lib/grub/i386-pc/boot.img"):
        pytest.skip("GRUB for BIOS is not installed (Debian package grub-pc-bin)")
    words = []
    if menu:
        (directory / "menu").write_text(menu)
        words = ["-c", directory / "menu"]
    subprocess.run(["grub-mkimage", "-O", "i386-pc", "-o", directory / "core.img", "-p",
                    "(hd0,msdos1)/boot/grub", *words, "biosdisk", "part_msdos", "ext2", "normal",
                    "linux", "serial", "terminal", "echo", "search", "search_label"], check=True)
    core = (directory / "core.img").read_bytes()
    assert len(core) <= (PARTITION - 1) * 512
    table = struct.pack("<BBBBBBBBII", 0x80, 0, 2, 0, 0x83, 255, 255, 255, PARTITION, sectors)
    with open("/usr/lib/grub/i386-pc/boot.img", "rb") as stream:
        boot = stream.read(440)
    with open(path, "wb") as stream:
        stream.write(boot.ljust(446, b"\0") + table + b"\0" * 48 + b"\x55\xaa" + core)
        stream.truncate((PARTITION + sectors) * 512)


def write_grub_disk(path, directory, kernel, ramdisk):
    """With a file system of a kernel, its ramdisk and what GRUB is to do with them."""
    need("mke2fs", "e2fsprogs")
    (directory / "tree/boot/grub").mkdir(parents=True)
    shutil.copy(kernel, directory / "tree/vmlinuz")
    shutil.copy(ramdisk, directory / "tree/initrd")
    (directory / "tree/boot/grub/grub.cfg").write_text(GRUB_CFG)
    write_boot_disk(path, directory, 128 << 11)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", directory / "tree", "-E",
                    f"offset={PARTITION * 512}", path, f"{128 << 10}k"], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("vcpus", [1, 2])
def test_linux_from_its_disk(xm, tmp_path, kernels, vcpus):
    """BIOS, GRUB, kernel and initramfs from the guest's own disk; messages on screen and serial
    port, a shell on the latter, and the power button that Linux hears."""
    kernel = kernels()
    with Machine("xm", kernel) as machine:
        machine.prepare()
        write_grub_disk(tmp_path / "disk.img", tmp_path, os.path.join(kernel, "vmlinuz"),
                        machine.ramdisk)
    with Domain(xm, tmp_path, f"disk = ['file:{tmp_path}/disk.img,hda,w']\nvnc = 1\n"
                f"memory = 192\nvcpus = {vcpus}") as domain:
        console = domain.attach()
        console.wait_for("GRUB is on the disk.", 60)
        console.wait_for("Linux version", 120)
        console.wait_for("xenolith:~# ", 240)
        with domain.vnc() as vnc:
            vnc.wait_for("Run /init as init process", 30)
        console.send("cat /proc/cmdline; echo $(nproc) of them\n")
        console.wait_for("BOOT_IMAGE=/vmlinuz console=tty0")
        console.wait_for(f"{vcpus} of them\r\n")
        console.send("poweroff\n")
        domain.wait_gone(90)
        assert "powered off" in domain.log()


DEBIAN_MENU = """search --label root --set=root
linux /vmlinuz root=LABEL=root ro net.ifnames=0 console=tty0 console=ttyS0 no_timer_check WORDS
initrd /initrd.img
boot
"""
# Messages, and a screen that is drawn, take an emulated CPU longer than the rest.
SHORT = "quiet nomodeset mitigations=off"
LOOK = ("dmesg -n 1; state=$(systemctl is-system-running --wait); "
        "until ip -4 -o address show eth0 | grep -q inet; do sleep 1; done; "
        "echo $state $(findmnt -n -o SOURCE /) $(nproc) seen\n")


@pytest.mark.slow
@pytest.mark.parametrize("disk,model,root,vcpus,words", [
    ("xvda", "rtl8139", "/dev/sda1", 1, ""), ("sda", "e1000", "/dev/sda", 2, SHORT),
    ("xvde", "virtio", "/dev/vda", 2, SHORT)], ids=["ide-1", "scsi-2", "virtio-2"])
def test_debian_from_its_disk(xm, tmp_path, disk, model, root, vcpus, words):
    """The system that paravirtual guests of mkguest have. In the partition of a disk that has GRUB it is
    a PC's like any other; as it is, GRUB finds it from a CD. Its own kernel and initramfs find the
    root on each bus; logins on serial port and screen, a network, and a shutdown by the power button
    that leaves a clean file system."""
    need("passt", "passt")
    try:
        system = os.path.join(debian.system(), "disk.img")
    except GuestkitError as error:
        pytest.skip(f"mkguest could not make the system: {error}")
    path, menu = str(tmp_path / "disk.img"), DEBIAN_MENU.replace("WORDS", words)
    if root.endswith("1"):
        write_boot_disk(path, tmp_path, os.path.getsize(system) // 512, HERE_IS_GRUB + menu)
        subprocess.run(["dd", f"if={system}", f"of={path}", "bs=1M", f"seek={PARTITION * 512 >> 20}",
                        "conv=notrunc,sparse", "status=none"], check=True)
        config, place = f"disk = ['file:{path},{disk},w']\n", f"{path}?offset={PARTITION * 512}"
    else:
        debian.copy_disk(system, path)
        cd, place = make_grub_cd(tmp_path, menu), path
        config = f"disk = ['file:{path},{disk},w', 'file:{cd},hdc:cdrom,r']\nboot = 'd'\n"
    with Domain(xm, tmp_path, config + f"vnc = 1\nmemory = 384\nvcpus = {vcpus}\n"
                f"vif = ['type=user, model={model}']") as domain:
        use_debian(xm, domain, f"running {root} {vcpus} seen\r\n")
    done = call(debian.tool("e2fsck", "e2fsprogs"), "-fn", place)
    assert done.returncode == 0, done.stdout + done.stderr


def use_debian(xm, domain, sees):
    """From GRUB to the shutdown."""
    console = domain.attach()
    console.wait_for("GRUB is on the ", 300)
    console.wait_for("debian login: ", 1800)
    with domain.vnc() as vnc:
        vnc.wait_for("debian login:", 300)
        type_line(vnc, "root")
        vnc.wait_for("root@debian:~#", 300)
    console.send("root\n")
    console.wait_for("root@debian:~# ", 300)
    console.send(LOOK)
    console.wait_for(sees, 1800)
    assert call(xm, "shutdown", domain.name).returncode == 0
    domain.wait_gone(900)


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
    config = boot_directly(tmp_path, kernels(), ("virtio_pci", "virtio_balloon"))
    with Domain(xm, tmp_path, config + "maxmem = 384\nvcpus = 1\nmaxvcpus = 3") as domain:
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
def test_sysrq_and_nmi(xm, tmp_path, kernels):
    """Keys that nobody presses, and the interrupt, arrive in Debian's kernel."""
    config = boot_directly(tmp_path, kernels(), ())
    with Domain(xm, tmp_path, config + "vcpus = 2") as domain:
        console = domain.attach()
        console.wait_for("xenolith:~# ", 300)
        console.send("echo 1 >/proc/sys/kernel/sysrq\n")
        console.wait_for("xenolith:~# ", 120)
        assert call(xm, "sysrq", domain.name, "h").returncode == 0
        console.wait_for("sysrq: HELP")
        assert call(xm, "trigger", domain.name, "nmi").returncode == 0
        console.wait_for("NMI received for unknown reason")
        assert call(xm, "sysrq", domain.name, "c").returncode == 0
        console.wait_for("sysrq triggered crash")


def installer():
    """The directory of Debian's installer for the network."""
    tree = os.path.join(CACHE, INSTALLER)
    if not os.path.isdir(tree):
        pytest.skip(f"the installer is not there yet: {tree} (tests/boot/test_install.py gets it)")
    return tree


def answer_installer(domain):
    """To its first question, which keys answer."""
    with domain.vnc() as vnc:
        vnc.wait_for("<Continue>", 900)  # so little memory is what it asks about first
        before = vnc.text()
        vnc.key(ENTER)
        domain.wait_until(lambda: vnc.text() != before, 180)


TEXT_SCREEN = "vga=normal fb=false"


@pytest.mark.slow
@pytest.mark.parametrize("vcpus", [1, 2])
def test_debian_installer(xm, tmp_path, vcpus):
    """Its kernel and initrd, started directly."""
    tree = installer()
    with Domain(xm, tmp_path, f"kernel = '{tree}/linux'\nramdisk = '{tree}/initrd.gz'\n"
                f"extra = '{TEXT_SCREEN}'\nvnc = 1\nmemory = 512\nvcpus = {vcpus}") as domain:
        answer_installer(domain)


@pytest.mark.slow
def test_debian_installer_from_cd(xm, tmp_path):
    """The same on a CD that starts them by GRUB."""
    tree = installer()
    (tmp_path / "tree").mkdir()
    for name in ("linux", "initrd.gz"):
        shutil.copy(os.path.join(tree, name), tmp_path / "tree")
    cd = make_grub_cd(tmp_path, f"linux /linux {TEXT_SCREEN}\ninitrd /initrd.gz\nboot\n")
    with Domain(xm, tmp_path, f"disk = ['file:{cd},hdc:cdrom,r']\nboot = 'd'\nvnc = 1\n"
                "memory = 512") as domain:
        answer_installer(domain)


@pytest.mark.slow
def test_debian_installer_by_network(xm, tmp_path, host):
    """And from a server of the network, by the installer's own PXELINUX."""
    tree = tmp_path / "tftp"
    shutil.copytree(installer(), tree, symlinks=True)
    tree.chmod(0o755)
    (tree / "pxelinux.cfg/default").write_text(
        f"DEFAULT install\nLABEL install\nKERNEL linux\nAPPEND {TEXT_SCREEN} initrd=initrd.gz\n")
    shutil.copy(tree / "boot-screens/ldlinux.c32", tree)
    with boot_server(host, tmp_path, tree, "pxelinux.0"):
        with start_on_bridge(host, tmp_path, "virtio",
                             "boot = 'n'\nvnc = 1\nmemory = 512") as domain:
            answer_installer(domain)
