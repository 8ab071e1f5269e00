# SPDX-License-Identifier: GPL-2.0-or-later
"""Saving a running guest to a file, and going on from it: Debian's kernels, with CPUs, memory,
disks and consoles in use."""

import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import time

import pexpect
import pytest

from guestkit.machine import Machine
from conftest import MACHINE

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
    assert one.do("ls /tmp/wrong 2>/dev/null") == ""
    earliest = time.time() - 2
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
    time.sleep(5)
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
