# SPDX-License-Identifier: GPL-2.0-or-later
"""What a running domain may be given and what may be taken from it: time, memory, CPUs."""

import contextlib
import json
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

    def xm_call(self, verb, *words, status=0):
        """xm VERB DOMAIN WORDS...; its standard output (error, if it is to fail)."""
        done = subprocess.run([self.xm, verb, self.name, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stderr if status else done.stdout

    def info(self):
        return json.loads(self.xm_call("list", "--json"))[0]

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
    wait_for(lambda: exists(guest))
    time.sleep(0.5)
    assert guest.info()["state"] == "--p---"
    assert guest.info()["cpu_time"] < 0.5
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
