# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose processes somebody traces on the host is slow, and goes on: a signal then takes
longer than an engine would like to wait between two."""

import secrets
import shutil
import subprocess

import pytest

from guestkit.family import family, prefix, read_proc
from guestkit.machine import Machine, explain
from conftest import MACHINE

pytestmark = [pytest.mark.slow, pytest.mark.skipif(MACHINE != "xm", reason="about our processes"),
              pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")]


class Tracer:
    """strace of all processes that run the guest's code, from the guest's word on."""

    def __init__(self, nonce):
        self.nonce, self.output, self.process = nonce, b"", None

    def hear(self, data):
        self.output += data
        if b"begin\n" in self.output and not self.process:
            pids = [f"--attach={pid}" for pid in family(self.nonce) if "memfd" in read_proc(pid, "stat")]
            assert len(pids) > 1
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=none",
                                             "-o", "/dev/null", *pids])


@pytest.mark.parametrize("vcpus", [1, 2])
def test_traced(xm, kernels, vcpus):
    del xm
    nonce = secrets.token_hex(8)
    with Machine("xm", kernels(), memory=192, vcpus=vcpus, prefix=prefix(nonce)) as machine:
        tracer = Tracer(nonce)
        result = machine.run("echo begin; sleep 2; for i in 1 2 3 4 5; do cat /proc/version; done | "
                             "grep -c Linux; sha256sum </dev/null | cut -c1-8; echo end; sleep 1",
                             timeout=300, sink=tracer.hear)
        assert tracer.process, "nobody traced"
        tracer.process.wait(60)  # it ends with what it traces
    assert explain(result, MACHINE) is None
    assert tracer.output.decode().split() == ["begin", "5", "e3b0c442", "end"]
