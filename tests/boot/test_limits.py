# SPDX-License-Identifier: GPL-2.0-or-later
"""More of everything in a guest than the engine keeps at once: it gets slower and goes on, and
takes no more of the host than it may."""

import os
import re
import secrets
import threading

import pytest

from guestkit import XM
from guestkit.family import family, prefix, read_proc

BAD = "WARNING: CPU|BUG:|Oops|Out of memory"
QUICK = {
    "processes": 400,  # address spaces: more than stubs
    "scattered": 5000,
    "areas": 70000,  # more than a host process may have
    "churn": 500,
}
FULL = {"processes": 5000, "scattered": 60000, "areas": 100000, "churn": 20000}


# Of the host, for one domain; files and areas of one process; memory beyond the guest's own.
PROCESSES = 20  # and the stubs:
STUBS = 64  # a vCPU
AREAS = 65536  # about what Linux lets a process have
FILES = 200
MEMORY = 160  # MiB


def memory_tells():
    """ThreadSanitizer's shadow of the domain process counts as its memory, and is larger."""
    with open(os.path.join(os.path.dirname(XM), "xenolith-domain"), "rb") as stream:
        return b"__tsan_init" not in stream.read()


class Watcher(threading.Thread):
    """The most that a machine's processes have taken."""

    def __init__(self, nonce):
        super().__init__()
        self.nonce, self.ended = nonce, threading.Event()
        self.processes = self.areas = self.files = self.memory = 0

    def look(self):
        pids = [pid for pid in family(self.nonce) if read_proc(pid, "maps")]
        memory = 0
        for pid in pids:
            status = dict(re.findall(r"^(RssAnon|VmPTE):\s*(\d+) kB", read_proc(pid, "status"), re.M))
            memory += sum(int(size) for size in status.values())
            self.areas = max(self.areas, read_proc(pid, "maps").count("\n"))
            try:
                self.files = max(self.files, len(os.listdir(f"/proc/{pid}/fd")))
            except OSError:
                pass  # gone
        self.processes = max(self.processes, len(pids))
        self.memory = max(self.memory, memory >> 10)

    def run(self):
        while not self.ended.wait(0.5):
            self.look()

    def check(self, vcpus):
        self.join()
        print(f"{self.processes} processes, {self.areas} areas, {self.files} files, {self.memory} MiB")
        assert 2 < self.processes <= PROCESSES + vcpus * STUBS
        assert 50 < self.areas <= AREAS
        assert 5 < self.files <= FILES
        assert 5 < self.memory
        assert self.memory <= MEMORY or not memory_tells()


def run(guest, build_dir, name, count, vcpus):
    program = os.path.join(build_dir, "tests", "boot-limits")
    nonce = secrets.token_hex(8)
    watcher = Watcher(nonce)
    watcher.start()
    try:
        result = guest(f"""
            echo 500000 >/proc/sys/vm/max_map_count; echo 60000 >/proc/sys/kernel/pid_max
            /test/limits {name} {count}
            dmesg | grep -E '{BAD}'; /bin/true && echo alive
            """, memory=1024, vcpus=vcpus, files=[(program, "test/limits")], timeout=600,
                       prefix=prefix(nonce))
    finally:
        watcher.ended.set()
    watcher.check(vcpus)
    assert result.text() == f"{name} ok\nalive\n"


@pytest.mark.parametrize("name", sorted(QUICK))
def test_limits(guest, build_dir, name):
    run(guest, build_dir, name, QUICK[name], 1)


@pytest.mark.slow
@pytest.mark.parametrize("vcpus", [1, 2])
@pytest.mark.parametrize("name", sorted(FULL))
def test_full_limits(guest, build_dir, name, vcpus):
    run(guest, build_dir, name, FULL[name], vcpus)
