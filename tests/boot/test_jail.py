# SPDX-License-Identifier: GPL-2.0-or-later
"""The domain process D is in its jail while a guest runs, and can do in there what it must."""

import glob
import os
import signal
import subprocess

import pytest

from guestkit.machine import Machine


def processes_of(name):
    """pids of what has the domain's console log open: D alone."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fds = [os.readlink(fd) for fd in glob.glob(f"/proc/{pid}/fd/*")]
        except OSError:
            continue
        if any(fd.endswith(f"/console-{name}.log") for fd in fds):
            found.append(int(pid))
    return found


def status_of(path):
    with open(path, encoding="ascii") as stream:
        return dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)


@pytest.fixture
def domain(xm, kernels):
    """A running domain: its name, D's pid and D's log."""
    with Machine("xm", kernels(), memory=128) as machine:
        machine.prepare("echo ready; while :; do sleep 1; done")
        words = [word for word in machine.arguments() if word not in ("-c", "-q")]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, timeout=60)
        pid, = processes_of(machine.name)
        log, = {os.readlink(fd) for fd in glob.glob(f"/proc/{pid}/fd/*")
                if os.readlink(fd).endswith(f"/{machine.name}.log")}
        yield machine.name, pid, log


def test_every_thread_is_jailed(domain):
    _, pid, log = domain
    with open(log, encoding="utf-8") as stream:
        if "no jail" in stream.read():
            pytest.skip("built with a sanitizer: no jail")
    threads = glob.glob(f"/proc/{pid}/task/*/status")
    assert len(threads) >= 2, "main loop and vCPU"
    for path in threads:
        status = status_of(path)
        assert status["Seccomp"] == "2" and status["Seccomp_filters"] == "2", status
        assert status["NoNewPrivs"] == "1", status


def test_log_names_who_ended_it(xm, domain):
    name, pid, log = domain
    with subprocess.Popen([xm, "console", name], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as console:
        os.kill(pid, signal.SIGTERM)
        console.communicate(timeout=60)
    with open(log, encoding="utf-8") as stream:
        text = stream.read()
    assert f"SIGTERM from process {os.getpid()} of user {os.getuid()}" in text
    assert "jail refused" not in text


def test_devices_come_and_go_in_it(xm, domain, tmp_path):
    """Whether the network can be had depends on the host; D lives on in any case."""
    name, pid, log = domain
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    done = subprocess.run([xm, "block-attach", name, f"file:{image}", "xvdb", "w"], check=False,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    subprocess.run([xm, "network-attach", name, "type=user"], check=False, capture_output=True,
                   timeout=60)
    with open(log, encoding="utf-8") as stream:
        assert "jail refused" not in stream.read()
    assert processes_of(name) == [pid]
