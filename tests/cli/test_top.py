# SPDX-License-Identifier: GPL-2.0-or-later
"""xm top: what a guest's disks have done."""

import pytest

from guestkit.machine import Machine
from test_managed import call

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
