# SPDX-License-Identifier: GPL-2.0-or-later
"""More of everything in a guest than the engine keeps at once: it gets slower and goes on."""

import os

import pytest

BAD = "WARNING: CPU|BUG:|Oops|Out of memory"
QUICK = {
    "processes": 400,  # address spaces: more than stubs
    "scattered": 5000,
    "areas": 70000,  # more than a host process may have
    "churn": 500,
}
FULL = {"processes": 5000, "scattered": 60000, "areas": 100000, "churn": 20000}


def run(guest, build_dir, name, count, vcpus):
    program = os.path.join(build_dir, "tests", "boot-limits")
    result = guest(f"""
        echo 500000 >/proc/sys/vm/max_map_count; echo 60000 >/proc/sys/kernel/pid_max
        /test/limits {name} {count}
        dmesg | grep -E '{BAD}'; /bin/true && echo alive
        """, memory=1024, vcpus=vcpus, files=[(program, "test/limits")], timeout=600)
    assert result.text() == f"{name} ok\nalive\n"


@pytest.mark.parametrize("name", sorted(QUICK))
def test_limits(guest, build_dir, name):
    run(guest, build_dir, name, QUICK[name], 1)


@pytest.mark.slow
@pytest.mark.parametrize("vcpus", [1, 2])
@pytest.mark.parametrize("name", sorted(FULL))
def test_full_limits(guest, build_dir, name, vcpus):
    run(guest, build_dir, name, FULL[name], vcpus)
