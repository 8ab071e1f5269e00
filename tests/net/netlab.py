# SPDX-License-Identifier: GPL-2.0-or-later
"""A host in a network namespace, with a run directory and an xend-config.sxp of its own, and
guests on it whose shells the tests type into. What happens there does not touch the host."""

import glob
import os
import re
import secrets
import select
import shutil
import signal
import subprocess
import time

import pexpect
import pytest

from guestkit import BUILD
from guestkit.machine import Machine

NEEDED = {"ip": "iproute2", "nft": "nftables", "iptables": "iptables", "flock": "util-linux"}


def missing():
    """Why no guest can be put on a network here, or None."""
    if os.geteuid() != 0:
        return "networks of the host take root"
    if not os.path.exists("/dev/net/tun"):
        return "this host has no /dev/net/tun"
    for program, package in NEEDED.items():
        if not shutil.which(program):
            return f"{program} is not installed (Debian package {package})"
    probe = subprocess.run(
        ["unshare", "--net", "sh", "-ec",
         "ip link add br0 type bridge; ip tuntap add mode tap name t0\n"
         "nft 'add table netdev x; add chain netdev x y "
         "{ type filter hook ingress device \"t0\" priority 0; }'\n"
         "iptables -A FORWARD -m physdev --physdev-is-bridged --physdev-in t0 -j ACCEPT\n"
         "iptables -t nat -A POSTROUTING -o t0 -j MASQUERADE"],
        check=False, capture_output=True, text=True)
    if probe.returncode:
        return ("this host's kernel has no bridges, nftables or physdev in namespaces: " +
                probe.stderr.strip().replace("\n", "; "))
    return None


