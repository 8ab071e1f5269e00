# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs of xm that look at a running domain or ask something of it."""

import json
import os
import re
import subprocess
import time

import pytest

from guestkit import BUILD
from guestkit.machine import Machine

# orderly_poweroff() of the kernel runs these programs; busybox's talk to an init of its own.
COMMAND = r"""
for word in poweroff reboot halt; do
    rm -f /sbin/$word
    printf '#!/bin/sh\nexec busybox %s -f\n' $word >/sbin/$word
    chmod 755 /sbin/$word
done
echo ready
while :; do sleep 1; done
"""


def call(*words, timeout=60):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, check=False)


def start(machine):
    machine.prepare(COMMAND)
    done = call(*[word for word in machine.arguments() if word not in ("-c", "-q")])
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def domain(xm, kernels):
    """A domain for all tests here that do not end it."""
    with Machine("xm", kernels(), memory=128) as machine:
        start(machine)
        yield machine.name


def test_domid_and_back(xm, domain):
    done = call(xm, "domid", domain)
    assert done.returncode == 0 and re.fullmatch(r"\d+\n", done.stdout)
    number = done.stdout.strip()
    assert call(xm, "domname", number).stdout == domain + "\n"
    assert call(xm, "domid", number).stdout == number + "\n"
    uuid = json.loads(call(xm, "list", "--json", domain).stdout)[0]["uuid"]
    assert call(xm, "domid", uuid).stdout == number + "\n"
    assert call(xm, "domid", uuid.replace(uuid[:8], "01234567")).returncode == 3
    assert call(xm, "domid", "Domain-0").stdout == "0\n"
    assert call(xm, "domname", "0").stdout == "Domain-0\n"
    done = call(xm, "domid", "no-such-domain")
    assert done.returncode == 3
    assert done.stderr == "Error: Domain 'no-such-domain' does not exist.\n"


def test_uptime(xm, domain):
    done = call(xm, "uptime", domain)
    heading, row = done.stdout.splitlines()
    assert heading == "%-33s %4s %s " % ("Name", "ID", "Uptime")
    assert re.fullmatch(re.escape("%-32s " % domain) + r" *\d+  0:0\d:\d\d", row), row
    done = call(xm, "uptime", "-s", domain)
    assert re.fullmatch(rf" \d\d:\d\d:\d\d up 0:0\d, {domain} \(\d+\)\n", done.stdout)
    assert len(call(xm, "uptime").stdout.splitlines()) >= 3


def test_list_forms(xm, domain):
    done = call(xm, "list", domain)
    heading, row = done.stdout.splitlines()
    assert heading == "%-40s %5s %5s %5s %10s %9s" % ("Name", "ID", "Mem", "VCPUs", "State",
                                                       "Time(s)")
    assert re.fullmatch(re.escape("%-40s " % domain) + r" *\d+   128     1     [rb-]{6} +\d+\.\d",
                        row), row
    lines = call(xm, "list", "-l", domain).stdout.splitlines()
    assert lines[0] == "(domain" and lines[-1] == ")"
    assert f"    (name {domain})" in lines and "    (maxmem 128)" in lines
    assert sum(bool(re.fullmatch(r"    \(domid \d+\)", line)) for line in lines) == 1
    document = json.loads(call(xm, "list", "--json", domain).stdout)
    assert [entry["name"] for entry in document] == [domain]


def test_list_by_state(xm, domain):
    assert domain in call(xm, "list", "--state=running").stdout
    assert domain in call(xm, "list", "--state=all").stdout
    assert domain not in call(xm, "list", "--state=paused").stdout
    assert domain not in call(xm, "list", "--state=crashed", "--json").stdout
    assert call(xm, "list", "--state=odd").returncode == 1
    assert call(xm, "list", "--state=running", domain).returncode == 1


def test_block_devices_come_and_go(xm, domain, tmp_path):
    heading = "Vdev  BE handle state evt-ch ring-ref BE-path"
    image = tmp_path / "image"
    image.write_bytes(b"\0" * 1048576)
    assert call(xm, "block-list", domain).stdout == ""
    done = call(xm, "block-attach", domain, f"file:{image}", "xvdb", "w")
    assert done.returncode == 0, done.stderr
    lines = call(xm, "block-list", domain).stdout.splitlines()
    assert lines[0] == heading and len(lines) == 2
    assert re.match(r"51728  0    0  ", lines[1]), lines
    assert "/backend/vbd/" in lines[1]
    done = call(xm, "vbd-list", "-l", domain)
    assert "deprecated" in done.stderr and done.stdout.startswith("(51728\n")
    assert "    (virtual-device 51728)\n" in done.stdout
    done = call(xm, "block-attach", domain, f"file:{image}", "xvdb", "w")
    assert done.returncode == 1 and done.stderr.startswith("Error: ")
    # This guest has no driver that would let go of it.
    assert call(xm, "block-detach", domain, "xvdb", "-f").returncode == 0
    deadline = time.monotonic() + 10
    while call(xm, "block-list", domain).stdout:
        assert time.monotonic() < deadline, "still listed"
        time.sleep(0.1)
    assert call(xm, "block-detach", domain, "xvdb").returncode == 1


