# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose processes somebody traces on the host is slow, and goes on: a signal then takes
longer than an engine would like to wait between two."""

import json
import os
import shutil
import subprocess

import pytest

from guestkit.machine import Machine, explain
from conftest import MACHINE

pytestmark = [pytest.mark.slow, pytest.mark.skipif(MACHINE != "xm", reason="about our processes"),
              pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")]


def children(pid):
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as stream:
            found += [int(word) for word in stream.read().split()]
    return found + [below for child in found for below in children(child)]


class Tracer:
    """strace of all processes that run the guest's code, from the guest's word on."""

    def __init__(self, xm, name):
        self.xm, self.name, self.output, self.process = xm, name, b"", None

    def hear(self, data):
        self.output += data
        if b"begin\n" in self.output and not self.process:
            domains = json.loads(subprocess.check_output([self.xm, "list", "--json", self.name]))
            pids = [f"--attach={pid}" for pid in children(domains[0]["pid"])]
            assert len(pids) > 1
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=none",
                                             "-o", "/dev/null", *pids])


@pytest.mark.parametrize("vcpus", [1, 2])
def test_traced(xm, kernels, vcpus):
    with Machine("xm", kernels(), memory=192, vcpus=vcpus) as machine:
        tracer = Tracer(xm, machine.name)
        result = machine.run("echo begin; sleep 2; for i in 1 2 3 4 5; do cat /proc/version; done | "
                             "grep -c Linux; sha256sum </dev/null | cut -c1-8; echo end; sleep 1",
                             timeout=300, sink=tracer.hear)
        assert tracer.process, "nobody traced"
        tracer.process.wait(60)  # it ends with what it traces
    assert explain(result, MACHINE) is None
    assert tracer.output.decode().split() == ["begin", "5", "e3b0c442", "end"]
