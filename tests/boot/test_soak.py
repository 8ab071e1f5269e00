# SPDX-License-Identifier: GPL-2.0-or-later
"""A minute of what `soak` does for half an hour and more, of stress-ng one class."""

import os
import re
import shutil

import pytest

import soaks
from conftest import MACHINE

pytestmark = [pytest.mark.slow, pytest.mark.skipif(MACHINE != "xm", reason="about our devices")]


@pytest.mark.skipif(not shutil.which("passt") or not shutil.which("iperf3"),
                    reason="passt or iperf3 is not installed")
def test_devices(xm):
    del xm
    report = soaks.devices(60)
    assert [line.split(":")[0] for line in sorted(report.splitlines())] == ["disk", "forks", "network"]


@pytest.mark.parametrize("vcpus", [2, 4])
def test_stress(xm, vcpus):
    del xm
    assert re.search("^stress-ng: exit [02]$", soaks.stress(60, vcpus, classes=["interrupt"]), re.MULTILINE)


def test_growth(xm, build_dir):
    """Not half an hour: that it measures, and that nothing grows at once."""
    del xm
    report = soaks.growth(60, program=os.path.join(build_dir, "tests", "boot-limits"), processes=300, areas=70000,
                          minute=5)
    assert re.search(r"^D .*; V .*; stubs ", report, re.MULTILINE) and report.count(" rounds") == 2, report
