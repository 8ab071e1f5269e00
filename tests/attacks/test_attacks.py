# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile programs, kernels and modules in guests (docs/security.md has the table).

What must hold whatever they do: a program harms neither its kernel nor another program, a kernel
harms neither another guest nor the host, and the domain can be destroyed within a second.
"""

import os
import re
import secrets
import shutil
import subprocess
import time

import pytest

from guestkit import SCRIPTS
from guestkit.machine import Machine, explain

MEMORY = 32
DESTROY_SECONDS = 3.0  # a second, and what a busy host adds
BAD_KERNEL = r"WARNING: CPU|kernel BUG|BUG:|Oops|Call Trace"

# What becomes of the domain: it "lives" and its kernel says so, it is "over", or it hangs on
# purpose until it is destroyed.
KERNEL_ATTACKS = {
    "read": "lives", "jump": "lives", "write-text": "lives", "write-data": "over",
    "write-run": "any", "write-shared": "any", "write-m2p": "any", "write-cache": "over",
    "munmap": "over", "exits": "any", "exit-unknown": "over", "stubs": "any", "log": "lives",
    "kicks": "any", "spin": "hangs", "sleep": "hangs",
    # Host system calls: openat, open, socket, connect, kill, tgkill, ptrace, process_vm_readv,
    # clone, execve, prctl, pidfd_open, pidfd_getfd, bpf, io_uring_setup, ioctl, memfd_create
    **{f"call={nr}": "over" for nr in (257, 2, 41, 42, 62, 234, 101, 310, 56, 59, 157, 434, 438,
                                       321, 425, 16, 319)},
}

# The same from a module in Linux; "oops": its kernel ends only the program that loaded it.
MODULE_ATTACKS = {
    "read": "lives", "jump": "oops", "write-text": "lives", "write-run": "any",
    "write-cache": "over", "spin": "hangs",
    **{f"call-{nr}": "over" for nr in (41, 59, 101)},  # socket, execve, ptrace
}


def start(xm, name, kernel, extra):
    return subprocess.Popen(
        [xm, "create", "-q", "-c", "/dev/null", f"name={name}", f"kernel={kernel}",
         f"memory={MEMORY}", f"extra={extra}", "on_crash=destroy", "on_reboot=destroy"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def destroy(xm, name):
    """Seconds that it took."""
    before = time.monotonic()
    subprocess.run([xm, "destroy", name], check=True, timeout=20)
    return time.monotonic() - before


def is_there(xm, name):
    return subprocess.run([xm, "domid", name], check=False, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def read_until(stream, text, seconds):
    """What comes until `text` does."""
    os.set_blocking(stream.fileno(), False)
    data, until = b"", time.monotonic() + seconds
    while text not in data and time.monotonic() < until:
        data += stream.read() or b""
        time.sleep(0.01)
    return data


@pytest.fixture(scope="module", name="neighbour")
def neighbour_fixture(xm, kernels):
    """Another guest, which counts; calling this says whether it still does, and correctly."""
    del xm
    with Machine("xm", kernels("6.1"), memory=128) as machine:
        machine.prepare("""
            dd if=/dev/urandom of=/tmp/known bs=64k count=16 2>/dev/null
            want=$(sha256sum </tmp/known); n=0
            while [ "$(sha256sum </tmp/known)" = "$want" ]; do
                n=$((n + 1)); echo "tick $n"; usleep 100000
            done
            echo damaged
            """)
        with subprocess.Popen(machine.arguments(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            machine.process = process
            assert b"tick" in read_until(process.stdout, b"tick", 60)

            def check():
                read_until(process.stdout, b"\0", 0.02)  # what is old
                text = read_until(process.stdout, b"tick", 30)
                assert b"tick" in text and b"damaged" not in text, text[-2000:]

            yield check
            machine.close()
            process.stdout.close()


@pytest.fixture(name="canary")
def canary_fixture(tmp_path):
    """Something of the host's."""
    path = tmp_path / "canary"
    content = secrets.token_bytes(4096)
    path.write_bytes(content)
    yield path
    assert path.read_bytes() == content


@pytest.mark.parametrize("attack", sorted(KERNEL_ATTACKS))
def test_kernel(xm, build_dir, neighbour, canary, attack):
    del canary
    kernel = os.path.join(build_dir, "tests", "attacks", "attack-kernel")
    name = f"attack-{os.getpid()}-{secrets.token_hex(2)}"
    fate = KERNEL_ATTACKS[attack]
    with start(xm, name, kernel, f"attack={attack}") as process:
        try:
            if fate == "hangs":
                output = read_until(process.stdout, b"attack " + attack.encode(), 20)
                time.sleep(0.3)
                assert is_there(xm, name), output
                assert destroy(xm, name) < DESTROY_SECONDS
                process.communicate(timeout=10)
            else:
                output, _ = process.communicate(timeout=20)
        finally:
            subprocess.run([xm, "destroy", name], check=False, stderr=subprocess.DEVNULL)
    text = output.decode("utf-8", "replace")
    assert f"attack {attack}" in text
    if fate == "lives":
        assert "Test result: SUCCESS" in text, text
    if fate == "over":
        assert "Test result" not in text and "crashed:" in text, text
    assert not is_there(xm, name)
    neighbour()


