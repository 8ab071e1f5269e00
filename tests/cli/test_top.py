# SPDX-License-Identifier: GPL-2.0-or-later
"""xm top: xentop's lines and keys, and what a guest's disks have done."""

import re

import pexpect
import pytest

from guestkit.machine import Machine
from test_managed import call
from test_xend import instance  # noqa: F401  pylint: disable=unused-import

COMMAND = """
for module in xen-blkfront; do modprobe $module; done
n=0; while [ ! -b /dev/xvda ] && [ $n -lt 100 ]; do usleep 50000; n=$((n + 1)); done
dd if=/dev/xvda of=/dev/null bs=64k count=16 iflag=direct
dd if=/dev/zero of=/dev/xvda bs=4k count=10 oflag=direct
echo done with the disk
while :; do sleep 1; done
"""


@pytest.fixture
def machine(xm, kernels, tmp_path, monkeypatch):
    monkeypatch.setenv("XENOLITH_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XENOLITH_LOG_DIR", str(tmp_path / "log"))
    with open(tmp_path / "disk", "wb") as stream:
        stream.truncate(8 << 20)
    with Machine("xm", kernels(), memory=128,
                 config=f"disk = ['file:{tmp_path}/disk,xvda,w']\n") as it:
        it.log = tmp_path / "log" / f"console-{it.name}.log"
        yield it


def test_disks(xm, machine):
    machine.prepare(COMMAND, modules=("xen-blkfront",))
    assert call(xm, "create", "-q", machine.arguments()[-1]).returncode == 0
    for _ in range(1200):
        if machine.log.exists() and "done with the disk" in machine.log.read_text(errors="replace"):
            break
        call("sleep", "0.1")
    heading, *rows = [line.split() for line in
                      call(xm, "top", "-b", "-i", "1", "-f").stdout.replace("no limit", "-").splitlines()]
    (row,) = [dict(zip(heading, words)) for words in rows if words[0] == machine.name]
    # The kernel has read a little, too, in search of partitions.
    assert int(row["VBDS"]) == 1
    assert 2048 <= int(row["VBD_RSECT"]) < 4096 and 16 <= int(row["VBD_RD"]) < 100
    assert (int(row["VBD_WR"]), int(row["VBD_WSECT"])) == (10, 80)
    host = dict(zip(heading, next(words for words in rows if words[0] == "Domain-0")))
    assert int(host["VBD_RD"]) == 0


DETAILS = {
    "x": r"VBD BlkBack 51712 \[ca:00\]  OO: +\d+   RD: +\d+   WR: +\d+  RSECT: +\d+  WSECT: +\d+",
    "v": r"VCPUs\(sec\):   0: +\ds  1: +\ds",
    "n": r"Net0 RX: +\d+bytes +\d+pkts +\d+err +\d+drop  TX: +\d+bytes +\d+pkts +\d+err +\d+drop",
}


@pytest.fixture
def counted(instance, tmp_path):
    """A guest with one of each."""
    (tmp_path / "image").write_bytes(b"\0" * 1048576)
    instance.create("one", "create", "extra=wait", "vcpus=2", "vif=type=user",
                    f"disk=file:{tmp_path}/image,xvda,w")
    return instance


@pytest.mark.parametrize("letter", DETAILS)
def test_details(counted, letter):
    lines = call(counted.xm, "top", "-b", "-i", "1", f"-{letter}").stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["NAME", "Domain-0", "one"]
    assert len(lines) == 4 and re.fullmatch(DETAILS[letter], lines[3]), lines


def test_repeated_headings(counted):
    lines = call(counted.xm, "top", "-b", "-i", "1", "-r").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "Domain-0", "NAME", "one"]


def test_keys(counted):
    """On a terminal: the summary; what is shown besides, by keys."""
    child = pexpect.spawn(counted.xm, ["top", "-d", "1"], dimensions=(40, 200), encoding="utf-8",
                          timeout=30, env={"TERM": "vt100", "PATH": "/usr/bin",
                                           "XENOLITH_RUN_DIR": str(counted.run),
                                           "XENOLITH_LOG_DIR": str(counted.log)})
    try:
        child.expect(r"xentop - \d\d:\d\d:\d\d   Xen 4\.")
        child.expect("2 domains: 1 running, ")
        child.expect(r"Mem: \d+k total, 8192k used, \d+k free    CPUs: \d+ @ \d+MHz")
        for key, words in (("x", "VBD BlkBack 51712"), ("v", r"VCPUs\(sec\)"), ("n", "Net0 RX")):
            child.send(key)
            child.expect(words)
        child.send("q")
        child.expect(pexpect.EOF)
    finally:
        child.close()
    assert child.exitstatus == 0