class Host:
    """The namespace. Commands are run in it by sh()."""

    def __init__(self, holder, path):
        self.prefix = ["nsenter", "--net", "--target", str(holder.pid)]
        self.path = path
        self.run_dir = str(path / "run")
        self.scripts = path / "scripts"

    def sh(self, command, check=True):
        done = subprocess.run([*self.prefix, "sh", "-c", command], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check:
            assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def xm(self, *words, check=True):
        done = subprocess.run([*self.prefix, os.path.join(BUILD, "xm"), *words], check=False,
                              text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if check:
            assert done.returncode == 0, f"xm {words}: {done.stdout}"
        return done

    def hotplug(self, *words):
        return self.sh(os.path.join(BUILD, "xenolith-hotplug") + " " + " ".join(words))

    def configure(self, text):
        """xend-config.sxp"""
        (self.path / "xend-config.sxp").write_text(text)

    def script(self, name, text):
        """A script of the administrator's own."""
        self.scripts.mkdir(exist_ok=True)
        (self.scripts / name).write_text(text)
        (self.scripts / name).chmod(0o755)

    def log(self):
        with open(self.path / "log" / "xen-hotplug.log", encoding="utf-8") as stream:
            return stream.read()

    def links(self):
        return re.findall(r"^\d+: ([^:@]+)", self.sh("ip -o link"), re.M)

    def traces(self):
        """What is left of guests: interfaces, rules, chains, lists."""
        left = [name for name in self.links() if name.startswith("vif")]
        left += re.findall(r"^-A.*vif.*$", self.sh("iptables -S; iptables -t nat -S"), re.M)
        left += re.findall(r"chain .*", self.sh("nft list table netdev xen", check=False))
        left += re.findall(r"^.*vif.*$", self.sh("ip route"), re.M)
        return left + glob.glob(self.run_dir + "/hotplug/*.json")

    def wait_clean(self, seconds=15):
        """Undoing takes a moment after a domain's end."""
        until = time.monotonic() + seconds
        while self.traces() and time.monotonic() < until:
            time.sleep(0.1)
        assert self.traces() == []

    def processes(self, name):
        """Ids of this test's processes by command name: their run directory tells."""
        found = []
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/comm", encoding="utf-8") as stream:
                    good = stream.read().strip() == name[:15]
                with open(f"/proc/{entry}/environ", "rb") as stream:
                    good = good and self.run_dir.encode() in stream.read()
            except (OSError, ValueError):
                continue
            if good:
                found.append(int(entry))
        return found

    def kill(self, name):
        """kill -9, and wait for the end: a process without memory may still have files open."""
        for pid in self.processes(name):
            pidfd = os.pidfd_open(pid)
            os.kill(pid, signal.SIGKILL)
            ended = select.select([pidfd], [], [], 30)[0]
            os.close(pidfd)
            assert ended, f"{name}, process {pid}, survives kill -9"


@pytest.fixture
def host(tmp_path, monkeypatch):
    reason = missing()
    if reason:
        pytest.skip(reason)
    with subprocess.Popen(["unshare", "--net", "sh", "-c",
                           "ip link set lo up && echo ready && exec sleep 900"],
                          stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline() == b"ready\n"
            monkeypatch.setenv("XENOLITH_RUN_DIR", str(tmp_path / "run"))
            monkeypatch.setenv("XENOLITH_LOG_DIR", str(tmp_path / "log"))
            monkeypatch.setenv("XEND_CONFIG", str(tmp_path / "xend-config.sxp"))
            monkeypatch.setenv("XENOLITH_SCRIPTS_DIR", str(tmp_path / "scripts"))
            yield Host(holder, tmp_path)
        finally:
            holder.kill()


OUTSIDE, HOST = "192.0.2.1", "192.0.2.254"


@pytest.fixture
def outside(host, tmp_path):
    """Another machine on the host's eth0."""
    with subprocess.Popen(["unshare", "--net", "sleep", "900"]) as holder:
        try:
            host.sh("sleep 0.2; ip link add eth0 type veth peer name wire; "
                    f"ip link set wire netns {holder.pid}\n"
                    f"ip addr add {HOST}/24 dev eth0; ip link set eth0 up; "
                    f"ip route add default via {OUTSIDE}")
            other = Host(holder, tmp_path)
            other.sh(f"ip link set lo up; ip addr add {OUTSIDE}/24 dev wire; ip link set wire up")
            yield other
        finally:
            holder.kill()


# A guest's address, default route and name servers by DHCP.
LEASE = ("printf '#!/bin/sh\\n[ $1 = bound ] || exit 0\\nip addr add $ip/$mask dev $interface\\n"
         "ip route add default via $router\\n"
         "for i in $dns; do echo nameserver $i; done >/etc/resolv.conf\\n' >/tmp/lease; "
         "chmod +x /tmp/lease; ip link set eth0 up; udhcpc -i eth0 -n -q -t 10 -s /tmp/lease")


class Guest:
    """A domain and the shell on its console."""

    def __init__(self, host, kernel_dir, vif, config="", files=()):
        self.host, self.vif = host, vif
        vifs = "" if vif is None else f"vif = [{vif!r}]\n"
        self.machine = Machine("xm", kernel_dir, memory=128, prefix=host.prefix,
                               name=f"net-{secrets.token_hex(3)}", config=vifs + config)
        self.machine.prepare(files=files, modules=["xen-netfront", "xen-blkfront"])
        words = self.machine.arguments()
        self.child = pexpect.spawn(words[0], words[1:], timeout=300, encoding="utf-8",
                                   codec_errors="replace", dimensions=(24, 200))
        self.name = self.machine.name

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.child.close(force=True)
        self.machine.close()

    def ready(self):
        self.child.expect("xenolith:~# ")
        self.child.sendline("stty -echo; PS1=; modprobe xen-netfront; echo READY''YET")
        self.child.expect("READYYET")
        if self.vif is not None:
            self.run("for i in $(seq 50); do [ -d /sys/class/net/eth0 ] && break; sleep 0.1; done")
        return self

    def run(self, command, timeout=60):
        """Status and output of a command in the guest."""
        self.child.sendline(f"{{ {command}\n}}; echo S''TATUS=$?=")
        self.child.expect(r"STATUS=(\d+)=", timeout=timeout)
        return int(self.child.match.group(1)), self.child.before.replace("\r", "")

    def address(self, address, more=""):
        self.run("echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; ip link set eth0 up; "
                 f"ip addr add {address} dev eth0; {more}")
        return self

    def pings(self, to, options=""):
        """An answer at the second try at the latest; the first may have to wait for ARP."""
        tool = "ping6" if ":" in to else "ping"
        return self.run(f"for i in 1 2; do {tool} -c 1 -W 1 {options} {to} >/dev/null 2>&1 && break; "
                        "[ $i != 2 ]; done")[0] == 0

    def domid(self):
        return int(self.host.xm("domid", self.name).stdout)


@pytest.fixture
def guests(host, kernels, xm):
    """Function: start a guest for each entry of vif=[] (None: no interface); all at once."""
    started = []

    def start(*vifs, config="", files=()):
        new = [Guest(host, kernels(), vif, config, files) for vif in vifs]
        started.extend(new)
        return [guest.ready() for guest in new]
    yield start
    for guest in started:
        guest.__exit__()
