# SPDX-License-Identifier: GPL-2.0-or-later
"""Real Debian kernels boot, run commands, end in every way a guest can end."""

import ctypes
import glob
import os
import re
import subprocess
import time

import pytest

from guestkit.machine import Machine
from conftest import MACHINE

needs_xm = pytest.mark.skipif(MACHINE != "xm", reason="about xm itself")


@pytest.mark.parametrize("series", ["6.1", "6.12"])
def test_boots(guest, series):
    result = guest("uname -r; cat /sys/hypervisor/type", series=series)
    lines = result.text().split()
    assert lines[0].startswith(series + "."), result.console_text()
    if MACHINE == "xm":
        assert lines[1] == "xen"
    assert result.status == 0


@pytest.mark.slow
@pytest.mark.parametrize("series,flavour", [("6.1", "rt-amd64"), ("6.1", "cloud-amd64"),
                                            ("6.12", "rt-amd64"), ("6.12", "cloud-amd64")])
def test_boots_flavours(guest, series, flavour):
    result = guest("uname -r", series=series, flavour=flavour)
    assert result.text().strip().endswith(flavour)


@pytest.mark.parametrize("status", [0, 1, 42, 127, 255])
def test_exit_status(guest, status):
    if status == 127:
        assert guest("no-such-command").status == 127
    else:
        assert guest(f"exit {status}").status == status


def test_output_is_exact(guest):
    """Every byte arrives, nothing is added, both streams are there."""
    result = guest(r"for i in 0 1 2 3; do printf '\000\001\n\r\t\377\036%s' $i; done; "
                   "echo error >&2; printf end")
    want = b"".join(b"\0\x01\n\r\t\xff\x1e%d" % i for i in range(4)) + b"error\nend"
    assert result.output == want


def test_much_output(guest):
    """More than any ring or pipe holds."""
    result = guest("seq 1 100000")
    assert result.output.split() == [str(i).encode() for i in range(1, 100001)]


def test_clean_dmesg(guest):
    """The kernel complains about failing hypercalls by warnings: there are none."""
    result = guest("dmesg")
    text = result.text()
    bad = [line for line in text.splitlines()
           if re.search(r"WARNING: CPU|BUG:|Oops|Call Trace|general protection|unchecked MSR", line)]
    assert not bad, "\n".join(bad)
    if MACHINE == "xm":
        assert "Booting kernel on Xen" in text


@needs_xm
def test_poweroff_is_success(guest):
    assert guest("true").machine_status == 0


@needs_xm
def test_panic_is_reported(guest):
    """A crash ends xm with a status other than 0 and the reason in sight."""
    result = guest("echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 60",
                   may_die=True, timeout=60)
    assert not result.timed_out
    assert result.machine_status not in (0, None)
    assert "crash" in result.console_text().lower()
    assert result.status is None


@needs_xm
def test_reboot_ends(guest):
    """on_reboot is "destroy" in the test's config."""
    result = guest("reboot -f; sleep 60", may_die=True, timeout=60)
    assert not result.timed_out


@pytest.mark.parametrize("memory", [128, 256, 1024])
def test_memory_sizes(guest, memory):
    result = guest("awk '/MemTotal/ { print $2 }' /proc/meminfo", memory=memory)
    total = int(result.text()) // 1024
    assert memory * 0.5 <= total <= memory


@needs_xm
def test_too_little_memory_is_explained(guest):
    """What the kernel file needs to be loaded is known before the guest starts."""
    result = guest("true", memory=16, may_die=True)
    assert result.machine_status not in (0, None)
    assert re.search(r"\d+ MiB", result.console_text()), result.console_text()


@pytest.mark.slow
@pytest.mark.parametrize("memory", [2048, 4096])
def test_large_memory(guest, memory):
    result = guest("awk '/MemTotal/ { print $2 }' /proc/meminfo; "
                   f"dd if=/dev/zero of=/dev/shm/x bs=1M count={memory // 4} 2>/dev/null; "
                   "sha256sum </dev/shm/x", memory=memory)
    assert memory * 0.8 <= int(result.text().split()[0]) // 1024 <= memory


