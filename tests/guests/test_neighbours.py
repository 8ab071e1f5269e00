# SPDX-License-Identifier: GPL-2.0-or-later
"""While one guest does its worst, the toolstack and other guests go on as if it were not there."""

import os
import subprocess
import time

import pytest

from guestkit.machine import Machine
from test_guests import MEMORY, binary

PATIENCE = 5  # seconds that an answer may take on a busy host


def timed(command):
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60)
    return time.monotonic() - start


@pytest.mark.parametrize("name", ["huge-counts", "garbage-shared", "give-away", "hostile-gdt"])
def test_others_answer(xm, build_dir, name):
    victim = binary(build_dir, "selftest")
    with subprocess.Popen([os.path.realpath(xm), "create", "-c", "/dev/null", f"name=evil-{os.getpid()}",
                           f"kernel={binary(build_dir, name)}", f"memory={MEMORY}"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as evil:
        slowest = 0
        rounds = 0
        while evil.poll() is None and rounds < 20:
            slowest = max(slowest, timed([xm, "list"]))
            with Machine("xm", kernel=victim, memory=MEMORY) as machine:
                result = machine.boot(timeout=60)
            assert "Test result: SUCCESS" in result.console_text()
            rounds += 1
        output, _ = evil.communicate(timeout=120)
    assert b"Test result: SUCCESS" in output, output[-3000:]
    assert slowest < PATIENCE, f"xm list took {slowest:.1f} s"
