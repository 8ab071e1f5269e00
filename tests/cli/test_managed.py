# SPDX-License-Identifier: GPL-2.0-or-later
"""Managed domains: xm new, start, delete; what lists show of them; domains that do not fit."""

import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from guestkit.machine import Machine

COMMAND = "echo ready; while :; do sleep 1; done"


def call(*words, timeout=60):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, check=False)


@pytest.fixture
def machine(xm, kernels, tmp_path, monkeypatch):
    """A guest that runs until it is ended, in an instance of its own; its files only."""
    monkeypatch.setenv("XENOLITH_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XENOLITH_LOG_DIR", str(tmp_path / "log"))
    with Machine("xm", kernels(), memory=128) as it:
        it.prepare(COMMAND)
        it.config_file = it.arguments()[-1]
        yield it


def row(xm, name):
    for line in call(xm, "list").stdout.splitlines():
        if line.split()[0] == name:
            return line
    return None


def test_life_of_a_managed_domain(xm, machine):
    done = call(xm, "new", "-q", machine.config_file, "name=kept")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert row(xm, "kept") == "%-40s %5s %5d %5d %10s %8.1f" % ("kept", "", 128, 1, "", 0)
    assert "kept" in call(xm, "list", "--state=halted").stdout
    assert "kept" not in call(xm, "list", "--state=running").stdout
    lines = call(xm, "list", "-l", "kept").stdout.splitlines()
    assert "    (name kept)" in lines and "    (status 0)" in lines
    uuid = json.loads(call(xm, "list", "--json", "kept").stdout)[0]["uuid"]

    done = call(xm, "start", "kept")
    assert re.fullmatch(r"Started domain kept \(id=\d+\)\n", done.stdout), done.stderr
    assert len([line for line in call(xm, "list").stdout.splitlines() if "kept" in line]) == 1
    assert json.loads(call(xm, "list", "--json", "kept").stdout)[0]["uuid"] == uuid
    for verb, words in (("start", "Domain is already running"), ("delete", "Domain is not halted.")):
        done = call(xm, verb, "kept")
        assert (done.returncode, done.stderr) == (1, f"Error: {words}\n")

    assert call(xm, "destroy", "kept").returncode == 0
    assert row(xm, "kept").split()[1] == "128"  # no id
    assert call(xm, "delete", uuid).returncode == 0
    assert row(xm, "kept") is None
    assert call(xm, "start", "kept").returncode == 3


def test_nothing_is_left_of_a_domain(xm, machine, tmp_path):
    """Neither in the run directory nor in the list."""
    assert call(xm, "create", "-q", machine.config_file).returncode == 0
    assert call(xm, "destroy", machine.name).returncode == 0
    deadline = time.monotonic() + 10
    while left := [entry.name for entry in (tmp_path / "run").iterdir() if entry.name[0].isdigit()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    assert row(xm, machine.name) is None


def test_start_with_console(xm, machine):
    """As xm create -c: from the first byte, and with the domain's end as exit status."""
    machine.prepare("echo from the guest")
    assert call(xm, "new", "-q", machine.config_file, "name=kept").returncode == 0
    done = call(xm, "start", "-c", "-q", "kept")
    assert done.returncode == 0, done.stderr
    assert "from the guest" in done.stdout
    assert call(xm, "delete", "kept").returncode == 0


def test_names_and_uuids_in_use(xm, machine):
    assert call(xm, "new", "-q", machine.config_file, "name=kept").returncode == 0
    done = call(xm, "new", "-q", machine.config_file, "name=kept")
    assert (done.returncode, done.stderr) == (
        1, "Error: VM name 'kept' already exists as a managed domain\n")
    done = call(xm, "create", "-q", machine.config_file, "name=kept")
    assert done.returncode == 1 and "xm start kept" in done.stderr
    uuid = json.loads(call(xm, "list", "--json", "kept").stdout)[0]["uuid"]
    assert call(xm, "new", "-q", machine.config_file, "name=other", f"uuid={uuid}").returncode == 0
    assert row(xm, "kept") is None and row(xm, "other")
    assert call(xm, "start", "-q", "other").returncode == 0
    done = call(xm, "create", "-q", machine.config_file, "name=third", f"uuid={uuid}")
    assert done.returncode == 1 and "has the uuid of domain" in done.stderr
    assert call(xm, "destroy", "other").returncode == 0


def test_too_much_memory(xm, machine, tmp_path):
    """Refused with numbers before anything is there, and nothing stays."""
    done = call(xm, "create", "-q", machine.config_file, "memory=262144")
    assert done.returncode == 1
    assert re.match(r"Error: I need 268435456 KiB, but dom0_min_mem is \d+ and shrinking to \d+ KiB "
                    r"would leave only \d+ KiB free", done.stderr)
    left = [entry.name for entry in (tmp_path / "run").iterdir() if entry.name[0].isdigit()]
    assert left == []


def test_list_of_one_waits_for_a_busy_host(xm, machine):
    """A domain that is asked for by name may have to wait for a CPU before it answers."""
    assert call(xm, "create", "-q", machine.config_file).returncode == 0
    pid = json.loads(call(xm, "list", "--json", machine.name).stdout)[0]["pid"]
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(0.5, os.kill, (pid, signal.SIGCONT))
    timer.start()
    info = json.loads(call(xm, "list", "--json", machine.name).stdout)[0]
    timer.join()
    assert info.get("pid") == pid


def test_list_does_not_wait_for_a_domain_that_is_busy(xm, machine):
    """A domain process that is stopped is listed with what is known of it."""
    assert call(xm, "create", "-q", machine.config_file).returncode == 0
    info = json.loads(call(xm, "list", "--json", machine.name).stdout)[0]
    os.kill(info["pid"], signal.SIGSTOP)
    try:
        started = time.monotonic()
        line = row(xm, machine.name)
        assert time.monotonic() - started < 1
        assert line.split()[1:5] == [str(info["domid"]), "128", "1", "------"]
    finally:
        os.kill(info["pid"], signal.SIGCONT)