@pytest.mark.parametrize("extra", ["mitigations=off", "nokaslr", "noxsave", "debug"])
def test_kernel_parameters(guest, extra):
    result = guest("cat /proc/cmdline", extra=extra)
    assert extra in result.text().split()


def test_time_runs(guest):
    """Guest time keeps pace with the host's, and the wall clock is right."""
    result = guest("date +%s; read a _ </proc/uptime; sleep 2; read b _ </proc/uptime; echo $a $b")
    wall, before, after = result.text().split()
    assert abs(int(wall) - time.time()) < 60
    assert 1.8 <= float(after) - float(before) <= 4.0


@needs_xm
def test_time_is_ahead(guest):
    """Of the host's: rtc_timeoffset, or local time."""
    before = int(time.time())
    seen = int(guest("date +%s", config="rtc_timeoffset = 7200\n").output)
    assert before + 7195 <= seen <= time.time() + 7205


@needs_xm
def test_console_without_input(kernels, xm, tmp_path):
    """Stdin at end of file must not end the guest or eat the host's CPU."""
    with Machine("xm", kernels()) as machine:
        result = machine.run("sleep 1; echo alive")
    assert result.text() == "alive\n"


@needs_xm
def test_idle_guest_costs_nothing(kernels, xm):
    """A sleeping guest uses next to no CPU of the host."""
    with Machine("xm", kernels()) as machine:
        machine.prepare("sleep 4; poweroff -f")
        before = os.times()
        subprocess.run(machine.arguments(), stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=60, check=False)
        after = os.times()
    used = (after.children_user + after.children_system
            - before.children_user - before.children_system)
    # Boot included; processes that xm left to others would not be counted, so this is only
    # an upper bound that catches a busy loop in xm's own tree.
    assert used < 6.0


@needs_xm
def test_missing_kernel_is_explained(xm, tmp_path):
    config = tmp_path / "broken.cfg"
    config.write_text("name='broken'\nkernel='/nonexistent/vmlinuz'\nmemory=64\n")
    done = subprocess.run([xm, "create", "-c", str(config)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "/nonexistent/vmlinuz" in done.stderr + done.stdout


@needs_xm
@pytest.mark.parametrize("content", [b"", b"MZ", b"\x7fELF" + b"\xff" * 200, os.urandom(4096)])
def test_garbage_kernel_is_refused(xm, tmp_path, content):
    kernel = tmp_path / "kernel"
    kernel.write_bytes(content)
    config = tmp_path / "garbage.cfg"
    config.write_text(f"name='garbage'\nkernel='{kernel}'\nmemory=64\n")
    done = subprocess.run([xm, "create", "-c", str(config)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode not in (0, None) and done.returncode > 0
    assert done.stderr.strip()


def living_descendants():
    """Command names of processes below this one, in /proc; ended ones do not count."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                text = stream.read()
        except OSError:
            continue  # it ended meanwhile
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if rest[0] != "Z":
            parents[int(text.split()[0])] = (int(rest[1]), name)
    found, front = [], {os.getpid()}
    while front:
        front = {pid for pid, (parent, _) in parents.items() if parent in front}
        found += [parents[pid][1] for pid in front]
    return found


@needs_xm
def test_no_processes_left(guest):
    """When xm has returned, nothing of the domain is alive any more. This process adopts
    orphans (PR_SET_CHILD_SUBREAPER), so that none can hide."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(36, 1, 0, 0, 0) == 0
    try:
        before = living_descendants()
        guest("sleep 100 & true")
        deadline = time.monotonic() + 3
        while left := [name for name in living_descendants() if name not in before]:
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    finally:
        libc.prctl(36, 0, 0, 0, 0)