def test_network_list_is_empty(xm, domain):
    done = call(xm, "network-list", domain)
    assert (done.returncode, done.stdout) == (0, "")
    done = call(xm, "network-attach", domain, "nonsense")
    assert done.returncode == 1 and "Invalid argument: nonsense" in done.stderr
    done = call(xm, "network-attach", domain, "bridge=xenbr0", "colour=red")
    assert (done.returncode, done.stderr) == (1, "Error: Invalid argument: colour\n")
    assert call(xm, "network-detach", domain, "7").returncode == 1


def test_shutdown(xm, kernels):
    with Machine("xm", kernels(), memory=128) as machine:
        start(machine)
        wait_ready(xm, machine.name)
        done = call(xm, "shutdown", "-w", machine.name)
        assert done.stderr == ""
        assert done.stdout == f"Domain {machine.name} terminated\nAll domains terminated\n"
        assert call(xm, "domid", machine.name).returncode == 3


def test_reboot(xm, kernels):
    with Machine("xm", kernels(), memory=128, config="on_reboot = 'restart'\n") as machine:
        start(machine)
        wait_ready(xm, machine.name)
        done = call(xm, "reboot", "--wait", machine.name)
        assert done.stdout == f"Domain {machine.name} rebooted\nAll domains rebooted\n"
        assert call(xm, "domid", machine.name).returncode == 0


def wait_ready(xm, name):
    """Until the guest's console says that its command runs."""
    with subprocess.Popen([xm, "console", "-q", name], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        seen = b""
        while b"ready" not in seen:
            data = process.stdout.read1(4096)
            assert data, seen
            seen += data
        process.kill()


@pytest.mark.parametrize("words,text", [
    (["shutdown"], "'xm shutdown' requires at least 1 argument."),
    (["trigger", "a", "nmi", "0", "x"], "'xm trigger' takes at most 3 arguments."),
    (["rename", "x", "Domain-0"], "VM name 'Domain-0' already exists as domain 0"),
    (["mem-set", "x", "300g"], "'300g' is more than the 262144 MiB that a domain may have"),
    (["domid"], "'xm domid' requires 1 argument."),
    (["shutdown", "-H", "-R", "x"], "-H and -R exclude each other"),
    (["shutdown", "-a", "x"], "needs a domain, or -a"),
    (["shutdown", "x", "y"], "takes one domain, or -a"),
    (["shutdown", "Domain-0"], "Cannot shutdown privileged domain 0"),
    (["reboot", "no-such-domain"], "Domain 'no-such-domain' does not exist."),
    (["reboot", "\33[2J\n"], "Domain '?[2J?' does not exist."),
    (["sysrq", "no-such-domain", "h"], "Domain 'no-such-domain' does not exist."),
    (["sysrq", "x", "help"], "'help' is not one letter"),
    (["block-attach", "x", "file:/y", "xvda"], "the mode is missing"),
    (["list", "--odd"], "unknown option '--odd'"),
])
def test_mistakes(xm, words, text):
    done = call(xm, *words)
    assert done.returncode > 0 and done.stdout == ""
    assert done.stderr.startswith("Error: ") and text in done.stderr


def test_help_long(xm):
    brief, full = call(xm, "help").stdout, call(xm, "help", "--long").stdout
    assert "list" in brief and "--state=STATE" not in brief and "--state=STATE" in full


def test_core_goes_to_a_file_of_our_own(xm, domain, tmp_path):
    """Who was there first with the name of the unfinished file does not read the memory."""
    partial, core, other = (tmp_path / name for name in ("core-incomplete", "core", "other"))
    partial.write_text("")
    partial.chmod(0o666)
    with open(partial, encoding="utf-8") as early:
        assert call(xm, "dump-core", "--live", domain, core).returncode == 0
        assert early.read() == ""
    assert core.stat().st_mode & 0o777 == 0o600
    other.write_text("precious")
    partial.symlink_to(other)
    assert call(xm, "dump-core", "--live", domain, core).returncode == 0
    assert other.read_text() == "precious" and not core.is_symlink()


def test_words_of_a_guest_are_not_the_terminals(xm, domain):
    """What a guest writes to its part of xenstore is listed without control characters."""
    number = call(xm, "domid", domain).stdout.strip()
    path = f"/local/domain/{number}/device/vif/0"
    write = os.path.join(BUILD, "xenstore-write")
    assert call(write, path + "/mac", "00:\33[2J\nroot", path + "/handle", "0").returncode == 0
    text = call(xm, "network-list", domain).stdout
    assert "00:?[2J?root" in text and len(text.splitlines()) == 2
    assert call(os.path.join(BUILD, "xenstore-rm"), path).returncode == 0
