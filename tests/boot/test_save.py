# SPDX-License-Identifier: GPL-2.0-or-later
"""Saving a running guest to a file, and going on from it: Debian's kernels, with CPUs, memory,
disks and consoles in use."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pexpect
import pytest

from guestkit.debian.guest import free_port
from guestkit.machine import Machine
from conftest import MACHINE, TOP

pytestmark = pytest.mark.skipif(MACHINE != "xm", reason="about xm itself")
PROMPT = "xenolith:~# "
# Counts as fast as it can, each turn by what the FPU holds; keeps a checksum of memory.
COUNT = ("dmesg -n 8; (n=0; while :; do n=$((n + 1)); echo $n >/tmp/count; done) & "
         "(awk 'BEGIN { x = 1.5; while (1) { y = x * 2; if (y / 2 != x) print y >\"/tmp/wrong\" } }') & "
         "dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null; md5sum /tmp/data >/tmp/sum")


class Guest:
    """A guest at a shell prompt on its console; the console can be left and taken up again."""

    def __init__(self, xm, machine):
        self.xm, self.machine, self.name, self.child = xm, machine, machine.name, None

    def spawn(self, words):
        self.child = pexpect.spawn(words[0], words[1:], timeout=60, encoding="utf-8",
                                   codec_errors="replace", dimensions=(24, 200))
        self.child.logfile_read = sys.stdout

    def start(self, files=(), modules=()):
        self.machine.prepare(files=files, modules=modules)
        self.spawn(self.machine.arguments())
        self.child.expect("Leave: ")
        self.child.expect(PROMPT)
        return self

    def attach(self):
        """Be at its console, with the prompt of a command line of ours."""
        self.close()
        self.spawn([self.xm, "console", self.name])
        self.child.sendline("")
        self.child.sendline("echo at''tached")
        self.child.expect("attached\r\n")
        self.child.expect(PROMPT)

    def do(self, command, timeout=60):
        """Run one command line in the guest; its output."""
        self.child.sendline(f"echo be''gin; {command} ; echo en''d")
        self.child.expect("begin\r\n")
        self.child.expect("end\r\n", timeout=timeout)
        output = self.child.before.replace("\r", "").strip()
        self.child.expect(PROMPT)
        return output

    def call(self, *words, status=0, **options):
        """xm WORDS...; its standard output, or error if it is to fail."""
        done = subprocess.run([self.xm, *map(str, words)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False, **options)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stderr if status else done.stdout

    def exists(self):
        return subprocess.run([self.xm, "domid", self.name], capture_output=True,
                              check=False).returncode == 0

    def count(self):
        return int(self.do("until read -r x </tmp/count; do :; done; echo $x"))

    def close(self):
        if self.child:
            self.child.close(force=True)


@pytest.fixture
def guest(xm, kernels):
    """Function: a guest with these Machine options, at its prompt."""
    with contextlib.ExitStack() as stack:
        def start(series="6.1", files=(), modules=(), **options):
            options.setdefault("memory", 128)
            machine = stack.enter_context(Machine("xm", kernels(series), **options))
            one = Guest(xm, machine)
            stack.callback(one.close)
            return one.start(files, modules)
        yield start


def check_alive(one, before):
    """It counts on, its memory and FPU are what they were, its clock is right."""
    first = one.count()
    assert first >= before
    one.do("sleep 1")
    assert one.count() > first
    assert "OK" in one.do("md5sum -c /tmp/sum")
    assert one.do("cat /tmp/wrong 2>/dev/null") == ""
    earliest = time.time() - 4  # Linux takes less than two seconds for its clock's inaccuracy
    assert earliest <= int(one.do("date +%s")) <= time.time() + 1
    assert "Call Trace" not in one.do("dmesg")


@pytest.mark.parametrize("vcpus,series", [(1, "6.1"), (2, "6.12")])
def test_save_and_restore(guest, tmp_path, vcpus, series):
    one, image = guest(series=series, vcpus=vcpus), tmp_path / "image"
    one.do(COUNT)
    before = one.count()
    uptime = float(one.do("cut -d' ' -f1 /proc/uptime"))
    domid = int(one.call("domid", one.name))
    one.call("save", one.name, image)
    assert not one.exists()
    assert sorted(os.listdir(tmp_path)) == ["image"]
    assert image.stat().st_mode & 0o777 == 0o600
    assert image.stat().st_size < 100 << 20  # what the guest has not written to is not in it
    time.sleep(8)
    one.call("restore", image)
    assert int(one.call("domid", one.name)) != domid
    one.attach()
    check_alive(one, before)
    # The time in which it did not exist counts, as after a suspend.
    assert float(one.do("cut -d' ' -f1 /proc/uptime")) > uptime
    assert one.do("nproc") == str(vcpus)
    # Once more, and its name is taken meanwhile.
    error = one.call("restore", image, status=1)
    assert one.name in error and "already" in error, error
    before = one.count()
    one.call("save", one.name, image)
    one.call("restore", image)
    one.attach()
    check_alive(one, before)
    one.do("true")
    one.child.sendline("poweroff")
    one.child.expect(pexpect.EOF)
    assert not one.exists()


def restore_fails(one, image):
    """One sentence, and nothing of it is left."""
    before = len(one.call("list").splitlines())
    error = one.call("restore", image, status=1)
    assert re.fullmatch(r"Error: [^\n]+\n", error), error
    assert not one.exists()
    assert len(one.call("list").splitlines()) == before
    return error


def test_damaged_images(guest, tmp_path):
    one, image = guest(), tmp_path / "image"
    one.call("save", one.name, image)
    content = image.read_bytes()
    bad = tmp_path / "bad"
    for size in (0, 39, 100, 4096, len(content) // 2, len(content) - 1):
        bad.write_bytes(content[:size])
        restore_fails(one, bad)
    for at in (0, 24, 28, 32, 200, len(content) // 3, len(content) - 10):
        bad.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1:])
        restore_fails(one, bad)
    bad.write_bytes(b"LinuxGuestRecord" + content)
    assert "not a valid guest state file" in restore_fails(one, bad)
    assert "not a valid guest state file" in restore_fails(one, "/dev/zero")
    assert "cannot read" in restore_fails(one, tmp_path / "nothing")
    assert sorted(os.listdir(tmp_path)) == ["bad", "image"]
    one.call("restore", "-p", image)
    info = json.loads(one.call("list", "--json", one.name))[0]
    assert info["state"] == "--p---"
    one.call("unpause", one.name)
    one.attach()
    assert one.do("echo $((6 * 7))") == "42"


def domain_pid(one):
    for _ in range(50):
        info = json.loads(one.call("list", "--json", one.name))[0]
        if "pid" in info:
            return info["pid"]
    raise AssertionError("the domain does not answer")


def limit_files(pid, size):
    """How much a process may write to a file; by its own user, as root may be one without that right."""
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        user = re.search(r"^Uid:\t(\d+)", stream.read(), re.M)[1]
    become = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if os.getuid() == 0 else []
    subprocess.run([*become, "prlimit", "--pid", str(pid), f"--fsize={size}:"], check=True, timeout=60)


def test_guest_goes_on(guest, tmp_path):
    """With -c, and whenever saving fails."""
    one, image = guest(vcpus=2), tmp_path / "image"
    one.do(COUNT)
    before = one.count()
    domid = one.call("domid", one.name)
    one.call("save", "-c", one.name, image)
    check_alive(one, before)
    assert one.call("domid", one.name) == domid
    assert "already" in one.call("restore", image, status=1)
    size = image.stat().st_size

    # The disk is full: what was there stays.
    pid = domain_pid(one)
    limit_files(pid, 3 << 20)
    before = one.count()
    error = one.call("save", one.name, image, status=1)
    limit_files(pid, "unlimited")
    assert re.fullmatch(r"Error: cannot write the saved domain: [^\n]+\n", error), error
    check_alive(one, before)
    assert os.listdir(tmp_path) == ["image"] and image.stat().st_size == size
    error = one.call("save", one.name, tmp_path / "no" / "image", status=1)
    assert "cannot write" in error and one.exists()

    # Who wanted it is killed, mostly before it is done.
    for delay in (0, 0.1, 0.2):
        before = one.count()
        with subprocess.Popen([one.xm, "save", one.name, str(image)]) as process:
            time.sleep(delay)
            process.kill()
        time.sleep(1)
        if not one.exists():
            one.call("restore", image)
            one.attach()
    check_alive(one, before)

    one.call("pause", one.name)
    assert "is paused" in one.call("save", one.name, image, status=1)
    one.call("unpause", one.name)
    assert "is paused" not in one.call("list")


MODULES = ("xen-blkfront", "crc32c_generic", "crc32c-intel", "ext4")
# Writes files through to the disk and compares them, one after the other.
WORK = """#!/bin/sh
for module in xen-blkfront crc32c_generic crc32c-intel ext4; do modprobe $module; done
n=0
while [ ! -b /dev/xvda ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done
mkdir -p /mnt
mount -t ext4 /dev/xvda /mnt
dd if=/dev/urandom of=/tmp/data bs=1M count=1 2>/dev/null
md5sum /tmp/data >/tmp/sum
/mapped /mnt/mapped >>/tmp/wrong &
n=0
while [ ! -e /tmp/stop ]; do
    sync
    n=$((n + 1))
    dd if=/tmp/data of=/mnt/$((n % 8)) bs=64k conv=fsync 2>/dev/null
    cmp /tmp/data /mnt/$((n % 8)) || echo $n >>/tmp/wrong
    echo $n >/tmp/count
done
kill %1
umount /mnt
"""


@pytest.mark.skipif(not shutil.which("mke2fs"), reason="e2fsprogs is not installed")
def test_disk_at_work(guest, build_dir, tmp_path):
    mapped = os.path.join(build_dir, "tests", "boot-mapped")
    disk, image = tmp_path / "disk", tmp_path / "image"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", disk, "32M"], check=True)
    (tmp_path / "work").write_text(WORK)
    one = guest(vcpus=2, modules=MODULES, files=[(tmp_path / "work", "work"), (mapped, "mapped")],
                config=f"disk = ['file:{disk},xvda,w']\n")
    one.do("(sh /work >/tmp/log 2>&1) & until [ -e /tmp/count ]; do usleep 100000; done")
    for times in range(3):
        one.do("sleep 0.3")
        before = one.count()
        one.call("save", *(["-c"] if times == 1 else []), one.name, image)
        if times != 1:
            one.call("restore", image)
            one.attach()
        check_alive(one, before)
    one.do("touch /tmp/stop; while grep -q /mnt /proc/mounts; do usleep 100000; done")
    one.child.sendline("poweroff")
    one.child.expect(pexpect.EOF)
    done = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def listed(one, state):
    rows = one.call("list", f"--state={state}").splitlines()[1:]
    return one.name in [row.split()[0] for row in rows]


def test_managed(xm, kernels, tmp_path):
    with Machine("xm", kernels("6.1"), memory=128) as machine:
        one = Guest(xm, machine)
        machine.prepare()
        one.call("new", machine.arguments()[-1])
        one.call("resume", one.name, status=1)
        one.call("suspend", one.name, status=1)
        one.spawn([xm, "start", "-c", one.name])
        one.child.expect(PROMPT)
        one.do(COUNT)
        before = one.count()
        one.call("suspend", one.name)
        assert listed(one, "suspended") and not listed(one, "halted")
        assert "resume" in one.call("start", one.name, status=1)
        one.call("resume", one.name)
        assert not listed(one, "suspended")
        one.attach()
        check_alive(one, before)
        assert "already running" in one.call("resume", "-p", one.name, status=1)

        # xendomains, as at the host's end and its next start.
        options, saved = tmp_path / "options", tmp_path / "save"
        options.write_text(f"XENDOMAINS_SAVE={saved}\nXENDOMAINS_AUTO={tmp_path}/auto\n"
                           "XENDOMAINS_STOP_MAXWAIT=100\nXENDOMAINS_SHUTDOWN_ALL=\n")
        environment = dict(os.environ, XENDOMAINS_CONFIG=str(options), XM=xm)

        def xendomains(verb):
            return subprocess.run([os.path.join(TOP, "packaging", "xendomains"), verb],
                                  env=environment, capture_output=True, text=True, check=False)

        assert xendomains("start").returncode == 0
        before = one.count()
        done = xendomains("stop")
        assert f" {one.name}(save)" in done.stdout, done.stdout + done.stderr
        assert os.listdir(saved) == [one.name] and not one.exists()
        done = xendomains("start")
        assert (done.returncode, done.stdout) == (0, f"Restoring Xen domains: {one.name}\n")
        assert not os.listdir(saved)
        one.attach()
        check_alive(one, before)
        one.call("suspend", one.name)
        one.call("delete", one.name)
        assert one.name not in one.call("list")


def test_migrate_to_itself(guest, build_dir, tmp_path, monkeypatch):
    """Through a xend's relocation server (tests/cli/test_migrate.py has what can go wrong)."""
    run_dir = tempfile.mkdtemp(prefix="xenolith-save-")
    monkeypatch.setenv("XENOLITH_RUN_DIR", run_dir)
    port = free_port()
    (tmp_path / "config").write_text("(xend-relocation-server yes)\n"
                                     f"(xend-relocation-port {port})\n")
    monkeypatch.setenv("XEND_CONFIG", str(tmp_path / "config"))
    xend = os.path.join(build_dir, "xend")
    subprocess.run([xend, "start"], stderr=subprocess.DEVNULL, check=True)
    try:
        one = guest()
        one.do(COUNT)
        before, number = one.count(), one.call("domid", one.name)
        one.call("migrate", "-p", port, one.name, "localhost")
        assert one.call("domid", one.name) != number
        one.attach()
        check_alive(one, before)
        one.machine.destroy_domain()
    finally:
        subprocess.run([xend, "stop"], check=False)
        shutil.rmtree(run_dir, ignore_errors=True)


def test_xend_and_its_domains(xm, build_dir, kernels, monkeypatch):
    """A xend that is killed finds a restored domain again; one that stops suspends, one that
    starts resumes what is to be."""
    run_dir = tempfile.mkdtemp(prefix="xenolith-save-")
    monkeypatch.setenv("XENOLITH_RUN_DIR", run_dir)

    def xend(verb):
        return subprocess.run([os.path.join(build_dir, "xend"), verb], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=100, check=False).stdout

    with Machine("xm", kernels("6.1"), memory=128,
                 config="on_xend_start = 'start'\non_xend_stop = 'suspend'\n") as machine:
        one = Guest(xm, machine)
        try:
            machine.prepare()
            one.call("new", machine.arguments()[-1])
            assert not one.exists()
            xend("start")
            wait_for(one.exists)
            one.attach()
            one.do(COUNT)
            before = one.count()
            one.call("suspend", one.name)
            one.call("resume", one.name)
            os.kill(int(re.search(r"process (\d+)", xend("status")).group(1)), signal.SIGKILL)
            wait_for(lambda: "not running" in xend("status"))
            xend("start")
            one.attach()
            check_alive(one, before)
            before = one.count()
            xend("stop")
            wait_for(lambda: not one.exists())
            assert listed(one, "suspended")
            xend("start")
            wait_for(one.exists)
            one.attach()
            check_alive(one, before)
        finally:
            one.close()
            machine.destroy_domain()
            subprocess.run([xm, "delete", one.name], capture_output=True, check=False)
            xend("stop")
            shutil.rmtree(run_dir, ignore_errors=True)


def wait_for(what, timeout=30):
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.1)
