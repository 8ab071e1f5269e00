# SPDX-License-Identifier: GPL-2.0-or-later
"""xm with real domains: create without a console, list, console, destroy."""

import json
import re
import subprocess
import time

import pytest

from guestkit import initramfs
from guestkit.machine import Machine


def call(*words, timeout=60):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, check=False)


@pytest.fixture
def domain(xm, kernels):
    """A domain in the background that prints its uptime once a second; gone afterwards."""
    with Machine("xm", kernels(), memory=128) as machine:
        machine.prepare("while :; do cat /proc/uptime; sleep 1; done")
        words = [word for word in machine.arguments() if word not in ("-c", "-q")]
        done = call(*words)
        assert done.returncode == 0, done.stderr
        assert re.search(rf"Started domain {machine.name} \(id=\d+\)", done.stdout), done.stdout
        yield machine.name
        call(xm, "destroy", machine.name)


def test_list(xm, domain):
    done = call(xm, "list")
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if line.startswith(domain))
    name, number, memory, vcpus, state, seconds = line.split()
    assert int(number) > 0 and memory == "128" and vcpus == "1"
    assert re.fullmatch(r"[rbpscd-]{6}", state)
    assert float(seconds) >= 0


def test_list_json(xm, domain):
    done = call(xm, "list", "--json")
    assert domain in json.dumps(json.loads(done.stdout))


def test_destroy(xm, domain):
    assert call(xm, "destroy", domain).returncode == 0
    deadline = time.monotonic() + 5
    while domain in call(xm, "list").stdout:
        assert time.monotonic() < deadline, "still listed"
        time.sleep(0.1)
    done = call(xm, "destroy", domain)
    assert done.returncode != 0 and domain in done.stderr


def test_same_name_twice(xm, kernels, domain):
    with Machine("xm", kernels(), memory=64, name=domain) as machine:
        initramfs.write(machine.ramdisk, initramfs.base(), b"")
        done = call(*machine.arguments())
    assert done.returncode != 0 and domain in done.stderr


def test_two_domains_at_once(xm, kernels, domain, guest):
    """They do not disturb each other."""
    assert guest("echo other").text() == "other\n"
    assert domain in call(xm, "list").stdout


def test_console_joins(xm, domain):
    """Somebody who comes later sees output, and leaving does not end the domain."""
    process = subprocess.Popen([xm, "console", domain], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        seen = b""
        deadline = time.monotonic() + 20
        while not re.search(rb"\d+\.\d+ \d+\.\d+", seen):
            assert time.monotonic() < deadline, seen
            seen += process.stdout.read1(4096)
    finally:
        process.kill()
        process.wait()
    assert domain in call(xm, "list").stdout


@pytest.mark.parametrize("words", [["no-such-verb"], ["destroy"], ["destroy", "no-such-domain"],
                                   ["create", "/nonexistent.cfg"], ["console", "no-such-domain"]])
def test_mistakes_are_explained(xm, words):
    done = call(xm, *words)
    assert done.returncode > 0
    assert done.stderr.strip()


def test_config_error_names_the_line(xm, tmp_path):
    config = tmp_path / "bad.cfg"
    config.write_text("name = 'bad'\nmemory = \n")
    done = call(xm, "create", str(config))
    assert done.returncode > 0 and re.search(r"bad\.cfg:2", done.stderr), done.stderr


def test_help(xm):
    done = call(xm, "help")
    assert done.returncode == 0 and "create" in done.stdout
