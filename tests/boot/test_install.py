# SPDX-License-Identifier: GPL-2.0-or-later
"""xm install: Debian's installer from a tree by HTTP, FTP, NFS and from a directory; what is left
behind; and (slow) a whole unattended installation and the boot of its result."""

import contextlib
import functools
import glob
import gzip
import http.server
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import pexpect
import pytest

import debian_mirror
import disks
from conftest import MACHINE
from guestkit import XM
from guestkit.machine import Machine

pytestmark = pytest.mark.skipif(MACHINE != "xm", reason="about xm install")
PACKAGE = "debian-installer-12-netboot-amd64"
NAME = "install-test"
CACHE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), ".cache")
SHORT = "text/debian-installer/amd64"  # where the package's tree has kernel and ramdisk


@pytest.fixture(scope="session")
def netboot():
    """Debian's installer, unpacked from its package into the cache."""
    cache = os.path.join(CACHE, PACKAGE)
    tree = os.path.join(cache, "usr/lib/debian-installer/images/12/amd64")
    if not os.path.exists(os.path.join(tree, SHORT, "linux")):
        os.makedirs(cache, exist_ok=True)
        done = subprocess.run(["apt-get", "download", "-q", PACKAGE], cwd=cache, check=False,
                              capture_output=True, text=True)
        packages = glob.glob(os.path.join(cache, "*.deb"))
        if done.returncode or not packages:
            pytest.skip(f"the package {PACKAGE} cannot be had: {done.stderr.strip()}")
        subprocess.run(["dpkg-deb", "-x", packages[0], cache], check=True)
        os.unlink(packages[0])
    return tree


