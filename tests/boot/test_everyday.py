# SPDX-License-Identifier: GPL-2.0-or-later
"""Every kernel that Debian 12 has goes through a day's work, with and without its mitigations."""

import os

import pytest

pytestmark = pytest.mark.slow

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 60
MODULES = ["raid6_pq", "sha256-ssse3", "sha512-ssse3", "aesni-intel", "ghash-clmulni-intel",
           "crc32c-intel", "chacha-x86_64", "tcrypt"]
STEPS = ["bash", "perl", "python-threads", "gcc", "openssl", "raid6", "crypto", "ftrace", "modules",
         "stress", "warnings"]


@pytest.mark.parametrize("series,flavour,extra,vcpus,memory", [
    ("6.1", "amd64", "", 1, 1024),
    ("6.12", "amd64", "", 2, 1024),
    ("6.1", "amd64", "mitigations=off", 2, 1024),
    ("6.12", "amd64", "mitigations=off", 1, 8192),
    ("6.1", "rt-amd64", "", 2, 1024),
    ("6.12", "rt-amd64", "", 1, 1024),
])
def test_everyday(guest, rootfs, series, flavour, extra, vcpus, memory):
    result = guest(f"bash /test/everyday.sh {SECONDS}", series=series, flavour=flavour, extra=extra,
                   vcpus=vcpus, memory=memory, image=rootfs, modules=MODULES, timeout=1500,
                   files=[(os.path.join(HERE, "programs"), "test")])
    assert result.text().splitlines() == [f"ok {step}" for step in STEPS]
