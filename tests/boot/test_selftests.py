# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux's own self-tests, as far as Debian ships them as modules: the kernel judges us. test_bpf
runs a thousand programs through the guest kernel's own just-in-time compiler."""

import re

import pytest

MODULES = ("test_static_key_base", "test_static_keys", "test_user_copy", "test_bpf")


@pytest.mark.slow
@pytest.mark.parametrize("jit", (0, 1))
@pytest.mark.parametrize("series", ("6.1", "6.12"))
def test_kernel_selftests(guest, series, jit):
    here = [m for m in MODULES if series == "6.1" or m != "test_user_copy"]
    result = guest(f"echo {jit} >/proc/sys/net/core/bpf_jit_enable\n" +
                   "".join(f"modprobe {m} || echo failed {m}\n" for m in here) + "dmesg",
                   series=series, modules=here, memory=512, timeout=600)
    text = result.text()
    assert "failed test_" not in text
    assert series != "6.1" or "test_user_copy: tests passed" in text
    done = re.findall(r"test_bpf: (\w*:? ?)Summary: (\d+) PASSED, (\d+) FAILED", text)
    assert len(done) == 3 and all(failed == "0" for _, _, failed in done), text[-2000:]
    assert int(done[0][1]) > 1000
    assert not re.search(r"BUG:|WARNING:|Oops", text)
