# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs and kernels that do anything (user/fuzz.c, kernel/fuzz.c): a moment of it here, minutes and
many seeds with --slow. A program harms nobody in its guest; a kernel ends by its own faults, never by
one of the engine's or the domain process's, and can be destroyed at any time.
"""

import os
import re
import secrets
import subprocess
import time

import pytest

from guestkit.family import family, prefix, read_proc

MEMORY = 32
BAD_KERNEL = r"WARNING: CPU|kernel BUG|BUG:|Oops|Call Trace"
# What no guest may make of itself.
NOT_THE_GUESTS = "engine fault|ended unexpectedly|the jail refused|stub maker has failed"
LONGEST = 60  # seconds of a kernel that comes to its end, on a busy host
PATIENCE = 3  # for one that may have none
FILES = 40  # of a domain process


def run_programs(guest, build_dir, vcpus, translation, seconds, seed):
    program = os.path.join(build_dir, "tests", "attacks", "attack-fuzz")
    result = guest(f"""echo 0 >/proc/sys/debug/exception-trace
                       /test/fuzz {seconds} {seed}; dmesg | grep -E '{BAD_KERNEL}'; true""",
                   memory=256, vcpus=vcpus, files=[(program, "test/fuzz")], timeout=seconds * 3 + 120,
                   config=f"program_translation = '{translation}'\n")
    print(f"seed {seed}: {result.text()}")
    assert re.fullmatch(r"fuzz: \d+ rounds, \d+ ended by themselves\n", result.text()), result.text()


@pytest.mark.parametrize("vcpus,translation", [(1, "always"), (2, "auto")])
def test_programs(guest, build_dir, vcpus, translation):
    run_programs(guest, build_dir, vcpus, translation, 6, 1)


@pytest.mark.slow
@pytest.mark.parametrize("translation", ["never", "auto", "always"])
@pytest.mark.parametrize("vcpus", [1, 2, 4])
def test_programs_long(guest, build_dir, vcpus, translation):
    run_programs(guest, build_dir, vcpus, translation, 300, secrets.randbelow(1 << 32))


class Kernel:
    """A domain of kernel/fuzz.c."""

    def __init__(self, xm, build_dir, vcpus, extra):
        self.xm, self.nonce = xm, secrets.token_hex(8)
        self.name = f"fuzz-{os.getpid()}-{secrets.token_hex(3)}"
        kernel = os.path.join(build_dir, "tests", "attacks", "attack-fuzz-kernel")
        self.process = subprocess.Popen(
            [*prefix(self.nonce), xm, "create", "-q", "-c", "/dev/null", f"name={self.name}",
             f"kernel={kernel}", f"memory={MEMORY}", f"vcpus={vcpus}", f"extra={extra}",
             "on_crash=destroy", "on_reboot=destroy", "on_watchdog=destroy"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def files(self):
        """The most descriptors of a domain process of it."""
        found = [0]
        for pid in family(self.nonce):
            if "xenolith-domain" in read_proc(pid, "cmdline"):
                try:
                    found.append(len(os.listdir(f"/proc/{pid}/fd")))
                except OSError:
                    pass  # gone
        return max(found)

    def wait(self, seconds):
        """What it said; None if it has not ended."""
        try:
            return self.process.communicate(timeout=seconds)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            return None

    def destroy(self):
        subprocess.run([self.xm, "destroy", self.name], check=False, timeout=20,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # it may end just now
        return self.process.communicate(timeout=20)[0].decode("utf-8", "replace")


def check(kernel, text):
    assert not re.search(NOT_THE_GUESTS, text), text[-2000:]
    # Its domain process may still be about to end: built with a sanitizer it looks for leaks first.
    deadline = time.monotonic() + 30
    while family(kernel.nonce) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not family(kernel.nonce)


def run_gentle(xm, build_dir, vcpus, seed, calls):
    """Hypercalls that it survives: it comes to its end, or to a fault of its own."""
    kernel = Kernel(xm, build_dir, vcpus, f"fuzz={seed} calls={calls} gentle")
    files = [0]
    text, until = None, time.monotonic() + LONGEST
    while text is None and time.monotonic() < until:
        text = kernel.wait(0.05)
        files.append(kernel.files())
    if text is None:
        text = kernel.destroy()
        pytest.fail(f"seed {seed} did not end: {text[-2000:]}")
    check(kernel, text)
    calls = [int(n) for n in re.findall(r"^(\d+) calls", text, re.MULTILINE)]
    print(f"seed {seed}: {max(calls, default=0)} calls, {max(files)} files, {text.strip().splitlines()[-1]}")
    return "Test result: SUCCESS" in text, max(files)


@pytest.mark.parametrize("vcpus", [1, 2])
def test_hypercalls(xm, build_dir, vcpus):
    ends = [run_gentle(xm, build_dir, vcpus, seed, 3000) for seed in (1, 2)]
    assert any(good for good, _ in ends)
    assert max(files for _, files in ends) <= FILES


@pytest.mark.slow
@pytest.mark.parametrize("vcpus", [1, 2, 4])
def test_hypercalls_long(xm, build_dir, vcpus):
    ends = [run_gentle(xm, build_dir, vcpus, secrets.randbelow(1 << 32), 50000) for _ in range(30)]
    assert sum(good for good, _ in ends) >= 5
    assert max(files for _, files in ends) <= FILES


def run_wild(xm, build_dir, vcpus, seed):
    """Anything: it ends, or hangs until it is destroyed."""
    kernel = Kernel(xm, build_dir, vcpus, f"fuzz={seed} calls=100000")
    text = kernel.wait(PATIENCE)
    if text is None:
        text = kernel.destroy()
    print(f"seed {seed}: {text.strip().splitlines()[-1]}")
    check(kernel, text)


@pytest.mark.parametrize("vcpus", [1, 2])
def test_anything(xm, build_dir, vcpus):
    for seed in range(100, 105):
        run_wild(xm, build_dir, vcpus, seed)


@pytest.mark.slow
@pytest.mark.parametrize("vcpus", [1, 2, 4])
def test_anything_long(xm, build_dir, vcpus):
    for _ in range(200):
        run_wild(xm, build_dir, vcpus, secrets.randbelow(1 << 32))
