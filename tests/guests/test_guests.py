# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs every test guest of this folder: one claim, one domain, one result line.

A guest says "Test result: SUCCESS|SKIP|ERROR|FAILURE ..." and powers off. The crash-* guests
must be reported as crashed instead.
"""

import os
import re
import shlex
import shutil
import subprocess
import threading
import time

import pytest

from guestkit import BUILD, XM
from guestkit.machine import Machine

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = sorted(name for name in os.listdir(HERE)
               if name != "lib" and os.path.exists(os.path.join(HERE, name, "main.c")))
MEMORY = 32
SMP_VCPUS = 4  # of the smp-* guests: more than the host's CPUs, perhaps


def binary(build_dir, name):
    path = os.path.join(build_dir, "tests", "guests", f"guest-{name}")
    if not os.path.exists(path):
        pytest.fail(f"{path} has not been built; is it in tests/guests/meson.build?")
    return path


def two_disks(directory):
    """1 MiB each, every sector with its number at its beginning."""
    for name in ("first", "second"):
        with open(os.path.join(directory, name), "wb") as stream:
            for sector in range(2048):
                stream.write(sector.to_bytes(8, "little").ljust(512, b"\0"))
    return f"disk = ['file:{directory}/first,xvda,w', 'file:{directory}/second,xvdb,r']\n"


def passt(_directory):
    if not shutil.which("passt"):
        pytest.skip("passt is not installed")
    return "vif = ['type=user']\n"


def ramdisk(directory):
    """What boot-notes expects."""
    with open(os.path.join(directory, "ramdisk"), "wb") as stream:
        stream.write(bytes(i // 7 & 0xff for i in range(10000)))
    line = "".join(chr(ord("a") + i % 26) for i in range(1023))
    return f"ramdisk = '{directory}/ramdisk'\nextra = '{line}'\n"


def check_order(console):
    """Of console-ring: all that it wrote, nothing else."""
    text = "".join(f"{number:05}," for number in range(1000))
    assert f"begin-of-order{text}end-of-order" in console
    assert "across-the-wrap" in console and "#" not in console


def give_orders(machine, directory):
    """The administrator of toolstack-words: one order for each stage that the guest is at."""
    two_disks(directory)
    disk = f"file:{directory}/first"
    orders = [["sysrq", machine.name, "h"], ["mem-set", machine.name, "24"],
              ["vcpu-set", machine.name, "1"], ["block-attach", machine.name, disk, "xvda", "w"],
              ["block-detach", machine.name, "xvda"], ["shutdown", machine.name]]
    for stage, order in enumerate(orders, 1):
        if not wait_stage(machine, stage):
            return
        # An order may wait for what the guest does next; the guest says if none came.
        subprocess.run([*shlex.split(XM), *order], stdin=subprocess.DEVNULL, check=False,
                       timeout=30)


def wait_stage(machine, stage):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        domid = subprocess.run([*shlex.split(XM), "domid", machine.name], capture_output=True,
                               text=True, check=False).stdout.strip()
        path = f"/local/domain/{domid}/data/stage"
        read = subprocess.run([os.path.join(BUILD, "xenstore-read"), path], capture_output=True,
                              text=True, check=False)
        if read.stdout.strip() == str(stage):
            return True
        time.sleep(0.02)
    return False


# Who does something to a guest while it runs.
OTHERS = {"toolstack-words": give_orders}
VCPUS = {"toolstack-words": 2}
# What a guest's console must show beside its result.
CONSOLES = {"console-ring": check_order}
# What a guest's config has beside the kernel.
DEVICES = {"blkif": two_disks, "boot-notes": ramdisk, "netif": passt, "fbif": lambda _: "vfb = ['']\n"}


@pytest.mark.parametrize("name", NAMES)
def test_guest(xm, build_dir, name, tmp_path):
    vcpus = SMP_VCPUS if name.startswith("smp-") else VCPUS.get(name, 1)
    config = DEVICES[name](tmp_path) if name in DEVICES else ""
    with Machine("xm", kernel=binary(build_dir, name), memory=MEMORY, vcpus=vcpus,
                 config=config) as machine:
        other = threading.Thread(target=OTHERS.get(name, lambda *_: None),
                                 args=(machine, tmp_path))
        other.start()
        result = machine.boot(timeout=60)
        other.join()
    console = result.console_text()
    assert not result.timed_out, f"still running after 60 s:\n{console[-3000:]}"
    found = re.findall(r"^Test result: (\w+) ?(.*?)\r?$", console, re.MULTILINE)
    if name.startswith("crash-"):
        assert result.machine_status != 0, f"not reported as a crash:\n{console[-3000:]}"
        assert not found, console[-3000:]
        assert "crash" in console.lower().replace("expecting a crash", "")
        return
    assert found, f"no result (xm exited with {result.machine_status}):\n{console[-3000:]}"
    word, text = found[-1]
    if word == "SKIP":
        pytest.skip(text)
    assert word == "SUCCESS", f"{word}:\n{console[-5000:]}"
    assert result.machine_status == 0
    CONSOLES.get(name, lambda _: None)(console)
