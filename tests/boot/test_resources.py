# SPDX-License-Identifier: GPL-2.0-or-later
"""What a running domain may be given and what may be taken from it: time, memory, CPUs."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time

import pexpect
import pytest

from guestkit.machine import Machine
from conftest import MACHINE

pytestmark = pytest.mark.skipif(MACHINE != "xm", reason="about xm itself")
PROMPT = "xenolith:~# "


class Shell:
    """A guest at a shell prompt on its console."""

    def __init__(self, xm, machine):
        self.xm, self.machine, self.name = xm, machine, machine.name
        machine.prepare()
        words = machine.arguments()
        self.child = pexpect.spawn(words[0], words[1:], timeout=60, encoding="utf-8",
                                   codec_errors="replace", dimensions=(24, 200))
        self.child.logfile_read = sys.stdout

    def ready(self):
        self.child.expect("Leave: ")
        self.child.expect(PROMPT)
        return self

    def do(self, command, timeout=60):
        """Run one command line in the guest; its output."""
        self.child.sendline(f"echo be''gin; {command} ; echo en''d")
        self.child.expect("begin\r\n")
        self.child.expect("end\r\n", timeout=timeout)
        output = self.child.before.replace("\r", "").strip()
        self.child.expect(PROMPT)
        return output

    def xm_call(self, verb, *words, status=0, domain=True):
        """xm VERB DOMAIN WORDS...; its standard output (error, if it is to fail)."""
        name = [self.name] if domain else []
        done = subprocess.run([self.xm, verb, *name, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stderr if status else done.stdout

    def info(self):
        """On a busy host a list does not wait for everybody."""
        for _ in range(50):
            info = json.loads(self.xm_call("list", "--json"))[0]
            if "pid" in info:
                return info
        raise AssertionError("the domain does not answer")

    def close(self):
        self.child.close(force=True)


@pytest.fixture
def shell(xm, kernels):
    """Function: a guest with these Machine options, at its prompt unless ready is False."""
    with contextlib.ExitStack() as stack:
        def start(ready=True, series="6.1", **options):
            options.setdefault("memory", 128)
            machine = stack.enter_context(Machine("xm", kernels(series), **options))
            guest = Shell(xm, machine)
            stack.callback(guest.close)
            return guest.ready() if ready else guest
        yield start


def wait_for(what, timeout=20):
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.1)


@pytest.mark.parametrize("vcpus", [1, 2])
def test_pause(shell, vcpus):
    guest = shell(vcpus=vcpus)
    guest.do("(while :; do :; done) & (while :; do cat /proc/stat >/dev/null; done) & true")
    guest.xm_call("pause")
    assert guest.info()["state"] == "--p---"
    used = guest.info()["cpu_time"]
    guest.child.sendline("echo I-am-$((6 * 7))")
    with pytest.raises(pexpect.TIMEOUT):
        guest.child.expect("I-am-42", timeout=1.5)
    assert guest.info()["cpu_time"] - used < 0.2
    guest.xm_call("pause")
    guest.xm_call("unpause")
    guest.child.expect("I-am-42")
    assert guest.info()["state"] in ("r-----", "-b----")
    for _ in range(20):
        guest.xm_call("pause")
        guest.xm_call("unpause")
    guest.child.expect(PROMPT)
    assert guest.do("echo $((6 * 9))") == "54"


def test_create_paused(shell):
    guest = shell(ready=False, xm_args=["-p"])
    wait_for(lambda: exists(guest) and guest.info()["state"] == "--p---")
    used = guest.info()["cpu_time"]
    time.sleep(0.5)
    assert guest.info()["state"] == "--p---"
    assert guest.info()["cpu_time"] - used < 0.1
    guest.xm_call("unpause")
    guest.ready()


def exists(guest):
    return subprocess.run([guest.xm, "domid", guest.name], capture_output=True,
                          check=False).returncode == 0


def test_destroy_while_paused(shell):
    guest = shell(vcpus=2)
    guest.xm_call("pause")
    guest.xm_call("destroy")
    assert not exists(guest)
    assert guest.xm_call("pause", status=3).startswith("Error: Domain ")


def memory_kib(guest):
    """What the guest's memory takes on the host."""
    directory = f"/proc/{guest.info()['pid']}/fd"
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        with contextlib.suppress(OSError):
            if "guest-ram" in os.readlink(path):
                return os.stat(path).st_blocks // 2
    raise AssertionError("there is no guest memory")


