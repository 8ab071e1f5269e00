# SPDX-License-Identifier: GPL-2.0-or-later
"""What the device model tells while it is asked something else is not forgotten."""

import os
import shutil
import tempfile

import pytest

from hvmkit import Domain, call

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture
def fake(monkeypatch):
    """fake_model.py stands for QEMU, where any user may run it."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        shutil.copy(os.path.join(HERE, "fake_model.py"), f"{directory}/qemu-system-x86_64")
        os.chmod(f"{directory}/qemu-system-x86_64", 0o755)
        monkeypatch.setenv("PATH", directory + ":" + os.environ["PATH"])
        yield


@pytest.mark.parametrize("action,says", [("destroy", "triple fault"),
                                         ("coredump-destroy", "core written: ")])
def test_events_beside_answers(xm, tmp_path, fake, action, says):
    """A crash, told with the answer to mem-set, and the end of a core, with that to its begin."""
    with Domain(xm, tmp_path, f"maxmem = 64\nvcpus = 1\non_crash = '{action}'") as domain:
        call(xm, "mem-set", domain.name, "48")
        domain.wait_gone()
        log = domain.log()
    assert says in log, log
    for line in log.splitlines():
        if "core written: " in line:
            os.unlink(line.split("core written: ")[1])
