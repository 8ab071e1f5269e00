# SPDX-License-Identifier: GPL-2.0-or-later
"""Shared by all pytest suites: where things are, one guest per test, what runs when.

Tests marked `slow` run only with --slow. A test that needs something the host has not got
skips and says what. XENOLITH_PATIENCE=N makes time limits longer. XENOLITH_MACHINE=qemu runs the boot tests in QEMU instead: a check of
the tests themselves.
"""

import os
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "scripts"))

# pylint: disable=wrong-import-position
from guestkit import BUILD, SCRIPTS, XM, GuestkitError  # noqa: E402
from guestkit.machine import Machine, explain, fetch_kernel  # noqa: E402
from patience import stretch_limits  # noqa: E402

MACHINE = os.environ.get("XENOLITH_MACHINE", "xm")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_configure(config):
    stretch_limits()
    config.addinivalue_line("markers", "slow: takes long; runs with --slow")


def pytest_collection_modifyitems(config, items):
    """Leave the slow ones out altogether: they are another suite, not skipped tests."""
    if config.getoption("--slow"):
        return
    left_out = [item for item in items if item.get_closest_marker("slow")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def xm():
    """Path of the built xm."""
    if not os.path.exists(XM):
        pytest.fail(f"{XM} is not there; run: make")
    return XM


@pytest.fixture(scope="session")
def build_dir():
    return BUILD


@pytest.fixture(scope="session")
def kernels():
    """Function: kernel directory by series and flavour; skips where none can be had."""
    def get(series="6.1", flavour="amd64"):
        try:
            return fetch_kernel(series, flavour)
        except GuestkitError as error:
            return pytest.skip(str(error))
    return get


@pytest.fixture(scope="session")
def rootfs():
    """A Debian system as initramfs; skips where it cannot be made."""
    done = subprocess.run([os.path.join(SCRIPTS, "mkrootfs")], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        pytest.skip("mkrootfs could not make the Debian image")
    return done.stdout.strip()


@pytest.fixture
def guest(kernels, request):
    """Function: run shell text in a fresh guest, return its Result. Fails the test when the
    guest dies before the command has ended, unless may_die is given."""
    if MACHINE == "xm":
        request.getfixturevalue("xm")

    def run(command, series="6.1", flavour="amd64", may_die=False, timeout=120, files=(),
            modules=(), **options):
        with Machine(MACHINE, kernels(series, flavour), **options) as machine:
            result = machine.run(command, files=files, modules=modules, timeout=timeout)
        if not may_die:
            reason = explain(result, MACHINE)
            assert reason is None, reason
        return result
    return run