def guest_kib(guest):
    return int(guest.do("awk '/MemTotal/ { print $2 }' /proc/meminfo"))


def store(guest, path):
    done = subprocess.run(["xenstore-read", f"/local/domain/{guest.info()['domid']}/{path}"],
                          env=dict(os.environ, XENSTORED_PATH=store_socket(guest)),
                          capture_output=True, text=True, check=True)
    return done.stdout.strip()


def store_socket(guest):
    """Beside the lock that the domain process holds."""
    directory = f"/proc/{guest.info()['pid']}/fd"
    for name in os.listdir(directory):
        with contextlib.suppress(OSError):
            target = os.readlink(os.path.join(directory, name))
            if target.endswith(".lock"):
                return os.path.join(os.path.dirname(target), "xenstored.sock")
    raise AssertionError("no lock")


FILL = "dd if=/dev/zero of=/tmp/fill bs=1M count={} 2>/dev/null; md5sum </tmp/fill; rm /tmp/fill"


@pytest.mark.parametrize("vcpus,series", [(1, "6.1"), (2, "6.12")])
def test_shrink_and_grow(shell, vcpus, series):
    guest = shell(memory=512, vcpus=vcpus, series=series)
    before = guest_kib(guest)
    digest = guest.do(FILL.format(150))
    full = memory_kib(guest)
    guest.xm_call("mem-set", "256")
    wait_for(lambda: guest.info()["memory"] == 256)
    assert full - memory_kib(guest) > 100 * 1024
    assert 250 * 1024 < before - guest_kib(guest) < 262 * 1024
    assert store(guest, "memory/target") == "262144"
    assert guest.do(FILL.format(100)) != digest
    guest.xm_call("mem-set", "524288k")
    wait_for(lambda: guest.info()["memory"] == 512)
    assert guest_kib(guest) == before
    assert guest.do(FILL.format(150)) == digest
    assert guest.do("dmesg | grep -A9 'cut here'") == ""


def test_maxmem_above_memory(shell):
    guest = shell(memory=128, config="maxmem = 384\n")
    assert guest.info()["memory"] == 128 and guest.info()["maxmem"] == 384
    assert guest_kib(guest) < 128 * 1024
    assert store(guest, "memory/static-max") == str(384 * 1024)
    assert "than domain" in guest.xm_call("mem-set", "385", status=1)
    guest.xm_call("mem-set", "384")
    wait_for(lambda: guest.info()["memory"] == 384)
    assert guest_kib(guest) > 300 * 1024
    guest.do(FILL.format(150))


def test_mem_max(shell):
    guest = shell(memory=256, config="on_reboot = 'restart'\n")
    guest.xm_call("mem-set", "128")
    wait_for(lambda: guest.info()["memory"] == 128)
    guest.xm_call("mem-max", "200")
    assert store(guest, "memory/static-max") == str(200 * 1024)
    assert guest.info()["maxmem"] == 200
    assert "may have, which is 200 MiB" in guest.xm_call("mem-set", "201", status=1)
    # The guest's own wish does not count either.
    guest.do("echo $((256 << 20)) >/sys/devices/system/xen_memory/xen_memory0/target", timeout=10)
    time.sleep(3)
    assert guest.info()["memory"] == 200
    # And all of it holds for the next life.
    guest.child.sendline("reboot")
    guest.ready()
    assert guest.info()["memory"] == 128 and guest.info()["maxmem"] == 200