@contextlib.contextmanager
def serve_http(directory):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                             functools.partial(Quiet, directory=directory))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@contextlib.contextmanager
def serve_ftp(directory):
    if not glob.glob("/usr/lib/python3/dist-packages/pyftpdlib"):
        pytest.skip("python3-pyftpdlib is not installed")
    server = subprocess.Popen(
        ["/usr/bin/python3", "-u", "-m", "pyftpdlib", "-i", "127.0.0.1", "-p", "0", "-d",
         directory], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in server.stdout:
            found = re.search(r"starting FTP.* on 127\.0\.0\.1:(\d+)", line)
            if found:
                break
        threading.Thread(target=server.stdout.read, daemon=True).start()
        yield f"ftp://127.0.0.1:{found.group(1)}"
    finally:
        server.kill()
        server.wait()


GANESHA = """
NFS_CORE_PARAM {{ Protocols = 4; Enable_NLM = false;
    Enable_RQUOTA = false; Enable_UDP = false; }}
NFSv4 {{ Graceless = true; RecoveryBackend = "fs"; RecoveryRoot = "{state}"; }}
EXPORT {{ Export_Id = 1; Path = "{tree}"; Pseudo = "/tree"; Access_Type = RO; Protocols = 4;
    Transports = TCP; Squash = No_Root_Squash; SecType = sys; FSAL {{ Name = VFS; }} }}
"""


@pytest.fixture
def create(tmp_path):
    """Environment and name of a guest that is destroyed at the end."""
    env = {**os.environ, "XENOLITH_CONFIG_DIR": str(tmp_path / "etc"),
           "XENOLITH_RUN_DIR": str(tmp_path / "run"), "XENOLITH_LOG_DIR": str(tmp_path / "log")}
    yield env
    subprocess.run([*shlex.split(XM), "destroy", NAME], env=env, check=False, capture_output=True)


def install(env, *arguments, **options):
    return subprocess.run([*shlex.split(XM), "install", "--name", NAME, "--paravirt",
                           "--nographics", *map(str, arguments)], env=env, check=False,
                          capture_output=True, text=True, timeout=300, **options)


def await_console(env, words, seconds=240):
    path = os.path.join(env["XENOLITH_LOG_DIR"], f"console-{NAME}.log")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as stream:
            if words.encode() in stream.read():
                return
        time.sleep(0.3)
    with open(path, "rb") as stream:
        sys.stdout.write(stream.read().decode("utf-8", "replace"))
    pytest.fail(f"the console never said '{words}'")


def check_installer_runs(env, location, tmp_path, prefix=()):
    disk = tmp_path / "new.img"
    command = [*prefix, *shlex.split(XM), "install", "--name", NAME, "--ram=400", "--location",
               location, "--disk", f"path={disk},size=1", "--network=none", "--noautoconsole",
               "--nographics", "--extra-args", "priority=high some=argument"]
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    await_console(env, "Starting system log daemon")  # d-i's first words
    assert os.path.getsize(disk) == 1 << 30 and os.stat(disk).st_blocks * 512 < 1 << 20
    assert not glob.glob(f"{env['XENOLITH_RUN_DIR']}/state/virtinst*")
    config = (tmp_path / "etc" / NAME).read_text()
    assert re.fullmatch(rf"""# Automatically generated xen config file
name = "{NAME}"
memory = "400"
disk = \[ 'tap:aio:{disk},xvda,w', \]
vif = \[ \]
uuid = "[0-9a-f-]{{36}}"
bootloader="/usr/bin/pygrub"
vcpus=1
on_reboot = 'restart'
on_crash = 'restart'
""", config), config


def test_http(netboot, create, tmp_path):
    with serve_http(netboot) as url:
        check_installer_runs(create, url, tmp_path)


def test_ftp(netboot, create, tmp_path):
    with serve_ftp(netboot) as url:
        check_installer_runs(create, url, tmp_path)


@pytest.mark.skipif(not shutil.which("ganesha.nfsd") or not shutil.which("nfs-cp"),
                    reason="nfs-ganesha-vfs or libnfs-utils is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: an NFS server in a network namespace")
def test_nfs(netboot, create, tmp_path):
    """The server has NFS' own port, in a network namespace."""
    (tmp_path / "state").mkdir()
    config = tmp_path / "ganesha.conf"
    config.write_text(GANESHA.format(state=tmp_path / "state", tree=netboot))
    script = (f"ip link set lo up; exec ganesha.nfsd -F -f {config} -L {tmp_path}/ganesha.log "
              f"-p {tmp_path}/ganesha.pid")
    with subprocess.Popen(["unshare", "--net", "sh", "-c", script]) as server:
        try:
            until = time.monotonic() + 60
            while "SERVER INITIALIZED" not in (
                    (tmp_path / "ganesha.log").read_text()
                    if (tmp_path / "ganesha.log").exists() else ""):
                assert time.monotonic() < until and server.poll() is None
                time.sleep(0.2)
            check_installer_runs(create, "nfs:127.0.0.1:/tree", tmp_path,
                                 ["nsenter", f"--net=/proc/{server.pid}/ns/net"])
        finally:
            server.terminate()


def fake_kernel(size=4096):
    data = bytearray(size)
    data[514:518] = b"HdrS"
    return bytes(data)


@pytest.mark.parametrize("files, kernel", [
    ({".treeinfo": "[general]\nfamily = CentOS\n[images-x86_64]\nkernel = k1\ninitrd = r1\n"
                   "[images-xen]\nkernel = xen/k2\ninitrd=xen/r2\n", "xen/k2": 1, "xen/r2": 1},
     "xen/k2"),
    ({"images/xen/vmlinuz": 1, "images/xen/initrd.img": 1}, "images/xen/vmlinuz"),
    ({"images/pxeboot/vmlinuz": 1, "images/pxeboot/initrd.img": 1}, "images/pxeboot/vmlinuz"),
    ({"current/images/netboot/xen/vmlinuz": 1, "current/images/netboot/xen/initrd.gz": 1,
      "current/images/netboot/debian-installer/amd64/linux": 2}, "current/images/netboot/xen"),
    ({"boot/x86_64/vmlinuz-xen": 1, "boot/x86_64/initrd-xen": 1}, "boot/x86_64/vmlinuz-xen"),
])
def test_layouts(create, tmp_path, files, kernel):
    """The trees of several distributions: which kernel is taken. It is none, so the guest does not
    start; Red Hat's installer would have been told where its tree is."""
    tree = tmp_path / "tree"
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str)
                         else fake_kernel(4096 * content))
    wanted = []

    class Server(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            if str(args[1]) == "200":
                wanted.append(self.path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                             functools.partial(Server, directory=tree))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    done = install(create, "--location", f"http://127.0.0.1:{server.server_address[1]}",
                   "--disk", f"{tmp_path}/d.img,size=0.01", "--nonetworks", "--noautoconsole")
    server.shutdown()
    assert done.returncode == 1
    assert [path for path in wanted if kernel in path], wanted
    assert len([path for path in wanted if path != "/.treeinfo"]) == 2
    assert not glob.glob(f"{create['XENOLITH_RUN_DIR']}/state/virtinst*")


# An installer in one page: its argument says where the system is that it puts on the disk.
INSTALLER = """
for module in xen-blkfront xen-netfront; do modprobe $module; done
n=0; while [ ! -b /dev/xvda ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done
cat >/tmp/lease <<'EOF'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/${mask:-24} dev $interface
ip route add default via $router
echo $router >/tmp/gateway
EOF
chmod +x /tmp/lease; ip link set eth0 up; udhcpc -i eth0 -n -q -t 10 -s /tmp/lease
path=$(sed 's/.*system=\\([^ ]*\\).*/\\1/' /proc/cmdline)
wget -q -O - http://$(cat /tmp/gateway)$path | gunzip >/dev/xvda || exit 5
sync; echo "the system is on the disk"; reboot -f
"""
INSTALLED = """
for module in xen-blkfront crc32c_generic ext4; do modprobe $module; done
n=0; while [ ! -b /dev/xvda1 ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done
mkdir -p /mnt; mount -t ext4 /dev/xvda1 /mnt; cat /mnt/etc/motd /proc/cmdline
"""


def make_system(machine, tmp_path):
    """A disk of two partitions that boots by its menu.lst, packed."""
    machine.prepare(INSTALLED, modules=("xen-blkfront", "crc32c_generic", "ext4"))
    with open(machine.kernel, "rb") as kernel, open(machine.ramdisk, "rb") as ramdisk:
        tree = disks.make_tree(tmp_path / "system", {
            "boot/vmlinuz": kernel.read(), "boot/initrd": ramdisk.read(), "etc/motd": "welcome\n",
            "boot/grub/menu.lst": "timeout 1\ntitle installed\nkernel /boot/vmlinuz quiet root=installed\n"
                                  "initrd /boot/initrd\n"})
    image = disks.mbr(tmp_path / "image", [disks.ext4(tmp_path / "part", tree, 64 * disks.MIB)])
    with open(image, "rb") as stream, gzip.open(tmp_path / "tree/system.gz", "wb", 1) as out:
        shutil.copyfileobj(stream, out)


@pytest.mark.skipif(not shutil.which("passt"), reason="passt is not installed")
def test_to_the_end(kernels, create, tmp_path):
    """From nothing to a guest of its own: the tree by http, its installer fetches the system by
    http through the user-mode network and reboots; what is on the disk is started by pygrub."""
    (tmp_path / "tree/netboot/xen").mkdir(parents=True)
    with Machine("xm", kernels()) as machine:
        make_system(machine, tmp_path)
        machine.prepare(INSTALLER, modules=("xen-blkfront", "xen-netfront"))
        shutil.copy(machine.kernel, tmp_path / "tree/netboot/xen/vmlinuz")
        shutil.copy(machine.ramdisk, tmp_path / "tree/netboot/xen/initrd.gz")
    with serve_http(tmp_path / "tree") as url:
        port = url.rsplit(":", 1)[1]
        command = [*shlex.split(XM), "install", "-n", NAME, "-r", "192", "-p", "-l", url, "-f",
                   str(tmp_path / "disk.img"), "-s", "0.2", "-w", "user", "--nographics",
                   "-x", f"quiet loglevel=1 system=:{port}/system.gz"]
        child = pexpect.spawn(command[0], command[1:], env=create, timeout=180, encoding="utf-8",
                              codec_errors="replace")
        child.logfile_read = sys.stdout
        child.expect("Starting install...")
        child.expect("the system is on the disk")
        child.expect("Guest installation complete... restarting guest.")
        child.expect("welcome")
        child.expect("root=installed")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
    assert not glob.glob(f"{create['XENOLITH_RUN_DIR']}/state/virtinst*")
    # The config that was written is the guest's from now on.
    done = subprocess.run([*shlex.split(XM), "create", "-q", "-c", str(tmp_path / "etc" / NAME)],
                          env=create, check=False, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0 and "welcome" in done.stdout


def test_nothing_installed(kernels, create, tmp_path):
    """An installer that ends without a system on the disk is said to have failed."""
    (tmp_path / "tree/netboot/xen").mkdir(parents=True)
    with Machine("xm", kernels()) as machine:
        machine.prepare("echo giving up")
        shutil.copy(machine.kernel, tmp_path / "tree/netboot/xen/vmlinuz")
        shutil.copy(machine.ramdisk, tmp_path / "tree/netboot/xen/initrd.gz")
    done = install(create, "-r", "160", "--location", tmp_path / "tree", "--disk",
                   f"{tmp_path}/d.img,size=0.01", "--network=none", "--noautoconsole", "--wait")
    assert done.returncode == 1
    assert "does not appear to have been successful" in done.stderr


# Every question of Debian 12's installer has an answer; one partition, no swap.
PRESEED = """d-i debian-installer/locale string en_US.UTF-8
d-i keyboard-configuration/xkb-keymap select us
d-i netcfg/choose_interface select auto
d-i netcfg/get_hostname string installed
d-i netcfg/get_domain string test
d-i mirror/country string manual
d-i mirror/http/hostname string {host}
d-i mirror/http/directory string {directory}
d-i mirror/http/proxy string
d-i apt-setup/services-select multiselect
d-i clock-setup/utc boolean true
d-i clock-setup/ntp boolean false
d-i time/zone string UTC
d-i partman-auto/disk string /dev/xvda
d-i partman-auto/method string regular
d-i partman-auto/expert_recipe string one :: 1000 50 -1 ext4 $primary{{ }} $bootable{{ }} \\
    method{{ format }} format{{ }} use_filesystem{{ }} filesystem{{ ext4 }} mountpoint{{ / }} .
d-i partman-auto/choose_recipe select one
d-i partman-basicfilesystems/no_swap boolean false
d-i partman-partitioning/confirm_write_new_label boolean true
d-i partman/choose_partition select finish
d-i partman/confirm boolean true
d-i partman/confirm_nooverwrite boolean true
d-i passwd/root-login boolean true
d-i passwd/make-user boolean false
d-i passwd/root-password password secret
d-i passwd/root-password-again password secret
d-i base-installer/install-recommends boolean false
d-i base-installer/kernel/image string linux-image-amd64
tasksel tasksel/first multiselect
d-i pkgsel/run_tasksel boolean false
d-i pkgsel/upgrade select none
d-i pkgsel/update-policy select none
popularity-contest popularity-contest/participate boolean false
d-i grub-installer/only_debian boolean true
d-i grub-installer/bootdev string /dev/xvda
d-i finish-install/reboot_in_progress note
"""


def debian_site():
    """The mirror that this host's apt uses for Debian 12."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)",
                           "Created-By: Packages", "Release: bookworm", "Component: main"],
                          check=False, capture_output=True, text=True)
    sites = [site for site in done.stdout.split() if site.startswith("http://")]
    if not sites:
        pytest.skip("apt has no source of Debian 12 by http")
    return sites[0].rstrip("/")


def has_components(site):
    """Whether a mirror has what the installer loads, and not only an index of it."""
    index = f"{site}/dists/bookworm/main/debian-installer/binary-amd64/Packages.gz"
    try:
        with urllib.request.urlopen(index, timeout=30) as stream:
            text = gzip.decompress(stream.read()).decode()
        path = re.search(r"^Filename: (\S*/apt-setup-udeb_\S*)$", text, re.MULTILINE).group(1)
        urllib.request.urlopen(f"{site}/{path}", timeout=30).close()
    except (OSError, AttributeError):
        return False
    return True


def gateway():
    """Where a guest with the user-mode network finds this host's loopback."""
    route = subprocess.run(["ip", "-4", "route", "show", "default"], check=True,
                           capture_output=True, text=True).stdout
    return re.search(r"via (\S+)", route).group(1)


@contextlib.contextmanager
def keep_log(path):
    """What the installer's log says, which it can send (log_host=), into a file; its port."""
    def receive():
        with open(path, "wb", buffering=0) as out:
            while line := listener.recv(1 << 16):
                out.write(line.rstrip(b"\n") + b"\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=receive)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", listener.getsockname())
            thread.join()


def install_debian(env, directory, location, answers):
    """Unattended, to its end."""
    log = directory / "installer.log"
    with keep_log(log) as port:
        done = subprocess.run(
            [*shlex.split(XM), "install", "-n", NAME, "-r", "1100", "-p", "-l", location, "--disk",
             f"path={directory}/disk.img,size=3", "-w", "user", "--nographics", "--noautoconsole",
             "--wait", "--noreboot", "-x", f"auto=true priority=critical url={answers} "
             f"log_host={gateway()}:{port} DEBIAN_FRONTEND=text console=hvc0"],
            env=env, check=False, capture_output=True, text=True, timeout=3600)
    sys.stdout.write("".join(log.read_text("utf-8", "replace").splitlines(True)[-200:]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Guest installation complete" in done.stdout


def log_in(env, config):
    """Start what was installed, by pygrub, with a login on its console."""
    command = [*shlex.split(XM), "create", "-c", str(config)]
    child = pexpect.spawn(command[0], command[1:], env=env, timeout=900, encoding="utf-8",
                          codec_errors="replace", dimensions=(24, 80))
    child.logfile_read = sys.stdout
    log_in_again(child)
    return child


def log_in_again(child):
    child.expect("pyGRUB")
    child.expect(r"\w+ login:")
    child.send("root\r")
    child.expect("Password:")
    child.send("secret\r")
    child.expect(r"root@\w+")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("passt"), reason="passt is not installed")
def test_debian_to_the_end(netboot, create, tmp_path):
    """Debian 12, unattended, by http, all of it Debian's; then a login on what was installed."""
    site = debian_site()
    if not has_components(site):
        pytest.skip("the Debian mirror of this host has not all of the installer's components: "
                    "see test_debian_with_stand_ins")
    mirror = urllib.parse.urlparse(site)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "netboot").symlink_to(os.path.join(netboot, "text"))
    (tree / "preseed.cfg").write_text(PRESEED.format(host=mirror.netloc, directory=mirror.path))
    with serve_http(tree) as url:
        install_debian(create, tmp_path, url,
                       f"http://{gateway()}:{url.rsplit(':', 1)[1]}/preseed.cfg")
    child = log_in(create, tmp_path / "etc" / NAME)
    child.send("poweroff\r")
    child.expect(pexpect.EOF)


# The components that stand in for Debian's are a suite of their own with a key of their own.
STAND_INS = """d-i mirror/udeb/suite string {suite}
d-i preseed/early_command string cd /usr/share/keyrings; (cat debian-archive-keyring.gpg; \\
    wget -q -O - http://{host}/dists/{suite}/key.gpg) >archive.gpg
d-i base-installer/debootstrap_variant string minbase
d-i base-installer/includes string init ifupdown isc-dhcp-client netbase debconf-i18n
d-i base-installer/initramfs-tools/driver-policy select dep
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("passt"), reason="passt is not installed")
def test_debian_with_stand_ins(netboot, create, tmp_path):
    """Debian 12, unattended, by http, where the mirror has no complete installer (debian_mirror.py):
    its own kernel, menu, network set-up, downloads, base installation and packages; partitioning and
    the menu's installation are stand-ins'. Then a login on what was installed, and the boot of a newer
    kernel that is installed there."""
    site = debian_site()
    tree, cache = tmp_path / "tree", os.path.join(CACHE, "debian-mirror")
    debian_mirror.make_suite(tree, cache, site, os.path.join(netboot, SHORT, "linux"))
    (tree / "netboot").symlink_to(os.path.join(netboot, "text"))
    with debian_mirror.serve(tree, cache, site) as (port, asked):
        host = f"{gateway()}:{port}"
        (tree / "preseed.cfg").write_text(
            PRESEED.format(host=host, directory="/debian") +
            STAND_INS.format(host=host, suite=debian_mirror.SUITE))
        install_debian(create, tmp_path, f"http://127.0.0.1:{port}", f"http://{host}/preseed.cfg")
        assert [path for path in asked if "/linux-image-6" in path], asked
        child = log_in(create, tmp_path / "etc" / NAME)
        child.send("apt-get -qy install linux-image-rt-amd64 && reboot\r")
        log_in_again(child)
        child.send("uname -r\r")
        child.expect(r"\d-rt-amd64\r")
    child.send("poweroff\r")
    child.expect(pexpect.EOF)


MANUAL_INIT = """#!/bin/sh
mount -t proc proc /proc
echo "this is $(cat /etc/hostname), $(grep -c xvda /etc/fstab) line, $(cat /etc/securetty)"
poweroff -f
"""
# In the place of the ramdisk that a distribution makes: finds root= and starts its init.
MANUAL_RAMDISK = """
for module in xen-blkfront crc32c_generic ext4; do modprobe $module; done
n=0; while [ ! -b /dev/xvda ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done
mkdir /system; mount -o ro $(sed 's/.*root=\\([^ ]*\\) ro.*/\\1/' /proc/cmdline) /system
exec chroot /system /sbin/init
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a mount namespace, a loop device")
def test_manual(kernels, create, tmp_path):
    """docs/installing.md's way by hand, as it stands there; /etc, /srv and /mnt are a mount
    namespace's own."""
    page = os.path.join(os.path.dirname(__file__), "../../docs/installing.md")
    with open(page, encoding="utf-8") as stream:
        manual = re.search(r"<!-- manual.*?```sh\n(.*?)```", stream.read(), re.DOTALL).group(1)
    with Machine("xm", kernels()) as machine:
        machine.prepare(MANUAL_RAMDISK, modules=("xen-blkfront", "crc32c_generic", "ext4"))
        shutil.copy(machine.ramdisk, tmp_path / "initrd")
        kernel = machine.kernel
    system = disks.make_tree(tmp_path / "system", {"sbin/init": MANUAL_INIT, "etc/securetty":
                                                   "tty1\n", "proc/.keep": ""})
    os.chmod(os.path.join(system, "sbin/init"), 0o755)
    os.mkdir(os.path.join(system, "bin"))
    busybox = os.path.join(system, "bin/busybox")
    shutil.copy(shutil.which("busybox"), busybox)
    for name in ("sh", "mount", "cat", "grep", "poweroff"):
        os.symlink("busybox", os.path.join(system, "bin", name))
    script = f"""
        set -e
        mkdir {tmp_path}/upper {tmp_path}/work {tmp_path}/bin
        mount -t overlay -o lowerdir=/etc,upperdir={tmp_path}/upper,workdir={tmp_path}/work o /etc
        mount -t tmpfs none /srv; mount -t tmpfs none /mnt
        printf '#!/bin/sh\\nexec {XM} "$@"\\n' >{tmp_path}/bin/xm; chmod +x {tmp_path}/bin/xm
        PATH={tmp_path}/bin:$PATH SYSTEM={system} KERNEL={kernel} INITRD={tmp_path}/initrd
        {manual}"""
    env = {**create, "XENOLITH_CONFIG_DIR": "/nonexistent"}
    child = pexpect.spawn("unshare", ["--mount", "sh", "-c", script], env=env, timeout=180,
                          encoding="utf-8", codec_errors="replace")
    child.logfile_read = sys.stdout
    try:
        child.expect("this is guest, 1 line, tty1")
        child.expect("hvc0")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
    finally:
        subprocess.run([*shlex.split(XM), "destroy", "guest"], env=env, check=False,
                       capture_output=True)


def test_refusals(create, tmp_path):
    good = ["--disk", f"{tmp_path}/d.img,size=1", "--location", str(tmp_path)]
    (tmp_path / "empty").mkdir()
    with serve_http(tmp_path / "empty") as url:
        for arguments, words in [
                (["--location", "/x"], "--disk is needed"),
                (["--disk", "size=1"], "--location is needed"),
                ([*good, "--ram=1"], "--ram: at least 64 MiB"),
                ([*good, "--ram=lots"], "'lots' is no number"),
                ([*good, "--hvm"], "only paravirtualized"),
                ([*good, "--cdrom=x.iso"], "use --location"),
                ([*good, "--frobnicate"], "'--frobnicate' is not known"),
                ([*good, "--network=token"], "none of bridge=NAME, user, none"),
                (["--disk", "/x,colour=red", "--location", "/x"], "'colour=red' is not known"),
                (["--disk", "/x,format=qcow2", "--location", "/x"], "only raw images"),
                (good, "is no installation tree that is known"),
                (["--disk", "size=1", "--location", url], "is no installation tree"),
                (["--disk", "size=1", "--location", "http://127.0.0.1:1"], "cannot fetch http"),
                (["--disk", "size=1", "--location", "nfs:nowhere"], "nfs:HOST:/PATH is meant"),
                (["--disk", "size=1", "--location", "gopher://x/"], "cannot fetch gopher"),
        ]:
            done = install(create, *arguments)
            assert done.returncode == 1 and words in done.stderr, (arguments, done.stderr)
    assert not glob.glob(f"{create['XENOLITH_RUN_DIR']}/state/virtinst*")
    assert not (tmp_path / "etc" / NAME).exists() and not (tmp_path / "d.img").exists()
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc" / NAME).write_text("x")
    done = install(create, *good)
    assert "is there already: choose another --name" in done.stderr


def test_print_config(create, tmp_path):
    done = install(create, "--print-config", "--location=/x", "-r", "1024", "--vcpus=2,maxvcpus=4",
                   "-f", tmp_path / "a.img", "-s", "0.5", "--nonsparse",
                   "--disk", f"path={tmp_path}/b.img,size=0.25,bus=xen,readonly=on",
                   "-b", "xenbr0", "-m", "00:16:3e:11:b6:ec",
                   "--network", "user,mac=00:16:3e:00:00:02,model=xen",
                   "-u", "734f2dbb-934e-ba83-d45d-ef656ecfbefc", "--os-type=linux")
    assert done.stdout == f"""# Automatically generated xen config file
name = "{NAME}"
memory = "1024"
disk = [ 'tap:aio:{tmp_path}/a.img,xvda,w', 'tap:aio:{tmp_path}/b.img,xvdb,r', ]
vif = [ 'mac=00:16:3e:11:b6:ec, bridge=xenbr0', 'mac=00:16:3e:00:00:02, type=user', ]
uuid = "734f2dbb-934e-ba83-d45d-ef656ecfbefc"
bootloader="/usr/bin/pygrub"
vcpus=2
on_reboot = 'restart'
on_crash = 'restart'
""", done.stderr
    assert os.stat(tmp_path / "a.img").st_blocks * 512 >= 1 << 29
    assert os.stat(tmp_path / "b.img").st_blocks * 512 < 1 << 20
