# SPDX-License-Identifier: GPL-2.0-or-later
"""The interactive console: what a person at `xm create -c` sees and types."""

import sys
import time

import pexpect
import pytest

from guestkit import XM
from guestkit.machine import Machine
from conftest import MACHINE


@pytest.fixture
def console(kernels, request):
    """A pexpect child at a guest's shell prompt, with its machine."""
    if MACHINE == "xm":
        request.getfixturevalue("xm")
    machine = Machine(MACHINE, kernels())
    machine.prepare()
    words = machine.arguments()
    child = pexpect.spawn(words[0], words[1:], timeout=60, encoding="utf-8", codec_errors="replace",
                          dimensions=(24, 80))
    child.logfile_read = sys.stdout
    child.expect("Leave: ")
    child.expect("xenolith:~# ")
    yield child, machine
    child.close(force=True)
    machine.close()


def test_shell(console):
    child, _ = console
    child.sendline("echo $((6 * 7))")
    child.expect("\n42\r")
    child.sendline("tty; stty -a | head -1")
    child.expect("/dev/(hvc0|ttyS0|console)")


def test_job_control_and_interrupt(console):
    child, _ = console
    child.sendline("sleep 100 & jobs")
    child.expect("sleep 100")
    child.sendline("sleep 200")
    time.sleep(1)  # the shell has handed the terminal to it
    child.sendcontrol("c")
    child.sendline("echo after-$((1 + 1))")
    child.expect("after-2", timeout=10)


def test_line_editing(console):
    child, _ = console
    child.send("echo wrogn\b\bng-word\r")
    child.expect("wrong-word")


def test_long_input(console):
    """A pasted kilobyte arrives whole."""
    child, _ = console
    child.sendline("cat >/tmp/in <<'EOT'")
    for i in range(30):
        child.sendline(f"line {i:02d} " + "x" * 60)
    child.sendline("EOT")
    child.sendline("wc -c </tmp/in; echo done-$((2 + 2))")
    child.expect("done-4", timeout=20)
    assert f"\n{30 * 69}\r" in child.before


def test_poweroff(console):
    child, _ = console
    child.sendline("poweroff")
    child.expect(pexpect.EOF, timeout=20)
    child.wait()
    if MACHINE == "xm":
        assert child.exitstatus == 0


@pytest.mark.skipif(MACHINE != "xm", reason="about xm itself")
def test_escape_leaves(console):
    """Ctrl-] gives the terminal back; the domain may go on."""
    child, machine = console
    child.sendcontrol("]")
    child.expect(pexpect.EOF, timeout=10)
    child.wait()
    assert child.signalstatus is None
    pexpect.run(f"{XM} destroy {machine.name}")