@pytest.mark.parametrize("amount", ["0", "-5", "x", "5q", "5mm", "99999999999999999999"])
def test_amounts(xm, amount):
    done = subprocess.run([xm, "mem-set", "no-such-domain", amount], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1 and "is not an amount of memory" in done.stderr


def vcpu_rows(guest):
    """Lines of xm vcpu-list without the domain's name and id."""
    lines = guest.xm_call("vcpu-list").splitlines()
    assert lines[0] == "%-32s %5s %5s %5s %5s %9s %s" % ("Name", "ID", "VCPU", "CPU", "State",
                                                         "Time(s)", "CPU Affinity")
    rows = []
    for line in lines[1:]:
        head = "%-32s %5d " % (guest.name, guest.info()["domid"])
        assert line.startswith(head)
        found = re.fullmatch(r"([ \d]{5}) ([ \d-]{5}) ([ rbp-]{5})  ([ \d]{6}\.\d) (.*)",
                             line[len(head):])
        assert found, line
        rows.append((int(found[1]), found[2].strip(), found[3].strip(), found[5]))
    return rows


def online(guest):
    return guest.do("cat /sys/devices/system/cpu/online")


def test_vcpu_set(shell):
    guest = shell(vcpus=3)
    assert online(guest) == "0-2"
    guest.xm_call("vcpu-set", "1")
    wait_for(lambda: online(guest) == "0")
    assert store(guest, "cpu/0/availability") == "online"
    assert store(guest, "cpu/2/availability") == "offline"
    wait_for(lambda: guest.info()["online_vcpus"] == 1)
    assert [row[1:3] for row in vcpu_rows(guest)][1:] == [("-", "--p"), ("-", "--p")]
    guest.xm_call("vcpu-set", "2")
    # A CPU that came back waits for somebody to bring it online, udev as a rule.
    wait_for(lambda: guest.do("echo 1 >/sys/devices/system/cpu/cpu1/online; echo $?") == "0")
    assert online(guest) == "0-1"
    wait_for(lambda: guest.info()["online_vcpus"] == 2)
    assert "greater than max vcpus" in guest.xm_call("vcpu-set", "4", status=1)
    assert "Zero or less VCPUs is invalid" in guest.xm_call("vcpu-set", "0", status=1)
    assert "is not a number" in guest.xm_call("vcpu-set", "x", status=1)


def test_vcpu_avail(shell):
    guest = shell(vcpus=1, config="maxvcpus = 2\n")
    wait_for(lambda: online(guest) == "0")
    assert [row[0] for row in vcpu_rows(guest)] == [0, 1]


def allowed_cpus(guest):
    """CPUs that the host lets the processes use that run guest code."""
    leader, sets = guest.info()["pid"], set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
                name, rest = stream.read().rsplit(")", 1)
            if rest.split()[3] == str(leader) and "memfd" in name:
                sets.add(tuple(sorted(os.sched_getaffinity(int(pid)))))
    return sets


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the host has one CPU")
@pytest.mark.parametrize("vcpus", [1, 2])
def test_vcpu_pin(shell, vcpus):
    everywhere = tuple(sorted(os.sched_getaffinity(0)))
    one, other = everywhere[:2]
    guest = shell(vcpus=vcpus, config=f"cpus = '{one}'\n")
    assert allowed_cpus(guest) == {(one,)}
    assert {row[3] for row in vcpu_rows(guest)} == {str(one)}
    assert {row[1] for row in vcpu_rows(guest)} == {str(one)}
    guest.xm_call("vcpu-pin", "0", str(other))
    assert vcpu_rows(guest)[0][3] == str(other)
    guest.do("for i in 1 2 3 4 5; do sha256sum /bin/busybox >/dev/null & done; wait")
    assert allowed_cpus(guest) == {(one,), (other,)} if vcpus > 1 else {(other,)}
    assert vcpu_rows(guest)[0][1] == str(other)
    guest.xm_call("vcpu-pin", "all", "all")
    guest.do("for i in 1 2 3 4 5; do sha256sum /bin/busybox >/dev/null & done; wait")
    assert {row[3] for row in vcpu_rows(guest)} == {"any cpu"}
    assert everywhere in allowed_cpus(guest)
    assert "none of these CPUs" in guest.xm_call("vcpu-pin", "0", "1000", status=1)
    assert "is no list of CPUs" in guest.xm_call("vcpu-pin", "0", "x", status=1)
    assert "vcpu" in guest.xm_call("vcpu-pin", "7", "0", status=1)


def test_vcpu_list_of_the_host(xm):
    done = subprocess.run([xm, "vcpu-list", "Domain-0"], capture_output=True, text=True, check=True)
    rows = done.stdout.splitlines()[1:]
    assert len(rows) == os.cpu_count()
    assert rows[0].startswith("%-32s %5d %5d %5d %5s  " % ("Domain-0", 0, 0, 0, "r--"))
    assert rows[0].endswith(" any cpu")


def test_trigger(shell):
    guest = shell(vcpus=2)
    guest.xm_call("trigger", "nmi")
    wait_for(lambda: "NMI received for unknown reason" in guest.do("dmesg | grep 'on CPU 0'"))
    guest.xm_call("trigger", "nmi", "1")
    wait_for(lambda: "NMI received for unknown reason" in guest.do("dmesg | grep 'on CPU 1'"))
    assert "has no vCPU 2" in guest.xm_call("trigger", "nmi", "2", status=1)
    assert "not for a paravirtualized guest" in guest.xm_call("trigger", "power", status=1)
    assert "unknown trigger" in guest.xm_call("trigger", "explode", status=1)
    # on_reboot = destroy does not count for a reset.
    guest.child.sendline("while :; do :; done")
    guest.xm_call("trigger", "reset")
    guest.ready()
    assert "NMI" not in guest.do("dmesg | grep received")
    assert guest.info()["restarts"] == 1


def shares(guest):
    lines = guest.xm_call("sched-credit", "-d", guest.name, domain=False).splitlines()
    assert lines[0] == "%-33s %4s %6s %4s" % ("Name", "ID", "Weight", "Cap")
    found = re.fullmatch(re.escape("%-32s " % guest.name) + r"[ \d]{5} ([ \d]{6}) ([ \d]{4})",
                         lines[1])
    assert found and len(lines) == 2, lines
    return int(found[1]), int(found[2])


def nice_values(guest):
    """Of all processes of the domain."""
    leader, values = guest.info()["pid"], set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
                rest = stream.read().rsplit(")", 1)[1].split()
            if rest[3] == str(leader):
                values.add(int(rest[16]))
    return values


def test_sched_credit(shell):
    guest = shell(vcpus=2, config="cpu_weight = 128\n")
    assert shares(guest) == (128, 0)
    done = guest.xm_call("sched-credit", "-d", guest.name, "--weight=64", domain=False)
    by_group = "control group /sys/fs/cgroup/" in done
    assert by_group or re.fullmatch(r"Weight 64, cap 0: by nice value \d+\n", done), done
    assert shares(guest) == (64, 0)
    if not by_group:
        before = os.getpriority(os.PRIO_PROCESS, 0)
        assert nice_values(guest) == {min(before + 6, 19)}
        # What is made later inherits it.
        guest.do("for i in 1 2 3 4 5 6; do sh -c 'echo $((6 * 7))' & done; wait")
        assert nice_values(guest) == {min(before + 6, 19)}
        assert "a cap needs a control group" in guest.xm_call(
            "sched-credit", "-d", guest.name, "-c", "50", domain=False, status=1)
    assert "No domain given" in guest.xm_call("sched-credit", "-w", "5", domain=False, status=1)
    assert "is no weight" in guest.xm_call("sched-credit", "-d", "x", "-w", "y", domain=False,
                                           status=1)
    assert guest.name in guest.xm_call("sched-credit", domain=False)
    assert guest.do("echo $((6 * 7))") == "42"
