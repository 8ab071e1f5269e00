# SPDX-License-Identifier: GPL-2.0-or-later
"""Claims of this folder once more, by kernels that are linked at the bottom of the address space
and say no more in their notes than they must. The list of them is in low-guests."""

import os
import re

import pytest

from guestkit.machine import Machine
from test_guests import HERE, MEMORY, binary

with open(os.path.join(HERE, "low-guests"), encoding="ascii") as listed:
    NAMES = listed.read().split()


@pytest.mark.parametrize("name", NAMES)
def test_low_guest(xm, build_dir, name):
    with Machine("xm", kernel=binary(build_dir, f"low-{name}"), memory=MEMORY) as machine:
        result = machine.boot(timeout=60)
    console = result.console_text()
    found = re.findall(r"^Test result: (\w+)", console, re.MULTILINE)
    assert not result.timed_out and found, f"no result:\n{console[-3000:]}"
    assert found[-1] == "SUCCESS", console[-5000:]
    assert result.machine_status == 0