@pytest.fixture(scope="module", name="module")
def module_fixture(xm, kernels, build_dir, tmp_path_factory):
    """The hostile module, built for the kernel of Debian."""
    del xm
    done = subprocess.run([os.path.join(SCRIPTS, "fetch-headers"), os.path.basename(kernels("6.1"))],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        pytest.skip("fetch-headers could not get the kernel's headers")
    here = os.path.dirname(os.path.abspath(__file__))
    directory = tmp_path_factory.mktemp("module")
    for name in ("module/Kbuild", "module/module.c", "kernel/native.h"):
        shutil.copy(os.path.join(here, name), directory)
    archive = os.path.join(build_dir, "tests", "attacks", "libattack-native.a")
    subprocess.run(["ld", "-r", "--whole-archive", archive, "-o", directory / "native.o_shipped"],
                   check=True)
    (directory / ".native.o.cmd").touch()  # kbuild asks how each object was made
    made = subprocess.run(["make", "-s", "-C", done.stdout.strip(), f"M={directory}", "modules"],
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return directory / "attack.ko"


def check_end(result, attack, fate):
    """What the guest with the module said, and what xm says of it."""
    text = result.text()
    if fate == "over":
        assert result.status is None and "crashed:" in result.console_text(), text
        return
    assert result.status == 0 or fate == "any", explain(result, "xm")
    if fate == "oops":
        assert "Oops" in text and "exited 137" in text, text
    if fate == "lives":
        assert "attack: afterwards" in text and "exited 0" in text, text
        assert not re.search(BAD_KERNEL, text), text
    if attack == "write-text":
        assert "attack: code: 0 of 16384" in text, text


@pytest.mark.parametrize("attack", sorted(MODULE_ATTACKS))
def test_module(xm, kernels, module, neighbour, canary, attack):
    """Linux is honest here, but has let a hostile module in."""
    del canary
    command = (f"echo attack {attack}; insmod /test/attack.ko attack={attack}; "
               "echo exited $?; dmesg")
    with Machine("xm", kernels("6.1"), memory=128) as machine:
        nonce = machine.prepare(command, files=[(str(module), "test/attack.ko")])
        if MODULE_ATTACKS[attack] != "hangs":
            check_end(machine.run_prepared(nonce, 60), attack, MODULE_ATTACKS[attack])
        else:
            with subprocess.Popen(machine.arguments(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
                machine.process = process
                assert b"attack spin" in read_until(process.stdout, b"attack spin", 60)
                time.sleep(1)
                assert is_there(xm, machine.name)
                assert destroy(xm, machine.name) < DESTROY_SECONDS
                assert b"exited" not in process.communicate(timeout=10)[0]
        assert not is_there(xm, machine.name)
    neighbour()


@pytest.mark.parametrize("translation", ["never", "auto", "always"])
@pytest.mark.parametrize("vcpus", [1, 2, 4])
def test_programs(guest, build_dir, vcpus, translation):
    program = os.path.join(build_dir, "tests", "attacks", "attack-user")
    result = guest(f"/test/attack; echo $?; dmesg | grep -E '{BAD_KERNEL}'; true", memory=256,
                   vcpus=vcpus, files=[(program, "test/attack")],
                   config=f"program_translation = '{translation}'\n")
    text = result.text()
    assert "BROKEN" not in text, text
    assert re.search(r"^0 broken\n0\n\Z", text, re.MULTILINE), text


@pytest.mark.parametrize("vcpus", [1, 2])
def test_destroy_spinning(xm, kernels, build_dir, vcpus):
    """Programs that block all signals and spin, on all vCPUs."""
    program = os.path.join(build_dir, "tests", "attacks", "attack-user")
    with Machine("xm", kernels("6.1"), memory=128, vcpus=vcpus) as machine:
        machine.prepare("/test/attack spin", files=[(program, "test/attack")])
        with subprocess.Popen(machine.arguments(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            machine.process = process
            assert b"spinning" in read_until(process.stdout, b"spinning", 60)
            time.sleep(0.2)
            assert destroy(xm, machine.name) < DESTROY_SECONDS
            process.wait(10)
            process.stdout.close()
